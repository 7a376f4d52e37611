"""What is recommended, how much, why, and when nothing is."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from config import EvaluationConfig
from medqa.analysis.by_specialty import Spread
from medqa.analysis.recommendations import Thresholds, holdout_use, recommend

SPREAD = Spread(
    margin=0.02, specialties=4, mean=0.5, within_sd=0.12, tau2=0.002, reliability=0.6, heterogeneity_p=0.001
)
COMPARISON = pd.DataFrame(
    {
        "metric": ["primary_score", "ROUGE-L", "meteor"],
        "difference": [0.02, 0.03, math.nan],
        "standard_error": [0.006, 0.007, math.nan],
    }
)


def performance(**changes: dict[str, float]) -> pd.DataFrame:
    """Four specialties: brain very low, heart low, skin average, lung high; `changes` by specialty."""
    rows = [
        {"specialty": "brain", "p_low": 0.99, "expected_deficit": 0.09, "shrunken_mean": 0.41},
        {"specialty": "heart", "p_low": 0.85, "expected_deficit": 0.04, "shrunken_mean": 0.46},
        {"specialty": "skin", "p_low": 0.10, "expected_deficit": 0.00, "shrunken_mean": 0.50},
        {"specialty": "lung", "p_low": 0.00, "expected_deficit": -0.1, "shrunken_mean": 0.60},
    ]
    shared = {
        "p_worse": 0.2,
        "primary_score_n": 10,
        "primary_score_difference": 0.02,
        "eval_answer_loss": math.nan,
    }
    return pd.DataFrame([shared | row | changes.get(row["specialty"], {}) for row in rows])


def advise(table: pd.DataFrame, share: float = 0.5, pool: int = 100, spread: Spread = SPREAD, **more) -> dict:
    """Recommendations with the same share and pool for all specialties."""
    shares, pools = (dict.fromkeys(table["specialty"], value) for value in (share, pool))
    advice = recommend(table, spread, COMPARISON, shares, pools, 42, **more)
    json.dumps(advice, allow_nan=False)
    return advice


def test_readme_keys_come_first() -> None:
    advice = advise(performance())
    assert list(advice)[:3] == [
        "low_performance_specialties", "recommended_sample_increases", "overall_improvement"
    ]  # fmt: skip
    assert advice["low_performance_specialties"] == ["brain", "heart"]
    assert advice["overall_improvement"] == {"primary_score": 0.02, "ROUGE-L": 0.03}
    assert advice["metrics_without_a_value"] == ["meteor"]
    assert advice["tau2"] == 0.002 and advice["reliability"] == 0.6 and advice["seed"] == 42


def test_increase_grows_with_the_deficit_up_to_the_step() -> None:
    """The full step of 0.3 at three margins (0.06): 0.09 gets it all, 0.04 two thirds of it."""
    assert advise(performance())["recommended_sample_increases"] == {"brain": 0.8, "heart": 0.7}
    small = advise(performance(), thresholds=Thresholds(MAX_SHARE_STEP=0.1))["recommended_sample_increases"]
    assert small == {"brain": 0.6, "heart": 0.56}


def test_increase_ends_where_the_data_ends() -> None:
    assert advise(performance(), share=0.9)["recommended_sample_increases"] == {"brain": 1.0, "heart": 1.0}
    for share in (0.7, 1.0):
        spent = advise(performance(), share=share, pool=0)
        assert spent["low_performance_specialties"] == ["brain", "heart"]
        assert spent["recommended_sample_increases"] == {}
        assert "collect new pairs" in spent["reasons"]["brain"]


@pytest.mark.parametrize(
    ("share", "pool", "step", "expected"),
    [
        (0.5, 3, 0.3, 0.8),  # one of three pairs is 0.17
        (0.5, 3, 0.05, 0.55),  # capped below one pair: nothing can be had
        (0.5, 10, 0.03, 0.55),  # less than one pair, raised to one
        (0.333, 7, 0.3, 0.633),
        (0.98, 1, 0.3, 1.0),
    ],
)
def test_at_least_one_pair_never_above_a_cap(share: float, pool: int, step: float, expected: float) -> None:
    limits = Thresholds(MAX_SHARE_STEP=step if step != 0.03 else 0.06)
    table = performance(brain={"expected_deficit": 0.03 if step == 0.03 else 0.09})
    increases = advise(table, share, pool, thresholds=limits)["recommended_sample_increases"]
    if (1 - share) / pool > limits.MAX_SHARE_STEP:
        assert increases == {}
    else:
        assert increases["brain"] == pytest.approx(expected)
        assert increases["brain"] <= min(1, share + limits.MAX_SHARE_STEP) + 1e-9
        assert (increases["brain"] - share) / (1 - share) * pool >= 0.999


def test_regressed_is_told_from_short_of_data() -> None:
    advice = advise(performance(brain={"p_worse": 0.95}, lung={"p_worse": 0.97}))
    assert advice["low_performance_specialties"] == ["brain", "heart"]
    assert advice["regressed_specialties"] == ["lung", "brain"]
    assert list(advice["recommended_sample_increases"]) == ["heart"]
    for name in ("brain", "lung"):
        assert "read its training pairs" in advice["reasons"][name] and "Share" not in advice["reasons"][name]
    assert "Low:" in advice["reasons"]["brain"] and "Low:" not in advice["reasons"]["lung"]
    assert "Worse than the base model: 2 of 4" in advice["summary"]


def test_every_flag_has_a_reason_with_its_numbers() -> None:
    reasons = advise(performance(brain={"eval_answer_loss": 2.1}, skin={"eval_answer_loss": 2.4}))["reasons"]
    assert set(reasons) == {"brain", "heart"}
    for part in ("0.410", "0.500", "P(low) = 0.99", "0.090", "0.50 -> 0.80", "about 60 of the 100 pairs"):
        assert part in reasons["brain"]
    assert "2.100, number 2 of 2 from the highest" in reasons["brain"]
    assert "eval split" not in reasons["heart"]


@pytest.mark.parametrize(
    ("spread", "reason"),
    [
        (replace(SPREAD, heterogeneity_p=0.05), "No detectable differences between the 4 specialties"),
        (replace(SPREAD, specialties=1, heterogeneity_p=1.0), "1 specialties have a primary score"),
        (Spread(margin=0.02, specialties=0), "0 specialties have a primary score"),
        (Spread(margin=0.02, specialties=4), "one of them with two questions"),
    ],
)
def test_silence_when_nothing_can_be_told(spread: Spread, reason: str) -> None:
    advice = advise(performance(), spread=spread)
    assert advice["low_performance_specialties"] == [] and advice["recommended_sample_increases"] == {}
    assert reason in advice["summary"]


def test_silence_when_differences_cannot_be_placed() -> None:
    advice = advise(performance(brain={"p_low": 0.8}, heart={"p_low": math.nan}))
    assert advice["low_performance_specialties"] == []
    assert "none of 4 called low" in advice["summary"]


def test_partial_runs_recommend_nothing_and_say_so() -> None:
    table = performance(brain={"p_worse": 0.99})
    advice = advise(table, partial=True, thresholds=Thresholds(SPREAD_WHEN_FLAT=0.1))
    assert advice["partial"] is True
    for key in (
        "low_performance_specialties",
        "regressed_specialties",
        "recommended_sample_increases",
        "reasons",
    ):
        assert not advice[key]
    assert "LIMIT" in advice["summary"]


def test_even_spread_when_flat() -> None:
    table = performance(skin={"p_worse": 0.95})
    limits = Thresholds(SPREAD_WHEN_FLAT=0.1)
    advice = advise(table, spread=replace(SPREAD, heterogeneity_p=0.4), thresholds=limits)
    assert advice["low_performance_specialties"] == []
    assert advice["recommended_sample_increases"] == {"brain": 0.6, "heart": 0.6, "lung": 0.6}
    assert "Spread evenly" in advice["reasons"]["heart"] and "Share" not in advice["reasons"]["skin"]
    low = advise(performance(), thresholds=limits)["recommended_sample_increases"]
    assert set(low) == {"brain", "heart"}


def test_holdout_use_counts_rounds_and_bounds_the_flattery() -> None:
    limits = Thresholds()
    first = holdout_use([], COMPARISON, 42, limits)
    assert (first["rounds"], first["flattery_if_best_is_reported"], first["flattery_at_most"]) == (1, 0, 0)
    third = holdout_use([3, 0], COMPARISON, 42, limits)
    assert third["rounds"] == 3 and "Round 3" in third["note"]
    # The expected maximum of three standard normals is 3/(2√π).
    assert third["flattery_if_best_is_reported"] == pytest.approx(0.006 * 1.5 / math.sqrt(math.pi))
    nats = 2 * math.log(43) + math.log(math.comb(42, 3)) + 3 * math.log(30)
    assert third["flattery_at_most"] == pytest.approx(0.006 * math.sqrt(2 * nats))
    assert f"at most {third['flattery_at_most']:.3f}" in third["note"]
    nothing = COMPARISON.assign(standard_error=math.nan)
    assert holdout_use([1], nothing, 42, limits)["flattery_at_most"] is None


def test_choosing_by_the_holdout_stays_under_its_bounds() -> None:
    """Someone who reports the best of three equal rounds is flattered by what is said, on average."""
    random = np.random.default_rng(0)
    flattered = 0.006 * random.standard_normal((20_000, 3)).max(axis=1).mean()
    assert flattered == pytest.approx(
        holdout_use([0, 0], COMPARISON, 42, Thresholds())["flattery_if_best_is_reported"], rel=0.03
    )


def test_another_margin_is_refused() -> None:
    with pytest.raises(ValueError, match="margin=0.02"):
        advise(performance(), thresholds=Thresholds(LOW_MARGIN=0.05))


def test_defaults_are_those_of_the_config() -> None:
    config = EvaluationConfig()
    assert all(getattr(config, name) == value for name, value in vars(Thresholds()).items())
