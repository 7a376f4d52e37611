"""The hierarchical model against brute force, its intervals by simulation."""

import numpy as np
import pytest
from scipy import stats

from medqa.analysis.hierarchical_model import heterogeneity, shrink

MEANS = np.array([0.31, 0.42, 0.47, 0.52, 0.35])
COUNTS = np.array([4, 10, 10, 3, 7])
VARIANCE, FREEDOM = 0.013, 29


def brute_force(margin: float) -> dict[str, np.ndarray]:
    """The posterior by matrix algebra on a grid of B and σ², μ as one more normal variable.

    A grid of 30 × 200 points changes no value by more than 0.001. No formula of the module is used: θ ~ N(0, τ²·I + 100·11ᵀ), x ~ N(θ, diag(σ²/n)).
    """
    size, wide = len(MEANS), 100.0
    contrast = np.eye(size) - 1 / size
    weights, means, seconds, below, low = [], [], [], [], []
    for sigma2 in VARIANCE * FREEDOM / stats.chi2.ppf((np.arange(12) + 0.5) / 12, FREEDOM):
        for shrinkage in (np.arange(60) + 0.5) / 60:
            tau2 = sigma2 * np.mean(1 / COUNTS) * (1 - shrinkage) / shrinkage
            prior = tau2 * np.eye(size) + wide
            total = prior + np.diag(sigma2 / COUNTS)
            gain = prior @ np.linalg.inv(total)
            mean, cover = gain @ MEANS, prior - gain @ prior
            weights.append(stats.multivariate_normal.logpdf(MEANS, np.zeros(size), total))
            means.append(mean)
            seconds.append(np.diag(cover) + mean**2)
            below.append(stats.norm.cdf((0.4 - mean) / np.sqrt(np.diag(cover))))
            spread = np.sqrt(np.diag(contrast @ cover @ contrast.T))
            low.append(stats.norm.cdf((-margin - contrast @ mean) / spread))
    weight = np.exp(np.array(weights) - max(weights))
    weight /= weight.sum()
    mean = weight @ np.array(means)
    return {
        "mean": mean,
        "sd": np.sqrt(weight @ np.array(seconds) - mean**2),
        "below": weight @ np.array(below),
        "low": weight @ np.array(low),
    }


def test_posterior_equals_brute_force() -> None:
    model, expected = shrink(MEANS, COUNTS, VARIANCE, FREEDOM), brute_force(0.02)
    np.testing.assert_allclose(model.mean(), expected["mean"], atol=5e-4)
    np.testing.assert_allclose(model.sd(), expected["sd"], rtol=0.01)
    np.testing.assert_allclose(model.below(0.4), expected["below"], atol=3e-3)
    np.testing.assert_allclose(model.below_average(0.02), expected["low"], atol=3e-3)
    np.testing.assert_allclose(model.deficit(), model.mean().mean() - model.mean(), atol=1e-12)


def test_shrinkage_follows_the_evidence() -> None:
    """Equal means are pulled together, means far beyond the noise stay, and few questions are pulled more."""
    counts = np.full(42, 10)
    noise = np.random.default_rng(1).normal(0, 0.12 / np.sqrt(10), 42)
    flat, spread = (
        shrink(0.5 + noise, counts, 0.0144, 378),
        shrink(np.linspace(0, 5, 42), counts, 0.0144, 378),
    )
    assert flat.mean().std() < 0.4 * noise.std()
    assert flat.spread()[1] < 0.35
    np.testing.assert_allclose(spread.mean(), np.linspace(0, 5, 42), atol=0.01)
    assert spread.spread()[1] > 0.99
    few = shrink(np.array([0.2, 0.2, 0.5, 0.5, 0.5]), np.array([2, 20, 10, 10, 10]), 0.0144, 47).mean()
    assert few[0] > few[1]


def test_reliability_and_tau2_are_recovered() -> None:
    random, found = np.random.default_rng(2), []
    for _ in range(60):
        means = random.normal(0.5, np.hypot(0.08, 0.12 / np.sqrt(10)), 42)
        found.append(shrink(means, np.full(42, 10), 0.0144, 378).spread())
    tau2, reliability = np.mean(found, axis=0)
    assert tau2 == pytest.approx(0.08**2, rel=0.15)
    assert reliability == pytest.approx(0.08**2 / (0.08**2 + 0.00144), abs=0.03)


def test_a_lone_specialty_is_its_own_mean() -> None:
    model = shrink(np.array([0.4]), np.array([10]), 0.0144, 9)
    assert model.mean()[0] == pytest.approx(0.4)
    assert model.sd()[0] == pytest.approx(0.12 / np.sqrt(10) * np.sqrt(9 / 7), rel=0.1)  # Student's, 9 df
    assert model.below_average(0.02)[0] == 0
    low, high = model.interval()
    student = stats.t.interval(0.95, 9, 0.4, 0.12 / np.sqrt(10))
    np.testing.assert_allclose([low[0], high[0]], student, atol=0.012)  # 9 quantiles of the variance


@pytest.mark.parametrize("means", [np.full(6, 0.5), np.zeros(6), np.arange(6.0)])
def test_scores_without_spread_within_are_taken_as_they_are(means: np.ndarray) -> None:
    model = shrink(means, np.full(6, 10), 0.0, 54)
    np.testing.assert_allclose(model.mean(), means, atol=1e-6)
    assert np.isfinite(model.sd()).all()
    np.testing.assert_array_equal(model.below_average(0.02).round(6), means < means.mean() - 0.02)
    low, high = model.interval()
    np.testing.assert_allclose([low, high], [means, means], atol=1e-6)
    assert heterogeneity(means, np.full(6, 10), 0.0, 54) == (1.0 if means[5] == means[0] else 0.0)


def test_heterogeneity_is_the_analysis_of_variance() -> None:
    random = np.random.default_rng(3)
    groups = [random.normal(0.1 * number, 1, size) for number, size in enumerate((4, 9, 12, 5))]
    counts = np.array([len(group) for group in groups])
    squares = sum(((group - group.mean()) ** 2).sum() for group in groups)
    freedom = int(counts.sum() - 4)
    ours = heterogeneity(np.array([group.mean() for group in groups]), counts, squares / freedom, freedom)
    assert ours == pytest.approx(stats.f_oneway(*groups).pvalue)
    assert heterogeneity(np.array([0.3]), np.array([10]), 1.0, 9) == 1.0


def test_interval_is_that_of_the_posterior() -> None:
    """2.5 % of the posterior lie below the lower end and above the upper one, and the mean lies well inside."""
    model = shrink(MEANS, COUNTS, VARIANCE, FREEDOM)
    low, high = model.interval()
    np.testing.assert_allclose(model.below(low), 0.025, atol=1e-6)
    np.testing.assert_allclose(model.below(high), 0.975, atol=1e-6)
    position = (model.mean() - low) / (high - low)
    assert position.min() > 0.3 and position.max() < 0.7


@pytest.mark.parametrize("tau", [0.0, 0.02, 0.04, 0.08])
def test_interval_covers_on_average_and_is_short(tau: float) -> None:
    random, counts = np.random.default_rng(5), np.full(42, 10)
    inside, width = [], []
    for _ in range(60):
        theta = 0.5 + tau * random.standard_normal(42)
        scores = theta[:, None] + 0.12 * random.standard_normal((42, 10))
        variance = scores.var(axis=1, ddof=1).mean()
        low, high = shrink(scores.mean(axis=1), counts, variance, 378).interval()
        inside.append(((low < theta) & (theta < high)).mean())
        width.append(((high - low) / (2 * stats.t.ppf(0.975, 378) * np.sqrt(variance / 10))).mean())
    assert np.mean(inside) > 0.925 and np.mean(width) < 0.95


def test_probabilities_are_calibrated() -> None:
    """Among specialties called low with probability p, a share p is low, over draws from the prior of B."""
    random, counts = np.random.default_rng(6), np.full(20, 10)
    said, true = [], []
    for _ in range(500):
        tau = np.sqrt(0.00144 * (1 / random.uniform(0.02, 1) - 1))
        theta = random.normal(0.5, tau, 20)
        scores = theta[:, None] + 0.12 * random.standard_normal((20, 10))
        model = shrink(scores.mean(axis=1), counts, scores.var(axis=1, ddof=1).mean(), 180)
        said.append(model.below_average(0.02))
        true.append(theta < theta.mean() - 0.02)
    said, true = np.concatenate(said), np.concatenate(true)
    for low, high in ((0.0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.0)):
        band = (low <= said) & (said <= high)
        assert true[band].mean() == pytest.approx(said[band].mean(), abs=0.05)
