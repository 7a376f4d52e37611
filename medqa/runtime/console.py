"""Prints lines, tables and warnings of a stage, on the first process only; formats numbers and durations."""

import contextlib
import os
import sys
from collections.abc import Iterable, Sequence

from medqa.runtime.distributed import rank


def print_rank0(*lines: str) -> None:
    """Print lines, on the first process only. The stage continues when the reader has closed (`| head`)."""
    if rank() == 0:
        try:
            with _without_bars():
                print(*lines, sep="\n", flush=True)
        except BrokenPipeError:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (stays open until the process ends)


def _without_bars() -> contextlib.AbstractContextManager:
    """Clear progress bars while lines are printed, so that no line begins inside a bar."""
    if not shows_progress():
        return contextlib.nullcontext()
    from tqdm import tqdm

    return tqdm.external_write_mode(sys.stdout)


def shows_progress() -> bool:
    """Whether progress bars are drawn: by the first process, on a terminal, without NO_COLOR."""
    return rank() == 0 and sys.stderr.isatty() and "NO_COLOR" not in os.environ


def use_colour() -> bool:
    """Whether standard output shows colours: a terminal without NO_COLOR (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def highlighted(text: str) -> str:
    """A line in colour, where colours are shown."""
    return f"\033[1;33m{text}\033[0m" if use_colour() else text


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Align rows under a header: the first column to the left, the others (numbers) to the right."""
    cells = [list(header)] + [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                  for column, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in cells
    ]  # fmt: skip
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 question", "1,200 questions"."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


class WarningLog:
    """Collects warnings, to be printed together at the end of a stage."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts: list[str] = list(dict.fromkeys(texts))

    def add(self, text: str) -> None:
        """Add a warning unless it is there already."""
        if text not in self.texts:
            self.texts.append(text)

    def show(self) -> None:
        """Print all warnings."""
        if self.texts:
            print_rank0("", *(f"WARNING: {text}" for text in self.texts))


def roughly(seconds: float) -> str:
    """A remaining time as precise as an estimate is: "about 20 s", "about 40 min", "about 2.5 h"."""
    if seconds < 55:
        return f"about {max(5, 5 * round(seconds / 5))} s"
    minutes = seconds / 60
    if minutes < 90:
        step = 1 if minutes < 10 else 5
        return f"about {step * round(minutes / step)} min"
    return f"about {round(minutes / 30) / 2:g} h"


def elapsed(seconds: float) -> str:
    """A duration for people: "48 s", "3 min 05 s", "2 h 10 min"."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
