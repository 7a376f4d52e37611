"""Where a training begins: from the base, from a checkpoint, or not at all; and what it makes room for."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate.utils import gather_object

from medqa.artifacts import output_dir, run_manifest
from medqa.artifacts.atomic_io import write_text
from medqa.modeling.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from medqa.runtime.console import print_rank0
from medqa.runtime.distributed import rank
from medqa.runtime.errors import UserError
from medqa.training.batch_sampler import sequences_per_step
from medqa.training.checkpointing import (
    BEST,
    BEST_WEIGHTS,
    complete_checkpoints,
    remove,
    replace_folder,
    temp_sibling,
    verified_signature,
)
from medqa.training.metrics_logger import METRICS_FILE, RUNNING_METRICS

# Settings that change where or how fast a run goes, but not what it learns: it may be resumed with others.
NOT_IN_SIGNATURE = {
    "MODEL_NAME", "DATASET_DIR", "OUTPUT_DIR", "BATCH_SIZE", "GRADIENT_ACCUMULATION_STEPS",
    "TOKENS_PER_BATCH", "GRADIENT_CHECKPOINTING", "SAVE_STEPS", "SAVE_TOTAL_LIMIT", "RESUME", "USE_WANDB",
    "COMPILE", "GPU_MEMORY_GB", "DRY_RUN", "MERGE_TO",
}  # fmt: skip

# What fine-tuning removes or replaces in its folder.
REPLACED = (
    "checkpoint-*", BEST, "adapter_*", "*.safetensors", "config.json", "README.md", "training_*",
    "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
    "chat_template*",
)  # fmt: skip


def run_signature(config: Any, data: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Everything that determines the adapter; two runs with the same one may continue each other."""
    learned = {name: value for name, value in vars(config).items() if name not in NOT_IN_SIGNATURE}
    learned["LORA_TARGET_MODULES"] = list(config.LORA_TARGET_MODULES)
    learned["sequences per step"] = sequences_per_step(config)
    learned["base model"] = base
    for split in ("train_dataset", "eval_dataset"):
        files = [name for name in data["outputs"] if name.startswith(f"{split}/") and name.endswith(".arrow")]
        learned[split] = [data["outputs"][name] for name in sorted(files)]
    return learned | {"chat template": data["chat_template_sha256"]}


def begin(output: Path, learned: Mapping[str, Any], resume: str) -> str:
    """`resolve_resume_checkpoint`, agreed on by all processes. From here on all have looked."""
    start = resolve_resume_checkpoint(output, learned, resume)
    assert_same_across_ranks({"start": start or "from the beginning"})
    if start == "done" and rank() == 0:
        clear(output, start)
    return start


def resolve_resume_checkpoint(output: Path, learned: Mapping[str, Any], resume: str) -> str:
    """Decide how a run begins: "done", the path of a checkpoint, or "" for the beginning; say why.

    Args:
        output: the training's output folder.
        learned: everything that determines the adapter, JSON values.
        resume: "auto", or "never" to start over.

    Raises:
        UserError: an unfinished run with other settings lies in the folder.
    """
    refuse_foreign_files(output)
    manifest = run_manifest.read_manifest(output)
    finished = manifest["learned"] if manifest is not None else None
    if resume == "never":
        print_rank0("Start: from the base model, because of --RESUME never")
        return ""
    checkpoints, running = complete_checkpoints(output), is_running(output)
    before = verified_signature(checkpoints[-1]) if checkpoints else None
    integrity_error = run_manifest.integrity_error(output, manifest) if finished == learned else ""
    if finished == learned and not integrity_error and not (running and before == learned):
        return "done"
    if before is None:
        why = f"{output} has no checkpoint to go on from"
        if finished and finished != learned:
            why += ", as data or settings have changed since the adapter there was made"
        print_rank0(f"Start: from the base model; {integrity_error or why}")
        return ""
    if before == learned:
        why = integrity_error or "same data and settings" + (
            ", and the run had not finished" if running else ""
        )
        print_rank0(f"Start: from {checkpoints[-1]}; {why}")
        return str(checkpoints[-1])
    if before == finished and not running:
        print_rank0(
            "Start: from the base model; the adapter here is finished, and data or settings have changed"
        )
        return ""
    changes = [
        f"{name}: {_short(before.get(name))} then, {_short(learned[name])} now"
        for name in learned
        if learned[name] != before.get(name)
    ]
    raise UserError(
        f"{output} holds an unfinished run with other settings ({'; '.join(changes)}). Give these settings "
        "to go on with it, start over with --RESUME never, or choose another --OUTPUT_DIR."
    )


def assert_same_across_ranks(found: Mapping[str, Any]) -> None:
    """Stop when not all processes of a run find the same: they would wait for each other for ever.

    Args:
        found: what this process has, by name; all have the same names.

    Raises:
        UserError: on every process, with what is different on the first one that differs.
    """
    first, *others = gather_object([dict(found)])
    for number, other in enumerate(others, 1):
        differing = [
            f"{name}: {_short(other[name])} there, {_short(first[name])} here"
            for name in first
            if other[name] != first[name]
        ]
        if differing:
            raise UserError(
                f"process {number} does not find what the first one finds ({'; '.join(differing)}). "
                "Several machines need the same settings, and must see the same folders at the same paths."
            )


def _short(value: object) -> str:
    """A value for one line of a message; fingerprints are cut."""
    text = value[0] if isinstance(value, list) and len(value) == 1 else value
    return text[:8] if isinstance(text, str) and len(text) == 64 else str(text)


def is_running(output: Path) -> bool:
    """Whether the folder holds a run that did not come to its end, beside a finished one or alone."""
    running, published = output / RUNNING_METRICS, output / METRICS_FILE
    if not running.exists():
        return False
    return not published.exists() or running.read_bytes() != published.read_bytes()


def refuse_foreign_files(output: Path) -> None:
    """Refuse a folder with a model or checkpoints that this program did not write, and would replace.

    Raises:
        UserError: with the names of some.
    """
    ours = (
        run_manifest.MANIFEST,
        METRICS_FILE,
        RUNNING_METRICS,
        f"{RUNNING_METRICS}.tmp",
    )  # the last of a run killed as it began
    if not any((output / name).exists() for name in ours) and not complete_checkpoints(output):
        output_dir.refuse_foreign_files(output, "fine_tuning", REPLACED)


def prepare(output: Path, start: str) -> None:
    """Make the folder ready for a run from a checkpoint or, with "", from the beginning.

    What it will not use is removed; the best adapter and the records are those that the checkpoint knows.
    """
    clear(output, start)
    if not start:
        return
    if (best := Path(start) / BEST_WEIGHTS).exists():
        temporary = temp_sibling(output / BEST, "new")
        temporary.mkdir()
        shutil.copy2(best, temporary / ADAPTER_WEIGHTS)
        shutil.copy2(Path(start) / ADAPTER_CONFIG, temporary / ADAPTER_CONFIG)
        replace_folder(temporary, output / BEST)
    write_text(output / RUNNING_METRICS, (Path(start) / RUNNING_METRICS).read_text(encoding="utf-8"))


def clear(output: Path, start: str) -> None:
    """Remove what a run will not use: all of it when starting, half-written checkpoints on a resume.

    After a finished run ("done") that is its working copies; those of a later run are none of its own.
    """
    best = output / BEST
    unused = {temp_sibling(best, "new"), temp_sibling(best, "replaced")}
    if start == "done":
        if is_running(output):
            return
        unused.add(best)
        (output / RUNNING_METRICS).unlink(missing_ok=True)
    else:
        unused |= {path for path in output.glob("checkpoint-*") if path.name[11:].isdecimal()}
        if start:
            unused -= set(complete_checkpoints(output))
        else:
            unused.add(best)
    for folder in unused:
        if folder.is_dir():
            remove(folder)
