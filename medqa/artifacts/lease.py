"""A lock file that also holds on network file systems, where `flock` may not reach other machines.

The holder renews the file every few seconds. A lock that nobody renews is from a process that died, and is
taken over.
"""

import contextlib
import json
import os
import platform
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from medqa.runtime.errors import UserError

# Seconds between two renewals, and without one until a lock counts as left behind. A slow file server delays
# a renewal by a few seconds.
RENEWAL = 5.0
SILENCE = 45.0


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
        if _is_ours(path, handle):
            path.unlink()
        os.close(handle)


def _acquire(path: Path, what: str) -> int:
    """Create the lock file, and return its open handle."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seen, since = None, time.monotonic()
    while True:
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            _write(handle, 0)
            return handle
        try:
            found = path.read_bytes()
        except FileNotFoundError:
            continue
        if seen is not None and found != seen:
            holder = _holder(found)
            raise UserError(
                f"{what} is being made by process {holder.get('process')} on {holder.get('machine')}. Wait "
                "until it ends, or stop it."
            )
        seen = found
        if _has_died_here(found) or time.monotonic() - since > SILENCE:
            _take_away(path, found)
            seen, since = None, time.monotonic()
        else:
            time.sleep(RENEWAL / 5)


def _write(handle: int, renewals: int) -> None:
    """Write who holds the lock, and how often it was renewed."""
    content = json.dumps({"process": os.getpid(), **_here(), "renewals": f"{renewals:09}"})
    os.pwrite(handle, content.encode() + b"\n", 0)
    os.fsync(handle)  # network file systems otherwise keep it from the other machines


def _here() -> dict[str, object]:
    """The machine, and the set of process numbers on it: each container may have a set of its own."""
    processes = Path("/proc/self/ns/pid")
    return {"machine": platform.node(), "processes": processes.stat().st_ino if processes.exists() else 0}


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
    if aside.read_bytes() != content:
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)  # give it back
    aside.unlink()


def _is_ours(path: Path, handle: int) -> bool:
    """Whether the lock file is the one that was created here, not that of a process that took it over."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _renew(path: Path, handle: int, what: str, ended: threading.Event) -> None:
    """Renew the lock until `ended`; interrupt this process if another one has taken the lock over."""
    renewals = 0
    while not ended.wait(RENEWAL):
        if not _is_ours(path, handle):
            print(f"{what} was taken over by another process, because this one was suspended.", flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        renewals += 1
        with contextlib.suppress(OSError):  # a file server that is away for a moment
            _write(handle, renewals)
