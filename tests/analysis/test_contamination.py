"""Holdout questions that stand near the training data are found, marked, and counted out once more."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medqa.analysis import contamination
from medqa.analysis.comparison import compare
from medqa.analysis.paired_scores import add_primary_score
from medqa.data import dataset_io
from medqa.data.cleaning import Record
from medqa.data.normal_form import normal_form
from medqa.runtime.console import WarningLog

ANSWER = "Give adrenaline into the thigh at once and call for help without delay"


def split(folder: Path, pairs: dict[str, str], name: str = "train_dataset") -> Path:
    """A prepared split of one specialty."""
    records = [Record(f"id {q}", "skin", q, a, normal_form(q)) for q, a in pairs.items()]
    dataset_io.write(folder / name, records, lambda q, a: f"{q} {a}")
    return folder


@pytest.fixture
def holdout(tmp_path: Path):
    """Three pairs: one near a training question, one with a training answer, one far from everything."""
    pairs = {
        "How is acute anaphylaxis after a bee sting treated first?": "With adrenaline.",
        "Which medicine saves a life in shock?": ANSWER,
        "What does psoriasis look like?": "Silver scales.",
    }
    return dataset_io.load(split(tmp_path / "held", pairs, "holdout_dataset") / "holdout_dataset")


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """Training pairs near two of them."""
    return split(
        tmp_path / "datasets",
        {
            "How is acute anaphylaxis after a bee sting treated first today?": "Adrenaline it is.",
            "What do you do about swelling of the tongue?": ANSWER.upper() + ".",
            "What is acne?": "Silver scales.",
        },
    )


def tuned(folder: Path, datasets: Path, inputs: dict[str, str]) -> Path:
    """A tuned folder that says what it was trained on."""
    folder.mkdir()
    manifest = {"stage": "fine_tuning", "outputs": {}, "inputs": inputs, "learned": {}, "chat_template_sha256": "", "iteration": 1,
                "settings": {"default": {}, "given": {"DATASET_DIR": str(datasets)}}}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_near_questions_and_long_equal_answers_are_found(holdout, trained: Path) -> None:
    found = contamination.near_training(holdout, [trained])
    assert {id.removeprefix("id "): one["why"] for id, one in found.items()} == {
        "How is acute anaphylaxis after a bee sting treated first?": contamination.NEAR_QUESTION,
        "Which medicine saves a life in shock?": contamination.SAME_ANSWER,
    }
    likes = [one["like"] for one in found.values()]
    assert likes[0].endswith("first today?") and likes[1].endswith("of the tongue?")


def test_nothing_is_found_where_nothing_is(holdout, tmp_path: Path) -> None:
    assert (
        contamination.near_training(holdout, [split(tmp_path / "far", {"What is a stroke?": "A clot."})])
        == {}
    )
    assert contamination.near_training(holdout, [split(tmp_path / "empty", {})]) == {}


def test_the_data_that_the_model_was_trained_on_is_looked_at(trained: Path, tmp_path: Path) -> None:
    other = split(tmp_path / "other", {"What is a stroke?": "A clot."})
    assert contamination.training_folders(trained, tuned(tmp_path / "a", trained, {})) == ([trained], "")
    assert contamination.training_folders(trained, tuned(tmp_path / "b", other, {})) == ([trained, other], "")
    folders, unknown = contamination.training_folders(trained, tmp_path / "foreign")
    assert folders == [trained] and "does not record its training data" in unknown


def test_data_that_are_gone_are_told_unless_they_were_the_same(trained: Path, tmp_path: Path) -> None:
    from medqa.artifacts.atomic_io import sha256_of_file

    same = {
        f"gone/train_dataset/{path.name}": sha256_of_file(path)
        for path in (trained / "train_dataset").iterdir()
    }
    gone = tmp_path / "gone"
    assert contamination.training_folders(trained, tuned(tmp_path / "a", gone, same)) == ([trained], "")
    folders, unknown = contamination.training_folders(
        trained, tuned(tmp_path / "b", gone, {"gone/train_dataset/x": "0"})
    )
    assert folders == [trained] and "gone" in unknown and "is missing" in unknown


def test_a_merged_model_has_the_record_of_its_adapter(trained: Path, tmp_path: Path) -> None:
    merged = tmp_path / "merged"
    merged.mkdir()
    record = {"adapter_sha256": "ab"}
    (merged / "merged_from.json").write_text(json.dumps(record))  # as earlier versions wrote it
    assert "does not record" in contamination.training_folders(trained, merged)[1]
    other = split(tmp_path / "other", {"What is a stroke?": "A clot."})
    for datasets, expected in ((trained, [trained]), (other, [trained, other])):
        record["trained_on"] = {"DATASET_DIR": str(datasets), "train_sha256": []}
        (merged / "merged_from.json").write_text(json.dumps(record))
        assert contamination.training_folders(trained, merged) == (expected, "")
    record["trained_on"] = {"DATASET_DIR": str(tmp_path / "gone"), "train_sha256": ["0"]}
    (merged / "merged_from.json").write_text(json.dumps(record))
    assert "gone" in contamination.training_folders(trained, merged)[1]


def results(holdout) -> dict[str, pd.DataFrame]:
    """Tables in which the pair that is far alone got worse."""
    base = pd.DataFrame({"id": holdout["id"], "specialty": holdout["specialty"], "score": [0.2, 0.2, 0.5]})
    return {"base": base, "finetuned": base.assign(score=[0.9, 0.9, 0.4])}


def look(holdout, datasets: Path, tables: dict, warnings: WarningLog) -> dict:
    add_primary_score(tables, ["score"], ())
    return contamination.check_contamination(
        datasets,
        datasets.parent / "tuned",
        holdout,
        tables,
        lambda a, b: compare(a, b, ["score"], (), 0),
        warnings,
    )


def test_numbers_are_given_with_and_without(holdout, trained: Path, tmp_path: Path) -> None:
    tuned(tmp_path / "tuned", trained, {})
    tables, warnings = results(holdout), WarningLog()
    found = look(holdout, trained, tables, warnings)
    json.dumps(found, allow_nan=False)
    assert (found["questions"], found["of"], found["not_compared"]) == (2, 3, "")
    assert [pair["why"] for pair in found["pairs"]] == [
        contamination.NEAR_QUESTION,
        contamination.SAME_ANSWER,
    ]
    assert list(tables["base"]["near_training"]) == list(tables["finetuned"]["near_training"])
    assert list(tables["base"]["near_training"]) == [True, True, False]
    without = {row["metric"]: row for row in found["comparison_without"]}
    assert without["score"]["difference"] == pytest.approx(-0.1) and without["score"]["n"] == 1
    assert without["score"]["ci_low"] is None
    assert compare(*tables.values(), ["score"], (), 0)["difference"][0] > 0.4
    assert "2 of 3" in warnings.texts[0] and "Without them: " in warnings.texts[0]


def test_when_nothing_or_all_is_near(holdout, trained: Path, tmp_path: Path) -> None:
    tuned(tmp_path / "tuned", trained, {})
    warnings = WarningLog()
    for folder in (trained / "train_dataset").iterdir():
        folder.unlink()
    shutil.rmtree(trained / "train_dataset")
    split(trained, {"What is a stroke?": "A clot."})
    found = look(holdout, trained, results(holdout), warnings)
    assert found["questions"] == 0 and found["comparison_without"] == [] and warnings.texts == []
    shutil.rmtree(trained / "train_dataset")
    split(trained, dict(zip(holdout["question"], holdout["response"], strict=True)))
    found = look(holdout, trained, results(holdout), warnings)
    assert found["questions"] == 3 and found["comparison_without"] == []
    assert "No other question is left" in warnings.texts[0]
    assert not np.isnan(found["of"])
