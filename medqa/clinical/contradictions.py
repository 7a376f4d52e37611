"""Quantities of an answer that contradict those of the reference."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import product

from medqa.clinical.agreement import agree, may_be_one, whole_day
from medqa.clinical.bands import wrong_band
from medqa.clinical.claims import DAYS_OF_A_MONTH, MONTH_TOLERANCE, Claim, claims
from medqa.clinical.derived import is_derived
from medqa.clinical.mistaken import (
    BODY_WEIGHTS,
    DOSED,
    is_course,
    of_one_event,
    old_dose,
    other_medicine,
    other_route,
    other_sense,
    turned_round,
)
from medqa.clinical.names import MEASURE_NAMES, medicine
from medqa.clinical.numbers import parse, quotient
from medqa.clinical.opposites import names_way, wrong_way
from medqa.clinical.patients import is_own_value
from medqa.clinical.quantity import amounts_meet, is_inside, kind_of, near
from medqa.clinical.quantity_reader import read
from medqa.clinical.swaps import few_values, swapped
from medqa.clinical.text import KEPT_TEXTS, forms
from medqa.clinical.word_forms import TOKEN, canonical
from medqa.clinical.words import words

FIELDS = ("subject", "kind", "reference", "answer")
# A text with more quantities of a dimension is a table or several regimens.
MOST_OF_A_DIMENSION = 3
# Two texts of at most this length answer one question in a sentence: they are about the same.
BRIEF = 120
# Measures of which a text names one and means another of them.
FAMILIES = (
    frozenset({"fasting glucose", "glucose"}),
    frozenset({"2-hour glucose", "glucose"}),
    frozenset({"haemoglobin", "transfusion threshold"}),
    frozenset({"platelets", "transfusion threshold"}),
)
WEIGHTS = BODY_WEIGHTS | {"none"}
STAGES = {"first", "later"}
# Roles of amounts that are no usual doses.
UNLIKE = {"maximum", "step"}
MG_PER_KG = 10**6
MG_PER_G = 1000
# Doses by weight are rounded.
WEIGHT_TOLERANCE = Fraction(1, 10)
# No citation, and no number of an item of a list.
BARE_NUMBER = re.compile(r"[0-9](?<![a-z0-9.,/\[-].)[0-9]*(?:\.[0-9]+)?(?![0-9/\])]|\. [^0-9]| [0-9]| ?x )")
# "At 30 to 60 it can be prescribed": the ends of a range are no values.
BARE_RANGE = re.compile(
    r"(?<!day )(?<!days )(?<![0-9.])([0-9]+(?:\.[0-9]+)?) to ([0-9]+(?:\.[0-9]+)?)(?![0-9]|\.[0-9])"
)
# Words that do not show that two sentences are about the same.
_UNTELLING = frozenset(
    word[:5]
    for word in words(
        "the and for with from that this then than her his their your should must give given take taken "
        "once twice "
        "day days daily week weeks month months year years hour hours minute minutes every after before "
        "least more "
        "less about over until when into only each are was were has have not"
    )
)


def dose_errors(reference: str, hypothesis: str) -> list[dict[str, str]] | None:
    """Quantities of an answer that contradict the reference for the same medicine or measure.

    What it measures: the most dangerous mistakes of an answer. Each comes as {"subject", "kind", "reference",
        "answer"}, the last two in the words of the texts, for a clinician to judge.
    Kinds: "ten-fold" (5 mg for 0.5 mg), "100 times", "1,000 times", …, "unit" (the same number, another
        unit), "frequency" (the same amount at another frequency), "value" (another amount, or "above" for
        "below"), "medicine" (the same dose of another one), "swapped", "route", "side".
    Rule: a claim of the reference that agrees with none of the answer is contradicted by a claim of the
        answer of the same subject and dimension that agrees with none of the reference. These agree: a value
        within a range, an equal value in another unit (`equivalents`), the same amount at a time (2 puffs of
        100 mcg, 200 mcg) or a day within 3 % (1 g daily, 333 mg three times daily). These are not compared:
        amounts by different routes, for different age groups or days, a maximum and a usual dose. Where one
        text names no medicine, its doses are compared as doses of the only one of the other; where that is
        the answer, the subject ends in "(medicine assumed)".
    Not applicable (None): the reference has no quantity, no side of the body and no only route.
    Source: our own.
    Without a common subject: an amount, duration, age, frequency or share that is the only one of its
        dimension that does not agree; two values that changed places; the other route, side of the body or
        time of day (`opposites`).
    Does not see: amounts more than one sentence from their medicine among several; a wrong dose where the
        reference gives none. A text of several regimens of one medicine can be flagged
        wrongly, which is why the errors are listed and not only counted.
    """
    ours, theirs = claims(reference), claims(hypothesis)
    if not (ours or names_way(reference) or few_values(reference)):
        exchanged = [dict(zip(FIELDS, error, strict=True)) for error in swapped(reference, hypothesis)]
        return exchanged or None
    ours, theirs = _with_common_subject(*_with_common_times(*_without_body_weight(ours, theirs)))
    contradicted = (
        _error(one, other)
        for one, other in _contradictions(ours, theirs, (reference, hypothesis))
        if not (
            is_derived(one, other, reference, hypothesis)
            or _of_other_phase(one, other, ours, theirs)
            or is_own_value(one, other, reference, hypothesis)
            or is_own_value(other, one, hypothesis, reference)
        )
    )
    found = [*contradicted, *wrong_way(reference, hypothesis, ours, theirs)]
    found += [*other_medicine(ours, theirs), *other_sense(ours, theirs)]
    if not any(error[1] == "route" for error in found):
        found += other_route(ours, theirs)
    found += wrong_band(reference, hypothesis, ours, theirs)
    found += [*old_dose(ours, theirs), *turned_round(reference, hypothesis)]
    reported = " ".join(text for error in found for text in error[2:])
    for error in swapped(reference, hypothesis):
        if not any(text in reported for text in error[2:]):
            found.append(error)
    return [dict(zip(FIELDS, error, strict=True)) for error in found]


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


@lru_cache(maxsize=KEPT_TEXTS)
def _bare_numbers(text: str) -> frozenset[Fraction]:
    """The numbers of a text that no quantity has, as in "85 g/L before and 102 after"."""
    quantities, lower = read(text), forms(text)[2]
    ranges = BARE_RANGE.finditer(lower) if " to " in lower else ()
    ends = {found.start(end) for found in ranges for end in (1, 2)}
    return frozenset(
        parse(number.group())
        for number in BARE_NUMBER.finditer(lower)
        if number.start() not in ends and not is_inside(quantities, number.start())
    )


def _with_common_subject(ours: Sequence[Claim], theirs: Sequence[Claim]) -> tuple[list[Claim], list[Claim]]:
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
    return sides[0], sides[1]


def _as_family(claim: Claim, subject: str) -> Claim:
    """A claim of a measure under the name of its family; below a transfusion threshold something is done."""
    quantity = claim.quantity
    if claim.subject == "transfusion threshold" and not quantity.bound:
        quantity = replace(quantity, bound="<")
    return replace(claim, subject=subject, quantity=quantity)


def _with_common_times(ours: Sequence[Claim], theirs: Sequence[Claim]) -> list[Sequence[Claim]]:
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


def _without_body_weight(ours: Sequence[Claim], theirs: Sequence[Claim]) -> list[Sequence[Claim]]:
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


def _contradictions(
    ours: Sequence[Claim], theirs: Sequence[Claim], texts: tuple[str, str]
) -> Iterator[tuple[Claim, Claim]]:
    """Each claim of the reference that is contradicted, with the claim of the answer that contradicts it.

    Rule: a claim of the reference that agrees with none of the answer is contradicted by a claim of the
        answer that agrees with none of the reference: by one of the same subject, or, without a common
        subject, by the only one of its dimension. A number that the other text has without its unit
        contradicts nothing: "Hb 85 g/L before and 102 after".
    """
    left = [one for one in _alone(ours, theirs) if not _is_bare(one, texts[1])]
    rivals = [one for one in _alone(theirs, ours) if not _is_bare(one, texts[0])]
    for one in list(left):
        against = [other for other in rivals if _same_thing(one, other)]
        if against:
            likeliest = min(against, key=lambda other: _likeness(one, other))
            left.remove(one)
            rivals.remove(likeliest)
            yield one, likeliest
    for other in list(rivals):
        # "10 mL of 75 mg/5 mL" is 150 mg, whatever the reference compares with it.
        one = next((one for one in ours if _is_content(one, other)), None)
        if one is not None:
            rivals.remove(other)
            yield one, other
    for other in list(rivals):
        # "10 mg/min in steps of 10 µg/min" for "10 µg/min in steps of 10 µg/min"
        one = next((one for one in ours if _is_slip(one, other)), None)
        if one is not None:
            rivals.remove(other)
            yield one, other
    settled = _settled(ours, theirs)
    for dimension in dict.fromkeys(one.dimension for one in left if one.dimension not in settled):
        wanted, given = ([claim for claim in side if claim.dimension == dimension] for side in (ours, theirs))
        if max(len(wanted), len(given)) > MOST_OF_A_DIMENSION:
            continue
        mine = [one for one in left if one.dimension == dimension]
        against = [other for other in rivals if other.dimension == dimension]
        # The answer's only amount is none of those of the reference.
        only = len(given) == 1 and dimension.startswith("amount")
        none = len(mine) == len(wanted) == len(against) == len(given)
        single = len(against) == 1 and (len(mine) == 1 or only)
        if not (single or none) and dimension == "duration day":
            # "For 35 days" is compared with the only other time that is how long something is done.
            lasting = [[claim for claim in side if is_course(claim)] for side in (wanted, given)]
            mine, against = (
                [claim for claim in side if claim in rest]
                for side, rest in zip(lasting, (mine, against), strict=True)
            )
            single = all(len(side) == 1 for side in (*lasting, mine, against))
        if not (single or none) and dimension == "duration day":
            sides = ([claim for claim in side if claim.dimension == dimension] for side in (left, rivals))
            yield from (pair for pair in of_one_event(*sides) if _only_counterpart(*pair))
        if (single or none) and _only_counterpart(mine[0], against[0]):
            yield mine[0], against[0]


def _is_bare(claim: Claim, text: str) -> bool:
    """Whether the number of a claim is among the numbers without a unit of the other text."""
    return claim.quantity.kind in ("amount", "score") and claim.quantity.number in _bare_numbers(text)


def _is_slip(one: Claim, other: Claim) -> bool:
    """Whether two amounts have one number and units that differ by a thousand or more, or min for hour."""
    first, second = one.quantity, other.quantity
    if first.number != second.number or first.unit != second.unit or not DOSED.match(first.unit):
        return False
    if {one.subject, other.subject} & WEIGHTS:
        return False
    low, high = sorted((first.values[0][0], second.values[0][0]))
    far = high >= MG_PER_G * low or (first.unit.endswith("/h") and high == 60 * low)
    return may_be_one(one, other) and low > 0 and far


def _is_content(one: Claim, other: Claim) -> bool:
    """Whether what a claim comes to, in a volume or a day, is in the unit of another dose of the medicine."""
    if other.dose is None or not may_be_one(one, other):
        return False
    if one.parts is not None and whole_day(other):
        return one.parts.unit == other.daily.unit
    return (
        one.taken is not None
        and one.taken.unit != one.quantity.unit
        and one.taken.unit == other.quantity.unit
    )


def _alone(claims: Sequence[Claim], others: Sequence[Claim]) -> list[Claim]:
    """The claims that agree with none of the others.

    A claim is compared with those of its own unit where there are any, and a bound with bounds: "up to 10
    puffs" is not confirmed by "one puff at a time".
    """
    left = []
    roles: dict[str, set[str]] = {}
    for claim in claims:
        roles.setdefault(claim.subject, set()).add(claim.role)
    # A loading dose is compared with the loading dose.
    staged = {subject: STAGES for subject, found in roles.items() if found >= STAGES and medicine(subject)}
    for claim in claims:
        alike = [other for other in others if other.dimension == claim.dimension and may_be_one(claim, other)]
        like = [other for other in alike if other.role == claim.role]
        if like and (claim.role == "maximum" or claim.role in staged.get(claim.subject, ())):
            alike = like
        if claim.counted:
            # The dose of "three 5 mg tablets" is none of those that "5 mg tablets" confirm.
            alike = [other for other in alike if other.counted or not other.item] or alike
        bounded = [other for other in alike if bool(other.quantity.bound) == bool(claim.quantity.bound)]
        if not any(agree(claim, other) for other in bounded or alike or others):
            left.append(claim)
    return left


def _of_other_phase(one: Claim, other: Claim, ours: Sequence[Claim], theirs: Sequence[Claim]) -> bool:
    """Whether two claims of one amount have two frequencies, and each text gives both: in two phases."""
    if not (one.daily and other.daily and amounts_meet(one.quantity, other.quantity)):
        return False
    often = [one.dose.frequency, other.dose.frequency]
    given = [
        {claim.quantity for claim in side if claim.quantity.kind == "frequency"} for side in (ours, theirs)
    ]
    return None not in often and often[0] != often[1] and all(set(often) <= side for side in given)


def _error(one: Claim, other: Claim) -> tuple[str, str, str, str]:
    subject = one.subject or one.quantity.kind
    if other.assumed:
        subject += " (medicine assumed)"
    same_amount = one.daily and other.daily and amounts_meet(one.quantity, other.quantity)
    kind = "frequency" if same_amount else kind_of(one.quantity, other.quantity)
    return subject, kind, one.written, other.written


def _settled(ours: Sequence[Claim], theirs: Sequence[Claim]) -> set[str]:
    """The dimension of frequencies, when those of one subject are compared as part of its doses."""
    pairs = product(*([claim for claim in side if claim.times_a_day] for side in (ours, theirs)))
    return {"frequency day"} if any(may_be_one(one, other) for one, other in pairs) else set()


# ---- what can contradict -----------------------------------------------------------------------------------


def _in_one_case(one: Claim, other: Claim) -> bool:
    """Whether people, route, day and role of two doses do not differ."""
    if one.dose is None or other.dose is None:
        return True
    first, second = one.dose, other.dose
    pairs = (
        (first.people, second.people), (first.route, second.route), (first.when, second.when),
    )  # fmt: skip
    return not any(mine and theirs and mine != theirs for mine, theirs in pairs)


def _same_thing(one: Claim, other: Claim) -> bool:
    """Whether two amounts of one subject describe the same thing, so that they can contradict each other."""
    if one.dose is None or other.dose is None or one.subject != other.subject:
        return False
    first, second = one.quantity, other.quantity
    if first.kind != second.kind or not _in_one_case(one, other):
        return False
    if {first.bound, second.bound} == {"<", ">"}:
        same = near(first.values[0][0], second.values[0][0], first, second)
        return first.unit == second.unit and same == (one.opposed == other.opposed)
    roles = {one.dose.role, other.dose.role}
    if one.subject not in MEASURE_NAMES and len(roles) > 1 and ("" not in roles or roles & UNLIKE):
        return False
    if {amount.unit for amount in one.all_amounts} & {amount.unit for amount in other.all_amounts}:
        return True
    # Another unit of doses contradicts when the number is the same: "5 units" and "5 mL".
    units = DOSED.match(first.unit) and DOSED.match(second.unit)
    # The content of a bottle is no dose: "250 mg/5 mL" and "250 mg".
    if first.unit.endswith("/L") != second.unit.endswith("/L"):
        return False
    return bool(units) and (first.number == second.number or first.values == second.values)


def _only_counterpart(one: Claim, other: Claim) -> bool:
    """Whether two claims, the only ones of their dimension that do not agree, are about the same."""
    brief = max(len(one.around), len(other.around)) <= BRIEF
    if not (brief or DOSED.match(one.quantity.unit)) and _topic(one.around).isdisjoint(_topic(other.around)):
        return False
    if not _in_one_case(one, other) or (one.role and other.role and one.role != other.role):
        return False
    return may_be_one(one, other)


@lru_cache(maxsize=KEPT_TEXTS)
def _topic(text: str) -> frozenset[str]:
    """The beginnings of the words of a text that show what it is about."""
    return frozenset(word[:5] for word in map(canonical, TOKEN.findall(text)) if len(word) > 2) - _UNTELLING


def _likeness(wanted: Claim, given: Claim) -> tuple[int, Fraction]:
    """The likeliest partner of a contradicted amount first: ten-fold, then unit, then the nearest value."""
    distance = abs(wanted.quantity.values[0][0] - given.quantity.values[0][0])
    kind = kind_of(wanted.quantity, given.quantity)
    return {"unit": 1, "value": 2}.get(kind, 0), distance
