"""Reads, merges and writes history.csv: one row per round evaluated on a holdout.

A round is a tuned model. Evaluating it again replaces its row; another model adds a row, also on the same
data, because it is another use of the holdout. Rows come from three places: the recommendations that the data
were prepared with, the file named by HISTORY, and history.csv in the output folder.
"""

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.runtime.console import table
from medqa.runtime.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

FILE = "history.csv"
# Two rows with the same values here are the same round.
KEY = ("holdout", "model")
# Columns kept from the first evaluation of a round, because the data may have changed since.
OF_THE_FIRST = ("first_evaluated", "iteration", "data_version", "train_pairs", "shares")
TEXTS = ("first_evaluated", "data_version", *KEY, "scale")
REQUIRED = (*TEXTS, "iteration", "train_pairs", "low")
PARTS = ("base", "finetuned", "difference", "ci_low", "ci_high")

Row = dict[str, Any]


# ---- the row of a round ------------------------------------------------------------------------------------


def fingerprint(content: object) -> str:
    """Twelve hexadecimal digits that differ when JSON content does."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def identity(
    data: Mapping[str, Any], model: str, holdout_ids: Sequence[str], scale: Mapping[str, Any], started: str
) -> Row:
    """The columns that identify a round.

    Args:
        data: manifest of the datasets. model: identifier of the tuned model. holdout_ids: ids of the
        holdout's questions. scale: everything besides model and data that scores depend on; rows that differ
        in it cannot be compared. started: start of the evaluation.
    """
    trained = {name: sha for name, sha in data["outputs"].items() if name.startswith("train_dataset/")}
    return {
        "first_evaluated": started,
        "iteration": data["iteration"],
        "data_version": fingerprint(trained),
        "model": fingerprint(model),
        "holdout": fingerprint(sorted(holdout_ids)),
        "scale": fingerprint(scale),
        "train_pairs": sum(data["train_samples"].values()),
        "shares": dict(data["shares"]),
    }


def measured(comparison: "pd.DataFrame", advice: Mapping[str, Any], eval_loss: float | None) -> Row:
    """The columns with results: counts of the advice, and each metric with its interval.

    Args:
        comparison: table of `comparison.compare`.
        advice: content of training_recommendations.json.
        eval_loss: the tuned model's loss per answer token of the whole eval split (nats), None without one.
    """
    use, near = advice["holdout_use"], advice["near_training"]
    row: Row = {
        "questions": int(comparison["n"].iloc[0] + comparison["n_not_applicable"].iloc[0]),
        "primary_metrics": advice["primary_metrics"],
        "low": len(advice["low_performance_specialties"]),
        "regressed": len(advice["regressed_specialties"]),
        "increased": len(advice["recommended_sample_increases"]),
        "eval_answer_loss": eval_loss,
        "flattery_if_best_is_reported": use["flattery_if_best_is_reported"],
        "flattery_at_most": use["flattery_at_most"],
        "near_training": near["questions"],
    }
    for found in near["comparison_without"][:1]:
        row["primary_score_difference_without_near"] = found["difference"]
    for found in comparison.to_dict("records"):
        row |= {f"{found['metric']}_{part}": _finite(found[part]) for part in PARTS}
    return row


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


# ---- rows together -----------------------------------------------------------------------------------------


def merged(*sources: Iterable[Row]) -> list[Row]:
    """Merge rows: each round once, oldest first, numbered from 1 for each holdout.

    Of two rows of the same round, results come from the later source and `OF_THE_FIRST` from the first
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


def before(rows: Iterable[Row], this: Row) -> list[Row]:
    """Rounds on the holdout of `this` that precede it; all of them when it is not among the rows."""
    earlier = []
    for row in rows:
        if all(row[name] == this[name] for name in KEY):
            break
        if row["holdout"] == this["holdout"]:
            earlier.append(row)
    return earlier


def comparable(rows: Iterable[Row]) -> list[Row]:
    """Rows with the same holdout and scale as the last one."""
    rows = list(rows)
    return [row for row in rows if all(row[name] == rows[-1][name] for name in ("holdout", "scale"))]


HEADER = ("round", "training pairs", "primary score", "over base", "95 % interval", "eval loss")


def lines(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Rows of the table of rounds, the columns of `HEADER`."""

    def cell(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    found = []
    for row in rows:
        score = {part: row.get(f"primary_score_{part}") for part in PARTS}
        found.append(
            (
                str(row["round"]),
                f"{row['train_pairs']:,}",
                cell(score["finetuned"], ".3f"),
                cell(score["difference"], "+.3f"),
                f"{cell(score['ci_low'], '+.3f')}, {cell(score['ci_high'], '+.3f')}",
                cell(row.get("eval_answer_loss"), ".3f"),
            )
        )
    return found


def told(rows: Sequence[Row]) -> str:
    """The table of rounds for the terminal."""
    return table(HEADER, lines(rows))


# ---- on disk -----------------------------------------------------------------------------------------------


def text(rows: Sequence[Row]) -> str:
    """Rows as CSV: numbers, lists and dicts as JSON, an empty cell for a missing value."""
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
    return file.getvalue()


def read(path: Path) -> list[Row]:
    """Read a history.csv, or the one in a results folder.

    Raises:
        UserError: it cannot be read, or is not a history.
    """
    path = path / FILE if path.is_dir() else path
    try:
        with open(path, encoding="utf-8", newline="") as file:
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
            f"{path} cannot be read ({error.strerror}). HISTORY is a {FILE} of evaluation.py."
        ) from None
    except (ValueError, TypeError, csv.Error) as error:
        raise UserError(
            f"{path} should be the {FILE} that evaluation.py wrote, and is damaged ({error}). Put it "
            "back, or remove it to begin a new history, which will not know of earlier uses of the holdout."
        ) from None
    return checked(rows, path)


def checked(rows: object, path: Path) -> list[Row]:
    """Check that JSON or CSV content consists of rounds, and return it.

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
            f"{path} holds a history that evaluation.py did not write: a round needs "
            f"{', '.join(REQUIRED)}. Take the file as it was written, or leave the history out of it."
        )
    return rows
