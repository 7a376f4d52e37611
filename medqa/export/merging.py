"""Merges base and adapter into one model."""

import gc
import shutil
from collections.abc import Callable
from pathlib import Path

from medqa.artifacts import atomic_io
from medqa.artifacts.output_dir import MERGED
from medqa.modeling import loading
from medqa.modeling.adapter import ADAPTER_WEIGHTS
from medqa.modeling.device import Device, free_memory
from medqa.modeling.prompt_format import PromptFormat
from medqa.runtime.console import print_rank0
from medqa.runtime.errors import Failed
from medqa.training.checkpointing import replace_folder, rollback, temp_sibling


def merge(
    prompts: PromptFormat, adapter: str, folder: str, device: Device, finish: Callable[[Path], None]
) -> None:
    """Write base and adapter as one model, in the precision of the GPU (bfloat16) or of the CPU (float32).

    The base is loaded unquantized, otherwise its rounding would become part of the merged weights. A folder
    of an earlier merge is replaced atomically; `require_place_for_merged` refuses any other.

    Args:
        prompts: how the model was prompted in training, with the base model.
        adapter: folder of the trained adapter.
        folder: where the merged model is written.
        device: where the training ran.
        finish: adds the model card to the folder.

    Raises:
        UserError: the adapter does not fit the base.
        Failed: other programs would prompt the merged model otherwise than training did.
    """
    import torch

    base = prompts.base
    target = Path(folder).resolve()  # the folder itself, not a link to it, is renamed
    rollback(target)
    gc.collect()
    if device.is_cuda:
        torch.cuda.empty_cache()
        if base.parameter_count and free_memory(device.name) < 2.2 * base.parameter_count:
            device = Device("cpu", "bfloat16", "the unquantized base does not fit on the GPU")
    print_rank0(f"Merging into {folder} in {device.dtype}")
    merged = loading.load_adapter(loading.load_base(base, device, False), adapter)
    merged = merged.merge_and_unload(safe_merge=True)
    merged.generation_config = prompts.generation_config()
    staging = temp_sibling(target, "new")
    shutil.rmtree(staging, ignore_errors=True)
    merged.save_pretrained(staging)
    atomic_io.share_weights(staging, "config.json")
    prompts.write(staging)
    weights = atomic_io.sha256_of_file(Path(adapter) / ADAPTER_WEIGHTS)
    atomic_io.write_json(staging / MERGED, {"base": base.fingerprint, "adapter_sha256": weights})
    finish(staging)
    require_parity(prompts, staging, folder)
    replace_folder(staging, target)


def require_parity(prompts: PromptFormat, staging: Path, folder: str) -> None:
    """Check an export before it gets its name, and remove it if other programs would prompt it otherwise.

    Raises:
        Failed: with the first difference. That the template cannot be written as Jinja is only printed.
    """
    problems = prompts.parity_problems(staging)
    if problems and prompts.jinja():
        shutil.rmtree(staging)
        raise Failed(f"{folder} was not written, because {problems[0]}.")
    checked = f"{len(prompts.questions)} prompts are equal token for token, as are the stop ids"
    print_rank0(f"Checked {folder}: {problems[0] if problems else checked}")
