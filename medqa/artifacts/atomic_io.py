"""Writes files atomically, reads them up to a size limit, and computes their SHA-256."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from medqa.runtime.errors import UserError

# Errors of a folder that cannot be written now or later; ENOENT is the answer of /proc.
REFUSED = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.ELOOP,
    errno.EINVAL, errno.EOPNOTSUPP,
)  # fmt: skip


def write_text(path: Path, text: str | Iterable[str]) -> None:
    """Write a text file atomically: a reader sees the old content or the new one, never a part.

    A long text may be given in pieces, so that it is never in memory as a whole.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    with open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.writelines([text] if isinstance(text, str) else text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def temp_sibling(folder: Path, suffix: str) -> Path:
    """A hidden name beside `folder` that nothing else uses: the folder's name with a suffix."""
    return folder.with_name(f".{folder.name}.{suffix}")


def write_json(path: Path, content: object) -> None:
    """Write indented JSON atomically. NaN raises ValueError, because JSON has none."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextlib.contextmanager
def refusing_unwritable(folder: Path) -> Iterator[None]:
    """Turn the system's refusal to write into `folder` into advice: read-only, name too long, no rights.

    Raises:
        UserError: the system refused. Other errors, such as a full disk, stay what they are.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        raise UserError(
            f"{folder} cannot be written ({error.strerror}). Give another folder: --OUTPUT_DIR …"
        ) from None


def share_weights(folder: Path, like: str) -> None:
    """Give weight files the permissions of the file `like` beside them: safetensors creates them as 0600."""
    for path in folder.glob("*.safetensors"):
        path.chmod((folder / like).stat().st_mode)


def is_broken_link(path: Path) -> bool:
    """Whether a path is a symbolic link to nothing."""
    return os.path.islink(path) and not os.path.exists(path)


def drop_cached(file: IO[bytes]) -> None:
    """Let the next read of an open file see what another machine wrote.

    An NFS client that takes a lock drops what it has cached of the file. Without a lock, a file that was
    closed there and opened here is current too, unless the file system was mounted with `nocto`.
    """
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def read_whole(path: Path, most: int) -> bytes:
    """The bytes of a file.

    Raises:
        UserError: it is not a regular file (a pipe never ends), or has more than `most` bytes.
    """
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is not a file. Move it away, or name the right file.")
    if (size := path.stat().st_size) > most:
        raise UserError(
            f"{path} has {size / 1e6:,.0f} MB; at most {most / 1e6:,.0f} MB are read of such a file. Check "
            "whether it is the right file, and divide it if it is."
        )
    return path.read_bytes()


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256_of_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file under `folder`, by relative path; names that start with a dot are left out."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in paths}
    return {
        name: sha256_of_file(path)
        for path, name in names.items()
        if not any(part.startswith(".") for part in name.split("/"))
    }
