"""Shows the progress of a long step: a tqdm bar on a terminal, lines in a log."""

from collections.abc import Iterator, Sequence
from typing import Any

from tqdm import tqdm

from medqa.runtime.console import print_rank0, roughly, shows_progress

# Seconds before a bar appears: shorter steps show none.
PATIENCE = 3.0
# Seconds between two lines in a log.
EVERY = 60.0


class Progress(tqdm):
    """Counts the finished items of a step, and shows the count on the first process only.

    On a terminal it is a bar that is removed at the end. Where standard error is no terminal, or NO_COLOR is
    set, a line is printed every `EVERY` seconds, so that the log of a run of hours shows progress.
    """

    monitor_interval = 0  # tqdm's monitor thread is not needed: with miniters=1 each update checks the time

    def __init__(self, what: str, total: int, unit: str, done: int = 0) -> None:
        self.on_terminal = shows_progress()
        delay, interval = (PATIENCE, 0.1) if self.on_terminal else (EVERY, EVERY)
        super().__init__(desc=what, total=total, unit=unit, initial=done, delay=delay, mininterval=interval,
                         miniters=1, leave=False, dynamic_ncols=True,
                         bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} {unit}s{left}{postfix}")  # fmt: skip

    def advance(self, number: int = 1, note: str = "") -> None:
        """Count `number` more items as done; `note` is shown at the end of the line."""
        self.set_postfix_str(note, refresh=False)
        self.update(number)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool | None:
        """Draw the bar or print the line; tqdm calls it when one is due. An empty `msg` clears the bar."""
        if self.on_terminal:
            return super().display(msg, pos)
        if msg is None and self.n < self.total:
            print_rank0(self.line())
        return None

    def line(self) -> str:
        """The state as text: `training: 120 of 500 steps (24 %), about 12 min left, loss 1.234`."""
        share = round(100 * self.n / self.total) if self.total else 100
        text = f"{self.desc}: {self.n:,} of {self.total:,} {self.unit}s ({share} %){self.format_dict['left']}"
        return f"{text}, {self.postfix}" if self.postfix else text

    @property
    def format_dict(self) -> dict[str, Any]:
        """tqdm's values for the bar's format, with the remaining time as `left`."""
        values = super().format_dict
        made = self.n - self.initial
        seconds = values["elapsed"] / made * (self.total - self.n) if made else 0
        return values | {"left": f", {roughly(seconds)} left" if made else ""}


def watch(items: Sequence[Any], what: str, unit: str = "item") -> Iterator[Any]:
    """Iterate over items and show the progress."""
    with Progress(what, len(items), unit) as progress:
        for item in items:
            yield item
            progress.advance()
