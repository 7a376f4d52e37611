"""Computes the layout of the page's figure: shrunken means by specialty, base and tuned.

Horizontal positions are percentages and vertical ones pixels, so that an inline SVG without a view box stays
sharp and keeps its font size at any width.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from medqa.analysis.recommendations import differ

if TYPE_CHECKING:
    import pandas as pd

ROW = 24  # pixels per specialty
TICKS = 5


def layout(performance: "pd.DataFrame", advice: Mapping[str, Any]) -> dict[str, Any] | None:
    """Positions of all elements of the figure; None when no question has a primary score.

    Args:
        performance: table of `by_specialty.by_specialty`; without shrunken means the figure shows the means,
            without intervals.
        advice: content of training_recommendations.json, with the low and the regressed specialties.

    Returns:
        `shrunken`; `ranked`, whether `rows` are sorted by the score of tuned, else they are in the order of
        the table; `row` and `height` in pixels; `ticks` and `mean` (of tuned); `rows`, with `base` and
        `tuned` as {"at", "low", "high"} in per cent and their numbers as text.
    """
    table = performance[performance["primary_score_n"] > 0]
    if not len(table):
        return None
    shrunken = bool(table["shrunken_mean"].notna().all())
    columns = {
        "base": ["shrunken_base", "shrunken_base_ci_low", "shrunken_base_ci_high"],
        "tuned": ["shrunken_mean", "shrunken_ci_low", "shrunken_ci_high"],
    }
    if not shrunken:
        columns = {"base": ["primary_score_base"] * 3, "tuned": ["primary_score_finetuned"] * 3}
    if ranked := differ(advice):
        order = [columns["tuned"][0], "specialty"]
        table = table.sort_values(order, ascending=[False, True], ignore_index=True)
    values = table[columns["base"] + columns["tuned"]]
    ticks = _ticks(values.min(axis=None), values.max(axis=None))
    # Half a mark at both ends.
    margin = 0.02 * (ticks[-1] - ticks[0])
    left, right = ticks[0] - margin, ticks[-1] + margin

    def percent(number: float) -> str:
        return f"{100 * (number - left) / (right - left):.2f}%"

    digits = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    return {
        "shrunken": shrunken,
        "ranked": ranked,
        "row": ROW,
        "height": ROW * len(table),
        "ticks": [{"at": percent(tick), "label": f"{tick:.{digits}f}"} for tick in ticks],
        "mean": percent(sum(table[columns["tuned"][0]]) / len(table)),
        "rows": [
            {
                "specialty": row["specialty"],
                "n": row["primary_score_n"],
                "low": row["specialty"] in advice["low_performance_specialties"],
                "worse": row["specialty"] in advice["regressed_specialties"],
                **{role: _mark(*(row[name] for name in names), percent) for role, names in columns.items()},
            }
            for row in table.to_dict("records")
        ],
    }


def _mark(mean: float, low: float, high: float, percent: Callable[[float], str]) -> dict[str, str]:
    """Positions of a mean and its interval, and the numbers as text; NaN or the mean: no interval."""
    if not low < high:
        return dict.fromkeys(("at", "low", "high"), percent(mean)) | {"text": f"{mean:.3f}"}
    text = f"{mean:.3f} ({low:.3f} to {high:.3f})"
    return {"at": percent(mean), "low": percent(low), "high": percent(high), "text": text}


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that enclose a range, in steps of 1, 2 or 5 times a power of ten."""
    width = max(high - low, 1e-3)
    power = 10 ** math.floor(math.log10(width / TICKS))
    step = next(power * times for times in (1, 2, 5, 10) if width / (power * times) <= TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]
