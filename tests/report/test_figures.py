"""Figures: same bytes for same numbers, nothing cut off, nothing on top of another."""

import math
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from config import EvaluationConfig
from medqa.analysis import round_history, verdicts
from medqa.analysis.by_specialty import by_specialty
from medqa.analysis.comparison import compare
from medqa.analysis.paired_scores import add_primary_score
from medqa.analysis.recommendations import Thresholds, recommend
from medqa.artifacts import history_csv
from medqa.report import plots
from medqa.runtime.cli import select

METRICS = ("ROUGE-L", "bertscore_f1", "exact_match", "dose_error", "answer_loss", "meteor")
PRIMARY = ("ROUGE-L", "bertscore_f1")
LESS = {"dose_error", "answer_loss"}


def results(
    specialties: int, questions: int = 10, name: str = "specialty"
) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    """Comparison, specialties and recommendations of a made-up holdout; meteor applies to nothing."""
    random = np.random.default_rng(specialties)
    rows = np.repeat(np.arange(specialties), questions)
    theta, difficulty = random.normal(0, 0.07, specialties)[rows], random.normal(0, 0.1, len(rows))
    tables = {}
    for role, gain in (("base", 0.0), ("finetuned", 0.03)):
        scores = {
            metric: 0.4 + theta + difficulty + gain + random.normal(0, 0.03, len(rows)) for metric in METRICS
        }
        scores["exact_match"] = (random.random(len(rows)) < 0.1).astype(float)
        scores["dose_error"] = (random.random(len(rows)) < 0.2 - gain).astype(float)
        scores["answer_loss"] = scores["answer_loss"] + 1.5
        scores["meteor"] = np.full(len(rows), np.nan)
        names = [f"{name}_{row:02d}" for row in rows]
        tables[role] = pd.DataFrame({"id": np.arange(len(rows)), "specialty": names, **scores})
    used = add_primary_score(tables, PRIMARY, LESS)
    comparison = compare(*tables.values(), METRICS, LESS, 0)
    performance, spread = by_specialty(*tables.values(), METRICS, 0.02)
    half, pool = (dict.fromkeys(performance["specialty"], value) for value in (0.5, 40))
    thresholds = select(EvaluationConfig(), Thresholds)
    advice = recommend(performance, spread, comparison, half, pool, 0, thresholds)
    return comparison, performance, advice | {"primary_metrics": used}


def training_log(steps: int) -> list[dict[str, float]]:
    """Lines as training writes them, the eval loss rising again at the end."""
    random = np.random.default_rng(0)
    lines = []
    for step in range(1, steps + 1):
        line = {"step": step, "loss": 2 / step**0.05 + random.normal(0, 0.05)}
        line |= {"learning_rate": 2e-4 * (1 - step / steps), "grad_norm": 0.5, "tokens_per_second": 11000.0}
        lines.append(line)
        if step % 50 == 0:
            lines.append({"step": step, "eval_loss": 1.6 + (step / steps - 0.6) ** 2})
    return lines


@pytest.fixture(autouse=True)
def draw_all(whole_figures) -> Iterator[None]:
    """The tests of this file look at the figures."""
    with whole_figures():
        yield


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures as they are saved, for a look at their texts."""
    saved: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure,
        "savefig",
        lambda figure, *args, **kwargs: (saved.append(figure), save(figure, *args, **kwargs)),
    )
    return saved


def texts_of(figure: Figure) -> list[str]:
    """All that is written in a figure."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible()]


def assert_readable(figure: Figure) -> None:
    """All that is drawn lies inside the figure, and names of rows neither touch nor meet their numbers."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    drawn, whole = figure.get_tightbbox(renderer), figure.bbox_inches
    assert drawn.x0 > -0.02 and drawn.x1 < whole.x1 + 0.02
    assert drawn.y0 > -0.02 and drawn.y1 < whole.y1 + 0.02
    for axis in figure.axes:
        beside = [text.get_window_extent(renderer) for text in axis.texts if not text.get_text()[0].isdigit()]
        names = [label.get_window_extent(renderer) for label in axis.get_yticklabels()]
        for boxes in (beside, names if len(names) == len(beside) else []):
            boxes.sort(key=lambda box: box.y0)
            assert all(lower.y1 <= upper.y0 for lower, upper in zip(boxes, boxes[1:], strict=False))


@pytest.mark.parametrize("specialties", [1, 3, 42, pytest.param(80, marks=pytest.mark.long)])
def test_specialty_figure_is_readable(specialties: int, tmp_path: Path, drawn: list[Figure]) -> None:
    name = "paediatric_and_adolescent_gastroentero"[:37]
    _, performance, advice = results(specialties, name=name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.specialty_figure(performance, tmp_path / "figure.png", advice)
    assert_readable(drawn[0])
    texts = texts_of(drawn[0])
    names = [label.get_text() for label in drawn[0].axes[0].get_yticklabels()]
    assert len(names) == specialties and all(text.startswith(name.replace("_", " ")) for text in names)
    assert sum(text.startswith("n = 10") for text in texts) == specialties
    assert sum(text.startswith("n = 10, low") for text in texts) == len(advice["low_performance_specialties"])
    assert drawn[0].get_suptitle().replace("\n", " ") == advice["summary"]
    # A line at the mean of all says nothing about a single one.
    assert ("mean of tuned" in texts) == (specialties > 1)
    with Image.open(tmp_path / "figure.png") as image:
        assert image.width == 1350 and image.height < 150 * (3 + 0.3 * specialties)


def test_specialties_are_sorted_and_marked(tmp_path: Path, drawn: list[Figure]) -> None:
    _, performance, advice = results(42)
    assert advice["low_performance_specialties"]
    plots.specialty_figure(performance, tmp_path / "figure.png", advice)
    names = [label.get_text() for label in drawn[0].axes[0].get_yticklabels()]
    ranked = performance.sort_values("shrunken_mean", ascending=False)["specialty"].str.replace("_", " ")
    assert names == list(ranked)
    # Where a ranking would follow chance, the order is that of the alphabet.
    plots.specialty_figure(performance, tmp_path / "figure.png", advice | {"heterogeneity_p": 0.5})
    names = [label.get_text() for label in drawn[1].axes[0].get_yticklabels()]
    assert names == sorted(names)
    marks = next(part for part in drawn[0].axes[0].collections if isinstance(part, PathCollection))
    orange = (marks.get_facecolors() == to_rgba(plots.ORANGE)).all(axis=1)
    low = performance[performance["specialty"].isin(advice["low_performance_specialties"])]
    assert set(marks.get_offsets()[orange, 0]) == set(low["shrunken_mean"])
    # Markers say the same: seaborn gives every mark its own path.
    assert len({path.vertices.shape for path in np.array(marks.get_paths(), object)[orange]}) == 1


def test_endless_names_are_cut_in_the_middle(tmp_path: Path, drawn: list[Figure]) -> None:
    _, performance, advice = results(3, name="x" * 100)
    plots.specialty_figure(performance, tmp_path / "figure.png", advice)
    assert_readable(drawn[0])
    names = [label.get_text() for label in drawn[0].axes[0].get_yticklabels()]
    assert all(len(name) == 44 and "…" in name for name in names)
    assert {name[-3:] for name in names} == {" 00", " 01", " 02"}


@pytest.mark.filterwarnings("error", "ignore:Glyph")
def test_names_of_any_script_are_drawn_as_they_are(tmp_path: Path, drawn: list[Figure]) -> None:
    names = ["Кардиология", "Νευρολογία", "طب الأطفال", "小児科", "_hidden", "$a$_{b} \\frac 100 %", "<b>&"]
    _, performance, advice = results(len(names))
    performance = performance.assign(specialty=names)
    plots.specialty_figure(
        performance, tmp_path / "figure.png", advice | {"regressed_specialties": names[:1]}
    )
    assert_readable(drawn[0])
    labels = {label.get_text() for label in drawn[0].axes[0].get_yticklabels()}
    assert labels == {name.replace("_", " ") for name in names} and "n = 10, worse" in texts_of(drawn[0])


def test_what_has_no_interval_is_a_mark_alone(tmp_path: Path, drawn: list[Figure]) -> None:
    _, performance, advice = results(4)
    performance.loc[0, "primary_score_n"] = 0
    performance.loc[1, ["shrunken_ci_low", "shrunken_ci_high"]] = math.nan
    plots.specialty_figure(performance, tmp_path / "figure.png", advice)
    assert_readable(drawn[0])
    assert len(drawn[0].axes[0].get_yticklabels()) == 3
    plots.specialty_figure(performance.assign(primary_score_n=0), tmp_path / "figure.png", advice)
    assert drawn[1].axes == [] and drawn[1].get_suptitle()


def test_specialty_figure_without_shrinkage(tmp_path: Path, drawn: list[Figure]) -> None:
    _, performance, advice = results(5, questions=1)
    plots.specialty_figure(performance, tmp_path / "figure.png", advice)
    assert_readable(drawn[0])
    assert drawn[0].axes[0].get_xlabel() == "primary score (mean of ROUGE-L, bertscore_f1)"


def test_comparison_figure_says_what_was_found(tmp_path: Path, drawn: list[Figure]) -> None:
    comparison, _, _ = results(42)
    plots.comparison_figure(comparison, tmp_path / "figure.png", "Better: the score")
    assert_readable(drawn[0])
    assert drawn[0].get_suptitle() == "Better: the score"
    texts = texts_of(drawn[0])
    assert "ROUGE-L ↑" in texts and "answer_loss ↓" in texts and "meteor ↑" not in texts
    assert drawn[0].axes[-1].get_xlabel().endswith("each panel has its own scale\nwithout a value: meteor")
    # answer_loss lies above 1, and the interval of a rate is wide: each has a scale of its own.
    alone = [[label.get_text() for label in axis.get_yticklabels()] for axis in drawn[0].axes[1:]]
    assert ["answer_loss ↓"] in alone and ["dose_error ↓"] in alone
    assert drawn[0].axes[0].get_yticklabels()[0].get_text() == "primary_score ↑"


def test_comparison_without_any_number(tmp_path: Path, drawn: list[Figure]) -> None:
    comparison, _, _ = results(2)
    nothing = comparison.assign(n=0, difference=math.nan, base=math.nan, finetuned=math.nan)
    plots.comparison_figure(nothing, tmp_path / "figure.png", "Nothing")
    assert drawn[0].get_suptitle() == "Nothing"
    assert "not applicable" in verdicts.comparison_text(nothing)


@pytest.mark.parametrize(
    "lines",
    [
        training_log(400),
        training_log(7),
        [],
        [{"step": 3, "loss": 1.2, "eval_loss": None}],
        [{"step": 1, "grad_norm": 0.1, "loss": math.nan}],
    ],
)
def test_training_figure_draws_what_is_there(lines: list, tmp_path: Path, drawn: list[Figure]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.training_figure(lines, tmp_path / "figure.png")
    assert_readable(drawn[0])
    panels = {axis.get_title() for axis in drawn[0].axes}
    assert ("gradient norm" in panels) == any("grad_norm" in line for line in lines)


def test_training_figure_names_the_best_step(tmp_path: Path, drawn: list[Figure]) -> None:
    plots.training_figure(training_log(400), tmp_path / "figure.png")
    assert drawn[0].get_suptitle() == "Eval loss 1.826 → 1.760 over 400 steps, lowest (1.601) at step 250"
    assert "saved adapter, 1.601" in texts_of(drawn[0])
    plots.training_figure(training_log(7), tmp_path / "figure.png")
    assert "no eval loss yet" in drawn[1].get_suptitle()


def test_training_figure_says_when_the_base_was_never_beaten(tmp_path: Path, drawn: list[Figure]) -> None:
    lines = [{"step": step, "eval_loss": 2.0 + step} for step in (0, 5, 10)]
    plots.training_figure(lines, tmp_path / "figure.png")
    title = "Eval loss 2.000 → 12.000 over 10 steps: never below the base model's"
    assert drawn[0].get_suptitle() == title


def rounds(number: int, **of_the_last) -> list[history_csv.Row]:
    """Rounds of which each gains 0.01; the second has no eval loss."""
    rows = [
        {"round": n, "train_pairs": 1000 * n, "eval_answer_loss": None if n == 2 else 1.6 - 0.01 * n,
         "flattery_if_best_is_reported": 0.001, "flattery_at_most": 0.02, "primary_score_base": 0.1,
         "primary_score_finetuned": 0.1 + 0.01 * n, "primary_score_difference": 0.01 * n,
         "primary_score_ci_low": 0.01 * n - 0.015, "primary_score_ci_high": 0.01 * n + 0.015}
        for n in range(1, number + 1)
    ]  # fmt: skip
    rows[-1] |= of_the_last
    return rows


@pytest.mark.parametrize("number", [1, 2, 10, pytest.param(30, marks=pytest.mark.long)])
def test_progress_figure_is_readable(number: int, tmp_path: Path, drawn: list[Figure]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.progress_figure(rounds(number), tmp_path / "figure.png")
    assert_readable(drawn[0])
    texts = texts_of(drawn[0])
    if number == 1:
        assert "0.100 → 0.110\nanswer loss, eval split: 1.590\n1,000 training pairs" in texts
    else:
        assert f"0.100 → {0.1 + 0.01 * number:.3f}" in texts and f"{1000 * number:,}" in texts
    assert texts.count("not measured") == (number > 1)
    assert ("tuned is better" in texts) == (number > 1) and "no detectable difference" in texts
    first = "+0.010 (-0.005 to +0.025) in round 1"
    last = "" if number == 1 else f", +{0.01 * number:.3f}"
    title = drawn[0].get_suptitle().replace("\n", " ")
    assert title.startswith(f"Primary score, tuned − base: {first}{last}")
    [warning] = [text for text in texts if "holdout" in text]
    assert warning.startswith(
        "From the next iteration" if number == 1 else f"{number} models were evaluated on this holdout"
    )


def test_progress_figure_of_rounds_without_a_score(tmp_path: Path, drawn: list[Figure]) -> None:
    nothing = dict.fromkeys(f"primary_score_{part}" for part in round_history.PARTS)
    for rows in (rounds(1, **nothing), rounds(3, **nothing)):
        plots.progress_figure(rows, tmp_path / "figure.png")
        assert_readable(drawn[-1])
        texts = texts_of(drawn[-1])
        assert any(text.startswith("no score") for text in texts) and not any("nan" in text for text in texts)
        assert f"unknown in round {len(rows)}" in drawn[-1].get_suptitle().replace("\n", " ")


def test_a_long_training_loss_has_a_running_mean(tmp_path: Path, drawn: list[Figure]) -> None:
    lines = [{"step": step, "loss": float(step > 50)} for step in range(1, 101)]
    plots.training_figure(lines, tmp_path / "figure.png")
    each, mean = drawn[0].axes[0].lines
    assert "running mean" in mean.get_label() and list(each.get_ydata()) == [line["loss"] for line in lines]
    # No bias towards the first value, and over about a twentieth of the run.
    assert set(mean.get_ydata()[:50]) == {0.0} and mean.get_ydata()[-1] > 0.99


@pytest.mark.long
def test_same_numbers_give_same_bytes_whatever_the_users_matplotlib_settings(tmp_path: Path) -> None:
    import matplotlib

    comparison, performance, advice = results(3)
    users = {"font.size": 25, "axes.facecolor": "black", "savefig.dpi": 30}
    for name, settings in (("plain", {}), ("styled", users)):
        (tmp_path / name).mkdir()
        with matplotlib.rc_context(settings):
            plots.comparison_figure(comparison, tmp_path / name / "comparison.png", "Better")
            plots.specialty_figure(performance, tmp_path / name / "specialty.png", advice)
            plots.training_figure(training_log(60), tmp_path / name / "training.png")
            plots.progress_figure(rounds(3), tmp_path / name / "progress.png")
            assert matplotlib.rcParams["font.size"] == settings.get("font.size", 10)
    for path in (tmp_path / "plain").iterdir():
        assert path.read_bytes() == (tmp_path / "styled" / path.name).read_bytes()
        with Image.open(path) as image:
            assert set(image.info) <= {"dpi"}


def test_importing_the_rooms_is_light() -> None:
    """`--help` of the scripts must not wait for matplotlib, scipy or pandas."""
    code = (
        "import sys, medqa.report.plots, medqa.analysis.verdicts, medqa.analysis.comparison, medqa.analysis.recommendations;"
        "print([name for name in ('matplotlib', 'scipy', 'pandas', 'seaborn') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_figures_need_no_display_and_open_no_window() -> None:
    """Even where the user's settings ask for windows; seaborn imports pyplot, but no figure is managed by it."""
    code = (
        "from medqa.report import plots; plots.training_figure([], '/dev/null');"
        "import matplotlib.pyplot as plt, sys; print(plt.get_fignums(), 'tkinter' in sys.modules)"
    )
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"} | {
        "MPLBACKEND": "TkAgg"
    }
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, env=environment
    )
    assert done.stdout.strip() == "[] False", done.stderr
