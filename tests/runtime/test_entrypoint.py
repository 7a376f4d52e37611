"""A script ends with the documented exit code, and says what to do next."""

import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT

from medqa.runtime.distributed import launched
from medqa.runtime.errors import UserError

SCRIPT = """
import os, signal, sys, time
from medqa.runtime.entrypoint import run_script
from medqa.runtime.errors import Interrupted, UserError
from medqa.runtime.console import print_rank0
def good(): print_rank0("done")
def user(): raise UserError("give a folder")
def bug(): {}["x"]
def stopped(): raise Interrupted(signal.SIGTERM)
def no_file(): open("/nowhere/file")
def full_disk(): raise OSError(28, "No space left on device")
def torch_full(): raise RuntimeError("PytorchStreamWriter failed writing file data/4: file write failed")
def zip_full(): raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 33280 vs 33168")
def rust_full(): raise ValueError("I/O error: No space left on device (os error 28)")
def memory(): bytearray(1 << 62)
def arrow(): print_rank0("base → tuned")
def prints(): print("help", flush=True)
def wait():
    print("waiting", flush=True)
    time.sleep(60)
run_script(globals()[sys.argv[1]], "Run it again.")
"""


def script(name: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, name], cwd=ROOT, text=True, capture_output=True,
        env=os.environ | environment,
    )  # fmt: skip


def test_done_is_0():
    done = script("good")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_the_users_mistake_is_2_and_one_line():
    done = script("user")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "ERROR: give a folder\n")
    silent = script("user", RANK="1", LOCAL_RANK="1")
    assert (silent.returncode, silent.stderr) == (2, "")
    on_the_second_machine = script("user", RANK="4", LOCAL_RANK="0")
    assert on_the_second_machine.stderr == done.stderr


def test_our_mistake_is_1_with_a_traceback_and_what_to_do_next():
    done = script("bug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "KeyError: 'x'" in done.stderr and "Run it again." in done.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_file", "/nowhere/file: No such file or directory"),
        ("full_disk", "No space left on device"),
        ("torch_full", "No space left on device"),
        ("zip_full", "No space left on device"),
        ("rust_full", "No space left on device"),
        ("memory", "the machine does not have enough memory"),
    ],
)
def test_an_error_of_the_machine_is_1_and_one_line(name, message):
    done = script(name)
    assert (done.returncode, done.stderr) == (1, f"ERROR: {message}. Run it again.\n")


def test_an_ascii_terminal_does_not_end_a_stage():
    done = script("arrow", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout, done.stderr) == (0, "base ? tuned\n", "")


@pytest.mark.parametrize(("name", "value"), [("RANK", "one"), ("WORLD_SIZE", "-2")])
def test_a_launcher_variable_that_is_not_a_number_is_refused(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"{name}='{value}'"):
        launched(name, 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_how_to_continue(number, code):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "wait"], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # A shell's background job ignores Ctrl-C, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(number)
    errors = process.communicate(timeout=30)[1]
    assert process.returncode == code
    assert errors == "\nInterrupted. Run it again.\n"


@pytest.mark.parametrize(("raised", "told"), [("KeyboardInterrupt", False), ("ValueError", True)])
def test_ctrl_c_while_the_modules_load_ends_without_a_traceback(raised, told):
    done = subprocess.run(
        [sys.executable, "-c", f"import medqa; raise {raised}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == (1 if told else -signal.SIGINT)
    assert ("Traceback" in done.stderr) is told
    assert ("Interrupted before the start" in done.stderr) is not told


def test_a_run_that_saved_its_state_after_a_signal_ends_with_the_code_of_the_signal():
    done = script("stopped")
    assert (done.returncode, done.stderr) == (143, "\nInterrupted. Run it again.\n")


def unread(code: str, *arguments: str) -> tuple[int, str]:
    """Exit code and errors of a program whose output is closed, as with `| head` after head has ended."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, text=True, stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    return done.returncode, done.stderr


def test_a_stage_continues_when_its_output_is_closed():
    code = "import os; from medqa.runtime.console import print_rank0\nfor _ in range(3): print_rank0('line')\nos.write(2, b'worked')"
    assert unread(code) == (0, "worked")


def test_help_with_closed_output_ends_without_a_traceback():
    """`python evaluation.py --help | head` prints through tyro, not through `print_rank0`."""
    assert "Traceback" not in unread(SCRIPT, "prints")[1]


@pytest.mark.parametrize("never", [["--RESUME", "never"], ["--RESUME=never"], ["--resume", "never"]])
def test_the_hint_leaves_out_a_setting_that_would_discard_saved_state(monkeypatch, never):
    from medqa.runtime import entrypoint

    monkeypatch.setattr(sys, "argv", ["fine_tuning.py", *never, "--OUTPUT_DIR", "my results"])
    monkeypatch.setattr(entrypoint, "_saved", False)
    assert entrypoint._typed() == f"\n  python fine_tuning.py {' '.join(never)} --OUTPUT_DIR 'my results'"
    assert entrypoint._unless_never() == ""
    entrypoint.goes_on()
    assert entrypoint._typed() == "\n  python fine_tuning.py --OUTPUT_DIR 'my results'"
    assert entrypoint._unless_never() == " Leave out --RESUME never."


@pytest.mark.parametrize("error", [OSError("disk"), KeyboardInterrupt()])
def test_a_part_of_a_script_can_have_its_own_hint(monkeypatch, capsys, error):
    from medqa.runtime import entrypoint
    from medqa.runtime.errors import hinting

    monkeypatch.setattr(entrypoint.signal, "signal", lambda *_: None)

    @hinting("It goes on from the middle.")
    def part() -> None:
        raise error

    with pytest.raises(SystemExit):
        entrypoint.run_script(part, "It starts again.")
    assert "It goes on from the middle." in (shown := capsys.readouterr().err)
    assert "It starts again." not in shown
