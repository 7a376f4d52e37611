"""The base of an amount: one item, one dose, a day or a course; and what follows from it by arithmetic.

Amount per item × items per dose × doses per day × days = amount of the course. A text that gives one of these
gives the others as far as it has the factors. `is_product` recognizes an amount that such a product confirms,
`other_base` one that has the number of another base: "500 mg a day" for "500 mg three times a day".
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

from medqa.clinical.claims.claims import FLUIDS, Claim, Found
from medqa.clinical.claims.mistaken import DOSED, is_course
from medqa.clinical.conflicts.derived import BOTH
from medqa.clinical.notation.names import MEASURE_NAMES
from medqa.clinical.notation.numbers import TOLERANCE, is_close
from medqa.clinical.notation.text import forms, sentence_ends
from medqa.clinical.quantities.frequencies import TOTAL_OVER
from medqa.clinical.quantities.items import ITEMS
from medqa.clinical.quantities.quantity import Quantity, Range
from medqa.clinical.quantities.quantity_reader import read

# How far from an amount the words of its base may be.
AROUND = 70
# Measures that have doses.
GIVEN = FLUIDS | {"calcium", "phosphate"}
_NAMED = r"(?: of [a-z-]+(?: [a-z-]+)?)?"
A_WHOLE = r"(?:(?:the|an?|any|each|every|one|whole|entire|full|course of|space of) )*"
DAY = r"(?:day(?:'s)?|24[ -]?h(?:(?:ou)?rs?)?)(?: period)?(?![a-z-])"
# "500 mg at each dose", "500 mg of paracetamol are taken each time"
DOSE_AFTER = re.compile(
    rf"{_NAMED}(?: [a-z]+){{0,3}}? (?:per (?:single )?dose|(?:each|every|a|at (?:a|one|each)) time"
    r"|(?:with|at|for|in|to) (?:each|every) dose|a dose"
    r"|at each of the (?:[a-z0-9]+ )?(?:daily )?doses)(?![a-z])"
)
# "each of the two daily doses is 80 mg/kg", "each time she drinks 10 g", "single doses of"
DOSE_BEFORE = re.compile(
    r"\b(?:(?:each|every)(?: of (?:the|its|her|his) (?:[a-z0-9]+ )?(?:daily )?)?"
    r" ?(?:doses?|infusions?|injections?|time)|(?:per|a) dose|single doses)(?:,? [a-z-]+){0,5}?,? $"
)
EACH_OF = re.compile(r"\beach of (?:the|her|his) (?:[a-z0-9]+ )?(?:daily )?doses(?: [a-z-]+){0,5} $")
# "60 mg in the course of a day"
DAY_AFTER = re.compile(
    rf"{_NAMED}(?: [a-z]+){{0,3}}?,? (?:over|in|during|across|within|through|throughout|per) {A_WHOLE}{DAY}"
)
# "in 24 hours 60 mg", "the daily dose of prednisolone is 40 mg"
DAY_BEFORE = re.compile(
    rf"\b(?:(?:over|in|during|across|within|per) {A_WHOLE}{DAY},?"
    r"|(?:daily|day's|24-h(?:(?:ou)?r)?)(?: [a-z-]+){1,6}? (?:is|of|are|to|makes?|reach(?:es)?)"
    r"|daily [a-z]+:)"
    r"(?: [a-z-]+){0,5}? $"
)
# "300 mg for the course"; "over a 60-day course" only says how long.
_COURSE = r"(?:(?:whole|entire|full|[a-z0-9]+-(?:day|week)) )*course(?! of)"
COURSE_AFTER = re.compile(rf"{_NAMED}(?: [a-z]+){{0,3}}?,? (?:for|over|in|across|during|per) the {_COURSE}")
COURSE_BEFORE = re.compile(
    rf"\b(?:cumulative(?:ly)?|(?:over|across|during|in|for|per) (?:the|an? whole|an? full|each) {_COURSE}"
    r"|course should not exceed)(?:,? [a-z-]+){0,5}? $"
)
TOTAL_AFTER = re.compile(
    rf"{_NAMED}(?: [a-z]+){{0,3}}?,? (?:in (?:all|total)|altogether|all told|total(?: dose)?)(?![a-z])"
)
TOTAL_BEFORE = re.compile(
    r"\b(?:altogether|in (?:all|total)|total(?:s|ling)?|add(?:s|ed)? up to|together"
    r"|doses (?:of [a-z]+ ){0,2}(?:make|give)|(?:that|this|which) (?:gives|makes|comes to|provides|supplies))"
    r"(?:,? [a-z-]+){0,5}? $"
)
# "28 doses of 500 mg", "14 capsules of 100 mg"
DOSES_OF = re.compile(
    r"\b(?:(?P<time>doses|portions|parts|injections|infusions|halves|instalments)"
    r"|tablets|capsules|puffs|sprays|sachets) of (?:about )?$"
)
# "500 mg tablets contain 45 mg of zinc"
CONTENT_BEFORE = re.compile(
    r"\b(?:(?:tablets?|capsules?|sachets?|puffs?|[0-9] ?m?c?g)(?: each)?"
    r" (?:contain|give|provide|supply|deliver)(?:s|ing)?|containing)"
    r"(?: (?:[a-z]+ )?[0-9.]+ ?m?c?g,?(?: and)?){0,4}(?: [a-z]+)? $"
)
# "65 mg of elemental iron" of "200 mg of ferrous sulfate"
ELEMENTAL = re.compile(r" (?:of )?elemental")
# "600 mg each night"
AT_NIGHT = re.compile(r"(?:night|morning|evening|afternoon)$")
AFTER = (DOSE_AFTER, DAY_AFTER, COURSE_AFTER, TOTAL_AFTER)


@dataclass
class Amounts:
    """The amounts of a medicine in one unit that a text gives or that follow, by their bases."""

    item: list[Range] = field(default_factory=list)
    time: list[Range] = field(default_factory=list)
    day: list[Range] = field(default_factory=list)
    course: list[Range] = field(default_factory=list)
    unknown: list[Range] = field(default_factory=list)


def base_of(claim: Claim, text: str) -> str:
    """The base of an amount by the words around it: "item", "time", "day", "course", "total" or ""."""
    lower, amount = forms(text)[2], claim.quantity
    content = CONTENT_BEFORE.search(lower, max(0, amount.start - 120), amount.start)
    if (claim.item or (content and claim.dose and claim.dose.frequency is None)) and not claim.counted:
        return "item"
    if (of := DOSES_OF.search(lower, max(0, amount.start - 30), amount.start)) is not None:
        return "time" if of["time"] else "item"
    if amount.item == "doses":
        return "time"
    ends = sentence_ends(text)
    end = min(amount.end + AROUND, ends[bisect_left(ends, amount.end)])
    before, after = _before(claim, text), lower[amount.end : end]
    frequency = claim.dose.frequency if claim.dose else None
    if frequency is not None and any(
        TOTAL_OVER.fullmatch(lower, amount.end, one.start)
        for one in read(text)
        if one.kind == "duration"
        and one.values[0][0] > 1
        # not "every week over six weeks"
        and (frequency.start >= one.start or frequency.values[0][0] * one.values[0][0] == 1)
    ):
        return "course"  # "2 g/kg in total over 5 days"
    if frequency is not None and frequency.values[0] != (1, 1):
        return "time" if frequency.unit == "day" and frequency.values[0][0] > 1 else ""
    if COURSE_AFTER.match(after) or COURSE_BEFORE.search(before):
        return "course"
    if EACH_OF.search(before):
        return "time"
    if DAY_AFTER.match(after) or DAY_BEFORE.search(before):
        return "day"
    if frequency is not None:
        at_night = AT_NIGHT.search(lower, amount.start, max(amount.end, frequency.end))
        return "time" if claim.part_of_day(lower) or at_night else "day"
    if DOSE_AFTER.match(after) or DOSE_BEFORE.search(before):
        return "time"
    if TOTAL_AFTER.match(after) or TOTAL_BEFORE.search(before):
        return "total"
    return ""


def _before(claim: Claim, text: str) -> str:
    """The words before an amount in its clause that do not belong to the amount before it."""
    lower, start = forms(text)[2], claim.quantity.start
    begin = max(lower.rfind(mark, 0, start) for mark in (". ", ";", "\n", ":")) + 1
    for other in read(text):
        if other.kind == "amount" and begin < other.end < start:
            ends = (found.end() for rule in AFTER if (found := rule.match(lower, other.end)))
            begin = min(start, max([other.end, *ends]))
    return lower[max(begin, start - AROUND) : start]


def _value(claim: Claim, base: str) -> Quantity:
    """The amount that a claim gives on its base."""
    if base == "day" and claim.daily:
        return claim.daily
    return claim.taken or claim.quantity


def amounts_of(claims: Sequence[Claim], text: str, subject: str, unit: str, elemental: bool) -> Amounts:
    """All amounts of a medicine in a unit, those included that follow from others.

    `elemental`: only those of the element itself, where the text gives some.
    """
    found = Amounts()
    lower = forms(text)[2]
    pure = [claim for claim in claims if ELEMENTAL.match(lower, claim.quantity.end)] if elemental else ()
    for claim in claims:
        if pure and claim.quantity.unit == unit and claim not in pure:
            continue
        if claim.dose is None or not (claim.subject in ("", subject) or claim.subject in MEASURE_NAMES):
            continue
        base = base_of(claim, text)
        content = claim.taken is not None and claim.taken.unit != claim.quantity.unit  # 250 mg in 10 mL
        if claim.quantity.unit == unit:
            if base == "item" or claim.counted:
                found.item += claim.quantity.values
            elif base in ("course", "total"):
                found.course += claim.quantity.values
            elif base == "" and claim.dose.frequency is None and claim.taken is None:
                found.unknown += claim.quantity.values
            elif base != "day" and not claim.taken:
                found.time += claim.quantity.values
        elif not (content and claim.taken.unit == unit):
            continue
        if claim.taken is not None and claim.taken.unit == unit:
            found.time += claim.taken.values
        day = claim.parts or claim.daily
        if content and claim.dose.frequency is not None and claim.dose.frequency.unit == "day":
            found.day.append(_product(claim.taken.values[0], claim.dose.frequency.values[0]))
        elif day is not None and day.unit == unit and base != "item":
            found.day += day.values
        elif base == "day":
            found.day += claim.quantity.values
    _add_products(found, claims, text)
    return found


def _add_products(found: Amounts, claims: Sequence[Claim], text: str) -> None:
    """Adds what all items of a dose and a day, both sides of the body and all days come to."""
    counts = [claim for claim in claims if claim.quantity.unit in ITEMS and claim.dose and not claim.item]
    if len(counts) > 1:  # "two in the morning and one at night"
        found.time += [_product(item, count.quantity.values[0]) for item in found.item for count in counts]
    if len(counts) == 1:
        (count,) = counts
        day = count.parts or count.daily
        in_days = base_of(count, text) == "day"
        for item in found.item:
            if day is not None and (in_days or count.role != "maximum"):
                found.day.append(_product(item, day.values[0]))
            if count.taken or (not in_days and count.role != "maximum"):
                found.time.append(_product(item, (count.taken or count.quantity).values[0]))
    if BOTH.search(forms(text)[2]):
        for ranges in (found.time, found.day):
            ranges += [(2 * low, 2 * high) for low, high in ranges]
    lasting = {
        claim.quantity.values[0] for claim in claims if claim.quantity.kind == "duration" and is_course(claim)
    }
    if len(lasting) == 1 and len(set(found.day)) == 1:
        found.course.append(_product(min(lasting), found.day[0]))


def _product(one: Range, other: Range) -> Range:
    return one[0] * other[0], one[1] * other[1]


def _meets(value: Range, others: Sequence[Range]) -> bool:
    """Whether a range has a value in common with one of others, up to rounding."""
    return any(
        value[0] <= high * (1 + TOLERANCE) and low <= value[1] * (1 + TOLERANCE) for low, high in others
    )


def _is_dose(claim: Claim) -> bool:
    return (
        claim.dose is not None
        and (claim.subject not in MEASURE_NAMES or claim.subject in GIVEN)
        and bool(DOSED.match(claim.quantity.unit) or claim.quantity.unit in ITEMS)
        and len(claim.quantity.values) == 1
        and not claim.quantity.unit.endswith(("/h", "/L"))
    )


def is_product(
    one: Claim, other: Claim, claims: tuple[Sequence[Claim], Sequence[Claim]], texts: tuple[str, str]
) -> bool:
    """Whether one of two claims, of the reference and of the answer, is what the other comes to."""
    if one.quantity.bound or other.quantity.bound or "maximum" in (one.role, other.role):
        return False
    (ours, theirs), (reference, hypothesis) = claims, texts
    return _follows(other, hypothesis, one, ours, reference) or _follows(
        one, reference, other, theirs, hypothesis
    )


def _follows(claim: Claim, text: str, source: Claim, others: Sequence[Claim], other_text: str) -> bool:
    """Whether an amount is what another one, of the other text, comes to on the same base.

    Args:
        source: the other amount.
        others: all claims of its text, for the number of items, their contents and the days.
    """
    if not _is_dose(claim):
        return False
    if claim.taken is not None and claim.taken.unit != claim.quantity.unit:
        return False
    base = base_of(claim, text)
    if base == "day" and source.quantity.unit == f"{claim.quantity.unit}/h" and source.daily is not None:
        return _meets(claim.quantity.values[0], source.daily.values)  # "24,000 units over a full day"
    often = claim.dose.frequency
    if base not in ("time", "day", "course", "total") or (base == "time" and often is not None):
        return False
    amount = _value(claim, base)
    factors = [
        other
        for other in others
        if other is source or other.quantity.unit != amount.unit or base_of(other, other_text) == "item"
    ]
    given = amounts_for(claim, text, amount.unit, factors, other_text)
    low, high = amount.values[0]
    return any(is_close(low, least) and is_close(high, most) for least, most in _wanted(given, base))


def amounts_for(claim: Claim, text: str, unit: str, others: Sequence[Claim], other_text: str) -> Amounts:
    """The amounts of the other text that a claim can be compared with."""
    elemental = ELEMENTAL.match(forms(text)[2], claim.quantity.end) is not None
    return amounts_of(others, other_text, claim.subject, unit, elemental)


def other_base(
    ours: Sequence[Claim], theirs: Sequence[Claim], reference: str, hypothesis: str
) -> Iterator[Found]:
    """Amounts of the answer that the reference gives for another base and not for theirs."""
    for claim in theirs:
        if not _is_dose(claim) or claim.quantity.bound == ">":
            continue
        base = base_of(claim, hypothesis)
        if base not in ("time", "day", "course", "total"):
            continue
        value = _value(claim, base)
        amounts = amounts_for(claim, hypothesis, value.unit, ours, reference)
        given = value.values[0]
        wanted = _wanted(amounts, base)
        if not wanted or _meets(given, [*wanted, *amounts.unknown]) or _in_phases(ours, reference):
            continue
        if base == "total" and any(one.counted for one in ours) and given in amounts.time:
            continue
        others = [other for other in theirs if other is not claim and _is_dose(other)]
        whole = [other for other in others if base_of(other, hypothesis) in ("day", "course", "total")]
        if any(_meets(other.quantity.values[0], wanted) for other in whole):
            continue  # "three bags of 4.5 g in 24 hours, which totals 13.5 g"
        counts = base == "total" and value.unit in ITEMS and amounts.course
        if (
            base == "course"
            or counts
            or any(given in ranges for name, ranges in vars(amounts).items() if name not in (base, "unknown"))
        ):
            yield claim.subject, "base", _written(ours, claim.subject, given) or reference, claim.written


def lost_size(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[Found]:
    """Doses per kg or m² of which the answer makes doses of everybody: "10 mg a day" for "10 mg/kg a day".

    A bound such as "not above 300 mg" confirms no such dose.
    """
    for one, other in product(ours, theirs):
        unit, _, size = one.quantity.unit.partition("/")
        if size not in ("kg", "m2") or other.quantity.unit != unit or not (one.dose and other.dose):
            continue
        same = one.subject == other.subject and one.quantity.values == other.quantity.values
        if not same or other.quantity.bound or not DOSED.match(unit):
            continue
        sized = any(claim.quantity.unit == one.quantity.unit for claim in theirs)
        plain = (claim for claim in ours if claim.quantity.unit == unit and claim.role != "maximum")
        if not sized and not any(claim.quantity.values == other.quantity.values for claim in plain):
            yield one.subject, "unit", one.written, other.written


def _wanted(amounts: Amounts, base: str) -> list[Range]:
    """The amounts that a text gives on a base; a total may be that of a day or a course."""
    return [*amounts.day, *amounts.course] if base == "total" else getattr(amounts, base)


def _written(claims: Sequence[Claim], subject: str, given: Range) -> str:
    """The words of the claim of a medicine that has an amount, "" for none."""
    return next(
        (
            claim.written
            for claim in claims
            if claim.subject == subject and any(given in amount.values for amount in claim.all_amounts)
        ),
        "",
    )


def _in_phases(claims: Sequence[Claim], text: str) -> bool:
    """Whether a text gives frequencies without their amounts: "200 mg twice daily, then once daily"."""
    used = {claim.dose.frequency.values for claim in claims if claim.dose and claim.dose.frequency}
    inside = [(claim.quantity.start, claim.quantity.end) for claim in claims if claim.dose]
    return any(
        one.values not in used and not any(start <= one.start < end for start, end in inside)
        for one in read(text)
        if one.kind == "frequency"
    )
