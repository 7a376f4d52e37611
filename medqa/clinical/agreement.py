"""When two quantities can both be true of one thing: their ranges overlap and are of like size."""

from fractions import Fraction

from medqa.clinical.quantity import Quantity, Range, near

# Two ranges that overlap still contradict each other when an end differs by so much: 2–4 mg and 2–40 mg.
FAR_APART = 5
# Scores that are not whole numbers.
FRACTIONAL = {"INR", "pH", "T-score", "Z-score", "index", "gravity", "DAS28", "FIB-4"}


def amounts_meet(first: Quantity, second: Quantity) -> bool:
    """Whether two amounts can both be true of one thing: their ranges overlap and are of like size."""
    if (first.kind, first.unit, len(first.values)) != (second.kind, second.unit, len(second.values)):
        return False
    pairs = list(zip(first.values, second.values, strict=True))
    if {first.bound, second.bound} == {"<", ">"} and near(*(pair[0] for pair in pairs[0]), first, second):
        return False
    if first.bound and first.bound == second.bound and first.kind == "score":
        return _limit(first) == _limit(second)
    if first.bound and first.bound == second.bound:
        return all(near(one[0], other[0], first, second) for one, other in pairs)
    return all(ranges_meet(one, other, first, second) and not _far_apart(one, other) for one, other in pairs)


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
    return max(lows) <= min(highs) or near(max(lows), min(highs), first, second)


def _far_apart(one: Range, other: Range) -> bool:
    if one[0] == one[1] or other[0] == other[1]:
        return False  # a single value inside a range agrees with it, however wide the range is
    return any(min(ends) > 0 and max(ends) >= FAR_APART * min(ends) for ends in zip(one, other, strict=True))


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
            factor = max(one, other) / min(one, other)
            if factor.denominator == 1 and str(factor).strip("0") == "1":
                return "ten-fold" if factor == 10 else f"{int(factor):,} times"
    return "value"
