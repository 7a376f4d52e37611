"""A stage's life: what it prints, how it writes so that nothing is lost, how it ends."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, fields
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

# Set before torch is imported. Threads that spin while they wait starve each other on a busy machine: with
# two other processes on two cores, a step of the demo model took over 5 s, and 0.4 s with threads that sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

MANIFEST = "manifest.json"
STAGING = ".incomplete"
LOCK = ".running"
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
    return launched("RANK", 0)


def world_size() -> int:
    """How many processes `accelerate launch` started; 1 when this one runs alone."""
    return launched("WORLD_SIZE", 1)


def launched(name: str, alone: int) -> int:
    """A number that the launcher left in the environment; `alone` where there was no launcher.

    Raises:
        UserError: it is there, and is no number.
    """
    value = os.environ.get(name, "")
    if value and not value.isdecimal():
        raise UserError(
            f"the environment says {name}={value!r}; expected a whole number, as accelerate launch sets it. "
            f"Remove it with: unset {name}"
        )
    return int(value or alone)


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
    if hasattr(sys.stdout, "reconfigure"):  # a terminal that knows ASCII alone gets "?" for an arrow
        sys.stdout.reconfigure(errors="replace")
    try:
        main()
    except UserError as error:
        if os.environ.get("RANK", "0") == "0" or not os.environ["RANK"].isdecimal():
            print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(2)
    except Failed as error:  # on whichever process it happened
        print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as stop:
        if rank() == 0:
            print(f"\nInterrupted. {resume_hint}{_typed()}", file=sys.stderr)
        sys.exit(128 + (stop.number if isinstance(stop, Interrupted) else received))
    except BrokenPipeError:  # `--help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"ERROR: {where}{error.strerror or error}. {resume_hint}", file=sys.stderr)
        sys.exit(1)
    except MemoryError:
        print(f"ERROR: the memory of this machine does not suffice. {resume_hint}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        if _disk_full(error):
            print(f"ERROR: {os.strerror(errno.ENOSPC)}. {resume_hint}", file=sys.stderr)
            sys.exit(1)
        traceback.print_exc()
        print(f"FAILED. {resume_hint}", file=sys.stderr)
        sys.exit(1)


def _typed() -> str:
    """The command line that was typed, to be typed again; nothing under a launcher, whose own is unknown."""
    if world_size() > 1 or not sys.argv[0].endswith(".py"):
        return ""
    return f"\n  {shlex.join(['python', *sys.argv])}"


def _disk_full(error: BaseException) -> bool:
    """Whether a library's error comes from a disk without space; few of them raise an OSError for it."""
    told = str(error)
    inner = error.__cause__ or error.__context__
    return (
        os.strerror(errno.ENOSPC) in told
        or "PytorchStreamWriter failed writing" in told
        or (isinstance(inner, OSError) and inner.errno == errno.ENOSPC)
    )


# ---- writing so that a reader never sees half a file -------------------------------------------------------


def write_text(path: Path, text: str | Iterable[str]) -> None:
    """Write a text file in one step: a reader sees the old content or the new one, never half.

    A long text may come in pieces, so that it never stands in memory as a whole.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    with open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.writelines([text] if isinstance(text, str) else text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_json(path: Path, content: object) -> None:
    """Write JSON, indented, in one step. NaN is refused, because JSON has none."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextlib.contextmanager
def occupied(folder: Path, stage: str = "") -> Iterator[None]:
    """Hold `folder` for this process alone; a second run is told who holds it.

    Args:
        folder: where this stage writes.
        stage: its name, as in the manifest; a folder that another stage has written is refused.

    Raises:
        UserError: another stage wrote there, or another live process writes there now. The lock dies with
            its process, also after SIGKILL.
    """
    if stage:
        require_own(folder, stage)
    created = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        try:
            holder = (folder / LOCK).read_text(encoding="utf-8", errors="replace")[:200]
        except OSError:  # it has not written its name yet, or has just ended
            holder = "another process"
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


def require_own(folder: Path, stage: str) -> None:
    """Refuse to publish a stage over the files of another one, or over code.

    Raises:
        UserError: the folder has the manifest of another stage, or is this repository itself.
    """
    manifest = read_manifest(folder)
    if manifest is not None and manifest["stage"] != stage:
        raise UserError(
            f"{folder} holds what {manifest['stage']}.py wrote, and {stage}.py would replace it. Give "
            "another folder: --OUTPUT_DIR …"
        )
    if folder.resolve() == Path(__file__).resolve().parent.parent:
        raise UserError(
            f"OUTPUT_DIR {str(folder)!r} is the folder of the scripts themselves, whose README.md would be "
            "replaced. Give another folder: --OUTPUT_DIR …"
        )


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
    told = read_manifest(staging)
    replaced = [name for name in told.get("replaces", []) if _is_inside(name) and "/" not in name]
    (folder / MANIFEST).unlink(missing_ok=True)
    new = sorted(path.name for path in staging.iterdir() if path.name != MANIFEST)
    for name in dict.fromkeys([*replaced, *new]):  # each once: what was moved must not be removed again
        target = folder / name
        if name not in new and any(path.split("/")[0] == name for path in told["outputs"]):
            continue  # an earlier run, killed, has put it in place
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        if name in new:
            os.replace(staging / name, target)
    os.replace(staging / MANIFEST, folder / MANIFEST)
    staging.rmdir()


def _is_inside(name: object) -> bool:
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
        manifest = json.loads(read_whole(path, LARGEST_MANIFEST))
        wanted = {"outputs": dict, "stage": str} | IN_MANIFEST.get(manifest["stage"], {})
        if strange := [name for name, kind in wanted.items() if not isinstance(manifest.get(name), kind)]:
            raise ValueError(f"nothing usable as {', '.join(strange)}")
        if outside := [name for name in manifest["outputs"] if not _is_inside(name)]:
            raise ValueError(f"{outside[0]!r:.60} is no name of a file in {folder}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged: it should be the JSON record of a finished stage ({_first_line(error)}). "
            f"Remove {folder} and make it again{f' with: {command}' if command else '.'}"
        ) from None
    return manifest


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__


def read_whole(path: Path, most: int) -> bytes:
    """The bytes of a file that is to be taken into memory at once.

    Raises:
        UserError: it is no regular file (a pipe never ends), or holds more than `most` bytes.
    """
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no file. Move it away, or name the right file.")
    if (size := path.stat().st_size) > most:
        raise UserError(
            f"{path} holds {size / 1e6:,.0f} MB; at most {most / 1e6:,.0f} MB are read of such a file. Look "
            "what it is, and make it smaller or divide it."
        )
    return path.read_bytes()


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
