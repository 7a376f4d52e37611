"""The figures of an evaluation. Numbers come from medqa/statistics.py, none from here."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa import drawing
from medqa.drawing import BLUE, GREY, LIGHT, LONGEST_LINE, ORANGE
from medqa.report import finding, short, verdict

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Behind every other row.
BAND = "#F4F4F4"
# Looks of a difference by its verdict, and of the two models' means.
VERDICTS: dict[int, dict[str, Any]] = {
    1: {"color": BLUE, "marker": "o", "markersize": 6.5, "linewidth": 2},
    -1: {"color": ORANGE, "marker": "s", "markersize": 6.5, "linewidth": 2},
    0: {"color": GREY, "marker": "o", "markersize": 6.5, "linewidth": 2, "markerfacecolor": "white"},
}
MODELS: dict[str, dict[str, Any]] = {
    "base": {"color": GREY, "marker": "o", "markersize": 4.5, "linewidth": 1.2, "markerfacecolor": "white"},
    "tuned": {"color": BLUE, "marker": "o", "markersize": 5, "linewidth": 2},
    "tuned, low": {"color": ORANGE, "marker": "s", "markersize": 5, "linewidth": 2},
}
MEAN: dict[str, Any] = {"color": "black", "linewidth": 0.8, "linestyle": "--"}
# A name is cut beyond so many letters.
LONGEST_NAME = 44
# An interval so many times as wide as the median one gets a panel of its own.
FAR_WIDER = 4
# Rows above which the scale is repeated on top.
TALL = 25


def _legend(figure: "Figure", looks: Mapping[str, Mapping[str, Any]]) -> None:
    """One line of explanations under the panels: what each look stands for."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], label=text, **look) for text, look in looks.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)


def comparison_figure(comparison: "pd.DataFrame", path: Path) -> None:
    """Difference tuned − base of every metric with its 95 % interval: model_comparison.png.

    Scores from 0 to 1 share a scale; a metric on another one, or with a far wider interval, has its own.
    """
    import matplotlib.style

    rows = [row for row in comparison.to_dict("records") if row["n"]]
    together = _same_scale(rows)
    panels = ([together] if together else []) + [[row] for row in rows if row not in together]
    with matplotlib.style.context("default"):
        figure = drawing.new_figure(1.5 + 0.3 * len(rows) + 0.4 * len(panels), finding(comparison.iloc[0]))
        if panels:
            heights = [len(panel) + 0.5 for panel in panels]
            axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
            for axis, panel in zip(axes, panels, strict=True):
                _forest(axis, panel)
            scales = "; each panel has its own scale" * (len(panels) > 1)
            axes[-1].set_xlabel(f"difference tuned − base, with 95 % interval{scales}{_absent(comparison)}")
            said = {1: "tuned is better", -1: "tuned is worse", 0: "undecided: the interval holds 0"}
            seen = {verdict(row) for row in rows}
            _legend(figure, {text: VERDICTS[outcome] for outcome, text in said.items() if outcome in seen})
        drawing.save(figure, path)


def _absent(comparison: "pd.DataFrame") -> str:
    """A line that names the metrics without a row, because they apply to no question."""
    names = [short(row["metric"], LONGEST_NAME) for row in comparison.to_dict("records") if not row["n"]]
    return "\n" + textwrap.fill(f"without a value: {', '.join(names)}", LONGEST_LINE) if names else ""


def _same_scale(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Metrics between 0 and 1 that one axis can show: none with an interval that would flatten the others."""
    scores = [row for row in rows if all(0 <= row[model] <= 1 for model in ("base", "finetuned"))]
    widths = sorted(row["ci_high"] - row["ci_low"] for row in scores if math.isfinite(row["ci_low"]))
    if not widths:
        return scores
    most = FAR_WIDER * widths[len(widths) // 2]
    return [row for row in scores if not row["ci_high"] - row["ci_low"] > most]


def _forest(axis: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    """One panel of differences: a mark and an interval per metric, its numbers at the right."""
    for place, row in enumerate(rows):
        _mark(axis, row["difference"], row["ci_low"], row["ci_high"], place, VERDICTS[verdict(row)])
        numbers = f"{row['base']:.3f} → {row['finetuned']:.3f}   n = {row['n']}"
        _beside(axis, place, numbers)
    axis.axvline(0, color="black", linewidth=0.8, zorder=1)
    _rows(axis, [f"{short(row['metric'], LONGEST_NAME)} {row['direction']}" for row in rows])


def _mark(axis: "Axes", value: float, low: float, high: float, place: float, look: Mapping[str, Any]) -> None:
    """A value and its interval, if it has one, on the line at `place`."""
    if math.isfinite(low):
        axis.plot([low, high], [place, place], color=look["color"], linewidth=look["linewidth"], zorder=2)
    axis.plot(value, place, **look, zorder=3)


def _beside(axis: "Axes", place: float, text: str) -> None:
    """Text at the right of a row, outside the panel."""
    axis.text(
        1.01,
        place,
        text,
        transform=axis.get_yaxis_transform(),
        verticalalignment="center_baseline",
        fontsize=8.5,
    )


def _rows(axis: "Axes", names: Sequence[str]) -> None:
    """Names the rows, the first on top; no frame at the top and right, light vertical lines."""
    axis.set_yticks(range(len(names)), names, fontsize=9)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", color=LIGHT, linewidth=0.4)
    axis.set_axisbelow(True)


def specialty_figure(
    performance: "pd.DataFrame", path: Path, recommendations: Mapping[str, Any] | None = None
) -> None:
    """Shrunken means by specialty with 95 % intervals, the best tuned one first: specialty_analysis.png.

    Without shrunken means (no specialty has two questions) the plain means are drawn, without intervals.
    `recommendations` gives the title and marks the low and the regressed specialties.
    """
    import matplotlib.style

    rows = [row for row in performance.to_dict("records") if row["primary_score_n"]]
    shrunken = all(math.isfinite(row["shrunken_mean"]) for row in rows)
    base, tuned = (
        ("shrunken_base", "shrunken_mean") if shrunken else ("primary_score_base", "primary_score_finetuned")
    )
    rows.sort(key=lambda row: -row[tuned])
    advice = recommendations or {"summary": f"Primary score of {len(rows)} specialties, base and tuned"}
    low, worse = (advice.get(f"{name}_specialties", []) for name in ("low_performance", "regressed"))
    with matplotlib.style.context("default"):
        figure = drawing.new_figure(1.9 + 0.26 * len(rows), advice["summary"])
        axis = figure.subplots()
        for place, row in enumerate(rows):
            name = row["specialty"]
            ends = row["shrunken_base_ci_low"], row["shrunken_base_ci_high"]
            _mark(axis, row[base], *ends, place - 0.16, MODELS["base"])
            ends = row["shrunken_ci_low"], row["shrunken_ci_high"]
            _mark(axis, row[tuned], *ends, place + 0.16, MODELS["tuned, low" if name in low else "tuned"])
            if place % 2:
                axis.axhspan(place - 0.5, place + 0.5, color=BAND, linewidth=0, zorder=0)
            said = [f"n = {row['primary_score_n']}", *["low"] * (name in low), *["worse"] * (name in worse)]
            _beside(axis, place, ", ".join(said))
        _rows(axis, [short(row["specialty"], LONGEST_NAME) for row in rows])
        axis.tick_params(labeltop=len(rows) > TALL)
        axis.set_xlabel(_primary_score(advice) + "\nshrunken mean with 95 % interval" * shrunken)
        seen = {name: look for name, look in MODELS.items() if low or name != "tuned, low"}
        if len(rows) > 1:
            axis.axvline(sum(row[tuned] for row in rows) / len(rows), **MEAN, zorder=1)
            seen["mean of tuned"] = MEAN
        _legend(figure, seen)
        drawing.save(figure, path)


def _primary_score(advice: Mapping[str, Any]) -> str:
    """The primary score and what it is made of."""
    made_of = ", ".join(advice.get("primary_metrics", []))
    return textwrap.fill(f"primary score (mean of {made_of})", 66) if made_of else "primary score"
