"""Specialty files: found in their folder, read, taken apart into pairs; what is wrong is told at once."""

import codecs
import contextlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from medqa.artifacts.atomic_io import sha256_of_file
from medqa.data.cleaning import (
    FILE_PATTERN,
    LINE_BREAK,
    NO_RECORD,
    PREFIX,
    REPEATED_FIELD,
    SUFFIX,
    JsonObject,
    RejectedPair,
    Source,
    clean_pair,
    drop_exact_duplicates,
    plain,
)
from medqa.data.near_duplicates import Watch, unwatched
from medqa.runtime.errors import UserError

# In the name of a specialty: a path, or what makes a file hidden.
UNFIT_NAME = re.compile(r"[\\/:\x00-\x1f\x7f-\x9f\ud800-\udfff]|^\.")
# Most that is read of one file, about 250,000 pairs: JSON can take thirty times its size in memory.
LARGEST_FILE = 256_000_000


def specialty_of(path: Path) -> str:
    """The specialty whose pairs a file holds, by its name."""
    return unicodedata.normalize("NFC", path.name[len(PREFIX) : -len(SUFFIX)])


class Folder(NamedTuple):
    """The specialty files of a folder."""

    files: dict[str, Path]  # by specialty, in alphabetical order
    left_out: list[str]  # names that do not match the pattern
    problems: list[str]  # names that match it and cannot be used, one line each


def find_files(folder: Path) -> Folder:
    """Find the `dataset_with_answers_{specialty}.json` files of a folder.

    Raises:
        UserError: there is no such folder, or no such file in it.
    """
    found = Folder({}, [], [])
    if not folder.is_dir():
        state = "is no folder" if folder.exists() else "does not exist"
        raise UserError(f"{folder} {state}. Give the folder with the {FILE_PATTERN} files: --DATA_DIR …")
    for path in sorted(folder.iterdir()):
        if not (path.name.startswith(PREFIX) and path.name.endswith(SUFFIX)):
            found.left_out.append(shown(path.name))
            continue
        specialty = specialty_of(path)
        if not specialty.strip() or UNFIT_NAME.search(specialty):
            found.problems.append(
                f"{shown(path.name)}: {specialty!r} is no name of a specialty. Rename the file."
            )
        elif specialty in found.files:
            other = found.files[specialty].name
            found.problems.append(f"{path.name}: {other} is of the same specialty. Merge the two.")
        elif path.exists() and not path.is_file():
            found.problems.append(f"{path.name}: is no file. Move it away, or put the file in its place.")
        elif path.exists() and (size := path.stat().st_size) > LARGEST_FILE:
            found.problems.append(
                f"{path.name}: holds {size / 1e6:,.0f} MB; at most {LARGEST_FILE / 1e6:,.0f} MB are read of "
                "a file. Divide it into several specialties."
            )
        else:
            found.files[specialty] = path
    if not found.files and not found.problems:
        raise UserError(
            f"{folder} has no file {FILE_PATTERN}; it holds {listed(found.left_out) or 'nothing'}. Give the "
            "right folder (--DATA_DIR …) or rename the files."
        )
    return found


def shown(name: str) -> str:
    """A file's name for a screen: what is no text, or would command a terminal, as escape sequences."""
    return name if name.isprintable() else ascii(name)[1:-1]


def listed(names: Iterable[str], most: int = 5) -> str:
    """A few names, and how many more there are."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def sha256_of(files: Mapping[str, Path]) -> dict[str, str]:
    """Specialty → SHA-256 of its file. A file that cannot be read is left out: reading it will tell why."""
    hashes = {}
    for specialty, path in files.items():
        with contextlib.suppress(OSError):
            hashes[specialty] = sha256_of_file(path)
    return hashes


def read_files(folder: Folder, watch: Watch = unwatched) -> Source:
    """Read and clean specialty files, and keep one of each set of twins.

    Args:
        folder: the files.
        watch: wraps a list that takes long to go through, with what is done; for a progress bar.

    Raises:
        UserError: everything that is wrong with the files, one line each.
    """
    source = Source(left_out=folder.left_out)
    problems = list(folder.problems)
    for specialty, path in watch(list(folder.files.items()), "Reading"):
        try:
            _read_file(path, specialty, source)
        except UserError as error:
            problems.append(str(error))
        except RecursionError:
            problems.append(f"{path.name}: objects or lists nested too deeply to be read.")
    if problems:
        raise UserError("\n       ".join(sorted(problems)))
    source.records, twins = drop_exact_duplicates(source.records)
    source.refused += twins
    return source


def _read_file(path: Path, specialty: str, source: Source) -> None:
    """Add the pairs of one file to `source`.

    Raises:
        UserError: the file cannot be read or is not what it should be.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path.name}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        known = "UTF-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "WINDOWS-1252"
        raise UserError(
            f"{path.name}: not UTF-8 (byte {content[error.start]:#04x} at position {error.start}). "
            f"Convert it, for example: iconv -f {known} -t UTF-8 -o new.json {path.name}"
        ) from None
    try:
        top = json.loads(text, object_pairs_hook=JsonObject)
    except json.JSONDecodeError as error:
        before = LINE_BREAK.sub("\n", text[: error.pos])
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise UserError(f"{path.name}: broken JSON at line {line}, column {column}: {error.msg}.") from None
    except ValueError as error:
        raise UserError(f"{path.name}: JSON that cannot be read: {error}.") from None
    if isinstance(top, JsonObject):
        pairs: Iterable[tuple[Any, Any]] = top
        repeated = sum(number > 1 for number in Counter(key for key, _ in top).values())
        if repeated:
            source.repeated_keys[path.name] = repeated
    elif isinstance(top, list):
        pairs = _pairs_of_list(top, specialty, source)
    else:
        raise UserError(
            f"{path.name}: holds {_kind(top)}; expected an object {{question: answer}}, or a list of "
            'records {"question": …, "answer": …}.'
        )
    for question, answer in pairs:
        source.pairs[specialty] += 1
        record = clean_pair(question, answer, specialty, source)
        if record is not None:
            source.records.append(record)
    source.pairs[specialty] += 0  # a file without pairs is a specialty, too


def _kind(value: Any) -> str:
    """A JSON type in words."""
    kinds = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        JsonObject: "an object",
    }
    return kinds.get(type(value), "a list" if isinstance(value, list) else "null")


def _pairs_of_list(items: list[Any], specialty: str, source: Source) -> Iterable[tuple[Any, Any]]:
    """Question and answer of each record of a list; what is no such record is refused."""
    for item in items:
        fields = Counter(name for name, _ in item) if isinstance(item, JsonObject) else Counter()
        source.extra_fields.update(name for name in fields if name not in ("question", "answer"))
        if not fields["question"] or not fields["answer"]:
            reason = NO_RECORD
        elif fields["question"] > 1 or fields["answer"] > 1:
            reason = REPEATED_FIELD
        else:
            content = dict(item)
            yield content["question"], content["answer"]
            continue
        source.pairs[specialty] += 1
        source.refused.append(RejectedPair(specialty, plain(item), None, reason))
