"""Writes training_metrics.jsonl, one line per step and one per evaluation, and shows the progress."""

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import WandbCallback

from medqa.artifacts.atomic_io import write_text
from medqa.runtime.console import table
from medqa.runtime.distributed import rank
from medqa.runtime.errors import UserError, first_line
from medqa.runtime.progress import Progress

METRICS_FILE = "training_metrics.jsonl"
# The metrics of an unfinished run; the file of a finished run beside it is not touched.
RUNNING_METRICS = "training_metrics.running.jsonl"


class MetricsLogger(TrainerCallback):
    """Appends a record of every step and evaluation, on rank 0.

    Args:
        folder: the training's output folder.
        operations: floating-point operations of one token.
        rate: operations per second of all GPUs together in large matrix products; 0 on the CPU.
    """

    def __init__(self, folder: Path, operations: int, rate: float) -> None:
        self.path = folder / RUNNING_METRICS
        self.operations, self.rate = operations, rate
        self.progress: Progress | None = None
        self.run_started = self.step_started = 0.0
        self.tokens = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Drop records of steps after the checkpoint that the run resumes from."""
        state.compute_steps(args, state.max_steps)  # a resumed state has its old EVAL_STEPS and SAVE_STEPS
        records = read_records(self.path) if state.global_step else []
        records = [record for record in records if record["step"] <= state.global_step]
        seconds = max((record.get("seconds", 0) for record in records), default=0)
        self.run_started = time.monotonic() - seconds
        if rank() == 0:
            write_text(self.path, "".join(json.dumps(record) + "\n" for record in records))
            self.progress = Progress("training", state.max_steps, "step", state.global_step)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Start the clock of a step."""
        self.step_started = time.monotonic()

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any, **_: Any
    ) -> None:
        """Append the record of a step."""
        if rank() != 0 or "loss" not in logs:
            return
        speed = self.tokens / (time.monotonic() - self.step_started)
        record = {
            "step": state.global_step,
            "epoch": round(state.epoch, 4),
            "loss": logs["loss"],
            "learning_rate": logs["learning_rate"],
            "grad_norm": logs.get("grad_norm"),
            "tokens": self.tokens,
            "tokens_per_second": round(speed, 1),
            "seconds": round(time.monotonic() - self.run_started, 3),
        }
        if self.rate:  # model FLOPs utilization, and peak memory so far
            record["mfu"] = round(self.operations * speed / self.rate, 4)
            record["gpu_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
        self._append(record)
        note = f"loss {logs['loss']:.3f}, {speed:,.0f} tokens/s"
        self.progress.advance(state.global_step - self.progress.n, note)

    def log_evaluation(self, step: int, loss: float, by_specialty: dict[str, float]) -> None:
        """Append the record of an evaluation, unless the run resumed after it."""
        if rank() == 0 and not any(r["step"] == step and "eval_loss" in r for r in read_records(self.path)):
            self._append({"step": step, "eval_loss": loss, "eval_loss_by_specialty": by_specialty})

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Remove the progress bar."""
        if self.progress is not None:
            self.progress.close()

    def _append(self, record: dict[str, Any]) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def start_wandb(trainer: Trainer) -> None:
    """Start Weights & Biases, if it is on, before anything of an earlier run is removed.

    Raises:
        UserError: it has no key, or no network.
    """
    trainer.state.is_world_process_zero = trainer.is_world_process_zero()
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, WandbCallback):
            try:
                callback.setup(trainer.args, trainer.state, trainer.model)
            except Exception as error:
                raise UserError(
                    f"Weights & Biases does not work ({first_line(error):.200}). Leave out --USE_WANDB, or "
                    "try export WANDB_API_KEY=your_key, or WANDB_MODE=offline to send the curves later."
                ) from None


def eval_loss_table(evaluations: Sequence[Mapping[str, Any]], best: Mapping[str, Any]) -> str:
    """The eval loss of each evaluation as a table; the step of the saved adapter is marked."""
    rows = [
        (f"step {one['step']}", f"{one['eval_loss']:.4f}", "saved" if one is best else "")
        for one in evaluations
    ]
    return table(("eval split", "answer loss", ""), rows)


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a metrics file; skips lines that are not records, such as a half-written last one."""
    if not path.exists():
        return []
    records = []
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict) and isinstance(record.get("step"), int):
                records.append(record)
    return records
