"""The rounds that were evaluated on one holdout: the row of this one, the earlier ones, a table for people.

A round is a tuned model. Evaluating it again replaces its row; another model is another row, also on the same
data, because it is another use of the holdout. The rows are those of `medqa.artifacts.history_csv`.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from medqa.artifacts.history_csv import KEY, Row
from medqa.runtime.console import table

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("base", "finetuned", "difference", "ci_low", "ci_high")


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
