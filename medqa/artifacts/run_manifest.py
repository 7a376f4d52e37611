"""The manifest of a finished stage: written last, read back, and held against the files it lists."""

import contextlib
import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from medqa.artifacts.atomic_io import read_whole, sha256_of_file, sha256_of_files, write_json
from medqa.runtime.errors import UserError

MANIFEST = "manifest.json"
# Most that is read of a manifest: thousands of files with their hashes are 1 MB.
LARGEST_MANIFEST = 64 << 20
# What the next stage takes from a manifest, and of which type.
IN_MANIFEST: dict[str, dict[str, type | tuple[type, ...]]] = {
    "dataset_preparation": {
        "settings": dict, "inputs": dict, "iteration": int, "changes": list, "shares": dict,
        "short_of_pairs": dict, "train_samples": dict, "growth": list, "command": str,
        "chat_template_sha256": str, "system_message": str,
    },
    "fine_tuning": {"settings": dict, "learned": dict, "chat_template_sha256": str, "iteration": int},
}  # fmt: skip
# Packages whose versions can change a number.
PACKAGES = (
    "torch", "transformers", "datasets", "peft", "bitsandbytes", "accelerate", "tokenizers", "numpy",
    "pandas", "pyarrow", "scipy", "statsmodels", "nltk", "rouge-score", "sacrebleu", "bert-score",
    "rapidfuzz",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a number."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def code_state() -> dict[str, object]:
    """Git commit of this code, and whether the tree had uncommitted changes; None outside a checkout."""

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
    """This moment in UTC, as ISO 8601 to the second."""
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
        staging: the folder that `atomic_publish` gave; every file in it is listed with its SHA-256.
        stage: name of the script without `.py`.
        settings: the stage's settings, from `runtime.cli.given_and_default`.
        started: when the stage began, from `now()`.
        inputs: SHA-256 of the inputs, by path.
        more: whatever else the stage records, JSON values.
    """
    folder = staging.parent
    manifest = {
        "stage": stage,
        **more,
        "settings": settings,
        "inputs": inputs,
        "outputs": sha256_of_files(staging),
        "replaces": sorted({path.split("/")[0] for path in _outputs(folder)}),
        "versions": versions(),
        "gpu": gpu_name(),
        **code_state(),
        "started": started,
        "finished": now(),
    }
    write_json(staging / MANIFEST, manifest)


def _outputs(folder: Path) -> list[str]:
    """Files that the last finished run left in `folder`, by its manifest."""
    manifest = read_manifest(folder)
    return [] if manifest is None else list(manifest["outputs"])


def read_manifest(folder: Path, command: str = "") -> dict[str, Any] | None:
    """The manifest of a finished stage, or None when `folder` holds none.

    Raises:
        UserError: the file is there but is no manifest.
    """
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        manifest = json.loads(read_whole(path, LARGEST_MANIFEST))
        if isinstance(manifest, dict) and "stage" not in manifest:
            raise UserError(f"{path} is no record of this program. Name another folder than {folder}.")
        wanted = {"outputs": dict, "stage": str} | IN_MANIFEST.get(manifest["stage"], {})
        if strange := [name for name, kind in wanted.items() if not isinstance(manifest.get(name), kind)]:
            raise ValueError(f"nothing usable as {', '.join(strange)}")
        if outside := [name for name in manifest["outputs"] if not is_inside(name)]:
            raise ValueError(f"{outside[0]!r:.60} is no name of a file in {folder}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged: it should be the JSON record of a finished stage ({_first_line(error)}). "
            f"Remove {folder} and make it again{f' with: {command}' if command else '.'}"
        ) from None
    return manifest


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__


def is_inside(name: object) -> bool:
    """Whether a name of a manifest lies inside its folder: no way up, no other root, no hidden file."""
    if not isinstance(name, str) or "\0" in name:
        return False
    path = PurePosixPath(name)
    return (
        bool(path.parts)
        and str(path) == name
        and not path.is_absolute()
        and not any(p.startswith(".") for p in path.parts)
    )


def require_finished(folder: Path, stage: str, command: str) -> dict[str, Any]:
    """The manifest of a stage that this one builds on.

    Args:
        folder: where the earlier stage wrote.
        stage: the stage expected there, for example "dataset_preparation".
        command: what the user types to make it.

    Raises:
        UserError: nothing is there, it is unfinished, of another stage, or a file was edited afterwards.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} does not exist. Make it with: {command}")
    manifest = read_manifest(folder, command)
    if manifest is None:
        raise UserError(
            f"{folder} has no {MANIFEST}, so {stage}.py has not finished there. Finish it with: {command}"
        )
    if manifest["stage"] != stage:
        raise UserError(
            f"{folder} was written by {manifest['stage']}.py, not by {stage}.py. Make it with: {command}"
        )
    if told := integrity_error(folder, manifest):
        raise UserError(f"{told}. Make it again with: {command}")
    return manifest


def integrity_error(folder: Path, manifest: dict[str, Any]) -> str:
    """What happened to a file of a finished stage, a sentence without its full stop; "" if all are whole."""
    for name, expected in manifest["outputs"].items():
        path = folder / name
        if not path.is_file():
            return f"{path} is missing although {manifest['stage']} had finished"
        if sha256_of_file(path) != expected:
            return f"{path} was changed after {manifest['stage']} wrote it"
    return ""
