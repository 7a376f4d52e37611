"""Estimates the mean rating over the whole holdout from a rated sample and scores known for every question.

The holdout is a finite population of N questions, of which n are rated, drawn at random within strata. A
predictor f of the rating is known for all N. Prediction-powered inference with power tuning (PPI++,
Angelopoulos, Duchi and Zrnic, arXiv 2311.01453) corrects the mean rating by the difference of f between rated
and unrated questions:

    θ̂ = Σ_h W_h [ȳ_h + λ (1 − n_h/N_h) (f̄ of unrated − f̄ of rated)_h]        W_h = N_h/N
    SE² = Σ_h W_h² (1 − n_h/N_h) s_h²(y − λf) / n_h

λ minimizes SE² and is clipped to [0, 1]. For one stratum, θ̂ is the estimate of `ppi_py` (the authors'
library) with the weight λ (1 − n/N). SE lacks its term s²(y)/N, because the mean of this holdout is
estimated, not that of imagined further questions; this is the difference estimator of survey sampling
(Cochran, Sampling Techniques, 1977, section 7.5). f is learned from the ratings by cross-fitting (Zrnic and
Candès, PNAS 121, 2024): no rating is predicted by a model that was fitted to it.

Few differing ratings have no normal distribution. For those, `exact_difference` inverts exact tests.
"""

import functools
from dataclasses import dataclass

import numpy as np

# Parts of the rated sample for cross-fitting.
FOLDS = 5
# Rated questions per stratum, below which it joins its neighbour.
LEAST_RATED = 5
# Ridge penalties to choose from, for standardized columns.
PENALTIES = tuple(10.0 ** np.arange(0, 4.5, 0.5))
ALPHA = 0.05
# Part of ALPHA spent on bounding the number of questions on which the two answers differ (Berger and Boos).
ALPHA_NUISANCE = 0.001
# Values of G + L to try; they are spread evenly over more.
MOST_TOTALS = 100
# Rated questions with a rating other than 0, below which the normal approximation is poor.
FEW = 10


@dataclass(frozen=True)
class Estimate:
    """Mean of the ratings over all N questions.

    Attributes:
        value, ci_low, ci_high: the mean and its 95 % interval.
        weight: λ, how much the predictor counts; 0: ratings alone.
    """

    value: float
    ci_low: float
    ci_high: float
    weight: float


@dataclass(frozen=True)
class Predictions:
    """Predicted ratings.

    Attributes:
        values: prediction of each fold's model for all questions, (folds, N).
        fold: for each rated question the model that did not see its rating, (N,); −1: not rated.
    """

    values: np.ndarray
    fold: np.ndarray


def estimate(ratings: np.ndarray, strata: np.ndarray, predictions: Predictions | None = None) -> Estimate:
    """PPI++ estimate of the mean rating; without predictions, the stratified mean of the ratings.

    The interval is Student's with n − H degrees of freedom for H strata, one less when λ > 0. λ is 0 unless
    the predictor makes the interval narrower, so it is never wider than that of the ratings alone.

    Args:
        ratings: (N,), NaN where not rated; at least two are rated.
        strata: stratum of each question, (N,); neighbours are similar.
        predictions: of the ratings.
    """
    from scipy.stats import t

    rated = np.isfinite(ratings)
    strata = merged_strata(strata, rated)
    counts, sampled = np.bincount(strata), np.bincount(strata[rated])
    weights, left = counts / len(ratings), 1 - sampled / counts
    own, y = strata[rated], ratings[rated]
    mean = np.bincount(own, y) / sampled
    freedom = len(y) - len(counts)
    part = weights**2 * left / sampled

    def reach(values: np.ndarray, lost: int) -> float:
        """Half the width of the interval for residuals, with `lost` degrees of freedom for λ."""
        squares = np.bincount(own, (values - (np.bincount(own, values) / sampled)[own]) ** 2)
        variance = (part * squares / (sampled - 1)).sum() * freedom / (freedom - lost)
        return float(t.ppf(1 - ALPHA / 2, freedom - lost) * np.sqrt(variance))

    plain, value = reach(y, 0), float(weights @ mean)
    if predictions is None or freedom < 2:
        return Estimate(value, value - plain, value + plain, 0.0)
    f, gap = _predicted(predictions, strata, rated)
    centred = f - (np.bincount(own, f) / sampled)[own]
    # Divided by n, as in the authors' library.
    covariance = (part * np.bincount(own, y * centred) / sampled).sum()
    # The variance of the predictions is known for the whole holdout.
    variance = (part * _variance_within(predictions, strata, counts)).sum()
    weight = float(np.clip(covariance / variance, 0, 1)) if variance > 0 else 0.0
    tuned = reach(y - weight * f, 1)
    if tuned >= plain:
        return Estimate(value, value - plain, value + plain, 0.0)
    value += weight * float(weights @ (left * gap))
    return Estimate(value, value - tuned, value + tuned, weight)


def merged_strata(strata: np.ndarray, rated: np.ndarray) -> np.ndarray:
    """Strata numbered 0, 1, …, where those with fewer than `LEAST_RATED` rated questions join a neighbour."""
    codes = np.unique(strata, return_inverse=True)[1]
    while codes.max():
        sampled = np.bincount(codes[rated], minlength=codes.max() + 1)
        smallest = int(np.argmin(sampled))
        if sampled[smallest] >= LEAST_RATED:
            break
        beside = [place for place in (smallest - 1, smallest + 1) if 0 <= place <= codes.max()]
        into = min(beside, key=lambda place: sampled[place])
        codes[codes == smallest] = into
        codes = np.unique(codes, return_inverse=True)[1]
    return codes


def _predicted(
    predictions: Predictions, strata: np.ndarray, rated: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of the rated questions (n,), and per stratum the mean of unrated minus that of rated, (H,).

    The unrated questions are predicted by each fold's model, in proportion to the ratings that it predicts.
    """
    values = predictions.values - predictions.values.mean(axis=1, keepdims=True)  # intercepts cancel
    f = values[predictions.fold[rated], np.flatnonzero(rated)]
    strata_count = strata.max() + 1
    gap = np.zeros(strata_count)
    for stratum in range(strata_count):
        here = strata == stratum
        unrated, own = here & ~rated, here & rated
        if unrated.any():
            share = np.bincount(predictions.fold[own], minlength=len(values)) / own.sum()
            gap[stratum] = share @ values[:, unrated].mean(axis=1) - f[strata[rated] == stratum].mean()
    return f, gap


def _variance_within(predictions: Predictions, strata: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Variance of the predictions within each stratum over all its questions, mean over the folds, (H,)."""
    total = np.zeros(len(counts))
    for values in predictions.values:
        centred = values - (np.bincount(strata, values) / counts)[strata]
        total += np.bincount(strata, centred**2) / np.maximum(counts - 1, 1)
    return total / len(predictions.values)


def cross_fitted(features: np.ndarray, ratings: np.ndarray) -> Predictions:
    """Predict the ratings by ridge regression, each by a model that was fitted to the other folds.

    Args:
        features: (N, columns), any scale; NaN counts as the mean of its column.
        ratings: (N,) in random order within strata, NaN where not rated.
    """
    known = np.where(np.isfinite(features), features, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = np.nanmean(known, axis=0)
        spread = np.nanstd(known, axis=0)
        standard = (known - centre) / spread
    standard = np.nan_to_num(standard, nan=0.0, posinf=0.0, neginf=0.0)
    rated = np.flatnonzero(np.isfinite(ratings))
    fold = np.full(len(ratings), -1)
    fold[rated] = np.arange(len(rated)) % min(FOLDS, len(rated))
    values = np.zeros((fold.max() + 1, len(ratings)))
    for number in range(len(values)):
        others = rated[fold[rated] != number]
        values[number] = standard @ ridge(standard[others], ratings[others])
    return Predictions(values, fold)


def ridge(columns: np.ndarray, ratings: np.ndarray) -> np.ndarray:
    """Coefficients (columns,) of ridge regression with the penalty of least leave-one-out error.

    Those of scikit-learn's RidgeCV, whose checks take 50 times as long as the arithmetic for 60 ratings: too
    long for the simulation of thousands of reviews. The intercept is left out: `estimate` needs none.
    """
    centred, y = columns - columns.mean(axis=0), ratings - ratings.mean()
    left, singular, right = np.linalg.svd(centred, full_matrices=False)
    kept = singular > 1e-10 * max(1.0, singular.max(initial=0))
    left, singular, right = left[:, kept], singular[kept], right[kept]
    projected = left.T @ y
    shrinkage = singular**2 / (singular**2 + np.array(PENALTIES)[:, None])  # (penalties, rank)
    residuals = y - (shrinkage * projected) @ left.T
    leverage = 1 / len(y) + shrinkage @ (left**2).T
    best = np.argmin(((residuals / (1 - leverage)) ** 2).sum(axis=1))
    return right.T @ (shrinkage[best] * projected / singular)


def exact_share(count: int, n: int, population: int) -> tuple[float, float]:
    """Exact 95 % interval of a share of a finite population, from `count` of n drawn without replacement.

    Inverts the two one-sided hypergeometric tests (Clopper and Pearson's method for a finite population;
    Wright, Exact Confidence Bounds when Sampling from Small Finite Universes, 1991).
    """
    low, high = _hypergeometric_bounds(count, n, population, ALPHA)
    return low / population, high / population


@functools.cache
def _hypergeometric_bounds(count: int, n: int, population: int, alpha: float) -> tuple[int, int]:
    """Least and largest number in the population that the tests at level alpha/2 each do not reject."""
    from scipy.stats import hypergeom

    possible = np.arange(count, population - (n - count) + 1)
    above = hypergeom.sf(count - 1, population, possible, n)  # P(X ≥ count), rises with the number
    below = hypergeom.cdf(count, population, possible, n)  # P(X ≤ count), falls with it
    kept = possible[(above > alpha / 2) & (below > alpha / 2)]
    return int(kept[0]), int(kept[-1])


@functools.cache
def exact_difference(
    gained: int, lost: int, n: int, population: int, alpha: float = ALPHA
) -> tuple[float, float]:
    """Exact interval of (G − L)/N, for G of N questions with +1 and L with −1, of which n were drawn.

    Inverts one-sided tests of Tango's score (Statistics in Medicine 17, 1998) under the multivariate
    hypergeometric distribution; the p-value is the largest over G + L within its exact interval (Berger and
    Boos, JASA 89, 1994).

    Args:
        gained, lost: drawn questions with +1 and −1.
        n: questions drawn.
        population: N.
        alpha: 1 − level of the interval.
    """
    if n == population:
        return ((gained - lost) / n,) * 2
    least, most = _hypergeometric_bounds(gained + lost, n, population, ALPHA_NUISANCE)
    level = (alpha - ALPHA_NUISANCE) / 2
    totals = np.arange(least, min(most + 1, population) + 1)  # both parities

    def highest(gains: int, losses: int) -> int:
        """Largest G − L for which a score of at most that of the drawn questions is not too unlikely."""
        low, high = gains - losses, most
        while low < high:
            middle = -(-(low + high) // 2)
            if _at_most(gains, losses, middle, totals, n, population) > level:
                low = middle
            else:
                high = middle - 1
        return low

    return -highest(lost, gained) / population, highest(gained, lost) / population


def _at_most(gained: int, lost: int, difference: int, totals: np.ndarray, n: int, population: int) -> float:
    """Largest P(score ≤ that of the drawn) over populations with G − L = `difference`, G + L in `totals`."""
    from scipy.special import gammaln

    totals = totals[((totals + difference) % 2 == 0) & (totals >= abs(difference))]
    if not len(totals):
        return 0.0
    totals = totals[:: -(-len(totals) // MOST_TOTALS)]
    expected = n * totals[-1] / population
    most_drawn = min(n, int(totals[-1]), int(expected + 8 * expected**0.5 + 8))  # more has probability 0
    plus, minus = np.indices((most_drawn + 1, most_drawn + 1)).reshape(2, -1)
    share = difference / population
    lower = _score(plus, minus, n, share) <= _score(np.array([gained]), np.array([lost]), n, share) + 1e-9
    plus, minus = (drawn[lower & (plus + minus <= n)] for drawn in (plus, minus))
    gains, losses = ((totals + sign * difference)[:, None] // 2 for sign in (1, -1))
    rest = population - totals[:, None]
    possible = (plus <= gains) & (minus <= losses) & (n - plus - minus <= rest)
    factorial = gammaln(np.arange(population + 1) + 1)

    def choose(of: np.ndarray | int, taken: np.ndarray | int) -> np.ndarray:
        """Logarithm of the binomial coefficient."""
        return factorial[of] - factorial[taken] - factorial[np.maximum(of - taken, 0)]

    logs = choose(gains, plus) + choose(losses, minus) + choose(rest, n - plus - minus)
    logs -= choose(population, n)
    return float(np.where(possible, np.exp(logs), 0.0).sum(axis=1).max())


def _score(gained: np.ndarray, lost: np.ndarray, n: int, share: float) -> np.ndarray:
    """Tango's score: the drawn difference minus n·share, over its standard deviation under that share.

    The probability of −1 is estimated under the constraint that gains − losses have the probability `share`.
    """
    linear = -gained - lost + (2 * n - gained + lost) * share
    root = np.sqrt(np.maximum(linear**2 + 8 * n * lost * share * (1 - share), 0))
    loss = (root - linear) / (4 * n)
    variance = np.maximum(n * (2 * loss + share - share**2), 1e-12)
    return (gained - lost - n * share) / np.sqrt(variance)


def mean_rating(ratings: np.ndarray, strata: np.ndarray, features: np.ndarray) -> dict[str, object] | None:
    """Mean over the holdout of differences tuned − base that raters saw, with its interval.

    With at least `FEW` questions rated other than 0: PPI++ (`estimate`). With fewer: the mean of the raters'
    exact intervals, each at a level that makes them hold together; this needs ratings of −1, 0 and 1.

    Args:
        ratings: (N, raters), NaN where a rater did not rate; the mean of those who rated is estimated.
        strata: (N,).
        features: scores of every question, (N, columns).

    Returns:
        `value`, `ci_low`, `ci_high`, `plain` (the same three from the ratings alone), `weight` (λ), `n`
        (questions rated), `method` ("PPI++" or "exact"); None when the ratings are too few for any interval.
    """
    seen = np.isfinite(ratings)
    rated = seen.any(axis=1)
    y = np.where(rated, np.where(seen, ratings, 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1), np.nan)
    n = int(rated.sum())
    if n < LEAST_RATED:
        return None
    if (y[rated] != 0).sum() >= FEW:
        plain, found = estimate(y, strata), estimate(y, strata, cross_fitted(features, y))
        method = "PPI++"
    elif np.isin(ratings[seen], (-1, 0, 1)).all():
        raters = [column[np.isfinite(column)] for column in ratings.T if np.isfinite(column).any()]
        bounds = np.mean(
            [
                exact_difference(
                    int((own > 0).sum()), int((own < 0).sum()), len(own), len(y), ALPHA / len(raters)
                )
                for own in raters
            ],
            axis=0,
        )
        plain = found = Estimate(estimate(y, strata).value, *map(float, bounds), 0.0)
        method = "exact"
    else:
        return None
    ends = ("value", "ci_low", "ci_high")
    return {
        **{name: getattr(found, name) for name in ends},
        "plain": {name: getattr(plain, name) for name in ends},
        "weight": found.weight,
        "n": n,
        "method": method,
    }
