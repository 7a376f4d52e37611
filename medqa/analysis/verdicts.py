"""Formats the comparison as text: the table printed at the end of an evaluation, and a sentence per metric.

Input: rows of `comparison.compare`. No statistic is computed here.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from medqa.runtime.console import table

if TYPE_CHECKING:
    import pandas as pd

# Columns of a terminal.
WIDTH = 100
HEADER = ("metric", "base", "tuned", "difference [95 %]", "p (Holm)", "win/tie/loss", "n")


def comparison_text(comparison: "pd.DataFrame") -> str:
    """The table of metrics, at most `WIDTH` columns wide; longer metric names are cut in the middle.

    n is the number of questions to which the metric applies. p is corrected by Holm over the metrics, except
    for the primary score, which is declared before the data are seen.
    """
    rows = comparison.to_dict("records")
    numbers = [_numbers(row) for row in rows]
    rest = len(table(HEADER[1:], numbers).split("\n")[1]) + len(" ↑  ")
    names = [f"{shortened(row['metric'], WIDTH - rest)} {row['direction']}" for row in rows]
    return table(HEADER, [[name, *cells] for name, cells in zip(names, numbers, strict=True)])


def _numbers(row: Mapping[str, Any]) -> list[str]:
    """The cells of one metric, without its name."""
    if not row["n"]:
        return ["-", "-", "not applicable", "-", "-", "0"]
    one = not math.isfinite(row["ci_low"])
    interval = "one question" if one else f"{row['ci_low']:+.3f}, {row['ci_high']:+.3f}"
    return [
        f"{row['base']:.3f}", f"{row['finetuned']:.3f}", f"{row['difference']:+.3f} [{interval}]",
        f"{row['p_holm']:.4f}", f"{row['wins']}/{row['ties']}/{row['losses']}", str(row["n"]),
    ]  # fmt: skip


def shortened(name: str, longest: int) -> str:
    """A name of at most `longest` characters; a longer one is cut in the middle."""
    half = longest // 2
    return name if len(name) <= longest else f"{name[: half - 1]}…{name[-half:]}"


def verdict(row: Mapping[str, Any]) -> int:
    """1 when the interval lies entirely on the better side of 0, −1 on the worse side, else 0."""
    sign = -1 if row["direction"] == "↓" else 1
    low, high = sorted([sign * row["ci_low"], sign * row["ci_high"]])
    return 1 if low > 0 else -1 if high < 0 else 0


def finding(row: Mapping[str, Any]) -> str:
    """The result of one metric as a sentence without its full stop."""
    name = row["metric"].replace("_", " ")
    if not row["n"]:
        return f"No question has a {name}"
    if not math.isfinite(row["ci_low"]):
        return f"Only one question has a {name}: difference {row['difference']:+.3f}, without an interval"
    effects = {1: "Fine-tuning improved", -1: "Fine-tuning worsened", 0: "No detectable change of"}
    return (
        f"{effects[verdict(row)]} the {name}: {row['base']:.3f} → {row['finetuned']:.3f}, difference "
        f"{row['difference']:+.3f} (95 % interval {row['ci_low']:+.3f} to {row['ci_high']:+.3f}, "
        f"n = {row['n']})"
    )
