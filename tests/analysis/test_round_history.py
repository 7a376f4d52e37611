"""History of the evaluations on one holdout: identity of rows, merging, reading and writing history.csv."""

import json
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest

from medqa.analysis import round_history
from medqa.artifacts import history_csv
from medqa.generation.settings import GenerationSettings
from medqa.runtime.console import WarningLog
from medqa.runtime.errors import UserError


def row(number: int, holdout: str = "h", **more) -> dict:
    """Round `number`, evaluated on day `number`."""
    return {
        "first_evaluated": f"2026-01-{number:02d}T00:00:00+00:00", "iteration": number, "data_version": f"d{number}",
        "model": f"m{number}", "holdout": holdout, "scale": "s", "train_pairs": 100 * number,
        "shares": {"skin, hair": 0.5, "heart": 0.1 * number}, "primary_metrics": ["ROUGE-L"], "low": number,
        "eval_answer_loss": None, "flattery_if_best_is_reported": 0.001, "flattery_at_most": 0.02,
        "primary_score_base": 0.1, "primary_score_finetuned": 0.1 + 0.01 * number,
        "primary_score_difference": 0.01 * number, "primary_score_ci_low": 0.0, "primary_score_ci_high": 0.04,
    } | more  # fmt: skip


def rounds(rows: list[dict]) -> list[tuple[int, str]]:
    return [(one["round"], one["model"]) for one in rows]


def test_a_new_round_is_added_and_a_rerun_takes_its_own_place() -> None:
    rows = history_csv.merged([row(1), row(2)], [row(3)])
    assert rounds(rows) == [(1, "m1"), (2, "m2"), (3, "m3")]
    again = history_csv.merged(rows, [row(1, first_evaluated="2026-02-01T00:00:00+00:00", low=7)])
    assert rounds(again) == [(1, "m1"), (2, "m2"), (3, "m3")]
    assert again[0]["low"] == 7 and again[0]["first_evaluated"] == row(1)["first_evaluated"]


def test_another_model_on_the_same_data_is_another_use_of_the_holdout() -> None:
    rows = history_csv.merged([row(1)], [row(1, model="other", first_evaluated="2026-01-05T00:00:00+00:00")])
    assert rounds(rows) == [(1, "m1"), (2, "other")]


def test_each_holdout_has_its_own_numbers() -> None:
    rows = history_csv.merged([row(1), row(2, "other"), row(3)])
    assert [(one["holdout"], one["round"]) for one in rows] == [("h", 1), ("other", 1), ("h", 2)]
    assert rounds(round_history.earlier(rows, row(4))) == [(1, "m1"), (2, "m3")]


def test_before_a_rerun_stand_the_rounds_before_it() -> None:
    rows = history_csv.merged([row(1), row(2), row(3)])
    assert rounds(round_history.earlier(rows, row(2))) == [(1, "m1")]
    assert round_history.earlier(rows, row(1)) == [] and len(round_history.earlier(rows, row(4))) == 3


def test_only_rows_of_the_same_scale_are_compared() -> None:
    rows = history_csv.merged([row(1, scale="old"), row(2), row(3, "other"), row(4)])
    assert [one["model"] for one in round_history.comparable(rows)] == ["m2", "m4"]
    assert round_history.comparable([]) == []


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    rows = history_csv.merged([row(1), row(2, extra_difference=-1e-17, note=None)])
    (tmp_path / history_csv.FILE).write_text(history_csv.text(rows), encoding="utf-8")
    read = history_csv.read(tmp_path)
    assert [{k: v for k, v in one.items() if v is not None} for one in read] == [
        {k: v for k, v in one.items() if v is not None} for one in rows
    ]
    assert (
        history_csv.text(read) == history_csv.text(history_csv.merged(read, read)) == history_csv.text(rows)
    )
    table = pd.read_csv(tmp_path / history_csv.FILE)
    assert list(table["primary_score_difference"]) == [0.01, 0.02]
    assert json.loads(table["shares"][0]) == {"heart": 0.1, "skin, hair": 0.5}


def test_fingerprints_that_look_like_numbers_stay_texts(tmp_path: Path) -> None:
    rows = history_csv.merged([row(1, model="123456789012", data_version="1e5000000000")])
    (tmp_path / history_csv.FILE).write_text(history_csv.text(rows), encoding="utf-8")
    assert history_csv.read(tmp_path / history_csv.FILE)[0]["model"] == "123456789012"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("round,low\n1,2\n", "a row needs first_evaluated"),
        ("not a table", None),
        (history_csv.text([row(1)]).replace(",100,", ",much,"), "damaged"),
        (history_csv.text([row(1)]) + "1,2\n", "a row needs|damaged"),
    ],
)
def test_something_else_is_refused_or_empty(tmp_path: Path, content: str, said: str | None) -> None:
    path = tmp_path / history_csv.FILE
    path.write_text(content, encoding="utf-8")
    if said is None:
        assert history_csv.read(path) == []
    else:
        with pytest.raises(UserError, match=said):
            history_csv.read(path)


def test_no_such_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        history_csv.read(tmp_path / "nowhere.csv")


def test_a_history_in_recommendations_is_checked() -> None:
    assert history_csv.checked([], Path("a")) == []
    for wrong in ({}, [1], [{"low": 1}], [row(1) | {"low": "many"}]):
        with pytest.raises(UserError, match="a row needs"):
            history_csv.checked(wrong, Path("a"))


def test_a_rerun_keeps_the_data_that_the_model_was_first_evaluated_with() -> None:
    later = row(
        1, first_evaluated="2026-02-01T00:00:00+00:00", iteration=2, data_version="d2", train_pairs=7, low=9
    )
    for rows in (history_csv.merged([row(1)], [later]), history_csv.merged([later], [row(1)])):
        assert (rows[0]["iteration"], rows[0]["data_version"], rows[0]["train_pairs"]) == (1, "d1", 100)
    assert history_csv.merged([row(1)], [later])[0]["low"] == 9


def test_rows_become_a_table_without_missing_values() -> None:
    rows = round_history.table_rows(history_csv.merged([row(1), row(2, primary_score_difference=None)]))
    assert rows[0] == ("1", "100", "0.110", "+0.010", "+0.000, +0.040", "-")
    assert rows[1][:4] == ("2", "200", "0.120", "-")


@pytest.mark.parametrize("mixed", [False, True])
def test_a_history_of_another_holdout_is_told(mixed, prepared, tmp_path) -> None:
    own = GenerationSettings(
        **{field.name: None for field in fields(GenerationSettings)}
        | {"dataset_dir": str(prepared), "output_dir": str(tmp_path / "out")}
    )
    rows = [row(1, "other"), *[row(2, round_history._holdout(own))] * mixed]
    (tmp_path / history_csv.FILE).write_text(history_csv.text(history_csv.merged(rows)), encoding="utf-8")
    warnings = WarningLog()
    known = round_history.known_rows(str(tmp_path), own, {}, warnings)
    assert len(known) == len(rows) and len(warnings.texts) == (not mixed)
    assert round_history.known_rows("", own, {}, warnings) == []
    if not mixed:
        assert f"HISTORY {tmp_path} is of another holdout than that of {prepared}" in warnings.texts[0]
        assert "its 1 round counts" in warnings.texts[0]
