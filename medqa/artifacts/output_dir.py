"""Locks the output directory of a stage, and publishes results atomically."""

import contextlib
import errno
import fcntl
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from medqa.artifacts.atomic_io import is_broken_link, refusing_unwritable, temp_sibling, write_text
from medqa.artifacts.lease import lease
from medqa.artifacts.run_manifest import MANIFEST, is_inside, read_manifest
from medqa.runtime.distributed import rank
from medqa.runtime.errors import UserError

STAGING = ".incomplete"
LOCK = ".running"
# The errors of file systems that do not have `flock`, such as Lustre unless it is mounted with it.
WITHOUT_FLOCK = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)
# The file that identifies a merged model, also in GGUF files.
MERGED = "merged_from.json"
# What fine-tuning removes or replaces in its folder.
TRAINED = (
    "checkpoint-*", "best_adapter", "adapter_*", "*.safetensors", "config.json", "README.md", "training_*",
    "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
    "chat_template*", "generation_config.json",
)  # fmt: skip
NUMBER = "[0-9]" * 5
# Weights, configuration and tokenizer of a whole model.
MODEL_FILES = (
    "model.safetensors", f"model-{NUMBER}-of-{NUMBER}.safetensors", "model.safetensors.index.json",
    "config.json", "generation_config.json", "chat_template.jinja", "tokenizer.json", "tokenizer_config.json",
    "tokenizer.model", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
    "vocab.txt", "spiece.model", "sentencepiece.bpe.model",
)  # fmt: skip
# What an export writes into the folder of each setting, beside MERGED and README.md.
EXPORTED = {"MERGE_TO": MODEL_FILES, "EXPORT_TO": ("model-F16.gguf", "model-Q8_0.gguf", "Modelfile")}


@contextlib.contextmanager
def output_dir_lock(folder: Path, stage: str = "") -> Iterator[None]:
    """Lock `folder` for this process, and complete the publication of a run that was killed.

    Args:
        folder: where this stage writes.
        stage: its name, as in the manifest; a folder that another stage wrote is refused.

    Raises:
        UserError: a file is in the way, the folder cannot be written, another stage wrote there, or another
            process is writing there now. The system releases the lock when the process ends, also after
            SIGKILL. On a file system without `flock`, the lock is a lease.
    """
    require_creatable(folder)
    if stage:
        require_own(folder, stage)
    created = not folder.exists()
    with refusing_unwritable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    with contextlib.ExitStack() as locks:
        locks.callback(os.close, handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{folder} is being written by {_holder(folder)}. Wait until it ends, or give this run "
                "another folder: --OUTPUT_DIR …"
            ) from None
        except OSError as error:
            if error.errno not in WITHOUT_FLOCK:
                raise
            place = folder.resolve()
            locks.enter_context(lease(place.with_name(f"{place.name}.lock"), str(folder)))
        try:
            name = f"process {os.getpid()} on {platform.node()} ({Path(sys.argv[0]).name})\n"
            with refusing_unwritable(folder):
                write_text(folder / LOCK, name)
            recover(folder)
            yield
        finally:
            (folder / LOCK).unlink(missing_ok=True)
            if created:  # a run that wrote nothing leaves no folder; rmdir does not remove one with content
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _holder(folder: Path) -> str:
    """The process that holds the lock of a folder."""
    try:
        return (folder / LOCK).read_text(encoding="utf-8", errors="replace")[:200].strip()
    except OSError:  # the process has not written its name yet, or has just ended
        return "another process"


def require_creatable(folder: Path) -> None:
    """Refuse an output folder in whose place, or above which, is a file or a broken link; or a name too long.

    Raises:
        UserError: with what is there.
    """
    for place in (folder, *folder.parents):
        if os.path.lexists(place) and not os.path.isdir(place):
            kind = f"a broken link (to {os.readlink(place)})" if is_broken_link(place) else "a file"
            raise UserError(
                f"OUTPUT_DIR {folder} cannot be created: {place} is {kind}. Give another folder: "
                "--OUTPUT_DIR …"
            )
    with refusing_unwritable(folder), contextlib.suppress(FileNotFoundError):
        folder.stat()


def require_own(folder: Path, stage: str) -> None:
    """Refuse to publish a stage over the files of another stage, or over the code.

    Raises:
        UserError: the folder has the manifest of another stage, or is this repository itself.
    """
    manifest = read_manifest(folder)
    if manifest is not None and manifest["stage"] != stage:
        raise UserError(
            f"{folder} has the output of {manifest['stage']}.py, which {stage}.py would replace. Give "
            "another folder: --OUTPUT_DIR …"
        )
    if folder.resolve() == Path(__file__).resolve().parents[2]:
        raise UserError(
            f"OUTPUT_DIR {str(folder)!r} is the folder of the scripts, whose README.md would be replaced. "
            "Give another folder: --OUTPUT_DIR …"
        )


def refuse_foreign_files(folder: Path, stage: str, replaced: Iterable[str]) -> None:
    """Refuse a folder with files that a stage would remove or replace, but did not write.

    Args:
        folder: where the stage writes, and has not written yet.
        stage: its name, for the message.
        replaced: patterns of the files that it removes or replaces there.

    Raises:
        UserError: with the names of some of them.
    """
    if foreign := sorted({path.name for pattern in replaced for path in folder.glob(pattern)}):
        raise UserError(
            f"{folder} has {', '.join(foreign[:3])}{' …' if foreign[3:] else ''}, which {stage}.py did not "
            "write and might replace. Give another folder: --OUTPUT_DIR …"
        )


@dataclass(frozen=True)
class TrainingFolders:
    """Folders of a training; each field is the setting of the same name in capitals. Exports may be ""."""

    output_dir: str
    dataset_dir: str
    model_name: str  # a folder, or a name on the Hub
    merge_to: str
    export_to: str


def require_place_for_exports(folders: TrainingFolders) -> None:
    """Refuse to write a merged model, or GGUF files of it, where something else is, or will be.

    Raises:
        UserError: the folder has other content, is or contains a folder in use, or cannot be created.
    """
    in_use = {name.upper(): folder for name, folder in vars(folders).items() if folder}
    if not Path(folders.model_name).is_dir():
        del in_use["MODEL_NAME"]
    for setting in EXPORTED:
        if setting in in_use:
            others = {name: folder for name, folder in in_use.items() if name != setting}
            # Unlike `Path.resolve`, this accepts a loop of links.
            place = Path(os.path.realpath(in_use[setting]))
            problem = _in_the_way(place, others) or _other_content(setting, place) or _creation_error(place)
            if problem:
                raise UserError(f"{setting} {in_use[setting]} {problem}. Name another folder.")


def _in_the_way(place: Path, in_use: dict[str, str]) -> str:
    """Why an export into `place` would collide with the folders in use, by setting; empty if it would not."""
    for name, folder in {**in_use, "the current folder": "."}.items():
        if Path(os.path.realpath(folder)).is_relative_to(place):
            return f"would replace {name} ({folder})"
    output = Path(os.path.realpath(in_use["OUTPUT_DIR"]))
    if place.is_relative_to(output):
        name = place.relative_to(output).parts[0]
        if any(fnmatch(name, pattern) for pattern in (".*", MANIFEST, *TRAINED)):
            return f"is in the place of {name}, which training replaces or removes"
    return ""


def _other_content(setting: str, place: Path) -> str:
    """What `place` is or has other than an earlier export of this kind; empty if nothing."""
    if above := [parent for parent in place.parents if os.path.isfile(parent)]:
        return f"cannot be created: {above[0]} is a file"
    if not os.path.lexists(place):
        return ""
    if not place.is_dir():
        return "exists and is not a folder"
    if os.path.ismount(place):
        return "is a mount point, which cannot be replaced"
    try:
        names = {path.name for path in place.iterdir()}
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if names and MERGED not in names:
        return "exists and is not a merged model"
    allowed = (MERGED, "README.md", *EXPORTED[setting])
    if other := sorted(name for name in names if not any(fnmatch(name, pattern) for pattern in allowed)):
        return f"has {', '.join(other[:3])}{' …' if other[3:] else ''}, which this export does not write"
    return ""


def _creation_error(place: Path) -> str:
    """Why the temporary folders beside `place` cannot be created; empty if they can. Leaves none of them."""
    if rank() != 0:
        return ""
    trial = temp_sibling(place, "replaced")  # the longest name; a killed export may have left it
    new = [folder for folder in (trial, *trial.parents) if not os.path.lexists(folder)]
    try:
        trial.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"cannot be created: {error.strerror}"
    finally:
        for folder in new:
            with contextlib.suppress(OSError):
                folder.rmdir()
    return ""


@contextlib.contextmanager
def atomic_publish(folder: Path) -> Iterator[Path]:
    """Yield an empty folder inside `folder`; at the end its content replaces the old content of `folder`.

    The block must end with `write_manifest` into that folder. Before this, nothing in `folder` changes; after
    it, `recover` completes a run that was killed.
    """
    recover(folder)
    staging = folder / STAGING
    staging.mkdir(parents=True)
    try:
        yield staging
    except BaseException:
        (staging / MANIFEST).unlink(missing_ok=True)  # so that `recover` does not take it for complete
        shutil.rmtree(staging, ignore_errors=True)
        raise
    recover(folder)


def recover(folder: Path) -> None:
    """Publish the staging folder that a killed run left in `folder` if it is complete, else remove it.

    The old manifest is removed first and the new one is written last, so its existence means *finished*.
    """
    staging = folder / STAGING
    if not staging.exists():
        return
    if not (staging / MANIFEST).exists():
        shutil.rmtree(staging)
        return
    manifest = read_manifest(staging)
    replaced = [name for name in manifest.get("replaces", []) if is_inside(name) and "/" not in name]
    (folder / MANIFEST).unlink(missing_ok=True)
    new = sorted(path.name for path in staging.iterdir() if path.name != MANIFEST)
    for name in dict.fromkeys([*replaced, *new]):  # each once: a moved file must not be removed again
        target = folder / name
        if name not in new and any(path.split("/")[0] == name for path in manifest["outputs"]):
            continue  # an earlier, killed recovery has moved it
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        if name in new:
            os.replace(staging / name, target)
    os.replace(staging / MANIFEST, folder / MANIFEST)
    staging.rmdir()
