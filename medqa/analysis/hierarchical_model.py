"""Normal hierarchical model: estimates the true mean score of each specialty from a few questions.

The mean score x_s of n_s questions is the true mean θ_s plus noise, and the θ_s vary around a common mean:

    x_s ~ N(θ_s, σ²/n_s)        θ_s ~ N(μ, τ²)

Given σ² and τ², the posterior is in closed form (Efron and Morris, JASA 70, 1975): θ_s has the mean B_s·μ +
(1−B_s)·x_s with B_s = v_s/(v_s + τ²) and v_s = σ²/n_s. Plugging in a point estimate of τ² gives intervals
that are too short (Morris, JASA 78, 1983), because 42 specialties of 10 questions determine τ² poorly. We
therefore average over τ² and σ² on a grid.

Input of all functions: the mean score and number of questions of each specialty, the pooled variance within
specialties and its degrees of freedom.
"""

from dataclasses import dataclass

import numpy as np

from medqa.analysis.significance import CONFIDENCE

# Grid: B from 1e-7 to 0.999 in 80 points on a logistic scale, times 9 quantiles of σ².
LOGITS = (-16, 7, 80)
VARIANCES = 9
# Standard deviations below this, relative to the scores, are rounding errors: the scores are constant.
ROUNDING = 1e-9
# Halvings of the range of a quantile: 18 standard deviations and more shrink to 1e-8 of them.
BISECTIONS = 30


@dataclass(frozen=True)
class Shrinkage:
    """Posterior of the true means: a mixture of normals over G grid points, for S specialties.

    Attributes:
        weight: probability of each grid point, (G,).
        tau2: τ² at each grid point, (G,).
        centre, centre_variance: mean and variance of μ at each grid point, (G,).
        pull: B_s, the weight of μ in the posterior mean, (G, S).
        own: (1−B_s)·x_s, (G, S).
        variance: variance of θ_s given μ, v_s·(1−B_s), (G, S).
    """

    weight: np.ndarray
    tau2: np.ndarray
    centre: np.ndarray
    centre_variance: np.ndarray
    pull: np.ndarray
    own: np.ndarray
    variance: np.ndarray

    def _component(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of θ_s at each grid point after integrating over μ, both (G, S)."""
        mean = self.own + self.pull * self.centre[:, None]
        return mean, self.variance + self.pull**2 * self.centre_variance[:, None]

    def mean(self) -> np.ndarray:
        """Shrunken mean E(θ_s), (S,)."""
        return self.weight @ self._component()[0]

    def sd(self) -> np.ndarray:
        """Standard deviation of θ_s within and between grid points, (S,)."""
        mean, variance = self._component()
        return np.sqrt(self.weight @ (variance + (mean - self.mean()) ** 2))

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Credible interval of θ_s, from the 2.5 % to the 97.5 % quantile of its posterior, two arrays (S,).

        It is found by bisection of the mixture's distribution function. It covers 95 % of the specialties on
        average, and fewer of those at the ends (benchmarks/interval_coverage.py).
        """
        mean, variance = self._component()
        sd = np.sqrt(np.maximum(variance, np.finfo(float).tiny))
        ends = []
        for level in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2):
            low, high = (mean - 9 * sd).min(axis=0), (mean + 9 * sd).max(axis=0)
            for _ in range(BISECTIONS):
                middle = (low + high) / 2
                below = self.below(middle) < level
                low, high = np.where(below, middle, low), np.where(below, high, middle)
            ends.append((low + high) / 2)
        return ends[0], ends[1]

    def below(self, threshold: float | np.ndarray) -> np.ndarray:
        """P(θ_s < threshold), (S,); one threshold, or one for each specialty."""
        mean, variance = self._component()
        return self.weight @ _normal_cdf(threshold - mean, variance)

    def _against_average(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of θ_s minus the mean of all θ at each grid point, both (G, S).

        We compare with the mean of these S specialties, which the data determine better than μ. The variance
        is Var(θ_s)(1 − 2/S) + ΣVar(θ_j)/S² given μ, plus (B_s − mean B)²·Var(μ).
        """
        specialties = self.own.shape[1]
        lean = self.pull - self.pull.mean(axis=1, keepdims=True)
        mean = self.own - self.own.mean(axis=1, keepdims=True) + lean * self.centre[:, None]
        apart = (
            self.variance * (1 - 2 / specialties) + self.variance.sum(axis=1, keepdims=True) / specialties**2
        )
        # With one specialty 1 − 2 + 1 can leave a rounding error below 0.
        return mean, np.maximum(apart + lean**2 * self.centre_variance[:, None], 0)

    def below_average(self, margin: float) -> np.ndarray:
        """P(θ_s < mean of all θ − margin), (S,); 0 when there is only one specialty."""
        mean, variance = self._against_average()
        return self.weight @ _normal_cdf(-margin - mean, variance)

    def deficit(self) -> np.ndarray:
        """Expected distance below the mean of all specialties, E(mean of all θ − θ_s), (S,)."""
        return -(self.weight @ self._against_average()[0])

    def spread(self) -> tuple[float, float]:
        """Posterior means of τ² and of the reliability 1 − B, the real share of an observed deviation."""
        return float(self.weight @ self.tau2), float(1 - self.weight @ self.pull.mean(axis=1))


def _normal_cdf(distance: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """P(N(0, variance) < distance); with variance 0 it is 0 or 1."""
    from scipy.special import ndtr

    return ndtr(distance / np.sqrt(np.maximum(variance, np.finfo(float).tiny)))


def shrink(means: np.ndarray, counts: np.ndarray, variance: float, freedom: int) -> Shrinkage:
    """Compute the posterior of the true means of S specialties.

    Priors: p(σ²) ∝ 1/σ²; μ flat; B, at the harmonic mean of the n_s, uniform on (0, 1). The last is the
    uniform shrinkage prior (Strawderman 1971; Daniels 1999), which is proper and has no scale to choose.

    Args:
        means: mean score of each specialty, (S,).
        counts: questions of each specialty, (S,), at least 1.
        variance: variance of scores within specialties, pooled.
        freedom: its degrees of freedom, Σ(n_s − 1), at least 1.
    """
    from scipy.stats import chi2

    means, counts = np.asarray(means, float), np.asarray(counts, float)
    levels = (np.arange(VARIANCES) + 0.5) / VARIANCES
    variances = _above_rounding(variance, means) * freedom / chi2.ppf(levels, freedom)
    shrinkage = 1 / (1 + np.exp(-np.linspace(*LOGITS)))
    sigma2, shrinkage = (grid.ravel() for grid in np.meshgrid(variances, shrinkage))
    tau2 = sigma2 * np.mean(1 / counts) * (1 - shrinkage) / shrinkage

    noise = sigma2[:, None] / counts
    precision = 1 / (noise + tau2[:, None])
    total = precision.sum(axis=1)
    centre = (precision @ means) / total
    misfit = (precision * (means - centre[:, None]) ** 2).sum(axis=1)
    # The grid is even on the logistic scale, on which a uniform B has the density B(1 − B).
    prior = np.log(shrinkage * (1 - shrinkage))
    weight = prior + 0.5 * (np.log(precision).sum(axis=1) - np.log(total) - misfit)
    weight = np.exp(weight - weight.max())
    kept = weight > weight.max() * 1e-7
    pull = noise * precision
    return Shrinkage(
        weight=weight[kept] / weight[kept].sum(),
        tau2=tau2[kept],
        centre=centre[kept],
        centre_variance=1 / total[kept],
        pull=pull[kept],
        own=((1 - pull) * means)[kept],
        variance=(noise * (1 - pull))[kept],
    )


def has_spread(means: np.ndarray, variance: float) -> bool:
    """Whether the scores vary within specialties by more than rounding errors. Arguments: see `shrink`."""
    return variance > _above_rounding(0.0, means)


def _above_rounding(variance: float, means: np.ndarray) -> float:
    """The variance, at least the rounding error of sums that a true 0 leaves."""
    return max(variance, (ROUNDING * max(1.0, float(np.abs(means).max()))) ** 2)


def heterogeneity(means: np.ndarray, counts: np.ndarray, variance: float, freedom: int) -> float:
    """p-value of "all specialties have the same true mean": the F test of one-way analysis of variance.

    F = Σ n_s (x_s − x̄)² / (S − 1) / s² (Fisher 1925); 1.0 for one specialty. Arguments: see `shrink`.
    """
    from scipy.stats import f

    if len(means) < 2:
        return 1.0
    grand = np.average(means, weights=counts)
    between = float(counts @ (means - grand) ** 2) / (len(means) - 1)
    return float(f.sf(between / _above_rounding(variance, means), len(means) - 1, freedom))
