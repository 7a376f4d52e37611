"""Formats the comparison as a LaTeX table for a paper: model_comparison.tex."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from medqa.analysis.verdicts import p_of

if TYPE_CHECKING:
    import pandas as pd

ARROWS = {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}
# The three characters whose replacements contain others come first.
ESCAPES = str.maketrans(
    {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {sign: f"\\{sign}" for sign in "&%$#_{}"}
)


def comparison_table(comparison: "pd.DataFrame") -> str:
    """A tabular in the style of the package booktabs, one row per metric that has a value.

    Args:
        comparison: `Results.labelled_comparison`.
    """
    rows = [_row(row) for row in comparison.to_dict("records") if row["n"]]
    header = r"metric & base & tuned & difference & 95\,\% interval & $p$ & $n$ \\"
    lines = [
        r"% Needs \usepackage{booktabs}. *: declared beforehand; the others are corrected by Holm's method.",
        r"\begin{tabular}{lrrrrrr}",
        r"\toprule",
        header,
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join([*lines, ""])


def _row(row: Mapping[str, Any]) -> str:
    """One line of the table."""
    interval = f"${row['ci_low']:+.3f}$ to ${row['ci_high']:+.3f}$" if math.isfinite(row["ci_low"]) else "--"
    cells = (
        f"{row['metric'].translate(ESCAPES)} {ARROWS[row['direction']]}", f"{row['base']:.3f}",
        f"{row['finetuned']:.3f}", f"${row['difference']:+.3f}$", interval,
        p_of(row).replace("≤ ", r"$\le$ "), str(row["n"]),
    )  # fmt: skip
    return " & ".join(cells) + r" \\"
