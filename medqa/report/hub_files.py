"""Chooses the files of a model folder that may be uploaded, and searches them for texts of the data.

In: the folder of an adapter or of a merged model. Out: the files on a list of names, and the texts in them.
Any other file is refused, because it may hold questions or answers.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from medqa.artifacts.output_dir import MERGED, MODEL_FILES
from medqa.artifacts.run_manifest import MANIFEST
from medqa.runtime.errors import UserError

# Files that other programs load, and the records of the training, which hold numbers and settings.
UPLOADED = (
    "adapter_model.safetensors", "adapter_config.json", *MODEL_FILES, "training_config.json",
    "training_metrics.jsonl", "training_curves.png", MERGED,
)  # fmt: skip
# What training leaves in the same folder. README.md is replaced by the card with the evaluation.
LEFT_OUT = ("README.md", MANIFEST, "checkpoint-*", "best_adapter*", "training_metrics.running.jsonl", ".*")
# A file holds a text of the data if it has RUN words of it in a row, or all words of a shorter text. Single
# words and short phrases are in every model card.
RUN, SHORTEST = 8, 5
WORD = re.compile(r"\w+")


def named(name: str, patterns: Iterable[str]) -> bool:
    """Whether a file name matches one of the patterns."""
    return any(fnmatch(name, pattern) for pattern in patterns)


def files_to_upload(folder: Path) -> list[Path]:
    """The files of `UPLOADED` in a model folder.

    Raises:
        UserError: the folder has other files, which may hold questions or answers.
    """
    paths = sorted(folder.iterdir())
    chosen = [path for path in paths if named(path.name, UPLOADED) and path.is_file()]
    other = [path.name for path in paths if path not in chosen and not named(path.name, LEFT_OUT)]
    if other:
        raise UserError(
            f"{folder} has {', '.join(other[:3])}{' …' if other[3:] else ''}, which belongs to no model and "
            "may hold questions or answers. Nothing was sent. Move it to another folder."
        )
    return chosen


def texts_in(path: Path) -> Iterator[str]:
    """The texts of a file in which words of the data could be: of weights, their names and notes.

    Raises:
        UserError: a weight file cannot be read.
    """
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "np") as file:
                yield from _strings([file.metadata() or {}, list(file.keys())])
        except SafetensorError as error:
            raise UserError(f"{path} is damaged: {error}. Nothing was sent.") from None
    elif path.suffix in (".json", ".jsonl", ".txt"):  # a vocabulary in .txt has an entry in each line
        content = path.read_text(encoding="utf-8", errors="replace")
        for part in [content] if path.suffix == ".json" else content.splitlines():
            try:
                yield from _strings(json.loads(part))
            except ValueError:
                yield part
    elif path.suffix != ".png":
        yield path.read_text(encoding="utf-8", errors="replace")


def _strings(content: Any) -> Iterator[str]:
    """All strings in a JSON value, keys included."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        yield from content
        yield from _strings(list(content.values()))
    elif isinstance(content, list):
        for value in content:
            yield from _strings(value)


def find_text(files: Mapping[str, Iterable[str]], texts: Iterable[str]) -> tuple[str, str] | None:
    """The first file that holds a text, with the words that they share; None if no file holds one.

    Args:
        files: name → texts of the file.
        texts: questions and answers.
    """
    known: dict[tuple[str, ...], str] = {}
    for name, pieces in files.items():
        for piece in pieces:
            for size in range(SHORTEST, RUN + 1):
                known |= dict.fromkeys(_runs(piece, size), name)
    for text in texts:
        size = min(len(WORD.findall(text)), RUN)
        for run in _runs(text, size) if size >= SHORTEST else ():
            if run in known:
                return known[run], " ".join(run)
    return None


def _runs(text: str, size: int) -> Iterator[tuple[str, ...]]:
    """Every `size` words in a row, in lower case."""
    words = WORD.findall(text.casefold())
    return (tuple(words[start : start + size]) for start in range(len(words) - size + 1))
