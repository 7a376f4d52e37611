"""A stage's output folder: held by one process, and all new or all old whenever that is killed."""

import contextlib
import fcntl
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from medqa.artifacts.atomic_io import write_text
from medqa.artifacts.run_manifest import MANIFEST, is_inside, read_manifest
from medqa.runtime.errors import UserError

STAGING = ".incomplete"
LOCK = ".running"
# The mark of a merged model.
MERGED = "merged_from.json"


@contextlib.contextmanager
def output_dir_lock(folder: Path, stage: str = "") -> Iterator[None]:
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
    if folder.resolve() == Path(__file__).resolve().parents[2]:
        raise UserError(
            f"OUTPUT_DIR {str(folder)!r} is the folder of the scripts themselves, whose README.md would be "
            "replaced. Give another folder: --OUTPUT_DIR …"
        )


def refuse_foreign_files(folder: Path, stage: str, replaced: Iterable[str]) -> None:
    """Refuse a folder with files that a stage would remove or replace, and did not write.

    Args:
        folder: where the stage writes, and has not written yet.
        stage: its name, for the message.
        replaced: patterns of what it removes or replaces there.

    Raises:
        UserError: with the names of some.
    """
    if strange := sorted({path.name for pattern in replaced for path in folder.glob(pattern)}):
        raise UserError(
            f"{folder} holds {', '.join(strange[:3])}{' …' if strange[3:] else ''}, which {stage}.py did not "
            "write and might replace. Give another folder: --OUTPUT_DIR …"
        )


def require_place_for_merged(target: Path, taken: dict[str, str]) -> None:
    """Refuse to put a merged model where something else is, or will be.

    Args:
        target: the setting MERGE_TO.
        taken: names of settings → folders that are in use.

    Raises:
        UserError: the folder holds something else, or a folder in use is it or lies in it.
    """
    place = target.resolve()
    own = place.name.startswith((".", "checkpoint-", "best_adapter"))
    if own and place.parent == Path(taken["OUTPUT_DIR"]).resolve():
        raise UserError(f"MERGE_TO {target} is a folder that training removes. Name another folder.")
    if above := [parent for parent in place.parents if parent.is_file()]:
        raise UserError(f"MERGE_TO {target} cannot be made: {above[0]} is a file. Name another folder.")
    for name, folder in {**taken, "the folder you are in": "."}.items():
        if Path(folder).resolve().is_relative_to(place):
            raise UserError(f"MERGE_TO {target} would replace {name} ({folder}). Name another folder.")
    if target.exists() and not (target / MERGED).exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"MERGE_TO {target} exists and holds no merged model. Name another folder.")


@contextlib.contextmanager
def atomic_publish(folder: Path) -> Iterator[Path]:
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
    replaced = [name for name in told.get("replaces", []) if is_inside(name) and "/" not in name]
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
