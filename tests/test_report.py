"""The end table, and what a comparison says in words."""

import math

import pytest
from test_figures import METRICS, results

from medqa import report


@pytest.mark.parametrize(
    ("direction", "low", "high", "verdict"),
    [
        ("↑", 0.1, 0.2, 1),
        ("↑", -0.2, -0.1, -1),
        ("↓", -0.2, -0.1, 1),
        ("↓", 0.1, 0.2, -1),
        ("↑", -0.1, 0.1, 0),
        ("↓", -0.1, 0.1, 0),
        ("↑", math.nan, math.nan, 0),
        ("↑", 0.0, 0.0, 0),
    ],
)
def test_verdict_follows_the_better_direction(direction: str, low: float, high: float, verdict: int) -> None:
    assert report.verdict({"direction": direction, "ci_low": low, "ci_high": high}) == verdict


def test_end_table() -> None:
    comparison, _, _ = results(42)
    lines = report.comparison_text(comparison).splitlines()
    assert len(lines) == 2 + 1 + len(METRICS)
    assert lines[0].split("  ")[0] == "metric"
    row = comparison.iloc[0]
    for part in (
        "primary_score ↑",
        f"{row['difference']:+.3f} ({row['standard_error']:.3f})",
        f"{row['ci_low']:+.3f}, {row['ci_high']:+.3f}",
        f"{row['bootstrap_low']:+.3f}, {row['bootstrap_high']:+.3f}",
        f"{row['p_value']:.4f}  {row['p_holm']:.4f}",
        f"{row['wins']}/{row['ties']}/{row['losses']}  {row['n']}",
    ):
        assert part in lines[2]
    assert "dose_error ↓" in lines[6] and "not applicable" in lines[8]
    assert lines[8].split()[-2:] == ["0", "420"]
    assert max(map(len, lines)) <= 140


def test_one_question_has_no_interval_in_the_table() -> None:
    comparison, _, _ = results(1, questions=1)
    text = report.comparison_text(comparison)
    assert "one question" in text and "nan" not in text
