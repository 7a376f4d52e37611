"""Reads and writes history.csv: one row for each iteration that was evaluated on a holdout.

Rows are merged from three places: the recommendations that the data were prepared with, the file named by
HISTORY, and history.csv of the output folder.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from medqa.artifacts.csv_io import BYTE_ORDER_MARK
from medqa.runtime.errors import UserError

FILE = "history.csv"
# Two rows with the same values here are the same iteration.
KEY = ("holdout", "model")
# Columns kept from the first evaluation of an iteration, because the data may have changed since.
OF_THE_FIRST = ("first_evaluated", "iteration", "data_version", "train_pairs", "shares")
TEXTS = ("first_evaluated", "data_version", *KEY, "scale")
REQUIRED = (*TEXTS, "iteration", "train_pairs", "low")

Row = dict[str, Any]


def fingerprint(content: object) -> str:
    """Identifies some content in a row."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def holdout_name(ids: Iterable[str]) -> str:
    """What the column `holdout` has for a holdout with the questions of these ids."""
    return fingerprint(sorted(ids))


def merged(*sources: Iterable[Row]) -> list[Row]:
    """Merge rows: each iteration once, oldest first, numbered from 1 for each holdout.

    Of two rows of the same iteration, results come from the later source and `OF_THE_FIRST` from the first
    evaluation.
    """
    rows: dict[tuple[str, ...], Row] = {}
    for row in (row for source in sources for row in source):
        key = tuple(row[name] for name in KEY)
        first = min(rows.get(key, row), row, key=lambda row: row["first_evaluated"])
        rows[key] = row | {name: first[name] for name in OF_THE_FIRST if name in first}
    numbers: dict[str, int] = {}
    ordered = []
    for row in sorted(rows.values(), key=lambda row: row["first_evaluated"]):
        numbers[row["holdout"]] = numbers.get(row["holdout"], 0) + 1
        ordered.append({"round": numbers[row["holdout"]]} | {k: v for k, v in row.items() if k != "round"})
    return ordered


def text(rows: Sequence[Row]) -> str:
    """Rows as CSV with a byte-order mark: numbers, lists and dicts as JSON, a missing value is empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        cells = {
            name: json.dumps(v, ensure_ascii=False, sort_keys=True)
            for name, v in row.items()
            if v is not None
        }
        writer.writerow(cells | {name: row[name] for name in TEXTS})
    return BYTE_ORDER_MARK + file.getvalue()


def read(path: Path) -> list[Row]:
    """Read a history.csv, or the one in a results folder.

    Raises:
        UserError: it cannot be read, or is not a history.
    """
    path = path / FILE if path.is_dir() else path
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = list(csv.DictReader(file, strict=True))
        rows = [
            {
                name: cell if name in TEXTS else json.loads(cell) if cell else None
                for name, cell in row.items()
            }
            for row in lines
        ]
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}). HISTORY names a {FILE} that evaluation.py wrote, or "
            "the folder with it. Give its path with --HISTORY, or leave --HISTORY out."
        ) from None
    except (ValueError, TypeError, csv.Error) as error:
        raise UserError(
            f"{path} should be the {FILE} that evaluation.py wrote, and is damaged ({error}). Restore it, or "
            "remove it to begin a new history, which will not include earlier uses of the holdout."
        ) from None
    return checked(rows, path)


def checked(rows: object, path: Path) -> list[Row]:
    """Check that JSON or CSV content consists of evaluated iterations, and return it.

    Raises:
        UserError: it does not.
    """
    whole = isinstance(rows, list) and all(
        isinstance(row, dict)
        and all(isinstance(row.get(name), str) for name in TEXTS)
        and all(isinstance(row.get(name), int) for name in REQUIRED if name not in TEXTS)
        for row in rows
    )
    if not whole:
        raise UserError(
            f"{path} has a history that evaluation.py did not write: a row needs {', '.join(REQUIRED)}. "
            "Use the file as it was written, or remove the history from it."
        )
    return rows
