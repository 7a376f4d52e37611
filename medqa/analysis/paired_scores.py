"""Per-question scores of both models, paired, and the primary score.

A results table has one row per question with the columns `id`, `specialty`, one column per metric (NaN where
the metric does not apply), and optionally `failed`, the metrics that raised an error on that question. Base
and tuned tables hold the same questions in the same order.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medqa.data.source_files import listed
from medqa.metrics.runner import SEPARATOR, metric_names
from medqa.runtime.console import WarningLog, counted

if TYPE_CHECKING:
    import pandas as pd

PRIMARY = "primary_score"
# Score differences up to this size are rounding errors and count as ties.
TIE = 1e-6


def add_primary_score(
    tables: Mapping[str, "pd.DataFrame"], primary_metrics: Sequence[str], lower_is_better: Collection[str]
) -> list[str]:
    """Add the column `primary_score`: per question the mean of the primary metrics that both models have.

    A metric that is absent or NaN for every question of a model is left out for both models. A question to
    which one of the remaining metrics does not apply gets NaN, because a mean over fewer metrics would be on
    a different scale. Metrics for which lower is better enter negated, so a higher primary score is always
    better.

    Args:
        tables: role → results table; extended in place, `failed` included.
        primary_metrics: names of metric columns.
        lower_is_better: those for which lower is better.

    Returns:
        the metrics that were averaged; without any, the scores are NaN.
    """
    used = [
        name
        for name in primary_metrics
        if all(name in table and np.isfinite(numbers_of(table, [name])).any() for table in tables.values())
    ]
    signs = np.array([-1.0 if name in lower_is_better else 1.0 for name in used])
    for table in tables.values():
        table[PRIMARY] = (numbers_of(table, used) * signs).mean(axis=1) if used else np.nan
        if "failed" in table:
            broken = failures(table, used).any(axis=1)
            table["failed"] = [
                SEPARATOR.join([*names.split(SEPARATOR), PRIMARY]) if own else names
                for names, own in zip(table["failed"], broken, strict=True)
            ]
    return used


def primary_terms(advice: Mapping[str, Any]) -> list[str]:
    """The metrics whose mean is the primary score, with "−" before those that enter negated.

    Args:
        advice: content of training_recommendations.json; that of earlier versions names no negated metrics.
    """
    negated = advice.get("lower_is_better", ())
    return [f"−{name}" if name in negated else name for name in advice["primary_metrics"]]


def warn_of_gaps(
    base: "pd.DataFrame", tuned: "pd.DataFrame", primary_metrics: Sequence[str], used: Sequence[str],
    warnings: WarningLog,
) -> None:  # fmt: skip
    """Warn of metrics that the primary score is without, and of questions and specialties without a score.

    Args:
        base, tuned: results tables with the column `primary_score`.
        primary_metrics: names of metric columns, as given to `add_primary_score`.
        used: those that were averaged, as it returned.
        warnings: gets the warnings.
    """
    known = metric_names(base)
    if absent := [name for name in primary_metrics if name not in known]:
        warnings.add(f"the primary score is without {', '.join(absent)}; the metrics are {', '.join(known)}.")
    for name in (name for name in primary_metrics if name in known and name not in used):
        broken = failures(base, [name]).any() or failures(tuned, [name]).any()
        why = "has no value, because it failed" if broken else "applies to no question of this holdout"
        warnings.add(
            f"the primary score is without {name}, which {why}; choose others with --PRIMARY_METRICS."
        )
    missing = np.isnan(paired(base, tuned, [PRIMARY])[0][:, 0])
    if not used or not missing.any():
        return
    causes = [name for name in used if np.isnan(paired(base, tuned, [name])[0]).any()]
    failed = bool((failures(base, causes) | failures(tuned, causes)).any())
    names, codes = specialties_of(base)
    empty = np.bincount(codes, ~missing) == 0
    among = "all of" if empty[codes[missing]].all() else "among them all of"
    where = f", {among} {listed(names[empty])}," if empty.any() else ""
    have, them = ("has", "it") if missing.sum() == 1 else ("have", "them")
    warnings.add(
        f"{missing.sum():,} of {counted(len(base), 'question')}{where} {have} no primary score because "
        f"{' or '.join(causes)} does not apply to {them}{' or failed' * failed}; choose others with "
        "--PRIMARY_METRICS."
    )


def numbers_of(table: "pd.DataFrame", columns: Sequence[str]) -> np.ndarray:
    """Copy of the columns as floats, (n, columns); values that are not finite become NaN."""
    values = np.array(table[list(columns)], dtype=float).reshape(len(table), len(columns))
    values[~np.isfinite(values)] = np.nan
    return values


def paired(
    base: "pd.DataFrame", tuned: "pd.DataFrame", columns: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of both models, each (n, columns); NaN in both where either model has none.

    Raises:
        ValueError: the tables do not hold the same questions in the same order.
    """
    if list(base["id"]) != list(tuned["id"]):
        raise ValueError("base and tuned must hold the same questions in the same order")
    before, after = numbers_of(base, columns), numbers_of(tuned, columns)
    unpaired = np.isnan(before) | np.isnan(after)
    before[unpaired] = after[unpaired] = np.nan
    return before, after


def failures(table: "pd.DataFrame", columns: Sequence[str]) -> np.ndarray:
    """Whether a metric raised an error on a question, (n, columns), from the column `failed`."""
    names = [text.split(SEPARATOR) for text in table.get("failed", [""] * len(table))]
    return np.array([[column in own for column in columns] for own in names], dtype=bool).reshape(
        len(table), len(columns)
    )


def specialties_of(table: "pd.DataFrame") -> tuple[np.ndarray, np.ndarray]:
    """Specialty names in alphabetical order, and the index of each row's specialty, (n,)."""
    return np.unique(table["specialty"].to_numpy(dtype=str), return_inverse=True)
