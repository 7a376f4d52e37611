"""Layout of the page's figure: shrunken means by specialty, base and tuned.

Horizontal positions are percentages and vertical ones pixels, so that an inline SVG without a view box stays
sharp and keeps its font size at any width.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

ROW = 24  # pixels a specialty takes
TICKS = 5


def layout(performance: "pd.DataFrame", advice: Mapping[str, Any]) -> dict[str, Any] | None:
    """Positions of all elements of the figure; None when no question has a primary score.

    Args:
        performance: table of `by_specialty.by_specialty`; without shrunken means the plain ones are drawn,
            without intervals.
        advice: content of training_recommendations.json, with the low and the regressed specialties.

    Returns:
        `shrunken`; `row` and `height` in pixels; `ticks` and `mean` (of tuned); `rows`, the best tuned one
        first, with `base` and `tuned` as {"at", "low", "high"} in per cent and their numbers as text.
    """
    rows = [row for row in performance.to_dict("records") if row["primary_score_n"]]
    if not rows:
        return None
    shrunken = all(math.isfinite(row["shrunken_mean"]) for row in rows)
    values = []
    for row in rows:
        if shrunken:
            base = [row["shrunken_base"], row["shrunken_base_ci_low"], row["shrunken_base_ci_high"]]
            tuned = [row["shrunken_mean"], row["shrunken_ci_low"], row["shrunken_ci_high"]]
        else:
            base, tuned = [row["primary_score_base"]] * 3, [row["primary_score_finetuned"]] * 3
        values.append((row, base, tuned))
    values.sort(key=lambda value: (-value[2][0], value[0]["specialty"]))
    drawn = [number for _, base, tuned in values for number in base + tuned if math.isfinite(number)]
    ticks = _ticks(min(drawn), max(drawn))
    # Leave half a mark of room at both ends.
    margin = 0.02 * (ticks[-1] - ticks[0])
    left, right = ticks[0] - margin, ticks[-1] + margin

    def place(number: float) -> str:
        return f"{100 * (number - left) / (right - left):.2f}%"

    digits = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    return {
        "shrunken": shrunken,
        "row": ROW,
        "height": ROW * len(rows),
        "ticks": [{"at": place(tick), "label": f"{tick:.{digits}f}"} for tick in ticks],
        "mean": place(sum(tuned[0] for _, _, tuned in values) / len(values)),
        "rows": [
            {
                "specialty": row["specialty"],
                "n": row["primary_score_n"],
                "low": row["specialty"] in advice["low_performance_specialties"],
                "worse": row["specialty"] in advice["regressed_specialties"],
                "base": _mark(base, place, shrunken),
                "tuned": _mark(tuned, place, shrunken),
            }
            for row, base, tuned in values
        ],
    }


def _mark(numbers: Sequence[float], place: Any, interval: bool) -> dict[str, str]:
    """Positions of a mean and its interval, and their numbers as text."""
    mean, low, high = numbers
    if not (interval and math.isfinite(low) and math.isfinite(high)):
        return {"at": place(mean), "low": place(mean), "high": place(mean), "told": f"{mean:.3f}"}
    told = f"{mean:.3f} ({low:.3f} to {high:.3f})"
    return {"at": place(mean), "low": place(low), "high": place(high), "told": told}


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that enclose a range, in steps of 1, 2 or 5 times a power of ten."""
    width = max(high - low, 1e-3)
    power = 10 ** math.floor(math.log10(width / TICKS))
    step = next(power * times for times in (1, 2, 5, 10) if width / (power * times) <= TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]
