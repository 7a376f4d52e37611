"""Refuses an output folder that holds input data or the output of another stage, and suggests a free one."""

import itertools
import os
import shlex
from pathlib import Path

from medqa.artifacts.output_dir import MERGED
from medqa.artifacts.run_manifest import read_manifest
from medqa.runtime.errors import UserError

DATA, PREPARED, TRAINED, EVALUATED = "input data", "prepared datasets", "a trained model", "an evaluation"
# What is recognized by names, also where a stage has not finished and so has no manifest.
CONTENT = {
    DATA: ("dataset_with_answers_*",),
    PREPARED: ("holdout_dataset", "train_dataset", "eval_dataset", "eval_pool_dataset", "dataset_stats.json"),
    TRAINED: (
        "adapter_config.json", "adapter_model.*", "training_metrics.running.jsonl", "checkpoint-*", MERGED,
        "config.json", "model*.safetensors", "*.gguf",
    ),
    EVALUATED: ("predictions", "training_recommendations.json"),
}  # fmt: skip
# Stage → what its own folder may hold, and the end of the name of a free one.
STAGES = {"fine_tuning": (TRAINED, "results"), "evaluation": (EVALUATED, "evaluation")}
OF_STAGE = {"dataset_preparation": PREPARED, "fine_tuning": TRAINED, "evaluation": EVALUATED}


def require_place(folder: Path, stage: str) -> None:
    """Refuse to write beside something else than earlier output of the same stage.

    Args:
        folder: where the stage writes.
        stage: "fine_tuning" or "evaluation".

    Raises:
        UserError: with what is there, and the name of a free folder.
    """
    own, ending = STAGES[stage]
    if not folder.is_dir():
        return
    manifest = read_manifest(folder)
    reason = ""
    if manifest is not None and OF_STAGE.get(manifest["stage"], own) != own:
        reason = f"has the output of {manifest['stage']}.py"
    for content, patterns in CONTENT.items():
        names = sorted({path.name for pattern in patterns for path in folder.glob(pattern)})
        if names and content != own and not reason:
            reason = f"holds {content} ({', '.join(names[:3])}{' …' if names[3:] else ''})"
    if reason:
        raise UserError(
            f"OUTPUT_DIR {folder} {reason}, and {stage}.py writes beside nothing else. Give a folder of its "
            f"own, such as: --OUTPUT_DIR {shlex.quote(free_folder(folder, ending))}"
        )


def free_folder(folder: Path, ending: str) -> str:
    """A name like that of `folder` that no file or folder has."""
    stem = f"{folder}_{ending}" if folder.name not in ("", "..") else ending
    names = itertools.chain([stem], (f"{stem}_{number}" for number in itertools.count(2)))
    return next(name for name in names if not os.path.lexists(name))
