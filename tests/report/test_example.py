"""The example that the terminal shows at the end of an evaluation."""

import pandas as pd
import pytest
from evaluations import evaluation

from medqa.analysis.verdicts import WIDTH
from medqa.report.example import median_example


def tables(gains: list[float], **columns: list) -> dict[str, pd.DataFrame]:
    """Both results tables with these gains; question n has the id `idn`."""
    count = len(gains)
    base = {
        "question": [f"Question {n}?" for n in range(count)],
        "reference": ["Give aspirin 100 mg."] * count,
        "hypothesis": ["Aspirin."] * count,
        "specialty": ["cardiology"] * count,
        "id": [f"id{n}" for n in range(count)],
        "finish": ["stop"] * count,
        "primary_score": [0.25] * count,
    }
    tuned = {"hypothesis": ["Give aspirin."] * count, "primary_score": [0.25 + gain for gain in gains]}
    return {"base": pd.DataFrame(base), "finetuned": pd.DataFrame(base | tuned | columns)}


@pytest.mark.parametrize(
    ("gains", "chosen"),
    [
        ([0.3, -0.1, 0.1], 2),
        ([0.3, -0.1, 0.1, 0.2], 2),  # the lower of the two in the middle
        ([0.1, 0.1, 0.1, 0.5, 0.0], 1),  # of equal gains, by id
        ([float("nan"), 0.4, 0.5, 0.6], 2),
    ],
)
def test_the_question_with_the_median_gain_is_shown(gains, chosen):
    lines = median_example(tables(gains)).splitlines()
    assert f"(0.250 to {0.25 + gains[chosen]:.3f}), cardiology" in " ".join(lines[:2])
    assert lines[-4:] == [
        f"Question   Question {chosen}?",
        "Reference  Give aspirin 100 mg.",
        "Base       Aspirin.",
        "Tuned      Give aspirin.",
    ]


def test_without_a_primary_score_there_is_no_example():
    assert median_example(tables([float("nan")])) == ""


def test_a_long_answer_is_cut_and_what_ended_it_is_marked():
    long = tables([0.1], hypothesis=["word " * 400])
    assert median_example(long).endswith("word …")
    cut = tables([0.1], hypothesis=["half an"], finish=["length"])
    assert median_example(cut).endswith("Tuned      half an [length limit]")
    assert median_example(tables([0.1], hypothesis=[""])).endswith("Tuned      (empty)")


def test_no_answer_steers_the_terminal_or_leaves_its_columns():
    steering = tables([0.1], hypothesis=["\x1b[2Jgone\r\nover\u202e " + "a b " * 200])
    for text in (median_example(steering), median_example(dict(evaluation().tables))):
        assert all(line.isprintable() and len(line) <= WIDTH for line in text.splitlines())
