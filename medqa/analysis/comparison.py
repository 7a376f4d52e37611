"""Overall comparison of base and tuned on the same questions: the table model_comparison.csv.

Input: the results tables of medqa/analysis/paired_scores.py. Both models answer every question, so
differences are taken per question and whatever makes a question hard for both models cancels (Miller, "Adding
Error Bars to Evals", arXiv 2411.00640). The holdout draws a fixed number of questions from each specialty, so
it is a stratified sample and differences between specialties do not add to the standard error (Cochran,
Sampling Techniques, 1977, chapter 5).

Columns of the table, one row per metric:

- metric
- base, finetuned: means over the n questions to which the metric applies
- difference: finetuned − base, with standard_error and Student's 95 % interval ci_low, ci_high
- p_value: sign-flip test
- p_holm: p_value corrected by Holm over the metrics; NaN for the endpoints in `DECLARED`, which are declared
  before the data are seen and not corrected, so that a rise in harm is not explained away
- wins, ties, losses: questions on which tuned is better, equal, worse
- n, n_not_applicable, n_failed (the metric raised an error): together all questions
- direction: ↑ when higher is better, else ↓

All numbers of a metric are NaN when n is 0. Standard error and interval are NaN when n is 1, and when n is
below `FEW` and the differences are equal within each specialty.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from medqa.analysis.paired_scores import PRIMARY, TIE, failures, paired, specialties_of
from medqa.analysis.significance import adjusted, sign_flip_p_values, stratified_mean, t_interval

if TYPE_CHECKING:
    import pandas as pd

# Metrics that show harm; for both, lower is better.
HARM = ("dose_error", "nli_contradicted")
DECLARED = (PRIMARY, *HARM)
# From this many questions on, equal differences give an interval of zero width: by the rule of three (3/n),
# at most a tenth of all questions have another difference. With fewer, such an interval is no evidence.
FEW = 30


def compare(
    base: "pd.DataFrame",
    tuned: "pd.DataFrame",
    metrics: Sequence[str],
    lower_is_better: Collection[str],
    seed: int,
) -> "pd.DataFrame":
    """Compare base and tuned on each metric.

    Args:
        base, tuned: results tables; with the column `primary_score`, it becomes the first row.
        metrics: names of metric columns.
        lower_is_better: metrics for which lower is better.
        seed: of the sign-flip test.

    Returns:
        one row per metric, the columns of the module docstring.
    """
    import pandas as pd

    columns = [PRIMARY] * (PRIMARY in base) + list(metrics)
    before, after = paired(base, tuned, columns)
    differences = after - before
    known = np.isfinite(differences)
    failed = failures(base, columns) | failures(tuned, columns)
    names = ("base", "finetuned", "difference", "standard_error", "ci_low", "ci_high")
    numbers = np.full((len(names), len(columns)), np.nan)
    _, strata = specialties_of(base)
    for column, rows in enumerate(known.T):
        if rows.any():
            mean, error, freedom = stratified_mean(differences[rows, column, None], strata[rows])
            if rows.sum() < FEW and error[0] <= TIE:
                error[:] = np.nan
            means = before[rows, column].mean(), after[rows, column].mean()
            numbers[:, column] = *means, *mean, *error, *np.ravel(t_interval(mean, error, freedom))
    sign = np.array([-1.0 if name in lower_is_better else 1.0 for name in columns])
    gains = np.where(known, differences, 0.0) * sign
    p_values = sign_flip_p_values(differences, np.random.default_rng([seed, 2]))
    p_holm = adjusted(np.where(np.isin(columns, DECLARED), np.nan, p_values), "holm")
    return pd.DataFrame(
        {
            "metric": columns,
            **dict(zip(names, numbers, strict=True)),
            "p_value": p_values,
            "p_holm": p_holm,
            "wins": (gains > TIE).sum(axis=0),
            "ties": (known & (np.abs(gains) <= TIE)).sum(axis=0),
            "losses": (gains < -TIE).sum(axis=0),
            "n": known.sum(axis=0),
            "n_not_applicable": (~known & ~failed).sum(axis=0),
            "n_failed": (~known & failed).sum(axis=0),
            "direction": np.where(sign > 0, "↑", "↓"),
        }
    )
