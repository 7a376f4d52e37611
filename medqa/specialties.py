"""The specialties one by one: each metric within them, and the shrunken primary score.

The tables are those of medqa/statistics.py; the models of shrinkage are in medqa/shrinkage.py.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medqa.inference import benjamini_hochberg, moments, t_interval
from medqa.scores import PRIMARY, TIE, paired, specialties_of
from medqa.shrinkage import Shrinkage, heterogeneity, shrink, steady_interval

if TYPE_CHECKING:
    import pandas as pd

RANK_CONFIDENCE = 0.9
RANK_DRAWS = 10_000


def by_specialty(
    base: "pd.DataFrame",
    tuned: "pd.DataFrame",
    metrics: Sequence[str],
    primary_metrics: Sequence[str],
    lower_is_better: Collection[str],
    seed: int,
    shares: Mapping[str, float] | None = None,
    witness: Mapping[str, float] | None = None,
    margin: float = 0.02,
) -> "pd.DataFrame":
    """Comparison within each specialty, one row each, by name: the content of specialty_performance.csv.

    Columns: specialty; n, its questions; for the primary score and each metric {metric}_n (questions to which
    it applies), _base, _finetuned, _difference, and _ci_low, _ci_high, Student's 95 % interval of the
    difference. Then, of the primary score (the models are in medqa/shrinkage.py):

    - shrunken_base, shrunken_base_ci_low, _ci_high; shrunken_mean, shrunken_ci_low, _ci_high: posterior mean
      of the true score of base and tuned, and its 95 % interval (`steady_interval`)
    - shrunken_sd: posterior standard deviation for tuned
    - p_low: P(tuned < mean of all specialties − margin); expected_deficit: how far under that mean
    - p_worse: P(tuned < base), shrunken as well
    - rank (1 is best) by shrunken_mean, with its 90 % interval rank_low, rank_high
    - q_value: Benjamini–Hochberg over one-sided t tests of "not below the mean of the others"
    - eval_answer_loss, train_share: as given in `witness` and `shares`, NaN when not given

    NaN: the numbers of a metric that applies to none of a specialty's questions, its interval when it applies
    to one; the last group when no specialty has two questions, since noise cannot be told from differences.

    Returns:
        the table; its `attrs["spread"]` holds what belongs to all specialties together, for `recommend`:
        primary_metrics (those available), margin, specialties (with a primary score), and unless NaN as
        above: mean, within_sd, tau2, reliability (1 − B, how much of a deviation is real), heterogeneity_p.
    """
    import pandas as pd

    before, after, used = paired(base, tuned, metrics, primary_metrics, lower_is_better)
    names, codes = specialties_of(base)
    columns: dict[str, Any] = {"specialty": names.astype(object), "n": np.bincount(codes)}
    for number, metric in enumerate([PRIMARY, *metrics]):
        columns |= _metric_by_specialty(metric, before[:, number], after[:, number], codes, len(names))
    shrunken, spread = _shrunken(before[:, 0], after[:, 0], codes, len(names), seed, margin)
    columns |= shrunken
    for name, given in (("eval_answer_loss", witness), ("train_share", shares)):
        columns[name] = [float((given or {}).get(specialty, np.nan)) for specialty in names]
    table = pd.DataFrame(columns)
    table.attrs["spread"] = {"primary_metrics": used, "margin": margin, **spread}
    return table


def _metric_by_specialty(
    metric: str, before: np.ndarray, after: np.ndarray, codes: np.ndarray, specialties: int
) -> dict[str, np.ndarray]:
    """Columns of one metric: n, both means, their difference and its t interval, each (specialties,)."""
    known = np.isfinite(before)
    counts = np.bincount(codes[known], minlength=specialties)
    columns = {f"{metric}_n": counts}
    parts = ("base", "finetuned", "difference", "ci_low", "ci_high")
    numbers = np.full((len(parts), specialties), np.nan)
    here, own = np.unique(codes[known], return_inverse=True)
    if len(here):
        values = np.column_stack([before, after, after - before])[known]
        _, means, squares = moments(values, own)
        freedom = np.maximum(counts[here] - 1, 1)
        error = np.sqrt(squares[:, 2] / freedom / counts[here])
        error[counts[here] == 1] = np.nan
        numbers[:, here] = (*means.T, *t_interval(means[:, 2], error, freedom))
    return columns | {f"{metric}_{part}": row for part, row in zip(parts, numbers, strict=True)}


def _shrunken(
    before: np.ndarray, after: np.ndarray, codes: np.ndarray, specialties: int, seed: int, margin: float
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The columns in which specialties borrow from each other, and what belongs to all of them together."""
    names = (
        "shrunken_base", "shrunken_base_ci_low", "shrunken_base_ci_high", "shrunken_mean", "shrunken_ci_low",
        "shrunken_ci_high", "shrunken_sd", "p_low", "expected_deficit", "p_worse", "rank", "rank_low",
        "rank_high", "q_value",
    )  # fmt: skip
    numbers = np.full((len(names), specialties), np.nan)
    known = np.isfinite(after)
    here, own = np.unique(codes[known], return_inverse=True)
    spread: dict[str, Any] = {"specialties": len(here)}
    if known.sum() > len(here):
        summaries = [_summary(values[known], own) for values in (before, after, after - before)]
        base, model, change = (shrink(*summary) for summary in summaries)
        draws = model.draws(RANK_DRAWS, np.random.default_rng([seed, 3]))
        ranks = 1 + np.argsort(np.argsort(-draws, axis=1), axis=1)
        ends = [0.5 - RANK_CONFIDENCE / 2, 0.5 + RANK_CONFIDENCE / 2]
        numbers[:, here] = (
            base.mean(), *steady_interval(*summaries[0]),
            model.mean(), *steady_interval(*summaries[1]), model.sd(),
            model.below_average(margin), model.deficit(), change.below(-TIE),
            1 + np.argsort(np.argsort(-model.mean(), kind="stable")),
            *np.quantile(ranks, ends, axis=0, method="nearest"),
            benjamini_hochberg(_below_others(*summaries[1])),
        )  # fmt: skip
        spread |= _spread(model, *summaries[1])
    columns = dict(zip(names, numbers, strict=True))
    for name in ("rank", "rank_low", "rank_high"):
        if np.isfinite(columns[name]).all():
            columns[name] = columns[name].astype(int)
    return columns, spread


def _summary(values: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, int]:
    """What the models of medqa/shrinkage.py take: means, counts, pooled variance and degrees of freedom."""
    counts, means, squares = moments(values[:, None], codes)
    freedom = int((counts - 1).sum())
    return means[:, 0], counts, float(squares.sum() / freedom), freedom


def _spread(
    model: Shrinkage, means: np.ndarray, counts: np.ndarray, variance: float, freedom: int
) -> dict[str, float]:
    """What the tuned model's primary scores say of all specialties together."""
    tau2, reliability = model.spread()
    return {
        "mean": float(means.mean()),
        "within_sd": float(np.sqrt(variance)),
        "tau2": tau2,
        "reliability": reliability,
        "heterogeneity_p": heterogeneity(means, counts, variance, freedom),
    }


def _below_others(means: np.ndarray, counts: np.ndarray, variance: float, freedom: int) -> np.ndarray:
    """One-sided p per specialty of "not below the mean of the others": t test, pooled variance."""
    from scipy.stats import t

    number = len(means)
    if number < 2:
        return np.ones(number)
    others = (means.sum() - means) / (number - 1)
    inverse = 1 / counts
    error = np.sqrt(variance * (inverse + (inverse.sum() - inverse) / (number - 1) ** 2))
    # Without any spread an equal mean is no evidence (p = 1/2), and a lower one is certain.
    return t.cdf((means - others) / np.maximum(error, TIE), freedom)
