"""Amounts that follow from those of the other text: 60 mg in 24 hours from 10 mg every 4 hours.

Two texts can give one regimen by different numbers: a dose and what it adds up to, or one dose and its
parts. `is_derived` recognizes the second as a consequence of the first, so that it is no contradiction.
"""

import re
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from math import prod

from medqa.clinical.claims.claims import Claim, stated
from medqa.clinical.notation.numbers import PHRASE, is_close, read_number
from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.quantities.items import ITEMS
from medqa.clinical.quantities.quantity_reader import read

# Products are rounded: 65 mg of iron three times a day are "roughly 195 mg".
# Words that make an amount a sum over times, days or items.
TOTAL = re.compile(
    r"\b(?:total(?:s|ling|ing)?|cumulative(?:ly)?|altogether|in all|overall|add(?:s|ed)? up to|in sum|divided"
    r"|split|spread|in a day|over the day|24-h(?:our)?s?|(?:in|per|over) (?:any |the |each )?24 h(?:ours?)?"
    r"|daily (?:use|intake|amount|quantity|requirement))(?![a-z])"
)
# The same, or parts: "in three doses", "half as basal and the rest with meals"
WHOLE = re.compile(
    rf"{TOTAL.pattern}|\b(?:in (?:two|three|four|[234]) (?:[a-z]+ )?doses|half\b.*\brest|total daily)\b"
    r"|\b(?:a day|daily|per day):"
)
# "Hour by hour that gives 2.5 mg"
HOUR = re.compile(r"\b(?:each hour|hour by hour|hourly|in (?:an|one) hour)\b")
# How far from an amount such a word may be.
AROUND = 60
REST = re.compile(r"\b(?:rest|remain[a-z]*|others?|balance|left over)\b")
# "each eye", "both nostrils"
BOTH = re.compile(
    r"\b(?:each|both|either|per) (?:eye|nostril|ear|side|hand|foot|knee|breast|thigh|arm|leg)s?\b"
)
# "two 250 mcg nebules", "2 sprays of 50": how many of what is before the amount
COUNT = re.compile(rf"(?<![a-z0-9.,/-])({PHRASE})(?: x| of the| [a-z]+ of)? $")
# "one 50 mcg and one 25 mcg tablet"
PLUS = re.compile(r"(?: [a-z]+)? ?(?:and|plus|\+) ?(?:(?:an?|one|another) )?")


def is_derived(one: Claim, other: Claim, reference: str, hypothesis: str) -> bool:
    """Whether one of two claims of a medicine is a sum or a product of amounts in the text of the other."""
    sides = ((one, other, reference, hypothesis), (other, one, hypothesis, reference))
    return any(
        _follows(*side) or _on_both_sides(*side) or _is_whole(*side) or _adds_up(*side) for side in sides
    )


def _adds_up(source: Claim, result: Claim, before: str, after: str) -> bool:
    """Whether a total is the sum of all amounts of the other text: "three tablets in all" for two and one."""
    parts = [
        claim
        for claim in stated(before)
        if claim.dimension == source.dimension == result.dimension and claim.role != "maximum"
    ]
    if len(parts) < 2 or any(claim.times_a_day for claim in parts) or not _is_total(result, after):
        return False  # "50 mg/kg every 8 h, 150 mg/kg a day" are one regimen
    return is_close(sum(claim.quantity.values[0][0] for claim in parts), result.quantity.values[0][0])


def _is_whole(whole: Claim, part: Claim, before: str, after: str) -> bool:
    """Whether all doses of a text come to the daily amount of the other: 36 units for "18 and 3 times 6"."""
    if part.dose is None or whole.dose is None or whole.counted or not WHOLE.search(forms(before)[2]):
        return False
    parts = [
        claim
        for claim in stated(after)
        if claim.dimension == part.dimension and claim.dose is not None and claim.subject == part.subject
    ]
    if len(parts) < 2 or any(claim.item or claim.counted or claim.role == "maximum" for claim in parts):
        return False
    all_parts = sum((claim.daily or claim.quantity).values[0][0] for claim in parts)
    wanted = (whole.daily or whole.quantity).values[0][0]
    return is_close(all_parts, wanted)


def _on_both_sides(source: Claim, result: Claim, _before: str, after: str) -> bool:
    """Whether a text gives a threshold from its two sides: "go on while ≤ 500 ms, stop if past 500 ms"."""
    first, second = source.quantity, result.quantity
    if first.kind == "score" and any(
        (one.kind, one.number, one.bound) == (first.kind, first.number, first.bound)
        and second.values[0][1] == first.number - 1
        for one in read(after)
    ):
        return True  # "0 to 9: negative, a score of 10 or more: positive"
    return {first.bound, second.bound} == {"<", ">"} and any(
        one.number == first.number and one.kind == second.kind and one.start != second.start
        for one in read(after)
    )


def _follows(source: Claim, result: Claim, before: str, after: str) -> bool:
    """Whether `result`, a claim of the text `after`, follows from `source`, a claim of the text `before`."""
    if _is_content(source, result, before, after) or _is_rate(source, result, before, after):
        return True
    if source.quantity.unit == "%" == result.quantity.unit and REST.search(forms(after)[2]):
        # "10 % first, and the remaining 90 %"
        return source.quantity.values[0][0] + result.quantity.values[0][0] == 100
    if source.quantity.unit != result.quantity.unit or source.quantity.kind != result.quantity.kind:
        return False
    (given, _), (wanted, _) = source.quantity.values[0], result.quantity.values[0]
    if not given or given == wanted or result.dose is None or len(result.quantity.values) > 1:
        return False
    if _is_sum(given, result, after) or _is_counted(given, result, after):
        return True
    # How many capsules are taken, a text may say without the word: "one in the morning, two at night".
    if not _is_total(result, after):
        return False
    if source.item:
        counts = {one.values[0][1] for one in read(before) if one.unit in ITEMS and one.bound}
        factors = _products(before, True, result.daily is None) if len(counts) == 1 else ()
        return any(is_close(given * min(counts) * factor, wanted) for factor in factors)
    return any(
        is_close(value * factor, wanted)
        for value in {given, *_values(before, source.quantity.unit)} - {wanted}
        for factor in _products(before, source.quantity.unit in ITEMS, result.daily is None)
    )


def _is_content(volume: Claim, result: Claim, before: str, after: str) -> bool:
    """Whether a result is what a volume contains, at a time or in all: 10 g for "15 mL of 3.35 g/5 mL"."""
    if volume.taken is None or volume.taken.unit == volume.quantity.unit or result.dose is None:
        return False
    (content, _), (wanted, _) = volume.taken.values[0], result.quantity.values[0]
    if volume.taken.unit != result.quantity.unit:
        return False
    if is_close(content, wanted):
        often = [claim.dose.frequency for claim in (volume, result) if claim.dose and claim.dose.frequency]
        return len({one.values for one in often}) < 2
    return _is_total(result, after) and any(
        is_close(content * factor, wanted) for factor in _products(before, True, result.daily is None)
    )


def _is_rate(rate: Claim, result: Claim, before: str, after: str) -> bool:
    """Whether a result is what a rate comes to in a time of a text: 100 mg/kg for "6.25 mg/kg/h, 16 h"."""
    if rate.quantity.unit != f"{result.quantity.unit}/h":
        return False
    hours = {
        24 * one.values[0][0]
        for text in (before, after)
        for one in read(text)
        if one.kind == "duration" and one.unit == "day" and not one.bound
    }
    if HOUR.search(forms(after)[2], max(0, result.quantity.start - AROUND), result.quantity.end + AROUND):
        hours.add(1)
    a_rate, wanted = rate.quantity.values[0][0], result.quantity.values[0][0]
    return any(is_close(a_rate * time, wanted) for time in hours)


def _is_total(claim: Claim, text: str) -> bool:
    """Whether a text calls an amount a total, and not a dose that is given several times a day."""
    if claim.item or (claim.times_a_day and claim.daily.values[0][0] > claim.quantity.values[0][0]):
        return False
    lower, start, end = forms(text)[2], claim.quantity.start, claim.quantity.end
    return TOTAL.search(lower, max(0, start - AROUND), end + AROUND) is not None


def _is_counted(whole: Fraction, part: Claim, text: str) -> bool:
    """Whether so many of a part are the whole: 500 mcg for "two 250 mcg nebules"."""
    count = COUNT.search(forms(text)[2][max(0, part.quantity.start - 30) : part.quantity.start])
    number = read_number(f"{count.group(1)} of ", 0) if count else None
    return number is not None and number[0] > 1 and is_close(number[0] * part.quantity.values[0][0], whole)


def _is_sum(whole: Fraction, part: Claim, text: str) -> bool:
    """Whether a part and another amount right beside it are the whole."""
    if part.counted:
        return False  # "two 20 mg tablets and one 5 mg tablet" are not 25 mg
    lower = forms(text)[2]
    alike = [one for one in read(text) if one.unit == part.quantity.unit and one.kind == part.quantity.kind]
    return any(
        part.quantity.start in (first.start, second.start)
        and is_close(first.values[0][0] + second.values[0][0], whole)
        and PLUS.fullmatch(lower, first.end, second.start)
        for first, second in combinations(alike, 2)
    )


@lru_cache(maxsize=KEPT_TEXTS)
def _values(text: str, unit: str) -> frozenset[Fraction]:
    """The amounts of a text in a unit."""
    return frozenset(one.values[0][0] for one in read(text) if one.unit == unit and one.kind == "amount")


@lru_cache(maxsize=KEPT_TEXTS)
def _products(text: str, counts_items: bool, in_days: bool) -> tuple[Fraction, ...]:
    """What an amount comes to in a day, or in all days, by everything that a text multiplies it by.

    The factors are times a day, items at a time (unless the amount is itself a number of items), sides of
    the body and days. A text that gives two values of one of them has no product.
    """
    factors: dict[str, set[Fraction]] = {}
    for one in read(text):
        kind = "item" if one.unit in ITEMS else one.kind
        if kind == "item" or (kind in ("frequency", "duration") and one.unit == "day"):
            factors.setdefault(kind, set()).update(one.values[0])
    if counts_items:
        factors.pop("item", None)
    if any(len(values) > 1 for values in factors.values()):
        return ()
    days = min(factors.pop("duration", {Fraction(1)}))
    a_day = prod((min(values) for values in factors.values()), start=2 if BOTH.search(forms(text)[2]) else 1)
    return (a_day, a_day * days) if in_days else (a_day,)
