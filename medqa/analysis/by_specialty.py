"""Comparison within each specialty: the table specialty_performance.csv.

Input: the results tables of medqa/analysis/paired_scores.py with the column `primary_score`. The models that
share information between specialties are in medqa/analysis/hierarchical_model.py.

Columns of the table, one row per specialty in alphabetical order:

- specialty; n, its number of questions
- for the primary score and each metric {metric}_n (questions to which it applies), _base, _finetuned,
  _difference, and _ci_low, _ci_high, Student's 95 % interval of the difference
- shrunken_base, shrunken_base_ci_low, _ci_high, shrunken_mean, shrunken_ci_low, _ci_high: posterior mean of
  the true primary score of base and tuned, each with the 95 % credible interval of the same posterior
- shrunken_sd: posterior standard deviation for tuned
- p_low: P(tuned < mean of all specialties − margin); expected_deficit: posterior mean of (mean of all −
  tuned)
- p_worse: P(tuned < base), from the shrunken differences
- rank: by shrunken_mean, 1 is the best
- q_value: one-sided t tests of "not below the mean of the other specialties", corrected by Benjamini–Hochberg
- eval_answer_loss, train_share: given by the caller

A metric's numbers are NaN when it applies to none of the specialty's questions, its interval also when it
applies to one, and when it applies to fewer than `FEW` with equal differences (as in `comparison.compare`).
The columns from shrunken_base to q_value are NaN when the variance of tuned's scores within specialties
cannot be estimated: it is 0, or has fewer than `LEAST_FREEDOM` degrees of freedom. If that of base's scores
is 0, their interval is NaN; if that of the differences is 0, p_worse is NaN where they are not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medqa.analysis.comparison import FEW
from medqa.analysis.hierarchical_model import has_spread, heterogeneity, shrink
from medqa.analysis.paired_scores import PRIMARY, TIE, paired, specialties_of
from medqa.analysis.significance import adjusted, moments, t_interval

if TYPE_CHECKING:
    import pandas as pd

# The variance within specialties is estimated from this many degrees of freedom (questions − specialties) on.
# Its 95 % interval spans a factor of 15 at 5, 23 at 4 and 146 at 2 (chi-squared quantiles). With fewer, a few
# scores that happen to be nearly equal make any difference between specialties look certain.
LEAST_FREEDOM = 5


@dataclass(frozen=True)
class Spread:
    """How much the tuned model's primary score varies between and within specialties.

    Attributes:
        specialties: number of specialties with a primary score.
        within_freedom: degrees of freedom of the variance within specialties: questions minus specialties.
        mean: mean of their means. This and the rest are None when that variance cannot be estimated.
        within_sd: standard deviation between questions of one specialty, pooled.
        tau2: variance between the true means of the specialties, posterior mean.
        reliability: 1 − B, the share of an observed deviation from the mean that is real.
        heterogeneity_p: p-value of "all specialties have the same true mean" (`heterogeneity`).
    """

    specialties: int
    within_freedom: int = 0
    mean: float | None = None
    within_sd: float | None = None
    tau2: float | None = None
    reliability: float | None = None
    heterogeneity_p: float | None = None


def by_specialty(
    base: "pd.DataFrame",
    tuned: "pd.DataFrame",
    metrics: Sequence[str],
    margin: float,
    shares: Mapping[str, float] | None = None,
    eval_loss_by_specialty: Mapping[str, float] | None = None,
) -> tuple["pd.DataFrame", Spread]:
    """Compare base and tuned within each specialty.

    Args:
        base, tuned: results tables with the column `primary_score`.
        metrics: names of metric columns.
        margin: distance below the mean from which a specialty counts as low.
        shares: specialty → share of its data in use, for the column train_share.
        eval_loss_by_specialty: specialty → loss on the eval split, for the column eval_answer_loss.

    Returns:
        the table, with the columns of the module docstring, and the spread between specialties.
    """
    import pandas as pd

    before, after = paired(base, tuned, [PRIMARY, *metrics])
    names, codes = specialties_of(base)
    columns: dict[str, Any] = {"specialty": names.astype(object), "n": np.bincount(codes)}
    for number, metric in enumerate([PRIMARY, *metrics]):
        columns |= _metric_by_specialty(metric, before[:, number], after[:, number], codes, len(names))
    shrunken, spread = _shrunken(before[:, 0], after[:, 0], codes, len(names), margin)
    columns |= shrunken
    for name, values in (("eval_answer_loss", eval_loss_by_specialty), ("train_share", shares)):
        columns[name] = [float((values or {}).get(specialty, np.nan)) for specialty in names]
    return pd.DataFrame(columns), spread


def mean_loss(ids: Iterable[str], losses: Mapping[str, Sequence[float]]) -> float | None:
    """Loss per token (nats) of reference answers; None when none of them has a loss.

    Args:
        ids: of the questions.
        losses: id → summed loss and number of tokens; questions without an entry are skipped.
    """
    known = [losses[id] for id in ids if id in losses]
    tokens = sum(count for _, count in known)
    return sum(total for total, _ in known) / tokens if tokens else None


def loss_by_specialty(records: Any, losses: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """`mean_loss` of each specialty of a split with the columns `id` and `specialty`; absent without one."""
    ids: dict[str, list[str]] = {}
    for id, specialty in zip(records["id"], records["specialty"], strict=True):
        ids.setdefault(specialty, []).append(id)
    means = {specialty: mean_loss(own, losses) for specialty, own in ids.items()}
    return {specialty: mean for specialty, mean in means.items() if mean is not None}


def _metric_by_specialty(
    metric: str, before: np.ndarray, after: np.ndarray, codes: np.ndarray, specialties: int
) -> dict[str, np.ndarray]:
    """Columns of one metric: n, both means, their difference and its t interval, each (specialties,)."""
    known = np.isfinite(before)
    counts = np.bincount(codes[known], minlength=specialties)
    parts = ("base", "finetuned", "difference", "ci_low", "ci_high")
    numbers = np.full((len(parts), specialties), np.nan)
    here, own = np.unique(codes[known], return_inverse=True)
    if len(here):
        values = np.column_stack([before, after, after - before])[known]
        _, means, squares = moments(values, own)
        freedom = np.maximum(counts[here] - 1, 1)
        error = np.sqrt(squares[:, 2] / freedom / counts[here])
        error[(counts[here] == 1) | ((counts[here] < FEW) & (error <= TIE))] = np.nan
        numbers[:, here] = (*means.T, *t_interval(means[:, 2], error, freedom))
    named = {f"{metric}_{part}": row for part, row in zip(parts, numbers, strict=True)}
    return {f"{metric}_n": counts} | named


def _shrunken(
    before: np.ndarray, after: np.ndarray, codes: np.ndarray, specialties: int, margin: float
) -> tuple[dict[str, np.ndarray], Spread]:
    """The columns that share information between specialties, and the spread between them."""
    names = (
        "shrunken_base", "shrunken_base_ci_low", "shrunken_base_ci_high", "shrunken_mean", "shrunken_ci_low",
        "shrunken_ci_high", "shrunken_sd", "p_low", "expected_deficit", "p_worse", "rank", "q_value",
    )  # fmt: skip
    numbers = np.full((len(names), specialties), np.nan)
    columns = dict(zip(names, numbers, strict=True))
    known = np.isfinite(after)
    here, own = np.unique(codes[known], return_inverse=True)
    freedom = int(known.sum()) - len(here)
    if freedom < LEAST_FREEDOM:
        return columns, Spread(len(here), freedom)
    summaries = [_summary(values[known], own) for values in (before, after, after - before)]
    varied = [has_spread(means, variance) for means, _, variance, _ in summaries]
    if not varied[1]:
        return columns, Spread(len(here), freedom)
    base, model, change = (shrink(*summary) for summary in summaries)
    means, _, variance, _ = summaries[1]
    numbers[:, here] = (
        base.mean(), *base.interval(), model.mean(), *model.interval(), model.sd(),
        model.below_average(margin), model.deficit(), change.below(-TIE),
        1 + np.argsort(np.argsort(-model.mean(), kind="stable")),
        adjusted(_below_others(*summaries[1]), "fdr_bh"),
    )  # fmt: skip
    if not varied[0]:
        numbers[1:3] = np.nan
    if not varied[2]:
        columns["p_worse"][here] = np.where(np.abs(summaries[2][0]) <= TIE, 0.0, np.nan)
    if len(here) == specialties:
        columns["rank"] = columns["rank"].astype(int)
    tau2, reliability = model.spread()
    return columns, Spread(
        specialties=len(here),
        within_freedom=freedom,
        mean=float(means.mean()),
        within_sd=float(np.sqrt(variance)),
        tau2=tau2,
        reliability=reliability,
        heterogeneity_p=heterogeneity(*summaries[1]),
    )


def _summary(values: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, int]:
    """Input of the hierarchical model: means, counts, pooled variance and its degrees of freedom."""
    counts, means, squares = moments(values[:, None], codes)
    freedom = int((counts - 1).sum())
    return means[:, 0], counts, float(squares.sum() / freedom), freedom


def _below_others(means: np.ndarray, counts: np.ndarray, variance: float, freedom: int) -> np.ndarray:
    """p-value per specialty of "not below the mean of the others": one-sided t test, pooled variance."""
    from scipy.stats import t

    number = len(means)
    if number < 2:
        return np.ones(number)
    others = (means.sum() - means) / (number - 1)
    inverse = 1 / counts
    error = np.sqrt(variance * (inverse + (inverse.sum() - inverse) / (number - 1) ** 2))
    # With a variance of 0, equal means give p = 1/2 and a lower mean gives p = 0.
    return t.cdf((means - others) / np.maximum(error, TIE), freedom)
