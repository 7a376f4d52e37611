"""What fine-tuning leaves on disk while it runs, and from which of it a later run may go on."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from medqa import disk, manifests
from medqa.adapter import write_adapter
from medqa.errors import UserError
from medqa.processes import rank
from medqa.screen import say
from medqa.steps import sequences_per_step

BEST = "best_adapter"
# The mark of a whole checkpoint. One without it was being written when the run was killed.
DONE = "complete.json"
# Settings that change where or how fast a run goes, but not what it learns: it may be resumed with others.
NOT_LEARNED = {
    "MODEL_NAME", "DATASET_DIR", "OUTPUT_DIR", "BATCH_SIZE", "GRADIENT_ACCUMULATION_STEPS",
    "TOKENS_PER_BATCH", "GRADIENT_CHECKPOINTING", "SAVE_STEPS", "SAVE_TOTAL_LIMIT", "RESUME", "USE_WANDB",
    "COMPILE", "GPU_MEMORY_GB", "DRY_RUN", "MERGE_TO",
}  # fmt: skip


def what_is_learned(config: Any, data: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Everything that determines the adapter; two runs with the same one may continue each other."""
    learned = {name: value for name, value in vars(config).items() if name not in NOT_LEARNED}
    learned["LORA_TARGET_MODULES"] = list(config.LORA_TARGET_MODULES)
    learned["sequences per step"] = sequences_per_step(config)
    learned["base model"] = base
    for split in ("train_dataset", "eval_dataset"):
        files = [name for name in data["outputs"] if name.startswith(f"{split}/") and name.endswith(".arrow")]
        learned[split] = [data["outputs"][name] for name in sorted(files)]
    return learned | {"chat template": data["chat_template_sha256"]}


def save_adapter(model: Any, folder: Path) -> None:
    """Save the adapter into `folder` in one step, on the first process only."""
    if rank() != 0:
        return
    temporary = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    write_adapter(model, temporary)
    replace_folder(temporary, folder)


def replace_folder(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder`. Killed in between, `folder` is at hand as `folder.old`."""
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def put_back(folder: Path) -> None:
    """Undo a `replace_folder` that was killed before the new folder was in place; remove what it left."""
    old = folder.with_name(f"{folder.name}.old")
    if old.exists() and not folder.exists():
        old.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


class Checkpoints(TrainerCallback):
    """Marks a checkpoint once all its files are there, and keeps only the newest ones."""

    def __init__(self, keep: int, learned: Mapping[str, Any]) -> None:
        self.keep, self.learned = keep, learned

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Mark the new checkpoint with what it learns, then remove the oldest."""
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if rank() != 0:
            return
        output = Path(args.output_dir)
        checkpoint = output / f"checkpoint-{state.global_step}"
        files = disk.sha256_of_files(checkpoint)
        disk.write_json(checkpoint / DONE, {"learned": self.learned, "files": files})
        for old in whole_checkpoints(output)[: -self.keep]:
            shutil.rmtree(old)


def whole_checkpoints(output: Path) -> list[Path]:
    """Finished checkpoints in the output folder, oldest first."""
    found = [path.parent for path in output.glob(f"checkpoint-*/{DONE}") if path.parent.name[11:].isdecimal()]
    return sorted(found, key=lambda path: int(path.name.split("-")[1]))


def begin(output: Path, learned: Mapping[str, Any], resume: str) -> str:
    """`where_to_start`, agreed on by all processes; what the run will not use is removed."""
    start = where_to_start(output, learned, resume)
    require_alike({"start": start or "from the beginning"})  # from here on all have looked
    if rank() == 0:
        clear(output, start)
    return start


def where_to_start(output: Path, learned: Mapping[str, Any], resume: str) -> str:
    """Decide how a run begins: "done", the path of a checkpoint, or "" for the beginning; say why.

    Args:
        output: the training's output folder.
        learned: everything that determines the adapter, JSON values.
        resume: "auto", or "never" to start over.

    Raises:
        UserError: an unfinished run with other settings lies in the folder.
    """
    manifest = manifests.read_manifest(output)
    finished = manifest["learned"] if manifest is not None else None
    if resume == "never":
        say("Start: from the base model, because of --RESUME never")
        return ""
    if finished == learned:
        return "done"
    if rank() == 0:
        put_back(output / BEST)
    checkpoints = whole_checkpoints(output)
    if not checkpoints:
        changed = ", as data or settings have changed since the adapter there was made" if finished else ""
        say(f"Start: from the base model; {output} has no checkpoint to go on from{changed}")
        return ""
    before = require_readable(checkpoints[-1])
    if before == learned:
        say(f"Start: from {checkpoints[-1]}; same data and settings, and the run had not finished")
        return str(checkpoints[-1])
    if before == finished:
        say("Start: from the base model; the adapter here is finished, and data or settings have changed")
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


def require_alike(found: Mapping[str, Any]) -> None:
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


def require_readable(checkpoint: Path) -> dict[str, Any]:
    """What a checkpoint learns, after a look at each of its files: part of one may be lost.

    Raises:
        UserError: a file cannot be read back; with what to remove.
    """
    path = checkpoint / DONE
    try:
        told = json.loads(disk.read_whole(path, manifests.LARGEST_MANIFEST))
        learned, files = dict(told["learned"]), dict(told["files"])
        for name, expected in files.items():
            path = checkpoint / Path(name).name
            if disk.sha256_of_file(path) != expected:
                raise ValueError("it is not what was written")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} cannot be used ({error}). Remove {checkpoint}: the run then goes on from the checkpoint "
            "before it, or from the beginning."
        ) from None
    return learned


def _short(value: object) -> str:
    """A value for one line of a message; fingerprints are cut."""
    text = value[0] if isinstance(value, list) and len(value) == 1 else value
    return text[:8] if isinstance(text, str) and len(text) == 64 else str(text)


def clear(output: Path, start: str) -> None:
    """Remove what this run will not use: all of it when starting, half-written checkpoints on a resume.

    After a finished run ("done") that is the working copy of the adapter, if the run was killed at its end.
    """
    unused = {path for path in output.glob("checkpoint-*") if path.is_dir()}
    if start == "done":
        unused = set(output.glob(f"{BEST}*"))
    elif start:
        unused |= {output / f"{BEST}.tmp"} & set(output.iterdir())
        unused -= set(whole_checkpoints(output))
    else:
        unused |= set(output.glob(f"{BEST}*"))
    for folder in unused:
        shutil.rmtree(folder)
