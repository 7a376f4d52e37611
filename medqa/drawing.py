"""What the figures have in common: colours, a figure under its title, the same bytes for the same numbers.

They are drawn on matplotlib's Agg canvas without pyplot and in matplotlib's default style, so that the same
numbers give the same bytes with the same matplotlib. Colours are those of Okabe & Ito (Color Universal
Design, 2008), told apart by colour-blind readers too, and no meaning rests on colour alone.
"""

import math
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY, LIGHT = "#0072B2", "#D55E00", "#6B6B6B", "#BDBDBD"
WIDTH, DPI = 9.0, 150
# A title is broken beyond so many letters.
LONGEST_LINE = 84


def new_figure(height: float, title: str) -> "Figure":
    """A figure of `height` inches under a title, laid out so that no label is cut or covered."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    figure.suptitle(broken(title), fontsize=11.5, fontweight="bold")
    return figure


def broken(title: str) -> str:
    """A title in lines that fit: where it can be, in two halves that end with a clause."""
    if len(title) <= LONGEST_LINE:
        return title
    ends = [place.end() for place in re.finditer(r"[,:;.] (?![^(]*\))", title)]  # none inside brackets
    if fitting := [end for end in ends if max(end, len(title) - end) <= LONGEST_LINE]:
        end = min(fitting, key=lambda end: abs(2 * end - len(title)))
        return f"{title[:end].rstrip()}\n{title[end:]}"
    # Lines of about the same length: none of a single word.
    lines = math.ceil(len(title) / LONGEST_LINE)
    return textwrap.fill(title, min(LONGEST_LINE, math.ceil(len(title) / lines) + 8))


def save(figure: "Figure", path: Path) -> None:
    """Write a PNG without version or date in it."""
    figure.savefig(path, format="png", metadata={"Software": None})
