"""Reads the values in a specialty file, which may be JSON, JSON Lines, CSV, TSV or Parquet."""

import codecs
import csv
import io
import json
import math
import re
from pathlib import Path
from typing import Any

from medqa.runtime.errors import UserError

SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".parquet")
# Largest file that is read, in bytes: about 250,000 pairs. JSON can need thirty times its size in memory.
LARGEST_FILE = 256_000_000
LINE_BREAK = re.compile("\r\n|[\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
EXCEL_SEPARATOR = re.compile("sep=([,;\t|])\r?\n")  # a first line that names the separator
SEPARATORS = {",": "CSV", ";": "CSV with semicolons", "\t": "TSV", "|": "CSV with vertical bars"}


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
            return "Parquet", _parquet(path)
        text = _text(path)
        if path.suffix in (".csv", ".tsv"):
            if match := EXCEL_SEPARATOR.match(text):
                return _table(text[match.end() :], match[1])
            return _table(text, "\t" if path.suffix == ".tsv" else _separator(text))
        return _json(text, lines=path.suffix == ".jsonl")
    except OSError as error:
        raise UserError(f"{path.name}: cannot be read ({error.strerror or error}).") from None
    except UserError as error:
        raise UserError(f"{path.name}: {error}") from None
    except RecursionError:
        raise UserError(f"{path.name}: objects or lists nested too deeply to be read.") from None


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        known = "UTF-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "WINDOWS-1252"
        raise UserError(
            f"not UTF-8 (byte {content[error.start]:#04x} at position {error.start}). "
            f"Convert it, for example: iconv -f {known} -t UTF-8 -o new{path.suffix} {path.name}"
        ) from None


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
        raise UserError(f"broken JSON at line {line}, column {column}: {error.msg}.") from None
    except ValueError as error:
        raise UserError(f"JSON that cannot be read: {error}.") from None


def _json_lines(text: str) -> list[Any]:
    values = []
    # Not str.splitlines: a JSON text may contain the other line breaks of Unicode.
    for number, line in enumerate(re.split("\r\n|\n|\r", text), 1):
        if line.strip():
            try:
                values.append(json.loads(line, object_pairs_hook=JsonObject))
            except ValueError as error:
                message = error.msg if isinstance(error, json.JSONDecodeError) else error
                column = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
                raise UserError(f"broken JSON at line {number}{column}: {message}.") from None
    return values


# ---- tables --------------------------------------------------------------------------------------------


def _separator(text: str) -> str:
    """The separator that gives the header of a CSV file the most columns; a comma if several do."""

    def columns(separator: str) -> int:
        try:
            return len(next(csv.reader(io.StringIO(text.lstrip()), delimiter=separator), []))
        except csv.Error:
            return 0

    return max(SEPARATORS, key=columns)


def _table(text: str, separator: str) -> tuple[str, list[JsonObject]]:
    """The rows of a CSV or TSV file as records; every cell is a text, and a missing one is None."""
    import pandas as pd

    try:
        table = pd.read_csv(
            io.StringIO(text), sep=separator, header=None, dtype=str, keep_default_na=False, na_filter=False
        )
    except pd.errors.EmptyDataError:
        return SEPARATORS[separator], []
    except (pd.errors.ParserError, ValueError) as error:
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise UserError(
            f"broken {SEPARATORS[separator]}: {reason}. A text with a separator, a quotation mark or a line "
            'break must be in quotation marks ("…", with "" for a quotation mark).'
        ) from None
    rows = [
        [cell if isinstance(cell, str) else None for cell in row] for row in table.itertuples(index=False)
    ]
    names = [(name or "").strip() for name in rows[0]]
    return SEPARATORS[separator], [JsonObject(zip(names, row, strict=True)) for row in rows[1:]]


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
        raise UserError(f"cannot be read as Parquet ({str(error).splitlines()[0][:200]}).") from None
