"""The training loop: the adapter does not depend on the packing, the ranks or an interruption."""

import json
import math
import shutil
import socket
import time
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from conftest import adapter, close, run_in_two, same, start_in_two
from hypothesis import given, strategies as st

from config import TrainingConfig
from fine_tuning import train
from medqa.artifacts import atomic_io
from medqa.modeling.tokenization import Example
from medqa.runtime.cli import select
from medqa.runtime.errors import Failed, UserError
from medqa.training import resume
from medqa.training.batch_sampler import OptimizerStepSampler, split_across_ranks
from medqa.training.checkpointing import complete_checkpoints
from medqa.training.metrics_logger import METRICS_FILE, RUNNING_METRICS, read_records

LENGTHS = [10 + 37 * index % 90 for index in range(23)]


def options(config: TrainingConfig) -> list[str]:
    """A config as a command line."""
    line = []
    for name, value in vars(config).items():
        values = value if isinstance(value, tuple) else (value,)
        line += [f"--{name}", *map(str, values)] if value != "" else []
    return line


def test_every_step_has_each_sequence_once_over_all_ranks():
    for processes in (1, 2, 3):
        each = [list(OptimizerStepSampler(LENGTHS, 6, 1, process, processes)) for process in range(processes)]
        assert [len(one) for one in each] == [4] * processes
        steps = [sorted(index for one in each for index in one[step]) for step in range(4)]
        assert [len(step) for step in steps] == [6, 6, 6, 5]
        assert sorted(sum(steps, [])) == list(range(23))
        alone = [sorted(step) for step in OptimizerStepSampler(LENGTHS, 6, 1, 0, 1)]
        assert steps == alone


@given(st.lists(st.integers(1, 2048), min_size=1, max_size=64), st.integers(1, 9))
def test_ranks_get_about_the_same_number_of_tokens(lengths, processes):
    dealt = split_across_ranks(range(len(lengths)), lengths, processes)
    assert sorted(sum(dealt, [])) == list(range(len(lengths)))
    tokens = [sum(lengths[index] for index in share) for share in dealt]
    best = max(max(lengths), math.ceil(sum(lengths) / processes))
    assert max(tokens) - min(tokens) <= max(lengths) and max(tokens) <= 2 * best


def test_epochs_differ_and_repeat():
    steps = OptimizerStepSampler(LENGTHS, 6, 1, 0, 1)
    first = list(steps)
    steps.epoch = 1
    assert list(steps) != first
    steps.epoch = 0
    assert list(steps) == first


def test_training_saves_the_best_adapter_and_all_records(trained):
    output = trained
    names = {path.name for path in output.iterdir() if not path.name.startswith("checkpoint-")}
    assert names == {
        "adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "tokenizer_config.json",
        "training_config.json", "training_metrics.jsonl", "training_curves.png", "README.md", "manifest.json",
        "chat_template.jinja", "generation_config.json",
    }  # fmt: skip
    records = read_records(output / "training_metrics.jsonl")
    losses = [record["eval_loss"] for record in records if "eval_loss" in record]
    assert min(losses) < losses[0]
    assert json.loads((output / "training_config.json").read_text())["NUM_EPOCHS"] == 2
    best = min((r for r in records if "eval_loss" in r), key=lambda r: r["eval_loss"])["step"]
    assert same(adapter(output), adapter(output / f"checkpoint-{best}"))


def test_the_packing_of_a_step_does_not_change_the_adapter(config, tmp_path):
    vars(config).update(NUM_EPOCHS=1, EVAL_STEPS=0, SAVE_STEPS=0)
    whole = adapter(train(config))
    for number, changes in enumerate(
        ({"TOKENS_PER_BATCH": 1}, {"TOKENS_PER_BATCH": 300},
         {"BATCH_SIZE": 1, "GRADIENT_ACCUMULATION_STEPS": 4}, {"GRADIENT_CHECKPOINTING": "on"})
    ):  # fmt: skip
        other = TrainingConfig(**vars(config) | changes | {"OUTPUT_DIR": str(tmp_path / str(number))})
        assert close(whole, adapter(train(other)), 1e-3), changes


def test_out_of_memory_halves_the_passes_and_changes_nothing(config, trained, tmp_path, monkeypatch, capsys):
    from medqa.training import trainer

    collate = trainer.collate

    def small_card(examples, device):
        if sum(len(example.input_ids) for example in examples) > 400:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return collate(examples, device)

    monkeypatch.setattr(trainer, "collate", small_card)
    config.OUTPUT_DIR, config.EVAL_STEPS, config.SAVE_STEPS = str(tmp_path / "small"), 0, 0
    with pytest.raises(torch.OutOfMemoryError):  # the eval split comes first and is not halved
        train(config)
    monkeypatch.setattr(trainer.AnswerTrainer, "answer_loss", lambda self, examples: {"x": (1.0, 1)})
    config.RESUME = "never"
    train(config)
    assert "Out of memory: from now on up to" in capsys.readouterr().out
    last = max((tmp_path / "small").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    assert close(adapter(trained / last.name), adapter(last), 1e-3)
    assert adapter(trained).keys() == adapter(last).keys()


def test_a_sequence_that_does_not_fit_fails_with_one_sentence(config, monkeypatch):
    from medqa.training import trainer

    def full_card(examples, device):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(trainer, "collate", full_card)
    monkeypatch.setattr(trainer.AnswerTrainer, "answer_loss", lambda self, examples: {"x": (1.0, 1)})
    with pytest.raises(Failed, match=r"a sequence of \d+ tokens\. Try --GRADIENT_CHECKPOINTING on"):
        train(config)


def test_out_of_memory_on_one_of_two_ranks_names_the_command_to_resume():
    from medqa.training.trainer import AnswerTrainer

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    trainer = AnswerTrainer.__new__(AnswerTrainer)
    vars(trainer).update(
        accelerator=SimpleNamespace(reduce=lambda numbers, reduction: numbers), _forward_backward=full,
        model=torch.nn.Linear(1, 1),
        args=SimpleNamespace(device="cpu", world_size=2), metrics_logger=SimpleNamespace(), stop_requested=False,
        tokens_per_pass=4096,
    )  # fmt: skip
    example = Example("q", "cardiology", np.arange(300, dtype=np.int32), 100)
    with pytest.raises(Failed, match="the same command and --TOKENS_PER_BATCH 2048"):
        trainer.training_step(torch.nn.Linear(1, 1), {"examples": [example]})


def test_all_ranks_use_the_plan_of_the_fullest_gpu_and_compile_only_together(config, monkeypatch):
    """One process with dequantized weights and one without would hang in DDP."""
    from medqa.modeling.device import Device
    from medqa.training import lora, memory_plan

    asked = []

    def choose(_settings, _sizes, _tokens, *of_the_cards):
        asked.append(of_the_cards)
        return memory_plan.Plan(4096, False, ""), False

    monkeypatch.setattr(lora, "free_memory", lambda name: {"cuda:1": 70}[name])
    monkeypatch.setattr(memory_plan, "has_compiler", lambda: True)
    monkeypatch.setattr(lora, "gather_object", lambda mine: [(50, True), (80, False), *mine])
    monkeypatch.setattr(memory_plan, "plan_forward_pass", choose)
    settings = select(config, memory_plan.MemorySettings)
    for does in ("use_packed_loss", "prepare_layers"):
        monkeypatch.setattr(lora, does, lambda *_: None)
    card = Device("cuda:1", "bfloat16", "")
    assert lora.configure_for_memory(settings, SimpleNamespace(config=None), card, 10_000, False) == 4096
    assert asked == [(50, False, False)]


@pytest.mark.long
def test_two_processes_train_the_same_adapter_as_one(config, tmp_path):
    alone = adapter(train(config))
    config.OUTPUT_DIR, config.BATCH_SIZE = str(tmp_path / "two"), 1
    done = run_in_two("fine_tuning.py", *options(config))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Trained: ") == 1  # only the first process speaks
    assert "in all, 4 sequences each\n" in done.stdout
    assert close(alone, adapter(tmp_path / "two"), 1e-3)


@pytest.mark.long
@pytest.mark.parametrize(
    "changes", [{}, {"BASE_PRECISION": "nf4", "GRADIENT_CHECKPOINTING": "on", "TOKENS_PER_BATCH": 300}]
)
def test_a_sharded_base_on_two_ranks_trains_the_same_adapter_as_one(config, tmp_path, changes):
    vars(config).update(changes)
    alone = adapter(train(config))
    vars(config).update(OUTPUT_DIR=str(tmp_path / "two"), BATCH_SIZE=1)
    launch = ("--config_file", "launch/fsdp_qlora.yaml")
    done = run_in_two("fine_tuning.py", *options(config), launch=launch)
    assert (done.returncode, done.stderr) == (0, "")
    assert "FSDP: each of 2 processes holds a shard" in done.stdout
    assert close(alone, adapter(tmp_path / "two"), 1e-3)


@pytest.mark.long
def test_two_machines_train_the_same_adapter_as_one(config, tmp_path):
    alone = adapter(train(config))
    config.OUTPUT_DIR, config.BATCH_SIZE = str(tmp_path / "two"), 1
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    of_both = ("--num_machines", "2", "--main_process_ip", "127.0.0.1", "--main_process_port", port)
    machines = [
        start_in_two("fine_tuning.py", *options(config), machines=(*of_both, "--machine_rank", rank))
        for rank in "01"
    ]
    try:
        outputs = [machine.communicate(timeout=300) for machine in machines]
    finally:
        for machine in machines:
            machine.kill()
    assert [machine.returncode for machine in machines] == [0, 0], outputs
    assert outputs[0][0].count("Waiting for the other machines") == 1 and outputs[1][0] == ""
    assert close(alone, adapter(tmp_path / "two"), 1e-3)


def test_ranks_that_find_different_values_all_stop(monkeypatch):
    mine = {"start": "results/checkpoint-6", "train_dataset": ["a" * 64], "NUM_EPOCHS": 3}
    other = mine | {"start": "from the beginning", "train_dataset": ["b" * 64]}
    monkeypatch.setattr(resume, "gather_object", lambda own: [mine, mine, other])
    with pytest.raises(UserError) as error:
        resume.assert_same_across_ranks(mine)
    assert "process 2" in str(error.value) and "same folders" in str(error.value)
    assert "(start: from the beginning there, results/checkpoint-6 here; " in str(error.value)
    assert "train_dataset: bbbbbbbb there, aaaaaaaa here)" in str(error.value)
    monkeypatch.setattr(resume, "gather_object", lambda own: own * 3)
    resume.assert_same_across_ranks(mine)


@pytest.mark.long
def test_a_signal_to_one_of_two_ranks_stops_both_and_a_single_one_resumes(config, tmp_path):
    """A sharded base on two ranks, then a whole one on one rank: the adapter of an uninterrupted run."""
    vars(config).update(
        BASE_PRECISION="nf4", NUM_EPOCHS=20, EVAL_STEPS=60, SAVE_STEPS=1000, LEARNING_RATE=1e-3
    )
    alone = adapter(train(config))
    two = TrainingConfig(**vars(config) | {"OUTPUT_DIR": str(tmp_path / "two"), "BATCH_SIZE": 1})
    launched = start_in_two(
        "fine_tuning.py", *options(two), launch=("--config_file", "launch/fsdp_qlora.yaml")
    )
    metrics, deadline = tmp_path / "two" / RUNNING_METRICS, time.monotonic() + 120
    while (not metrics.exists() or metrics.read_text().count('"loss"') < 3) and time.monotonic() < deadline:
        time.sleep(0.02)
    ranks = {
        child.environ().get("RANK"): child for child in psutil.Process(launched.pid).children(recursive=True)
    }
    ranks["1"].terminate()
    output, errors = launched.communicate(timeout=120)
    assert launched.returncode != 0, output
    (stopped,) = complete_checkpoints(tmp_path / "two")
    assert 3 <= int(stopped.name.split("-")[1]) < 120, errors
    config.OUTPUT_DIR = str(tmp_path / "two")
    assert close(alone, adapter(train(config)), 1e-3)


def test_a_finished_run_is_reused_and_other_settings_of_an_unfinished_one_are_refused(
    config, finished, capsys
):
    output = finished
    before = (output / "manifest.json").read_bytes()
    train(config)
    assert "up to date" in capsys.readouterr().out
    assert (output / "manifest.json").read_bytes() == before
    # A setting that an earlier version did not know was then as its default is, and USE_4BIT was a precision.
    for path in (output / "manifest.json", *output.glob("checkpoint-*/complete.json")):
        record = json.loads(path.read_text())
        del record["learned"]["WEIGHT_DECAY"], record["learned"]["CPU_PRECISION"]
        assert record["learned"].pop("BASE_PRECISION") == "bf16"
        record["learned"]["USE_4BIT"] = False
        path.write_text(json.dumps(record))
    train(config)
    assert "up to date" in capsys.readouterr().out
    (output / "manifest.json").unlink()  # now it looks like a run that was killed before its end
    config.LORA_RANK = 4
    with pytest.raises(UserError, match="LORA_RANK: 8 then, 4 now"):
        train(config)
    config.LORA_RANK, config.BASE_PRECISION = 8, "nf4"
    with pytest.raises(UserError, match="BASE_PRECISION: bf16 then, nf4 now"):
        train(config)
    config.RESUME, config.LORA_RANK = "never", 4
    assert json.loads((train(config) / "adapter_config.json").read_text())["r"] == 4


def test_a_cpu_trains_in_bfloat16_to_nearly_the_same_losses(config, tmp_path, capsys):
    config.NUM_EPOCHS, found = 1, {}
    for precision in ("fp32", "bf16"):
        config.CPU_PRECISION, config.OUTPUT_DIR = precision, str(tmp_path / precision)
        output = train(config)
        assert f"(no GPU found; CPU_PRECISION {precision})" in capsys.readouterr().out
        manifest = json.loads((output / "manifest.json").read_text())
        assert manifest["settings"]["given"]["CPU_PRECISION"] == precision and manifest["cpu"]
        lines = (output / "training_metrics.jsonl").read_text().splitlines()
        losses = [record["eval_loss"] for record in map(json.loads, lines) if "eval_loss" in record]
        found[precision] = losses
        assert all(weights.dtype == torch.float32 for weights in adapter(output).values())
    assert found["fp32"] != found["bf16"] and found["bf16"][-1] < found["bf16"][0]
    assert found["bf16"] == pytest.approx(found["fp32"], rel=0.02)
    config.OUTPUT_DIR, config.CPU_PRECISION = str(tmp_path / "bf16"), "fp32"
    (tmp_path / "bf16" / "manifest.json").unlink()
    with pytest.raises(UserError, match="CPU_PRECISION: bf16 then, fp32 now"):
        train(config)


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_a_loss_that_is_not_finite_stops_a_run_before_anything_is_saved(
    config, finished, monkeypatch, broken
):
    from medqa.training import trainer

    good = finished
    kept = (good / "adapter_model.safetensors").read_bytes()
    original, seen = trainer.AnswerTrainer._forward_backward, []

    def broken_in_the_seventh_step(self, model, examples, trained):
        loss = original(self, model, examples, trained)
        if self.state.global_step != 6:
            return loss
        seen.extend(example.id for example in examples)
        if broken == "loss":
            return loss * float("nan")
        next(weight for weight in model.parameters() if weight.grad is not None).grad[0, 0] = float("inf")
        return loss

    monkeypatch.setattr(trainer.AnswerTrainer, "_forward_backward", broken_in_the_seventh_step)
    config.RESUME = "never"
    with pytest.raises(Failed) as failure:
        train(config)
    message = str(failure.value)
    assert {"loss": "the loss is nan", "gradient": "of its gradient inf"}[broken] in message
    assert "in step 7" in message and "checkpoint-6" in message and "LEARNING_RATE" in message
    assert seen and all(id in message for id in seen)
    assert (good / "adapter_model.safetensors").read_bytes() == kept  # the finished one of before
    assert [path.name for path in complete_checkpoints(good)][-1] == "checkpoint-6"
    assert [r["step"] for r in read_records(good / RUNNING_METRICS) if "loss" in r] == list(range(1, 7))
    assert [r["step"] for r in read_records(good / METRICS_FILE) if "loss" in r] == list(range(1, 13))


BROKEN_ON_ONE = """
import os, runpy, sys

sys.path.insert(0, os.getcwd())
from medqa.training.trainer import AnswerTrainer

original = AnswerTrainer._forward_backward


def broken(self, model, examples, trained):
    loss = original(self, model, examples, trained)
    if os.environ["RANK"] == "1" and self.state.global_step == 6:
        print("of the second:", *(example.id for example in examples), flush=True)
        return loss * float("nan")
    return loss


AnswerTrainer._forward_backward = broken
runpy.run_path("fine_tuning.py", run_name="__main__")
"""


@pytest.mark.long
def test_a_loss_that_is_not_finite_on_one_of_two_ranks_stops_both_and_names_its_examples(config, tmp_path):
    script = tmp_path / "broken_on_one.py"
    script.write_text(BROKEN_ON_ONE, encoding="utf-8")
    config.BATCH_SIZE = 1
    done = run_in_two(str(script), *options(config))
    assert done.returncode == 1
    (message,) = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    its = next(line for line in done.stdout.splitlines() if line.startswith("of the second:")).split()[3:]
    assert len(its) == 2 and f"in step 7, on the questions {', '.join(its)}. " in message
    assert complete_checkpoints(tmp_path / "results")[-1].name == "checkpoint-6"


def test_dropout_is_on_in_every_step_and_off_in_every_evaluation(config, monkeypatch):
    from medqa.modeling import loss
    from medqa.training import trainer

    config.LORA_DROPOUT = 0.5
    packed, modes = loss.packed_loss, []

    def watched(causal, **arguments):
        modes.append((torch.is_grad_enabled(), *{module.training for module in causal.modules()}))
        return packed(causal, **arguments)

    def killed(self, *given):
        if self.state.global_step == 5:
            raise Failed("killed")
        log(self, *given)

    log = trainer.AnswerTrainer.log
    monkeypatch.setattr(loss, "packed_loss", watched)
    monkeypatch.setattr(trainer.AnswerTrainer, "log", killed)
    with pytest.raises(Failed, match="killed"):
        train(config)
    assert set(modes) == {(True, True), (False, False)}
    monkeypatch.setattr(trainer.AnswerTrainer, "log", log)
    modes.clear()
    train(config)  # from checkpoint-4 on, without an evaluation before the first step
    assert modes[0] == (True, True)
    assert set(modes) == {(True, True), (False, False)}


def test_dequantized_weights_train_like_those_in_four_bits(config, monkeypatch):
    """The adapters are identical. The test forces on the CPU what a GPU with enough memory does."""
    from bitsandbytes.nn import Linear4bit

    from medqa.training import lora, memory_plan

    config.BASE_PRECISION = "nf4"
    in_four_bits = adapter(train(config))
    choose, prepare, left = memory_plan.plan_forward_pass, lora.prepare_layers, []

    def dequantizing(*asked):
        cut, compiled = choose(*asked)
        return cut._replace(dequantized=True), compiled

    def watched(model, *how):
        left.append([module for module in model.modules() if isinstance(module, Linear4bit)])
        prepare(model, *how)

    monkeypatch.setattr(memory_plan, "plan_forward_pass", dequantizing)
    monkeypatch.setattr(lora, "prepare_layers", watched)
    config.RESUME = "never"
    assert same(adapter(train(config)), in_four_bits)
    assert left == [[]]


def test_training_in_fp8_is_near_full_precision_and_resumes(config, tmp_path, monkeypatch, capsys):
    """On the CPU the layers multiply the values of FP8 in float32; the setting is refused there."""
    from medqa.modeling import precision

    config.BASE_PRECISION = "fp8"
    with pytest.raises(
        UserError, match="needs a GPU of compute capability 8.9 or later, and there is no GPU"
    ):
        train(config)
    assert not (tmp_path / "results").exists()
    monkeypatch.setattr(precision, "require_supported", lambda *_: None)
    in_fp8 = train(config)
    assert "weights in FP8, frozen" in capsys.readouterr().out
    whole = adapter(in_fp8)
    assert "FP8" in (in_fp8 / "README.md").read_text()
    assert json.loads((in_fp8 / "training_config.json").read_text())["BASE_PRECISION"] == "fp8"
    evaluations = [r["eval_loss"] for r in read_records(in_fp8 / METRICS_FILE) if "eval_loss" in r]

    # The same adapter again, from a checkpoint.
    (in_fp8 / "manifest.json").unlink()
    for checkpoint in complete_checkpoints(in_fp8)[3:]:
        shutil.rmtree(checkpoint)
    assert close(whole, adapter(train(config)), 1e-3)
    assert "Start: from " in capsys.readouterr().out

    config.BASE_PRECISION, config.OUTPUT_DIR = "bf16", str(tmp_path / "bf16")
    records = read_records(train(config) / METRICS_FILE)
    assert evaluations == pytest.approx([r["eval_loss"] for r in records if "eval_loss" in r], rel=0.02)


@pytest.mark.parametrize("error", [0.05, 1.0, math.nan, RuntimeError("no such kernel")])
def test_compiled_fp8_layers_train_only_if_the_adapter_gets_its_gradients(
    tiny_model, monkeypatch, capsys, error
):
    from medqa.modeling import loading
    from medqa.modeling.base_model import BaseModel
    from medqa.modeling.device import Device
    from medqa.modeling.loss import use_packed_loss
    from medqa.training import lora

    device = Device("cpu", "float32", "")
    base = loading.load_base(BaseModel(str(tiny_model), ""), device, "fp8", lora.varlen_attention.NAME)
    model = lora.add_lora(base, 4, 8, 0.0, ("q_proj", "v_proj"))
    use_packed_loss(model)
    layers = base.get_decoder().layers
    for layer in layers:
        layer.compile(dynamic=True)
    eager = lora.adapter_gradient(model, device, "force_eager")
    assert eager.any() and all(weight.grad is None for weight in model.parameters())

    def gradient(_model, _device, stance):
        if stance == "default" and isinstance(error, Exception):
            raise error
        return eager * (1 + error) if stance == "default" else eager

    monkeypatch.setattr(lora, "adapter_gradient", gradient)
    lora.require_gradients(model, device)
    kept = error == 0.05
    assert ("Layers: not compiled" in capsys.readouterr().out) != kept
    assert [layer._compiled_call_impl is not None for layer in layers] == [kept] * 2


def test_a_gradient_of_zero_stops_a_run(config, monkeypatch):
    from medqa.training import trainer

    original = trainer.AnswerTrainer._forward_backward

    def lost(self, model, *inputs):
        loss = original(self, model, *inputs)
        for weight in model.parameters():
            if weight.grad is not None:
                weight.grad.zero_()
        return loss

    monkeypatch.setattr(trainer.AnswerTrainer, "_forward_backward", lost)
    with pytest.raises(Failed, match="exactly 0 in step 1, so it cannot learn. Try --COMPILE off"):
        train(config)


def test_a_dry_run_prints_an_estimate_and_writes_nothing(config, tmp_path, monkeypatch, capsys):
    from medqa.modeling import loading

    def load(*_):
        raise AssertionError("a weight was loaded")

    monkeypatch.setattr(loading, "load_base", load)
    config.DRY_RUN = True
    train(config)
    printed = capsys.readouterr().out
    assert "Steps: 6 an epoch, 12 in all" in printed
    assert "masked, " in printed and "trained, " in printed and "nothing was trained" in printed
    assert not (tmp_path / "results").exists()


def test_a_merged_model_answers_like_base_and_adapter(config, tmp_path):
    from transformers import AutoModelForCausalLM

    from medqa.modeling import loading

    config.MERGE_TO = str(tmp_path / "merged")
    output = train(config)
    merged = AutoModelForCausalLM.from_pretrained(config.MERGE_TO, dtype=torch.float32).eval()
    plain = AutoModelForCausalLM.from_pretrained(config.MODEL_NAME, dtype=torch.float32).eval()
    ids = torch.arange(5, 60)[None]
    with torch.no_grad():
        base = plain(ids).logits
        tuned = loading.load_adapter(plain, str(output)).eval()(ids).logits
        found = merged(ids).logits
    torch.testing.assert_close(found, tuned, rtol=1e-4, atol=1e-4)
    assert (tuned - base).abs().max() > 0.1
    assert (tmp_path / "merged" / "tokenizer.json").is_file()
    # A finished run is merged again without training, and what is no merged model is left alone.
    (tmp_path / "merged" / "model.safetensors").unlink()
    train(config)
    assert (tmp_path / "merged" / "model.safetensors").is_file()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    config.MERGE_TO = str(tmp_path / "other")
    with pytest.raises(UserError, match="is not a merged model"):
        train(config)
    assert (tmp_path / "other" / "thesis.txt").read_text() == "mine"


def test_an_adapter_of_an_nf4_base_is_merged_into_the_base_with_the_lower_loss(config, tmp_path):
    from datasets import load_from_disk
    from transformers import AutoModelForCausalLM

    from medqa.analysis.precision_gap import gap_text, precision_gap
    from medqa.modeling.answer_loss import mean_answer_loss
    from medqa.modeling.base_model import BaseModel
    from medqa.modeling.chat_template import apply_chat_template
    from medqa.modeling.tokenization import tokenize

    config.BASE_PRECISION, config.MERGE_TO = "nf4", str(tmp_path / "merged")
    output = train(config)
    record = json.loads((tmp_path / "merged" / "merged_from.json").read_text())
    assert record["files"].keys() >= {"model.safetensors", "config.json", "tokenizer.json"}
    for name, sha256 in record["files"].items():
        assert atomic_io.sha256_of_file(tmp_path / "merged" / name) == sha256
    losses = record["eval_loss"]
    trained = min(r.get("eval_loss", 99) for r in read_records(output / "training_metrics.jsonl"))
    assert losses["adapter on NF4"] == pytest.approx(trained, abs=1e-4)
    bases = {"16-bit base + adapter", "dequantized NF4 base + adapter"}
    assert losses.keys() == bases | {"adapter on NF4"}
    assert losses["dequantized NF4 base + adapter"] == pytest.approx(trained, abs=1e-3)
    assert abs(losses["16-bit base + adapter"] - trained) > 1e-3
    assert record["kept"] == min(bases, key=losses.__getitem__)
    # The folder holds what was measured.
    merged = AutoModelForCausalLM.from_pretrained(config.MERGE_TO, dtype=torch.float32).eval()
    system = json.loads((tmp_path / "datasets" / "manifest.json").read_text())["system_message"]
    records = load_from_disk(str(tmp_path / "datasets" / "eval_dataset"))
    tokenizer = BaseModel(config.MODEL_NAME, "MODEL_NAME").tokenizer
    examples = tokenize(records, tokenizer, apply_chat_template, system, config.MAX_SEQ_LENGTH).examples
    assert mean_answer_loss(merged, examples, "cpu") == pytest.approx(losses[record["kept"]], abs=1e-4)
    # An evaluation in another precision reports the gap; in the same one there is none.
    for folder, gap in (
        (output, precision_gap(output, "bf16", trained + 0.5)),
        (tmp_path / "merged", precision_gap(tmp_path / "merged", "bf16", trained + 0.5)),
    ):
        assert gap["difference"] == pytest.approx(0.5, abs=1e-4), folder
        assert "with NF4 weights, as it was trained (difference +0.5" in gap_text(gap)
    assert precision_gap(output, "nf4", trained) is None
    assert precision_gap(tmp_path, "bf16", trained) is None
    # Merged models of earlier versions have no other record of the training than this.
    (tmp_path / "merged" / "merged_from.json").write_text(json.dumps({"eval_loss": losses}))
    assert precision_gap(tmp_path / "merged", "bf16", trained)["trained"] == losses["adapter on NF4"]


def test_a_model_trained_unquantized_and_evaluated_in_nf4_reports_the_gap(tmp_path):
    from medqa.analysis.precision_gap import gap_text, precision_gap

    (tmp_path / "training_config.json").write_text('{"BASE_PRECISION": "bf16"}')
    (tmp_path / METRICS_FILE).write_text('{"step": 0, "eval_loss": 3.0}\n{"step": 4, "eval_loss": 2.0}\n')
    merged = tmp_path / "merged"
    merged.mkdir()
    (merged / "merged_from.json").write_text('{"trained_in": "bf16", "trained_eval_loss": 2.0}')
    for folder in (tmp_path, merged):
        gap = precision_gap(folder, "nf4", 2.25)
        assert gap_text(gap) == (
            "Eval loss of tuned: 2.2500 with NF4 weights, 2.0000 with unquantized weights, as it was trained "
            "(difference +0.2500)."
        )
        assert precision_gap(folder, "bf16", 2.25) is None


@pytest.mark.parametrize("kind", ["16-bit base + adapter", "dequantized NF4 base + adapter"])
def test_a_merge_into_16_bits_is_computed_in_float32(tiny_model, tmp_path, kind):
    from peft import LoraConfig, get_peft_model

    from medqa.export import merging
    from medqa.modeling import loading
    from medqa.modeling.base_model import BaseModel
    from medqa.modeling.device import Device
    from medqa.modeling.prompt_format import PromptFormat

    base, device = BaseModel(str(tiny_model), "MODEL_NAME"), Device("cpu", "bfloat16", "of the test")
    settings = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], lora_alpha=8, init_lora_weights=False)
    plain = loading.load_base(base, device, "bf16" if kind == merging.UNQUANTIZED else "nf4")
    plain = plain.dequantize() if kind == merging.DEQUANTIZED else plain
    weights = {name: weight.clone() for name, weight in plain.state_dict().items()}
    get_peft_model(plain, settings).save_pretrained(tmp_path)
    merged = merging._merged(PromptFormat(base, None, ""), str(tmp_path), device, kind).state_dict()
    assert merged.keys() == weights.keys()
    learned = adapter(tmp_path)
    changed = 0
    for name, weight in weights.items():
        assert merged[name].dtype == torch.bfloat16
        prefix = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{prefix}.lora_A.weight" in learned:
            product = learned[f"{prefix}.lora_B.weight"] @ learned[f"{prefix}.lora_A.weight"]
            weight, changed = (weight.float() + 2 * product).bfloat16(), changed + 1
        assert torch.equal(merged[name], weight), name
    assert changed == 4
