"""Runs the `main` of a script: exit codes, error messages, and how to continue after an interruption."""

import errno
import os
import re
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Callable

from medqa.runtime.distributed import rank, world_size
from medqa.runtime.errors import Failed, Interrupted, UserError

NEVER = re.compile(r"(?i) --RESUME[ =]never\b")
# How long the other processes stay when the first says what is wrong.
SECONDS_TO_SPEAK = 5
_saved = False  # whether the same command can resume from what was saved


def goes_on() -> None:
    """Note that the run can be resumed: hints then leave out `--RESUME never`, which would discard it."""
    global _saved
    _saved = True


def run_script(main: Callable[[], None], resume_hint: str) -> None:
    """Run a script's `main` and exit: 0 done, 1 failed, 2 wrong usage or input, 130/143 interrupted.

    Ctrl-C and SIGTERM both raise KeyboardInterrupt inside `main`; `resume_hint` then says how to continue.
    """
    received = signal.SIGINT

    def interrupt(number: int, _frame: object) -> None:
        nonlocal received
        received = signal.Signals(number)
        raise KeyboardInterrupt

    def hint_of(error: BaseException) -> str:  # of `errors.hinting`, or that of the script
        return vars(error).get("hint", resume_hint)

    signal.signal(signal.SIGTERM, interrupt)
    if hasattr(sys.stdout, "reconfigure"):  # an ASCII terminal shows "?" for an arrow instead of failing
        sys.stdout.reconfigure(errors="replace")
    try:
        main()
    except UserError as error:
        if _is_first_on_its_machine():
            print(f"ERROR: {error}", file=sys.stderr)
        else:
            _let_the_first_speak()
        sys.exit(2)
    except Failed as error:
        if not error.by_all or _is_first_on_its_machine():
            print(f"ERROR: {error}{_unless_never()}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as stop:
        if rank() == 0:
            print(f"\nInterrupted. {hint_of(stop)}{_unless_never()}{_typed()}", file=sys.stderr)
        sys.exit(128 + (stop.number if isinstance(stop, Interrupted) else received))
    except BrokenPipeError:  # `--help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        cause = _machine_error(error)
        if not cause:
            traceback.print_exc()
        hint = f"{hint_of(error)}{_unless_never()}"
        print(f"ERROR: {cause}. {hint}" if cause else f"FAILED. {hint}", file=sys.stderr)
        sys.exit(1)


def _let_the_first_speak() -> None:
    """Wait to be ended: a launcher ends all processes when one fails, also the one that says why."""
    for received in (signal.SIGTERM, signal.SIGINT):
        signal.signal(received, signal.SIG_DFL)
    time.sleep(SECONDS_TO_SPEAK)


def _is_first_on_its_machine() -> bool:
    """Whether to print what concerns all processes: once on each machine, as each may have its own log."""
    number = os.environ.get("LOCAL_RANK") or os.environ.get("RANK") or "0"
    return number == "0" or not number.isdecimal()


def _unless_never() -> str:
    """What to leave out of the command so that it resumes."""
    return " Leave out --RESUME never." if _saved and NEVER.search(" ".join(sys.argv)) else ""


def _typed() -> str:
    """The command line that was typed; nothing under a launcher, whose own command is unknown."""
    if world_size() > 1 or not sys.argv[0].endswith(".py"):
        return ""
    line = shlex.join(["python", *sys.argv])
    return f"\n  {NEVER.sub('', line) if _saved else line}"


def _machine_error(error: Exception) -> str:
    """What the machine lacks, in words; "" for an error of the program, which needs a traceback."""
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror or error}"
    if isinstance(error, MemoryError):
        return "the machine does not have enough memory"
    # Few libraries raise an OSError when the disk is full.
    inner = error.__cause__ or error.__context__
    texts = os.strerror(errno.ENOSPC), "PytorchStreamWriter failed writing", ". unexpected pos "
    full = any(text in str(error) for text in texts) or getattr(inner, "errno", None) == errno.ENOSPC
    return os.strerror(errno.ENOSPC) if full else ""
