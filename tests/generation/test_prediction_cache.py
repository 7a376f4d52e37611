"""No finished answer is lost, none is counted twice, and a damaged line is refused."""

import json
import math
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from medqa.generation import prediction_cache
from medqa.generation.prediction_cache import LossFile, Predictions, answer_key, cut_half_line, losses_key
from medqa.runtime.errors import UserError


@pytest.fixture
def file(tmp_path) -> Predictions:
    return Predictions(tmp_path / "predictions" / "base.jsonl")


def answer(number: int, text: str = "Rest.", **more: object) -> dict:
    whole = {"key": f"k{number}", "id": str(number), "hypothesis": text, "finish": "stop", "new_tokens": 2}
    return whole | {"repetition": 0.0, "prompt_cut": False} | more


def test_answers_come_back_as_they_were(file):
    assert file.read() == {}
    texts = ["", "two\nlines\r\n", "µg ≥ 5 🩺", "U+2028 \u2028 and U+0085 \x85", '"quoted" \\ \x00']
    for number, text in enumerate(texts):
        file.add(answer(number, text, finish="stop", repetition=0.5))
    found = Predictions(file.path).read()
    assert found == {f"k{n}": answer(n, text, finish="stop", repetition=0.5) for n, text in enumerate(texts)}
    assert len(file.path.read_bytes().splitlines()) == len(texts)


def test_the_first_answer_with_a_key_counts(file):
    file.add(answer(1, "first"))
    file.add(answer(2))
    file.add(answer(1, "second"))
    assert [found["hypothesis"] for found in file.read().values()] == ["first", "Rest."]


def test_a_disk_that_fills_leaves_half_a_line_at_the_end_alone(file, monkeypatch):
    """The system writes what there is room for and reports the rest; the next answer must not follow it."""
    file.add(answer(1))
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:9]))
    with pytest.raises(OSError, match="No space left"):
        file.add(answer(2))
    monkeypatch.undo()
    cut_half_line(file.path)
    assert list(file.read()) == ["k1"]


def test_an_endless_line_is_refused_without_being_read(file, monkeypatch):
    monkeypatch.setattr(prediction_cache, "LONGEST_LINE", 1000)
    file.path.write_bytes(b'{"key": "' + b"x" * 5000 + b'"}\n')
    with pytest.raises(UserError, match="line 1,"):
        file.read()


@pytest.mark.parametrize("kept", [1, 10, -1])
def test_only_an_incomplete_last_line_is_cut_off(file, kept):
    cut_half_line(file.path)
    assert not file.path.exists()
    file.add(answer(1))
    complete = file.path.read_bytes()
    file.add(answer(2, "µ" * 20))
    incomplete = file.path.read_bytes()[len(complete) :][:kept]
    for before in (complete, b""):
        for content in (before, before + incomplete):
            file.path.write_bytes(content)
            cut_half_line(file.path)
            assert file.path.read_bytes() == before
        file.add(answer(3))
        assert list(file.read()) == (["k1", "k3"] if before else ["k3"])


@pytest.mark.parametrize(
    "line",
    [b"", b"not json", b"[1, 2]", b"3", b"null", b'{"key": "k"}', b'{"hypothesis": "x"}', b'"hypothesis"',
     b'{"key": "k", "hypothesis": null}', json.dumps(answer(3, "\ud800")).encode(),
     json.dumps(answer(3, repetition=math.nan)).encode(), json.dumps(answer(3, new_tokens="2")).encode(),
     b'{"key": ["k"], "hypothesis": "x"}', b"\xff\xfe\x00", b"[" * 99_999],
    ids=lambda line: repr(line[:12]),
)  # fmt: skip
def test_a_foreign_line_is_refused_with_file_and_line(file, line):
    file.add(answer(1))
    file.add(answer(2))
    with open(file.path, "ab") as handle:
        handle.write(line + b"\n")
    file.add(answer(3))
    with pytest.raises(UserError, match=r"line 3\b") as error:
        file.read()
    assert str(file.path) in str(error.value) and "Remove" in str(error.value)
    assert len(str(error.value)) < 300 + len(str(file.path)) and "\n" not in str(error.value)


WRITE = """
import sys
from pathlib import Path
from medqa.generation.prediction_cache import Predictions
for number in range(200):
    Predictions(Path(sys.argv[1])).add(
        {"key": f"{sys.argv[2]} {number}", "id": "", "hypothesis": "long text " * 500, "finish": "stop",
         "new_tokens": 1, "repetition": 0.0, "prompt_cut": False})
"""


def test_several_processes_write_at_once(file):
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, file.path, str(n)], cwd=ROOT) for n in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert set(file.read()) == {f"{n} {number}" for n in range(3) for number in range(200)}


def test_an_answer_is_one_write(file, monkeypatch):
    """Two writes could be divided by another process's answer, or by a kill."""
    written = []
    monkeypatch.setattr(os, "write", lambda handle, data: written.append(data) or len(data))
    file.add(answer(1))
    assert [json.loads(data) for data in written] == [answer(1)]


def test_the_key_depends_on_every_value_and_not_on_their_order():
    own = answer_key(model={"base": "a", "dtype": "float32"}, prompt=[1, 2], temperature=0.1)
    assert answer_key(temperature=0.1, prompt=[1, 2], model={"dtype": "float32", "base": "a"}) == own
    others = [
        answer_key(model={"base": "b", "dtype": "float32"}, prompt=[1, 2], temperature=0.1),
        answer_key(model={"base": "a", "dtype": "float32"}, prompt=[2, 1], temperature=0.1),
        answer_key(model={"base": "a", "dtype": "float32"}, prompt=[1, 2], temperature=0),
        answer_key(model={"base": "a", "dtype": "float32"}, prompt=[1, 2]),
        answer_key(model={"base": "a"}, prompt=[1, 2], temperature=0.1, dtype="float32"),
    ]
    assert len({own, *others}) == 6


@pytest.mark.parametrize("ids", [[], [[1, 2]], [[], [3], [128_000, 1]]])
def test_the_key_of_losses_equals_that_of_all_texts_at_once(ids):
    model = {"dtype": "float32", "base": "ä", "four_bit": False}
    assert losses_key(model, iter(ids)) == answer_key(ids=ids, model=model)


def test_losses_are_valid_for_one_key(tmp_path):
    file = LossFile(tmp_path / "losses.json")
    assert file.read("a") is None
    file.write("a", {"1": (12.5, 3)})
    assert file.read("a") == {"1": [12.5, 3]}
    assert file.read("b") is None
    file.add("b", {"1": (1.5, 3)})
    assert file.read_partial("a") == {} and file.read_partial("b") == {"1": [1.5, 3]}
    file.write("b", {"1": (1.5, 3)})
    assert file.read("a") is None and file.read("b") == {"1": [1.5, 3]} and not file.partial.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"made_of": "a"}',
        b"\xff",
        b'{"made_of": "a", "losses": {"1": [NaN, 2]}}',
        b'{"made_of": "a", "losses": [1]}',
        b'{"made_of": "a", "losses": {"1": 5}}',
    ],
)
def test_a_damaged_file_of_losses_is_not_used(tmp_path, content):
    file = LossFile(tmp_path / "losses.json")
    for path in (file.path, file.partial):
        path.write_bytes(content)
    assert file.read("a") is None and file.read_partial("a") == {}
