"""What the three stages print: their own words alone, in the order that a stage promises, plain where it must be."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import stages
from conftest import ROOT, run_script

# What each stage begins with, and what it ends with before the next command.
BEGINNING = {"1": ["Input: "], "2": ["Device: ", "Start: ", "Attention: ", "Batch: ", "Steps: "],
             "3": ["Device: ", "Model: ", "Batch: "]}  # fmt: skip
ENDING = {"1": ["Prepared ", "specialty ", "In ", "Next:  "], "2": ["Trained: ", "eval split", "Files: ", "Next:  "],
          "3": ["Evaluated ", "metric ", "WARNING: ", "Files: ", "Next:  "]}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory, specialty_files, tiny_model, whole) -> SimpleNamespace:
    """The three stages with standard output and error piped.

    The evaluation, which imports what the others import, starts as a user starts it; the others are forks of
    this process, except in `make faults`.
    """
    folder = tmp_path_factory.mktemp("said")
    data, adapter, results = (str(folder / name) for name in ("datasets", "results", "evaluation_results"))
    prepare = ["dataset_preparation.py", "--DATA_DIR", specialty_files, "--OUTPUT_DIR", data,
               "--HOLDOUT_SAMPLES_PER_SPECIALTY", "4", "--TOKENIZER", tiny_model]  # fmt: skip
    train = ["fine_tuning.py", "--MODEL_NAME", tiny_model, "--DATASET_DIR", data, "--OUTPUT_DIR", adapter,
             "--NUM_EPOCHS", "1", "--GRADIENT_CHECKPOINTING", "on"]  # fmt: skip
    evaluate = ["evaluation.py", "--BASE_MODEL_PATH", tiny_model, "--FINETUNED_MODEL_PATH", adapter,
                "--DATASET_DIR", data, "--OUTPUT_DIR", results, "--MAX_NEW_TOKENS", "4", "--BASE_PRECISION", "nf4",
                "--BERTSCORE_MODEL", "", "--PRIMARY_METRICS", "ROUGE-L"]  # fmt: skip
    lines = {"prepare": tuple(map(str, prepare)), "train": tuple(map(str, train))}
    done = {}
    for number, line in enumerate(lines.values(), 1):
        if whole:
            done[str(number)] = run_script(*line)
        else:
            ended = stages.run(folder, line)
            done[str(number)] = SimpleNamespace(returncode=ended.code, stdout=ended.out, stderr=ended.err)
    return SimpleNamespace(folder=folder, done=done | {"3": run_script(*evaluate)}, **lines)


@pytest.mark.parametrize("stage", ["1", "2", "3"])
def test_no_library_prints_anything(runs, stage) -> None:
    assert runs.done[stage].returncode == 0
    assert runs.done[stage].stderr == ""


@pytest.mark.parametrize("stage", ["1", "2", "3"])
def test_a_stage_begins_with_its_decisions_and_ends_with_the_next_command(runs, stage) -> None:
    lines = runs.done[stage].stdout.splitlines()
    places = [next(n for n, line in enumerate(lines) if line.startswith(start))
              for start in BEGINNING[stage] + ENDING[stage]]  # fmt: skip
    assert places == sorted(places), runs.done[stage].stdout
    # Each decision has its reason in brackets, behind a comma or after a semicolon.
    assert all(any(mark in lines[place] for mark in "(,;") for place in places[: len(BEGINNING[stage])])
    assert lines[-1].startswith("Next:  ")
    assert "\033" not in runs.done[stage].stdout


def test_a_run_with_nothing_to_do_prints_the_next_command(runs) -> None:
    again = stages.run(runs.folder, runs.train)
    assert "is up to date" in again.out and again.err == ""
    assert again.out.splitlines()[-1] == runs.done["2"].stdout.splitlines()[-1]


def on_a_terminal(folder: Path, line: tuple[str, ...]) -> str:
    """What a stage shows on a terminal."""
    master, slave = pty.openpty()

    def connect() -> None:
        os.environ.pop("NO_COLOR", None)
        os.environ["TERM"] = "xterm"
        for stream, name in ((1, "stdout"), (2, "stderr")):
            getattr(sys, name).close()
            os.dup2(slave, stream)
            setattr(sys, name, os.fdopen(stream, "w", buffering=1))

    began = time.monotonic()
    child = stages.start(folder, line, connect)
    os.close(slave)
    shown = b""
    try:
        while block := os.read(master, 65536):
            shown += block
    except OSError:  # the terminal is gone with its last process
        pass
    os.close(master)
    assert stages.wait(child, folder, began).code == 0, shown
    return shown.decode()


def test_a_terminal_has_colours(runs) -> None:
    assert "\033[32m" in on_a_terminal(runs.folder, runs.prepare)


def quietened(code: str, **environment: str) -> subprocess.CompletedProcess:
    """Run code after `quiet`, in a process of its own."""
    before = "import logging, warnings; from medqa.runtime.library_warnings import quiet; quiet(); import transformers\n"
    return subprocess.run(
        [sys.executable, "-c", before + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


LISTED = (
    "from medqa.runtime import library_warnings\n"
    "for name, beginnings in library_warnings.MESSAGES.items():\n"
    "    for text in beginnings: logging.getLogger(name).warning(text + ' and so on')\n"
    "warnings.warn('`is_gradient_checkpointing` is deprecated and', FutureWarning)\n"
    "warnings.warn('Found missing adapter keys while loading', UserWarning)\n"
    "import sys; print('---', file=sys.stderr)\n"
)
REAL = (
    "transformers.logging.get_logger('transformers.trainer').warning('a real one')\n"
    "logging.getLogger('bitsandbytes.backends.cpu.ops').warning('Failed to do the sum')\n"
    "warnings.warn('the future is near', FutureWarning)\n"
)


def test_listed_warnings_are_hidden_and_others_are_shown() -> None:
    hidden, shown = quietened(LISTED + REAL).stderr.split("---\n")
    assert hidden == ""
    assert "a real one" in shown and "Failed to do the sum" in shown and "the future is near" in shown


def test_only_the_first_process_shows_warnings() -> None:
    done = quietened(REAL, RANK="1")
    assert (done.returncode, done.stderr) == (0, "")
