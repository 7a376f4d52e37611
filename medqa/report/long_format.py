"""Converts a table with a column per metric and part into one with a row per metric."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# Ends of the column names of a metric; every metric has a difference.
PARTS = ("n", "base", "finetuned", "difference", "ci_low", "ci_high")
SPECIALTY = ("specialty",)
ITERATION = (
    "round",
    "first_evaluated",
    "iteration",
    "data_version",
    "model",
    "holdout",
    "scale",
    "train_pairs",
)


def long_format(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> "pd.DataFrame":
    """One row for each of `rows` and metric.

    Args:
        rows: with columns such as `bleu_1_base` and `bleu_1_difference`; other columns are left out.
        keys: columns that identify a row.

    Returns:
        the keys, `metric` and PARTS; a part that a metric does not have is empty.
    """
    import pandas as pd

    names = dict.fromkeys(name for row in rows for name in row)
    metrics = [name.removesuffix("_difference") for name in names if name.endswith("_difference")]
    found = [
        {key: row.get(key) for key in keys}
        | {"metric": metric}
        | {part: row.get(f"{metric}_{part}") for part in PARTS}
        for row in rows
        for metric in metrics
    ]
    return pd.DataFrame(found, columns=[*keys, "metric", *PARTS]).dropna(axis="columns", how="all")
