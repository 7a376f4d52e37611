"""A quantity, and when two of them are the same or can both be true of one thing."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from medqa.clinical.notation.numbers import quotient, show
from medqa.clinical.notation.schedules import show_frequency, show_time

Range = tuple[Fraction, Fraction]
# Two ranges that overlap still contradict each other when an end differs by so much: 2–4 mg and 2–40 mg.
FAR_APART = 5
# Of ranges that have one end in common, the other end differs by so much: 2–7 mg/L and 2–17 mg/L.
MOVED_END = 2
# "29.6 mL/min" is given as 30.
MOST_ROUNDING = 3  # percent
# More decimal places has no number that is rounded.
MOST_PLACES = 3
# Scores that are not whole numbers.
FRACTIONAL = {"INR", "pH", "T-score", "Z-score", "index", "gravity", "DAS28", "FIB-4", "Kt/V", "ABI"}


@dataclass(slots=True)
class Quantity:
    """One quantity of a text; two are equal when kind, unit, values and bound are.

    Attributes:
        kind: "amount", "duration", "age", "frequency", "pressure", "ratio", "score" or "route".
        unit: as normalised, "mg" or "mmol/L"; of a score its name, of a route the route.
        values: (lowest, highest) in that unit, equal unless it is a range; two of them for 140/90 and 1:1000.
        bound: ">" (at least, above), "<" (at most, below) or "".
        tolerance: share of the value by which another may differ, because a conversion was rounded.
        strict: whether a bound leaves out its value: "below 9", but not "8 or less".
        item: what contains the amount, "tablets" of "500 mg/tablet", or "".
        start, end: position in the plain text.
        number: the lowest number as written, to tell a wrong unit from a wrong number.
    """

    kind: str
    unit: str
    values: tuple[Range, ...]
    bound: str = ""
    tolerance: Fraction = field(default=0, compare=False)
    strict: bool = field(default=False, compare=False)
    item: str = field(default="", compare=False)
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)
    number: Fraction = field(default=0, compare=False)

    def __hash__(self) -> int:
        """A hash that does not hash fractions, which is slow; equal fractions have equal numerators."""
        return hash((self.kind, self.unit, self.bound, self.values and self.values[0][0].numerator))

    def __str__(self) -> str:
        """Normalised: "500 mg", "5-10 mg", ">0.1 mg/L", "2 a day", "140/90 mmHg", "1:1000", "by mouth"."""
        if self.kind == "route":
            return self.unit
        if self.kind == "frequency":
            return self.bound + show_frequency(self.values[0], self.unit)
        if self.kind in ("duration", "age"):
            return self.bound + show_time(self.values[0], self.unit) + (" old" if self.kind == "age" else "")
        if self.unit == "week of pregnancy" and self.values[0][0].denominator == 7:
            return f"{self.values[0][0] // 1}+{self.values[0][0] % 1 * 7} {self.unit}"
        numbers = [show(low) if low == high else f"{show(low)}-{show(high)}" for low, high in self.values]
        if self.kind == "ratio":
            return self.unit.join(numbers)
        if self.kind == "score":
            return f"{self.unit} {self.bound}{numbers[0]}"
        return self.bound + "/".join(numbers) + (self.unit if self.unit[0] in "%/" else f" {self.unit}")


def is_inside(quantities: Sequence[Quantity], place: int) -> bool:
    """Whether a place of a text is inside one of its quantities, which are in order."""
    before = bisect_right(quantities, place, key=lambda quantity: quantity.start)
    return before > 0 and place < quantities[before - 1].end


def near(one: Fraction, other: Fraction, first: Quantity, second: Quantity) -> bool:
    """Whether two values are equal, or as near as a conversion between two systems of units comes."""
    if one == other or _is_rounded(one, other, second) or _is_rounded(other, one, first):
        return True
    if not (first.tolerance or second.tolerance):
        return False
    if first.unit == "°C":
        return abs(one - other) <= Fraction(1, 10)
    tolerance = max(first.tolerance, second.tolerance)
    return abs(one - other) <= tolerance * max(abs(one), abs(other))


def _is_rounded(value: Fraction, shown: Fraction, quantity: Quantity) -> bool:
    """Whether `shown`, a value of a quantity, is a value rounded as the text writes it: 30 for 29.6."""
    own = quantity.values[0][0]
    if quantity.kind != "amount" or quantity.bound or not own or quantity.unit == "°C":
        return False
    if abs(value - shown) * 100 > MOST_ROUNDING * abs(value):
        return False
    written, exact = (number * quantity.number / own for number in (shown, value))
    scale = next((10**places for places in range(MOST_PLACES) if not written * 10**places % 1), 0)
    return scale > 0 and (exact * scale + Fraction(1, 2)) // 1 == written * scale


def same(first: Quantity, second: Quantity) -> bool:
    """Whether two quantities state the same: equal values and no contrary bounds; one may be missing."""
    kinds = {first.kind, second.kind}
    if first.unit != second.unit or (len(kinds) > 1 and kinds != {"age", "duration"}):
        return False
    if first.bound and second.bound and first.bound != second.bound:
        return False
    return len(first.values) == len(second.values) and all(
        near(one, other, first, second)
        for ours, theirs in zip(first.values, second.values, strict=True)
        for one, other in zip(ours, theirs, strict=True)
    )


def amounts_meet(first: Quantity, second: Quantity) -> bool:
    """Whether two amounts can both be true of one thing: their ranges overlap and are of like size."""
    if (first.kind, first.unit, len(first.values)) != (second.kind, second.unit, len(second.values)):
        return False
    if first.values == second.values and not (first.bound or second.bound):
        return True
    pairs = list(zip(first.values, second.values, strict=True))
    if (first.bound and not second.bound and _touches(first.bound, *pairs[0])) or (
        second.bound and not first.bound and _touches(second.bound, *pairs[0][::-1])
    ):
        return False
    if first.kind == "duration" and bool(first.bound) != bool(second.bound) and _ten_fold(*pairs[0]):
        return False  # "at least 3 minutes" for "30 minutes" is a slip
    if {first.bound, second.bound} == {"<", ">"} and near(*(pair[0] for pair in pairs[0]), first, second):
        return False
    if first.bound and first.bound == second.bound and first.kind == "score":
        return _limit(first) == _limit(second)
    if first.bound and first.bound == second.bound:
        return all(near(one[0], other[0], first, second) for one, other in pairs)
    return all(ranges_meet(one, other, first, second) and not _far_apart(one, other) for one, other in pairs)


def _touches(bound: str, one: Range, other: Range) -> bool:
    """Whether a range only begins or ends where a bound is: 30 to 59 and below 30."""
    return one[0] == one[1] and other[0] < other[1] and other[0 if bound == "<" else 1] == one[0]


def _ten_fold(one: Range, other: Range) -> bool:
    """Whether two values differ by the factor ten."""
    return one[0] == 10 * other[0] or other[0] == 10 * one[0]


def _limit(score: Quantity) -> Fraction:
    """The last whole score inside a bound: 8 for "below 9" as for "8 or less"."""
    value = score.values[0][0]
    if not score.strict or value.denominator > 1 or score.unit in FRACTIONAL:
        return value
    return value + (1 if score.bound == ">" else -1)


def ranges_meet(one: Range, other: Range, first: Quantity, second: Quantity) -> bool:
    lows, highs = [one[0], other[0]], [one[1], other[1]]
    for number, quantity in enumerate((first, second)):
        # "above 125" is true of all that is more; a plain number beside it is among them, or contradicts it.
        if quantity.bound == ">":
            highs[number] = max(highs)
        if quantity.bound == "<":
            lows[number] = min(lows)
    if not (first.bound or second.bound) and one[0] != one[1] and other[0] != other[1] and _slide(one, other):
        return False
    return max(lows) <= min(highs) or near(max(lows), min(highs), first, second)


def _slide(one: Range, other: Range) -> bool:
    """Whether one range is another moved up or down: they have at most half of the shorter in common."""
    lower, upper = sorted((one, other))
    common = lower[1] - upper[0]
    return (
        lower[1] < upper[1]
        and lower[0] < upper[0]
        and 2 * common <= min(lower[1] - lower[0], upper[1] - upper[0])
    )


def _far_apart(one: Range, other: Range) -> bool:
    if one[0] == one[1] or other[0] == other[1]:
        return False  # a single value inside a range agrees with it, however wide the range is
    far = MOVED_END if one[0] == other[0] or one[1] == other[1] else FAR_APART
    return any(
        max(ends) > min(ends) and max(ends) >= far * min(ends) for ends in zip(one, other, strict=True)
    )


def kind_of(ours: Quantity, theirs: Quantity) -> str:
    """ "unit" for 5 mg and 5 g, "ten-fold" for 5 mg and 50 mg, "1,000 times" for 1,000-fold, else "value" """
    if ours.kind == "frequency":
        return "frequency"
    same_value = ours.unit == theirs.unit and ours.values[0][0] == theirs.values[0][0]
    if ours.unit != theirs.unit or (ours.number == theirs.number and not same_value):
        return "unit"
    pairs = zip(ours.values, theirs.values, strict=True)
    for one, other in (ends for pair in pairs for ends in zip(*pair, strict=True)):
        if one > 0 and other > 0 and one != other:
            factor = quotient(max(one, other), min(one, other))
            if factor.denominator == 1 and str(factor).strip("0") == "1":
                return "ten-fold" if factor == 10 else f"{int(factor):,} times"
    return "value"
