"""Agreement between raters, and between a metric and the raters."""

import math
from typing import Any

import numpy as np

# Fewer rated questions, or fewer preferences for one of the models, give no interval.
LEAST = 5


def krippendorff_alpha(marks: np.ndarray, level: str) -> float | None:
    """Krippendorff's α = 1 − observed / expected disagreement (Content Analysis, 4th ed. 2018, section 12.3).

    1: the raters agree always; 0: as often as by chance. Takes any number of raters and missing marks.

    Args:
        marks: (raters, units), integers from 0 on in the order of the scale; NaN where not marked.
        level: "nominal": two marks are equal or not; "ordinal": disagreement grows with the number of marks
            between them.

    Returns:
        α; None when no unit has two marks, or all marks are the same.
    """
    values = np.arange(np.nanmax(marks, initial=0) + 1)
    # Marks of each value per unit, for units with at least two marks: (units, values).
    counts = (marks[:, :, None] == values).sum(axis=0)
    counts = counts[counts.sum(axis=1) >= 2].astype(float)
    rated = counts.sum(axis=1)
    totals = counts.sum(axis=0)
    if (totals > 0).sum() < 2:
        return None
    coincidences = (counts / (rated - 1)[:, None]).T @ counts
    coincidences -= np.diag((counts / (rated - 1)[:, None]).sum(axis=0))
    if level == "nominal":
        distance = 1 - np.eye(len(values))
    else:
        middle = np.cumsum(totals) - totals / 2
        distance = (middle[:, None] - middle) ** 2
    expected = (np.outer(totals, totals) - np.diag(totals)) / (totals.sum() - 1)
    return float(1 - (coincidences * distance).sum() / (expected * distance).sum())


def metric_agreement(gains: np.ndarray, preference: np.ndarray) -> dict[str, Any]:
    """How far a metric's difference between the two answers agrees with the raters' preference.

    Args:
        gains: of the metric, larger when tuned is better, (questions,); NaN where it does not apply.
        preference: mean of the raters, −1 (base) to 1 (tuned), (questions,).

    Returns:
        `n`; `tau`, Kendall's τ-b (Biometrika 33, 1945), with the interval `tau_low`, `tau_high` (jackknife on
        Fisher's scale); `auc`, the probability that the metric gains more on a question where tuned is
        preferred than on one where base is, with `auc_low`, `auc_high` (method 5 of Newcombe, Statistics in
        Medicine 25, 2006). None where there are too few questions, or no differences.
    """
    known = np.isfinite(gains)
    gains, preference = gains[known], preference[known]
    return {"n": int(known.sum()), **_tau(gains, preference), **_auc(gains, preference)}


def _tau(x: np.ndarray, y: np.ndarray) -> dict[str, float | None]:
    """Kendall's τ-b with its 95 % interval."""
    from scipy.stats import t

    n = len(x)
    none = dict.fromkeys(("tau", "tau_low", "tau_high"))
    signs = [np.sign(values[:, None] - values) for values in (x, y)]
    products = [signs[0] * signs[1], signs[0] ** 2, signs[1] ** 2]
    sums = np.array([matrix.sum() for matrix in products])
    if n < LEAST or not sums[1:].all():
        return none
    tau = float(sums[0] / math.sqrt(sums[1] * sums[2]))
    # Sums without question i, (3, n): its row and its column are left out.
    without = sums[:, None] - 2 * np.array([matrix.sum(axis=1) for matrix in products])
    if not without[1:].all() or abs(tau) > 1 - 1e-9:
        return none | {"tau": tau}
    left = without[0] / np.sqrt(without[1] * without[2])
    error = math.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum())
    reach = float(t.ppf(0.975, n - 1)) * error / (1 - tau**2)
    low, high = (math.tanh(math.atanh(tau) + sign * reach) for sign in (-1, 1))
    return {"tau": tau, "tau_low": low, "tau_high": high}


def _auc(x: np.ndarray, y: np.ndarray) -> dict[str, float | None]:
    """Area under the ROC curve of the metric as a predictor of the preferred model, with its interval."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    won, lost = x[y > 0], x[y < 0]
    if min(len(won), len(lost)) < LEAST:
        return dict.fromkeys(("auc", "auc_low", "auc_high"))
    auc = float((np.sign(won[:, None] - lost).mean() + 1) / 2)
    half, z = (len(won) + len(lost)) / 2 - 1, norm.ppf(0.975)

    def outside(true: float) -> float:
        """Positive when the distance of `auc` to the true value is above z standard errors."""
        variance = true * (1 - true) * (1 + half * ((1 - true) / (2 - true) + true / (1 + true)))
        return (auc - true) ** 2 - z**2 * variance / (len(won) * len(lost))

    low = brentq(outside, 0, auc) if auc > 0 else 0.0
    high = brentq(outside, auc, 1) if auc < 1 else 1.0
    return {"auc": auc, "auc_low": low, "auc_high": high}
