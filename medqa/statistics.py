"""Base against tuned on the same questions: the overall comparison; what else an evaluation decides by.

Every question is answered by both models, so the difference is taken per question first: what is hard for
both cancels (Miller, "Adding Error Bars to Evals", arXiv 2411.00640). The holdout takes a fixed number of
questions from each specialty, so it is a stratified sample, and differences between specialties are no part
of the error (Cochran, Sampling Techniques, 1977, chapter 5).

The tables hold one row per question, the same questions in the same order, with the columns `id` and
`specialty` and one column per metric; NaN means that a metric does not apply to a question, and such
questions are counted. The specialties are in medqa/specialties.py, the
arithmetic is in medqa/inference.py and medqa/shrinkage.py.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from medqa.inference import (
    bootstrap_interval,
    holm,
    sign_flip_p_values,
    stratified_mean,
    t_interval,
)
from medqa.recommendations import Thresholds, recommend
from medqa.scores import PRIMARY, TIE, failed_on, paired, primary_score, specialties_of
from medqa.specialties import by_specialty

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PRIMARY", "Thresholds", "by_specialty", "compare", "primary_score", "recommend"]


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

    before, after, used = paired(base, tuned, metrics, primary_metrics, lower_is_better)
    differences = after - before
    known = np.isfinite(differences)
    failed = failed_on(base, metrics, used) | failed_on(tuned, metrics, used)
    names = ("base", "finetuned", "difference", "standard_error", "ci_low", "ci_high",
             "bootstrap_low", "bootstrap_high")  # fmt: skip
    numbers = np.full((len(names), differences.shape[1]), np.nan)
    _, strata = specialties_of(base)
    # Metrics that apply to the same questions are resampled together.
    patterns, of_metric = np.unique(known, axis=1, return_inverse=True)
    for number, rows in enumerate(patterns.T):
        columns = np.flatnonzero(of_metric == number)
        if not rows.any():
            continue
        kept = differences[np.ix_(rows, columns)]
        mean, error, freedom = stratified_mean(kept, strata[rows])
        numbers[:, columns] = (
            before[np.ix_(rows, columns)].mean(axis=0),
            after[np.ix_(rows, columns)].mean(axis=0),
            mean,
            error,
            *t_interval(mean, error, freedom),
            *bootstrap_interval(kept, strata[rows], np.random.default_rng([seed, 1])),
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
