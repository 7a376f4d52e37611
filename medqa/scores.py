"""The scores that are compared: both models' on the same questions, the primary score first."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

PRIMARY = "primary_score"
# A smaller difference between two scores is rounding, and counts as a tie.
TIE = 1e-6


def primary_score(
    table: "pd.DataFrame", primary_metrics: Sequence[str], lower_is_better: Collection[str] = ()
) -> tuple["pd.Series", list[str]]:
    """The score that decides: per question the mean of the primary metrics that this run has.

    A metric that is absent or NaN throughout is left out. A question to which one of the others does not
    apply has no primary score (NaN): a mean over fewer metrics would not be on the same scale. A metric for
    which less is better enters with a minus, so that more is always better.

    Returns:
        the score of each question, and the names of the metrics that went into it; NaN throughout and [] when
        none is available.
    """
    import pandas as pd

    used = [
        name for name in primary_metrics if name in table and np.isfinite(numbers_of(table, [name])).any()
    ]
    score = pd.Series(np.nan, index=table.index, name=PRIMARY)
    if used:
        signs = np.array([-1.0 if name in lower_is_better else 1.0 for name in used])
        score[:] = (numbers_of(table, used) * signs).mean(axis=1)
    return score, used


def numbers_of(table: "pd.DataFrame", metrics: Sequence[str]) -> np.ndarray:
    """Columns as floats (n, metrics), with NaN for all that is not a finite number; a copy."""
    values = np.array(table[list(metrics)], dtype=float).reshape(len(table), len(metrics))
    values[~np.isfinite(values)] = np.nan
    return values


def paired(
    base: "pd.DataFrame",
    tuned: "pd.DataFrame",
    metrics: Sequence[str],
    primary_metrics: Sequence[str],
    lower_is_better: Collection[str],
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Both models' scores (n, 1 + metrics), primary score first, NaN in both where either is NaN.

    Raises:
        ValueError: the tables do not hold the same questions in the same order.
    """
    if list(base["id"]) != list(tuned["id"]):
        raise ValueError("base and tuned must hold the same questions in the same order")
    of_tuned = primary_score(tuned, primary_metrics)[1]
    used = [name for name in primary_score(base, primary_metrics)[1] if name in of_tuned]
    before, after = (
        np.column_stack([primary_score(table, used, lower_is_better)[0], numbers_of(table, metrics)])
        for table in (base, tuned)
    )
    unpaired = np.isnan(before) | np.isnan(after)
    before[unpaired] = after[unpaired] = np.nan
    return before, after, used


def failed_on(table: "pd.DataFrame", metrics: Sequence[str], used: Sequence[str]) -> np.ndarray:
    """On which questions which metric raised an error (n, 1 + metrics); the primary score comes first."""
    failed = np.zeros((len(table), 1 + len(metrics)), dtype=bool)
    for name, ids in table.attrs.get("failed", {}).items():
        rows = table["id"].isin(ids).to_numpy()
        if name in metrics:
            failed[rows, 1 + list(metrics).index(name)] = True
        if name in used:
            failed[rows, 0] = True
    return failed


def specialties_of(table: "pd.DataFrame") -> tuple[np.ndarray, np.ndarray]:
    """Names of the specialties in alphabetical order, and the number of each row's specialty."""
    return np.unique(table["specialty"].to_numpy(dtype=str), return_inverse=True)
