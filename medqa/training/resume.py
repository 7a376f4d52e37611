"""Decides whether to start, resume or skip training, and cleans the output folder."""

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import gather_object

from medqa.artifacts import output_dir, output_place, run_manifest
from medqa.artifacts.atomic_io import temp_sibling, write_text
from medqa.modeling.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from medqa.modeling.device import Device
from medqa.runtime.console import print_rank0
from medqa.runtime.distributed import LONGEST_WAIT, rank, several_machines, world_size
from medqa.runtime.errors import UserError
from medqa.training.checkpointing import (
    BEST,
    BEST_WEIGHTS,
    complete_checkpoints,
    delete_checkpoint,
    replace_folder,
    verified_signature,
)
from medqa.training.metrics_logger import METRICS_FILE, RUNNING_METRICS

# A start other than from a checkpoint: the run is finished, or begins with the base model.
DONE, FROM_BASE = "done", ""

# Settings that change where or how fast a run goes, but not the adapter: a resumed run may change them.
NOT_IN_SIGNATURE = {
    "MODEL_NAME", "DATASET_DIR", "OUTPUT_DIR", "BATCH_SIZE", "GRADIENT_ACCUMULATION_STEPS",
    "TOKENS_PER_BATCH", "GRADIENT_CHECKPOINTING", "SAVE_STEPS", "SAVE_TOTAL_LIMIT", "RESUME", "USE_WANDB",
    "COMPILE", "GPU_MEMORY_GB", "DRY_RUN", "MERGE_TO", "EXPORT_TO", "EXPORT_FORMAT",
}  # fmt: skip


def run_signature(settings: Mapping[str, Any], data: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Everything that determines the adapter: a run may resume a checkpoint with the same signature.

    Args:
        settings: all settings of the run.
        data: manifest of the datasets.
        base: fingerprint of the base model.
    """
    signature = {name: value for name, value in settings.items() if name not in NOT_IN_SIGNATURE}
    signature["LORA_TARGET_MODULES"] = list(settings["LORA_TARGET_MODULES"])
    per_rank = settings["BATCH_SIZE"] * settings["GRADIENT_ACCUMULATION_STEPS"]
    signature["sequences per step"] = per_rank * world_size()
    signature["base model"] = base
    for split in ("train_dataset", "eval_dataset"):
        files = [name for name in data["outputs"] if name.startswith(f"{split}/") and name.endswith(".arrow")]
        signature[split] = [data["outputs"][name] for name in sorted(files)]
    return signature | {"chat template": data["chat_template_sha256"]}


def connect_ranks(device: Device, values: Mapping[str, Any]) -> PartialState:
    """Connect the ranks of a run, which must have found the same `values`, by name.

    Raises:
        UserError: on every rank, with what differs on the first rank that differs.
    """
    if several_machines():
        print_rank0("Waiting for the other machines; if one says ERROR, end this one with Ctrl-C")
    ranks = PartialState(cpu=not device.is_cuda, timeout=LONGEST_WAIT)
    assert_same_across_ranks(values)
    return ranks


def agree_on_start(
    output: Path, signature: Mapping[str, Any], resume: str, defaults: Mapping[str, Any]
) -> str:
    """`resolve_resume_checkpoint` on all ranks, which must find the same."""
    start = resolve_resume_checkpoint(output, signature, resume, defaults)
    assert_same_across_ranks({"start": start or "from the beginning"})
    if start == DONE and rank() == 0:
        remove_unused(output, start)
    return start


def resolve_resume_checkpoint(
    output: Path, signature: Mapping[str, Any], resume: str, defaults: Mapping[str, Any]
) -> str:
    """Decide how a run starts, and print why: `DONE`, `FROM_BASE` or the path of a checkpoint.

    Args:
        output: the training's output folder.
        signature: everything that determines the adapter, JSON values.
        resume: "auto", or "never" to start over.
        defaults: of all settings; a record of an earlier version lacks the settings that came later, which
            were then as their defaults are now.

    Raises:
        UserError: the folder has an unfinished run with other settings.
    """
    refuse_foreign_files(output)
    manifest = run_manifest.read_manifest(output)
    if resume == "never":
        print_rank0("Start: from the base model, because of --RESUME never")
        _print_replaced(output, manifest is not None)
        return FROM_BASE
    later = {name: value for name, value in defaults.items() if name in signature}
    if signature.get("CPU_PRECISION", "auto") != "auto":  # before this setting, a CPU computed in float32
        later["CPU_PRECISION"] = "fp32"
    finished = later | run_manifest.with_present_names(manifest["learned"]) if manifest is not None else None
    checkpoints, unfinished = complete_checkpoints(output), has_unfinished_run(output)
    last = (
        later | run_manifest.with_present_names(verified_signature(checkpoints[-1])) if checkpoints else None
    )
    integrity_error = run_manifest.integrity_error(output, manifest) if finished == signature else ""
    if finished == signature and not integrity_error and not (unfinished and last == signature):
        print_rank0(f"{output} is up to date: same data, same settings. Start over with --RESUME never")
        return DONE
    if last is None:
        why = f"{output} has no checkpoint to go on from"
        if finished and finished != signature:
            why += ", as data or settings have changed since the adapter there was made"
        print_rank0(f"Start: from the base model; {integrity_error or why}")
        _print_replaced(output, finished not in (None, signature))
        return FROM_BASE
    if last == signature:
        why = "same data and settings" + (", and the run had not finished" if unfinished else "")
        print_rank0(f"Start: from {checkpoints[-1]}; {integrity_error or why}")
        _print_replaced(output, finished not in (None, signature))
        return str(checkpoints[-1])
    if last == finished and not unfinished:
        print_rank0(
            "Start: from the base model; the adapter here is finished, and data or settings have changed"
        )
        _print_replaced(output, True)
        return FROM_BASE
    changes = [
        f"{name}: {_abbreviated(last.get(name))} then, {_abbreviated(signature[name])} now"
        for name in signature
        if signature[name] != last.get(name)
    ]
    raise UserError(
        f"{output} holds an unfinished run with other settings ({'; '.join(changes)}). Give these settings "
        "to go on with it, start over with --RESUME never, or choose another --OUTPUT_DIR."
    )


def _print_replaced(output: Path, replaced: bool) -> None:
    """Print that the finished adapter of the folder will be replaced, and how to keep it."""
    if replaced:
        other = shlex.quote(output_place.free_folder(output, "new"))
        print_rank0(
            f"The finished adapter in {output} is kept until the new one is finished, and then replaced. To "
            f"keep both, stop this run and give the new one another folder: --OUTPUT_DIR {other}"
        )


def assert_same_across_ranks(values: Mapping[str, Any]) -> None:
    """Stop when the ranks of a run find different values: they would wait for each other forever.

    Args:
        values: of this rank, by name; all ranks have the same names.

    Raises:
        UserError: on every rank, with what differs on the first rank that differs.
    """
    first, *others = gather_object([dict(values)])
    for number, other in enumerate(others, 1):
        differing = [
            f"{name}: {_abbreviated(other[name])} there, {_abbreviated(first[name])} here"
            for name in first
            if other[name] != first[name]
        ]
        if differing:
            raise UserError(
                f"process {number} does not find what the first one finds ({'; '.join(differing)}). "
                "Several machines need the same settings, and must see the same folders at the same paths."
            )


def _abbreviated(value: object) -> str:
    """A value for one line of a message: 8 characters of a hash."""
    text = value[0] if isinstance(value, list) and len(value) == 1 else value
    return text[:8] if isinstance(text, str) and len(text) == 64 else str(text)


def has_unfinished_run(output: Path) -> bool:
    """Whether the folder has metrics that were not published, with or without a finished run."""
    running, published = output / RUNNING_METRICS, output / METRICS_FILE
    if not running.exists():
        return False
    return not published.exists() or running.read_bytes() != published.read_bytes()


def refuse_foreign_files(output: Path) -> None:
    """Refuse a folder with a model or checkpoints that this program would replace and did not write.

    Raises:
        UserError: with the names of some.
    """
    # The last one is from a run that was killed as it began.
    own = (run_manifest.MANIFEST, METRICS_FILE, RUNNING_METRICS, f"{RUNNING_METRICS}.tmp")
    if not any((output / name).exists() for name in own) and not complete_checkpoints(output):
        output_dir.refuse_foreign_files(output, "fine_tuning", output_dir.TRAINED)


def prepare_output(output: Path, start: str) -> None:
    """Prepare the folder for a run from a checkpoint or from the base model.

    Removes what the run does not use, and restores the best adapter and the metrics of the checkpoint.
    """
    remove_unused(output, start)
    if start == FROM_BASE:
        return
    if (best := Path(start) / BEST_WEIGHTS).exists():
        temporary = temp_sibling(output / BEST, "new")
        temporary.mkdir()
        shutil.copy2(best, temporary / ADAPTER_WEIGHTS)
        shutil.copy2(Path(start) / ADAPTER_CONFIG, temporary / ADAPTER_CONFIG)
        replace_folder(temporary, output / BEST)
    write_text(output / RUNNING_METRICS, (Path(start) / RUNNING_METRICS).read_text(encoding="utf-8"))


def remove_unused(output: Path, start: str) -> None:
    """Remove what a run does not use: everything of a run from the base model, incomplete checkpoints of a
    resumed one, the working copies of a finished one unless a later run is unfinished.
    """
    best = output / BEST
    unused = {temp_sibling(best, "new"), temp_sibling(best, "replaced")}
    if start == DONE:
        if has_unfinished_run(output):
            return
        unused.add(best)
        (output / RUNNING_METRICS).unlink(missing_ok=True)
    else:
        unused |= {path for path in output.glob("checkpoint-*") if path.name[11:].isdecimal()}
        unused -= set(complete_checkpoints(output)) if start else set()
        if start == FROM_BASE:
            unused.add(best)
    for folder in unused:
        if folder.is_dir():
            delete_checkpoint(folder)
