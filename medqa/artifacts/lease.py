"""A lock file that also holds on network file systems, where `flock` may not reach other machines.

The holder renews the file every few seconds. A lock that nobody renews is from a process that died, and is
taken over. Clocks of machines are not compared: a process that waits measures on its own clock for how long
the content has not changed.
"""

import contextlib
import errno
import json
import os
import platform
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from medqa.artifacts.atomic_io import drop_cached, refusing_unwritable
from medqa.runtime.errors import UserError

# Seconds between two renewals, and without one until a lock counts as left behind. A machine may see the old
# content for as long as it caches a file's attributes: 60 s by default on NFS (acregmax).
RENEWAL = 5.0
SILENCE = 120.0
# What a file server answers about a file that another machine has removed.
GONE = (errno.ENOENT, errno.ESTALE)


@contextlib.contextmanager
def lease(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path` for the time of the block.

    A lock that was left behind is taken over after `SILENCE` seconds, or at once if its process ran on this
    machine.

    Args:
        path: the lock file.
        what: what the lock protects, for the messages.

    Raises:
        UserError: another process holds the lock, and renews it.
    """
    handle = _acquire(path, what)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(path, handle, what, ended), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        if not _is_lost(path):
            path.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path, what: str) -> int:
    """Create the lock file, and return its open handle."""
    with refusing_unwritable(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    seen, since = None, 0.0
    while True:
        with contextlib.suppress(FileExistsError), refusing_unwritable(path.parent):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            _write(handle, 0)
            return handle
        found = _read(path)  # None: has just been removed, or created where this machine does not see it yet
        if seen is None:
            since = time.monotonic()
        elif found is not None and found != seen:
            holder = _holder(found)
            raise UserError(
                f"{what} is being made by process {holder.get('process')} on {holder.get('machine')}. Wait "
                "until it ends, or stop it."
            )
        seen = found
        if found is not None and (_has_died_here(found) or time.monotonic() - since > SILENCE):
            _take_away(path, found)
            seen = None
        else:
            time.sleep(RENEWAL / 5)


def _read(path: Path) -> bytes | None:
    """The content of a lock file; None without one.

    Raises:
        OSError: the file server does not answer.
    """
    try:
        with open(path, "rb") as file:
            drop_cached(file)
            return file.read()
    except OSError as error:
        if error.errno in GONE:
            return None
        raise


def _write(handle: int, renewals: int) -> None:
    """Write who holds the lock, and how often it was renewed."""
    content = json.dumps({**_me(), "renewals": f"{renewals:09}"})
    os.pwrite(handle, content.encode() + b"\n", 0)
    os.fsync(handle)  # network file systems otherwise keep it from the other machines


def _me() -> dict[str, object]:
    """What the lock file of this process contains in each of its versions."""
    return {"process": os.getpid(), **_here()}


def _here() -> dict[str, object]:
    """The machine, its start, and the set of process numbers on it: each container may have another set.

    Machines that were cloned have the same name, and their first sets of process numbers too.
    """
    processes, boot = Path("/proc/self/ns/pid"), Path("/proc/sys/kernel/random/boot_id")
    return {
        "machine": platform.node(),
        "boot": boot.read_text().strip() if boot.exists() else "",
        "processes": processes.stat().st_ino if processes.exists() else 0,
    }


def _holder(content: bytes) -> dict[str, object]:
    """What `_write` wrote; empty while the file is being created."""
    with contextlib.suppress(ValueError):
        found = json.loads(content)
        if isinstance(found, dict):
            return found
    return {}


def _has_died_here(content: bytes) -> bool:
    """Whether the lock is from a process of this machine that has ended."""
    holder = _holder(content)
    if {name: holder.get(name) for name in _here()} != _here() or not isinstance(holder.get("process"), int):
        return False
    try:
        os.kill(holder["process"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _take_away(path: Path, content: bytes) -> None:
    """Remove a lock that was left behind, unless another process has just taken it over."""
    aside = path.with_name(f"{path.name}.{platform.node()}.{os.getpid()}")
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return
    if _read(aside) != content:  # give it back
        with contextlib.suppress(FileExistsError):
            _link(aside, path)
    aside.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; on a file system without hard links, rename it.

    Raises:
        FileExistsError: the target exists.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        if target.exists():
            raise FileExistsError from None
        os.rename(source, target)


def _is_lost(path: Path) -> bool:
    """Whether another process has removed or replaced the lock file of this one.

    Compares the content: inode numbers are not constant on every network file system. A file server that does
    not answer changes nothing.
    """
    try:
        found = _read(path)
    except OSError:
        return False
    return found is None or {name: _holder(found).get(name) for name in _me()} != _me()


def _renew(path: Path, handle: int, what: str, ended: threading.Event) -> None:
    """Renew the lock until `ended`; interrupt this process if another one has taken the lock over."""
    renewals = 0
    while not ended.wait(RENEWAL):
        if _is_lost(path):
            print(f"{what} was taken over by another process, because this one was suspended.", flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        renewals += 1
        with contextlib.suppress(OSError):  # a file server that is away for a moment
            _write(handle, renewals)
