"""The encoder of BERTScore and of entailment: found in a folder, in the Hub's cache, or on the Hub.

Where there is none, one sentence says why.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from medqa.artifacts import hub
from medqa.runtime.errors import UserError

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
            reason = f"the folder {model} holds none that can be loaded ({hub.first_line(error)})"
            raise _missing(reason) from error
    nowhere = f"{model} is neither a folder nor in the Hub's cache on this machine, and"
    if hub.forbidden():
        raise _missing(f"{nowhere} HF_HUB_OFFLINE forbids fetching it")
    try:
        _ask_hub(model)
        hub.announce(model, "BERTSCORE_MODEL")
        return _from_disk(model, fetch=True)
    except Exception as error:
        raise _missing(f"{nowhere} fetching it from the Hub failed ({hub.first_line(error)})") from error


class Batched:
    """A scorer that sends its texts through an encoder in batches.

    Attributes:
        tokens_per_batch: padded tokens of a batch; halved whenever the memory does not suffice.
    """

    tokens_per_batch: int

    def _through(
        self, items: list[Any], length: Callable[[Any], int], forward: Callable[[list[Any]], Any]
    ) -> Iterator[tuple[list[Any], Any]]:
        """Each batch with what `forward` made of it.

        Args:
            items: sorted by length; they are taken from their end, so that memory runs out at once or never.
            length: tokens of an item.
            forward: the encoder, on one batch.
        """
        import torch

        while items:
            batch = items[-max(1, self.tokens_per_batch // length(items[-1])) :]
            try:
                made = forward(batch)
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise
                self.tokens_per_batch //= 2
                torch.cuda.empty_cache()
                continue
            yield batch, made
            items = items[: -len(batch)]


class HeadMissing(UserError):
    """The encoder judges no entailment; the message says why."""


def load_classifier(model: str) -> tuple[Any, Any, dict[str, int]]:
    """Tokenizer, encoder with its head for entailment, and the place of each label.

    What `load_encoder` has found or fetched is on this machine by now: the Hub is not asked again.

    Returns:
        tokenizer; model; {"entailment": place, "contradiction": place}, by the names in the config: models
        differ in the order of their labels.

    Raises:
        HeadMissing: no such labels, no head among the weights, or nothing that can be loaded.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    folder = Path(model).expanduser()
    name = str(folder) if folder.is_dir() else model
    try:
        with _quiet_loading():
            names = AutoConfig.from_pretrained(name, local_files_only=True, trust_remote_code=False).id2label
            places = {
                label: place
                for place, text in names.items()
                for label in ("entailment", "contradiction")
                if str(text).lower().startswith(label[:6]) and "not" not in str(text).lower()
            }
            if len(places) < 2:
                told = ", ".join(map(str, names.values()))
                raise ValueError(f"its config names no entailment and contradiction, but {told}")
            tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=True, trust_remote_code=False)
            if type(tokenizer).__name__ == "DebertaTokenizer":
                _one_separator(tokenizer)
            classifier, info = AutoModelForSequenceClassification.from_pretrained(
                name,
                dtype=torch.float32,
                local_files_only=True,
                output_loading_info=True,
                trust_remote_code=False,
                weights_only=True,
            )
    except Exception as error:
        raise HeadMissing(f"{model} does not judge entailment ({hub.first_line(error)})") from error
    # A head that is not among the weights is a random one, and transformers only warns of it.
    body = f"{classifier.base_model_prefix}."
    if absent := sorted(key for key in info["missing_keys"] if not key.startswith(body)):
        raise HeadMissing(f"{model} does not judge entailment (its weights lack {absent[0]})")
    return tokenizer, classifier, places


def _one_separator(tokenizer: Any) -> None:
    """Have a pair read [CLS] A [SEP] B [SEP], as DeBERTa was trained (He et al., ICLR 2021).

    transformers 5 puts RoBERTa's two separators between the texts; transformers 4 put one.
    """
    from tokenizers import processors

    first, last = tokenizer.cls_token, tokenizer.sep_token
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} $B:1 {last}:1",
        special_tokens=[(first, tokenizer.cls_token_id), (last, tokenizer.sep_token_id)],
    )


def _missing(reason: str) -> EncoderMissing:
    return EncoderMissing(
        f"BERTScore has no encoder: {reason}. Name a folder with --BERTSCORE_MODEL FOLDER, or leave "
        f"BERTScore "
        'out with --BERTSCORE_MODEL ""'
    )


def _ask_hub(model: str) -> list[str]:
    """The names of the model's files, asked first, or a download without internet would retry for minutes."""
    return [file.rfilename for file in hub.files_of(model)]


@contextlib.contextmanager
def _quiet_loading(progress: bool = False) -> Iterator[None]:
    """Without notes on weights that are not used: an MNLI model has a head that BERTScore leaves aside."""
    from transformers import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not progress:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _from_disk(model: str, fetch: bool = False) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModel, AutoTokenizer

    with _quiet_loading(progress=fetch):
        tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=not fetch, trust_remote_code=False)
        # An older format is read as numbers alone (weights_only): a pickle in it cannot run code.
        encoder = AutoModel.from_pretrained(
            model, dtype=torch.float32, local_files_only=not fetch, trust_remote_code=False, weights_only=True
        )
    if getattr(encoder.config, "is_decoder", False) or tokenizer.cls_token_id is None:
        raise ValueError("it is no encoder of BERT's kind (no [CLS] token)")
    return tokenizer, encoder


def fingerprint(model: Any, *settings: object) -> str:
    """SHA-256 over 64 evenly spaced weights of every tensor, and all else that changes a score."""
    digest = hashlib.sha256(" ".join(map(str, settings)).encode())
    for name, weights in sorted(model.state_dict().items()):
        flat = weights.flatten()
        sample = flat[:: max(1, flat.numel() // 64)].float().cpu().numpy()
        digest.update(f"{name} {tuple(weights.shape)}".encode() + sample.tobytes())
    return digest.hexdigest()


def clean(text: str) -> str:
    """A text as a tokenizer takes it: without spaces around it, and without halves of characters."""
    return text.strip().encode("utf-8", "replace").decode("utf-8")


def longest_input(tokenizer: Any, config: Any) -> int:
    """Longest input in tokens, special ones included.

    The tokenizer of deberta-xlarge-mnli names none (it says 1e30): then the encoder's positions decide.
    """
    positions = getattr(config, "max_position_embeddings", None) or DEFAULT_MAX_TOKENS
    if config.model_type in ("roberta", "xlm-roberta", "camembert", "longformer", "mpnet"):
        # These count positions from the padding token's number + 1.
        positions -= config.pad_token_id + 1
    return min(positions, tokenizer.model_max_length)
