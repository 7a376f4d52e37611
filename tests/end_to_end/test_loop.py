"""Evaluate → recommend → prepare → train → evaluate: what stays, what grows, and what is remembered."""

import json
import shlex
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from config import DatasetConfig, EvaluationConfig, TrainingConfig
from dataset_preparation import create_datasets
from evaluation import evaluate
from fine_tuning import train
from medqa.artifacts import history_csv
from medqa.artifacts.atomic_io import sha256_of_files
from medqa.data import iterations
from medqa.report import terminal
from medqa.runtime.cli import next_command
from medqa.runtime.errors import UserError


def look(config: EvaluationConfig, **changes) -> dict:
    return evaluate(EvaluationConfig(**vars(config) | {name: str(value) for name, value in changes.items()}))


@pytest.fixture(scope="module")
def loop(tmp_path_factory, specialty_files, tiny_model, whole_figures):
    """Two rounds in the same folders; the first one's recommendation is set by hand."""
    folder = tmp_path_factory.mktemp("loop")
    data = DatasetConfig(DATA_DIR=str(specialty_files), OUTPUT_DIR=str(folder / "datasets"),
                         HOLDOUT_SAMPLES_PER_SPECIALTY=4)  # fmt: skip
    training = TrainingConfig(MODEL_NAME=str(tiny_model), DATASET_DIR=str(folder / "datasets"), NUM_EPOCHS=1,
                              OUTPUT_DIR=str(folder / "results"), LEARNING_RATE=1e-2)  # fmt: skip
    config = EvaluationConfig(BASE_MODEL_PATH=str(tiny_model), FINETUNED_MODEL_PATH=str(folder / "results"),
                              DATASET_DIR=str(folder / "datasets"), OUTPUT_DIR=str(folder / "evaluation_results"),
                              MAX_NEW_TOKENS=8, BERTSCORE_MODEL="")  # fmt: skip
    output = Path(config.OUTPUT_DIR)

    first_splits = create_datasets(data)
    ids = {name: list(split["id"]) for name, split in zip(("holdout", "train"), first_splits, strict=False)}
    held = sha256_of_files(folder / "datasets" / "holdout_dataset")
    train(training)
    first = evaluate(config)
    alone = history_csv.read(output)
    again = evaluate(config)
    rerun = history_csv.read(output)

    path = output / "training_recommendations.json"
    path.write_text(json.dumps(first | {"recommended_sample_increases": {"cardiology": 0.8}}))
    data.RECOMMENDATIONS = str(path)
    splits = create_datasets(data)
    train(training)
    with whole_figures():
        second = evaluate(config)
    return SimpleNamespace(
        folder=folder, data=data, config=config, output=output, ids=ids, held=held, first=first, again=again,
        alone=alone, rerun=rerun, second=second, splits=splits, rows=history_csv.read(output),
    )  # fmt: skip


def test_the_holdout_keeps_its_bytes_and_train_grows_only_where_asked(loop) -> None:
    assert sha256_of_files(loop.folder / "datasets" / "holdout_dataset") == loop.held
    assert set(loop.ids["train"]) < set(loop.splits[1]["id"])
    new = [row["specialty"] for row in loop.splits[1] if row["id"] not in set(loop.ids["train"])]
    assert len(new) == 6 and set(new) == {"cardiology"}


def test_a_rerun_takes_the_place_of_its_row(loop) -> None:
    assert loop.rerun == loop.alone and len(loop.alone) == 1
    assert loop.again["holdout_use"]["rounds"] == loop.first["holdout_use"]["rounds"] == 1


def test_each_round_is_a_row_with_what_it_was_and_found(loop) -> None:
    one, two = loop.rows
    assert (one["round"], one["iteration"], two["round"], two["iteration"]) == (1, 1, 2, 2)
    assert one["holdout"] == two["holdout"] and one["scale"] == two["scale"]
    assert one["data_version"] != two["data_version"] and one["model"] != two["model"]
    assert two["shares"] == {"cardiology": 0.8, "dermatology": 0.5, "neurology": 0.5}
    assert two["train_pairs"] - one["train_pairs"] == 6 and two["questions"] == 12
    for part in ("base", "finetuned", "difference", "ci_low", "ci_high"):
        assert isinstance(two[f"ROUGE-L_{part}"], float)
    # The same base, judged by the same lexicon: nothing but the adapter moves a score.
    assert one["primary_score_base"] == two["primary_score_base"]
    assert {"history.csv", "iteration_progress.png"} <= {path.name for path in loop.output.iterdir()}


def test_the_advice_says_how_often_the_holdout_was_used(loop) -> None:
    use = loop.second["holdout_use"]
    assert use["rounds"] == 2 and "Evaluation 2" in use["note"] and use["flattery_at_most"] > 0
    assert [row["round"] for row in loop.second["history"]] == [1, 2]
    assert loop.second["near_training"]["questions"] == 0
    assert loop.second["near_training"]["not_compared"] == ""


def test_a_round_in_a_folder_of_its_own_knows_the_earlier_ones(loop) -> None:
    look(loop.config, OUTPUT_DIR=loop.folder / "own")
    assert history_csv.read(loop.folder / "own")[0] == loop.rows[0]
    assert [row["round"] for row in history_csv.read(loop.folder / "own")] == [1, 2]


def test_history_names_what_the_data_do_not_know(loop) -> None:
    copy = loop.folder / "data without a history"
    shutil.copytree(loop.folder / "datasets", copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    assert [row["round"] for row in manifest.pop("history")] == [1]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert look(loop.config, DATASET_DIR=copy, OUTPUT_DIR=loop.folder / "a")["holdout_use"]["rounds"] == 1
    told = look(loop.config, DATASET_DIR=copy, OUTPUT_DIR=loop.folder / "b", HISTORY=loop.output)
    assert told["holdout_use"]["rounds"] == 2
    with pytest.raises(UserError, match="No such file"):
        look(loop.config, OUTPUT_DIR=loop.folder / "c", HISTORY="nowhere.csv")
    assert not (loop.folder / "c").exists()  # refused before an answer was generated


def test_a_partial_run_recommends_nothing_and_adds_no_round(loop) -> None:
    output = loop.folder / "partial"
    config = EvaluationConfig(
        **vars(loop.config) | {"OUTPUT_DIR": str(output), "LIMIT": 5, "SPREAD_WHEN_FLAT": 0.2}
    )
    advice = evaluate(config)
    assert advice["partial"] and not advice["recommended_sample_increases"]
    assert not advice["low_performance_specialties"] and not advice["regressed_specialties"]
    assert [row["round"] for row in history_csv.read(output)] == [1]
    assert history_csv.read(output)[0] == loop.rows[0]


def test_scoring_anew_is_no_new_round_even_when_data_and_weights_have_moved_on(loop) -> None:
    """The answers of round 2, scored after the data went on and the weights are gone."""
    output = loop.folder / "scored"
    shutil.copytree(loop.output, output)
    nowhere = {"BASE_MODEL_PATH": "/nowhere/base", "FINETUNED_MODEL_PATH": "/nowhere/results"}
    data = loop.folder / "moved on"
    shutil.copytree(loop.folder / "datasets", data)
    create_datasets(DatasetConfig(**vars(loop.data) | {"OUTPUT_DIR": str(data), "RECOMMENDATIONS": "",
                                                       "SPECIALTY_SAMPLE_PERCENTAGES": {"neurology": 0.9}}))  # fmt: skip
    config = EvaluationConfig(
        **vars(loop.config)
        | nowhere
        | {"OUTPUT_DIR": str(output), "DATASET_DIR": str(data), "SCORE_ONLY": True}
    )
    evaluate(config)
    rows = history_csv.read(output)
    assert [(row["round"], row["model"], row["shares"]) for row in rows] == [
        (row["round"], row["model"], row["shares"]) for row in loop.rows
    ]


def test_a_model_trained_on_holdout_questions_is_found_out(loop, specialty_files, tiny_model) -> None:
    """Other splits of the same files: what is held out here was trained on there."""
    other = loop.folder / "other"
    create_datasets(
        DatasetConfig(DATA_DIR=str(specialty_files), OUTPUT_DIR=str(other), HOLDOUT_SAMPLES_PER_SPECIALTY=4,
                      RANDOM_SEED=1, INITIAL_TRAIN_PERCENTAGE=1.0)
    )  # fmt: skip
    results = loop.folder / "results of other"
    train(
        TrainingConfig(
            MODEL_NAME=str(tiny_model), DATASET_DIR=str(other), OUTPUT_DIR=str(results), NUM_EPOCHS=1
        )
    )
    advice = look(loop.config, FINETUNED_MODEL_PATH=results, OUTPUT_DIR=loop.folder / "leaked")
    near = advice["near_training"]
    assert 0 < near["questions"] <= near["of"] == 12
    assert near["compared_with"][1] == str(other / "train_dataset")
    without = {row["metric"]: row for row in near["comparison_without"]}
    assert without["answer_loss"]["n"] == 12 - near["questions"]
    table = (loop.folder / "leaked" / "base_model_results.csv").read_text()
    assert table.splitlines()[0].split(",").count("near_training") == 1 and ",True," in table


def test_the_command_for_the_next_round_names_the_folder_that_was_evaluated() -> None:
    words = "python dataset_preparation.py --OUTPUT_DIR {} --RANDOM_SEED 7"
    assert terminal.in_folder(words.format("first/place"), "a copy") == words.format("'a copy'")
    assert terminal.in_folder("prepare", "copy") == "prepare --OUTPUT_DIR copy"
    for default in (DatasetConfig().OUTPUT_DIR, f"./{DatasetConfig().OUTPUT_DIR}"):
        assert terminal.in_folder("prepare", default) == "prepare"
    assert terminal.in_folder("", "copy") == ""


def test_the_command_for_the_next_round_works_in_another_directory(tmp_path, monkeypatch) -> None:
    for folder in ("project/model", "project/data", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "project/dataset_preparation.py").touch()
    monkeypatch.chdir(tmp_path / "project")
    recorded = iterations.command({"DATA_DIR": "data", "TOKENIZER": "model", "RANDOM_SEED": 7})
    hub = iterations.command({"DATA_DIR": "data", "TOKENIZER": "owner/name"})
    script = "python dataset_preparation.py --DATA_DIR data --TOKENIZER"
    monkeypatch.setattr(sys, "argv", ["evaluation.py"])
    assert terminal.in_folder(recorded, "datasets") == f"{script} model --RANDOM_SEED 7"
    assert terminal.in_folder(hub, "datasets") == f"{script} owner/name"
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(sys, "argv", ["../project/evaluation.py"])
    line = shlex.split(terminal.in_folder(recorded, "../project/datasets"))
    assert line[1] == "../project/dataset_preparation.py" and line[-2:] == [
        "--OUTPUT_DIR",
        "../project/datasets",
    ]
    assert line[3:6:2] == [str(tmp_path / "project/data"), str(tmp_path / "project/model")]
    given = {"BASE_MODEL_PATH": "a b"}
    assert next_command("dataset_preparation.py", EvaluationConfig, given) == (
        "python ../project/dataset_preparation.py --BASE_MODEL_PATH 'a b'"
    )
