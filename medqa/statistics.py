"""Base against tuned on the same questions: the overall comparison, and the specialties one by one.

Every question is answered by both models, so the difference is taken per question first: what is hard for
both cancels (Miller, "Adding Error Bars to Evals", arXiv 2411.00640). The holdout takes a fixed number of
questions from each specialty, so it is a stratified sample, and differences between specialties are no part
of the error (Cochran, Sampling Techniques, 1977, chapter 5).

The tables hold one row per question, the same questions in the same order, with the columns `id` and
`specialty` and one column per metric; NaN means that a metric does not apply to a question, and such
questions are counted. The arithmetic is in medqa/inference.py and medqa/shrinkage.py.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medqa.inference import (
    benjamini_hochberg,
    bootstrap_interval,
    holm,
    moments,
    sign_flip_p_values,
    stratified_mean,
    t_interval,
)
from medqa.recommendations import Thresholds, recommend
from medqa.shrinkage import Shrinkage, heterogeneity, shrink, steady_interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PRIMARY", "Thresholds", "by_specialty", "compare", "primary_score", "recommend"]

PRIMARY = "primary_score"
RANK_CONFIDENCE = 0.9
RANK_DRAWS = 10_000
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

    used = [name for name in primary_metrics if name in table and np.isfinite(_numbers(table, [name])).any()]
    score = pd.Series(np.nan, index=table.index, name=PRIMARY)
    if used:
        signs = np.array([-1.0 if name in lower_is_better else 1.0 for name in used])
        score[:] = (_numbers(table, used) * signs).mean(axis=1)
    return score, used


def _numbers(table: "pd.DataFrame", metrics: Sequence[str]) -> np.ndarray:
    """Columns as floats (n, metrics), with NaN for all that is not a finite number; a copy."""
    values = np.array(table[list(metrics)], dtype=float).reshape(len(table), len(metrics))
    values[~np.isfinite(values)] = np.nan
    return values


def _paired(
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
        np.column_stack([primary_score(table, used, lower_is_better)[0], _numbers(table, metrics)])
        for table in (base, tuned)
    )
    unpaired = np.isnan(before) | np.isnan(after)
    before[unpaired] = after[unpaired] = np.nan
    return before, after, used


def _failed(table: "pd.DataFrame", metrics: Sequence[str], used: Sequence[str]) -> np.ndarray:
    """On which questions which metric raised an error (n, 1 + metrics); the primary score comes first."""
    failed = np.zeros((len(table), 1 + len(metrics)), dtype=bool)
    for name, ids in table.attrs.get("failed", {}).items():
        rows = table["id"].isin(ids).to_numpy()
        if name in metrics:
            failed[rows, 1 + list(metrics).index(name)] = True
        if name in used:
            failed[rows, 0] = True
    return failed


def _specialties(table: "pd.DataFrame") -> tuple[np.ndarray, np.ndarray]:
    """Names of the specialties in alphabetical order, and the number of each row's specialty."""
    return np.unique(table["specialty"].to_numpy(dtype=str), return_inverse=True)


def compare(
    base: "pd.DataFrame",
    tuned: "pd.DataFrame",
    metrics: Sequence[str],
    lower_is_better: Collection[str],
    seed: int,
    primary_metrics: Sequence[str] = (),
) -> "pd.DataFrame":
    """Overall comparison, one row per metric, the primary score first: the content of model_comparison.csv.

    Columns: metric; base and finetuned, means over the n questions to which the metric applies; difference
    (finetuned − base) with its standard_error and t interval ci_low, ci_high (`stratified_mean`), and
    bootstrap_low, bootstrap_high; p_value by sign flips; p_holm, Holm over the metrics, where the primary
    score stands outside because it was declared before looking; wins, ties, losses: questions on which tuned
    is better, equal, worse, whichever direction is better; n, n_not_applicable and n_failed (questions on
    which the metric raised an error, by the tables' `attrs["failed"]`), which together are all questions;
    direction, ↑ when higher is better.

    NaN: all numbers of a metric when n is 0; standard error and intervals when n is 1.

    Args:
        base, tuned: one row per question, see the head of this file.
        metrics: names of metric columns.
        lower_is_better: those for which less is better.
        seed: of resampling.
        primary_metrics: metrics whose mean is the primary score; empty: the table has no row for it.

    Returns:
        the table; its `attrs["primary_metrics"]` names the primary metrics that were available.
    """
    import pandas as pd

    before, after, used = _paired(base, tuned, metrics, primary_metrics, lower_is_better)
    differences = after - before
    known = np.isfinite(differences)
    failed = _failed(base, metrics, used) | _failed(tuned, metrics, used)
    names = ("base", "finetuned", "difference", "standard_error", "ci_low", "ci_high",
             "bootstrap_low", "bootstrap_high")  # fmt: skip
    numbers = np.full((len(names), differences.shape[1]), np.nan)
    _, strata = _specialties(base)
    # Metrics that apply to the same questions are resampled together.
    patterns, of_metric = np.unique(known, axis=1, return_inverse=True)
    for number, rows in enumerate(patterns.T):
        columns = np.flatnonzero(of_metric == number)
        if not rows.any():
            continue
        paired = differences[np.ix_(rows, columns)]
        mean, error, freedom = stratified_mean(paired, strata[rows])
        numbers[:, columns] = (
            before[np.ix_(rows, columns)].mean(axis=0),
            after[np.ix_(rows, columns)].mean(axis=0),
            mean,
            error,
            *t_interval(mean, error, freedom),
            *bootstrap_interval(paired, strata[rows], np.random.default_rng([seed, 1])),
        )
    sign = np.array([1.0] + [-1.0 if name in lower_is_better else 1.0 for name in metrics])
    gains = np.where(known, differences, 0.0) * sign
    p_values = sign_flip_p_values(differences, np.random.default_rng([seed, 2]))
    table = pd.DataFrame(
        {
            "metric": [PRIMARY, *metrics],
            **dict(zip(names, numbers, strict=True)),
            "p_value": p_values,
            "p_holm": np.concatenate([p_values[:1], holm(p_values[1:])]),
            "wins": (gains > TIE).sum(axis=0),
            "ties": (known & (np.abs(gains) <= TIE)).sum(axis=0),
            "losses": (gains < -TIE).sum(axis=0),
            "n": known.sum(axis=0),
            "n_not_applicable": (~known & ~failed).sum(axis=0),
            "n_failed": (~known & failed).sum(axis=0),
            "direction": np.where(sign > 0, "↑", "↓"),
        }
    )
    if not primary_metrics:
        table = table.iloc[1:].reset_index(drop=True)
    table.attrs["primary_metrics"] = used
    return table


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

    before, after, used = _paired(base, tuned, metrics, primary_metrics, lower_is_better)
    names, codes = _specialties(base)
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
