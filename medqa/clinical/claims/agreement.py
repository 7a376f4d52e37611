"""When two claims can both be true of one thing."""

import re
from dataclasses import replace
from itertools import product

from medqa.clinical.claims.claims import Claim
from medqa.clinical.notation.names import is_known
from medqa.clinical.quantities.quantity import amounts_meet, near
from medqa.clinical.quantities.quantity_reader import read

LEAST = re.compile(
    r"\b(?:at least|or (?:more|longer)|minimum|not? (?:less|shorter|fewer) than"
    r"|not (?:below|under))\b"
)
# "Up to 1 g in a single dose" is none of the limits of a day.
SINGLE = re.compile(
    r"\b(?:single (?:[a-z]+ )?dose|at once|in one go|at a time|each time|per dose|one dose)\b"
)


def may_be_one(one: Claim, other: Claim) -> bool:
    """Whether two claims can be about one medicine or measure."""
    return one.subject == other.subject or not (is_known(one.subject) and is_known(other.subject))


def agree(one: Claim, other: Claim) -> bool:
    """Whether two claims can both be true of one thing: same subject, overlapping amounts and frequencies."""
    if not may_be_one(one, other):
        return False
    for single, day in ((one, other), (other, one)):
        if day.of_day_limit and not single.of_day_limit and SINGLE.search(single.near):
            return False
    first, second = one.quantity, other.quantity
    mirrors = {first.bound, second.bound} == {"<", ">"}
    same = mirrors and near(first.values[0][0], second.values[0][0], first, second)
    if same and first.unit == second.unit:
        return one.opposed != other.opposed
    if one.daily is not None and other.daily is not None and one.daily.unit == other.daily.unit:
        if one.role == other.role == "maximum" and one.times_a_day and other.times_a_day:
            days = (replace(claim.parts or claim.daily, bound="<") for claim in (one, other))
            return amounts_meet(*days)
        if whole_day(one) and whole_day(other):
            return amounts_meet(one.parts or one.daily, other.parts or other.daily)
        return any(
            amounts_meet(*pair)
            for pair in product({one.daily, one.parts} - {None}, {other.daily, other.parts} - {None})
        )
    if mirrors:
        return first.unit == second.unit and one.opposed == other.opposed
    # "At least 30 minutes before breakfast": no breakfast for half an hour or longer.
    waits = first.kind == "duration" and all(LEAST.search(claim.near) for claim in (one, other))
    if (
        first.bound
        and first.bound == second.bound
        and one.opposed != other.opposed
        and not (one.dose or waits)
    ):
        return False
    if one.role == other.role == "maximum":
        first, second = (replace(claim.taken or claim.quantity, bound="<") for claim in (one, other))
        return amounts_meet(first, second)
    for many, single in ((one, other), (other, one)):
        if many.several:
            # "Two tablets contain 60 mg" is 30 mg a tablet, or a dose of 60 mg.
            of_item = amounts_meet(many.quantity, single.quantity)
            if single.item or single.counted or of_item:
                return of_item
            return amounts_meet(many.taken, single.taken or single.quantity)
    if one.taken is not None and other.taken is not None and one.taken.unit == other.taken.unit:
        return amounts_meet(one.taken, other.taken)
    for counted, plain in ((one, other), (other, one)):
        if counted.counted and plain.quantity.item and plain.taken is None:
            # "two puffs of 100" and "200 a puff"
            return amounts_meet(counted.quantity, plain.quantity)
        # What an item contains is no dose: "three 5 mg tablets" is not "5 mg", but 15 mg.
        not_content = plain.daily is not None or (
            plain.dose is not None and counted.daily is None and counted.quantity.unit != "mL"
        )
        if counted.counted and not_content and not (plain.item or plain.counted):
            amounts = {counted.taken, counted.parts, counted.daily} - {None}
            return any(amounts_meet(*pair) for pair in product(amounts, plain.amounts))
    return any(amounts_meet(*pair) for pair in product(one.amounts, other.amounts))


def in_same_words(one: Claim, other: Claim) -> bool:
    """Whether two claims have one amount in the same words, of which only one was converted.

    "Glucose 186 mg/dL", "after a meal 186 mg/dL"
    """
    same = one.written == other.written and one.quantity.number == other.quantity.number
    levels = {one.quantity.unit, other.quantity.unit} == {"mg/L", "mmol/L"}
    return same and levels and may_be_one(one, other)


def is_range(claim: Claim) -> bool:
    """Whether a claim is one amount "from … to …"."""
    values = claim.quantity.values
    return claim.quantity.kind == "amount" and len(values) == 1 and values[0][0] < values[0][1]


def whole_day(claim: Claim) -> bool:
    """Whether a claim says what comes to a day in all, and not only at one time of the day."""
    return claim.parts is not None or (claim.times_a_day and not claim.at_time)


def mirrored(reference: str, hypothesis: str) -> bool:
    """Whether the texts give one threshold from its two sides: "avoid below 45", "fine from 45 on"."""
    bounds = ([one for one in read(text) if one.bound] for text in (reference, hypothesis))
    return any(
        one.bound != other.bound
        and one.unit.replace("mEq", "mmol") == other.unit.replace("mEq", "mmol")
        and near(one.values[0][0], other.values[0][0], one, other)
        for one, other in product(*bounds)
    )
