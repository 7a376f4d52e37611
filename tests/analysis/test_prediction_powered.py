"""Estimates from few ratings and many scores: equal to the authors' library, exact where ratings are rare."""

import math
from itertools import product

import numpy as np
import pytest

from medqa.analysis import prediction_powered
from medqa.analysis.prediction_powered import (
    Predictions,
    cross_fitted,
    estimate,
    exact_difference,
    exact_share,
    mean_rating,
    merged_strata,
)
from medqa.analysis.review_sample import strata_of, stratified_order

# 60 predictions, and the ratings of the first 20.
F = [
    0.001, 0.299, -0.274, -0.891, -0.455, -0.992, 0.06, 1.34, -0.492, -0.62, 0.49, 0.357, 0.105, -0.93, -0.029,
    0.695, -1.344, -0.458, -1.901, -1.29, -1.842, -0.235, -1.267, 0.271, 0.157, -0.187, -2.517, -0.539, -0.049,
    0.113, -1.53, -0.478, -0.979, -0.809, 1.061, -0.808, -0.033, 0.884, -0.584, -0.112, 0.11, 0.064, -1.225, 0.076,
    1.359, -1.547, 0.859, 0.119, -0.641, 2.0, 0.762, -1.199, 0.075, 0.577, -0.189, 0.683, -0.067, 0.667, 1.439, -0.676,
]  # fmt: skip
Y = [0, 0, 0, -1, -1, -1, 1, 1, -1, -1, 1, -1, 0, -1, 1, 1, -1, -1, -1, 0]


def one_predictor(f: np.ndarray, rated: int) -> Predictions:
    return Predictions(np.array(f)[None], np.where(np.arange(len(f)) < rated, 0, -1))


def noise(seed: int, size: int) -> np.ndarray:
    """The same numbers everywhere, without a generator."""
    return np.sin(12.9898 * np.arange(size) * seed + 78.233 * seed) * 43758.5453 % 1


def test_the_estimate_is_that_of_the_authors_library() -> None:
    """Numbers of ppi-python 0.2.3: ppi_mean_pointestimate(Y, F[:20], F[20:]), and ppi_mean_ci at 95 %."""
    ratings = np.array(Y + [math.nan] * 40, float)
    found = estimate(ratings, np.zeros(60, int), one_predictor(F, 20))
    assert found.value == pytest.approx(-0.19112653240073824, abs=1e-12)
    assert found.weight > 0
    f = 2 * (noise(1, 2000) + noise(2, 2000) - 1)
    y = np.sign(np.round(f + 2 * noise(3, 2000) - 1))
    seen = np.where(np.arange(2000) < 400, y, np.nan)
    found = estimate(seen, np.zeros(2000, int), one_predictor(f, 400))
    assert found.value == pytest.approx(0.009157012899813901, abs=1e-9)
    # Its interval is for further questions too: without the variance of their mean, s²/N, it is ours.
    error = (0.06671873991040603 + 0.04840471411077822) / 2 / 1.959964
    ours = (found.ci_high - found.ci_low) / 2 / 1.966
    assert ours == pytest.approx(math.sqrt(error**2 - y.var() / 2000), rel=0.01)


def test_ratings_of_all_questions_leave_no_doubt() -> None:
    y = np.array([1.0, 0, -1, 1, 1, 0, 1, 1, -1, 1])
    found = estimate(y, np.arange(10) // 5)
    assert (found.value, found.ci_low, found.ci_high) == pytest.approx((0.4, 0.4, 0.4))
    assert exact_difference(2, 1, 10, 10) == (0.1, 0.1) and exact_share(3, 10, 10) == (0.3, 0.3)


def test_a_useless_predictor_changes_nothing() -> None:
    random = np.random.default_rng(2)
    ratings = np.where(np.arange(200) < 40, np.sign(random.standard_normal(200)), np.nan)
    strata = np.arange(200) % 2
    plain = estimate(ratings, strata)
    for f in (np.zeros(200), -np.nan_to_num(ratings)):  # constant; of the wrong sign
        assert estimate(ratings, strata, one_predictor(f, 40)) == plain


def test_an_estimate_is_never_wider_than_the_ratings_alone_and_a_good_predictor_helps() -> None:
    random = np.random.default_rng(3)
    widths = []
    for _ in range(30):
        truth = random.standard_normal(200)
        ratings = np.where(np.arange(200) < 40, np.sign(np.round(truth)), np.nan)
        features = truth[:, None] + random.standard_normal((200, 6))
        features[0, 0] = np.nan  # a metric that does not apply
        found, plain = (
            estimate(ratings, np.arange(200) % 2, *more) for more in ((cross_fitted(features, ratings),), ())
        )
        widths.append((found.ci_high - found.ci_low) / (plain.ci_high - plain.ci_low))
    assert max(widths) <= 1 and np.mean(widths) < 0.8


def test_no_rating_is_predicted_by_a_model_that_saw_it() -> None:
    random = np.random.default_rng(4)
    features = random.standard_normal((50, 3))
    ratings = np.where(np.arange(50) < 20, random.standard_normal(50), np.nan)
    before = cross_fitted(features, ratings)
    changed = ratings.copy()
    changed[7] += 5
    after = cross_fitted(features, changed)
    assert after.values[after.fold[7], 7] == before.values[before.fold[7], 7]
    assert (before.fold[20:] == -1).all() and set(before.fold[:20]) == set(range(5))


def test_ridge_regression_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import RidgeCV

    random = np.random.default_rng(8)
    for rows, columns, signal in ((24, 17, 0.0), (48, 17, 1.0), (80, 5, 0.3), (8, 17, 0.5)):
        x = random.standard_normal((rows, columns))
        x[:, 1] = x[:, 0]  # as metrics that are alike
        x[:, 2] = 0
        y = np.sign(np.round(signal * x[:, 0] + random.standard_normal(rows)))
        theirs = RidgeCV(alphas=prediction_powered.PENALTIES).fit(x, y)
        assert prediction_powered.ridge(x, y) == pytest.approx(theirs.coef_, abs=1e-8)


def test_strata_with_few_ratings_join_a_neighbour() -> None:
    strata = np.repeat([0, 1, 2, 3], 10)
    rated = np.zeros(40, bool)
    rated[[0, 1, 2, 3, 4, 10, 20, 21, 22, 23, 24, 25, 30, 31, 32, 33, 34, 35]] = True
    assert np.bincount(merged_strata(strata, rated)).tolist() == [20, 10, 10]
    assert merged_strata(strata, np.arange(40) < 3).max() == 0


def test_every_beginning_of_the_order_has_its_part_of_each_stratum() -> None:
    random = np.random.default_rng(5)
    strata = strata_of(random.standard_normal(420), 60)
    assert np.bincount(strata).tolist() == [105] * 4
    order = stratified_order(strata, random.random(420))
    assert sorted(order) == list(range(420))
    for length in (20, 60, 100, 333):
        counts = np.bincount(strata[order[:length]])
        assert abs(counts - length / 4).max() <= 1.5
    first = np.mean([stratified_order(strata, random.random(420))[:60] for _ in range(400)], axis=0)
    assert abs(first.mean() - 209.5) < 10  # no question comes first more often
    assert strata_of(np.full(9, np.nan), 60).tolist() == [0] * 9 and len(strata_of(np.zeros(0), 60)) == 0


def test_an_exact_share_inverts_the_hypergeometric_test() -> None:
    low, high = (round(50 * end) for end in exact_share(2, 10, 50))

    def above(number: int, drawn: int) -> float:
        """P(at least `drawn` of 10) when `number` of 50 are harmful."""
        ways = (math.comb(number, k) * math.comb(50 - number, 10 - k) for k in range(drawn, 11))
        return sum(ways) / math.comb(50, 10)

    assert above(low, 2) > 0.025 >= above(low - 1, 2)
    assert 1 - above(high, 3) > 0.025 >= 1 - above(high + 1, 3)


def test_an_exact_difference_covers_the_truth_for_every_small_population() -> None:
    """All populations of 12 questions of which 6 are drawn, by full enumeration."""
    population, n = 12, 6
    for gains, losses in product(range(5), range(4)):
        covered = 0
        for gained, lost in product(range(gains + 1), range(losses + 1)):
            left = n - gained - lost
            if 0 <= left <= population - gains - losses:
                ways = (
                    math.comb(gains, gained)
                    * math.comb(losses, lost)
                    * math.comb(population - gains - losses, left)
                )
                low, high = exact_difference(gained, lost, n, population)
                covered += ways * (low - 1e-9 <= (gains - losses) / population <= high + 1e-9)
        assert covered / math.comb(population, n) >= 0.95, (gains, losses)


def test_an_exact_difference_is_symmetric_and_narrower_than_guessing() -> None:
    low, high = exact_difference(5, 1, 60, 420)
    assert exact_difference(1, 5, 60, 420) == (-high, -low)
    assert -0.05 < low < 4 / 60 < high < 0.18


def test_rare_ratings_are_estimated_exactly_and_rare_degrees_not_at_all() -> None:
    random = np.random.default_rng(6)
    features, strata = random.standard_normal((420, 3)), np.arange(420) % 2
    marks = np.full((420, 2), np.nan)
    marks[:60] = 0
    marks[:3, 0] = marks[0, 1] = 1
    found = mean_rating(marks, strata, features)
    assert found["method"] == "exact" and found["n"] == 60 and found["weight"] == 0
    assert found["value"] == pytest.approx(2 / 60) and found["ci_low"] < 2 / 60 < found["ci_high"]
    wide = [exact_difference(gained, 0, 60, 420, 0.025) for gained in (3, 1)]  # two raters: Bonferroni
    assert (found["ci_low"], found["ci_high"]) == pytest.approx(tuple(np.mean(wide, axis=0)))
    assert mean_rating(marks * 3, strata, features) is None  # few degrees: no normal distribution
    marks[:30] = random.choice([-3, 2], (30, 2))
    assert mean_rating(marks, strata, features)["method"] == "PPI++"
    assert mean_rating(np.full((420, 1), np.nan), strata, features) is None
    assert prediction_powered.FEW == 10
