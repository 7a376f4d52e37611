"""Doses and values of an answer that contradict those of the reference."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from medqa.clinical.doses import Dose, doses
from medqa.clinical.quantity import Quantity, Range, near

# Two ranges that overlap still contradict each other when an end differs by so much: 2–4 mg and 2–40 mg.
FAR_APART = 5


def dose_errors(reference: str, hypothesis: str) -> list[dict[str, str]] | None:
    """Quantities of an answer that contradict the reference for the same medicine or measure.

    What it measures: the most dangerous mistakes of an answer. Each comes as {"subject", "kind", "reference",
        "answer"}, the last two in the words of the texts, for a clinician to judge.
    Kinds: "ten-fold" (5 mg for 0.5 mg, or 100-fold, …), "unit" (the same number, another unit), "frequency"
        (the same amount at another frequency), "value" (another amount).
    Rule: a contradiction needs the same subject, the same kind of unit, and an amount of the reference that
        the answer nowhere gives. None is: a value within the reference's range, the same amount a day (1 g
        twice daily, 2 g daily), another route or age group, a maximum beside a usual dose, an amount that
        the reference does not speak of. Where one text names no medicine, its doses are those of the only
        one of the other.
    Not applicable (None): the reference has no dose or value.
    Source: our own.
    Does not see: a medicine in a word that does not show to be one, unless its dose follows at once; amounts
        more than one sentence from their medicine; durations, ages and ratios; a dose that is wrong without
        the reference giving one. A text of several regimens of one medicine can be accused wrongly: that
        is why the errors are listed and not only counted.
    """
    if not doses(reference):
        return None
    wanted, given = _with_common_subject(doses(reference), doses(hypothesis))
    errors = []
    # The same regimens are paired first, then those that agree, then those of one amount: their frequencies
    # differ.
    for closeness in (_same_regimen, _agree, _same_amount):
        for dose in list(wanted):
            partner = next((other for other in given if closeness(dose, other)), None)
            if partner is None:
                continue
            wanted.remove(dose)
            given.remove(partner)
            if closeness is _same_amount:
                errors.append(_error(dose, partner, "frequency"))
    for dose in wanted:
        rivals = [
            other for other in given if _comparable(dose, other) and not _same_daily_amount(dose, other)
        ]
        if rivals:
            likeliest = min(rivals, key=lambda other: _likeness(dose, other))
            given.remove(likeliest)
            errors.append(_error(dose, likeliest, _kind(dose, likeliest)))
    return errors


def dose_error(reference: str, hypothesis: str) -> int | None:
    """How many quantities of an answer contradict the reference for the same medicine or measure.

    What it measures: the answer's most dangerous mistakes, of all four kinds of `dose_errors`.
    Range: 0, 1, 2, …, lower is better. None (not applicable, to be counted) when the reference has no dose
        or value. An empty answer contradicts nothing: 0.
    Formula: |`dose_errors`|.
    Source: our own.
    Does not see: see `dose_errors`; an answer that leaves the dose out, which `fact_recall` sees.
    """
    errors = dose_errors(reference, hypothesis)
    return None if errors is None else len(errors)


def _error(wanted: Dose, given: Dose, kind: str) -> dict[str, str]:
    return {"subject": wanted.subject, "kind": kind, "reference": wanted.written, "answer": given.written}


def _with_common_subject(wanted: Sequence[Dose], given: Sequence[Dose]) -> tuple[list[Dose], list[Dose]]:
    """A text that names no medicine speaks of the only one of the other text: the question named it."""
    sides = [list(wanted), list(given)]
    names = [{dose.subject for dose in side} for side in sides]
    for number, other in ((0, names[1]), (1, names[0])):
        if names[number] == {""} and len(other) == 1:
            sides[number] = [replace(dose, subject=min(other)) for dose in sides[number]]
    return sides[0], sides[1]


# ---- what agrees -------------------------------------------------------------------------------------------


def _same_regimen(dose: Dose, other: Dose) -> bool:
    return dose.amount == other.amount and _agree(dose, other)


def _agree(dose: Dose, other: Dose) -> bool:
    """Whether both can be true: same subject, amounts that meet, frequencies that meet or are not told."""
    if dose.subject != other.subject or not _amounts_meet(dose.amount, other.amount):
        return False
    one, two = dose.frequency, other.frequency
    return (
        one is None
        or two is None
        or one.unit != two.unit
        or _ranges_meet(one.values[0], two.values[0], one, two)
    )


def _same_amount(dose: Dose, other: Dose) -> bool:
    return _comparable(dose, other) and _amounts_meet(dose.amount, other.amount)


def _comparable(first: Dose, second: Dose) -> bool:
    """Whether two amounts are said of the same thing, so that they can contradict each other."""
    if first.subject != second.subject or first.amount.kind != second.amount.kind:
        return False
    for one, other in (
        (first.people, second.people),
        (first.route, second.route),
        (first.amount.bound, second.amount.bound),
    ):
        if one and other and one != other:
            return False
    roles = {first.role, second.role}
    if len(roles) > 1 and ("" not in roles or "maximum" in roles):
        return False
    # Another kind of unit contradicts only when the number is the same: "5 units" and "5 mL".
    return first.amount.unit == second.amount.unit or first.amount.number == second.amount.number


def _amounts_meet(first: Quantity, second: Quantity) -> bool:
    """Whether two amounts can both be true of one thing: their ranges overlap and are of like size."""
    if (first.kind, first.unit, len(first.values)) != (second.kind, second.unit, len(second.values)):
        return False
    pairs = list(zip(first.values, second.values, strict=True))
    if first.bound and first.bound == second.bound:
        return all(near(one[0], other[0], first, second) for one, other in pairs)
    return all(_ranges_meet(one, other, first, second) and not _far_apart(one, other) for one, other in pairs)


def _ranges_meet(one: Range, other: Range, first: Quantity, second: Quantity) -> bool:
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
        return False  # a single value inside a range is no contradiction, however wide the range
    return any(min(ends) > 0 and max(ends) >= FAR_APART * min(ends) for ends in zip(one, other, strict=True))


def _same_daily_amount(first: Dose, second: Dose) -> bool:
    """1 g twice daily and 2 g daily come to the same."""
    if first.frequency is None or second.frequency is None or first.frequency == second.frequency:
        return False
    if (first.amount.unit, first.frequency.unit) != (second.amount.unit, second.frequency.unit):
        return False
    (low, high), (other_low, other_high) = (
        [
            amount * times
            for amount, times in zip(dose.amount.values[0], dose.frequency.values[0], strict=True)
        ]
        for dose in (first, second)
    )
    return low <= other_high and other_low <= high


# ---- what kind of contradiction ----------------------------------------------------------------------------


def _kind(wanted: Dose, given: Dose) -> str:
    """ "unit" for 5 mg and 5 g, "ten-fold" for 5 mg and 50 mg (or 0.5 mg), else "value" """
    ours, theirs = wanted.amount, given.amount
    same_value = ours.unit == theirs.unit and ours.values[0][0] == theirs.values[0][0]
    if ours.number == theirs.number and not same_value:
        return "unit"
    for one, other in zip(ours.values[0], theirs.values[0], strict=True):
        if one > 0 and other > 0 and one != other:
            ratio = max(one, other) / min(one, other)
            while ratio > 1 and ratio % 10 == 0:
                ratio /= 10
            if ratio == 1:
                return "ten-fold"
    return "value"


def _likeness(wanted: Dose, given: Dose) -> tuple[int, Fraction]:
    """The likeliest partner of a contradicted amount first: ten-fold, then unit, then the nearest value."""
    distance = abs(wanted.amount.values[0][0] - given.amount.values[0][0])
    return ("ten-fold", "unit", "value").index(_kind(wanted, given)), distance
