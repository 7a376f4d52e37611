"""results/: what training leaves, published together; and base and adapter merged into one model."""

import gc
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medqa.artifacts import atomic_io, output_dir, run_manifest
from medqa.artifacts.output_dir import MERGED
from medqa.modeling import loading
from medqa.modeling.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from medqa.modeling.device import Device, free_memory, parameter_count
from medqa.runtime.console import print_rank0
from medqa.runtime.distributed import world_size
from medqa.training.checkpointing import BEST, replace_folder, rollback, save_adapter, temp_sibling
from medqa.training.metrics_logger import METRICS_FILE, RUNNING_METRICS, read_records
from medqa.training.resume import clear


def publish(
    config: Any, trainer: Any, tokenizer: Any, data: dict, learned: dict, started: str,
    write_report: Callable[[Path, Any, dict, list[dict]], None],
) -> None:  # fmt: skip
    """Publish adapter, tokenizer, settings, records, curves and model card; the manifest comes last.

    Args:
        config: a TrainingConfig.
        trainer: after training.
        tokenizer: saved beside the adapter.
        data: manifest of the datasets.
        learned: what determines the adapter, from `resume.what_is_learned`.
        started: when the stage began.
        write_report: writes the files for readers; called with the folder, config, `data` and the records.
    """
    output = Path(config.OUTPUT_DIR)
    if not trainer.eval_examples:  # there is no best one: the last is taken
        save_adapter(trainer.accelerator.unwrap_model(trainer.model), output / BEST)
    records = read_records(output / RUNNING_METRICS)
    with output_dir.atomic_publish(output) as staging:
        for name in (ADAPTER_WEIGHTS, ADAPTER_CONFIG):
            shutil.copy2(output / BEST / name, staging / name)
        tokenizer.save_pretrained(staging)
        shutil.copy2(output / RUNNING_METRICS, staging / METRICS_FILE)
        told = {
            "processes": world_size(),
            "base_model": learned["base model"],
            "versions": run_manifest.versions(),
        }
        atomic_io.write_json(staging / "training_config.json", vars(config) | told)
        write_report(staging, config, data, records)
        run_manifest.write_manifest(
            staging,
            "fine_tuning",
            config,
            started,
            inputs={f"{config.DATASET_DIR}/{name}": sha for name, sha in data["outputs"].items()},
            learned=learned,
            chat_template_sha256=data["chat_template_sha256"],
            iteration=data["iteration"],
        )
    clear(output, "done")


def merge(base_name: str, adapter: str, folder: str, device: Device) -> None:
    """Write base and adapter as one model, in the precision of the GPU (bfloat16) or of the CPU (float32).

    The base is read anew and not in 4 bits, or its rounding would become part of the merged weights. A
    folder that an earlier merge made is replaced in one step; `require_place_for_merged` refuses any other.

    Raises:
        UserError: the adapter does not fit the base.
    """
    import torch

    target = Path(folder).resolve()  # behind a link: what is renamed must be the folder itself
    rollback(target)
    gc.collect()
    size = parameter_count(base_name)
    if device.is_cuda:
        torch.cuda.empty_cache()
        if size and free_memory(device.name) < 2.2 * size:
            device = Device("cpu", "bfloat16", "the card holds no unquantised copy of the base")
    print_rank0(f"Merging into {folder} in {device.dtype}")
    merged = loading.load_adapter(loading.load_base(base_name, device, False, "MODEL_NAME"), adapter)
    merged = merged.merge_and_unload(safe_merge=True)
    incomplete = temp_sibling(target, "new")
    shutil.rmtree(incomplete, ignore_errors=True)
    merged.save_pretrained(incomplete)
    atomic_io.share_weights(incomplete, "config.json")
    loading.load_tokenizer(base_name, "MODEL_NAME").save_pretrained(incomplete)
    weights = atomic_io.sha256_of_file(Path(adapter) / ADAPTER_WEIGHTS)
    atomic_io.write_json(
        incomplete / MERGED, {"base": loading.fingerprint(base_name), "adapter_sha256": weights}
    )
    replace_folder(incomplete, target)
