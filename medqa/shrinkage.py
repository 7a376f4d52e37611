"""What the scores of a few questions per specialty say about the specialties: a normal hierarchical model.

The mean score x_s of n_s questions is θ_s plus noise, and the θ_s themselves lie around a common mean:

    x_s ~ N(θ_s, σ²/n_s)        θ_s ~ N(μ, τ²)

Given σ² and τ² everything is in closed form (Efron & Morris, JASA 70, 1975): θ_s lies around
B_s·μ + (1−B_s)·x_s with B_s = v_s/(v_s + τ²), v_s = σ²/n_s. Putting one estimate for τ² in its place pretends
to know it, and with 42 specialties of 10 questions that is not known well: the intervals come out too short
(Morris, JASA 78, 1983). So τ² and σ² are averaged over, on a grid.
"""

from dataclasses import dataclass

import numpy as np

# Grid to average over: B from 1e-7 to 0.999 on a logistic scale, in so many points, and quantiles of σ².
LOGITS = (-16, 7, 80)
VARIANCES = 9
# Spread below which scores count as constant, relative to their size: rounding of floating-point sums.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Shrinkage:
    """Posterior of the specialties' true means: a mixture of normals over the grid (G points, S specialties).

    Attributes:
        weight: probability of each grid point, (G,).
        tau2: τ² at each grid point, (G,).
        centre, centre_variance: mean and variance of μ at each grid point, (G,).
        pull: B_s, the share of the common mean in each specialty's mean, (G, S).
        own: (1−B_s)·x_s, the specialty's own part, (G, S).
        variance: variance of θ_s when μ is given, v_s·(1−B_s), (G, S).
    """

    weight: np.ndarray
    tau2: np.ndarray
    centre: np.ndarray
    centre_variance: np.ndarray
    pull: np.ndarray
    own: np.ndarray
    variance: np.ndarray

    def _component(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of θ_s at each grid point, μ averaged over, both (G, S)."""
        mean = self.own + self.pull * self.centre[:, None]
        return mean, self.variance + self.pull**2 * self.centre_variance[:, None]

    def mean(self) -> np.ndarray:
        """Shrunken mean E(θ_s), (S,)."""
        return self.weight @ self._component()[0]

    def sd(self) -> np.ndarray:
        """Standard deviation of θ_s, (S,): within the grid points and between them."""
        mean, variance = self._component()
        return np.sqrt(self.weight @ (variance + (mean - self.mean()) ** 2))

    def below(self, threshold: float) -> np.ndarray:
        """P(θ_s < threshold), (S,)."""
        mean, variance = self._component()
        return self.weight @ _normal_cdf(threshold - mean, variance)

    def _against_average(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of θ_s minus the mean of all θ at each grid point, both (G, S).

        The mean of these specialties, not μ: of two specialties μ is unknown, their own mean is not. Its
        variance is Var(θ_s)(1 − 2/S) + ΣVar(θ_j)/S² given μ, plus (B_s − mean B)²·Var(μ).
        """
        specialties = self.own.shape[1]
        lean = self.pull - self.pull.mean(axis=1, keepdims=True)
        mean = self.own - self.own.mean(axis=1, keepdims=True) + lean * self.centre[:, None]
        apart = (
            self.variance * (1 - 2 / specialties) + self.variance.sum(axis=1, keepdims=True) / specialties**2
        )
        # One specialty is its own mean: 1 − 2 + 1 may leave a rounding error under 0.
        return mean, np.maximum(apart + lean**2 * self.centre_variance[:, None], 0)

    def below_average(self, margin: float) -> np.ndarray:
        """P(θ_s < mean of all θ − margin), (S,); 0 for a specialty that is alone."""
        mean, variance = self._against_average()
        return self.weight @ _normal_cdf(-margin - mean, variance)

    def deficit(self) -> np.ndarray:
        """How far each specialty is expected under the mean of all, E(mean of all θ − θ_s), (S,)."""
        return -(self.weight @ self._against_average()[0])

    def draws(self, number: int, random: np.random.Generator) -> np.ndarray:
        """Draws of all θ together, (number, S): for ranks, where specialties depend on each other."""
        point = random.choice(len(self.weight), size=number, p=self.weight)
        noise = random.standard_normal((number, self.own.shape[1] + 1))
        centre = self.centre[point] + np.sqrt(self.centre_variance[point]) * noise[:, 0]
        return (
            self.own[point]
            + self.pull[point] * centre[:, None]
            + np.sqrt(self.variance[point]) * noise[:, 1:]
        )

    def spread(self) -> tuple[float, float]:
        """τ², its posterior mean, and the reliability 1 − B: how much of a seen deviation is real."""
        return float(self.weight @ self.tau2), float(1 - self.weight @ self.pull.mean(axis=1))


def _normal_cdf(distance: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """P(N(0, variance) < distance); with variance 0 it is 0 or 1."""
    from scipy.special import ndtr

    return ndtr(distance / np.sqrt(np.maximum(variance, np.finfo(float).tiny)))


def shrink(means: np.ndarray, counts: np.ndarray, variance: float, freedom: int) -> Shrinkage:
    """Posterior of the true means of S specialties.

    Priors: p(σ²) ∝ 1/σ²; μ flat; B uniform between 0 and 1, at the harmonic mean of the n_s (the uniform
    shrinkage prior of Strawderman 1971 and Daniels 1999: proper, without a scale to choose, as fit for two
    specialties as for eighty).

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
    # On the logistic scale, where the grid is even, a uniform B has the density B(1 − B).
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


def _above_rounding(variance: float, means: np.ndarray) -> float:
    """A variance, raised to what rounding of sums leaves of a true 0."""
    return max(variance, (ROUNDING * max(1.0, float(np.abs(means).max()))) ** 2)


def heterogeneity(means: np.ndarray, counts: np.ndarray, variance: float, freedom: int) -> float:
    """p-value of "all specialties have the same true mean": the F test of one-way analysis of variance.

    F = Σ n_s (x_s − x̄)² / (S − 1) / s² (Fisher 1925). 1.0 for one specialty. Arguments as of `shrink`.
    """
    from scipy.stats import f

    if len(means) < 2:
        return 1.0
    grand = np.average(means, weights=counts)
    between = float(counts @ (means - grand) ** 2) / (len(means) - 1)
    return float(f.sf(between / _above_rounding(variance, means), len(means) - 1, freedom))


def steady_interval(
    means: np.ndarray, counts: np.ndarray, variance: float, freedom: int, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of each true mean that keeps its coverage for every specialty, also for the lowest one.

    A posterior interval covers 95 % on average over specialties, but only about 75 % for the few at the ends,
    which are those that decisions are about. The FAB interval (Yu & Hoff, Biometrika 105, 2018) covers 95 %
    for each, whatever θ_s is, and still borrows: it is the region of the tests of θ that spend the error α
    unevenly, w(θ)·α below and the rest above, so that it leans towards where the other specialties lie:

        x_s + q(α(1−w))·√v_s < θ < x_s − q(αw)·√v_s,   q(αw) − q(α(1−w)) = 2√v_s·(θ − μ)/τ²

    with q the quantiles of Student's t, and μ, τ² from the *other* specialties (moments). With one or two
    specialties it is Student's interval. Arguments as of `shrink`.

    Returns:
        lower and upper ends, each (S,).
    """
    from scipy.special import stdtrit

    alpha, error = 1 - confidence, np.sqrt(_above_rounding(variance, means) / counts)
    if len(means) < 3:
        reach = error * stdtrit(freedom, 1 - alpha / 2)
        return means - reach, means + reach
    centre, tau2 = _others(means, counts, variance)
    ends = []
    for upper in (False, True):
        # An end fulfils both equations: bisection for w, on a logistic scale.
        low, high = np.full(len(means), -36.0), np.full(len(means), 36.0)
        for _ in range(60):
            middle = (low + high) / 2
            below = stdtrit(freedom, alpha / (1 + np.exp(-middle)))
            above = stdtrit(freedom, alpha / (1 + np.exp(middle)))
            end = means + error * (-below if upper else above)
            right = end - centre > (below - above) * tau2 / (2 * error)
            low, high = np.where(right, middle, low), np.where(right, high, middle)
        ends.append(end)
    return ends[0], ends[1]


def _others(means: np.ndarray, counts: np.ndarray, variance: float) -> tuple[np.ndarray, np.ndarray]:
    """For each specialty μ and τ² of the other ones, by moments (DerSimonian & Laird 1986), each (S,)."""
    weight = counts.sum() - counts
    centre = ((counts @ means) - counts * means) / weight
    misfit = (counts @ means**2) - counts * means**2 - weight * centre**2
    spared = weight - ((counts**2).sum() - counts**2) / weight
    return centre, np.maximum((misfit - (len(means) - 2) * variance) / spared, 0)
