"""A class of metrics → one column per metric; a metric that fails on a pair costs that pair, not the run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from medqa.run import Warnings


def score_pairs(
    metrics: Any, references: Sequence[str], hypotheses: Sequence[str], warnings: Warnings
) -> dict[str, list[float]]:
    """Run every metric of an object over pairs of texts.

    Args:
        metrics: an object with methods `compute_NAME(reference, hypothesis)`, which return a number, None for
            "not applicable", or a dict of columns; and `score_NAME(references, hypotheses)`, which take all
            pairs at once and return a dict of columns.
        references, hypotheses: texts, pair by pair.
        warnings: where failures are told.

    Returns:
        column → one value a pair; NaN stands for "not applicable" and for a pair on which the metric failed.
    """
    columns: dict[str, list[float]] = {}
    for name in _methods(metrics, "compute_"):
        compute, title = getattr(metrics, name), name.removeprefix("compute_")
        rows: list[Mapping[str, Any]] = []
        failed: list[str] = []
        for reference, hypothesis in zip(references, hypotheses, strict=True):
            try:
                value = compute(reference, hypothesis)
                rows.append(value if isinstance(value, Mapping) else {title: value})
            except Exception as error:  # a user's metric may raise anything
                rows.append({})
                failed.append(f"{type(error).__name__}: {error}")
        if failed:
            warnings.add(
                f"metric {title} failed on {len(failed)} of {len(rows)} pairs; the first: {failed[0]}"
            )
        names = list(dict.fromkeys(column for row in rows for column in row)) or [title]
        columns |= {column: [_number(row.get(column)) for row in rows] for column in names}
    for name in _methods(metrics, "score_"):
        scored = getattr(metrics, name)(references, hypotheses)
        columns |= {column: [_number(value) for value in values] for column, values in scored.items()}
    return columns


def _methods(metrics: Any, prefix: str) -> list[str]:
    """Names of the public methods with a prefix, in the order in which their classes define them."""
    found: dict[str, None] = {}
    for kind in reversed(type(metrics).__mro__):
        found |= {
            name: None for name in vars(kind) if name.startswith(prefix) and callable(getattr(kind, name))
        }
    found |= {
        name: None for name in vars(metrics) if name.startswith(prefix) and callable(vars(metrics)[name])
    }
    return list(found)


def _number(value: Any) -> float:
    """A metric's value as a float; None, and what is not finite, become NaN."""
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else math.nan
