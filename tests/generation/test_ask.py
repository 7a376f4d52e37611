"""One question for both models, in two columns, without a file."""

import io

import pytest

from medqa.generation import ask
from medqa.generation.engine import Answer


def answer(text: str, finish: str = "stop", cut: bool = False) -> Answer:
    """An answer of three tokens."""
    return Answer("0", text, finish, 3, 0.0, cut)


def test_two_columns_with_the_reasons():
    long = " ".join(["word"] * 30)
    lines = ask.side_by_side("Q?", [answer(f"{long}\n\nEnd.", "length"), answer("")], 512)
    assert lines[0] == "QUESTION: Q?"
    left, right = zip(*(line.ljust(120).split(" | ") for line in lines[2:]), strict=True)
    assert left[0].strip() == "BASE (3 tokens, length: cut at MAX_NEW_TOKENS 512)"
    assert right[0].strip() == "TUNED (3 tokens, stop)"
    assert " ".join(" ".join(left[2:]).split()) == f"{long} End."
    assert right[2].strip() == "(empty answer)" and not "".join(right[3:]).strip()
    assert "its middle was cut" in ask.side_by_side("Q?", [answer("a", cut=True), answer("b")], 5)[0]


@pytest.mark.parametrize(("terminal", "at_once"), [(False, True), (True, False), (True, True)])
def test_lines_of_standard_input_are_answered_together_unless_typed(terminal, at_once, monkeypatch):
    stream = io.StringIO("First?\n\n  Second?\n")
    stream.isatty = lambda: terminal
    monkeypatch.setattr("sys.stdin", stream)
    single = [["First?"], ["Second?"]]
    expected = single if terminal and at_once else [["First?", "Second?"]]
    assert list(ask._blocks("-", at_once)) == expected
    assert list(ask._blocks("- what?", at_once)) == [["- what?"]]
