"""Which specialties get more data, how much, for which reasons, and when none does."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest

from config import EvaluationConfig
from medqa.analysis.by_specialty import Spread
from medqa.analysis.recommendations import Thresholds, holdout_use, recommend
from medqa.runtime.cli import select

THRESHOLDS = select(EvaluationConfig(), Thresholds)
SPREAD = Spread(specialties=4, mean=0.5, within_sd=0.12, tau2=0.002, reliability=0.6, heterogeneity_p=0.001)
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


def advise(
    table: pd.DataFrame, share: float = 0.5, pool: int = 100, spread: Spread = SPREAD, partial: bool = False,
    **thresholds: float,
) -> dict:  # fmt: skip
    """Recommendations with the same share and pool for all specialties."""
    shares, pools = (dict.fromkeys(table["specialty"], value) for value in (share, pool))
    limits = replace(THRESHOLDS, **thresholds)
    advice = recommend(table, spread, COMPARISON, shares, pools, 42, limits, partial)
    json.dumps(advice, allow_nan=False)
    return advice


def test_the_file_has_its_documented_keys() -> None:
    advice = advise(performance())
    assert list(advice)[:3] == [
        "low_performance_specialties", "recommended_sample_increases", "overall_improvement"
    ]  # fmt: skip
    assert advice["low_performance_specialties"] == ["brain", "heart"]
    assert advice["overall_improvement"] == {"primary_score": 0.02, "ROUGE-L": 0.03}
    assert advice["metrics_without_a_value"] == ["meteor"]
    assert advice["tau2"] == 0.002 and advice["reliability"] == 0.6 and advice["seed"] == 42
    assert advice["thresholds"] == {name: getattr(EvaluationConfig(), name) for name in advice["thresholds"]}


def test_increase_grows_with_the_deficit_up_to_the_step() -> None:
    """The full step of 0.3 at a deficit of three margins (0.06); 0.04 gets two thirds of it."""
    assert advise(performance())["recommended_sample_increases"] == {"brain": 0.8, "heart": 0.7}
    small = advise(performance(), max_share_step=0.1)["recommended_sample_increases"]
    assert small == {"brain": 0.6, "heart": 0.56}


@pytest.mark.parametrize("share", [0.7, 1.0])
def test_an_empty_pool_gets_no_increase(share: float) -> None:
    advice = advise(performance(), share=share, pool=0)
    assert advice["low_performance_specialties"] == ["brain", "heart"]
    assert advice["recommended_sample_increases"] == {}
    assert "collect new pairs" in advice["reasons"]["brain"]


@pytest.mark.parametrize(
    ("share", "pool", "deficit", "max_step", "expected"),
    [
        (0.5, 3, 0.09, 0.3, 0.8),  # one of three pairs is a step of 0.17
        (0.5, 3, 0.09, 0.05, None),  # one pair is above the cap
        (0.5, 10, 0.03, 0.06, 0.55),  # a step of 0.03 is below one pair and becomes one pair
        (0.333, 7, 0.09, 0.3, 0.633),
        (0.98, 1, 0.09, 0.3, 1.0),
        (0.9, 100, 0.09, 0.3, 1.0),
    ],
)
def test_a_step_is_at_least_one_pair_and_at_most_the_cap(
    share: float, pool: int, deficit: float, max_step: float, expected: float | None
) -> None:
    table = performance(brain={"expected_deficit": deficit})
    increases = advise(table, share, pool, max_share_step=max_step)["recommended_sample_increases"]
    assert increases.get("brain") == (expected and pytest.approx(expected))


def test_a_regressed_specialty_gets_no_more_data() -> None:
    advice = advise(performance(brain={"p_worse": 0.95}, lung={"p_worse": 0.97}))
    assert advice["low_performance_specialties"] == ["brain", "heart"]
    assert advice["regressed_specialties"] == ["lung", "brain"]
    assert list(advice["recommended_sample_increases"]) == ["heart"]
    for name in ("brain", "lung"):
        assert "read its training pairs" in advice["reasons"][name] and "Share" not in advice["reasons"][name]
    assert "Low:" in advice["reasons"]["brain"] and "Low:" not in advice["reasons"]["lung"]
    assert "Worse than the base model: 2 of 4" in advice["summary"]


def test_each_reason_contains_its_numbers() -> None:
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
        (
            replace(SPREAD, specialties=1, heterogeneity_p=1.0),
            "1 question of 1 specialty with a primary score",
        ),
        (Spread(specialties=0), "0 questions of 0 specialties with a primary score"),
        (
            Spread(specialties=4, within_freedom=4),
            "8 questions of 4 specialties with a primary score. A comparison "
            "needs two specialties, and at least 5 questions more",
        ),
        (
            Spread(specialties=4, within_freedom=5),
            "the variance within specialties cannot be estimated: no test",
        ),
    ],
)
def test_nothing_is_recommended_without_detectable_differences(spread: Spread, reason: str) -> None:
    advice = advise(performance(), spread=spread)
    assert advice["low_performance_specialties"] == [] and advice["recommended_sample_increases"] == {}
    assert reason in advice["summary"] and "SPREAD_WHEN_FLAT" in advice["next_step"]
    assert advise(performance())["next_step"] == ""


def test_specialties_without_a_primary_score_are_named() -> None:
    nothing = {"primary_score_n": 0, "p_low": math.nan, "p_worse": math.nan}
    table, spread = performance(skin=nothing, lung=nothing), replace(SPREAD, specialties=2)
    advice = advise(table, spread=spread)
    assert advice["specialties_not_comparable"] == ["skin", "lung"]
    assert advice["summary"].startswith(
        "The specialties differ (F test, p = 0.001): 2 of 2 compared called low."
    )
    assert "2 of 4 specialties compared; not comparable" in advice["summary"]
    assert ": skin, lung. More data" in advice["summary"] and "Not comparable" in advice["reasons"]["lung"]
    alone = advise(performance(skin=nothing).iloc[2:3], spread=Spread(specialties=0))["summary"]
    assert "0 of 1 specialty compared" in alone
    assert "comparable" not in advise(performance())["summary"]


def test_a_probability_at_the_threshold_is_not_low() -> None:
    advice = advise(performance(brain={"p_low": 0.8}, heart={"p_low": math.nan}))
    assert advice["low_performance_specialties"] == []
    assert "none of 4 called low" in advice["summary"]


def test_a_partial_run_recommends_nothing() -> None:
    advice = advise(performance(brain={"p_worse": 0.99}), partial=True, spread_when_flat=0.1)
    assert advice["partial"] is True and "LIMIT" in advice["summary"]
    for key in ("low_performance_specialties", "regressed_specialties", "recommended_sample_increases"):
        assert not advice[key]
    assert not advice["reasons"]


def test_data_is_spread_evenly_when_no_specialty_is_low() -> None:
    table = performance(skin={"p_worse": 0.95})
    advice = advise(table, spread=replace(SPREAD, heterogeneity_p=0.4), spread_when_flat=0.1)
    assert advice["low_performance_specialties"] == []
    assert advice["recommended_sample_increases"] == {"brain": 0.6, "heart": 0.6, "lung": 0.6}
    assert "Spread evenly" in advice["reasons"]["heart"] and "Share" not in advice["reasons"]["skin"]
    low = advise(performance(), spread_when_flat=0.1)["recommended_sample_increases"]
    assert set(low) == {"brain", "heart"}


@pytest.mark.parametrize(
    ("changes", "pool", "why"),
    [
        ({name: {"p_worse": 0.99} for name in ("brain", "heart", "skin", "lung")}, 100, "all specialties have regressed"),
        ({"brain": {"p_worse": 0.99}}, 0, "no specialty that has not regressed has unused pairs within MAX_SHARE_STEP"),
        ({}, 0, "no specialty has unused pairs within MAX_SHARE_STEP"),
    ],
)  # fmt: skip
def test_spreading_is_offered_only_where_it_has_an_effect(changes: dict, pool: int, why: str) -> None:
    flat, table = replace(SPREAD, heterogeneity_p=0.4), performance(**changes)
    advice = advise(table, pool=pool, spread=flat)
    assert "SPREAD_WHEN_FLAT" not in advice["next_step"] + advice["summary"]
    assert advice["next_step"].startswith("What you can do: hold out more questions")
    advice = advise(table, pool=pool, spread=flat, spread_when_flat=0.1)
    assert not advice["recommended_sample_increases"]
    assert f"SPREAD_WHEN_FLAT has no effect: {why}" in advice["summary"]


def test_spreading_has_no_effect_beside_a_low_specialty() -> None:
    advice = advise(performance(), spread_when_flat=0.1)
    assert advice["summary"].endswith(
        "SPREAD_WHEN_FLAT has no effect: it applies only if no specialty is low."
    )
    assert "SPREAD_WHEN_FLAT" not in advise(performance(), share=1.0, pool=0)["next_step"]


def test_an_outdated_model_gives_no_new_recommendation() -> None:
    table, shares = performance(), dict.fromkeys(("brain", "heart", "skin", "lung"), 0.5)
    pool = dict.fromkeys(shares, 100)
    limits = replace(THRESHOLDS, spread_when_flat=0.1)
    advice = recommend(
        table, SPREAD, COMPARISON, shares, pool, 42, limits, train_first="python fine_tuning.py"
    )
    assert advice["low_performance_specialties"] == [] and advice["recommended_sample_increases"] == {}
    assert "another iteration of the data" in advice["summary"] and advice["next_step"] == ""
    assert advice["train_first"] == "python fine_tuning.py" and advise(performance())["train_first"] == ""


def test_holdout_use_counts_evaluations_and_bounds_the_selection_bias() -> None:
    first = holdout_use([], COMPARISON, 42, 0.3)
    assert (first["rounds"], first["flattery_if_best_is_reported"], first["flattery_at_most"]) == (1, 0, 0)
    third = holdout_use([3, 0], COMPARISON, 42, 0.3)
    assert third["rounds"] == 3 and "Evaluation 3" in third["note"]
    # The expected maximum of three standard normals is 3/(2√π).
    assert third["flattery_if_best_is_reported"] == pytest.approx(0.006 * 1.5 / math.sqrt(math.pi))
    nats = 2 * math.log(43) + math.log(math.comb(42, 3)) + 3 * math.log(30)
    assert third["flattery_at_most"] == pytest.approx(0.006 * math.sqrt(2 * nats))
    assert f"at most {third['flattery_at_most']:.3f}" in third["note"]
    nothing = COMPARISON.assign(standard_error=math.nan)
    assert holdout_use([1], nothing, 42, 0.3)["flattery_at_most"] is None


def test_a_single_specialty_needs_a_second_one_and_not_more_questions() -> None:
    alone = performance()[lambda table: table["specialty"] == "skin"].reset_index(drop=True)
    spread = replace(SPREAD, specialties=1, heterogeneity_p=None)
    advice = advise(alone, spread=spread)
    assert "add the file of a second specialty" in advice["next_step"]
    assert "hold out more questions" not in advice["next_step"]
    flat = advise(performance(), spread=replace(SPREAD, heterogeneity_p=0.5))
    assert "hold out more questions" in flat["next_step"] and "second specialty" not in flat["next_step"]


@pytest.mark.parametrize(
    ("pool", "share", "rounded"), [(4, 0.63, True), (5, 0.6, False), (40, 0.6, False), (1, 0.5, False)]
)
def test_a_step_of_less_than_a_pair_is_told_where_it_is_rounded_up(pool, share, rounded) -> None:
    flat = replace(SPREAD, heterogeneity_p=0.5)
    advice = advise(performance(), pool=pool, spread=flat, spread_when_flat=0.1)
    told = "The step of 0.10 is less than a pair, so it was rounded up to a whole one."
    assert advice["recommended_sample_increases"].get("skin", 0.5) == share
    assert (told in advice["reasons"]["skin"]) == rounded
