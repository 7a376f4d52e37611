"""Chooses the files of a model folder that may be uploaded, and reads the texts in them.

In: the folder of an adapter or of a merged model. Out: the files on a list of names, and the texts in them.
Any other file is refused, because it may hold questions or answers.
"""

import json
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from medqa.artifacts.output_dir import MERGED, MODEL_FILES
from medqa.artifacts.plain_words import in_words
from medqa.artifacts.run_manifest import MANIFEST
from medqa.runtime.errors import UserError

WEIGHTS = ".safetensors"
# Files that other programs load, and the records of the training, which hold numbers and settings.
UPLOADED = (
    "adapter_model.safetensors", "adapter_config.json", *MODEL_FILES, "training_config.json",
    "training_metrics.jsonl", "training_curves.png", MERGED,
)  # fmt: skip
# What training leaves in the same folder. README.md is replaced by the card with the evaluation.
LEFT_OUT = ("README.md", MANIFEST, "checkpoint-*", "best_adapter*", "training_metrics.running.jsonl", ".*")
PNG = b"\x89PNG\r\n\x1a\n"
# Parts of a PNG that describe the image. All others can hold text.
IMAGE_PARTS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"pHYs", b"tRNS")


def named(name: str, patterns: Iterable[str]) -> bool:
    """Whether a file name matches one of the patterns."""
    return any(fnmatch(name, pattern) for pattern in patterns)


def files_to_upload(folder: Path) -> dict[str, bytes | Path]:
    """The files of `UPLOADED` in a model folder: the path of weights, the content of others.

    Raises:
        UserError: there are no weights, or the folder has other files, which may hold questions or answers.
    """
    paths = sorted(folder.iterdir())
    chosen = [path for path in paths if named(path.name, UPLOADED) and path.is_file()]
    other = [path.name for path in paths if path not in chosen and not named(path.name, LEFT_OUT)]
    if other:
        names = ", ".join(f"{name!r:.100}" for name in other[:3])
        raise UserError(
            f"{folder} has {names}{' …' if other[3:] else ''}, which belongs to no model and may hold "
            "questions or answers. Nothing was sent. Move it to another folder."
        )
    for path in chosen:
        if path.resolve().parent != folder.resolve():
            raise UserError(
                f"{path} is a link to {path.resolve()}, outside the model's folder. Nothing was sent. "
                "Replace it by the file."
            )
    if not any(path.suffix == WEIGHTS for path in chosen):
        raise UserError(f"{folder} has no weights (*{WEIGHTS}). Nothing was sent.")
    return {path.name: path if path.suffix == WEIGHTS else path.read_bytes() for path in chosen}


def texts_in(name: str, content: bytes | Path) -> Iterator[str]:
    """The texts of a file in which words of the data could be: of weights, their names and notes.

    Args:
        name: of the file, which decides how it is read.
        content: an entry of `files_to_upload`.

    Raises:
        UserError: the file is damaged or of another kind, so its texts cannot be searched.
    """
    if isinstance(content, Path):
        yield from strings(_header(content))
    elif name.endswith(".png"):
        _require_image_only(name, content)
    elif name.endswith(".model"):  # a binary vocabulary
        yield content.decode(errors="replace")
    else:
        text = _decoded(name, content)
        if not name.endswith(".json"):
            yield text
        # A vocabulary in .txt has an entry in each line.
        for part in [text] if name.endswith(".json") else text.splitlines():
            try:
                yield from strings(parsed(part))
            except (ValueError, RecursionError):
                yield part


def _header(path: Path) -> Any:
    """The header of a weight file: names, shapes and notes."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np"):
            pass
        with open(path, "rb") as file:  # safetensors shows only the last of equal keys
            return parsed(file.read(int.from_bytes(file.read(8), "little")))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {in_words(error)}. Nothing was sent.") from None


def _require_image_only(name: str, content: bytes) -> None:
    """Refuse a PNG file in which text can be."""
    position, part = len(PNG), b""
    while content.startswith(PNG) and position < len(content) and part != b"IEND":
        part = content[position + 4 : position + 8]
        if part not in IMAGE_PARTS:
            break
        # Length, type and checksum have 4 bytes each.
        position += 12 + int.from_bytes(content[position : position + 4], "big")
    if part != b"IEND" or position != len(content):
        raise UserError(f"{name} is not an image without text. Nothing was sent. Train again to draw it.")


def _decoded(name: str, content: bytes) -> str:
    """The text of a file in UTF-8."""
    try:
        text = content.decode("utf-8-sig")
        if "\0" not in text:  # as in UTF-16
            return text
    except UnicodeDecodeError:
        pass
    raise UserError(f"{name} is not text in UTF-8, so it cannot be searched. Nothing was sent.")


def parsed(content: str | bytes) -> Any:
    """A JSON value with objects as lists of pairs, because a dict keeps only the last of equal keys."""
    return json.loads(content, object_pairs_hook=list)


def strings(content: Any) -> Iterator[str]:
    """All strings in a value of `parsed`, keys included."""
    pending = [content]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list | tuple):
            pending.extend(value)
