"""How a script ends: its exit code, and what is said then."""

import errno
import os
import re
import shlex
import signal
import sys
import traceback
from collections.abc import Callable

from medqa.runtime.distributed import rank, world_size
from medqa.runtime.errors import Failed, Interrupted, UserError

NEVER = re.compile(r"(?i) --RESUME[ =]never\b")
_saved = False  # whether something is there that the same command goes on from


def goes_on() -> None:
    """From here on a run that ends early is not to be started over, even if it was told to start over."""
    global _saved
    _saved = True


def run_script(main: Callable[[], None], resume_hint: str) -> None:
    """Run a script's `main` and exit: 0 done, 1 failed, 2 wrong usage or input, 130/143 interrupted.

    Ctrl-C and SIGTERM both raise KeyboardInterrupt inside `main`; `resume_hint` then says how to go on.
    """
    received = signal.SIGINT

    def how() -> str:
        return resume_hint + _unless_never()

    def interrupt(number: int, _frame: object) -> None:
        nonlocal received
        received = signal.Signals(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    if hasattr(sys.stdout, "reconfigure"):  # a terminal that knows ASCII alone gets "?" for an arrow
        sys.stdout.reconfigure(errors="replace")
    try:
        main()
    except UserError as error:
        if _first_of_its_machine():
            print(f"ERROR: {error}", file=sys.stderr)
        sys.exit(2)
    except Failed as error:
        if not error.by_all or _first_of_its_machine():
            print(f"ERROR: {error}{_unless_never()}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as stop:
        if rank() == 0:
            print(f"\nInterrupted. {how()}{_typed()}", file=sys.stderr)
        sys.exit(128 + (stop.number if isinstance(stop, Interrupted) else received))
    except BrokenPipeError:  # `--help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"ERROR: {where}{error.strerror or error}. {how()}", file=sys.stderr)
        sys.exit(1)
    except MemoryError:
        print(f"ERROR: the memory of this machine does not suffice. {how()}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        if _disk_full(error):
            print(f"ERROR: {os.strerror(errno.ENOSPC)}. {how()}", file=sys.stderr)
            sys.exit(1)
        traceback.print_exc()
        print(f"FAILED. {how()}", file=sys.stderr)
        sys.exit(1)


def _first_of_its_machine() -> bool:
    """Whether to say what concerns all processes: once on each machine, each may have a reader of its own."""
    number = os.environ.get("LOCAL_RANK") or os.environ.get("RANK") or "0"
    return number == "0" or not number.isdecimal()


def _unless_never() -> str:
    """What to leave out of the command so that it goes on."""
    return " Leave out --RESUME never." if _saved and NEVER.search(" ".join(sys.argv)) else ""


def _typed() -> str:
    """The command line that was typed, to be typed again; nothing under a launcher, whose own is unknown."""
    if world_size() > 1 or not sys.argv[0].endswith(".py"):
        return ""
    line = shlex.join(["python", *sys.argv])
    return f"\n  {NEVER.sub('', line) if _saved else line}"


def _disk_full(error: BaseException) -> bool:
    """Whether a library's error comes from a disk without space; few of them raise an OSError for it."""
    told = str(error)
    inner = error.__cause__ or error.__context__
    return (
        os.strerror(errno.ENOSPC) in told
        or "PytorchStreamWriter failed writing" in told
        or (isinstance(inner, OSError) and inner.errno == errno.ENOSPC)
    )
