"""Doses and values of an answer that contradict those of the reference."""

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product

from medqa.clinical.agreement import amounts_meet, kind_of, ranges_meet
from medqa.clinical.counterparts import by_dimension, contradicted
from medqa.clinical.doses import MEASURE_NAMES, Dose, doses
from medqa.clinical.equivalents import in_common_unit
from medqa.clinical.quantity import Quantity, Range, near
from medqa.clinical.swaps import swapped
from medqa.clinical.ways import names_way, wrong_way

FIELDS = ("subject", "kind", "reference", "answer")
DAYS_OF_A_MONTH = Fraction(304, 10)
MONTH = Fraction(1, 10)
# Daily amounts that come to the same after rounding.
DAILY_TOLERANCE = Fraction(3, 100)
# Units in which medicines are given, where a confusion is an error: "5 mg" and "5 mL", but not "5 mm".
DOSED = re.compile(r"(?:mg|mL|IU|mEq|mmol)(?:/|$)")


def dose_errors(reference: str, hypothesis: str) -> list[dict[str, str]] | None:
    """Quantities of an answer that contradict the reference for the same medicine or measure.

    What it measures: the most dangerous mistakes of an answer. Each comes as {"subject", "kind", "reference",
        "answer"}, the last two in the words of the texts, for a clinician to judge.
    Kinds: "ten-fold" (5 mg for 0.5 mg), "100 times", "1,000 times", …, "unit" (the same number, another
        unit), "frequency" (the same amount at another frequency), "value" (another amount, or "above" for
        "below"), "swapped", "route", "side".
    Rule: a contradiction needs the same subject, the same dimension, and an amount of the reference that the
        answer does not give. These do not contradict: a value within the reference's range, an equal value
        in another unit (`equivalents`), the same amount a day within 3 % (1 g daily, 333 mg three times
        daily), another route, age group or day, a maximum beside a usual dose, an amount that the reference
        does not mention. Where one text names no medicine, its doses are compared as doses of the only one
        of the other; where that is the answer, the subject ends in "(medicine assumed)".
    Not applicable (None): the reference has no quantity, no side of the body and no only route.
    Source: our own.
    Without a common subject: an amount, duration, age, frequency, share or rate that is the only one of its
        dimension that does not agree (`counterparts`), two values that changed places (`swaps`), another
        route than the only one and the other side of the body (`ways`).
    Does not see: amounts more than one sentence from their medicine among several; a wrong dose where the
        reference gives none. A text of several regimens of one medicine can be flagged
        wrongly, which is why the errors are listed and not only counted.
    """
    if not (doses(reference) or by_dimension(reference) or names_way(reference)):
        return None
    errors = _errors_by_subject(reference, hypothesis)
    errors += [dict(zip(FIELDS, found, strict=True)) for found in wrong_way(reference, hypothesis)]
    reported = " ".join(text for error in errors for text in (error["reference"], error["answer"]))
    # The two texts of an error are the only quantities of their dimension that do not agree.
    for found in (*contradicted(reference, hypothesis), *swapped(reference, hypothesis)):
        if not any(text in reported for text in found[2:]):
            errors.append(dict(zip(FIELDS, found, strict=True)))
    return errors


def _errors_by_subject(reference: str, hypothesis: str) -> list[dict[str, str]]:
    """The contradictions of amounts that belong to the same medicine or measure."""
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
            errors.append(_error(dose, likeliest, kind_of(dose.amount, likeliest.amount)))
    return errors


def dose_error(reference: str, hypothesis: str) -> int | None:
    """How many quantities of an answer contradict the reference for the same medicine or measure.

    What it measures: the answer's most dangerous mistakes, of all kinds of `dose_errors`.
    Range: 0, 1, 2, …, lower is better. None (not applicable, to be counted) when the reference has no dose
        or value. An empty answer contradicts nothing: 0.
    Formula: |`dose_errors`|.
    Source: our own.
    Does not see: see `dose_errors`; an answer that leaves the dose out, which `fact_recall` sees.
    """
    errors = dose_errors(reference, hypothesis)
    return None if errors is None else len(errors)


def _error(wanted: Dose, given: Dose, kind: str) -> dict[str, str]:
    subject = f"{wanted.subject} (medicine assumed)" if given.assumed else wanted.subject
    return {"subject": subject, "kind": kind, "reference": wanted.written, "answer": given.written}


def _with_common_subject(wanted: Sequence[Dose], given: Sequence[Dose]) -> tuple[list[Dose], list[Dose]]:
    """A text that names no medicine speaks of the only one of the other text: the question named it."""
    sides = [list(wanted), list(given)]
    names = [{dose.subject for dose in side} for side in sides]
    for number, other in ((0, names[1]), (1, names[0])):
        if names[number] == {""} and len(other) == 1:
            sides[number] = [replace(dose, subject=min(other), assumed=True) for dose in sides[number]]
    wanted, given = ([_in_common_unit(dose) for dose in side] for side in sides)
    return wanted, given


def _in_common_unit(dose: Dose) -> Dose:
    amount = in_common_unit(dose.subject, dose.amount)
    if amount is dose.amount:
        return dose
    return replace(dose, amount=amount, total=in_common_unit(dose.subject, dose.total))


# ---- what agrees -------------------------------------------------------------------------------------------


def _same_regimen(dose: Dose, other: Dose) -> bool:
    return dose.amount == other.amount and _agree(dose, other)


def _agree(dose: Dose, other: Dose) -> bool:
    """Whether both can be true: same subject, amounts and frequencies that overlap."""
    if dose.subject != other.subject or not _doses_meet(dose, other):
        return False
    if {dose.amount.bound, other.amount.bound} == {"<", ">"} and _contrary(dose, other):
        return False
    if dose.role == other.role == "maximum" and not _same_limit(dose, other):
        return False
    one, two = dose.frequency, other.frequency
    if one is None or two is None:
        return True
    rates, other_rates = _per_day(one), _per_day(two)
    # A month is 28 to 31 days.
    months = one.unit != two.unit
    return ranges_meet(rates, other_rates, replace(one, tolerance=MONTH) if months else one, two)


def _same_limit(dose: Dose, other: Dose) -> bool:
    """Whether two maximal amounts are the same: "maximum 3 mg/kg" and "up to 13 mg/kg" are not."""
    one, two = (replace(amount, bound="<") for amount in (dose.amount, other.amount))
    return amounts_meet(one, two) or _same_daily_amount(dose, other)


def _per_day(frequency: Quantity) -> Range:
    low, high = frequency.values[0]
    return (low / DAYS_OF_A_MONTH, high / DAYS_OF_A_MONTH) if frequency.unit == "month" else (low, high)


def _doses_meet(dose: Dose, other: Dose) -> bool:
    """Whether the amounts agree, each by itself or in all ("100 mcg/puff, 2 puffs" and "200 mcg")."""
    return any(amounts_meet(one, two) for one, two in product(_amounts(dose), _amounts(other)))


def _amounts(dose: Dose) -> tuple[Quantity, ...]:
    return (dose.amount,) if dose.total is dose.amount else (dose.amount, dose.total)


def _same_amount(dose: Dose, other: Dose) -> bool:
    return _comparable(dose, other) and _doses_meet(dose, other)


def _comparable(first: Dose, second: Dose) -> bool:
    """Whether two amounts describe the same thing, so that they can contradict each other."""
    if first.subject != second.subject or first.amount.kind != second.amount.kind:
        return False
    for one, other in (
        (first.people, second.people),
        (first.route, second.route),
        (first.when, second.when),
    ):
        if one and other and one != other:
            return False
    if {first.amount.bound, second.amount.bound} == {"<", ">"}:
        return _contrary(first, second)
    roles = {first.role, second.role}
    if first.subject not in MEASURE_NAMES and len(roles) > 1 and ("" not in roles or "maximum" in roles):
        return False
    if first.amount.unit == second.amount.unit:
        return True
    # Another unit of doses contradicts when the number is the same: "5 units" and "5 mL".
    units = DOSED.match(first.amount.unit) and DOSED.match(second.amount.unit)
    # The content of a bottle is no dose: "250 mg/5 mL" and "250 mg".
    if first.amount.unit.endswith("/L") != second.amount.unit.endswith("/L"):
        return False
    return bool(units) and first.amount.number == second.amount.number


def _contrary(first: Dose, second: Dose) -> bool:
    """Whether one says "above 5" where the other says "below 5", or "use below 6" for "stop above 5"."""
    one, other = first.amount, second.amount
    same = near(one.values[0][0], other.values[0][0], one, other)
    return one.unit == other.unit and same == (first.opposed == second.opposed)


def _same_daily_amount(first: Dose, second: Dose) -> bool:
    """1 g twice daily and 2 g daily come to the same; so do 1 g daily and 333 mg three times daily."""
    if first.frequency is None or second.frequency is None or first.frequency == second.frequency:
        return False
    for one, other in product(_amounts(first), _amounts(second)):
        if one.unit != other.unit or len(one.values) != 1 or len(other.values) != 1:
            continue
        (low, high), (other_low, other_high) = (
            [amount * times for amount, times in zip(amounts, _per_day(frequency), strict=True)]
            for amounts, frequency in ((one.values[0], first.frequency), (other.values[0], second.frequency))
        )
        if low * (1 - DAILY_TOLERANCE) <= other_high and other_low * (1 - DAILY_TOLERANCE) <= high:
            return True
    return False


# ---- what kind of contradiction ----------------------------------------------------------------------------


def _likeness(wanted: Dose, given: Dose) -> tuple[int, Fraction]:
    """The likeliest partner of a contradicted amount first: ten-fold, then unit, then the nearest value."""
    distance = abs(wanted.amount.values[0][0] - given.amount.values[0][0])
    kind = kind_of(wanted.amount, given.amount)
    return {"unit": 1, "value": 2}.get(kind, 0), distance
