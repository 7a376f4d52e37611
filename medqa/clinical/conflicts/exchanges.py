"""Two values that two subjects exchanged, whatever the subjects are: "Maya 120 mg, Leo 240 mg".

`swaps` knows classes of labels, such as sides, people or days. Here any words, names or numbers are labels:
what a text says beside one value and not beside the other.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

from medqa.clinical.claims.claims import DAYS_OF_A_MONTH, Found
from medqa.clinical.conflicts.bindings import EMPTY, UNCERTAIN
from medqa.clinical.notation.names import names_of
from medqa.clinical.notation.numbers import parse, quotient, show
from medqa.clinical.notation.text import KEPT_TEXTS, forms, sentence_ends
from medqa.clinical.notation.word_forms import canonical
from medqa.clinical.quantities.body_weight import MG_PER_KG
from medqa.clinical.quantities.quantity import Quantity
from medqa.clinical.quantities.quantity_reader import read
from medqa.clinical.words import words

# Where a text is cut between two values that are in one sentence, the coarsest first.
CUTS = (re.compile(";"), re.compile(",(?= )"), re.compile(r" (?:and|but|while|whereas|then) "))
WORD = re.compile("[a-z]{3,}")
NUMBER = re.compile(r"[0-9](?<![a-z0-9.,/].)(?<![a-z]-.)[0-9]*(?:\.[0-9]+)?(?![0-9])")
# "months 0-3", "week 2", "day 8", "a year": the end of a time in days
TIME = re.compile(
    r"(?<![a-z])(?P<unit>day|week|month|year)s? (?P<low>[0-9]{1,3})(?: ?(?:-|to) ?(?P<high>[0-9]{1,3}))?"
    r"(?![0-9]|\.[0-9])"
    r"|(?<![a-z])(?:a|one) (?P<one>week|month|year)(?![a-z])"
)
DAYS_OF = {"day": 1, "week": 7, "month": DAYS_OF_A_MONTH, "year": 12 * DAYS_OF_A_MONTH}
VALUES = frozenset({"amount", "duration", "frequency", "score", "pressure"})
# Words that can be beside either value.
EITHER = EMPTY | words(
    "and the for with from not two one first second third then other every per both all any when"
)
# More values of a unit are a table.
MOST = 6


@dataclass(frozen=True)
class _Token:
    """A word, name, time or value of a text in one form, and its place."""

    start: int
    end: int
    form: str
    value: Quantity | None = None


def exchanged(reference: str, hypothesis: str) -> Iterator[Found]:
    """(labels, "swapped", words of the reference, words of the answer) for two values that changed places.

    Rule: two values of a unit are in both texts once. Of what the reference says only beside one of them, the
    answer says something beside the other, in both directions, and nothing has stayed.
    """
    if any(UNCERTAIN.search(forms(text)[2]) for text in (reference, hypothesis)):
        return
    if sum(quantity.kind in VALUES for quantity in read(reference)) < 2:
        return
    rows: dict[str, list[_Token]] = {}
    for token in _tokens(reference):
        if token.value is not None and token.value.kind in VALUES:
            weight = token.value.unit == "mg" and token.value.values[0][0] >= MG_PER_KG
            rows.setdefault("weight" if weight else token.value.kind, []).append(token)
    for row in rows.values():
        for pair in combinations(row, 2) if 2 <= len(row) <= MOST else ():
            ours, theirs = (
                _beside(text, *(token.value for token in pair)) for text in (reference, hypothesis)
            )
            if ours is None or theirs is None:
                continue
            (mine, other), (now, then) = ours, theirs
            first, second = mine & then, other & now
            if (mine & now) | (other & then) or not (first and second):
                continue
            labels = ", ".join(sorted(form.strip("#") for form in first | second))
            written = (forms(reference)[0][token.start : token.end] for token in pair)
            yield labels, "swapped", *written
            return


def _beside(text: str, one: Quantity, two: Quantity) -> tuple[frozenset[str], frozenset[str]] | None:
    """What a text says beside each of two values and not beside the other, None where they are not apart."""
    places = [_place(text, one), _place(text, two)]
    if None in places or places[0] == places[1]:
        return None
    lower = forms(text)[2]
    first, second = sorted(places)
    cuts = (number for number, cut in enumerate(CUTS, 1) if cut.search(lower, first[1], second[0]))
    one_sentence = not any(first[1] <= end <= second[0] for end in sentence_ends(text))
    level = next(cuts, None) if one_sentence else 0
    if level is None:
        return None
    ends = _ends(text, level)
    tokens = _tokens(text)
    starts = [token.start for token in tokens]
    sides = []
    for start, _ in places:
        place = bisect_right(ends, start)
        begin, end = ends[place - 1], ends[place]
        sides.append(
            frozenset(
                token.form
                for token in tokens[bisect_left(starts, begin) : bisect_left(starts, end)]
                if (token.start, token.end) not in places
                and (token.value is None or token.value.kind not in ("amount", "frequency"))
            )
        )
    return sides[0] - sides[1], sides[1] - sides[0]


def _place(text: str, value: Quantity) -> tuple[int, int] | None:
    """Where the only mention of a value is: with its unit, else its bare number."""
    tokens = _tokens(text)
    found = [
        token
        for token in tokens
        if token.value is not None
        and (token.value.kind, token.value.unit, token.value.values) == (value.kind, value.unit, value.values)
    ]
    if not found and value.kind == "amount" and value.values[0][0] == value.values[0][1]:
        found = [token for token in tokens if token.form == f"#{show(value.number)}"]
    return (found[0].start, found[0].end) if len(found) == 1 else None


@lru_cache(maxsize=KEPT_TEXTS)
def _ends(text: str, level: int) -> list[int]:
    lower = forms(text)[2]
    cuts = (match.start() for cut in CUTS[:level] for match in cut.finditer(lower))
    return sorted({0, *sentence_ends(text), *cuts, len(lower) + 1})


def _days(days: Fraction) -> str:
    """The form of a time: months and years in whole days."""
    return f"@{days if days < 1 else round(days)}"


@lru_cache(maxsize=KEPT_TEXTS)
def _tokens(text: str) -> tuple[_Token, ...]:
    """The values, names, times, numbers and telling words of a text, in order."""
    lower = forms(text)[2]
    found: list[_Token] = []
    inside: set[int] = set()

    def add(start: int, end: int, form: str, value: Quantity | None = None) -> None:
        if start not in inside:
            found.append(_Token(start, end, form, value))
            inside.update(range(start, end))

    for quantity in read(text):
        if quantity.kind == "age":
            ends = dict.fromkeys(quotient(end, 12) for end in quantity.values[0])
            found += (_Token(quantity.start, quantity.end, f"#{end}") for end in ends)
            inside.update(range(quantity.start, quantity.end))
        elif quantity.values:
            if lower[quantity.start : quantity.end].isdigit():  # "glucose in bed 14"
                found.append(_Token(quantity.start, quantity.end, f"#{lower[quantity.start : quantity.end]}"))
            form = f"{quantity.kind} {quantity.unit} {quantity.values}"
            if quantity.kind == "duration":
                form = _days(quantity.values[0][1] * (DAYS_OF_A_MONTH if quantity.unit == "month" else 1))
            add(quantity.start, quantity.end, form, quantity)
    for match in TIME.finditer(lower):
        number = int(match["high"] or match["low"] or 1)
        add(match.start(), match.end(), _days(number * DAYS_OF[match["unit"] or match["one"]]))
    names = names_of(text)
    several = len({name for _, _, name in names}) > 1
    for start, end, name in names:
        add(start, end, f"name {name}" if several else "")
    for match in NUMBER.finditer(lower):
        add(match.start(), match.end(), f"#{show(parse(match.group()))}")
    for match in WORD.finditer(lower):
        if match.group() not in EITHER and canonical(match.group()) not in EITHER:
            add(match.start(), match.end(), canonical(match.group())[:6])
    return tuple(sorted((token for token in found if token.form), key=lambda token: token.start))
