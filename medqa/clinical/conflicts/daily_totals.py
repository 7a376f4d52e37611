"""What an answer says comes to a day, against what the doses of the reference come to.

Claims leave out amounts that can be products of others: 1,000 mcg for one puff of 250 mcg twice daily. What
an answer calls the total of a day is compared with what the doses of the reference come to.
"""

import re
from collections.abc import Iterator
from fractions import Fraction

from medqa.clinical.claims.claims import Found, claims
from medqa.clinical.conflicts.bases import A_WHOLE, DAY
from medqa.clinical.notation.text import forms
from medqa.clinical.quantities.body_weight import MG_PER_KG
from medqa.clinical.quantities.equivalents import DOSE_UNIT
from medqa.clinical.quantities.items import ITEMS
from medqa.clinical.quantities.quantity import Quantity, Range
from medqa.clinical.quantities.quantity_reader import read

_OF_DAY = rf"(?:daily(?![a-z])|(?:per|an?|each|every|in|over) {A_WHOLE}{DAY})"
# "1,000 micrograms daily", "48 g of protein a day"
OF_DAY_AFTER = re.compile(rf"(?: of [a-z-]+)? {_OF_DAY}")
OF_DAY_INSIDE = re.compile(rf"{_OF_DAY}$")
# "her daily fluticasone comes to 500 micrograms"
OF_DAY_BEFORE = re.compile(r"\b(?:daily|24-hour|day's)(?: [a-z/]+){0,4} $")
TOTAL = re.compile(
    r"\b(?:giv(?:es?|ing)|com(?:e|es|ing) to|mak(?:e|es|ing)|add(?:s|ing)? up to|amount(?:s|ing)? to"
    r"|total(?:s|ling|ing)?|works? out (?:as|at)|i\.e\.|that is|equals?)(?: you| him| her)?"
    r"(?: (?:about|roughly|a total of|of))? $"
)
# Words of a text with several regimens, or of a dose on both sides of the body.
SEVERAL = re.compile(
    r"\b(?:(?:each|both|either|per) (?:eye|nostril|ear|side|hand|foot|knee|breast|thigh|arm|leg)s?|nostrils"
    r"|up to|max\w*|double\w*|increas\w*|rais\w*|reduc\w*|then|from|or|add\w*|extra|limit|exceed)\b"
)
TOLERANCE = Fraction(5, 100)


def other_total(reference: str, hypothesis: str) -> Iterator[Found]:
    """("daily amount", "value", words of the reference, words of the answer) for a total that does not fit.

    Rule: the reference has one frequency and gives what comes to a day by one dose of each medicine; the
    answer names an amount as the total of a day that is neither such a product nor in the reference.
    """
    lower = forms(hypothesis)[2]
    totals = [one for one in read(hypothesis) if _is_total(one, lower)]
    wanted = _daily(reference) if totals else {}
    for one in totals:
        value = one.values[0][0]
        days = {values: written for (unit, values), written in wanted.items() if unit == one.unit}
        if days and not any(low * (1 - TOLERANCE) <= value <= high * (1 + TOLERANCE) for low, high in days):
            written = forms(hypothesis)[0][one.start : one.end].strip()
            yield "daily amount", "value", next(iter(days.values())), written
            return


def _is_total(one: Quantity, lower: str) -> bool:
    """Whether a text in lower case says that an amount is what comes to a day."""
    if one.kind != "amount" or one.unit in ITEMS or not DOSE_UNIT.match(one.unit):
        return False
    before = lower[max(0, one.start - 60) : one.start]
    total = TOTAL.search(before)
    return total is not None and bool(
        OF_DAY_AFTER.match(lower, one.end)
        or OF_DAY_INSIDE.search(lower, one.start, one.end)
        or OF_DAY_BEFORE.search(before, 0, total.start() + 1)
    )


def _daily(text: str) -> dict[tuple[str, Range], str]:
    """(unit, range) → words of what the doses of a text come to in a day; nothing for several regimens."""
    quantities = read(text)
    rhythms = {one.values for one in quantities if one.kind == "frequency" and one.unit == "day"}
    frequencies = [one for one in quantities if one.kind == "frequency"]
    if SEVERAL.search(forms(text)[2]) or len(rhythms) != 1 or len(frequencies) > 1:
        return {}
    found: dict[tuple[str, Range], str] = {}
    weights = {one.values[0] for one in quantities if one.unit == "mg" and one.values[0][0] >= MG_PER_KG}
    counts = {one.values[0] for one in quantities if one.unit in ITEMS}
    for claim in claims(text):
        if not claim.daily:
            continue
        unit, (low, high) = claim.daily.unit, claim.daily.values[0]
        if unit == "mg/kg" and len(weights) == 1:
            least, most = next(iter(weights))
            unit, low, high = "mg", low * least / MG_PER_KG, high * most / MG_PER_KG
        found[unit, (low, high)] = claim.written
        for least, most in counts:  # "200/6 micrograms: two puffs"
            found.setdefault((unit, (low * least, high * most)), claim.written)
    return found
