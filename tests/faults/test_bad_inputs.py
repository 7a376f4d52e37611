"""Whatever is wrong with an input, a stage says it in one to three lines, at once, and spoils nothing."""

import os
import random
import subprocess
import sys

import pytest
from bad_inputs import Case, cases
from faults_results import keep
from stages import ROOT, copy, run

CASES = cases()
# Seconds until a bad input is refused, loading of the libraries aside.
LIMIT = 30
OUTPUTS = ("datasets", "results", "evaluation_results", "other")


def contents(folder) -> dict[str, bytes]:
    """Everything in the output folders that is a file of ordinary size."""
    paths = [path for name in OUTPUTS for path in (folder / name).rglob("*")]
    return {
        str(path): path.read_bytes() if path.is_file() and path.stat().st_size < 1 << 24 else b""
        for path in paths
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_input_is_refused_in_words(undisturbed, case: Case, whole):
    if not whole and CASES.index(case) % 3:
        pytest.skip("two of three only in make faults")
    folder = copy(undisturbed.states[case.state], undisturbed.top / "bad")
    case.damage(folder)
    before = contents(folder)
    ended = run(folder, case.line, lambda: os.environ.update(case.environment), LIMIT)
    assert ended.code in (1, 2), ended
    lines = ended.err.strip().splitlines()
    assert 1 <= len(lines) <= 3 and "Traceback" not in ended.err, ended.err[-3000:]
    assert case.told in ended.err and max(map(len, lines)) < 1000, ended.err
    assert ended.err.isprintable() or not set(ended.err) - set("\n") & set(
        map(chr, [*range(32), 127, *range(128, 160)])
    )
    assert contents(folder) == before


def test_there_are_enough_of_them(whole):
    keep(whole, "bad inputs", "corpus", cases=len(CASES), seconds_allowed=LIMIT)
    assert len(CASES) >= 120 and len({case.name for case in CASES}) == len(CASES)


def test_a_sample_in_processes_of_their_own(undisturbed, whole):
    """The others are forks, which have the libraries already; these start as a user's do."""
    for case in random.Random(3).sample(CASES, 6 if whole else 1):
        folder = copy(undisturbed.states[case.state], undisturbed.top / "bad")
        case.damage(folder)
        environment = os.environ | {"OMP_NUM_THREADS": "1"} | case.environment
        done = subprocess.run(
            [sys.executable, ROOT / case.line[0], *case.line[1:]],
            cwd=folder, capture_output=True, text=True, timeout=120, env=environment,
        )  # fmt: skip
        assert done.returncode in (1, 2) and case.told in done.stderr and "Traceback" not in done.stderr, case
