"""A folder that version 0.2.0 prepared stays finished and can be continued; its ids are those of normal form 1."""

import json
import shutil
from pathlib import Path

import pytest

import dataset_preparation
from config import DatasetConfig
from dataset_preparation import create_datasets, update_training_data
from medqa.artifacts import run_manifest
from medqa.data import dataset_io, dataset_stats, iterations
from medqa.data.cleaning import identity
from medqa.data.normal_form import normal_form

OLDER = Path(__file__).with_name("version_0_2_0")


@pytest.fixture
def config(tmp_path: Path) -> DatasetConfig:
    """Settings for a copy of the folder and its input."""
    shutil.copytree(OLDER, tmp_path, dirs_exist_ok=True)
    data, output = tmp_path / "input", tmp_path / "datasets"
    return DatasetConfig(DATA_DIR=str(data), OUTPUT_DIR=str(output), HOLDOUT_SAMPLES_PER_SPECIALTY=8)


def ids(config: DatasetConfig) -> dict[str, list[str]]:
    """The ids of each split."""
    return {name: dataset_io.ids(Path(config.OUTPUT_DIR) / path) for name, path in dataset_io.SPLITS.items()}


def test_it_is_up_to_date_and_usable(config: DatasetConfig, capsys: pytest.CaptureFixture[str]) -> None:
    create_datasets(config)
    assert "is up to date" in capsys.readouterr().out
    manifest = run_manifest.require_finished(Path(config.OUTPUT_DIR), "dataset_preparation", "")
    assert "normal_form" not in manifest
    stats = dataset_stats.read_stats(Path(config.OUTPUT_DIR))
    assert dataset_stats.notes_for_card(stats) == []
    assert dataset_stats.pool_sizes(Path(config.OUTPUT_DIR)).keys() == {"oncology", "osteology"}


def test_it_keeps_its_ids_when_it_is_continued(config: DatasetConfig) -> None:
    before = ids(config)
    splits = update_training_data(config, {"oncology": 1.0})
    after = ids(config)
    assert after["holdout"] == before["holdout"] and after["eval"] == before["eval"]
    assert set(before["train"]) < set(after["train"])
    assert sorted(sum(after.values(), [])) == sorted(sum(before.values(), []))
    rows = [row for split in splits for row in split]
    assert all(row["id"] == identity(normal_form(row["question"], 1)) for row in rows)
    assert any(row["id"] != identity(normal_form(row["question"])) for row in rows)
    manifest = json.loads((Path(config.OUTPUT_DIR) / "manifest.json").read_text())
    assert (manifest["normal_form"], manifest["iteration"]) == (1, 2)
    assert manifest["changes"] == ["share of oncology"]


def test_new_pairs_are_compared_in_its_normal_form(config: DatasetConfig) -> None:
    path = Path(config.DATA_DIR) / "dataset_with_answers_oncology.json"
    pairs = json.loads(path.read_text())
    pairs["Is a T-score of 1.5 normal in oncology?"] = "A twin in version 1, another question in version 2."
    path.write_text(json.dumps(pairs))
    create_datasets(config)
    stats = dataset_stats.read_stats(Path(config.OUTPUT_DIR))
    assert stats["rejected_by_reason"] == {"same question, conflicting answer": 1}


def test_a_folder_of_normal_form_2_keeps_it(config: DatasetConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(config.DATA_DIR) / "dataset_with_answers_oncology.json"
    pairs = json.loads(path.read_text())
    path.write_text(
        json.dumps(pairs | {"Is HER2 – treated with antibodies?": "No, HER2 positive cancer is."})
    )
    config.OUTPUT_DIR += "_2"
    for module in (dataset_preparation, iterations):
        monkeypatch.setattr(module, "VERSION", 2)
    create_datasets(config)
    monkeypatch.undo()
    before = ids(config)
    path.write_text(json.dumps(pairs | {"Is HER2 treated with antibodies?": "It is, and this is longer."}))
    rows = [row for split in update_training_data(config, {"oncology": 1.0}) for row in split]
    assert ids(config)["holdout"] == before["holdout"]
    assert set(before["train"]) <= set(ids(config)["train"])
    assert all(row["id"] == identity(normal_form(row["question"], 2)) for row in rows)
    assert json.loads((Path(config.OUTPUT_DIR) / "manifest.json").read_text())["normal_form"] == 2
