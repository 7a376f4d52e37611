"""Draws the four figures as PNG: training curves, comparison of metrics, specialties, history of a holdout.

Each function takes finished numbers and the path of its PNG; only the running mean of the training loss is
computed here. The same numbers give the same bytes with the same versions of matplotlib and seaborn: the
user's matplotlibrc has no effect, and seaborn computes no bootstrap intervals, because the numbers include
intervals.
"""

import contextlib
import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.analysis.paired_scores import primary_terms
from medqa.analysis.recommendations import differ
from medqa.analysis.round_history import PARTS
from medqa.analysis.verdicts import effect, shortened
from medqa.runtime.console import counted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, Color Universal Design (2008): distinct for colour-blind readers. Each colour has its marker.
BLUE, ORANGE, AMBER, GREY, LIGHT = "#0072B2", "#D55E00", "#E69F00", "#6B6B6B", "#BDBDBD"
EFFECTS = {
    "better": "tuned is better",
    "worse": "tuned is worse",
    "possibly worse": "possible harm",
    "undecided": "no detectable difference",
}
COLORS = dict(zip(EFFECTS.values(), (BLUE, ORANGE, AMBER, GREY), strict=True)) | {
    "base": GREY, "tuned": BLUE, "tuned, low": ORANGE}  # fmt: skip
MARKERS = {series: {BLUE: "o", ORANGE: "s", AMBER: "^", GREY: "D"}[color] for series, color in COLORS.items()}
STYLE = {"axes.spines.top": False, "axes.spines.right": False, "grid.color": "#E3E3E3", "grid.linewidth": 0.7,
         "text.parse_math": False}  # fmt: skip
# matplotlib includes the first (Latin, Greek, Cyrillic, Hebrew, Arabic); the others are used if installed.
FONTS = ("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans Devanagari", "Noto Sans Thai",
         "Arial Unicode MS", "Microsoft YaHei", "Malgun Gothic", "Nirmala UI")  # fmt: skip
# Inches, dots per inch, characters per line of a title, characters of the name of a row.
WIDTH, DPI, LONGEST_LINE, LONGEST_NAME = 9.0, 150, 84, 44
# A metric whose interval is wider than the median interval by this factor gets a separate panel.
FAR_WIDER = 4
# Number of rows above which the axis labels are repeated on top.
TALL = 25
# Number of steps above which the training loss is drawn with its running mean.
MANY_STEPS = 40
# Panels below the losses: column of the log → title.
PANELS = {
    "learning_rate": "learning rate",
    "grad_norm": "gradient norm",
    "tokens_per_second": "tokens per second",
}


@contextlib.contextmanager
def new_figure(path: Path, height: float, title: str) -> Iterator["Figure"]:
    """Yield a figure of `height` inches with a title, then save it as PNG without version and date."""
    import matplotlib.style
    import seaborn as sns
    from matplotlib.figure import Figure
    from matplotlib.font_manager import fontManager

    fonts = {"font.family": [font for font in FONTS if font in fontManager.get_font_names()]}
    theme = ["default", sns.axes_style("whitegrid"), sns.plotting_context("paper"), STYLE, fonts]
    with matplotlib.style.context(theme):
        figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
        figure.suptitle(textwrap.fill(title, LONGEST_LINE), fontsize=11.5, fontweight="bold")
        yield figure
        figure.savefig(path, format="png", metadata={"Software": None})


def draw_rows(axis: "Axes", marks: "pd.DataFrame", names: Sequence[str], notes: Iterable[str]) -> None:
    """Draw marks with their 95 % intervals in named rows, the first row on top.

    Args:
        marks: `row` (from 0), `value`, `low` and `high` (NaN: no interval), `series` (key of COLORS).
        names: of the rows, on the left; very long ones are cut in the middle.
        notes: texts on the right of the rows.
    """
    import seaborn as sns

    widths = [1.2 if COLORS[series] == GREY else 2 for series in marks["series"]]
    axis.hlines("row", "low", "high", colors=marks["series"].map(COLORS), linewidth=widths, data=marks)
    sns.scatterplot(marks, x="value", y="row", hue="series", style="series", palette=COLORS, markers=MARKERS,
                    s=36, legend=False, zorder=3, ax=axis)  # fmt: skip
    axis.set_yticks(range(len(names)), [shortened(name, LONGEST_NAME) for name in names])
    axis.set(xlabel="", ylabel="", ylim=(len(names) - 0.4, -0.6))
    add_notes(axis, notes)


def as_marks(table: "pd.DataFrame") -> "pd.DataFrame":
    """Marks of rows with difference, ci_low, ci_high and direction; the series is the effect."""
    series = [EFFECTS[effect(row)] for row in table.to_dict("records")]
    marks = table.rename(columns={"difference": "value", "ci_low": "low", "ci_high": "high"})
    return marks.assign(series=series, row=range(len(marks)))


def add_notes(axis: "Axes", notes: Iterable[str]) -> None:
    """Write a text on the right of each row, outside the panel."""
    for row, note in enumerate(notes):
        axis.text(1.01, row, note, transform=axis.get_yaxis_transform(), va="center_baseline", fontsize=8.5)


def add_legend(figure: "Figure", marks: "pd.DataFrame", *lines: Any, remark: str = "") -> None:
    """Add a legend below the panels: a remark, the series that occur, and further lines with a label."""
    from matplotlib.lines import Line2D

    present = set(marks.dropna(subset="value")["series"])
    handles = [
        Line2D([], [], color=color, marker=MARKERS[series], label=series)
        for series, color in COLORS.items()
        if series in present
    ]
    legend = figure.legend(
        handles=[*handles, *lines], title=remark, loc="outside lower center", ncols=4, frameon=False
    )
    legend.get_title().set_multialignment("center")


def comparison_figure(comparison: "pd.DataFrame", path: Path, headline: str) -> None:
    """Difference tuned − base of every metric with its 95 % interval: model_comparison.png.

    Scores from 0 to 1 share a panel; a metric with another range or a far wider interval has its own. The
    title is the headline of the verdict.
    """
    absent = ", ".join(comparison.loc[comparison["n"] == 0, "metric"])
    rows = as_marks(comparison[comparison["n"] > 0])
    scores = rows["base"].between(0, 1) & rows["finetuned"].between(0, 1)
    widths = rows["high"] - rows["low"]
    alone = ~scores | (widths > FAR_WIDER * widths[scores].dropna().median())
    panels = [panel for _, panel in rows.groupby(rows.index.where(alone, -1))]
    with new_figure(path, 1.5 + 0.3 * len(rows) + 0.4 * len(panels), headline) as figure:
        if not panels:
            return
        heights = [len(panel) + 0.5 for panel in panels]
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axis, panel in zip(axes, panels, strict=True):
            numbers = panel[["base", "finetuned", "n"]].itertuples(index=False)
            notes = (f"{base:.3f} → {tuned:.3f}   n = {n}" for base, tuned, n in numbers)
            names = panel["metric"] + " " + panel["direction"]
            draw_rows(axis, panel.assign(row=range(len(panel))), list(names), notes)
            axis.axvline(0, color="black", linewidth=0.8, zorder=1)
        scales = "; each panel has its own scale" * (len(panels) > 1)
        without = "\n" + textwrap.fill(f"without a value: {absent}", LONGEST_LINE) if absent else ""
        axes[-1].set_xlabel(f"difference tuned − base, with 95 % interval{scales}{without}")
        add_legend(figure, rows)


def specialty_figure(performance: "pd.DataFrame", path: Path, advice: Mapping[str, Any]) -> None:
    """Posterior means by specialty with 95 % credible intervals: specialty_analysis.png.

    The rows are sorted by the score of tuned if the specialties differ detectably, else by name.
    Without shrunken means (the variance within specialties cannot be estimated) the figure shows the means,
    without intervals.

    Args:
        performance: table of `by_specialty.by_specialty`.
        path: of the PNG.
        advice: content of training_recommendations.json: title, low and regressed specialties.
    """
    import pandas as pd

    rows = performance[performance["primary_score_n"] > 0]
    shrunken = bool(rows["shrunken_mean"].notna().all())
    means = "primary_score_base", "primary_score_finetuned"
    base, tuned = ("shrunken_base", "shrunken_mean") if shrunken else means
    if differ(advice):
        rows = rows.sort_values(tuned, ascending=False, kind="stable")
    rows = rows.reset_index(drop=True)
    low = rows["specialty"].isin(advice["low_performance_specialties"])
    worse = rows["specialty"].isin(advice["regressed_specialties"])
    marks = pd.concat(
        pd.DataFrame({"row": rows.index + shift, "value": rows[value], "low": rows[f"{stem}_ci_low"],
                      "high": rows[f"{stem}_ci_high"], "series": series})
        for value, stem, shift, series in (
            (base, "shrunken_base", -0.16, "base"),
            (tuned, "shrunken", 0.16, low.map({True: "tuned, low", False: "tuned"})),
        )
    )  # fmt: skip
    notes = (
        f"n = {n}" + ", low" * is_low + ", worse" * is_worse
        for n, is_low, is_worse in zip(rows["primary_score_n"], low, worse, strict=True)
    )
    with new_figure(path, 1.9 + 0.26 * len(rows), advice["summary"]) as figure:
        if not len(rows):
            return
        axis = figure.subplots()
        draw_rows(axis, marks, rows["specialty"].str.replace("_", " "), notes)
        axis.tick_params(labeltop=len(rows) > TALL)
        label = textwrap.fill(f"primary score (mean of {', '.join(primary_terms(advice))})", 66)
        axis.set_xlabel(label + "\nposterior mean with its 95 % credible interval" * shrunken)
        mean = {"color": "black", "linewidth": 0.8, "linestyle": "--", "label": "mean of tuned"}
        lines = [axis.axvline(rows[tuned].mean(), **mean)] if len(rows) > 1 else []
        add_legend(figure, marks, *lines)


def progress_figure(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Difference tuned − base, eval loss and training pairs of each evaluated model: iteration_progress.png.

    Args:
        history: rows of history.csv that can be compared (`round_history.comparable`), at least one.
        path: of the PNG.
    """
    import pandas as pd

    columns = {"eval_answer_loss": "loss", "train_pairs": "pairs"}
    columns |= {f"primary_score_{part}": part for part in PARTS}
    rows = pd.DataFrame(history, columns=["round", *columns]).rename(columns=columns).astype(float)
    marks = as_marks(rows.assign(direction="↑"))
    with new_figure(path, 2.2 + 0.3 * len(rows), _progress_title(rows)) as figure:
        one = len(rows) == 1  # nothing to compare: the other numbers are written beside the score
        widths = [1] if one else [2, 1, 1]
        panels = figure.subplots(1, len(widths), sharey=True, squeeze=False, width_ratios=widths)
        score = panels[0, 0]
        changes = [
            f"{base:.3f} → {tuned:.3f}" if math.isfinite(base + tuned) else "no score"
            for base, tuned in zip(rows["base"], rows["finetuned"], strict=True)
        ]
        losses = [f"{x:.3f}" if math.isfinite(x) else "not measured" for x in rows["loss"]]
        if one:
            changes[0] += f"\nanswer loss, eval split: {losses[0]}\n{rows['pairs'][0]:,.0f} training pairs"
        draw_rows(score, marks, [f"round {number:.0f}" for number in rows["round"]], changes)
        score.axvline(0, color="black", linewidth=0.8, zorder=1)
        score.set_title("primary score, tuned − base, with 95 % interval")
        if not one:
            _draw_loss_and_pairs(*panels[0, 1:], marks, losses)
        add_legend(figure, marks, remark=textwrap.fill(_holdout_warning(history[-1]), LONGEST_LINE))


def _draw_loss_and_pairs(loss: "Axes", pairs: "Axes", marks: "pd.DataFrame", losses: Sequence[str]) -> None:
    """Draw the eval loss and the number of training pairs of each round beside its score."""
    import seaborn as sns

    sns.lineplot(marks, x="loss", y="row", orient="y", color=ORANGE, marker="s", ax=loss)
    add_notes(loss, losses)
    loss.set(title="answer loss, eval split ↓", xlabel="nats per token")
    sns.barplot(marks, x="pairs", y="row", orient="y", native_scale=True, color=LIGHT, ax=pairs)
    add_notes(pairs, (f"{number:,.0f}" for number in marks["pairs"]))
    pairs.set(title="training pairs", xlabel="")
    for axis in (loss, pairs):
        axis.locator_params(axis="x", nbins=3)


def _progress_title(rows: "pd.DataFrame") -> str:
    """The differences of the first and the last row in a sentence."""
    parts = []
    for row in rows.iloc[sorted({0, len(rows) - 1})].to_dict("records"):
        interval = f" ({row['ci_low']:+.3f} to {row['ci_high']:+.3f})" * math.isfinite(row["ci_low"])
        value = f"{row['difference']:+.3f}{interval}" if math.isfinite(row["difference"]) else "unknown"
        parts.append(f"{value} in round {row['round']:.0f}")
    return f"Primary score, tuned − base: {', '.join(parts)}"


def _holdout_warning(row: Mapping[str, Any]) -> str:
    """How much the repeated use of the holdout can bias the score of the last row."""
    best_of_models, selection_bias_bound = row["flattery_if_best_is_reported"], row["flattery_at_most"]
    if row["round"] == 1 or best_of_models is None:
        return "From the next iteration on, the holdout is no longer an unbiased test set."
    return (
        f"{row['round']} models were evaluated on this holdout: the best of equally good models is "
        f"overestimated by {best_of_models:.3f} on average, selecting data by the holdout overestimates the "
        f"score by at most {selection_bias_bound:.3f}. The eval split does not influence the data."
    )


def training_figure(log_records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Loss by optimizer step; below it learning rate, gradient norm and speed: training_curves.png.

    Args:
        log_records: lines of training_metrics.jsonl: `step` and any of loss, eval_loss, learning_rate,
            grad_norm, tokens_per_second. Panels without finite values are left out.
        path: of the PNG.
    """
    import pandas as pd
    import seaborn as sns

    log = pd.DataFrame(log_records, columns=["step", "loss", "eval_loss", *PANELS])
    log = log.apply(pd.to_numeric, errors="coerce").replace([math.inf, -math.inf], math.nan).set_index("step")
    curves = {name: values.dropna() for name, values in log.items()}
    panels = [name for name in PANELS if len(curves[name])]
    losses = len(curves["loss"]) + len(curves["eval_loss"]) > 0
    mosaic = [["losses"] * max(len(panels), 1)] * losses + [panels] * bool(panels)
    heights = [3.3] * losses + [1.7] * bool(panels)
    with new_figure(path, 0.6 + sum(heights), _training_title(curves["loss"], curves["eval_loss"])) as figure:
        axes = figure.subplot_mosaic(mosaic, height_ratios=heights) if mosaic else {}
        for name in panels:
            dot = "o" * (len(curves[name]) == 1)  # a line does not show a single point
            sns.lineplot(curves[name], color=GREY, marker=dot, errorbar=None, ax=axes[name])
            axes[name].set(title=PANELS[name], ylabel="", ylim=(0, None))
            axes[name].ticklabel_format(axis="y", scilimits=(-3, 5))
        if losses:
            _draw_losses(axes["losses"], curves["loss"], curves["eval_loss"])
        for axis in axes.values():
            axis.set(xlabel="optimizer step", xlim=(log.index.min() - 1, log.index.max() + 1))
            axis.xaxis.get_major_locator().set_params(integer=True)


def _draw_losses(axis: "Axes", loss: "pd.Series", eval_loss: "pd.Series") -> None:
    """Draw the training loss, its running mean over many steps, and the eval loss with its minimum."""
    import seaborn as sns

    many = len(loss) > MANY_STEPS
    if len(loss):
        style = {"color": LIGHT if many else BLUE, "linewidth": 1, "marker": "o" * (len(loss) == 1)}
        sns.lineplot(loss, errorbar=None, label="training loss" + ", each step" * many, ax=axis, **style)
    if many:  # over about a twentieth of the run, without a bias towards the first value
        mean = loss.ewm(alpha=1 / max(len(loss) / 20, 2)).mean()
        sns.lineplot(
            mean, color=BLUE, linewidth=2, errorbar=None, label="training loss, running mean", ax=axis
        )
    if len(eval_loss):
        sns.lineplot(eval_loss, color=ORANGE, marker="s", errorbar=None, label="eval loss", ax=axis)
        saved = [eval_loss.idxmin()], [eval_loss.min()]
        axis.plot(*saved, "o", markersize=12, markerfacecolor="none", markeredgecolor="black",
                  label=f"saved adapter, {eval_loss.min():.3f}")  # fmt: skip
        axis.legend()
    axis.set_ylabel("loss per token (nats)")


def _training_title(loss: "pd.Series", eval_loss: "pd.Series") -> str:
    """The main result of the losses in a sentence."""
    if len(eval_loss) > 1:
        last = eval_loss.index[-1]
        text = f"Eval loss {eval_loss.iloc[0]:.3f} → {eval_loss.iloc[-1]:.3f} over {counted(last, 'step')}"
        best = eval_loss.idxmin()
        ends = {0: ": never below the base model's", last: ", lowest at the end"}
        return text + ends.get(best, f", lowest ({eval_loss.min():.3f}) at step {best}")
    if len(eval_loss):
        return f"Eval loss {eval_loss.iloc[0]:.3f} at step {eval_loss.index[0]}"
    if len(loss):
        change = f"{loss.iloc[0]:.3f} → {loss.iloc[-1]:.3f} over {counted(int(loss.index[-1]), 'step')}"
        return f"Training loss {change}; no eval loss yet"
    return "No loss was recorded"
