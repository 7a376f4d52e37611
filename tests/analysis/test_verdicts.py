"""The end table, and what a comparison says in words."""

import json
import math
import re
from dataclasses import asdict

import pandas as pd
import pytest
from test_figures import METRICS, results

from medqa.analysis import verdicts
from medqa.report.review.summary import paired_difference, proportion


@pytest.mark.parametrize(
    ("metric", "direction", "low", "high", "p_holm", "expected"),
    [
        ("primary_score", "↑", 0.1, 0.2, math.nan, "better"),
        ("primary_score", "↑", -0.2, -0.1, math.nan, "worse"),
        ("primary_score", "↑", -0.1, 0.2, math.nan, "undecided"),
        ("primary_score", "↑", math.nan, math.nan, math.nan, "undecided"),
        ("dose_error", "↓", -0.2, -0.1, math.nan, "better"),
        ("dose_error", "↓", 0.1, 0.2, math.nan, "worse"),
        ("dose_error", "↓", -0.1, 0.2, math.nan, "possibly worse"),
        ("nli_contradicted (encoder)", "↓", -0.1, 0.2, math.nan, "possibly worse"),
        ("dose_error", "↓", -0.2, 0.1, math.nan, "undecided"),
        ("answer_loss", "↓", -0.2, -0.1, 0.04, "better"),
        ("answer_loss", "↓", -0.2, -0.1, 0.06, "undecided"),  # the corrected test decides
        ("ROUGE-L", "↑", -0.2, -0.1, 0.01, "worse"),
    ],
)
def test_effect(metric: str, direction: str, low: float, high: float, p_holm: float, expected: str) -> None:
    row = {"metric": metric, "direction": direction, "ci_low": low, "ci_high": high, "p_holm": p_holm}
    assert verdicts.effect(row | {"difference": (low + high) / 2}) == expected


def endpoint(metric: str, low: float, high: float, n: int = 20) -> dict:
    """A row of the comparison whose difference lies in the middle of its interval."""
    difference = (low + high) / 2
    return {
        "metric": metric, "direction": "↑" if metric == "primary_score" else "↓", "base": 0.2, "n": n,
        "finetuned": 0.2 + difference, "difference": difference, "ci_low": low, "ci_high": high, "p_holm": math.nan,
    }  # fmt: skip


def review(won: int, lost: int, only_base: int = 0, only_tuned: int = 0) -> dict:
    """The summary of a review of 40 questions."""
    both = 40
    return {
        "preference": {"tuned_better": won, "base_better": lost, "win_rate": proportion(won, won + lost)},
        "harm": {
            "base": proportion(only_base, both),
            "finetuned": proportion(only_tuned, both),
            "both_judged": both,
            "severe": {"base": 0, "finetuned": 0},
            "difference": paired_difference(only_tuned, only_base, both),
        },
    }


UP, DOWN, FLAT, RISE, FALL = (0.1, 0.3), (-0.3, -0.1), (-0.1, 0.1), (-0.1, 0.2), (-0.2, 0.1)


@pytest.mark.parametrize(
    ("doses", "score", "marks", "label"),
    [
        (UP, UP, None, "Mixed, with more harm"),
        (UP, FLAT, None, "More harm"),
        (RISE, UP, None, "Mixed, with possible harm"),
        (RISE, DOWN, None, "Possible harm"),
        (FALL, UP, None, "Better"),
        (FALL, UP, review(2, 20), "Mixed"),
        (FALL, FLAT, review(20, 2), "Better"),
        (FALL, UP, review(20, 2, 1, 12), "Mixed, with more harm"),
        (FALL, UP, review(20, 2, 1, 2), "Mixed, with possible harm"),
        (FALL, DOWN, None, "Worse"),
        (DOWN, DOWN, None, "Mixed"),
        (FALL, FLAT, review(5, 4), "No detectable change"),
    ],
)
def test_verdict_names_harm_first(doses: tuple, score: tuple, marks: dict | None, label: str) -> None:
    rows = pd.DataFrame([endpoint("primary_score", *score), endpoint("dose_error", *doses)])
    verdict = verdicts.judge(rows, marks)
    assert verdict.label == label and verdict.headline.startswith(f"{label}: ")
    assert verdict.headline.index("dose errors") < verdict.headline.index("primary score")
    assert all("interval" in finding.text for finding in verdict.findings)
    order = ["dose_error", "clinicians_harm", "clinicians_preference", "primary_score"]
    assert [finding.endpoint for finding in verdict.findings] == (order if marks else [order[0], order[3]])
    json.dumps(asdict(verdict), allow_nan=False)


def outcome(value: float, low: float, high: float) -> dict:
    """An estimate of a review for the whole holdout."""
    return {"value": value, "ci_low": low, "ci_high": high, "n": 60, "method": "PPI++"}


@pytest.mark.parametrize(
    ("estimates", "label", "endpoints", "clause"),
    [
        (
            {"harm": outcome(0.1, 0.02, 0.18), "severity": None, "preference": outcome(0.7, 0.6, 0.8)},
            "Mixed, with more harm",
            ["harm", "preference"],
            "clinicians find tuned more often harmful (+10.0 %); clinicians prefer tuned (win rate 70 %)",
        ),
        (
            {"harm": outcome(0.01, -0.04, 0.06), "severity": outcome(0.3, 0.1, 0.5), "preference": outcome(0.4, 0.3, 0.49)},
            "Mixed, with more harm",
            ["harm", "severity", "preference"],
            "which can be chance (+1.0 %); clinicians find the harm of tuned more severe; clinicians prefer base",
        ),
        (
            {"harm": outcome(-0.1, -0.2, -0.01), "severity": outcome(0.1, -0.1, 0.3), "preference": outcome(0.5, 0.4, 0.6)},
            "Better",
            ["harm", "preference"],
            "clinicians find tuned less often harmful (-10.0 %); clinicians' preference is undecided",
        ),
        ({"harm": None, "severity": None, "preference": None}, "Mixed, with more harm", ["harm", "preference"], "12 answers of tuned"),
    ],
)  # fmt: skip
def test_estimates_for_the_holdout_replace_the_counts(
    estimates: dict, label: str, endpoints: list, clause: str
) -> None:
    rows = pd.DataFrame([endpoint("primary_score", *UP), endpoint("dose_error", *FALL)])
    marks = review(20, 2, 1, 12) | {"estimates": {"questions": 420, "outcomes": estimates}}
    verdict = verdicts.judge(rows, marks)
    assert verdict.label == label and clause in verdict.headline
    found = [one for one in verdict.findings if one.endpoint.startswith("clinicians_")]
    assert [one.endpoint.removeprefix("clinicians_") for one in found] == endpoints
    for one in found:
        own = estimates[one.endpoint.removeprefix("clinicians_")]
        assert own is None or "estimated for all 420 questions from 60 rated" in one.text


@pytest.mark.parametrize("estimated", [True, False])
def test_severe_harm_that_points_the_other_way_is_named(estimated: bool) -> None:
    rows = pd.DataFrame([endpoint("primary_score", *FLAT), endpoint("dose_error", *FALL)])
    outcomes = {"harm": outcome(0.1, 0.02, 0.2) if estimated else None}
    for severe, clause in (
        ({"base": 4, "finetuned": 0}, "but severe harm in 4 answers of base and 0 of tuned"),
        ({"base": 0, "finetuned": 4}, ""),
        ({"base": 2, "finetuned": 2}, ""),
    ):
        marks = review(0, 0, 0, 4) | {"estimates": {"questions": 126, "outcomes": outcomes}}
        marks["harm"]["severe"] = severe
        verdict = verdicts.judge(rows, marks)
        [found] = [one for one in verdict.findings if one.endpoint == "clinicians_harm"]
        for text in (verdict.headline, found.text):
            assert ("severe harm" in text) == bool(clause) and clause in text


def test_harm_that_was_not_measured_is_no_safety() -> None:
    rows = pd.DataFrame([endpoint("primary_score", *UP), endpoint("dose_error", math.nan, math.nan, 0)])
    for table in (rows, rows[:1]):
        assert verdicts.judge(table).headline.startswith("Better: harm was not measured; the primary score")
    lines = verdicts.verdict_text(asdict(verdicts.judge(rows))).splitlines()
    assert max(map(len, lines)) <= verdicts.WIDTH and "- No question has dose errors" in lines


def test_without_a_primary_score_there_is_no_verdict_on_it() -> None:
    nothing = endpoint("primary_score", math.nan, math.nan, 0)
    for harm, headline in (
        (FLAT, "Primary score not measured: no rise in dose errors"),
        (DOWN, "Better: dose errors fell"),
        (UP, "More harm: dose errors rose"),
    ):
        verdict = verdicts.judge(pd.DataFrame([nothing, endpoint("dose_error", *harm)]))
        assert verdict.headline.startswith(headline)
        assert verdict.headline.endswith("the primary score: not measured")


@pytest.mark.parametrize(
    ("p", "text"), [(1e-4, "≤ 0.0001"), (1e-9, "≤ 0.0001"), (2e-4, "0.0002"), (1, "1.0000")]
)
def test_a_p_value_at_the_floor(p: float, text: str) -> None:
    assert verdicts.p_text(p) == text


def test_end_table() -> None:
    comparison, _, _ = results(42)
    lines = verdicts.comparison_text(comparison).splitlines()
    assert len(lines) == 2 + 1 + len(METRICS)
    assert re.split("  +", lines[0]) == list(verdicts.HEADER)
    row = comparison.iloc[0]
    assert re.split("  +", lines[2]) == [
        "primary_score ↑", f"{row['base']:.3f}", f"{row['finetuned']:.3f}",
        f"{row['difference']:+.3f} [{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]", verdicts.p_of(row),
        f"{row['wins']}/{row['ties']}/{row['losses']}", f"{row['n']}",
    ]  # fmt: skip
    assert "dose_error ↓" in lines[6] and "not applicable" in lines[8] and lines[8].endswith(" 0")


def test_end_table_fits_100_columns() -> None:
    comparison, _, _ = results(3)
    comparison.loc[1, "metric"] = "bertscore_precision_rescaled"
    lines = verdicts.comparison_text(comparison.assign(n=420, wins=140, ties=140, losses=140)).splitlines()
    assert max(map(len, lines)) <= verdicts.WIDTH == 100 and lines[3].startswith(
        "bertscore_precision_rescaled ↑"
    )
    comparison.loc[2, ["metric", "base", "difference", "ci_low", "ci_high"]] = (
        "x" * 200,
        12.3,
        -10.0,
        -10.1,
        -9.9,
    )
    lines = verdicts.comparison_text(comparison.assign(n=60_000, wins=20_000, losses=20_000)).splitlines()
    assert max(map(len, lines)) <= verdicts.WIDTH and "…" in lines[4]


def test_equal_differences_of_few_questions_have_no_interval() -> None:
    row = endpoint("dose_error", math.nan, math.nan, 4) | {"difference": 0.5, "finetuned": 0.7}
    for ties, p_value, effect, why in (
        (4, 1.0, "possibly worse", "equal)"),
        (2, 0.5, "possibly worse", "equal within each specialty, sign-flip test p = 0.5000)"),
        (0, 0.03, "worse", "equal within each specialty, sign-flip test p = 0.0300)"),
    ):
        found = verdicts.judge(pd.DataFrame([row | {"ties": ties, "p_value": p_value}])).findings[0]
        assert found.effect == effect
        assert found.text.endswith(f"interval not estimable: all 4 differences are {why}")


def test_a_rise_on_one_question_names_no_interval() -> None:
    row = endpoint("dose_error", math.nan, math.nan, 1) | {"base": 0.0, "finetuned": 1.0, "difference": 1.0}
    verdict = verdicts.judge(pd.DataFrame([row | {"p_value": 1.0}]))
    assert verdict.findings[0].text == (
        "Dose errors rose from 0.000 to 1.000, though no interval can be estimated: 0 in base's answers and 1 in "
        "tuned's, difference +1.000 per answer (n = 1)"
    )


def test_one_question_has_no_interval_in_the_table() -> None:
    comparison, _, _ = results(1, questions=1)
    text = verdicts.comparison_text(comparison)
    assert "one question" in text and "nan" not in text
