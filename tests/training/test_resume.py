"""Start and resume of training: a resumed run equals an uninterrupted one, and foreign files are kept."""

import json
import math
import shutil
from pathlib import Path

import pytest
from conftest import adapter, same, tiny_training

from config import TrainingConfig
from fine_tuning import train
from medqa.artifacts import run_manifest
from medqa.runtime.errors import UserError
from medqa.training import export, trainer
from medqa.training.checkpointing import BEST, complete_checkpoints
from medqa.training.metrics_logger import METRICS_FILE, RUNNING_METRICS, read_records

ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Killed(BaseException):
    """What a test ends a training with."""


def train_until(config, monkeypatch, moment: str, step: int = 0) -> None:
    """Train, and be killed before or after the evaluation of a step, after it, or when all is trained."""
    evaluate, make_step = trainer.AnswerTrainer.evaluate, trainer.AnswerTrainer.training_step

    def evaluated(self, *given, **more):
        if (moment, step) == ("before evaluation", self.state.global_step):
            raise Killed
        found = evaluate(self, *given, **more)
        if (moment, step) == ("after evaluation", self.state.global_step):
            raise Killed
        return found

    def stepped(self, *given, **more):
        if (moment, step) == ("after step", self.state.global_step):
            raise Killed
        return make_step(self, *given, **more)

    def published(*_):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(trainer.AnswerTrainer, "evaluate", evaluated)
        patch.setattr(trainer.AnswerTrainer, "training_step", stepped)
        if moment == "before publishing":
            patch.setattr(export, "publish", published)
        train(config)


def losses(folder, file: str = METRICS_FILE) -> list[tuple]:
    """Step, loss and eval loss of each record."""
    return [(r["step"], r.get("loss"), r.get("eval_loss")) for r in read_records(folder / file)]


def content(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Six epochs whose best adapter is not the last one.
OVERFITTING = {
    "NUM_EPOCHS": 6, "LEARNING_RATE": 2e-2, "LORA_RANK": 16, "LORA_ALPHA": 32, "LORA_TARGET_MODULES": ALL, "EVAL_STEPS": 0,
    "EARLY_STOPPING_PATIENCE": 0,
}  # fmt: skip


@pytest.fixture
def overfitting(config):
    vars(config).update(OVERFITTING)
    return config


@pytest.fixture(scope="module")
def overfitted(tmp_path_factory, prepared, tiny_model) -> Path:
    """What the training of `overfitting` leaves when nothing disturbs it."""
    config = tiny_training(tmp_path_factory.mktemp("overfitted") / "results", prepared, tiny_model)
    vars(config).update(OVERFITTING)
    return train(config)


@pytest.mark.parametrize(
    ("save_steps", "moment", "step"),
    [
        pytest.param(50, "before evaluation", 36, marks=pytest.mark.long),
        (6, "before evaluation", 36),
        pytest.param(6, "after step", 33, marks=pytest.mark.long),
        pytest.param(0, "after evaluation", 30, marks=pytest.mark.long),
        pytest.param(4, "after evaluation", 30, marks=pytest.mark.long),
        (50, "before publishing", 0),
    ],
)
def test_a_killed_run_publishes_the_same_adapter(
    overfitting, overfitted, monkeypatch, save_steps, moment, step
):
    overfitting.SAVE_STEPS = save_steps
    best = min((loss, step) for step, _, loss in losses(overfitted) if loss is not None)[1]
    assert 6 < best < 36  # neither the first nor the last
    train_until(overfitting, monkeypatch, moment, step)
    resumed = train(overfitting)
    assert same(adapter(overfitted), adapter(resumed))
    assert losses(overfitted) == losses(resumed)
    seconds = [r["seconds"] for r in read_records(resumed / METRICS_FILE) if "seconds" in r]
    assert seconds == sorted(seconds)


def test_early_stopping_stays_stopped(overfitting, monkeypatch):
    overfitting.EARLY_STOPPING_PATIENCE, overfitting.NUM_EPOCHS = 1, 40
    train_until(overfitting, monkeypatch, "before publishing")
    output = Path(overfitting.OUTPUT_DIR)
    best, found = adapter(output / BEST), losses(output, RUNNING_METRICS)
    assert found[-1][0] < 240 and math.isfinite(found[-1][2])
    resumed = train(overfitting)
    assert losses(resumed) == found and same(adapter(resumed), best)


def test_a_finished_adapter_can_be_used_while_the_next_is_trained_and_both_go_on(
    config, finished, tmp_path, monkeypatch, capsys
):
    before = content(finished)
    other = TrainingConfig(**vars(config) | {"LORA_RANK": 4})
    wanted = train(TrainingConfig(**vars(other) | {"OUTPUT_DIR": str(tmp_path / "other")}))
    train_until(other, monkeypatch, "after step", 7)
    run_manifest.require_finished(finished, "fine_tuning", "")
    assert train(config) == finished and "is up to date" in capsys.readouterr().out
    now = content(finished)
    assert all(now[name] == before[name] for name in run_manifest.read_manifest(finished)["outputs"])
    resumed = train(other)
    assert "checkpoint-6; same data and settings, and the run had not finished" in capsys.readouterr().out
    assert same(adapter(wanted), adapter(resumed)) and losses(wanted) == losses(resumed)
    assert not (resumed / RUNNING_METRICS).exists()


def test_a_run_that_was_started_over_resumes_without_the_option(
    config, finished, trained, monkeypatch, capsys
):
    config.RESUME = "never"
    train_until(config, monkeypatch, "after step", 7)
    config.RESUME = "auto"
    capsys.readouterr()
    assert same(adapter(trained), adapter(train(config)))
    assert "Start: from" in (printed := capsys.readouterr().out) and "checkpoint-6" in printed
    train(config)
    assert "is up to date" in capsys.readouterr().out


def test_a_finished_adapter_that_lost_a_file_is_made_again(config, finished, capsys):
    output = finished
    whole, before = adapter(output), losses(output)
    (output / "adapter_model.safetensors").unlink()
    train(config)
    printed = capsys.readouterr().out
    assert (
        "checkpoint-12; " in printed
        and "adapter_model.safetensors is missing although fine_tuning had" in printed
    )
    (output / METRICS_FILE).write_text(
        '{"step": 0, "eval_loss": 1e-9}\n'
    )  # a record that is not to be believed
    train(config)
    assert same(whole, adapter(output)) and losses(output) == before
    (output / "README.md").write_text("other")
    for checkpoint in complete_checkpoints(output):
        shutil.rmtree(checkpoint)
    train(config)
    printed = capsys.readouterr().out
    assert (
        "Start: from the base model; " in printed
        and "README.md was changed after fine_tuning wrote it" in printed
    )
    assert same(whole, adapter(output)) and losses(output) == before


def test_foreign_files_are_refused(config, tmp_path):
    theirs = tmp_path / "results"
    (theirs / "checkpoint-500").mkdir(parents=True)
    (theirs / "checkpoint-500" / "model.bin").write_text("mine")
    (theirs / "README.md").write_text("mine")
    (theirs / "best_adapter").mkdir()
    before = content(theirs)
    with pytest.raises(
        UserError, match=r"README.md, best_adapter, checkpoint-500, which fine_tuning.py did not write"
    ):
        train(config)
    config.RESUME = "never"
    with pytest.raises(UserError, match="--OUTPUT_DIR"):
        train(config)
    assert content(theirs) == before
    config.OUTPUT_DIR = config.MODEL_NAME
    with pytest.raises(UserError, match=r"config.json, .* did not write"):
        train(config)


def test_a_copy_of_a_checkpoint_is_kept_and_a_wrong_setting_costs_none(config, monkeypatch):
    train_until(config, monkeypatch, "after step", 7)
    output = Path(config.OUTPUT_DIR)
    shutil.copytree(output / "checkpoint-6", output / "checkpoint-6-keep")
    config.RESUME, config.LORA_TARGET_MODULES = "never", ("q_porj",)
    with pytest.raises(UserError, match="no q_porj"):
        train(config)
    assert complete_checkpoints(output)[-1].name == "checkpoint-6"
    config.LORA_TARGET_MODULES = ("q_proj",)
    train(config)
    assert (output / "checkpoint-6-keep" / "trainer_state.json").exists()


def test_a_merged_model_replaces_nothing_but_a_merged_model(config, tmp_path, monkeypatch):
    base = tmp_path / "base"
    shutil.copytree(config.MODEL_NAME, base)
    config.MODEL_NAME = str(base)
    monkeypatch.chdir(tmp_path)
    for place, named in (
        (str(base), "MODEL_NAME"), (str(tmp_path), "OUTPUT_DIR"), (config.DATASET_DIR, "DATASET_DIR"),
        (config.OUTPUT_DIR, "OUTPUT_DIR"), (".", "OUTPUT_DIR"),
    ):  # fmt: skip
        config.MERGE_TO = place
        with pytest.raises(UserError, match=f"would replace {named}"):
            train(config)
    for place, why in (
        (f"{config.OUTPUT_DIR}/checkpoint-7", "removes"),
        (f"{base}/config.json/x", "is a file"),
    ):
        config.MERGE_TO = place
        with pytest.raises(UserError, match=why):
            train(config)
    assert not (tmp_path / "results").exists()  # known before the training
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    config.MERGE_TO = "link"
    for _ in range(2):
        train(config)
        weights = tmp_path / "disk" / "model.safetensors"
        assert weights.stat().st_mode == (tmp_path / "disk" / "config.json").stat().st_mode
        assert (tmp_path / "link").is_symlink()
    (tmp_path / "link").unlink()
    shutil.rmtree(tmp_path / "disk")
    config.MERGE_TO = str(tmp_path / "merged")
    train(config)
    (tmp_path / "merged").rename(tmp_path / "merged.old")
    (tmp_path / "merged.old" / "thesis.txt").write_text("mine")
    for _ in range(2):
        train(config)
        assert (tmp_path / "merged" / "model.safetensors").exists()
        assert (tmp_path / "merged.old" / "thesis.txt").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {
        "base",
        "datasets",
        "results",
        "merged",
        "merged.old",
    }


def test_the_head_gets_no_adapter(config):
    for names in (("q_proj", "lm_head"), ("q_proj", "layers.9.self_attn.v_proj")):
        config.LORA_TARGET_MODULES = names
        with pytest.raises(
            UserError, match=f"no {names[1]} to add an adapter to. The model has: down_proj, "
        ):
            train(config)
    config.LORA_TARGET_MODULES = ("layers.1.self_attn.v_proj",)
    assert all(".layers.1.self_attn.v_proj.lora_" in name for name in adapter(train(config)))


def test_the_dry_run_refuses_what_training_would(config, tmp_path):
    config.DRY_RUN, config.LORA_TARGET_MODULES = True, ("q_porj",)
    with pytest.raises(UserError, match="q_porj"):
        train(config)
    other = tmp_path / "other"
    shutil.copytree(config.MODEL_NAME, other)
    sizes = json.loads((other / "config.json").read_text())
    sizes["rope_parameters"] = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    (other / "config.json").write_text(json.dumps(sizes))
    config.MODEL_NAME, config.LORA_TARGET_MODULES = str(other), ("q_proj",)
    with pytest.raises(UserError, match="changes beyond 1024 tokens, fewer than MAX_SEQ_LENGTH 2048"):
        train(config)
    config.MAX_SEQ_LENGTH = 1024
    train(config)
    config.OUTPUT_DIR = config.DATASET_DIR
    with pytest.raises(UserError, match="has the output of dataset_preparation.py"):
        train(config)


def test_a_base_that_does_not_know_the_tokens_of_the_prompt_is_refused(config, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(config.MODEL_NAME, other)
    file = other / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["added_tokens"] = [one for one in tokenizer["added_tokens"] if one["content"] != "<|eot_id|>"]
    file.write_text(json.dumps(tokenizer))
    config.MODEL_NAME = str(other)
    with pytest.raises(UserError) as error:
        train(config)
    assert f"control tokens that {other} does not know (<|eot_id|>)" in str(error.value)
    assert "apply_chat_template" in str(error.value) and not (tmp_path / "results").exists()


def test_a_resumed_run_uses_the_new_save_steps(config, monkeypatch):
    config.SAVE_STEPS = 0
    train_until(config, monkeypatch, "after step", 7)
    config.SAVE_STEPS = 1
    train_until(config, monkeypatch, "after step", 11)
    assert complete_checkpoints(Path(config.OUTPUT_DIR))[-1].name == "checkpoint-11"


def test_a_partly_deleted_checkpoint_is_not_used(config, monkeypatch):
    from medqa.training import checkpointing

    train_until(config, monkeypatch, "after step", 7)
    output = Path(config.OUTPUT_DIR)

    def killed(folder):
        (folder / "adapter_config.json").unlink()
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpointing.shutil, "rmtree", killed)
        checkpointing.delete_checkpoint(complete_checkpoints(output)[-1])
    assert complete_checkpoints(output)[-1].name == "checkpoint-4"
    train(config)


def test_one_step_learns(config):
    config.NUM_EPOCHS, config.BATCH_SIZE = 1, 32
    output = train(config)
    (step,) = [record for record in read_records(output / METRICS_FILE) if "loss" in record]
    assert step["learning_rate"] == config.LEARNING_RATE
    assert any((weight != 0).any() for name, weight in adapter(output).items() if "lora_B" in name)


def test_wandb_that_cannot_start_is_a_user_error_and_costs_no_checkpoint(config, monkeypatch):
    from transformers.integrations import WandbCallback

    failure = type("CommError", (Exception,), {"__module__": "wandb.errors"})

    def setup(*_, **__):
        raise failure("no network\nat all")

    monkeypatch.setattr(WandbCallback, "setup", setup)
    train_until(config, monkeypatch, "after step", 7)
    config.USE_WANDB, config.RESUME = True, "never"
    with pytest.raises(UserError, match=r"\(no network\). Leave out --USE_WANDB, or try export WANDB"):
        train(config)
    assert complete_checkpoints(Path(config.OUTPUT_DIR))[-1].name == "checkpoint-6"


def test_a_training_that_replaces_a_finished_adapter_says_how_to_keep_it(finished, config, capsys):
    old = adapter(finished)
    config.NUM_EPOCHS = 1
    told = f"then replaced. To keep both, stop this run and give the new one another folder: --OUTPUT_DIR {finished}_new"
    train(config)
    assert told in capsys.readouterr().out and not same(adapter(finished), old)
    train(config)
    assert "is up to date" in (out := capsys.readouterr().out) and "replaced" not in out
    config.RESUME = "never"
    train(config)
    assert told in capsys.readouterr().out


def test_a_training_into_a_new_folder_or_over_an_unfinished_one_replaces_nothing(config, monkeypatch, capsys):
    train_until(config, monkeypatch, "after step", 3)
    train(config)
    assert "Start: from" in (out := capsys.readouterr().out) and "then replaced" not in out


def test_a_training_into_the_input_data_is_refused(config, specialty_files):
    before = content(specialty_files)
    for dry in (False, True):
        config.OUTPUT_DIR, config.DRY_RUN = str(specialty_files), dry
        with pytest.raises(UserError, match=rf"holds input data .*--OUTPUT_DIR {specialty_files}_results"):
            train(config)
    assert content(specialty_files) == before


def test_names_of_layers_with_a_comma_are_told_to_be_separated_with_spaces(config):
    config.LORA_TARGET_MODULES = ("q_proj,v_proj",)
    with pytest.raises(UserError, match="separate names with spaces: q_proj v_proj. The model has"):
        train(config)
    config.LORA_TARGET_MODULES = ("q_porj",)
    with pytest.raises(UserError, match="no q_porj to add an adapter to. The model has"):
        train(config)
