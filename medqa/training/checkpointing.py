"""What fine-tuning leaves on disk while it runs: checkpoints and the best adapter, whole or not at all."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from medqa.artifacts import atomic_io, run_manifest
from medqa.modeling.adapter import ADAPTER_WEIGHTS, write_adapter
from medqa.runtime.distributed import rank
from medqa.runtime.errors import UserError
from medqa.training.metrics_logger import RUNNING_METRICS

BEST = "best_adapter"
# Its weights inside a checkpoint, which so has, with the records up to it, all that a run needs to go on.
BEST_WEIGHTS = "best_adapter.safetensors"
# The mark of a whole checkpoint. One without it was being written when the run was killed.
COMPLETE_MARKER = "complete.json"
# In that mark: the run was interrupted during the evaluation of this step.
EVALUATION_DUE = "evaluation_due"


def save_adapter(model: Any, folder: Path) -> None:
    """Save the adapter into `folder` in one step, on the first process only."""
    if rank() != 0:
        return
    temporary = temp_sibling(folder, "new")
    shutil.rmtree(temporary, ignore_errors=True)
    write_adapter(model, temporary)
    replace_folder(temporary, folder)


def temp_sibling(folder: Path, what: str) -> Path:
    """A name beside a folder that nobody else gives: hidden, and the folder's own with a word behind it."""
    return folder.with_name(f".{folder.name}.{what}")


def replace_folder(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder`. Killed in between, `folder` is at hand under another name."""
    old = temp_sibling(folder, "replaced")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def rollback(folder: Path) -> None:
    """Undo a `replace_folder` that was killed before the new folder was in place; remove what it left."""
    old = temp_sibling(folder, "replaced")
    if old.exists() and not folder.exists():
        old.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


class CheckpointWriter:
    """Marks checkpoints complete, with what the run learns, and keeps only the newest ones.

    Args:
        output: the training's output folder.
        keep: how many checkpoints stay.
        learned: everything that determines the adapter, JSON values.
    """

    def __init__(self, output: Path, keep: int, learned: Mapping[str, Any]) -> None:
        self.output, self.keep, self.learned = output, keep, learned

    def begin(self, step: int) -> None:
        """Remove the completion marker of this step, if any: its files are about to be replaced."""
        if rank() == 0:
            (self.output / f"checkpoint-{step}" / COMPLETE_MARKER).unlink(missing_ok=True)

    def complete(self, step: int, evaluation_due: bool) -> None:
        """Add best adapter and records, write the completion marker, then remove the oldest checkpoints.

        Args:
            step: of the checkpoint, whose other files are all written, by every process.
            evaluation_due: whether the evaluation of this step is still to be made.
        """
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if rank() != 0:
            return
        checkpoint = self.output / f"checkpoint-{step}"
        if (self.output / BEST).is_dir():
            shutil.copy2(self.output / BEST / ADAPTER_WEIGHTS, checkpoint / BEST_WEIGHTS)
        shutil.copy2(self.output / RUNNING_METRICS, checkpoint / RUNNING_METRICS)
        files = {
            name: sha
            for name, sha in atomic_io.sha256_of_files(checkpoint).items()
            if name != COMPLETE_MARKER
        }
        marker = {"learned": self.learned, "files": files}
        if evaluation_due:
            marker[EVALUATION_DUE] = True
        atomic_io.write_json(checkpoint / COMPLETE_MARKER, marker)
        for old in complete_checkpoints(self.output)[: -self.keep]:
            remove(old)


def remove(checkpoint: Path) -> None:
    """Remove a checkpoint, its mark first: killed in between, it is no whole one."""
    (checkpoint / COMPLETE_MARKER).unlink(missing_ok=True)
    shutil.rmtree(checkpoint)


def complete_checkpoints(output: Path) -> list[Path]:
    """Finished checkpoints in the output folder, oldest first."""
    found = [
        path.parent
        for path in output.glob(f"checkpoint-*/{COMPLETE_MARKER}")
        if path.parent.name[11:].isdecimal()
    ]
    return sorted(found, key=step_of)


def step_of(checkpoint: Path) -> int:
    """The optimizer step after which a checkpoint was saved."""
    return int(checkpoint.name.split("-")[1])


def is_evaluation_due(checkpoint: Path) -> bool:
    """Whether the run was interrupted during the evaluation of this checkpoint's step."""
    marker = json.loads(atomic_io.read_whole(checkpoint / COMPLETE_MARKER, run_manifest.LARGEST_MANIFEST))
    return marker.get(EVALUATION_DUE) is True


def verified_signature(checkpoint: Path) -> dict[str, Any]:
    """What a checkpoint learns, after a look at each of its files: part of one may be lost.

    Raises:
        UserError: a file cannot be read back; with what to remove.
    """
    path = checkpoint / COMPLETE_MARKER
    try:
        told = json.loads(atomic_io.read_whole(path, run_manifest.LARGEST_MANIFEST))
        learned, files = dict(told["learned"]), dict(told["files"])
        files.pop(COMPLETE_MARKER, None)  # an earlier version listed the marker when a step was saved twice
        for name, expected in files.items():
            path = checkpoint / Path(name).name
            if atomic_io.sha256_of_file(path) != expected:
                raise ValueError("it is not what was written")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} cannot be used ({error}). Remove {checkpoint}: the run then goes on from the checkpoint "
            "before it, or from the beginning."
        ) from None
    return learned
