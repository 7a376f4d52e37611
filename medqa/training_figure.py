"""training_curves.png: loss, learning rate, gradient norm and speed by step. Numbers come from the log."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa import drawing
from medqa.drawing import BLUE, GREY, LIGHT, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Panels under the training losses.
PANELS = {
    "learning_rate": "learning rate",
    "grad_norm": "gradient norm",
    "tokens_per_second": "tokens per second",
}
# Training steps above which the loss is drawn with its running mean.
MANY_STEPS = 40


def training_figure(log_records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Loss by optimizer step, and below it learning rate, gradient norm and speed: training_curves.png.

    Args:
        log_records: lines of training_metrics.jsonl: `step` and any of loss, eval_loss, learning_rate,
            grad_norm, tokens_per_second. A panel without values is left out.
    """
    import matplotlib.style

    curves = {
        name: [(record["step"], record[name]) for record in log_records if _number(record.get(name))]
        for name in ("loss", "eval_loss", *PANELS)
    }
    losses = bool(curves["loss"] or curves["eval_loss"])
    present = [name for name in PANELS if curves[name]]
    heights = [3.3] * losses + [1.7] * bool(present)
    with matplotlib.style.context("default"):
        figure = drawing.new_figure(0.6 + sum(heights), _finding(curves))
        grid = figure.add_gridspec(max(len(heights), 1), max(len(present), 1), height_ratios=heights or [1])
        if losses:
            _losses(figure.add_subplot(grid[0, :]), curves["loss"], curves["eval_loss"])
        for place, name in enumerate(present):
            axis = figure.add_subplot(grid[-1, place])
            axis.plot(*zip(*curves[name], strict=True), color=GREY, linewidth=1, marker=_lonely(curves[name]))
            axis.set_title(PANELS[name], fontsize=9)
            axis.set_xlabel("optimizer step", fontsize=9)
            axis.tick_params(labelsize=8)
            axis.yaxis.get_offset_text().set_fontsize(8)
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.spines[["top", "right"]].set_visible(False)
            axis.ticklabel_format(axis="y", scilimits=(-3, 5))
            axis.set_ylim(bottom=0)
        drawing.save(figure, path)


def _losses(axis: "Axes", loss: Sequence[tuple[int, float]], eval_loss: Sequence[tuple[int, float]]) -> None:
    """The training loss with its running mean, and the eval loss with its lowest point marked."""
    if loss:
        steps, values = zip(*loss, strict=True)
        many = len(loss) > MANY_STEPS
        axis.plot(steps, values, color=LIGHT if many else BLUE, linewidth=1, marker=_lonely(loss),
                  label="training loss" + ", each step" * many)  # fmt: skip
        if many:
            axis.plot(
                steps, _running_mean(values), color=BLUE, linewidth=1.8, label="training loss, running mean"
            )
    if eval_loss:
        steps, values = zip(*eval_loss, strict=True)
        axis.plot(steps, values, color=ORANGE, marker="s", markersize=5, linewidth=1.5, label="eval loss")
        best = min(range(len(values)), key=values.__getitem__)
        axis.annotate(
            f"{values[best]:.3f}, saved",
            (steps[best], values[best]),
            textcoords="offset points",
            xytext=(0, 9),
            horizontalalignment="center",
            fontsize=9,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    axis.set_ylabel("loss per token (nats)")
    axis.set_xlabel("optimizer step")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color=LIGHT, linewidth=0.4)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(fontsize=9, edgecolor="none")


def _finding(curves: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """What the losses show, in a sentence."""
    loss, eval_loss = curves["loss"], curves["eval_loss"]
    if len(eval_loss) > 1:
        first, last = eval_loss[0][1], eval_loss[-1]
        best = min(eval_loss, key=lambda point: point[1])
        text = f"Eval loss {first:.3f} → {last[1]:.3f} over {last[0]} steps"
        if best[0] == 0:
            return f"{text}: never below the base model's"
        if best[0] == last[0]:
            return f"{text}, lowest at the end"
        return f"{text}, lowest ({best[1]:.3f}) at step {best[0]}"
    if eval_loss:
        return f"Eval loss {eval_loss[0][1]:.3f} at step {eval_loss[0][0]}"
    if loss:
        return (
            f"Training loss {loss[0][1]:.3f} → {loss[-1][1]:.3f} over {loss[-1][0]} steps; no eval loss yet"
        )
    return "No loss was recorded"


def _number(value: object) -> bool:
    """Whether a logged value can be drawn."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def _lonely(points: Sequence[object]) -> str:
    """The mark of a curve: a dot when it is a single point, which a line would not show."""
    return "o" if len(points) == 1 else ""


def _running_mean(values: Sequence[float]) -> list[float]:
    """Exponential running mean over about a twentieth of the run, without a bias towards the first value."""
    keep = 1 - 1 / max(len(values) / 20, 2)
    total = weight = 0.0
    means = []
    for value in values:
        total, weight = keep * total + value, keep * weight + 1
        means.append(total / weight)
    return means
