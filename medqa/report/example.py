"""One question with its reference and both answers, for the terminal at the end of an evaluation."""

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from medqa.analysis.paired_scores import PRIMARY
from medqa.analysis.verdicts import WIDTH
from medqa.runtime.console import counted

if TYPE_CHECKING:
    import pandas as pd

# Characters shown of a text, whole words; the report has all of it.
SHOWN = 450
LABEL = 11


def median_example(tables: Mapping[str, "pd.DataFrame"]) -> str:
    """The question whose gain in the primary score is the median, so neither a good nor a bad case is picked.

    Of an even number of questions it is the lower of the two in the middle, of equal gains the one with the
    lowest id. Lines have at most `WIDTH` characters.

    Args:
        tables: role → results table with the primary score.

    Returns:
        "" if no question has a primary score for both models.
    """
    base, tuned = tables["base"], tables["finetuned"]
    gains = (
        tuned.assign(gain=tuned[PRIMARY] - base[PRIMARY]).dropna(subset=["gain"]).sort_values(["gain", "id"])
    )
    if gains.empty:
        return ""
    row = gains.index[(len(gains) - 1) // 2]
    one, other = base.loc[row], tuned.loc[row]
    title = (
        f"Example: of {counted(len(gains), 'question')}, the one with the median change of the primary score "
        f"({one[PRIMARY]:.3f} to {other[PRIMARY]:.3f}), {one['specialty']}"
    )
    texts = {
        "Question": one["question"],
        "Reference": one["reference"],
        "Base": _answer(one),
        "Tuned": _answer(other),
    }
    lines = [textwrap.fill(_plain(title), WIDTH)]
    for name, text in texts.items():
        shown = textwrap.shorten(_plain(text), SHOWN, placeholder=" …")
        indents = {"initial_indent": name.ljust(LABEL), "subsequent_indent": " " * LABEL}
        lines.append(textwrap.fill(shown or "(empty)", WIDTH, **indents))
    return "\n".join(lines)


def _answer(row: "pd.Series") -> str:
    """A model's answer, marked where the length limit ended it."""
    return row["hypothesis"] + " [length limit]" * (row["finish"] == "length")


def _plain(text: str) -> str:
    """A text without the control characters by which a model's answer could steer the terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
