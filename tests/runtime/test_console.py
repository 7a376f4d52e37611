"""Console output: printed once, in order, in columns."""

import pytest

from medqa.runtime.console import WarningLog, elapsed, print_rank0, roughly, table


def test_only_the_first_process_prints(monkeypatch, capsys):
    print_rank0("first", "second")
    monkeypatch.setenv("RANK", "1")
    print_rank0("other process")
    assert capsys.readouterr().out == "first\nsecond\n"


def test_warnings_are_printed_together_and_once(capsys):
    warnings = WarningLog()
    warnings.show()
    for text in ("one", "two", "one"):
        warnings.add(text)
    assert capsys.readouterr().out == ""
    warnings.show()
    assert capsys.readouterr().out == "\nWARNING: one\nWARNING: two\n"


def test_a_table_aligns_names_left_and_numbers_right():
    assert table(("name", "n", ""), [("heart", 5, None), ("a", 12345, "low")]) == (
        "name       n\n"
        "-----  -----  ---\n"
        "heart      5\n"
        "a      12345  low"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.2, "0 s"), (48.4, "48 s"), (59.7, "1 min 00 s"), (60, "1 min 00 s"), (185, "3 min 05 s"),
     (3599.6, "1 h 00 min"), (7800, "2 h 10 min"), (7859, "2 h 10 min"), (100_000, "27 h 46 min")],
)  # fmt: skip
def test_elapsed(seconds, told):
    assert elapsed(seconds) == told


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "about 5 s"), (19, "about 20 s"), (58, "about 1 min"), (580, "about 10 min"), (2368, "about 40 min"),
     (5370, "about 90 min"), (5400, "about 1.5 h"), (36_000, "about 10 h")],
)  # fmt: skip
def test_a_remaining_time_is_rounded(seconds: float, text: str) -> None:
    assert roughly(seconds) == text
