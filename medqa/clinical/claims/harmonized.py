"""Claims of two texts in the terms of each other: one subject, one unit, one kind of time.

A text that names no medicine speaks of the only one of the other text; a level in mg/dL is given in mmol/L, a
strength in percent in mg/mL, a dose per kilogram for the weight that the other text gives.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from medqa.clinical.claims.claims import DAYS_OF_A_MONTH, MG_PER_L, MONTH_TOLERANCE, Claim
from medqa.clinical.claims.counterparts import WEIGHTS
from medqa.clinical.claims.mistaken import is_course
from medqa.clinical.notation.names import medicine
from medqa.clinical.notation.numbers import quotient
from medqa.clinical.quantities.body_weight import MG_PER_KG
from medqa.clinical.quantities.equivalents import MOLAR_MASS, in_common_unit
from medqa.clinical.quantities.quantity import Quantity

# Measures of which a text names one and means another of them.
FAMILIES = (
    frozenset({"fasting glucose", "glucose"}),
    frozenset({"2-hour glucose", "glucose"}),
    frozenset({"haemoglobin", "transfusion threshold"}),
    frozenset({"platelets", "transfusion threshold"}),
)
PER_GRAM = re.compile(r"(?:/|per |in (?:one |a |each )?)g(?:ram)?(?![a-z])")
# Doses by weight are rounded.
WEIGHT_TOLERANCE = Fraction(1, 10)


def with_common_subject(ours: Sequence[Claim], theirs: Sequence[Claim]) -> list[list[Claim]]:
    """A text that names no medicine speaks of the only one of the other text: the question named it."""
    sides = [list(ours), list(theirs)]
    names = [
        {claim.subject for claim in side if claim.dose and claim.subject not in WEIGHTS} for side in sides
    ]
    for number, other in ((0, names[1]), (1, names[0])):
        if names[number] == {""} != other and len(other) == 1:
            sides[number] = [
                replace(claim, subject=min(other), assumed=True)
                if claim.dose and not claim.subject
                else claim
                for claim in sides[number]
            ]
        for family in FAMILIES:
            mine, others = names[number] & family, other & family
            if len(mine) == len(others) == 1 and mine != others:
                sides[number] = [
                    _as_family(claim, min(family)) if claim.subject in family else claim
                    for claim in sides[number]
                ]
    sides = [_as_molar(side, other) for side, other in (sides, sides[::-1])]
    return [_as_strength(side, other) for side, other in (sides, sides[::-1])]


def _as_molar(side: list[Claim], other: Sequence[Claim]) -> list[Claim]:
    """Levels of a medicine, or without a subject, as those of the only substance given in moles elsewhere."""
    names = {claim.subject for claim in other if claim.quantity.unit == "mmol/L"}
    if len(names) != 1 or not names <= MOLAR_MASS.keys():
        return side
    subject = min(names)
    given = {subject} if any(claim.subject == subject for claim in side) else {subject, ""}
    return [
        replace(claim, quantity=in_common_unit(subject, claim.quantity, level=True))
        if claim.subject in given and claim.quantity.unit == "mg/L"
        else claim
        for claim in side
    ]


def _as_strength(side: list[Claim], other: Sequence[Claim]) -> list[Claim]:
    """Percentages of a medicine as mg/mL or mg/g where the other text has them: 1 % is 10 mg/mL."""
    ours, theirs = map(_strengths, (side, other))
    units = {name: min(found) for name, found in theirs.items() if len(found) == 1 and found != {"%"}}
    return [
        replace(claim, quantity=_in_mass(claim.quantity, units[claim.subject]))
        if claim.subject in units and ours.get(claim.subject) == {"%"} and claim.quantity.unit == "%"
        else claim
        for claim in side
    ]


def _strengths(side: Sequence[Claim]) -> dict[str, set[str]]:
    """The units in which each medicine's strength is given: "%", "mg/L", "mg/kg" for mg/g."""
    found: dict[str, set[str]] = {}
    for claim in side:
        unit = claim.quantity.unit
        if unit in ("%", "mg/L") or (unit == "mg/kg" and PER_GRAM.search(claim.written)):
            found.setdefault(claim.subject, set()).add(unit)
    return {name: units for name, units in found.items() if medicine(name)}


def _in_mass(share: Quantity, unit: str) -> Quantity:
    values = tuple((low * MG_PER_L, high * MG_PER_L) for low, high in share.values)
    return replace(share, unit=unit, values=values)


def _as_family(claim: Claim, subject: str) -> Claim:
    """A claim of a measure under the name of its family; below a transfusion threshold something is done."""
    quantity = claim.quantity
    if claim.subject == "transfusion threshold" and not quantity.bound:
        quantity = replace(quantity, bound="<")
    return replace(claim, subject=subject, quantity=quantity)


def with_common_times(ours: Sequence[Claim], theirs: Sequence[Claim]) -> list[Sequence[Claim]]:
    """Weeks are weeks of pregnancy, months and years an age, where the other text gives those."""
    sides = [ours, theirs]
    for gives, converted in (
        (lambda quantity: quantity.unit == "week of pregnancy", _in_weeks),
        (lambda quantity: quantity.kind == "age", _as_age),
    ):
        given = [any(gives(claim.quantity) for claim in side) for side in sides]
        if given[0] != given[1]:
            number = given.index(False)
            sides[number] = [converted(claim) for claim in sides[number]]
    return sides


def _as_age(claim: Claim) -> Claim:
    """A claim of a time that the text gives in months or years as one of an age."""
    if claim.quantity.kind != "duration" or claim.quantity.tolerance != MONTH_TOLERANCE:
        return claim
    months = tuple((low / DAYS_OF_A_MONTH, high / DAYS_OF_A_MONTH) for low, high in claim.quantity.values)
    return replace(claim, quantity=replace(claim.quantity, kind="age", unit="month", values=months))


def without_body_weight(ours: Sequence[Claim], theirs: Sequence[Claim]) -> list[Sequence[Claim]]:
    """Doses per kg or m² are doses of the patient where a text gives the size and the other the dose."""
    sides = [ours, theirs]
    both = (*ours, *theirs)
    weights = {
        quotient(claim.quantity.values[0][0], MG_PER_KG)
        for claim in both
        if claim.subject == "weight" and not claim.quantity.bound  # "children above 10 kg" weigh more
    }
    surfaces = {claim.quantity.values[0][0] for claim in both if claim.quantity.unit == "m2"}
    for sizes, unit in ((weights, "/kg"), (surfaces, "/m2")):
        per_size = [any(unit in claim.quantity.unit for claim in side) for side in sides]
        if len(sizes) == 1 and per_size[0] != per_size[1]:
            number = per_size.index(True)
            sides[number] = [_of_patient(claim, unit, min(sizes)) for claim in sides[number]]
    return sides


def _of_patient(claim: Claim, unit: str, size: Fraction) -> Claim:
    """A claim "/kg" or "/m2" as that of a patient of a weight in kilograms or a surface in square metres."""
    if unit not in claim.quantity.unit:
        return claim
    amounts = {
        name: replace(
            amount,
            unit=amount.unit.replace(unit, ""),
            values=tuple((low * size, high * size) for low, high in amount.values),
            tolerance=max(amount.tolerance, WEIGHT_TOLERANCE),
        )
        for name in ("quantity", "taken", "daily", "parts")
        if (amount := getattr(claim, name)) is not None
    }
    return replace(claim, **amounts)


def _in_weeks(claim: Claim) -> Claim:
    weeks = tuple((quotient(low, 7), quotient(high, 7)) for low, high in claim.quantity.values)
    if is_course(claim):
        return claim
    if claim.quantity.kind != "duration" or not all(low == low // 1 and 4 <= low <= 42 for low, _ in weeks):
        return claim
    return replace(
        claim, quantity=replace(claim.quantity, kind="amount", unit="week of pregnancy", values=weeks)
    )
