"""Reads the values in a specialty file, which may be JSON, JSON Lines, CSV, TSV or Parquet."""

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medqa.artifacts.atomic_io import is_broken_link
from medqa.data.field_names import KNOWN_FIELDS, canonical
from medqa.data.text_decoding import START, read_text, refuse_other_kinds
from medqa.runtime.errors import UserError, first_line

SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".parquet")
# Largest file that is read, in bytes: about 250,000 pairs. JSON can need thirty times its size in memory.
LARGEST_FILE = 256_000_000
LINE_BREAK = re.compile("\r\n|[\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
EXCEL_SEPARATOR = re.compile(
    '"?sep=([,;\t|])"?(?:\r\n|\n|\r)', re.IGNORECASE
)  # a first line that names the separator
SEPARATORS = {",": "CSV", ";": "CSV with semicolons", "\t": "TSV", "|": "CSV with vertical bars"}
SEPARATOR_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# Rows that are compared to find the separator.
ROWS_COMPARED = 200
QUOTING = (
    "A text with a separator, a quotation mark or a line break must be in quotation marks "
    '("…", with "" for a quotation mark).'
)

# Messages of Python's JSON parser, by their beginning → what is wrong at that position.
JSON_ERRORS = {
    "Expecting value": "a value is missing, or a text without quotation marks",
    "Expecting property name": "a key must be in double quotation marks",
    "Expecting ':' delimiter": "a colon is missing after the key",
    "Expecting ',' delimiter": 'a comma is missing, or a quotation mark in a text is not written as \\"',
    "Extra data": "more text follows the end of the JSON",
    "Unterminated string": "the text that begins here has no closing quotation mark",
    "Invalid control character": "a line break in a text must be written as \\n, a tab as \\t",
    "Invalid \\": "a backslash in a text must be written as \\\\",
}


class JsonObject(list[tuple[str, Any]]):
    """A JSON object as a list of its pairs, so that repeated keys are not lost."""


def plain(value: Any) -> Any:
    """A value that can be written as JSON: an object with a repeated key becomes a list of its pairs.

    NaN, Infinity and 1e999, which Python reads as numbers that JSON does not have, become text, as do other
    values of Parquet files that JSON does not have.
    """
    if isinstance(value, JsonObject):
        names = {name for name, _ in value}
        pairs = [(name, plain(content)) for name, content in value]
        return dict(pairs) if len(names) == len(pairs) else [list(pair) for pair in pairs]
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def kind(value: Any) -> str:
    """The JSON type of a value in words."""
    kinds = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        JsonObject: "an object",
    }
    return kinds.get(type(value), "a list" if isinstance(value, list) else "null")


def read(path: Path) -> tuple[str, Any]:
    """The container of a file in words ("JSON Lines"), and its content: a JSON value or a list of records.

    Raises:
        UserError: the file cannot be opened or decoded.
    """
    try:
        if path.suffix == ".parquet":
            with path.open("rb") as file:
                refuse_other_kinds(path, file.read(START))
            return "Parquet", _parquet(path)
        text, encoding = read_text(path)
        is_table = path.suffix in (".csv", ".tsv")
        container, content = _table(text, path.suffix) if is_table else _json(text, path.suffix == ".jsonl")
        return f"{container} in {encoding}" if encoding else container, content
    except OSError as error:
        if is_broken_link(path):
            raise UserError(
                f"{path.name}: is a broken link, to {os.readlink(path)}. Copy the file here, or remove the "
                "link."
            ) from None
        raise UserError(f"{path.name}: cannot be read ({error.strerror or error}).") from None
    except UserError as error:
        raise UserError(f"{path.name}: {error}") from None
    except RecursionError:
        raise UserError(f"{path.name}: objects or lists nested too deeply to be read.") from None


# ---- JSON ----------------------------------------------------------------------------------------------


def _json(text: str, lines: bool) -> tuple[str, Any]:
    """JSON, or JSON Lines: those are also recognized in a .json file, and a JSON list in a .jsonl file."""
    if lines and not text.lstrip().startswith("["):
        return "JSON Lines", _json_lines(text)
    try:
        return "JSON", json.loads(text, object_pairs_hook=JsonObject)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            try:
                return "JSON Lines", _json_lines(text)
            except UserError:
                pass  # the message about JSON names the place
        before = LINE_BREAK.sub("\n", text[: error.pos])
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise UserError(f"broken JSON at line {line}, column {column}: {_in_words(error)}.") from None
    except ValueError as error:
        raise UserError(f"JSON that cannot be read: {error}.") from None


def _in_words(error: json.JSONDecodeError) -> str:
    """What is wrong at the position of a JSON error; Python's message where it is clear."""
    before, after = error.doc[: error.pos].rstrip(), error.doc[error.pos :].lstrip()
    if not before + after:
        return "the file is empty"
    if before.endswith(",") and after[:1] in ("}", "]") or error.msg.startswith("Illegal trailing comma"):
        return "the comma before the closing bracket must be removed"
    if not after:
        return "the text ends here, before the JSON does; it may have been cut off"
    if not before and error.msg == "Expecting value":
        return f"JSON does not begin with {after[0]!r}, but with {{ or ["
    return next((text for start, text in JSON_ERRORS.items() if error.msg.startswith(start)), error.msg)


def _json_lines(text: str) -> list[Any]:
    values = []
    # Not str.splitlines: a JSON text may contain the other line breaks of Unicode.
    for number, line in enumerate(re.split("\r\n|\n|\r", text), 1):
        if line.strip():
            try:
                values.append(json.loads(line, object_pairs_hook=JsonObject))
            except ValueError as error:
                message = _in_words(error) if isinstance(error, json.JSONDecodeError) else error
                column = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
                raise UserError(f"broken JSON at line {number}{column}: {message}.") from None
    return values


# ---- tables --------------------------------------------------------------------------------------------


def _table(text: str, suffix: str) -> tuple[str, list[JsonObject]]:
    """The rows of a CSV or TSV file as records; every cell is a text, and a missing one is ""."""
    match = EXCEL_SEPARATOR.match(text)
    if match:
        text = text[match.end() :]
    separator = match[1] if match else _separator(text, "\t" if suffix == ".tsv" else ",")
    try:
        rows = list(_iterate(text, separator))
        _require_columns(rows, separator)
    except UserError:
        # Texts with quotation marks that do not quote are usual in TSV files, where nothing needs quoting.
        plain_rows = list(_iterate(text, separator, csv.QUOTE_NONE)) if separator == "\t" else []
        if len({len(row) for _, row in plain_rows}) != 1:
            raise
        rows = plain_rows
    if not rows:
        return SEPARATORS[separator], []
    names = [name.strip() for name in rows[0][1]]
    filled = (row[: len(names)] + [""] * (len(names) - len(row)) for _, row in rows[1:])
    return SEPARATORS[separator], [JsonObject(zip(names, row, strict=True)) for row in filled]


def _separator(text: str, usual: str) -> str:
    """The separator that gives the header most known names, and other rows as many cells.

    Raises:
        UserError: two separators do so equally.
    """
    header = next(iter(io.StringIO(text.lstrip("\r\n"), newline="")), "")
    candidates = [separator for separator in SEPARATORS if separator in header]
    if len(candidates) < 2:
        return candidates[0] if candidates else usual
    fit = {separator: _fit(text, separator) for separator in candidates}
    best = max(fit.values())
    chosen = [separator for separator in candidates if fit[separator] == best]
    if len(chosen) > 1:
        names = " and ".join(SEPARATOR_NAMES[separator] for separator in chosen)
        raise UserError(
            f"{names} divide the table into columns equally well. Name the separator in a new first line: "
            f"sep={chosen[0]} (or sep={chosen[1]})"
        )
    return chosen[0]


def _fit(text: str, separator: str) -> tuple[int, float, int]:
    """(known names in the header, share of the first rows with as many cells, number of columns)."""
    rows = []
    try:
        for _, row in _iterate(text, separator):
            rows.append(row)
            if len(rows) == ROWS_COMPARED:
                break
    except UserError:
        rows = rows[:1]  # broken further down: the header decides
    if not rows or len(rows[0]) < 2:
        return 0, 0.0, 1
    known = sum(canonical(name) in KNOWN_FIELDS for name in rows[0])
    return known, sum(len(row) == len(rows[0]) for row in rows) / len(rows), len(rows[0])


Row = tuple[int, list[str]]  # the number of its first line, and its cells


def _iterate(text: str, separator: str, quoting: int = csv.QUOTE_MINIMAL) -> Iterator[Row]:
    """The rows that are not empty.

    Raises:
        UserError: a quotation mark is not closed, or is followed by more text.
    """
    csv.field_size_limit(LARGEST_FILE)
    # newline="": the reader itself knows the line ends \n, \r\n and \r, and keeps those in texts.
    lines = io.StringIO(text, newline="")
    strict = quoting != csv.QUOTE_NONE
    reader = csv.reader(lines, delimiter=separator, quoting=quoting, strict=strict, skipinitialspace=True)
    line = 1
    try:
        for row in reader:
            if len(row) > 1 or "".join(row).strip():
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        problem = f"text follows a closing quotation mark (line {reader.line_num})"
        if "end of data" in str(error):
            problem = "a quotation mark is not closed"
        where = f"broken {SEPARATORS[separator]} in the row that begins in line {line}"
        raise UserError(f"{where}: {problem}. {QUOTING}") from None


def _require_columns(rows: list[Row], separator: str) -> None:
    """Refuse a row with more cells than the header, unless the further ones are empty."""
    for line, row in rows:
        columns = len(rows[0][1])
        if any(cell.strip() for cell in row[columns:]):
            raise UserError(
                f"broken {SEPARATORS[separator]}: Expected {columns} fields in line {line}, saw {len(row)}. "
                f"{QUOTING}"
            )


def _parquet(path: Path) -> list[JsonObject]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def as_json(value: Any) -> Any:
        if isinstance(value, dict):
            return JsonObject((str(name), as_json(content)) for name, content in value.items())
        return [as_json(item) for item in value] if isinstance(value, list) else value

    try:
        with pq.ParquetFile(path) as file:
            groups = range(file.metadata.num_row_groups)
            size = sum(file.metadata.row_group(number).total_byte_size for number in groups)
            if size > LARGEST_FILE:
                raise UserError(
                    f"has {size / 1e6:,.0f} MB uncompressed; at most {LARGEST_FILE / 1e6:,.0f} MB are read "
                    "of a file. Divide it into several specialties."
                )
            return [as_json(row) for row in file.read().to_pylist()]
    except (pa.ArrowException, ValueError) as error:
        raise UserError(f"cannot be read as Parquet ({first_line(error):.200}).") from None
