"""Progress: a bar on a terminal, plain lines in a log, nothing on other processes."""

import pytest

from medqa.runtime import console, progress
from medqa.runtime.progress import Progress, watch


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch):
    """Standard error is no terminal, and time goes as the test says; a list of one: the seconds."""
    clock = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: clock[0])
    monkeypatch.setattr(progress, "shows_progress", lambda: False)
    monkeypatch.delenv("RANK", raising=False)
    return clock


def test_a_log_gets_a_line_a_minute_with_the_time_left(log, capsys) -> None:
    with Progress("training", 400, "step") as shown:
        for _ in range(400):
            log[0] += 0.5
            shown.advance(note="loss 1.25")
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "training: 120 of 400 steps (30 %), about 2 min left, loss 1.25",
        "training: 240 of 400 steps (60 %), about 1 min left, loss 1.25",
        "training: 360 of 400 steps (90 %), about 20 s left, loss 1.25",
    ]


def test_a_resumed_step_does_not_count_what_was_done_before(log, capsys) -> None:
    shown = Progress("training", 100, "step", done=80)
    log[0] = 60
    shown.advance(10)
    assert capsys.readouterr().out == "training: 90 of 100 steps (90 %), about 1 min left\n"


def test_short_steps_and_finished_ones_say_nothing(log, capsys) -> None:
    assert list(watch([1, 2, 3], "Reading")) == [1, 2, 3]
    shown = Progress("training", 2, "step")
    log[0] = 600
    shown.advance(2)
    assert capsys.readouterr() == ("", "")


def test_other_processes_say_nothing(log, capsys, monkeypatch) -> None:
    monkeypatch.setenv("RANK", "1")
    shown = Progress("training", 3, "step")
    log[0] = 600
    shown.advance()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_with_the_time_left(monkeypatch, capsys) -> None:
    monkeypatch.setattr(progress, "shows_progress", lambda: True)
    monkeypatch.setattr(progress, "PATIENCE", 0)
    with Progress("training", 3, "step") as shown:
        for _ in range(3):
            shown.advance(note="loss 1.25")
            shown.refresh()
    out, err = capsys.readouterr()
    assert out == "" and "training" in err and "3/3" in err and "loss 1.25" in err and "left" in err


def test_a_line_does_not_begin_inside_a_bar(monkeypatch, capfd) -> None:
    for module in (progress, console):
        monkeypatch.setattr(module, "shows_progress", lambda: True)
    monkeypatch.setattr(progress, "PATIENCE", 0)
    with Progress("training", 3, "step") as shown:
        shown.advance()
        shown.refresh()
        capfd.readouterr()
        console.print_rank0("Out of memory")
    out, err = capfd.readouterr()
    assert out == "Out of memory\n" and err.startswith("\r") and "training" not in err.split("\r")[1]


def test_a_bar_is_removed_when_an_error_ends_its_step(monkeypatch, capsys) -> None:
    monkeypatch.setattr(progress, "shows_progress", lambda: True)
    monkeypatch.setattr(progress, "PATIENCE", 0)
    with pytest.raises(ValueError), Progress("training", 3, "step"):
        raise ValueError
    assert capsys.readouterr().err.endswith(" \r")


def test_nothing_to_do_is_no_division_by_zero(log) -> None:
    assert Progress("training", 0, "step").line() == "training: 0 of 0 steps (100 %)"
