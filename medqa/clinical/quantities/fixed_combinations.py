"""Strengths of products of two medicines: "rifampicin/isoniazid 150/75 mg", "… 150 mg/75 mg"."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from medqa.clinical.quantities.quantity import Quantity

JOINED = ("/", "-", " / ")
BETWEEN_STRENGTHS = ("/", " / ")
# What separates a name from an amount.
NOT_BETWEEN = re.compile(r"[.;!?\n]|, (?!at |in |usually |given )|\)")


def of_combination(
    amounts: Sequence[Quantity], number: int, names: Sequence[tuple[int, int, str]], text: str
) -> str:
    """The medicine of one of two strengths, "isoniazid" for the 75 of that example; "" for none.

    Args:
        amounts: those of a sentence, of which the strength is the one at the place `number`.
        names: the medicines and measures of the sentence: (start, end, name).
        text: the whole text in lower case.
    """
    amount = amounts[number]
    pair = _pair(amounts, number, text)
    if not pair:
        return ""
    start, end = pair[0].start, pair[1].end
    place = bisect_right(names, start, key=lambda name: name[0])
    for beside in (names[max(0, place - 2) : place], names[place : place + 2]):
        if len(beside) != 2:
            continue
        first, second = beside
        between = min(second[1], end), max(start, first[0])
        if text[first[1] : second[0]] in JOINED and not NOT_BETWEEN.search(text, *between):
            return (first if amount is pair[0] else second)[2]
    return ""


def _pair(amounts: Sequence[Quantity], number: int, text: str) -> Sequence[Quantity]:
    """The two strengths of a product, one of which has the place `number`, or nothing."""
    amount = amounts[number]
    for one, other in pairwise(amounts[max(0, number - 1) : number + 2]):
        if one.start == other.start:
            if "/" in text[amount.start : amount.end]:
                return one, other  # "150/75 mg"
        elif one.unit == other.unit and text[one.end : other.start] in BETWEEN_STRENGTHS:
            return one, other  # "150 mg/75 mg"
    return ()
