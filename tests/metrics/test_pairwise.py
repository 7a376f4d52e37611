"""Several processes give the same rows as one, also with methods that cannot be sent to another process."""

import math
import os
import signal
import subprocess
import sys
import threading

import joblib
import psutil
import pytest
from conftest import ROOT
from pairs import text_pairs

from medqa.metrics import pairwise
from medqa.metrics.runner import score_pairs
from medqa.runtime.console import WarningLog

COUNT = 2 * pairwise.PAIRS_PER_PROCESS
REFERENCES = [f"word {number} of {number % 7}" for number in range(COUNT)]
HYPOTHESES = [f"word {number % 3}" for number in range(COUNT)]


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)


class Mixed:
    """A metric that runs in the pool, one that fails there on some pairs, and one that runs here."""

    IN_PARALLEL = ("where", "fragile")

    def compute_where(self, reference: str, hypothesis: str) -> dict[str, float]:
        return {"process": os.getpid(), "length": len(reference)}

    def compute_fragile(self, reference: str, hypothesis: str) -> float:
        return 1 / (len(hypothesis) - len("word 1") + int(hypothesis[-1]))

    def compute_here(self, reference: str, hypothesis: str) -> float:
        return os.getpid()


def scored(metrics: object) -> tuple[dict[str, list[float]], dict[str, list[int]], list[str]]:
    warnings = WarningLog()
    found = score_pairs(metrics, REFERENCES, HYPOTHESES, warnings)
    return {name: list(column) for name, column in found.columns.items()}, found.failed, warnings.texts


def test_only_the_named_metrics_leave_this_process():
    columns, failed, warned = scored(Mixed())
    assert list(columns) == ["process", "length", "fragile", "here"]
    assert os.getpid() not in columns["process"] and set(columns["here"]) == {os.getpid()}
    assert columns["length"] == list(map(len, REFERENCES))
    assert failed == {"fragile": list(range(0, COUNT, 3))}
    assert [math.isnan(number) for number in columns["fragile"]] == [n % 3 == 0 for n in range(COUNT)]
    assert warned[0].endswith("the first: ZeroDivisionError: division by zero")


def test_a_few_pairs_are_scored_in_this_process():
    found = score_pairs(Mixed(), REFERENCES[:-1], HYPOTHESES[:-1], WarningLog())
    assert set(found.columns["process"]) == {os.getpid()}


def test_metrics_that_cannot_be_pickled_are_computed_in_this_process():
    metrics = Mixed()
    metrics.lock = threading.Lock()  # Mixed has no __getstate__ that would leave it out
    assert set(scored(metrics)[0]["process"]) == {os.getpid()}


def test_a_killed_worker_loses_no_scores():
    class Killing:
        IN_PARALLEL = ("length",)

        def __init__(self) -> None:
            self.parent = os.getpid()

        def compute_length(self, reference: str, hypothesis: str) -> float:
            if reference == REFERENCES[COUNT // 2] and os.getpid() != self.parent:
                os.kill(os.getpid(), signal.SIGKILL)
            return len(reference)

    assert scored(Killing()) == ({"length": list(map(len, REFERENCES))}, {}, [])


def test_the_scores_of_an_evaluation_do_not_depend_on_the_processes(monkeypatch, with_wordnet):
    from config import EvaluationConfig
    from evaluation import AutomaticMetrics

    class UserMetrics(AutomaticMetrics):
        """A class that pickle cannot find, with an attribute that it cannot send and a method that needs it."""

        def __init__(self, *given) -> None:
            super().__init__(*given)
            self.model = threading.Lock()

        def compute_custom_metric(self, reference: str, hypothesis: str) -> float:
            return len(reference) + self.model.locked()

    pairs = (text_pairs(200, longest=300) * 4)[:COUNT]
    references, hypotheses = map(list, zip(*pairs, strict=True))
    metrics = UserMetrics(EvaluationConfig(BERTSCORE_MODEL=""), references, WarningLog())
    names = [name for name in dir(metrics) if name.startswith("compute_")]
    found = []
    for processes in (2, 1):
        monkeypatch.setattr(pairwise, "MAX_PROCESSES", processes)
        found.append([row for block in pairwise.score_blocks(metrics, names, pairs) for row in block])
    assert repr(found[0]) == repr(found[1])  # NaN, too
    assert not any(isinstance(row, str) for rows in found[0] for row in rows)
    assert {"meteor", "custom_metric"} <= {column for row in found[0][0] for column in row}


# ---- interruption ----------------------------------------------------------------------------------------

SCRIPT = """
import signal
import threading, time
from medqa.runtime.entrypoint import run_script
from medqa.metrics.runner import score_pairs
from medqa.runtime.console import WarningLog

LOCK = threading.Lock()

class Slow:
    IN_PARALLEL = ("slow",)

    def compute_slow(self, reference, hypothesis):
        time.sleep(0.05)
        return 1

    def compute_here(self, reference, hypothesis):
        print("scoring", flush=True)
        return LOCK.locked()

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in the background
run_script(lambda: score_pairs(Slow(), ["a" * 5000] * 2000, ["b"] * 2000, WarningLog()), "Type it again.")
"""


def start(folder) -> subprocess.Popen:
    """Starts the script on two cores in a new process group; returns when the pool works."""
    script = folder / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, script],
        env=os.environ | {"PYTHONPATH": str(ROOT), "LOKY_MAX_CPU_COUNT": "2"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout.readline() == "scoring\n"
    return process


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [
        pytest.param(signal.SIGINT, True, id="ctrl_c-group"),
        pytest.param(signal.SIGTERM, False, id="sigterm-parent", marks=pytest.mark.long),
        pytest.param(signal.SIGINT, False, id="ctrl_c-parent", marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, True, id="sigterm-group", marks=pytest.mark.long),
    ],
)
def test_an_interrupted_pool_ends_at_once_and_quietly(tmp_path, number, whole_group):
    """The script has no guard around its main part, which a pool of spawned processes would run again."""
    with start(tmp_path) as process:
        children = psutil.Process(process.pid).children(recursive=True)
        (os.killpg if whole_group else os.kill)(process.pid, number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert errors.splitlines() == ["", "Interrupted. Type it again.", f"  python {tmp_path / 'script.py'}"]
    assert len(children) >= 2 and not psutil.wait_procs(children, timeout=10)[1]


def test_the_pool_of_a_killed_run_ends(tmp_path):
    with start(tmp_path) as process:
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        assert len(children) >= 2 and not psutil.wait_procs(children, timeout=20)[1]
