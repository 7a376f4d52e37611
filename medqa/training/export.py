"""Publishes the trained adapter with its metadata, complete for other programs."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medqa.artifacts import atomic_io, output_dir, run_manifest
from medqa.modeling.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from medqa.modeling.prompt_format import PromptFormat
from medqa.runtime.console import WarningLog
from medqa.runtime.distributed import world_size
from medqa.training.checkpointing import BEST, save_adapter
from medqa.training.metrics_logger import METRICS_FILE, RUNNING_METRICS, read_records
from medqa.training.resume import DONE, remove_unused


def publish(
    settings: Mapping[str, Any],
    trainer: Any,
    prompts: PromptFormat,
    signature: Mapping[str, Any],
    finish: Callable[[Path, list[dict]], None],
    warnings: WarningLog,
) -> None:
    """Publish adapter, tokenizer, settings and metrics with the files that `finish` adds.

    Args:
        settings: all settings of the run, recorded in full.
        trainer: after training.
        prompts: how the model was prompted; saved as tokenizer, chat template and stop ids.
        signature: everything that determines the adapter, from `resume.run_signature`.
        finish: writes curves, model card and, last, the manifest; called with the folder and the metrics.
        warnings: gets what other programs would do otherwise than training did.
    """
    output = Path(settings["OUTPUT_DIR"])
    if not trainer.eval_examples:  # without evaluations the last adapter is the best one
        save_adapter(trainer.accelerator.unwrap_model(trainer.model), output / BEST)
    with output_dir.atomic_publish(output) as staging:
        for name in (ADAPTER_WEIGHTS, ADAPTER_CONFIG):
            shutil.copy2(output / BEST / name, staging / name)
        prompts.write(staging)
        shutil.copy2(output / RUNNING_METRICS, staging / METRICS_FILE)
        run = {
            "processes": world_size(),
            "base_model": signature["base model"],
            "versions": run_manifest.versions(),
        }
        atomic_io.write_json(staging / "training_config.json", dict(settings) | run)
        finish(staging, read_records(output / RUNNING_METRICS))
    remove_unused(output, DONE)
    for problem in prompts.parity_problems(output):
        warnings.add(f"{problem}.")
