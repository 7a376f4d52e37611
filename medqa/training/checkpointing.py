"""Writes checkpoints and the best adapter so that a killed run never leaves a partial one in use."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from medqa.artifacts import atomic_io, run_manifest
from medqa.artifacts.atomic_io import temp_sibling
from medqa.artifacts.plain_words import in_words
from medqa.modeling.adapter import ADAPTER_WEIGHTS, write_adapter
from medqa.runtime.distributed import rank
from medqa.runtime.errors import UserError
from medqa.training.metrics_logger import RUNNING_METRICS

BEST = "best_adapter"
# The best adapter's weights inside a checkpoint. With the metrics so far, also copied there, a checkpoint
# has everything that a run needs to resume.
BEST_WEIGHTS = "best_adapter.safetensors"
# Written last. A checkpoint without it was interrupted while it was saved.
COMPLETE_MARKER = "complete.json"
# Key of the marker: the run was interrupted during the evaluation of this step.
EVALUATION_DUE = "evaluation_due"


def save_adapter(model: Any, folder: Path) -> None:
    """Save the adapter into `folder` atomically, on rank 0 only."""
    if rank() != 0:
        return
    temporary = temp_sibling(folder, "new")
    shutil.rmtree(temporary, ignore_errors=True)
    write_adapter(model, temporary)
    replace_folder(temporary, folder)


def replace_folder(new: Path, folder: Path) -> None:
    """Rename `new` to `folder`. If the process is killed in between, `rollback` restores the old folder."""
    old = temp_sibling(folder, "replaced")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def rollback(folder: Path) -> None:
    """Undo a `replace_folder` that was killed before the new folder was in place; remove leftovers."""
    old = temp_sibling(folder, "replaced")
    if old.exists() and not folder.exists():
        old.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


class CheckpointWriter:
    """Marks checkpoints complete, with the run's signature, and deletes the oldest ones.

    Args:
        output: the training's output folder.
        keep: number of checkpoints to keep.
        signature: everything that determines the adapter, JSON values.
    """

    def __init__(self, output: Path, keep: int, signature: Mapping[str, Any]) -> None:
        self.output, self.keep, self.signature = output, keep, signature

    def begin(self, step: int) -> None:
        """Remove the marker of this step's checkpoint, if any: its files are about to be replaced."""
        if rank() == 0:
            (self.output / f"checkpoint-{step}" / COMPLETE_MARKER).unlink(missing_ok=True)

    def complete(self, step: int, evaluation_due: bool) -> None:
        """Add the best adapter and the metrics, write the marker, then delete the oldest checkpoints.

        Args:
            step: of a checkpoint whose other files this rank has written.
            evaluation_due: whether the evaluation of this step has still to be made.
        """
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if rank() != 0:
            return
        checkpoint = self.output / f"checkpoint-{step}"
        if (self.output / BEST).is_dir():
            shutil.copy2(self.output / BEST / ADAPTER_WEIGHTS, checkpoint / BEST_WEIGHTS)
        shutil.copy2(self.output / RUNNING_METRICS, checkpoint / RUNNING_METRICS)
        marker = {"learned": self.signature, "files": atomic_io.sha256_of_files(checkpoint)}
        if evaluation_due:
            marker[EVALUATION_DUE] = True
        atomic_io.write_json(checkpoint / COMPLETE_MARKER, marker)
        for old in complete_checkpoints(self.output)[: -self.keep]:
            delete_checkpoint(old)


def delete_checkpoint(checkpoint: Path) -> None:
    """Delete the marker first, so an interrupted deletion never looks like a complete checkpoint."""
    (checkpoint / COMPLETE_MARKER).unlink(missing_ok=True)
    shutil.rmtree(checkpoint)


def complete_checkpoints(output: Path) -> list[Path]:
    """Complete checkpoints in the output folder, oldest first."""
    folders = [marker.parent for marker in output.glob(f"checkpoint-*/{COMPLETE_MARKER}")]
    return sorted((folder for folder in folders if folder.name[11:].isdecimal()), key=step_of)


def step_of(checkpoint: Path) -> int:
    """The optimizer step after which a checkpoint was saved."""
    return int(checkpoint.name.split("-")[1])


def _read_marker(checkpoint: Path) -> Any:
    return json.loads(atomic_io.read_whole(checkpoint / COMPLETE_MARKER, run_manifest.LARGEST_MANIFEST))


def is_evaluation_due(checkpoint: Path) -> bool:
    """Whether the run was interrupted during the evaluation of this checkpoint's step."""
    return _read_marker(checkpoint).get(EVALUATION_DUE) is True


def verified_signature(checkpoint: Path) -> dict[str, Any]:
    """The signature of a checkpoint whose files all match their hashes.

    Raises:
        UserError: a file is missing or damaged; with the folder to remove.
    """
    path = checkpoint / COMPLETE_MARKER
    try:
        marker = _read_marker(checkpoint)
        signature, files = run_manifest.with_present_names(marker["learned"]), dict(marker["files"])
        files.pop(COMPLETE_MARKER, None)  # earlier versions listed it when a step was saved twice
        for name, expected in files.items():
            path = checkpoint / Path(name).name
            if atomic_io.sha256_of_file(path) != expected:
                raise ValueError("its content is not what was written")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} cannot be used ({in_words(error)}). Remove {checkpoint}: the run then resumes from the "
            "checkpoint before it, or starts from the beginning."
        ) from None
    return signature
