"""A lock file that its holder renews."""

import errno
import json
import os
import subprocess
import sys
import time

import pytest
from conftest import ROOT

from medqa.artifacts import lease
from medqa.runtime.errors import UserError

HOLD = """
import sys, time
from pathlib import Path
from medqa.artifacts.lease import lease
with lease(Path(sys.argv[1]), "the test's folder"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A lock file, renewed every 0.1 s and left behind after 0.6 s."""
    monkeypatch.setattr(lease, "RENEWAL", 0.1)
    monkeypatch.setattr(lease, "SILENCE", 0.6)
    return tmp_path / "shards" / "1_of_2.lock"


def of_another_machine(path, **changed):
    """Leave a lock at `path` that a process on another machine created."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"process": 1, "machine": "node7", "processes": 1, "renewals": "0"} | changed))


def test_a_lock_is_held_renewed_and_removed(path):
    with lease.lease(path, "it"):
        first = path.read_bytes()
        time.sleep(0.35)
        assert path.read_bytes() != first
        with (
            pytest.raises(UserError, match=f"it is being made by process {os.getpid()} on"),
            lease.lease(path, "it"),
        ):
            pass
        assert path.exists()
    assert list(path.parent.iterdir()) == []


def test_the_lock_of_a_killed_process_is_taken_over_at_once(path, monkeypatch):
    monkeypatch.setattr(lease, "SILENCE", 1000)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        holder.wait()
        assert path.exists()
        with lease.lease(path, "it"):
            assert json.loads(path.read_bytes())["process"] == os.getpid()


@pytest.mark.parametrize("changed", [{}, {"process": "?"}, {"machine": None}])
def test_the_lock_of_a_silent_machine_is_taken_over_after_a_while(path, changed):
    of_another_machine(path, **changed)
    began = time.monotonic()
    with lease.lease(path, "it"):
        assert time.monotonic() - began >= 0.6


def test_a_lock_that_was_just_created_or_damaged_counts_as_silent(path):
    path.parent.mkdir()
    path.write_bytes(b"")
    with lease.lease(path, "it"):
        pass


def test_a_process_of_this_number_in_another_container_is_not_taken_for_dead(path):
    here = lease._here()
    of_another_machine(path, **here | {"process": 2**22 + 1, "processes": here["processes"] + 1})
    assert not lease._has_died_here(path.read_bytes())
    of_another_machine(path, **here | {"process": 2**22 + 1})
    assert lease._has_died_here(path.read_bytes())


def test_of_two_that_take_a_lock_over_the_second_gives_it_back(path):
    of_another_machine(path)
    silent = path.read_bytes()
    of_another_machine(path, machine="node8")  # has taken it over in between
    taken = path.read_bytes()
    lease._take_away(path, silent)
    assert path.read_bytes() == taken
    assert list(path.parent.iterdir()) == [path]


def test_without_hard_links_a_lock_is_given_back_by_its_name(path, monkeypatch):
    def unsupported(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", unsupported)
    of_another_machine(path, machine="node8")
    taken = path.read_bytes()
    lease._take_away(path, b"the content before")
    assert path.read_bytes() == taken and list(path.parent.iterdir()) == [path]


def test_a_cloned_machine_with_the_same_name_is_another_machine(path):
    of_another_machine(path, **lease._here() | {"process": 2**22 + 1, "boot": "another"})
    assert not lease._has_died_here(path.read_bytes())


def test_a_lock_that_appears_late_is_not_taken_from_its_holder(path, monkeypatch):
    """This machine still sees an old listing: it can neither create the file nor read it."""
    of_another_machine(path)
    looks = []

    def see_late(found):
        looks.append(found)
        return None if len(looks) < 10 else f"renewed {len(looks) // 4}".encode()

    monkeypatch.setattr(lease, "_read", see_late)  # None for 0.2 s
    monkeypatch.setattr(lease, "SILENCE", 0.15)
    with pytest.raises(UserError, match="is being made"), lease.lease(path, "it"):
        pass
    assert path.exists() and len(looks) < 20


@pytest.mark.parametrize(
    ("code", "lost"), [(errno.EIO, False), (errno.ENOTCONN, False), (errno.ESTALE, True)]
)
def test_a_file_server_that_is_away_takes_no_lock(path, monkeypatch, code, lost):
    """ESTALE: another machine has removed the file."""
    with lease.lease(path, "it"), monkeypatch.context() as away:

        def fail(*_, **__):
            raise OSError(code, os.strerror(code))

        away.setattr("builtins.open", fail)
        assert lease._is_lost(path) is lost


def test_inode_numbers_may_change(path):
    """Network file systems may give a file another number when it is looked up again."""
    with lease.lease(path, "it"):
        copy = path.with_name("copy")
        copy.write_bytes(path.read_bytes())
        copy.rename(path)
        assert not lease._is_lost(path)
    assert not path.exists()


def test_a_suspended_process_that_lost_its_lock_is_interrupted_and_leaves_the_new_one(path):
    with pytest.raises(KeyboardInterrupt):
        _interrupted_while_another_takes(path)
    assert json.loads(path.read_bytes())["machine"] == "node7"


def _interrupted_while_another_takes(path):
    """Hold the lock, let another machine replace it, and wait for the interruption."""
    import signal

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with lease.lease(path, "it"):
            path.unlink()
            of_another_machine(path)
            time.sleep(5)
    finally:
        signal.signal(signal.SIGTERM, before)
