"""Parts of a daily amount that both texts give: "2 g a day, two 500 mg tablets twice" for "1 g twice daily".

Where two texts agree on what comes to a day, a text that divides it in another way, by tablets, bags or times
of day, contradicts the other only when its own numbers cannot come to that amount.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product

from medqa.clinical.claims.claims import Claim
from medqa.clinical.conflicts.bases import DAY, amounts_for
from medqa.clinical.notation.numbers import is_close
from medqa.clinical.notation.text import forms
from medqa.clinical.quantities.items import ITEMS

# How far from an amount the words that make it the amount of a day may be.
AROUND = 60
OF_DAY = re.compile(rf"\b(?:{DAY}|daily|total\w*|sum|altogether)\b")
# "Each dose: 50 mg/kg", "50 mg/kg per dose"
EACH_DOSE = re.compile(r"\b(?:each|every|per|one|single) dose(?: is| of|:)? $")
PER_DOSE = re.compile(r"(?:/| per | each | a )dose(?![a-z])")
# "1 g once daily" is no part of 2 g.
ONCE = re.compile(r"\b(?:once|single)\b")
MOST_PARTS = 24


@dataclass(frozen=True)
class Side:
    """A text and its claims."""

    claims: Sequence[Claim]
    text: str

    def is_of_day(self, claim: Claim) -> bool:
        """Whether words around an amount can make it the amount of a day."""
        start, end = claim.quantity.start, claim.quantity.end
        lower = forms(self.text)[2]
        of_dose = EACH_DOSE.search(lower, max(0, start - AROUND), start) or PER_DOSE.match(lower, end)
        return not of_dose and OF_DAY.search(lower, max(0, start - AROUND), end + AROUND) is not None

    def states(self, day: Fraction, unit: str, but: Claim) -> bool:
        """Whether a claim other than `but` gives an amount of a day in so many words."""
        return any(
            claim is not but
            and claim.dose is not None
            and claim.quantity.unit == unit
            and (claim.counted or not claim.item)
            and _a_day(claim) == 1
            and is_close(claim.quantity.values[0][0], day)
            and self.is_of_day(claim)
            for claim in self.claims
        )


def is_part_of_day(one: Claim, other: Claim, ours: Side, theirs: Side) -> bool:
    """Whether one of two claims is the other text's amount of a day, or a part of it that its text names."""
    claims = one, other
    if any(not _is_given(claim) for claim in claims):
        return False
    subjects = {one.subject, other.subject} - {""} or {claim.subject for claim in ours.claims if claim.dose}
    contents = {
        claim.quantity.values[0][0]
        for side in (ours, theirs)
        for claim in side.claims
        if claim.item and claim.quantity.unit == "mg"
    }
    in_mg = [_in_mg(other, content) for content in contents] if other.quantity.unit in ITEMS else []
    return any(
        _is_day(one, ours, theirs, subject)
        or any(
            _is_day(amount, theirs, ours, subject) or _is_part(amount, other, theirs, ours, subject)
            for amount in (other, *in_mg)
        )
        for subject in subjects
    )


def _is_given(claim: Claim) -> bool:
    """Whether a claim is a dose or a number of tablets, and no limit."""
    limit = claim.quantity.bound or (claim.role == "maximum" and claim.quantity.unit not in ITEMS)
    return not limit and (claim.dose is not None or claim.quantity.unit in ITEMS)


def _in_mg(count: Claim, content: Fraction) -> Claim:
    """A number of tablets as what they contain."""
    values = tuple((low * content, high * content) for low, high in count.quantity.values)
    return replace(count, quantity=replace(count.quantity, unit="mg", values=values), taken=None)


def _is_day(claim: Claim, mine: Side, others: Side, subject: str) -> bool:
    """Whether a claim is what comes to a day in the other text; its own text gives no other such amount."""
    whole = _a_day(claim) == 1 and claim.parts is None and not claim.at_time and mine.is_of_day(claim)
    if not whole or ONCE.search(claim.written.lower()):
        return False
    value = _value(claim)
    return any(is_close(value, day) for day in _days(claim, mine, others, subject)) and not any(
        other.dimension == claim.dimension
        and other.times_a_day
        and other.dose.frequency.values[0] == (1, 1)
        and not is_close(other.quantity.values[0][0], value)
        for other in mine.claims
    )


def _is_part(claim: Claim, written: Claim, mine: Side, others: Side, subject: str) -> bool:
    """Whether a claim adds up to what comes to a day in the other text, and its own text gives that too."""
    often = _a_day(claim)
    if often > 1:
        factors = {often * count for count in (Fraction(1), *_counts(mine.claims))}
    else:
        once = ONCE.search(claim.written.lower())
        factors = set() if once else _numbers([*mine.claims, *others.claims])
    return any(
        is_close(_value(claim) * factor, day) and mine.states(day, claim.quantity.unit, written)
        for day in _days(claim, mine, others, subject)
        for factor in factors
    )


def _value(claim: Claim) -> Fraction:
    return (claim.taken if claim.counted else claim.quantity).values[0][0]


def _days(claim: Claim, mine: Side, others: Side, subject: str) -> list[Fraction]:
    """What comes to a day in the other text, of one tablet, bag or the like and of all."""
    given = amounts_for(
        replace(claim, subject=subject), mine.text, claim.quantity.unit, others.claims, others.text
    )
    days = [low for low, high in given.day if low == high]
    return days + [day * count for day, count in product(days, _things(others.claims))]


def _a_day(claim: Claim) -> Fraction:
    frequency = claim.dose and claim.dose.frequency
    return frequency.values[0][0] if frequency is not None else Fraction(1)


def _things(claims: Sequence[Claim]) -> set[Fraction]:
    """The numbers of bags and the like."""
    return {claim.quantity.values[0][0] for claim in claims if claim.quantity.unit.startswith("× ")}


def _counts(claims: Sequence[Claim]) -> set[Fraction]:
    """The numbers of tablets, bags and the like."""
    items = {claim.quantity.values[0][0] for claim in claims if claim.quantity.unit in ITEMS}
    return items | _things(claims)


def _numbers(claims: Sequence[Claim]) -> set[Fraction]:
    """By what a part of a day can be multiplied: numbers of items, times a day and their products."""
    often = {claim.quantity.values[0][0] for claim in claims if claim.dimension == "frequency day"}
    often |= {_a_day(claim) for claim in claims if claim.dose}
    counts = _counts(claims)
    found = often | counts | {one * other for one, other in product(often, counts)}
    return {number for number in found if 1 < number <= MOST_PARTS}
