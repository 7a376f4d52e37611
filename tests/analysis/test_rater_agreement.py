"""Agreement of raters, and of metrics with raters."""

import math

import numpy as np
import pytest

from medqa.analysis.rater_agreement import krippendorff_alpha, metric_agreement

# Krippendorff's example of four raters and twelve units, from 1 to 5.
N = math.nan
MARKS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
        [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
    ]
)


@pytest.mark.parametrize(
    ("raters", "level", "expected"),  # krippendorff 0.9.0, alpha(reliability_data=…, level_of_measurement=…)
    [
        (4, "nominal", 0.743421052631579),
        (2, "nominal", 0.8521739130434782),
        (4, "ordinal", 0.8153875037548814),
        (2, "ordinal", 0.9229024943310657),
    ],
)
def test_alpha_is_that_of_the_package(raters: int, level: str, expected: float) -> None:
    assert krippendorff_alpha(MARKS[:raters], level) == pytest.approx(expected, abs=1e-12)


def test_alpha_is_undefined_without_two_marks_or_two_values() -> None:
    assert krippendorff_alpha(MARKS[:1], "nominal") is None
    assert krippendorff_alpha(np.ones((2, 5)), "nominal") is None
    assert krippendorff_alpha(np.full((2, 0), N), "ordinal") is None


def test_agreement_of_a_metric() -> None:
    from scipy.stats import kendalltau

    random = np.random.default_rng(1)
    truth = random.standard_normal(80)
    preference = np.sign(np.round(truth))
    gains = truth + random.standard_normal(80)
    gains[:5] = N  # does not apply
    found = metric_agreement(gains, preference)
    assert found["n"] == 75 and found["tau"] == pytest.approx(kendalltau(gains[5:], preference[5:]).statistic)
    assert found["tau_low"] < found["tau"] < found["tau_high"]
    won, lost = gains[(preference > 0) & ~np.isnan(gains)], gains[(preference < 0) & ~np.isnan(gains)]
    assert found["auc"] == pytest.approx(np.mean([w > l for w in won for l in lost]))  # noqa: E741
    assert 0.5 < found["auc_low"] < found["auc"] < found["auc_high"] < 1


def test_agreement_without_enough_questions_has_no_interval() -> None:
    found = metric_agreement(np.arange(4.0), np.array([1.0, -1, 1, -1]))
    assert found["tau"] is None and found["auc"] is None
    same = metric_agreement(np.zeros(20), np.repeat([1.0, -1.0], 10))
    assert same["tau"] is None and same["auc"] == 0.5
    perfect = metric_agreement(np.arange(20.0), np.repeat([-1.0, 1.0], 10))
    assert perfect["auc"] == perfect["auc_high"] == 1 and perfect["auc_low"] > 0.7


def test_intervals_of_agreement_contain_the_truth_often_enough() -> None:
    """60 questions of two normal variables with correlation r; τ is 2/π·asin(r) then."""
    from scipy.stats import rankdata

    random = np.random.default_rng(2)
    r, inside = 0.5, []
    tau = 2 / math.pi * math.asin(r)

    def draw(size: int) -> tuple[np.ndarray, np.ndarray]:
        x = random.standard_normal(size)
        return x, r * x + math.sqrt(1 - r * r) * random.standard_normal(size)

    x, y = draw(400_000)
    won = (y > 0).sum()
    auc = (rankdata(x)[y > 0].sum() / won - (won + 1) / 2) / (len(x) - won)
    for _ in range(400):
        found = metric_agreement(*draw(60))
        inside.append(
            (found["tau_low"] < tau < found["tau_high"], found["auc_low"] < auc < found["auc_high"])
        )
    assert (np.mean(inside, axis=0) > 0.92).all()
