"""The encoder of BERTScore: found in a folder, in the Hub's cache, or on the Hub; or one sentence why not."""

import os
from pathlib import Path
from typing import Any

from medqa.run import UserError

# Seconds after which the Hub counts as out of reach.
HUB_TIMEOUT = 5
OFFLINE_SWITCHES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
# What an encoder needs on an air-gapped machine; weights in the older format only where there is no other.
ENCODER_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
# Used when neither the tokenizer nor the encoder says how long an input may be.
DEFAULT_MAX_TOKENS = 512


class EncoderMissing(UserError):
    """The encoder cannot be had; the message says what was tried and what to type instead."""


def known_name(model: str) -> str:
    """Name under which bert_score knows an encoder, also when it lies in a folder; else the name as given.

    `models/deberta-xlarge-mnli` and the Hub's own `models--microsoft--deberta-xlarge-mnli/snapshots/…` are
    both `microsoft/deberta-xlarge-mnli`.
    """
    from bert_score.utils import model2layers

    if model in model2layers:
        return model
    by_last_part = {name.split("/")[-1]: name for name in model2layers}
    for part in reversed(Path(model).parts):
        name = part.removeprefix("models--").replace("--", "/")
        if name in model2layers:
            return name
        if name in by_last_part:
            return by_last_part[name]
    return model


def download_encoder(model: str, folder: str | Path) -> Path:
    """Fetch an encoder from the Hub into a folder below `folder`, to be carried to another machine.

    Returns:
        The folder to name as BERTSCORE_MODEL there.

    Raises:
        EncoderMissing: it could not be fetched.
    """
    from huggingface_hub import snapshot_download

    target = Path(folder) / model.split("/")[-1]
    try:
        patterns = list(ENCODER_FILES)
        if not any(name.endswith(".safetensors") for name in _ask_hub(model)):
            patterns.append("pytorch_model*.bin")
        snapshot_download(model, local_dir=target, allow_patterns=patterns)
    except Exception as error:
        raise _missing(f"{model} could not be fetched from the Hub ({_first_line(error)})") from error
    return target


def load_encoder(model: str) -> tuple[Any, Any]:
    """Tokenizer and encoder: from a folder, else from the Hub's cache on this machine, else from the Hub.

    Raises:
        EncoderMissing: none of these gave it. Without internet this takes seconds, not the Hub's retries.
    """
    folder = Path(model).expanduser()
    if not model or (not folder.is_dir() and (model.startswith((".", "/", "~")) or model.count("/") > 1)):
        raise _missing(f"there is no folder {model!r}")
    try:
        return _from_disk(str(folder) if folder.is_dir() else model)
    except Exception as error:
        if folder.is_dir():
            reason = f"the folder {model} holds none that can be loaded ({_first_line(error)})"
            raise _missing(reason) from error
    nowhere = f"{model} is neither a folder nor in the Hub's cache on this machine, and"
    if any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in OFFLINE_SWITCHES):
        raise _missing(f"{nowhere} HF_HUB_OFFLINE forbids fetching it")
    try:
        _ask_hub(model)
        return _from_disk(model, fetch=True)
    except Exception as error:
        raise _missing(f"{nowhere} fetching it from the Hub failed ({_first_line(error)})") from error


def _missing(reason: str) -> EncoderMissing:
    return EncoderMissing(
        f"BERTScore has no encoder: {reason}. Name a folder with --BERTSCORE_MODEL FOLDER, or leave "
        f"BERTScore "
        'out with --BERTSCORE_MODEL ""'
    )


def _ask_hub(model: str) -> list[str]:
    """The model's files. Asked first, because without internet the downloader would retry for minutes."""
    from huggingface_hub import HfApi

    return [file.rfilename for file in HfApi().model_info(model, timeout=HUB_TIMEOUT).siblings or []]


def _from_disk(model: str, fetch: bool = False) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModel, AutoTokenizer, logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    # Quiet: the classification head that an MNLI model has and BERTScore does not use is no news.
    logging.set_verbosity_error()
    if not fetch:
        logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=not fetch)
        encoder = AutoModel.from_pretrained(model, dtype=torch.float32, local_files_only=not fetch)
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
    if getattr(encoder.config, "is_decoder", False) or tokenizer.cls_token_id is None:
        raise ValueError("it is no encoder of BERT's kind (no [CLS] token)")
    return tokenizer, encoder


def longest_input(tokenizer: Any, config: Any) -> int:
    """Longest input in tokens, special ones included.

    The tokenizer of deberta-xlarge-mnli names none (it says 1e30): then the encoder's positions decide.
    """
    positions = getattr(config, "max_position_embeddings", None) or DEFAULT_MAX_TOKENS
    if config.model_type in ("roberta", "xlm-roberta", "camembert", "longformer", "mpnet"):
        # These count positions from the padding token's number + 1.
        positions -= config.pad_token_id + 1
    return min(positions, tokenizer.model_max_length)


def _first_line(error: Exception) -> str:
    """The first line of an error's message without its full stop: the Hub's messages run over many lines."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__
