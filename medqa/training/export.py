"""Publishes the trained adapter with its metadata; merges base and adapter into one model."""

import gc
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medqa.artifacts import atomic_io, output_dir, run_manifest
from medqa.artifacts.output_dir import MERGED
from medqa.modeling import loading
from medqa.modeling.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from medqa.modeling.base_model import BaseModel
from medqa.modeling.device import Device, free_memory
from medqa.modeling.precision import BF16
from medqa.runtime.console import print_rank0
from medqa.runtime.distributed import world_size
from medqa.training.checkpointing import BEST, replace_folder, rollback, save_adapter, temp_sibling
from medqa.training.metrics_logger import METRICS_FILE, RUNNING_METRICS, read_records
from medqa.training.resume import DONE, remove_unused


def publish(
    settings: Mapping[str, Any],
    trainer: Any,
    tokenizer: Any,
    signature: Mapping[str, Any],
    finish: Callable[[Path, list[dict]], None],
) -> None:
    """Publish adapter, tokenizer, settings and metrics with the files that `finish` adds.

    Args:
        settings: all settings of the run, recorded in full.
        trainer: after training.
        tokenizer: saved beside the adapter.
        signature: everything that determines the adapter, from `resume.run_signature`.
        finish: writes curves, model card and, last, the manifest; called with the folder and the metrics.
    """
    output = Path(settings["OUTPUT_DIR"])
    if not trainer.eval_examples:  # without evaluations the last adapter is the best one
        save_adapter(trainer.accelerator.unwrap_model(trainer.model), output / BEST)
    with output_dir.atomic_publish(output) as staging:
        for name in (ADAPTER_WEIGHTS, ADAPTER_CONFIG):
            shutil.copy2(output / BEST / name, staging / name)
        tokenizer.save_pretrained(staging)
        shutil.copy2(output / RUNNING_METRICS, staging / METRICS_FILE)
        run = {
            "processes": world_size(),
            "base_model": signature["base model"],
            "versions": run_manifest.versions(),
        }
        atomic_io.write_json(staging / "training_config.json", dict(settings) | run)
        finish(staging, read_records(output / RUNNING_METRICS))
    remove_unused(output, DONE)


def merge(base: BaseModel, adapter: str, folder: str, device: Device) -> None:
    """Write base and adapter as one model, in the precision of the GPU (bfloat16) or of the CPU (float32).

    The base is loaded unquantized, otherwise its rounding would become part of the merged weights. A folder
    of an earlier merge is replaced atomically; `require_place_for_merged` refuses any other.

    Raises:
        UserError: the adapter does not fit the base.
    """
    import torch

    target = Path(folder).resolve()  # the folder itself, not a link to it, is renamed
    rollback(target)
    gc.collect()
    if device.is_cuda:
        torch.cuda.empty_cache()
        if base.parameter_count and free_memory(device.name) < 2.2 * base.parameter_count:
            device = Device("cpu", "bfloat16", "the unquantized base does not fit on the GPU")
    print_rank0(f"Merging into {folder} in {device.dtype}")
    merged = loading.load_adapter(loading.load_base(base, device, BF16), adapter)
    merged = merged.merge_and_unload(safe_merge=True)
    staging = temp_sibling(target, "new")
    shutil.rmtree(staging, ignore_errors=True)
    merged.save_pretrained(staging)
    atomic_io.share_weights(staging, "config.json")
    base.tokenizer.save_pretrained(staging)
    weights = atomic_io.sha256_of_file(Path(adapter) / ADAPTER_WEIGHTS)
    atomic_io.write_json(staging / MERGED, {"base": base.fingerprint, "adapter_sha256": weights})
    replace_folder(staging, target)
