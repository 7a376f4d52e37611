"""A stage's life: what it prints, how it writes so that nothing is lost, how it ends."""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, fields
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

# Set before torch is imported. Threads that spin while they wait starve each other on a busy machine: with
# two other processes on two cores, a step of the demo model took over 5 s, and 0.4 s with threads that sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

MANIFEST = "manifest.json"
STAGING = ".incomplete"
LOCK = ".running"
# Packages whose versions can change a number.
PACKAGES = (
    "torch", "transformers", "datasets", "peft", "bitsandbytes", "accelerate", "tokenizers", "numpy",
    "pandas", "pyarrow", "scipy", "nltk", "bert-score", "rapidfuzz",
)  # fmt: skip


class Interrupted(KeyboardInterrupt):
    """A signal ended the work after it was saved; `number` is the signal."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class UserError(Exception):
    """Something the user can put right: printed as it stands, without a traceback; exit code 2."""


class Failed(Exception):
    """The work cannot go on, although the user did nothing wrong: the message is shown, exit code 1."""


# ---- printing, once under several processes ------------------------------------------------------------


def rank() -> int:
    """Number of this process among those that `accelerate launch` started; 0 when it runs alone."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes `accelerate launch` started; 1 when this one runs alone."""
    return int(os.environ.get("WORLD_SIZE", "1"))


_silent = False


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Let a stage run inside another program without its report."""
    global _silent
    before, _silent = _silent, True
    try:
        yield
    finally:
        _silent = before


def say(*lines: str) -> None:
    """Print lines, on the first process only. When nobody reads them any more (`| head`), work goes on."""
    if rank() == 0 and not _silent:
        try:
            print(*lines, sep="\n", flush=True)
        except BrokenPipeError:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (stays open until the process ends)


def shows_progress() -> bool:
    """Whether progress bars are drawn: by the first process, on a terminal, without NO_COLOR."""
    return rank() == 0 and not _silent and sys.stderr.isatty() and "NO_COLOR" not in os.environ


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out rows under a header: first column to the left, the others (numbers) to the right."""
    cells = [list(header)] + [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                  for column, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in cells
    ]  # fmt: skip
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


class Warnings:
    """Collects what the user should know, to be printed together at the end of a stage."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, text: str) -> None:
        """Keep a warning, once."""
        if text not in self.texts:
            self.texts.append(text)

    def show(self) -> None:
        """Print all warnings."""
        if self.texts:
            say("", *(f"WARNING: {text}" for text in self.texts))


# ---- how a script ends -----------------------------------------------------------------------------------


def run_script(main: Callable[[], None], resume_hint: str) -> None:
    """Run a script's `main` and exit: 0 done, 1 failed, 2 wrong usage or input, 130/143 interrupted.

    Ctrl-C and SIGTERM both raise KeyboardInterrupt inside `main`; `resume_hint` then says how to go on.
    """
    received = signal.SIGINT

    def interrupt(number: int, _frame: object) -> None:
        nonlocal received
        received = signal.Signals(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        main()
    except UserError as error:
        if rank() == 0:
            print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(2)
    except Failed as error:  # on whichever process it happened
        print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as stop:
        if rank() == 0:
            print(f"\nInterrupted. {resume_hint}", file=sys.stderr)
        sys.exit(128 + (stop.number if isinstance(stop, Interrupted) else received))
    except BrokenPipeError:  # `--help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"ERROR: {where}{error.strerror or error}. {resume_hint}", file=sys.stderr)
        sys.exit(1)
    except Exception:
        traceback.print_exc()
        print(f"FAILED. {resume_hint}", file=sys.stderr)
        sys.exit(1)


# ---- writing so that a reader never sees half a file -------------------------------------------------------


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step: a reader sees the old content or the new one, never half."""
    temporary = path.with_name(f"{path.name}.tmp")
    with open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_json(path: Path, content: object) -> None:
    """Write JSON, indented, in one step. NaN is refused, because JSON has none."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextlib.contextmanager
def occupied(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process alone; a second run is told who holds it.

    Raises:
        UserError: another live process writes there. The lock dies with its process, also after SIGKILL.
    """
    created = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        note = folder / LOCK
        holder = note.read_text(encoding="utf-8") if note.exists() else "another process"
        raise UserError(
            f"{folder} is being written by {holder.strip()}. Wait for it to end, or give this run its own "
            "--OUTPUT_DIR."
        ) from None
    try:
        write_text(folder / LOCK, f"process {os.getpid()} on {platform.node()} ({Path(sys.argv[0]).name})\n")
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        if created:  # a run that wrote nothing leaves nothing; a folder with content is not removed by rmdir
            with contextlib.suppress(OSError):
                folder.rmdir()
        os.close(handle)


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give an empty folder inside `folder`; what it holds at the end takes the place of the old content.

    The block must end with `write_manifest` into the folder it was given. Until then nothing in `folder`
    changes; from then on a killed run is completed by `recover`.
    """
    recover(folder)
    staging = folder / STAGING
    staging.mkdir(parents=True)
    try:
        yield staging
    except BaseException:
        (staging / MANIFEST).unlink(missing_ok=True)  # so that `recover` never takes it for whole
        shutil.rmtree(staging, ignore_errors=True)
        raise
    recover(folder)


def recover(folder: Path) -> None:
    """Finish or undo what a killed run left in `folder`: a whole staging folder is published, a part removed.

    The old manifest goes first and the new one comes last, so that its presence means *finished*.
    """
    staging = folder / STAGING
    if not staging.exists():
        return
    if not (staging / MANIFEST).exists():
        shutil.rmtree(staging)
        return
    replaced = json.loads((staging / MANIFEST).read_text(encoding="utf-8"))["replaces"]
    (folder / MANIFEST).unlink(missing_ok=True)
    new = sorted(path.name for path in staging.iterdir() if path.name != MANIFEST)
    for name in dict.fromkeys([*replaced, *new]):  # each once: what was moved must not be removed again
        target = folder / name
        if name in replaced and name not in new and _moved_already(name, staging):
            continue
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        if name in new:
            os.replace(staging / name, target)
    os.replace(staging / MANIFEST, folder / MANIFEST)
    staging.rmdir()


def _moved_already(name: str, staging: Path) -> bool:
    """Whether `name` belongs to the staged output and an earlier, killed run has put it in place."""
    outputs = json.loads((staging / MANIFEST).read_text(encoding="utf-8"))["outputs"]
    return any(path.split("/")[0] == name for path in outputs)


# ---- the manifest ------------------------------------------------------------------------------------------


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256_of_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file under `folder`, by its path inside it, names that start with a dot left out."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in paths}
    return {
        name: sha256_of_file(path)
        for path, name in names.items()
        if not any(part.startswith(".") for part in name.split("/"))
    }


def settings(config: object) -> dict[str, dict[str, Any]]:
    """A config's settings as `{"given": …, "default": …}`: those unlike the default, the rest."""
    told: dict[str, dict[str, Any]] = {"given": {}, "default": {}}
    for item in fields(config):
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        value = getattr(config, item.name)
        told["default" if value == default else "given"][item.name] = value
    return told


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


def write_manifest(
    staging: Path, stage: str, config: object, started: str, inputs: dict[str, str], **more: object
) -> None:
    """Write `manifest.json` into a staging folder: the last file of a stage.

    Args:
        staging: the folder that `staged` gave; every file in it is listed with its SHA-256.
        stage: name of the script without `.py`.
        config: the stage's config, told apart into given and default settings.
        started: when the stage began, from `now()`.
        inputs: SHA-256 of the inputs, by path.
        more: whatever else the stage records, JSON values.
    """
    folder = staging.parent
    manifest = {
        "stage": stage,
        **more,
        "settings": settings(config),
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


def gpu_name() -> str | None:
    """Name of the first GPU, if torch is loaded and sees one."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name(0) if torch is not None and torch.cuda.is_available() else None


def read_manifest(folder: Path, command: str = "") -> dict[str, Any] | None:
    """The manifest of a finished stage, or None when `folder` holds none.

    Raises:
        UserError: the file is there but is no manifest.
    """
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(manifest["outputs"], dict) or not isinstance(manifest["stage"], str):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(
            f"{path} is damaged: it should be the JSON record of a finished stage. Remove {folder} and make "
            f"it again{f' with: {command}' if command else '.'}"
        ) from None
    return manifest


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
    for name, expected in manifest["outputs"].items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path} is missing although {stage} had finished. Make it again with: {command}")
        if sha256_of_file(path) != expected:
            raise UserError(f"{path} was changed after {stage} wrote it. Make it again with: {command}")
    return manifest


def elapsed(seconds: float) -> str:
    """A duration for people: "48 s", "3 min 05 s", "2 h 10 min"."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


clock = time.monotonic
nothing = contextlib.nullcontext
