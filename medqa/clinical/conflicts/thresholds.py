"""The other side of a threshold: "an INR of at least 1.5 is needed" where it must be below 1.5.

Claims are compared by what they belong to, and a threshold without a unit belongs to nothing. Here the same
number shows that two texts speak of one threshold, and common words that they say what is done there.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from medqa.clinical.claims.claims import Found
from medqa.clinical.conflicts.exchanges import EITHER, WORD
from medqa.clinical.conflicts.odd_values import NUMBER
from medqa.clinical.notation.names import names_of
from medqa.clinical.notation.numbers import read_number
from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.notation.word_forms import canonical
from medqa.clinical.quantities.circumstances import OPPOSED
from medqa.clinical.quantities.quantity import Quantity, is_inside
from medqa.clinical.quantities.quantity_reader import read
from medqa.clinical.quantities.scan import Scan, read_bound

# What makes a bound a goal, and no condition of something else.
GOAL = re.compile(
    r"\b(?:needs?|needed|require[sd]?|(?:must|should)(?!n't| not)|ha(?:s|ve|d) to|ask(?:s|ed)? for|aim\w*"
    r"|targets?|goals?|ke(?:ep|pt)|maintain\w*|want(?:ed)?|wait\w*|only)\b"
)
# Words of a text that speaks of more than one side of a threshold.
BOTH_SIDES = re.compile(
    r"\b(?:otherwise|except\w*|unless|instead|normal\w*|rather|no longer|any more|respectively|compared"
    r"|whereas|while|but)\b"
)
CLAUSE_END = re.compile(r"[;()\n]|[.!?](?=\s|$)")
# "The maximum is 1 g", "10 mg is the least that"
MAXIMUM = re.compile(r"\b(?:maximum|max|ceiling|limit)(?: dose)?(?: is| of|:)? $")
AFTER = re.compile(r"[^.;,]{0,30}? is the (?:(?P<least>least|minimum|lowest)|most|maximum|highest)\b")
KINDS = ("amount", "score", "pressure")
# So many words in common, beside names, show that two texts say what is done at one threshold.
LEAST_COMMON = 2


@dataclass(frozen=True)
class _Threshold:
    """The bound of a number: ">" or "<".

    Attributes:
        bound: ">", "<" or "" for none.
        opposed: whether its clause forbids or negates something.
        goal: whether its clause says what is wanted.
        written: its words.
    """

    bound: str
    opposed: bool
    goal: bool
    written: str


def other_side(reference: str, hypothesis: str) -> Iterator[Found]:
    """("threshold", "value", words of the reference, words of the answer) for the other side of a threshold.

    Rule: both texts have a number once, with contrary bounds, both in a clause that forbids or both in one
    that does not, both as a goal or both as a condition.
    """
    texts = (reference, hypothesis)
    if any(BOTH_SIDES.search(forms(text)[2]) for text in texts):
        return
    ours = _thresholds(reference)
    theirs = _thresholds(hypothesis) if any(one and one.bound for one in ours.values()) else {}
    for number, one in ours.items():
        other = theirs.get(number)
        if one is None or other is None or {one.bound, other.bound} != {"<", ">"}:
            continue
        if (one.opposed, one.goal) == (other.opposed, other.goal) and _in_common(*texts):
            yield "threshold", "value", one.written, other.written
            return


def _in_common(reference: str, hypothesis: str) -> bool:
    """Whether two texts forbid something, or have telling words in common."""
    if all(OPPOSED.search(forms(text)[2]) for text in (reference, hypothesis)):
        return True
    return len(_words(reference) & _words(hypothesis)) >= LEAST_COMMON


@lru_cache(maxsize=KEPT_TEXTS)
def _words(text: str) -> frozenset[str]:
    """The telling words of a text in one form each, without names and quantities."""
    inside = {place for start, end, _ in names_of(text) for place in range(start, end)}
    return frozenset(
        canonical(match.group())[:6]
        for match in WORD.finditer(forms(text)[2])
        if not ({match.group(), canonical(match.group())} & EITHER)
        and match.start() not in inside
        and not is_inside(read(text), match.start())
    )


@lru_cache(maxsize=KEPT_TEXTS)
def _thresholds(text: str) -> dict[Fraction, _Threshold | None]:
    """Number → its bound, None for a number that the text has more than once."""
    original, raw, lower = forms(text)
    found: dict[Fraction, _Threshold | None] = {}
    ends = [0, *(match.end() for match in CLAUSE_END.finditer(lower)), len(lower) + 1]

    senses: dict[int, tuple[bool, bool]] = {}  # clause → whether it forbids, whether it is a goal

    def add(number: Fraction, bound: str, start: int, end: int) -> None:
        place = bisect_right(ends, start)
        if place not in senses:
            clause = lower[ends[place - 1] : ends[place]]
            senses[place] = OPPOSED.search(clause) is not None, GOAL.search(clause) is not None
        threshold = _Threshold(bound, *senses[place], original[start:end])
        found[number] = None if number in found else threshold

    for quantity in read(text):
        for number, bound in _bounds(quantity, lower):
            add(number, bound, quantity.start, quantity.end)
    last, scan = 0, Scan(raw, lower, [])
    for match in NUMBER.finditer(lower):
        free = match.start() >= last and not is_inside(read(text), match.start())
        if free and (number := read_number(lower, match.start())) is not None:
            last = number[1]
            add(Fraction(number[0]), read_bound(scan, match.start(), last)[0], match.start(), last)
    return found


def _bounds(quantity: Quantity, lower: str) -> Iterator[tuple[Fraction, str]]:
    """The numbers of a quantity as the text writes them, each with its bound; a range has two."""
    if not quantity.values:
        return
    low, high = quantity.values[0]
    number, bound = Fraction(quantity.number), quantity.bound
    if quantity.kind not in KINDS:
        yield number, ""
    elif low != high:
        yield number, ">"
        yield (number * high / low if low else Fraction(high)), "<"
    elif (after := AFTER.match(lower, quantity.end)) is not None:
        yield number, ">" if after["least"] else "<"
    else:
        before = MAXIMUM.search(lower, max(0, quantity.start - 30), quantity.start)
        yield number, bound or ("<" if before else "")
