"""Finds the specialty files of a folder, and reads their pairs as clean records."""

import contextlib
import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from medqa.artifacts.atomic_io import is_broken_link, sha256_of_file
from medqa.data import containers
from medqa.data.cleaning import (
    Record,
    RejectedPair,
    clean_pair,
    drop_exact_duplicates,
    drop_identifiers,
    what_was_cleaned,
)
from medqa.data.containers import LARGEST_FILE, SUFFIXES, plain
from medqa.data.field_names import FieldNames
from medqa.data.near_duplicates import Watch, unwatched
from medqa.data.normal_form import VERSION
from medqa.data.record_shapes import Unread, read_content
from medqa.runtime.errors import UserError

PREFIX = "dataset_with_answers_"
FILE_PATTERN = PREFIX + "{specialty}.json"
# In the name of a specialty: characters of paths, and a dot at the beginning, which hides a file.
UNFIT_NAME = re.compile(r"[\\/:\x00-\x1f\x7f-\x9f\ud800-\udfff]|^\.")
# What Python makes of a byte in a file name that the locale's encoding does not have.
SURROGATE = re.compile(r"[\ud800-\udfff]")


class Folder(NamedTuple):
    """The specialty files of a folder."""

    files: dict[str, Path]  # by specialty, in alphabetical order
    left_out: list[str]  # names that do not match the pattern
    problems: list[str]  # names that match it and cannot be used, one line each


@dataclass(frozen=True)
class ReadingOptions:
    """How pairs are read."""

    fields: FieldNames = FieldNames()
    normal_form: int = VERSION  # version of the normal form of the output folder
    refuse_identifiers: bool = False


BY_DEFAULT = ReadingOptions()


@dataclass
class Source:
    """The content of the specialty files of a folder."""

    records: list[Record] = field(default_factory=list)  # clean, one for each question
    refused: list[RejectedPair] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)  # specialty → name of its file
    read_as: dict[str, str] = field(default_factory=dict)  # file → container and fields in words
    pairs: Counter[str] = field(default_factory=Counter)  # as read, by specialty
    cleaned: Counter[str] = field(default_factory=Counter)  # pairs that a rule changed, by rule
    repeated_keys: dict[str, int] = field(default_factory=dict)  # by file
    odd_records: dict[str, list[str]] = field(default_factory=dict)  # by file: those with several readings
    extra_fields: Counter[str] = field(default_factory=Counter)  # records with a field of this name
    left_out: list[str] = field(default_factory=list)  # names in the folder that do not match the pattern
    removed_from_train: Counter[str] = field(default_factory=Counter)  # lost by the last iteration's train


def specialty_of(path: Path) -> str:
    """The specialty of a file, from its name."""
    return unicodedata.normalize("NFC", path.name[len(PREFIX) : -len(path.suffix)])


def find_files(folder: Path) -> Folder:
    """Find the specialty files of a folder: `dataset_with_answers_{specialty}` with one of SUFFIXES.

    Raises:
        UserError: the folder does not exist, or has no such file.
    """
    found = Folder({}, [], [])
    if not folder.is_dir():
        state = "is not a folder" if folder.exists() else "does not exist"
        if is_broken_link(folder):
            state = f"is a broken link (to {os.readlink(folder)})"
        raise UserError(f"{folder} {state}. Give the folder with the {FILE_PATTERN} files: --DATA_DIR …")
    for path in sorted(folder.iterdir()):
        if not (path.name.startswith(PREFIX) and path.suffix in SUFFIXES):
            found.left_out.append(shown(path.name))
            continue
        specialty = specialty_of(path)
        if SURROGATE.search(specialty) and sys.getfilesystemencoding() != "utf-8":
            found.problems.append(
                f"{shown(path.name)}: the locale of this shell cannot read the letters of this name. Rename "
                "the file with a to z, or type first: export LC_ALL=C.UTF-8 PYTHONUTF8=1"
            )
        elif not specialty.strip() or UNFIT_NAME.search(specialty):
            found.problems.append(
                f"{shown(path.name)}: {specialty!r} cannot be the name of a specialty. Rename the file."
            )
        elif specialty in found.files:
            other = found.files[specialty].name
            found.problems.append(f"{path.name}: {other} is of the same specialty. Merge the two.")
        elif path.exists() and not path.is_file():
            found.problems.append(f"{path.name}: is not a file. Move it away, or replace it by the file.")
        elif path.exists() and (size := path.stat().st_size) > LARGEST_FILE:
            found.problems.append(
                f"{path.name}: has {size / 1e6:,.0f} MB; at most {LARGEST_FILE / 1e6:,.0f} MB are read of a "
                "file. Divide it into several specialties."
            )
        else:
            found.files[specialty] = path
    if not found.files and not found.problems:
        raise UserError(
            f"{folder} has no file {FILE_PATTERN} (or {', '.join(SUFFIXES[1:])}); it has "
            f"{listed(found.left_out) or 'nothing'}.{extension_advice(found.left_out)} Give the right folder "
            "(--DATA_DIR …), or rename the files."
        )
    return found


def extension_advice(left_out: Iterable[str]) -> str:
    """A sentence for names that match the pattern except for capital letters in the extension; else ""."""
    for path in map(Path, left_out):
        if path.name.startswith(PREFIX) and path.suffix.lower() in SUFFIXES:
            return f" The extension must be in lower case: {path.with_suffix(path.suffix.lower())}."
    return ""


def shown(name: str) -> str:
    """A file name for the screen: with escape sequences if it is not printable."""
    return name if name.isprintable() else ascii(name)[1:-1]


def listed(names: Iterable[str], most: int = 5) -> str:
    """A few names, and the number of the others."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def sha256_of(files: Mapping[str, Path]) -> dict[str, str]:
    """Specialty → SHA-256 of its file. An unreadable file is left out: reading it reports the reason."""
    hashes = {}
    for specialty, path in files.items():
        with contextlib.suppress(OSError):
            hashes[specialty] = sha256_of_file(path)
    return hashes


def read_files(folder: Folder, how: ReadingOptions = BY_DEFAULT, watch: Watch = unwatched) -> Source:
    """Read and clean specialty files, and keep one of each set of twins.

    Raises:
        UserError: everything that is wrong with the files, one line each.
    """
    source = Source(left_out=folder.left_out)
    problems = list(folder.problems)
    for specialty, path in watch(list(folder.files.items()), "Reading"):
        try:
            _read_file(path, specialty, how, source)
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n       ".join(sorted(problems)))
    if how.refuse_identifiers:
        source.records, refused = drop_identifiers(source.records)
        source.refused += refused
    source.records, twins = drop_exact_duplicates(source.records)
    source.refused += twins
    return source


def _read_file(path: Path, specialty: str, how: ReadingOptions, source: Source) -> None:
    """Add the pairs of one file to `source`.

    Raises:
        UserError: the file cannot be read.
    """
    container, content = containers.read(path)
    try:
        found = read_content(content, how.fields)
    except UserError as error:
        raise UserError(f"{path.name}: {error}") from None
    source.files[specialty] = path.name
    source.read_as[path.name] = f"{container}, {'; '.join(found.read_as) or 'without records'}"
    source.extra_fields += found.extra_fields
    if found.repeated_keys:
        source.repeated_keys[path.name] = found.repeated_keys
    if found.odd:
        source.odd_records[path.name] = found.odd
    source.pairs[specialty] = len(found.pairs)
    for pair in found.pairs:
        if isinstance(pair, Unread):
            result: Record | RejectedPair = RejectedPair(
                specialty, plain(pair.item), None, pair.reason, record=pair.record
            )
        else:
            result = clean_pair(pair.question, pair.answer, specialty, how.normal_form)
        if isinstance(result, RejectedPair):
            source.refused.append(result)
        else:
            source.records.append(result)
            source.cleaned += what_was_cleaned(pair.question, pair.answer, result)
