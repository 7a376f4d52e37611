"""What a comparison says: the end table, and its verdicts in words. No number is made here."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from medqa.screen import table

if TYPE_CHECKING:
    import pandas as pd


def comparison_text(comparison: "pd.DataFrame") -> str:
    """The end table for the terminal: a line per metric with its better direction, intervals and tests.

    Beside the difference stands its standard error. n/a: questions to which the metric does not apply.
    """
    rows = []
    for row in comparison.to_dict("records"):
        name = f"{row['metric']} {row['direction']}"
        if not row["n"]:
            rows.append([name, *["-"] * 2, "not applicable", *["-"] * 5, 0, row["n_not_applicable"]])
            continue
        known = math.isfinite(row["ci_low"])
        rows.append([
            name, f"{row['base']:.3f}", f"{row['finetuned']:.3f}",
            f"{row['difference']:+.3f}" + (f" ({row['standard_error']:.3f})" if known else ""),
            f"{row['ci_low']:+.3f}, {row['ci_high']:+.3f}" if known else "one question",
            f"{row['bootstrap_low']:+.3f}, {row['bootstrap_high']:+.3f}" if known else "-",
            f"{row['p_value']:.4f}", f"{row['p_holm']:.4f}",
            f"{row['wins']}/{row['ties']}/{row['losses']}", row["n"], row["n_not_applicable"],
        ])  # fmt: skip
    return table(
        ["metric", "base", "tuned", "difference (s.e.)", "95 % (t)", "95 % (bootstrap)", "p", "Holm",
         "won/tied/lost", "n", "n/a"], rows,
    )  # fmt: skip


def verdict(row: Mapping[str, Any]) -> int:
    """1 when a metric's interval lies wholly on the better side of 0, -1 on the worse one, else 0."""
    sign = -1 if row["direction"] == "↓" else 1
    low, high = sorted([sign * row["ci_low"], sign * row["ci_high"]])
    return 1 if low > 0 else -1 if high < 0 else 0


def finding(row: Mapping[str, Any]) -> str:
    """The overall result of one metric in a sentence."""
    name = row["metric"].replace("_", " ")
    if not row["n"]:
        return f"No question has a {name}"
    if not math.isfinite(row["ci_low"]):
        return f"One question only: {name} {row['difference']:+.3f}, without an interval"
    said = {1: "Fine-tuning improved", -1: "Fine-tuning worsened", 0: "No detectable change of"}[verdict(row)]
    return (
        f"{said} the {name}: {row['base']:.3f} → {row['finetuned']:.3f}, difference {row['difference']:+.3f} "
        f"(95 % interval {row['ci_low']:+.3f} to {row['ci_high']:+.3f}, n = {row['n']})"
    )
