"""How far a long step is and how long it will take: a bar on a terminal, a line now and then in a log."""

import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from medqa.processes import rank
from medqa.screen import elapsed, say, shows_progress

# Seconds after which a step is long enough for somebody to wonder.
PATIENCE = 3.0
# Seconds between two lines in a log.
EVERY = 60.0


class Progress:
    """Counts what is done of a step, on the first process only.

    On a terminal it is a bar that is gone when the step is. Where standard error is no terminal, or NO_COLOR
    is set, a line is printed every `EVERY` seconds, so that a log of hours is not silent.
    """

    def __init__(self, what: str, total: int, unit: str, done: int = 0) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = self.first = done
        self.started = self.told = time.monotonic()
        self.bar: Any = None
        if shows_progress():
            from tqdm import tqdm

            self.bar = tqdm(
                total=total,
                initial=done,
                desc=what,
                unit=unit,
                delay=PATIENCE,
                leave=False,
                dynamic_ncols=True,
            )

    def advance(self, number: int = 1, note: str = "") -> None:
        """Count `number` more as done; `note` stands at the end of the line."""
        self.done += number
        if self.bar is not None:
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(number)
        elif rank() == 0 and time.monotonic() - self.told >= EVERY and self.done < self.total:
            self.told = time.monotonic()
            say(self.line(note))

    def line(self, note: str = "") -> str:
        """The state in words: `training: 120 of 500 steps (24 %), about 12 min 05 s left, loss 1.234`."""
        share = round(100 * self.done / self.total) if self.total else 100
        text = f"{self.what}: {self.done:,} of {self.total:,} {self.unit}s ({share} %)"
        made = self.done - self.first
        if made:
            passed = time.monotonic() - self.started
            text += f", about {elapsed(passed / made * (self.total - self.done))} left"
        return f"{text}, {note}" if note else text

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()


def watch(items: Sequence[Any], what: str, unit: str = "item") -> Iterator[Any]:
    """Go through items and show how far it is."""
    with Progress(what, len(items), unit) as progress:
        for item in items:
            yield item
            progress.advance()
