"""Exceptions that end a stage early: a mistake of the user, a failure, an interruption after saving."""

import contextlib
import importlib.util
from collections.abc import Iterator


class Interrupted(KeyboardInterrupt):
    """A signal ended the run after its state was saved; `number` is the signal."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class UserError(Exception):
    """A mistake that the user can correct: the message is printed without a traceback; exit code 2."""


class Failed(Exception):
    """The run cannot continue, although the user did nothing wrong: the message is printed, exit code 1.

    `by_all`: every process raises it, so only one on each machine prints it.
    """

    def __init__(self, message: str, by_all: bool = False) -> None:
        super().__init__(message)
        self.by_all = by_all


@contextlib.contextmanager
def hinting(text: str) -> Iterator[None]:
    """Replace the script's hint on how to continue after an error or an interruption of the block."""
    try:
        yield
    except BaseException as error:
        error.hint = text
        raise


def require_package(name: str, setting: str) -> None:
    """Refuse a setting that needs a package that is not installed.

    Raises:
        UserError: with the command that installs it.
    """
    if importlib.util.find_spec(name) is None:
        raise UserError(f"{setting} is on, but {name} is not installed. Install it with: pip install {name}")


def first_line(error: Exception) -> str:
    """The first line of an error message without its full stop: messages of libraries can have many lines."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__
