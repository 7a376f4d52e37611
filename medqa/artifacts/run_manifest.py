"""Writes the manifest of a finished stage, reads it, and compares it with the files that it lists."""

import contextlib
import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from functools import cache
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from medqa.artifacts.atomic_io import read_whole, sha256_of_file, sha256_of_files, write_json
from medqa.runtime import processor
from medqa.runtime.errors import UserError, first_line

MANIFEST = "manifest.json"
# Largest manifest that is read, in bytes: thousands of files with their hashes are 1 MB.
LARGEST_MANIFEST = 64 << 20
# Keys that other stages need, and their types.
IN_MANIFEST: dict[str, dict[str, type | tuple[type, ...]]] = {
    "dataset_preparation": {
        "settings": dict, "inputs": dict, "iteration": int, "changes": list, "shares": dict,
        "short_of_pairs": dict, "train_samples": dict, "growth": list, "command": str,
        "chat_template_sha256": str, "system_message": str,
    },
    "fine_tuning": {"settings": dict, "learned": dict, "chat_template_sha256": str, "iteration": int},
}  # fmt: skip
# Packages whose version can change a result.
PACKAGES = (
    "torch", "transformers", "datasets", "peft", "bitsandbytes", "accelerate", "tokenizers", "numpy",
    "pandas", "pyarrow", "scipy", "statsmodels", "nltk", "rouge-score", "sacrebleu", "bert-score",
    "rapidfuzz",
)  # fmt: skip


def with_present_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Recorded settings as this version names them: earlier versions recorded USE_4BIT."""
    present = dict(settings)
    if "USE_4BIT" in present:
        present["BASE_PRECISION"] = "nf4" if present.pop("USE_4BIT") else "bf16"
    return present


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def code_state() -> dict[str, object]:
    """Git commit of this code, and whether there are uncommitted changes; None outside a checkout."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    changes = git("status", "--porcelain")
    return {"git_commit": git("rev-parse", "HEAD"), "git_dirty": None if changes is None else bool(changes)}


def now() -> str:
    """The time in UTC, as ISO 8601 to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def gpu_name() -> str | None:
    """Name of the first GPU, if torch is loaded and sees one."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name(0) if torch is not None and torch.cuda.is_available() else None


def write_manifest(
    staging: Path,
    stage: str,
    settings: Mapping[str, Mapping[str, Any]],
    started: str,
    inputs: dict[str, str],
    **more: object,
) -> None:
    """Write `manifest.json` into a staging folder: the last file of a stage.

    Args:
        staging: the folder that `atomic_publish` yielded; every file in it is listed with its SHA-256.
        stage: name of the script without `.py`.
        settings: the stage's settings, from `runtime.cli.given_and_default`.
        started: when the stage began, from `now`.
        inputs: SHA-256 of the inputs, by path.
        more: other entries, JSON values.
    """
    last = read_manifest(staging.parent) or {"outputs": []}
    manifest = {
        "stage": stage,
        **more,
        "settings": settings,
        "inputs": inputs,
        "outputs": sha256_of_files(staging),
        "replaces": sorted({path.split("/")[0] for path in last["outputs"]}),
        "versions": versions(),
        "gpu": gpu_name(),
        "cpu": processor.describe(),
        **code_state(),
        "started": started,
        "finished": now(),
    }
    write_json(staging / MANIFEST, manifest)


def read_manifest(folder: Path, command: str = "") -> dict[str, Any] | None:
    """The manifest of a finished stage, or None without one.

    Args:
        folder: where the stage wrote.
        command: makes the folder again, for the message; may be unknown.

    Raises:
        UserError: the file exists but is not a manifest.
    """
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        manifest = json.loads(read_whole(path, LARGEST_MANIFEST))
        if isinstance(manifest, dict) and "stage" not in manifest:
            raise UserError(f"{path} was not written by this program. Name another folder than {folder}.")
        wanted = {"outputs": dict, "stage": str} | IN_MANIFEST.get(manifest["stage"], {})
        if wrong := [name for name, kind in wanted.items() if not isinstance(manifest.get(name), kind)]:
            raise ValueError(f"missing or of the wrong type: {', '.join(wrong)}")
        if outside := [name for name in manifest["outputs"] if not is_inside(name)]:
            raise ValueError(f"{outside[0]!r:.60} does not name a file in {folder}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged: it should be the JSON record of a finished stage "
            f"({first_line(error):.200}). Remove {folder} and create it again"
            f"{f' with: {command}' if command else '.'}"
        ) from None
    return manifest


def is_inside(name: object) -> bool:
    """Whether a manifest entry names a file in its folder: relative, without "..", not hidden."""
    if not isinstance(name, str) or "\0" in name:
        return False
    path = PurePosixPath(name)
    return (
        bool(path.parts)
        and str(path) == name
        and not path.is_absolute()
        and not any(p.startswith(".") for p in path.parts)
    )


def recorded_input(inputs: Mapping[str, str], path: Path) -> str | None:
    """The SHA-256 that a manifest recorded for an input, which may have been typed as `./results`."""
    return {Path(name): sha256 for name, sha256 in inputs.items()}.get(path)


def require_finished(folder: Path, stage: str, command: str) -> dict[str, Any]:
    """The manifest of an earlier stage, whose output this stage needs.

    Args:
        folder: where the earlier stage wrote.
        stage: the stage expected there, for example "dataset_preparation".
        command: the command that creates the folder.

    Raises:
        UserError: the folder does not exist, is unfinished, of another stage, or a file was edited later.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} does not exist. Create it with: {command}")
    manifest = read_manifest(folder, command)
    if manifest is None:
        raise UserError(
            f"{folder} has no {MANIFEST}, so {stage}.py has not finished there. Finish it with: {command}"
        )
    if manifest["stage"] != stage:
        raise UserError(
            f"{folder} was written by {manifest['stage']}.py, not by {stage}.py. Create it with: {command}"
        )
    if problem := integrity_error(folder, manifest):
        raise UserError(f"{problem}. Create it again with: {command}")
    return manifest


def integrity_error(folder: Path, manifest: dict[str, Any]) -> str:
    """What happened to a file of a finished stage, as a sentence without full stop; "" if all are intact."""
    for name in damaged_outputs(folder, manifest):
        if not (folder / name).is_file():
            return f"{folder / name} is missing although {manifest['stage']} had finished"
        return f"{folder / name} was changed after {manifest['stage']} wrote it"
    return ""


def damaged_outputs(folder: Path, manifest: dict[str, Any]) -> Iterator[str]:
    """Names of the output files that are missing or were changed, in the order of the manifest."""
    for name, expected in manifest["outputs"].items():
        if not (folder / name).is_file() or sha256_of_file(folder / name) != expected:
            yield name
