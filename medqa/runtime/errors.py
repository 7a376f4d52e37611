"""What ends a stage early: the user's mistake, a failure, a signal that came after the work was saved."""


class Interrupted(KeyboardInterrupt):
    """A signal ended the work after it was saved; `number` is the signal."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class UserError(Exception):
    """Something the user can put right: printed as it stands, without a traceback; exit code 2."""


class Failed(Exception):
    """The work cannot go on, although the user did nothing wrong: the message is shown, exit code 1.

    `by_all` says that all processes raise it, so that one on each machine is enough to show it.
    """

    def __init__(self, message: str, by_all: bool = False) -> None:
        super().__init__(message)
        self.by_all = by_all
