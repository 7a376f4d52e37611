"""The end table, and what a comparison says in words."""

import math
import re

import pytest
from test_figures import METRICS, results

from medqa.analysis import verdicts


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
    assert verdicts.verdict({"direction": direction, "ci_low": low, "ci_high": high}) == verdict


def test_end_table() -> None:
    comparison, _, _ = results(42)
    lines = verdicts.comparison_text(comparison).splitlines()
    assert len(lines) == 2 + 1 + len(METRICS)
    assert re.split("  +", lines[0]) == list(verdicts.HEADER)
    row = comparison.iloc[0]
    assert re.split("  +", lines[2]) == [
        "primary_score ↑", f"{row['base']:.3f}", f"{row['finetuned']:.3f}",
        f"{row['difference']:+.3f} [{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]", f"{row['p_holm']:.4f}",
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


def test_one_question_has_no_interval_in_the_table() -> None:
    comparison, _, _ = results(1, questions=1)
    text = verdicts.comparison_text(comparison)
    assert "one question" in text and "nan" not in text
