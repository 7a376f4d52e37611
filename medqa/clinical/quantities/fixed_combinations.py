"""Strengths of products of two medicines: "rifampicin/isoniazid 150/75 mg"."""

import re
from bisect import bisect_right
from collections.abc import Sequence

from medqa.clinical.quantities.quantity import Quantity

JOINED = ("/", "-", " / ")
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
    pair = [one for one in amounts[max(0, number - 1) : number + 2] if one.start == amount.start]
    if len(pair) != 2 or "/" not in text[amount.start : amount.end]:
        return ""
    place = bisect_right(names, amount.start, key=lambda name: name[0])
    for beside in (names[max(0, place - 2) : place], names[place : place + 2]):
        if len(beside) != 2:
            continue
        first, second = beside
        between = min(second[1], amount.end), max(amount.start, first[0])
        if text[first[1] : second[0]] in JOINED and not NOT_BETWEEN.search(text, *between):
            return (first if amount is pair[0] else second)[2]
    return ""
