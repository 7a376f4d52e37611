"""Whatever bytes a file holds, its reader returns or says in words what is wrong."""

import contextlib
import json
import math
import os
import resource
import time
from pathlib import Path

import pytest
from faults_results import keep
from hypothesis import HealthCheck, given, seed, settings, strategies as st

from medqa.artifacts import run_manifest
from medqa.artifacts.csv_io import read_table
from medqa.data import near_duplicates, requested_shares, source_files
from medqa.generation.prediction_cache import LossFile, Predictions, cut_half_line
from medqa.runtime.errors import UserError
from medqa.training.checkpointing import verified_signature
from medqa.training.metrics_logger import read_records

# Seconds for each reader in `make faults`, and examples in `make test`.
WHOLE_SECONDS, EXAMPLES = 120, 60

numbers = st.integers() | st.floats() | st.sampled_from([1e308, -0.0, 10**400, 2**63, math.nan, math.inf])
scalars = st.none() | st.booleans() | numbers | st.text(alphabet=st.characters(), max_size=20)
keys = st.sampled_from(
    ["question", "answer", "key", "hypothesis", "id", "finish", "new_tokens", "repetition", "prompt_cut",
     "recommended_sample_increases", "cardiology", "outputs", "stage", "made_of", "losses", "learned", "files",
     "step", "replaces", ""]
) | st.text(max_size=8)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=25,
)
tokens = st.sampled_from(
    [b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\ud800", b"\\u0000", b"\n", b"\r", b"\xe2\x80\xa8", b"null",
     b"NaN", b"1e999", b"-", b"\xff", b"\x00", b"\xef\xbb\xbf", b"question", b"answer", b"\xed\xa0\x80", b"["  * 2000]
)  # fmt: skip
files = (
    st.binary(max_size=300)
    | st.lists(tokens, max_size=40).map(b"".join)
    | values.map(lambda value: json.dumps(value).encode())
    | st.lists(values, max_size=4).map(
        lambda lines: b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    )
    | st.tuples(
        values.map(lambda value: json.dumps(value).encode()), st.integers(0, 400), st.binary(max_size=3)
    ).map(lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :])
)


def read_data(path: Path) -> None:
    """The reader of specialty files, and all that is made of what it refuses."""
    target = path.parent / "dataset_with_answers_x.json"
    os.replace(path, target)
    source = source_files.read_files(source_files.find_files(path.parent))
    near_duplicates.groups([record.form for record in source.records])
    for one in source.refused:
        json.loads(one.line(target.name))
    json.dumps(vars(source)["extra_fields"], allow_nan=False).encode()
    for record in source.records:
        "".join(record).encode()


def read_advice(path: Path) -> None:
    """The reader of recommendations, and the shares that follow from it."""
    asked = {"file": requested_shares.read_recommendations(path)}
    given = requested_shares.next_shares(["cardiology", "x"], None, 0.5, {}, asked)
    assert all(0 <= share <= 1 for share in given.values())


def read_answers(path: Path) -> None:
    """The reader of answers."""
    predictions = Predictions(path)
    cut_half_line(predictions.path)
    for answer in predictions.read().values():
        answer["hypothesis"].encode()
    assert path.read_bytes()[-1:] in (b"", b"\n")


def read_state(path: Path) -> None:
    """The readers of manifests, losses, metrics and checkpoints."""
    LossFile(path).read("a")
    read_records(path)
    os.link(path, path.with_name("complete.json"))
    for reader in (run_manifest.read_manifest, verified_signature):
        (path.with_name(run_manifest.MANIFEST)).unlink(missing_ok=True)
        os.link(path, path.with_name(run_manifest.MANIFEST))
        with contextlib.suppress(UserError):
            reader(path.parent)


def read_csv(path: Path) -> None:
    """The reader of tables; what is no table is pandas' to refuse."""
    with contextlib.suppress(ValueError):
        read_table(path)


@pytest.mark.parametrize("reader", [read_data, read_advice, read_answers, read_state, read_csv])
def test_a_reader_returns_or_says_what_is_wrong(reader, tmp_path, whole):
    done, slowest = 0, 0.0

    def check(content: bytes) -> None:
        nonlocal done, slowest
        folder = tmp_path / str(done)
        folder.mkdir()
        (folder / "file").write_bytes(content)
        began = time.monotonic()
        with contextlib.suppress(UserError):
            reader(folder / "file")
        slowest = max(slowest, time.monotonic() - began)
        done += 1
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()

    began = time.monotonic()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rounds = 0
    while rounds == 0 or (whole and time.monotonic() < began + WHOLE_SECONDS):
        fuzzed = seed(rounds)(given(files)(check))
        checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
        settings(
            max_examples=1000 if whole else EXAMPLES,
            database=None,
            deadline=None,
            suppress_health_check=checks,
        )(fuzzed)()
        rounds += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    keep(whole, "fuzz", reader.__name__, examples=done, slowest_s=round(slowest, 2), grown_mb=round(grown))
    assert slowest < 20 and grown < 300
