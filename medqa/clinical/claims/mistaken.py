"""What an answer takes for something else: another medicine, a unit for another, weight for gain."""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise, product

from medqa.clinical.claims.agreement import in_same_words
from medqa.clinical.claims.claims import DAYS_OF_A_MONTH, Claim, Found
from medqa.clinical.notation.names import MEASURE_NAMES, medicine, names_of
from medqa.clinical.quantities.quantity import Quantity, amounts_meet

# Units in which medicines are given, where a confusion is an error: "5 mg" and "5 mL", but not "5 mm".
DOSED = re.compile(r"(?:mg|mL|IU|mEq|mmol)(?:/|$)|drop$|puff$")
BODY_WEIGHTS = frozenset({"weight", "weight change"})
WEEKS = {"day": Fraction(1, 7), "month": DAYS_OF_A_MONTH / 7, "week of pregnancy": 1}
COURSE = re.compile(r"\bfor (?:a (?:period|course|total) of |about |up to |another |≈ ?)?$| x ?$")
AFTER_BIRTH = re.compile(r" (?:after (?:the )?(?:birth|delivery)|post-?(?:partum|natal\w*)|of age|old)\b")


def other_medicine(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[Found]:
    """The only medicine of the answer, where it has the dose of another, the only one of the reference."""
    doses = [
        [claim for claim in side if claim.dose and DOSED.match(claim.quantity.unit) and claim.subject]
        for side in (ours, theirs)
    ]
    names = [{claim.subject for claim in side} for side in doses]
    if any(len(found) != 1 for found in names) or names[0] == names[1]:
        return
    mine, other = (min(found) for found in names)
    known = medicine(mine) and medicine(other) and not {mine, other} & MEASURE_NAMES
    if not known or "-" in mine + other or mine in other or other in mine:
        return
    named = [{mine, other} <= {name for _, _, name in names_of(side[0].sentence)} for side in doses]
    together = [_is_combination(side[0].sentence, {mine, other}) for side in doses]
    if all(together) or (all(named) and any(together)):
        return
    if all({mine, other} <= _named(side) for side in (ours, theirs)):
        return  # both texts name both: "lidocaine with adrenaline: 7 mg/kg"
    same = next((pair for pair in product(*doses) if amounts_meet(pair[0].quantity, pair[1].quantity)), None)
    if same is not None:
        yield f"{mine}, {other}", "medicine", same[0].written, same[1].written


def _named(claims: Sequence[Claim]) -> set[str]:
    """The medicines and measures of a text that are around its claims."""
    return {name for claim in claims for _, _, name in names_of(claim.around)}


def _is_combination(sentence: str, medicines: set[str]) -> bool:
    """Whether a sentence names two medicines as one product: "beclometasone/formoterol"."""
    return any(
        {one[2], two[2]} == medicines and sentence[one[1] : two[0]] in ("/", " / ", "-", " with ")
        for one, two in pairwise(names_of(sentence))
    )


def other_unit(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[Found]:
    """The number of the reference with a unit that does not convert: 10 mL for 10 units, IU for micrograms.

    The names may differ ("vitamin A", "retinol"). Neither text has the amount of the other, nor the number
    twice.
    """
    sides = [[claim for claim in side if _is_given(claim)] for side in (ours, theirs)]
    for one, other in product(*sides):
        number = one.quantity.number
        if number != other.quantity.number or number < 2 or not _unlike(one.quantity, other.quantity):
            continue
        if in_same_words(one, other):
            continue
        once = all(sum(claim.quantity.number == number for claim in side) == 1 for side in sides)
        if once and not any(
            amounts_meet(mine, another)
            for claim, side in ((one, theirs), (other, ours))
            for mine in claim.all_amounts
            for rival in side
            for another in rival.all_amounts
        ):
            yield one.subject or other.subject or "amount", "unit", one.written, other.written


def _is_given(claim: Claim) -> bool:
    quantity = claim.quantity
    return quantity.kind == "amount" and DOSED.match(quantity.unit) is not None and not claim.item


def _unlike(first: Quantity, second: Quantity) -> bool:
    """Whether two amounts of one number are of different kinds, or a rate per minute for one per hour."""
    if first.unit != second.unit:
        return first.unit.partition("/")[0] != second.unit.partition("/")[0]
    low, high = sorted((first.values[0][0], second.values[0][0]))
    return first.unit.endswith("/h") and high == 60 * low


def other_sense(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[Found]:
    """A number that means something else in the answer: weight for gain, course for week of pregnancy."""
    weights = [[claim for claim in side if claim.subject in BODY_WEIGHTS] for side in (ours, theirs)]
    if len(weights[0]) == len(weights[1]) == 1:
        ((one,), (other,)) = weights
        if one.subject != other.subject and amounts_meet(one.quantity, other.quantity):
            yield one.subject, "value", one.written, other.written
    elif len(weights[1]) == 1:
        # "84 kg, 4 kg more than before", and an answer that takes the one for the other.
        (other,) = weights[1]
        met = {claim.subject for claim in weights[0] if amounts_meet(claim.quantity, other.quantity)}
        if met and other.subject not in met:
            yield other.subject, "value", weights[0][0].written, other.written
    for one, other in product(ours, theirs):
        amounts = one.quantity, other.quantity
        units = ["day" if amount.kind == "age" else amount.unit for amount in amounts]
        if sorted(units) == ["day", "week of pregnancy"] and is_course((one, other)[units.index("day")]):
            weeks = [amount.values[0][0] * WEEKS[amount.unit] for amount in amounts]
            if weeks[0] == weeks[1]:
                yield "week of pregnancy", "value", one.written, other.written


def is_course(claim: Claim) -> bool:
    """Whether a time in weeks is how long something is done, or is after the birth."""
    if claim.quantity.kind == "age":
        return True
    place = claim.sentence.find(claim.written.lower())
    before, after = claim.sentence[:place], claim.sentence[place + len(claim.written) :]
    return COURSE.search(before) is not None or AFTER_BIRTH.match(after) is not None
