"""iteration_progress.png: what the rounds on one holdout brought. Numbers come from medqa/history.py."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours of Okabe & Ito, as in the other figures.
BLUE, ORANGE, GREY, LIGHT = "#0072B2", "#D55E00", "#6B6B6B", "#BDBDBD"
LONGEST_LINE = 92
MOST_TICKS = 20
SCORE = "primary_score"


def progress_figure(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Difference tuned − base by round with 95 % intervals; the eval split's loss, and the training pairs.

    Args:
        rows: rounds that can be compared (`history.comparable`), at least one.
        path: of the PNG.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    numbers = [row["round"] for row in rows]
    ticks = numbers[:: -(-len(numbers) // MOST_TICKS)]
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(9.0, 6.2), dpi=150, layout="constrained")
        title = textwrap.fill(_finding(rows), LONGEST_LINE)
        figure.suptitle(title, fontsize=11.5, fontweight="bold")
        grid = figure.add_gridspec(2, 2, height_ratios=[1.5, 1])
        score, loss, pairs = (figure.add_subplot(grid[place]) for place in ((0, slice(None)), (1, 0), (1, 1)))
        _differences(score, rows)
        _line(loss, rows, "eval_answer_loss", ORANGE, "s", "{:.3f}")
        loss.set_title("second witness: answer loss on the eval split, nats per token ↓", fontsize=9)
        _line(pairs, rows, "train_pairs", GREY, "o", "{:,}")
        pairs.set_title("training pairs", fontsize=9)
        # The axis begins at 0, with room for a number above the highest.
        pairs.update_datalim([(numbers[0], 0)])
        pairs.autoscale()
        pairs.set_ylim(bottom=0)
        for axis in (score, loss, pairs):
            axis.set_xlabel("round", fontsize=9)
            axis.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
            axis.set_xticks(ticks)
            axis.spines[["top", "right"]].set_visible(False)
            axis.grid(axis="y", color=LIGHT, linewidth=0.4)
            axis.set_axisbelow(True)
            axis.tick_params(labelsize=8.5)
        figure.supxlabel(textwrap.fill(_warning(rows[-1]), LONGEST_LINE + 20), fontsize=8.5, color=GREY)
        figure.savefig(path, format="png", metadata={"Software": None})


def _differences(axis: "Axes", rows: Sequence[dict[str, Any]]) -> None:
    """Tuned − base of the primary score, a mark and an interval per round."""
    for row in rows:
        value, low, high = (row.get(f"{SCORE}_{part}") for part in ("difference", "ci_low", "ci_high"))
        if value is None:
            continue
        if low is not None:
            axis.plot([row["round"]] * 2, [low, high], color=BLUE, linewidth=2, zorder=2)
        axis.plot(row["round"], value, color=BLUE, marker="o", markersize=7, zorder=3)
        numbers = f"{row[f'{SCORE}_base']:.3f} → {row[f'{SCORE}_finetuned']:.3f}"
        axis.annotate(numbers, (row["round"], value), xytext=(9, 0), textcoords="offset points", fontsize=8.5,
                      verticalalignment="center")  # fmt: skip
    axis.axhline(0, color="black", linewidth=0.8, zorder=1)
    axis.margins(y=0.12)
    axis.set_title("primary score, tuned − base, with 95 % interval; base → tuned beside it", fontsize=9)


def _line(
    axis: "Axes", rows: Sequence[dict[str, Any]], name: str, color: str, marker: str, form: str
) -> None:
    """One column by round, each value beside its mark."""
    points = [(row["round"], row[name]) for row in rows if row.get(name) is not None]
    if not points:
        axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, horizontalalignment="center")
        return
    axis.plot(*zip(*points, strict=True), color=color, marker=marker, linewidth=1.5)
    for place, value in points:
        axis.annotate(form.format(value), (place, value), xytext=(0, 7), textcoords="offset points",
                      fontsize=8.5, horizontalalignment="center")  # fmt: skip
    axis.margins(y=0.3)


def _finding(rows: Sequence[dict[str, Any]]) -> str:
    """The last round in a sentence, and the first beside it when there are several."""

    def said(row: dict[str, Any]) -> str:
        value, low = row.get(f"{SCORE}_difference"), row.get(f"{SCORE}_ci_low")
        if value is None:
            return f"round {row['round']} has none"
        interval = "" if low is None else f" ({low:+.3f} to {row[f'{SCORE}_ci_high']:+.3f})"
        return f"{value:+.3f}{interval} in round {row['round']}"

    ends = rows[-1:] if len(rows) == 1 else [rows[0], rows[-1]]
    return f"Primary score over the base model's: {', '.join(map(said, ends))}"


def _warning(row: dict[str, Any]) -> str:
    """What repeated use of the holdout may do to the last round's score."""
    best, most = row.get("flattery_if_best_is_reported"), row.get("flattery_at_most")
    if row["round"] == 1 or best is None or most is None:
        return "From the next round on the holdout has steered training, and is no test that it has not seen."
    return (
        f"{row['round']} rounds used this holdout: choosing the best of them flatters by {best:.3f} on "
        f"average, steering by it by at most {most:.3f}. The eval split steered no data."
    )
