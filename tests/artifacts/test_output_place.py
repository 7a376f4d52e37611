"""A stage writes into a folder of its own; the refusal names one that is free."""

import json
import shlex
from pathlib import Path

import pytest

from medqa.artifacts.output_place import free_folder, require_place
from medqa.runtime.errors import UserError


@pytest.mark.parametrize(
    ("stage", "name", "told"),
    [
        ("fine_tuning", "dataset_with_answers_cardiology.json", "input data"),
        ("fine_tuning", "dataset_with_answers_a b.csv", "input data"),
        ("fine_tuning", "holdout_dataset", "prepared datasets"),
        ("fine_tuning", "predictions", "an evaluation"),
        ("evaluation", "dataset_with_answers_cardiology.jsonl", "input data"),
        ("evaluation", "dataset_stats.json", "prepared datasets"),
        ("evaluation", "adapter_config.json", "a trained model"),
        ("evaluation", "checkpoint-4", "a trained model"),
        ("evaluation", "merged_from.json", "a trained model"),
        ("evaluation", "model-Q8_0.gguf", "a trained model"),
        ("evaluation", "model-00001-of-00004.safetensors", "a trained model"),
    ],
)
def test_other_content_is_refused_with_a_free_folder(stage, name, told, tmp_path):
    folder = tmp_path / "my work"
    folder.mkdir()
    (folder / name).write_text("")
    (tmp_path / f"my work_{'results' if stage == 'fine_tuning' else 'evaluation'}").mkdir()
    with pytest.raises(UserError) as error:
        require_place(folder, stage)
    assert f"holds {told} ({name}), and {stage}.py" in str(error.value)
    option, suggested = shlex.split(str(error.value).split("such as: ")[1])
    assert option == "--OUTPUT_DIR" and suggested.endswith("_2") and not Path(suggested).exists()


@pytest.mark.parametrize("stage", ["fine_tuning", "evaluation"])
@pytest.mark.parametrize("other", ["dataset_preparation", "fine_tuning", "evaluation"])
def test_the_manifest_of_another_stage_is_refused(stage, other, tmp_path):
    manifest = {"stage": other, "settings": {}, "learned": {}, "chat_template_sha256": "", "iteration": 1}
    manifest |= {"outputs": {}, "inputs": {}, "changes": [], "shares": {}, "short_of_pairs": {}, "growth": []}
    manifest |= {"train_samples": {}, "command": "", "system_message": ""}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    if stage == other:
        require_place(tmp_path, stage)
    else:
        with pytest.raises(UserError, match=rf"has the output of {other}\.py.*--OUTPUT_DIR {tmp_path}_"):
            require_place(tmp_path, stage)


@pytest.mark.parametrize(
    ("stage", "names"),
    [
        (
            "fine_tuning",
            ["adapter_config.json", "checkpoint-3", "training_metrics.running.jsonl", "notes.txt"],
        ),
        ("evaluation", ["predictions", "training_recommendations.json", "history.csv", "notes.txt"]),
    ],
)
def test_own_output_and_new_folders_are_accepted(stage, names, tmp_path):
    require_place(tmp_path / "none", stage)
    for name in names:
        (tmp_path / name).write_text("")
    require_place(tmp_path, stage)


def test_a_free_folder_has_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert free_folder(Path("."), "results") == "results"
    assert free_folder(Path("data"), "results") == "data_results"
    assert free_folder(Path("../.."), "evaluation") == "evaluation"
