"""Arithmetic against scipy, closed forms and simulation."""

import numpy as np
import pytest
from scipy import stats

from medqa.analysis import significance


def test_one_stratum_gives_students_interval() -> None:
    values = np.random.default_rng(0).normal(0.3, 2.0, (17, 3))
    mean, error, freedom = significance.stratified_mean(values, np.zeros(17))
    low, high = significance.t_interval(mean, error, freedom)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(error, stats.sem(values))
    np.testing.assert_allclose([low, high], [expected.low, expected.high])


def test_strata_take_out_the_differences_between_them() -> None:
    random = np.random.default_rng(1)
    first, second = random.normal(0, 1, 30), random.normal(50, 3, 30)
    mean, error, freedom = significance.stratified_mean(
        np.concatenate([first, second])[:, None], np.repeat([4, 9], 30)
    )
    assert mean[0] == pytest.approx((first.mean() + second.mean()) / 2)
    assert error[0] == pytest.approx(np.sqrt(first.var(ddof=1) + second.var(ddof=1)) / 2 / np.sqrt(30))
    # Satterthwaite's degrees of freedom for two equal strata are Welch's.
    assert freedom[0] == pytest.approx(stats.ttest_ind(first, second, equal_var=False).df)


def test_unequal_strata_weigh_by_their_questions() -> None:
    values = np.array([1.0, 3.0, 10.0, 20.0, 30.0, 40.0])[:, None]
    strata = np.array([0, 0, 1, 1, 1, 1])
    _, error, _ = significance.stratified_mean(values, strata)
    by_hand = (2 / 6) ** 2 * np.var([1, 3], ddof=1) / 2 + (4 / 6) ** 2 * np.var([10, 20, 30, 40], ddof=1) / 4
    assert error[0] ** 2 == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("strata", "same_as"),
    [
        ([0, 1, 2, 3, 4], [0, 0, 0, 0, 0]),  # all alone: one stratum
        ([0, 0, 0, 1, 2], [0, 0, 0, 1, 1]),  # two alone: together
        ([7, 7, 7, 8, 8, 9], [7, 7, 7, 8, 8, 8]),  # one alone: with the smallest other
    ],
)
def test_lone_questions_are_merged(strata: list[int], same_as: list[int]) -> None:
    values = np.random.default_rng(2).normal(size=(len(strata), 1))
    np.testing.assert_allclose(
        significance.stratified_mean(values, np.array(strata)),
        significance.stratified_mean(values, np.array(same_as)),
    )


def test_one_question_has_a_mean_and_no_error() -> None:
    mean, error, freedom = significance.stratified_mean(np.array([[0.4]]), np.array(["a"]))
    assert mean[0] == 0.4
    assert np.isnan(error[0]) and np.isnan(freedom[0])


def test_constant_differences_have_a_point_as_interval() -> None:
    values, strata = np.full((20, 1), 0.1), np.repeat([0, 1], 10)
    mean, error, freedom = significance.stratified_mean(values, strata)
    low, high = significance.t_interval(mean, error, freedom)
    np.testing.assert_allclose([low, high], 0.1)


def test_intervals_cover_in_simulation() -> None:
    """42 specialties with effects of their own, 10 skewed differences each; every column is one draw."""
    random = np.random.default_rng(6)
    strata = np.repeat(np.arange(42), 10)
    effects = random.normal(0.01, 0.03, (42, 1500))
    values = effects[strata] + 0.08 * (random.exponential(size=(420, 1500)) - 1)
    low, high = significance.t_interval(*significance.stratified_mean(values, strata))
    truth = effects.mean(axis=0)
    assert 0.93 < np.mean((low < truth) & (truth < high)) < 0.97


def test_few_sign_flips_are_exact() -> None:
    differences = np.random.default_rng(7).normal(0.5, 1, (9, 4))
    differences[2, 1] = 0.0
    ours = significance.sign_flip_p_values(differences, np.random.default_rng(0))
    theirs = [
        stats.permutation_test(
            (column,), np.sum, permutation_type="samples", alternative="two-sided", n_resamples=np.inf
        ).pvalue
        for column in differences.T
    ]
    np.testing.assert_allclose(ours, theirs)


def test_sampled_sign_flips_agree_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(8).normal(0.3, 1, (12, 6))
    exact = significance.sign_flip_p_values(differences, np.random.default_rng(0))
    monkeypatch.setattr(significance, "EXACT_FLIPS", 0)
    sampled = significance.sign_flip_p_values(differences, np.random.default_rng(0))
    np.testing.assert_allclose(sampled, exact, atol=4 * np.sqrt(0.25 / significance.PERMUTATIONS))


def test_sign_flips_keep_their_level_and_find_a_difference() -> None:
    random = np.random.default_rng(9)
    null = random.standard_t(3, (60, 2000))
    p_values = significance.sign_flip_p_values(null, random)
    assert np.mean(p_values < 0.05) == pytest.approx(0.05, abs=0.015)
    # t with 3 degrees of freedom has variance 3: a shift of one standard deviation is always found.
    assert (significance.sign_flip_p_values(null[:, :50] + np.sqrt(3), random) < 0.001).all()


def test_sign_flips_without_evidence() -> None:
    nothing = np.full((20, 3), np.nan)
    nothing[:, 1], nothing[0, 2] = 0.0, 0.7
    p_values = significance.sign_flip_p_values(nothing, np.random.default_rng(0))
    assert np.isnan(p_values[0])
    assert list(p_values[1:]) == [1.0, 1.0]


def test_equal_differences_are_no_victim_of_rounding() -> None:
    """Only the two one-sided flips are as large as Σ of equal differences, whatever is lost by rounding."""
    p_value = significance.sign_flip_p_values(np.full((40, 1), 0.1), np.random.default_rng(0))
    assert p_value[0] == pytest.approx(1 / (1 + significance.PERMUTATIONS))
    assert significance.sign_flip_p_values(np.full((3, 1), 0.1), np.random.default_rng(0))[0] == 2 / 8


@pytest.mark.parametrize(
    ("method", "expected"),
    [("holm", [0.03, np.nan, 0.06, 0.06, 0.02]), ("fdr_bh", [0.02, np.nan, 0.04, 0.04, 0.02])],
)
def test_corrections_leave_out_what_is_nan(method: str, expected: list[float]) -> None:
    p_values = np.array([0.01, np.nan, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(significance.adjusted(p_values, method), expected)
    assert np.isnan(significance.adjusted(np.array([np.nan]), method)).all()
    assert significance.adjusted(np.array([0.6, 0.7]), method).max() <= 1
