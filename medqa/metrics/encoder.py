"""Loads the encoder of BERTScore and entailment from a folder, the Hub's cache, or the Hub."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from medqa.artifacts import hub
from medqa.artifacts.plain_words import in_words
from medqa.runtime.errors import UserError

# Used when neither the tokenizer nor the encoder has a limit.
DEFAULT_MAX_TOKENS = 512


class EncoderMissing(UserError):
    """No encoder can be loaded; the message lists what was tried and what to type instead."""


def known_name(model: str) -> str:
    """The name of an encoder in bert_score's tables, also for a folder; else the name as given.

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
        EncoderMissing: none of these has it. Without internet this takes seconds, not the Hub's retries.
    """
    folder = _folder(model)
    try:
        return _from_disk(str(folder) if folder.is_dir() else model)
    except Exception as error:
        if folder.is_dir():
            reason = f"the folder {model} holds none that can be loaded ({in_words(error)})"
            raise _missing(reason) from error
    with _fetching(model):
        hub.files_of(model)  # with a short timeout: without internet, a download would retry for minutes
        hub.announce(model, "BERTSCORE_MODEL")
        return _from_disk(model, fetch=True)


def require_encoder(model: str, layer: int, default: str) -> None:
    """Refuse an encoder that `load_encoder` would not find or accept, or a layer that it does not have.

    Loads no weights. Without the default encoder, BERTScore is left out later, with a warning.

    Args:
        model: a folder, or a name on the Hub; "": none is wanted.
        layer: of BERTScore.
        default: the name of the default encoder.

    Raises:
        EncoderMissing: the reason, and what to type.
    """
    if not model:
        return
    try:
        config = _checked_config(model)
    except EncoderMissing:
        if model == default:
            return
        raise
    require_layer(layer, config.num_hidden_layers)


def require_layer(layer: int, last: int) -> None:
    """Refuse a layer that the encoder does not have.

    Raises:
        EncoderMissing: with the layers that it has.
    """
    if not 0 <= layer <= last:
        raise EncoderMissing(
            f"BERTSCORE_LAYER is {layer}, but the encoder has the layers 1 to {last} (0: the tuned one)"
        )


def _folder(model: str) -> Path:
    """The path of an encoder, which exists unless `model` can be a name on the Hub."""
    folder = Path(model).expanduser()
    if not model or (not folder.is_dir() and (model.startswith((".", "/", "~")) or model.count("/") > 1)):
        raise _missing(f"there is no folder {model!r}")
    return folder


@contextlib.contextmanager
def _fetching(model: str) -> Iterator[None]:
    """Report an error of the block, which fetches an encoder from the Hub, in one line."""
    not_local = f"{model} is neither a folder nor in the Hub's cache on this machine, and"
    if hub.forbidden():
        raise _missing(f"{not_local} HF_HUB_OFFLINE forbids fetching it")
    try:
        yield
    except Exception as error:
        raise _missing(f"{not_local} fetching it from the Hub failed ({in_words(error)})") from error


def _checked_config(model: str) -> Any:
    """The config of an encoder, from a folder, the Hub's cache, or the Hub."""
    from transformers import AutoConfig, AutoTokenizer

    folder = _folder(model)
    if not folder.is_dir() and not _is_cached(model):
        with _fetching(model):
            hub.files_of(model)
            return AutoConfig.from_pretrained(model, trust_remote_code=False)
    try:
        with _quiet_loading():
            own = {"local_files_only": True, "trust_remote_code": False}
            name = str(folder) if folder.is_dir() else model
            config = AutoConfig.from_pretrained(name, **own)
            _require_encoder_like_bert(config, AutoTokenizer.from_pretrained(name, **own))
    except Exception as error:
        raise _missing(f"{model} holds none that can be loaded ({in_words(error)})") from error
    return config


def _is_cached(model: str) -> bool:
    """Whether the Hub's cache has an encoder; not for what cannot be a name on the Hub."""
    try:
        return hub.in_cache(model)
    except ValueError:
        return False


class Batched:
    """A scorer that runs its texts through an encoder in batches.

    Attributes:
        tokens_per_batch: tokens of a batch, with padding; halved when memory runs out.
    """

    tokens_per_batch: int

    def _run_batches(
        self, items: list[Any], length: Callable[[Any], int], forward: Callable[[list[Any]], Any]
    ) -> Iterator[tuple[list[Any], Any]]:
        """Each batch with the output of `forward`.

        Args:
            items: sorted by length; the longest come first, so that memory runs out at once or never.
            length: tokens of an item.
            forward: runs the encoder on a batch.
        """
        import torch

        while items:
            batch = items[-max(1, self.tokens_per_batch // length(items[-1])) :]
            try:
                output = forward(batch)
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise
                self.tokens_per_batch //= 2
                torch.cuda.empty_cache()
                continue
            yield batch, output
            items = items[: -len(batch)]


class HeadMissing(UserError):
    """The encoder cannot judge entailment; the message says why."""


def load_classifier(model: str) -> tuple[Any, Any, dict[str, int]]:
    """Tokenizer, encoder with its entailment head, and the index of each label.

    Reads local files only, because `load_encoder` has already downloaded them.

    Returns:
        tokenizer; model; {"entailment": index, "contradiction": index}, by the names in the config: models
        differ in the order of their labels.

    Raises:
        HeadMissing: no such labels, no head among the weights, or the files cannot be loaded.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    folder = Path(model).expanduser()
    name = str(folder) if folder.is_dir() else model
    try:
        with _quiet_loading():
            names = AutoConfig.from_pretrained(name, local_files_only=True, trust_remote_code=False).id2label
            labels = {
                label: index
                for index, text in names.items()
                for label in ("entailment", "contradiction")
                if str(text).lower().startswith(label[:6]) and "not" not in str(text).lower()
            }
            if len(labels) < 2:
                found = ", ".join(map(str, names.values()))
                raise ValueError(f"its config names no entailment and contradiction, but {found}")
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
        raise HeadMissing(f"{model} does not judge entailment ({in_words(error)})") from error
    # transformers initializes a head that is missing among the weights at random, and only warns.
    body = f"{classifier.base_model_prefix}."
    if absent := sorted(key for key in info["missing_keys"] if not key.startswith(body)):
        raise HeadMissing(f"{model} does not judge entailment (its weights lack {absent[0]})")
    return tokenizer, classifier, labels


def _one_separator(tokenizer: Any) -> None:
    """Make the tokenizer format a pair as [CLS] A [SEP] B [SEP], as in DeBERTa's training (ICLR 2021).

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
        'BERTScore out with --BERTSCORE_MODEL ""'
    )


@contextlib.contextmanager
def _quiet_loading(progress: bool = False) -> Iterator[None]:
    """Silence transformers' notes on unused weights: BERTScore does not use the head of an MNLI model."""
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
        # weights_only: code in a pickle of the older format is not run.
        encoder = AutoModel.from_pretrained(
            model, dtype=torch.float32, local_files_only=not fetch, trust_remote_code=False, weights_only=True
        )
    _require_encoder_like_bert(encoder.config, tokenizer)
    return tokenizer, encoder


def _require_encoder_like_bert(config: Any, tokenizer: Any) -> None:
    if getattr(config, "is_decoder", False) or tokenizer.cls_token_id is None:
        raise ValueError("it is not an encoder like BERT (no [CLS] token)")


def fingerprint(model: Any, *settings: object) -> str:
    """SHA-256 of about 64 evenly spaced weights of every tensor, and of the settings that change a score."""
    digest = hashlib.sha256(" ".join(map(str, settings)).encode())
    for name, weights in sorted(model.state_dict().items()):
        flat = weights.flatten()
        sample = flat[:: max(1, flat.numel() // 64)].float().cpu().numpy()
        digest.update(f"{name} {tuple(weights.shape)}".encode() + sample.tobytes())
    return digest.hexdigest()


def clean(text: str) -> str:
    """A text that a tokenizer accepts: no spaces around it, no lone surrogates."""
    return text.strip().encode("utf-8", "replace").decode("utf-8")


def longest_input(tokenizer: Any, config: Any) -> int:
    """Longest input in tokens, special ones included.

    The tokenizer of deberta-xlarge-mnli has no limit (1e30): then the encoder's positions decide.
    """
    positions = getattr(config, "max_position_embeddings", None) or DEFAULT_MAX_TOKENS
    if config.model_type in ("roberta", "xlm-roberta", "camembert", "longformer", "mpnet"):
        # Their positions start at the id of the padding token + 1.
        positions -= config.pad_token_id + 1
    return min(positions, tokenizer.model_max_length)
