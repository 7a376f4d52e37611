"""Formats the estimates of a review, and the agreement of metrics with reviewers, for page and terminal."""

from collections.abc import Mapping
from typing import Any

from medqa.analysis.paired_scores import PRIMARY
from medqa.runtime.console import counted

# Outcome → its name in tables, the factor and unit of its numbers, and whether they are differences.
SHOWN = {
    "harm": ("harmful answers", 100, " %", True),
    "severity": ("severity of harm (0 to 3)", 1, "", True),
    "preference": ("win rate of tuned (equal counts half)", 100, " %", False),
    "correctness": ("correctness (0 to 100)", 100, "", True),
    "completeness": ("completeness (0 to 100)", 100, "", True),
}


def estimate_rows(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """Rows of the table of estimates: `name`, `value`, `interval`, `alone`, `n`, `method`."""
    outcomes = (summary.get("estimates") or {"outcomes": {}})["outcomes"]
    return [_estimate_row(*SHOWN[outcome], found) for outcome, found in outcomes.items()]


def _estimate_row(
    name: str, factor: int, unit: str, signed: bool, found: Mapping[str, Any] | None
) -> dict[str, str]:
    """One line of the table; `found`: result of `mean_rating`."""
    if found is None:
        return {"name": name, "value": "too few marks"} | dict.fromkeys(
            ("interval", "alone", "n", "method"), ""
        )

    def text(numbers: Mapping[str, float], part: str) -> str:
        return f"{factor * numbers[part]:{'+' if signed else ''}.{2 if factor == 1 else 1}f}"

    def interval(numbers: Mapping[str, float]) -> str:
        return f"{text(numbers, 'ci_low')} to {text(numbers, 'ci_high')}"

    alone = found["plain"]
    return {
        "name": name,
        "value": f"{text(found, 'value')}{unit}",
        "interval": f"{interval(found)}{unit}",
        "alone": f"{text(alone, 'value')} ({interval(alone)}){unit}",
        "n": str(found["n"]),
        "method": found["method"],
    }


def estimate_lines(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The estimates as text, line by line: (name, value)."""
    return [
        (
            f"all questions, {row['name']}",
            row["value"]
            + f" (95 % interval {row['interval']}; {row['method']}; ratings alone {row['alone']})"
            * bool(row["interval"]),
        )
        for row in estimate_rows(summary)
    ]


def metric_rows(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """Rows of the table of metrics against reviewers: `name`, `tau`, `auc`, `n`; none with few ratings."""
    return [
        {"name": name, "n": str(found["n"]), **{part: _with_interval(found, part) for part in ("tau", "auc")}}
        for name, found in summary.get("metrics", {}).items()
        if found["tau"] is not None or found["auc"] is not None
    ]


def _with_interval(found: Mapping[str, Any], part: str) -> str:
    """ "0.31 (0.05 to 0.53)", or "" when undefined."""
    if found[part] is None:
        return ""
    ends = [found[f"{part}_{end}"] for end in ("low", "high")]
    return f"{found[part]:.2f}" + (f" ({ends[0]:.2f} to {ends[1]:.2f})" if None not in ends else "")


def tracking_note(summary: Mapping[str, Any]) -> str:
    """A sentence when the primary score does not follow the reviewers' preference; else ""."""
    found = summary.get("metrics", {}).get(PRIMARY, {"tau_low": None})
    if found["tau_low"] is None or found["tau_low"] > 0:
        return ""
    opposite = found["tau_high"] < 0
    return (
        f"The primary score {'contradicts' if opposite else 'does not detectably follow'} these reviewers' "
        f"preference: Kendall's τ {_with_interval(found, 'tau')} on {counted(found['n'], 'question')}. Trust "
        "the reviewers, and choose other PRIMARY_METRICS."
    )


def sample_text(estimates: Mapping[str, Any]) -> str:
    """Which ratings the estimates use, and why the verdict follows the estimates and not the tests."""
    text = (
        f"{counted(estimates['rated'], 'rated question')} at the beginning of the sheet, for "
        f"{counted(estimates['questions'], 'question')} ({estimates['alike']} with equal answers)"
    )
    if estimates["left_out"]:
        text += (
            f"; {counted(estimates['left_out'], 'rated question')} left out, because reviewers chose them or "
            "rated them on another sheet"
        )
    if any(estimates["outcomes"].get(outcome) for outcome in ("harm", "preference")):
        text += (
            "; the verdict uses the estimates for all questions, which are about this holdout. The tests and "
            "the intervals of counts are less certain: they take the rated questions for a sample of "
            "unlimited many, and McNemar's exact test is conservative where few answers differ"
        )
    return text
