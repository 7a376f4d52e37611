"""Merges base and adapter into one model, on the base with which the eval loss is lower, and exports it."""

import contextlib
import gc
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medqa.artifacts import atomic_io, run_manifest
from medqa.artifacts.output_dir import MERGED
from medqa.data import dataset_io
from medqa.export import gguf_files
from medqa.modeling import loading
from medqa.modeling.adapter import ADAPTER_WEIGHTS
from medqa.modeling.answer_loss import mean_answer_loss
from medqa.modeling.device import MAX_CPU_PARAMETERS, Device, free_memory
from medqa.modeling.precision import BF16, NF4
from medqa.modeling.prompt_format import PromptFormat
from medqa.modeling.tokenization import Example, tokenize
from medqa.runtime.console import print_rank0, table
from medqa.runtime.errors import Failed
from medqa.training.checkpointing import replace_folder, rollback
from medqa.training.metrics_logger import METRICS_FILE, read_records

# The bases that an adapter can be merged into; the adapter itself, unmerged, is the third candidate.
UNQUANTIZED, DEQUANTIZED = "16-bit base + adapter", "dequantized NF4 base + adapter"
UNMERGED = "adapter on NF4"


@dataclass(frozen=True)
class ExportSettings:
    """What `export` needs; each field is the setting of the same name in capitals."""

    output_dir: str
    merge_to: str
    export_to: str
    dataset_dir: str
    max_seq_length: int
    base_precision: str


def export(
    settings: ExportSettings, prompts: PromptFormat, device: Device, finish: Callable[..., None]
) -> None:
    """Write base and adapter as one model to MERGE_TO, and as GGUF files to EXPORT_TO.

    A folder of an earlier export is replaced atomically; `require_place_for_exports` refuses any other.

    Args:
        settings: folders, and how the adapter was trained.
        prompts: how the model was prompted in training, with the base model.
        device: where the training ran.
        finish: adds the model card to a folder; its argument `setting` names the setting of the folder.

    Raises:
        UserError: the adapter does not fit the base.
        Failed: other programs would prompt the model otherwise than training did.
    """
    merged, record = _merge(settings, prompts, device)
    if settings.merge_to:
        with _published(settings.merge_to) as staging:
            merged.generation_config = prompts.generation_config()
            merged.save_pretrained(staging)
            atomic_io.share_weights(staging, "config.json")
            prompts.write(staging)
            # An upload compares the files: reading 16 GB again takes about a minute.
            files = atomic_io.sha256_of_files(staging)
            atomic_io.write_json(staging / MERGED, record | {"files": files})
            finish(staging, setting="MERGE_TO")
            _require_parity(prompts, prompts.parity_problems(staging), settings.merge_to)
    if settings.export_to:
        with _published(settings.export_to) as staging:
            print_rank0(f"Writing GGUF files into {settings.export_to}")
            gguf_files.write(merged, prompts, staging)
            atomic_io.write_json(staging / MERGED, record)
            finish(staging, setting="EXPORT_TO")
            _require_parity(prompts, gguf_files.parity_problems(prompts, staging), settings.export_to)


@contextlib.contextmanager
def _published(folder: str) -> Iterator[Path]:
    """Yield an empty folder that takes the name `folder` at the end, or is removed if the block fails."""
    target = Path(folder).resolve()  # the folder itself, not a link to it, is renamed
    rollback(target)
    staging = atomic_io.temp_sibling(target, "new")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        yield staging
        replace_folder(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _merge(settings: ExportSettings, prompts: PromptFormat, device: Device) -> tuple[Any, dict[str, Any]]:
    """The merged model, stored in the precision of the device (`Device.dtype`), and its record.

    An adapter that was trained on an NF4 base learned to correct that base's rounding errors, which the
    unquantized base lacks. So both bases are tried on the eval split, and the one with the lower loss is
    kept.
    """
    import torch

    base, adapter = prompts.base, settings.output_dir
    gc.collect()
    if device.is_cuda:
        torch.cuda.empty_cache()
        if base.parameter_count and free_memory(device.name) < 2.2 * base.parameter_count:
            device = Device("cpu", "bfloat16", "the unquantized base does not fit on the GPU")
    places = " and ".join(filter(None, (settings.merge_to, settings.export_to)))
    print_rank0(f"Merging into {places} in {device.dtype}")
    losses: dict[str, float] = {}
    kept = UNQUANTIZED
    if settings.base_precision == NF4 and (examples := _eval_examples(settings, prompts, device)):
        losses = _eval_losses(prompts, adapter, device, examples)
        kept = min((UNQUANTIZED, DEQUANTIZED), key=losses.__getitem__)
        print_rank0(_loss_table(losses), f"Kept: {kept}")
    record: dict[str, Any] = {"base": base.fingerprint}
    record["adapter_sha256"] = atomic_io.sha256_of_file(Path(adapter) / ADAPTER_WEIGHTS)
    record |= {"trained_in": settings.base_precision, "trained_eval_loss": _trained_loss(Path(adapter))}
    inputs, train = run_manifest.read_manifest(Path(adapter))["inputs"], f"/{dataset_io.SPLITS['train']}/"
    # An evaluation of the merged model compares the holdout with these data.
    record["trained_on"] = {
        "DATASET_DIR": settings.dataset_dir,
        "train_sha256": sorted(sha for name, sha in inputs.items() if train in name),
    }
    if losses:
        record |= {"kept": kept, "eval_loss": losses}
    return _merged(prompts, adapter, device, kept), record


def _trained_loss(adapter: Path) -> float | None:
    """The eval loss that the training measured for the saved adapter; None without an eval split."""
    records = read_records(adapter / METRICS_FILE)
    return min((record["eval_loss"] for record in records if "eval_loss" in record), default=None)


def _eval_examples(settings: ExportSettings, prompts: PromptFormat, device: Device) -> list[Example]:
    """The eval split; empty if its loss is not measured, because a CPU would take hours for a large model."""
    parameters = prompts.base.parameter_count
    if not device.is_cuda and (parameters is None or parameters > MAX_CPU_PARAMETERS):
        print_rank0(f"The eval loss of the merged model is not measured: {device.reason}")
        return []
    records = dataset_io.load(Path(settings.dataset_dir) / dataset_io.SPLITS["eval"])
    texts = records, prompts.base.tokenizer, prompts.template, prompts.system_message
    return tokenize(*texts, settings.max_seq_length).examples


def _merged(prompts: PromptFormat, adapter: str, device: Device, kind: str) -> Any:
    """The merged model, or with `UNMERGED` the base with its adapter, as they were trained."""
    causal = loading.load_base(prompts.base, device, BF16 if kind == UNQUANTIZED else NF4)
    if kind == DEQUANTIZED:
        causal = causal.dequantize()
    tuned = loading.load_adapter(causal, adapter)
    return tuned if kind == UNMERGED else _merged_in_float32(tuned)


def _merged_in_float32(tuned: Any) -> Any:
    """Base and adapter as one model: each sum is computed in float32 and rounded once to the base's dtype.

    peft alone would round the adapter's product to the base's dtype before it adds it. Layers are converted
    one at a time, so that a model in 16 bits is never in memory in 32.
    """
    from peft.tuners.lora import LoraLayer

    for module in tuned.modules():
        if isinstance(module, LoraLayer):
            layer = module.get_base_layer()
            dtype = next(layer.parameters()).dtype
            layer.float()
            module.merge(safe_merge=True)
            layer.to(dtype)
    return tuned.unload()


def _eval_losses(
    prompts: PromptFormat, adapter: str, device: Device, examples: list[Example]
) -> dict[str, float]:
    """Mean eval loss of each candidate, loaded one after the other."""
    losses = {}
    for kind in (UNMERGED, UNQUANTIZED, DEQUANTIZED):
        model = _merged(prompts, adapter, device, kind).eval()
        causal = model.get_base_model() if kind == UNMERGED else model
        losses[kind] = mean_answer_loss(causal, examples, device.name)
        del model, causal
        gc.collect()
    return losses


def _loss_table(losses: dict[str, float]) -> str:
    """The candidates with their eval loss, and the difference from the adapter as it was trained."""
    trained = losses[UNMERGED]
    rows = [[kind, f"{loss:.4f}", f"{loss - trained:+.4f}"] for kind, loss in losses.items()]
    return table(("eval split", "answer loss", "against training"), rows)


def _require_parity(prompts: PromptFormat, problems: list[str], folder: str) -> None:
    """Refuse an export, before it gets its name, that other programs would prompt otherwise.

    Raises:
        Failed: with the first difference. That the template cannot be written as Jinja is only printed.
    """
    if problems and prompts.jinja():
        raise Failed(f"{folder} was not written, because {problems[0]}.")
    checked = f"{len(prompts.questions)} prompts are equal token for token, as are the stop ids"
    print_rank0(f"Checked {folder}: {problems[0] if problems else checked}")
