"""The three stages as processes that can be killed at any moment, and what they must leave behind.

A process is a fork of this one, in which the libraries are loaded already, so that it lives as long as its
work takes; it runs the script's file from its first line, with the arguments that a user types.
"""

import gc
import importlib
import itertools
import json
import os
import pkgutil
import re
import runpy
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
KILLED = -signal.SIGKILL
# Of a line of training_metrics.jsonl; everything else must come out the same.
TIMES = ("tokens_per_second", "seconds")
# Files whose hash changes with the times in them; one panel of the training's curves is its speed.
TIMED = (
    "training_metrics.jsonl", "training_metrics.running.jsonl", "training_curves.png", "results/manifest.json",
    "datasets/manifest.json", "history.csv", "history_long.csv",
    "training_recommendations.json",
)  # fmt: skip
# The folder of the case, in the command that a manifest records.
ABSOLUTE = re.compile(r"(?<= )'?/[^'\"]*?/(data|model)'?(?= )")
MOMENT = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+:\d]*")

PREPARE = ("dataset_preparation.py", "--DATA_DIR", "data", "--HOLDOUT_SAMPLES_PER_SPECIALTY", "3")
AGAIN = (*PREPARE, "--SPECIALTY_SAMPLE_PERCENTAGES", "cardiology", "0.9")
TRAIN = ("fine_tuning.py", "--MODEL_NAME", "model", "--CPU_PRECISION", "fp32", "--BASE_PRECISION", "bf16",
         "--NUM_EPOCHS", "2", "--SAVE_STEPS", "2", "--EVAL_STEPS", "2", "--LEARNING_RATE", "1e-2")  # fmt: skip
EVALUATE = (
    "evaluation.py",
    "--BASE_MODEL_PATH",
    "model",
    "--CPU_PRECISION",
    "fp32",
    "--MAX_NEW_TOKENS",
    "12",
    "--BERTSCORE_MODEL",
    "",
)

# The line of each scenario, and the state of the folder in which it is run.
SCENARIOS = {
    "prepare": ("empty", PREPARE),
    "prepare again": ("evaluate", AGAIN),
    "train": ("prepare", TRAIN),
    "evaluate": ("train", EVALUATE),
}


class Ended(NamedTuple):
    """How a process ended."""

    code: int  # minus the signal when one killed it
    out: str
    err: str
    seconds: float


def start(folder: Path, line: tuple[str, ...], first: Callable[[], None] = lambda: None) -> int:
    """Start a stage in `folder`, where its paths are relative to; returns its process.

    `first` is called in the new process before the script.
    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.chdir(folder)
        for number, name in ((1, "out.txt"), (2, "err.txt")):
            os.dup2(os.open(f"../{folder.name}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.stdout = os.fdopen(1, "w", buffering=1)
        sys.stderr = os.fdopen(2, "w", buffering=1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        import torch
        from tqdm import tqdm

        torch.set_num_threads(1)  # a thread pool does not live through a fork
        tqdm.set_lock(threading.RLock())  # the default one is shared with processes that are killed
        first()
        sys.argv = list(line)
        runpy.run_path(str(ROOT / line[0]), run_name="__main__")
        code = 0
    except SystemExit as done:
        code = done.code or 0
    except BaseException as error:
        print(repr(error), file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(child: int, folder: Path, began: float, limit: float = 120) -> Ended:
    """Wait for a stage; one that takes longer than `limit` seconds is killed, and counts as hanging."""
    while time.monotonic() < began + limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            told = [Path(f"{folder}.{name}").read_text(errors="replace") for name in ("out.txt", "err.txt")]
            return Ended(os.waitstatus_to_exitcode(status), *told, time.monotonic() - began)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise TimeoutError(f"still running after {limit:g} s")


def run(
    folder: Path, line: tuple[str, ...], first: Callable[[], None] = lambda: None, limit: float = 120
) -> Ended:
    """Run a stage to its end."""
    began = time.monotonic()
    return wait(start(folder, line, first), folder, began, limit)


def run_with_signal(folder: Path, line: tuple[str, ...], number: int, after: float) -> Ended:
    """Run a stage and send it a signal after so many seconds."""
    began = time.monotonic()
    child = start(folder, line)
    time.sleep(after)
    os.kill(child, number)  # no other process can have this number before it is waited for
    return wait(child, folder, began)


def at_renames(act: Callable[[], None], before: bool) -> Callable[[], None]:
    """What makes a process call something right before, or after, each of its renames."""

    def arm() -> None:
        def watched(rename: Callable) -> Callable:
            def renamed(*arguments: object, **more: object) -> None:
                if before:
                    act()
                rename(*arguments, **more)
                if not before:
                    act()

            return renamed

        os.rename, os.replace = watched(os.rename), watched(os.replace)

    return arm


def dies_at_rename(number: int, before: bool) -> Callable[[], None]:
    """What makes a process kill itself right before, or after, its rename number `number`, from 1."""
    count = itertools.count(1)

    def die() -> None:
        if next(count) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return at_renames(die, before)


def counts_renames(path: Path) -> Callable[[], None]:
    """What makes a process write one byte into `path` for each rename."""

    def count() -> None:
        with open(path, "ab") as file:
            file.write(b".")

    return at_renames(count, before=True)


# ---- what a stage leaves -----------------------------------------------------------------------------------


def left(folder: Path) -> dict[str, object]:
    """Every file of a folder with its content, times taken out; answers in the order of their keys."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name.startswith(("model/", "data/")):
            continue
        if "/checkpoint-" in f"/{name}" and path.name not in ("adapter_model.safetensors", "complete.json"):
            found[name] = "there"  # state of libraries, with times in it
        elif path.name in ("history.csv", "history_long.csv", "training_recommendations.json"):
            found[name] = MOMENT.sub(b"", path.read_bytes())
        elif path.name == "training_curves.png":
            found[name] = path.read_bytes()[:8]
        elif path.name == "manifest.json":
            manifest = json.loads(ABSOLUTE.sub(r"\1", path.read_text()))
            for moment in (
                "started",
                "finished",
                "git_dirty",
                "replaces",
            ):  # what lay there before is no output
                del manifest[moment]
            for hashes in (manifest["outputs"], manifest["inputs"]):
                hashes.update({name: "" for name in hashes if name.endswith(TIMED)})
            found[name] = manifest
        elif path.name == "complete.json":
            found[name] = json.loads(path.read_text())
            found[name]["files"].update({file: "" for file in found[name]["files"] if file.endswith(TIMED)})
        elif path.name in ("training_metrics.jsonl", "training_metrics.running.jsonl"):
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            found[name] = [{key: value for key, value in line.items() if key not in TIMES} for line in lines]
        elif path.parent.name == "predictions" and path.suffix == ".jsonl":
            found[name] = sorted(path.read_bytes().splitlines())
        else:
            found[name] = path.read_bytes()
    return found


def differences(one: dict[str, object], other: dict[str, object]) -> list[str]:
    """Names that only one has, or that differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def answers(folder: Path) -> dict[str, list[bytes]]:
    """The whole lines of answers in evaluation_results/predictions, by file."""
    files = (folder / "evaluation_results" / "predictions").glob("*.jsonl")
    return {
        path.name: [line for line in path.read_bytes().splitlines(True) if line.endswith(b"\n")]
        for path in files
    }


def copy(source: Path, target: Path) -> Path:
    """A copy of a folder for one case; the model in it stays a link."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
    return target


class Undisturbed(NamedTuple):
    """A folder after each stage that nothing disturbed, how long the stage took, and its renames."""

    top: Path
    states: dict[str, Path]
    seconds: dict[str, float]
    renames: dict[str, int]


def load_everything() -> None:
    """Load what a stage would load, so that its forks need not, and keep it out of their garbage collections."""
    import medqa

    scripts = ("dataset_preparation", "evaluation", "fine_tuning")
    libraries = ("bitsandbytes", "ftfy", "peft", "rouge_score.rouge_scorer", "sacrebleu", "seaborn",
                 "statsmodels.stats.multitest", "tyro")  # fmt: skip
    packages = (module.name for module in pkgutil.walk_packages(medqa.__path__, "medqa."))
    for name in (*scripts, *libraries, *packages):
        importlib.import_module(name)
    from medqa.artifacts.run_manifest import versions
    from medqa.clinical.notation.word_forms import general_words
    from medqa.clinical.terms.lexicon import MedicalLexicon
    from medqa.data.text_quality import identifier

    for fill_cache in (MedicalLexicon, general_words, versions, identifier):
        fill_cache()
    gc.freeze()


def undisturbed(top: Path, data: Path, model: Path) -> Undisturbed:
    """Run every scenario once below `top`, all libraries loaded before."""
    load_everything()
    folder = top / "empty"
    folder.mkdir()
    (folder / "model").symlink_to(model)
    shutil.copytree(data, folder / "data")
    made = Undisturbed(top, {"empty": folder}, {}, {})
    for name in ("prepare", "train", "evaluate", "prepare again"):
        state, line = SCENARIOS[name]
        folder = copy(made.states[state], top / name)
        marks = top / f"{name} renames"
        done = run(folder, line, counts_renames(marks))
        assert (done.code, done.err) == (0, ""), done
        made.states[name], made.seconds[name], made.renames[name] = folder, done.seconds, marks.stat().st_size
    return made
