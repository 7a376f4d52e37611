"""The one value in which two texts differ while all their other values are the same: 88 → 246 for 88 → 146.

Claims are compared by what they belong to. Here a value needs no subject: the other values of both texts show
that they are about the same things.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

from medqa.clinical.claims.claims import DAYS_OF_A_MONTH, MONTH_TOLERANCE, Found
from medqa.clinical.notation.numbers import TOLERANCE, WORDS, is_close, read_number
from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.quantities.body_weight import MG_PER_KG
from medqa.clinical.quantities.equivalents import DOSE_UNIT
from medqa.clinical.quantities.quantity_reader import read

# Words that are often no number: "one of them", "half of the patients", "a third dose".
NO_NUMBERS = {"one", "half", "halves", "third", "quarter", "zero", "nought", "point"}
# A number that no quantity has, in digits or words; clock times, dates and "7/7" are left out.
NUMBER = re.compile(
    r"[0-9](?<![a-z0-9.,:/].)(?<![a-z]-.)(?![0-9]{0,3}[:/+])|(?<![a-z0-9-])(?<!point )(?:"
    + "|".join(sorted(WORDS.keys() - NO_NUMBERS))
    + ")(?![a-z])"
)
# Numbers of items of a list, and of one or both of two things.
SMALL = (1, 2, 3)
# What is said in too many ways: temperatures of two scales, weights beside doses per kg, times of a day.
UNCOMPARED = {"frequency", "pressure", "route"}
UNCOMPARED_UNITS = {"°C", "kg", "dose", "times", "week of pregnancy"}
# Words of a text that gives parts, sums or products: "each half", "2 puffs", "by 5 mg".
COUNTED = re.compile(
    r"\b(?:total\w*|altogether|in all|add(?:s|ed|ing)?|plus|half|split|divided|each|apiece|per dose|both"
    r"|equal(?:ly)?|rest|remain\w*|by|increments?|steps?|quarter(?:ed)?|(?:daily|whole) (?:dose|amount)"
    r"|tablets?|capsules?|puffs?|sprays?|drops?|spoon\w*|in (?:two|three|four|[0-9]) |sachets?|vials?"
    r"|ampoules?|pens?|ml|%)(?![a-z/])"
)
# Items of a dose, days of a week, hours of a day and powers of ten: what amounts are multiplied by.
FACTORS = (Fraction(3, 2), 2, 3, 4, 7, 10, 24, 60, 100, 1000)
POWERS = (1, 10, 100, 1000)
# More values of a unit are a table; a text of more values is compared in too many ways.
MOST = 4
MOST_VALUES = 40


@dataclass(frozen=True)
class _Value:
    """A number of a text.

    Attributes:
        kind, unit: of its quantity, "" for a number without a unit.
        value: in that unit.
        number: as the text writes it.
        low, high: the range that it is an end of.
        bound: of its quantity.
        written: the words of its quantity.
    """

    kind: str
    unit: str
    value: Fraction
    number: Fraction
    low: Fraction
    high: Fraction
    bound: str
    written: str

    @property
    def dimension(self) -> tuple[str, str]:
        return self.kind, self.unit


def odd_value(reference: str, hypothesis: str) -> Iterator[Found]:
    """(unit, "value", words of the reference, words of the answer) of the only value that another replaces.

    Rule: each text has one value that the other has not, and in the same unit; or one text has, where the
    other repeats a dose: 1 mg/kg and 2 mg/kg for twice 1 mg/kg. Neither is a sum, part or product of values
    of the other text, and neither is inside the range or bound of the other.
    """
    ours, theirs = _values(reference), _values(hypothesis)
    if not 2 <= min(len(ours), len(theirs)) <= max(len(ours), len(theirs)) <= MOST_VALUES:
        return
    mine, others = _left(ours, theirs), _left(theirs, ours)
    if max(len(mine), len(others)) != 1:
        return
    pair = (mine[0], others[0]) if mine and others else _repeated((mine or others)[0], ours, theirs)
    if pair is None or not _comparable(*pair) or _allows(*pair):
        return
    counted = any(COUNTED.search(forms(text)[2]) for text in (reference, hypothesis))
    if not (
        any(_follows(one, theirs, counted) for one in mine)
        or any(_follows(other, ours, counted) for other in others)
    ):
        one, other = pair
        yield one.unit or one.kind or "number", "value", one.written, other.written


def _left(values: Sequence[_Value], others: Sequence[_Value]) -> list[_Value]:
    """The values that another text has in no unit, each once."""
    found: dict[tuple, _Value] = {}
    for one in values:
        small = not one.kind and one.value in SMALL
        if one.value and not small and not any(_same(one, other) for other in others):
            found.setdefault((one.dimension, one.value), one)
    return list(found.values())


def _same(one: _Value, other: _Value) -> bool:
    if one.dimension == other.dimension:
        return is_close(one.value, other.value, MONTH_TOLERANCE if one.kind == "duration" else TOLERANCE)
    return one.number == other.number and "" in (one.kind, other.kind)


def _repeated(odd: _Value, ours: Sequence[_Value], theirs: Sequence[_Value]) -> tuple[_Value, _Value] | None:
    """The dose that the reference has once more than the answer, and the one that the answer has instead."""
    sides = [[one for one in side if one.dimension == odd.dimension] for side in (ours, theirs)]
    if not DOSE_UNIT.match(odd.unit) or not 2 <= len(sides[0]) == len(sides[1]) <= MOST:
        return None
    left, rest = [], list(sides[1])
    for one in sides[0]:
        partner = next((other for other in rest if _same(one, other)), None)
        if partner is None:
            left.append(one)
        else:
            rest.remove(partner)
    return (left[0], rest[0]) if len(left) == 1 else None


def _comparable(one: _Value, other: _Value) -> bool:
    """Whether two values can be those of one thing: of one unit, or one without."""
    if {one.kind, other.kind} & UNCOMPARED or {one.unit, other.unit} & UNCOMPARED_UNITS:
        return False
    if one.dimension == other.dimension:
        return one.kind != "score" or abs(one.value - other.value) != 1  # "below 7" is "6 or lower"
    bare, full = (one, other) if not one.kind else (other, one)
    if bare.kind or full.kind not in ("amount", "score") or full.unit == "/L":
        return False
    return not any(
        is_close(bare.number * power, full.number) or is_close(full.number * power, bare.number)
        for power in POWERS
    )


def _allows(one: _Value, other: _Value) -> bool:
    """Whether one of two values is inside the range or the bound of the other."""
    if one.low < one.high and other.low < other.high:
        return False  # "4 to 6" for "4 to 5"
    if one.kind == "duration" and (one.number == other.number or other.bound == "<"):
        return False  # "24 weeks" for "at most 24 months", "within 50 minutes" for "over 15 minutes"
    return any(
        first.low <= second.value <= first.high
        or (not second.bound and first.bound == (">" if second.value > first.value else "<"))
        for first, second in ((one, other), (other, one))
    )


def _follows(value: _Value, values: Sequence[_Value], counted: bool) -> bool:
    """Whether a value follows from values of a text: the sum of all, or of some of a text that counts.

    A dose is also a product of another dose and a number of the text; a frequency or the usual factors count
    only where the text gives parts or sums.
    """
    like = list(dict.fromkeys(one.value for one in values if one.dimension == value.dimension))
    factors: set[Fraction] = set()
    if not value.kind or (value.kind == "amount" and DOSE_UNIT.match(value.unit)):
        counts = {
            number
            for one in values
            if one.dimension != value.dimension and (counted or one.kind not in ("frequency", "duration"))
            for number in (one.value, one.number)
        }
        factors = (
            counts | {*FACTORS, *(one * two for one, two in combinations(counts, 2))} if counted else counts
        )
    results = [sum(like)]
    if counted:
        results += [2 * one for one in like]
        results += [result for one, two in combinations(like, 2) for result in (one + two, abs(one - two))]
    for one in like:
        results += [result for factor in factors - {0, 1} for result in (one * factor, one / factor)]
    return any(is_close(result, value.value) for result in results)


@lru_cache(maxsize=KEPT_TEXTS)
def _values(text: str) -> tuple[_Value, ...]:
    """The numbers of a text: each end of its quantities, then numbers without a unit."""
    original, _, lower = forms(text)
    found: list[_Value] = []
    inside: set[int] = set()
    for quantity in read(text):
        inside.update(range(quantity.start, quantity.end))
        written = original[quantity.start : quantity.end].strip()
        for low, high in quantity.values:
            unit, factor = quantity.unit, 1
            if unit == "mg" and low >= MG_PER_KG:
                unit = "kg"
            elif unit == "month" and quantity.kind == "duration":
                unit, factor = "day", DAYS_OF_A_MONTH
            for end in dict.fromkeys((low, high)):
                number = Fraction(quantity.number * end, low) if low else end
                value, ends = Fraction(end * factor), (low * factor, high * factor)
                found.append(_Value(quantity.kind, unit, value, number, *ends, quantity.bound, written))
    last = 0
    for match in NUMBER.finditer(lower):
        free = match.start() >= last and match.start() not in inside
        if free and (number := read_number(lower, match.start())) is not None:
            value, last = Fraction(number[0]), number[1]
            found.append(_Value("", "", value, value, value, value, "", original[match.start() : last]))
    return tuple(found)
