"""Killed at any moment, a stage that is run again ends as if nothing had happened."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from faults_results import keep
from stages import (
    EVALUATE,
    KILLED,
    PREPARE,
    ROOT,
    SCENARIOS,
    TRAIN,
    answers,
    copy,
    dies_at_rename,
    differences,
    left,
    run,
    run_with_signal,
)  # fmt: skip

SEED = 20
RANDOM_KILLS = {"prepare": 10, "prepare again": 10, "train": 16, "evaluate": 16}


def completed(undisturbed: SimpleNamespace, name: str, folder: Path, saved: str = "") -> str:
    """Run a killed stage again; what is wrong afterwards, "" when nothing is.

    `saved` begins the names of what an interrupted run may have kept in addition.
    """
    paid = answers(folder)
    again = run(folder, SCENARIOS[name][1])
    if again.code != 0 or again.err:
        return f"exit {again.code}: {again.err[-500:]}"
    for file, lines in answers(folder).items():
        if lines[: len(paid.get(file, []))] != paid.get(file, []):
            return f"{file}: answers that were there are gone"
        if len({line.split(b'"id"')[0] for line in lines}) != len(lines):
            return f"{file}: an answer was made twice"
    different = differences(left(folder), left(undisturbed.states[name]))
    different = [file for file in different if not saved or not file.startswith(saved)]
    return f"differs in {different}" if different else ""


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_random_moments(undisturbed, name, whole):
    chance, wrong, kills = random.Random(f"{SEED} {name}"), [], 0
    state, line = SCENARIOS[name]
    wanted, latest = RANDOM_KILLS[name] if whole else 1, undisturbed.seconds[name]
    for number in range(5 * wanted):  # some come to their end before the signal does
        if kills == wanted:
            break
        folder = copy(undisturbed.states[state], undisturbed.top / "case")
        after = chance.uniform(0, latest)
        killed = run_with_signal(folder, line, signal.SIGKILL, after).code == KILLED
        kills += killed
        if not kills:  # the undisturbed run was measured on a busier machine
            latest = after
        if problem := completed(undisturbed, name, folder):
            wrong.append(f"{number}, after {after:.2f} s: {problem}")
    keep(whole, "kill", name, random_kills=kills)
    assert kills and not wrong, wrong


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_before_and_after_each_rename(undisturbed, name, whole):
    state, line = SCENARIOS[name]
    moments = [
        (number, before) for number in range(1, undisturbed.renames[name] + 1) for before in (True, False)
    ]
    if not whole:
        moments = random.Random(f"{SEED} {name}").sample(moments, 2)
    wrong = []
    for number, before in moments:
        folder = copy(undisturbed.states[state], undisturbed.top / "case")
        assert run(folder, line, dies_at_rename(number, before)).code == KILLED
        if problem := completed(undisturbed, name, folder):
            wrong.append(f"{'before' if before else 'after'} rename {number}: {problem}")
    keep(whole, "kill", name, rename_kills=len(moments), renames=undisturbed.renames[name])
    assert not wrong, wrong


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", ["prepare", "train", "evaluate"])
def test_interrupted_it_says_how_to_go_on_and_does(undisturbed, name, number, whole):
    state, line = SCENARIOS[name]
    for share in (0.3, 0.6, 0.9) if whole else (0.5,):
        folder = copy(undisturbed.states[state], undisturbed.top / "case")
        ended = run_with_signal(folder, line, number, share * undisturbed.seconds[name])
        if ended.code != 0:  # it may have come to its end first
            assert ended.code == 128 + number, ended
            assert "Interrupted." in ended.err and f"python {ROOT / line[0]} {line[1]}" in ended.err
            assert "Traceback" not in ended.err
        # a training saves the step at which it was interrupted, too
        assert not completed(undisturbed, name, folder, "results/checkpoint-")


# ---- a disk that is full, a folder that cannot be written ------------------------------------------------


def mount(folder: Path, *options: str) -> None:
    """Mount something at `folder`, or skip the test."""
    folder.mkdir(exist_ok=True)
    if os.geteuid() != 0 or subprocess.run(["mount", *options, folder], capture_output=True).returncode:
        pytest.skip("a file system can be mounted by root alone")


@pytest.mark.parametrize("name", ["prepare", "train", "evaluate"])
def test_a_full_disk_is_told_and_costs_nothing_that_was_done(undisturbed, name, whole, tmp_path):
    """The output lies on a small disk. When it is full the stage stops; with room again it goes on."""
    state, line = SCENARIOS[name]
    output = {"prepare": "datasets", "train": "results", "evaluate": "evaluation_results"}[name]
    sizes = {"prepare": (8, 40), "train": (64, 150, 100), "evaluate": (8, 48, 120)}[name]
    stops = 0
    for kilobytes in sizes if whole else sizes[-1:]:
        folder = copy(undisturbed.states[state], tmp_path / "case")
        mount(folder / output, "-t", "tmpfs", "-o", f"size={kilobytes}k", "small")
        try:
            ended = run(folder, line)
            assert "Traceback" not in ended.err, ended.err
            if ended.code:
                stops += 1
                assert ended.code == 1 and "No space left on device" in ended.err, ended
                assert len(ended.err.strip().splitlines()) <= 3
            subprocess.run(["mount", "-o", "remount,size=64m", folder / output], check=True)
            assert not completed(undisturbed, name, folder)
        finally:
            subprocess.run(["umount", folder / output], check=True)
    keep(whole, "full disk", name, sizes_kb=list(sizes), stops=stops)
    assert stops


@pytest.mark.parametrize("name", ["prepare", "train", "evaluate"])
def test_a_folder_that_cannot_be_written_is_told(undisturbed, name, tmp_path):
    state, line = SCENARIOS[name]
    output = {"prepare": "datasets", "train": "results", "evaluate": "evaluation_results"}[name]
    folder = copy(undisturbed.states[state], tmp_path / "case")
    mount(folder / output, "-t", "tmpfs", "-o", "size=1m,ro", "small")
    try:
        ended = run(folder, line)
    finally:
        subprocess.run(["umount", folder / output], check=True)
    assert ended.code == 1 and f"{output}/" in ended.err and "Read-only file system" in ended.err, ended
    assert len(ended.err.strip().splitlines()) == 1


# ---- two at once -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["prepare", "train", "evaluate"])
def test_of_two_on_one_folder_the_second_stops_and_the_first_is_not_disturbed(undisturbed, name):
    from stages import start, wait

    state, line = SCENARIOS[name]
    folder = copy(undisturbed.states[state], undisturbed.top / "case")
    output = {"prepare": "datasets", "train": "results", "evaluate": "evaluation_results"}[name]
    began = time.monotonic()
    first = start(folder, line, lambda: holds_on(folder))
    while not (folder / output / ".running").exists():
        time.sleep(0.01)
    other = folder.with_name("other")
    other.unlink(missing_ok=True)
    other.symlink_to(folder)
    second = run(other, line)
    (folder / "go").touch()
    assert second.code == 2 and f"being written by process {first}" in second.err, second
    assert wait(first, folder, began).code == 0
    (folder / "go").unlink()
    assert not differences(left(folder), left(undisturbed.states[name]))


def holds_on(folder: Path) -> None:
    """Make the stage wait, as soon as it holds its folder, until a file `go` is there."""
    from medqa.artifacts import output_dir

    recover = output_dir.recover

    def waits(output: Path) -> None:
        while not (folder / "go").exists():
            time.sleep(0.01)
        recover(output)

    output_dir.recover = waits


def test_two_iterations_in_two_folders_do_not_disturb_each_other(undisturbed):
    from stages import start, wait

    one, two = (copy(undisturbed.states["train"], undisturbed.top / f"case {n}") for n in (1, 2))
    began = time.monotonic()
    running = [(start(folder, EVALUATE), folder) for folder in (one, two)]
    assert [wait(child, folder, began).code for child, folder in running] == [0, 0]
    for folder in (one, two):
        assert not differences(left(folder), left(undisturbed.states["evaluate"]))


# ---- the same seed ---------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(undisturbed):
    """Two runs of all stages in two folders: every file is the same but for the times in it."""
    folder = copy(undisturbed.states["empty"], undisturbed.top / "twin")
    for line in (PREPARE, TRAIN, EVALUATE):
        assert run(folder, line).code == 0
    found = left(folder)
    assert not differences(found, left(undisturbed.states["evaluate"]))
    assert len([name for name in found if name.endswith((".csv", ".png", ".safetensors", ".arrow"))]) > 12
