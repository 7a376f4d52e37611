"""Quantities whose counterpart is plain without a subject: the only ones of a dimension that do not agree.

"Continue for at least 3 months" and "three weeks are enough" each have one duration, so that one contradicts
the other though neither names a medicine.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise, product

from medqa.clinical.agreement import amounts_meet, kind_of
from medqa.clinical.doses import (
    BODY_WEIGHT,
    MEASURE_NAMES,
    MEDICINES,
    OPPOSED,
    SENTENCE_END,
    Dose,
    doses,
    names_of,
)
from medqa.clinical.equivalents import MOLAR_MASS, in_common_unit
from medqa.clinical.numbers import read_number
from medqa.clinical.quantities import read
from medqa.clinical.quantity import Quantity, near
from medqa.clinical.schedules import ONCE
from medqa.clinical.text import KEPT_TEXTS, forms
from medqa.clinical.vocabulary import TOKEN, canonical
from medqa.clinical.words import words

# A text with more quantities of a dimension is a table or several regimens.
MOST_OF_A_DIMENSION = 3
DAYS_OF_A_MONTH = Fraction(304, 10)
RATE_TOLERANCE = Fraction(1, 20)
MONTH_TOLERANCE = Fraction(1, 20)
# Medicines are given in these, so that two such amounts need no common word.
DOSED = {"mg", "mL", "IU", "mEq", "mmol"}
# "one quarter of the usual dose", "3/4 of the dose"
SHARE = re.compile(
    r"(?<![a-z0-9/.])((?:an?|one|two|three) (?:half|halves|thirds?|quarters?|fifths?|tenths?)|half"
    r"|[1-9]/[1-9]0?)"
    r"(?: of)?(?: (?:the|its|his|her|their|your|usual|normal|full|previous|standard|adult|current"
    r"|of)){0,4} (?:dos(?:e|age)|amount)s?(?![a-z])"
)
SHARES = {"hal": 2, "thi": 3, "qua": 4, "fif": 5, "ten": 10}
# "20 of the 25,000-unit capsules", "three of the fentanyl 25 µg/h patches"
SOME_OF = re.compile(
    r"(?<![a-z0-9.,])([0-9]{1,2}|[a-z]+) (?:of (?:the|her|his|your) |x )?(?:(?!and |or "
    r")[a-z0-9,.µ/-]+ ){1,3}?"
    r"(tablet|capsule|patch|puff|sachet|vial|drop)(?:e?s)?(?![a-z])"
)
ITEM = re.compile("tablet|capsule|patch|puff|sachet|vial|drop")
# "900 mg over 24 hours", "900 mg IV over 24 hours"
OVER = re.compile(r" (?:(?:iv|intravenously|infused|given|run) )*(?:over|in|during|across)(?: the)? $")
# In a text of at most this length all words show what its quantities are about.
SHORT_TEXT = 300
# Measures of one thing, in the unit in which they are compared.
SAME_MEASURE = {"BUN": "urea", "AST": "ALT", "transaminases": "ALT"}
# Shares of one thing in two studies differ by less.
LIKE_SHARES = Fraction(3, 2)
KINDS = {"amount", "duration", "age", "frequency", "ratio", "score", "pressure"}
LISTED = frozenset(MEDICINES.values()) | MEASURE_NAMES
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


@dataclass(frozen=True)
class _Placed:
    """A quantity in its text: what it belongs to ("" when unknown), and its words.

    `sentence` is its sentence in lower case, `around` the text that shows what it is about.
    """

    quantity: Quantity
    subject: str
    dose: Dose | None
    written: str
    sentence: str
    around: str

    @property
    def opposed(self) -> bool:
        return OPPOSED.search(self.sentence) is not None


def contradicted(reference: str, hypothesis: str) -> Iterator[tuple[str, str, str, str]]:
    """(subject, kind, words of the reference, words of the answer) for each dimension with a contradiction.

    Rule: each text has at most three quantities of the dimension, all but one of each agree with one of the
    other text, and the two that are left are in sentences that share a word.
    """
    ours, theirs = by_dimension(reference), by_dimension(hypothesis)
    settled = _settled(reference, hypothesis)
    for dimension in (ours.keys() & theirs.keys()) - settled:
        wanted, given = ours[dimension], theirs[dimension]
        if max(len(wanted), len(given)) > MOST_OF_A_DIMENSION:
            continue
        left = [one for one in wanted if not any(_agree(one, other) for other in given)]
        rivals = [other for other in given if not any(_agree(one, other) for one in wanted)]
        # The answer's only amount is none of those of the reference.
        only = len(given) == 1 and left and dimension.startswith("amount")
        if len(rivals) == 1 and (len(left) == 1 or only) and _comparable(left[0], rivals[0]):
            subject = left[0].subject or left[0].quantity.kind
            yield subject, kind_of(left[0].quantity, rivals[0].quantity), left[0].written, rivals[0].written


def mirrored(reference: str, hypothesis: str) -> bool:
    """Whether the texts give one threshold from its two sides: "avoid below 45", "fine from 45 on"."""
    return any(
        {one.bound, other.bound} == {"<", ">"}
        and one.unit == other.unit
        and near(one.values[0][0], other.values[0][0], one, other)
        for one, other in product(read(reference), read(hypothesis))
    )


def _settled(reference: str, hypothesis: str) -> set[str]:
    """Dimensions in which the amounts of one subject are compared, daily amounts included."""
    found = set()
    for dose, other in product(doses(reference), doses(hypothesis)):
        if dose.subject == other.subject:
            if dose.amount.unit == other.amount.unit:
                found.add(f"{dose.amount.kind} {dose.amount.unit}")
            if dose.frequency is not None and other.frequency is not None:
                found.add("frequency day")
    return found


@lru_cache(maxsize=KEPT_TEXTS)
def by_dimension(text: str) -> dict[str, list[_Placed]]:
    """The quantities of a text by the unit in which they are compared, each value once."""
    original, _, lower = forms(text)
    by_place = {(dose.amount.start, dose.amount.values): dose for dose in doses(text)}
    starts = [0, *(match.end() for match in SENTENCE_END.finditer(original)), len(original) + 1]
    found: dict[str, list[_Placed]] = {}
    for quantity in (*read(text), *_shares(lower), *_rates(read(text), lower), *_some_of(read(text), lower)):
        if quantity.kind not in KINDS:
            continue
        dose = by_place.get((quantity.start, quantity.values))
        if ONCE.match(lower, quantity.start):
            continue  # one of several times of day
        if dose is None and BODY_WEIGHT.search(lower, quantity.start, quantity.end):
            continue
        place = bisect_right(starts, quantity.start)
        begin, end = starts[place - 1], starts[min(place, len(starts) - 1)]
        subject = dose.subject if dose else _only_molar(text, begin, end)
        common = _common(in_common_unit(subject, quantity))
        group = found.setdefault(f"{common.kind} {common.unit}", [])
        if not any(common == other.quantity for other in group):
            written = original[quantity.start : quantity.end].strip()
            around = lower if len(lower) <= SHORT_TEXT else lower[begin:end]
            group.append(_Placed(common, subject, dose, written, lower[begin:end], around))
    return found


@lru_cache(maxsize=KEPT_TEXTS)
def _topic(text: str) -> frozenset[str]:
    """The beginnings of the words of a text that show what it is about."""
    return frozenset(word[:5] for word in map(canonical, TOKEN.findall(text)) if len(word) > 2) - _UNTELLING


def _shares(lower: str) -> Iterator[Quantity]:
    """Shares of a dose: 3/4 for "three quarters of the usual dose"."""
    for match in SHARE.finditer(lower) if "dos" in lower or "amount" in lower else ():
        written = match.group(1)
        above, _, below = written.partition("/") if "/" in written else written.rpartition(" ")
        count = read_number(above, 0)[0] if above and above not in ("a", "an") else Fraction(1)
        share = count / (int(below) if below.isdigit() else SHARES[below[:3]])
        yield Quantity(
            "amount", "of a dose", ((share, share),), start=match.start(), end=match.end(), number=share
        )


def _rates(quantities: tuple[Quantity, ...], lower: str) -> Iterator[Quantity]:
    """Amounts an hour: 37.5 mg/h for "900 mg over 24 hours", 62.5 mL/h for "1500 mL per day"."""
    for amount, time in pairwise(one for one in quantities if one.kind != "route"):
        if amount.kind != "amount" or "/h" in amount.unit or amount.unit not in ("mg", "mL", "IU", "mmol"):
            continue
        hours = Fraction(0)
        if time.kind == "duration" and time.unit == "day" and OVER.fullmatch(lower, amount.end, time.start):
            hours = time.values[0][0] * 24
        elif time.kind == "frequency" and time.start == amount.start and time.values[0][0] == 1:
            hours = Fraction(24)
        if hours:
            values = tuple((low / hours, high / hours) for low, high in amount.values)
            yield replace(amount, unit=f"{amount.unit}/h", values=values, tolerance=RATE_TOLERANCE)


def _some_of(quantities: tuple[Quantity, ...], lower: str) -> Iterator[Quantity]:
    """Numbers of tablets whose strength is between: 2 for "two of the 5 mg tablets"."""
    for match in SOME_OF.finditer(lower) if ITEM.search(lower) else ():
        number = read_number(match.group(1), 0)
        inside = any(match.start() >= one.start and match.start() < one.end for one in quantities)
        if number is not None and number[1] == len(match.group(1)) and not inside:
            value = (number[0], number[0])
            yield Quantity(
                "amount", match.group(2), (value,), start=match.start(), end=match.end(1), number=number[0]
            )


def _only_molar(text: str, begin: int, end: int) -> str:
    """The only substance of a sentence whose amounts convert between mg and mmol, else ""."""
    found = {name for start, _, name in names_of(text) if begin <= start < end and name in MOLAR_MASS}
    return found.pop() if len(found) == 1 else ""


def _common(quantity: Quantity) -> Quantity:
    """A time in days, a frequency in times a day."""
    if quantity.unit != "month" or quantity.kind not in ("duration", "frequency"):
        return quantity
    factor = DAYS_OF_A_MONTH if quantity.kind == "duration" else 1 / DAYS_OF_A_MONTH
    values = tuple((low * factor, high * factor) for low, high in quantity.values)
    return replace(quantity, unit="day", values=values, tolerance=MONTH_TOLERANCE)


def _agree(one: _Placed, other: _Placed) -> bool:
    first, second = one.quantity, other.quantity
    if _near_statistics(first, second) or any(
        amounts_meet(*pair) for pair in product(_totals(one), _totals(other))
    ):
        return True
    if {first.bound, second.bound} == {"<", ">"}:
        same = near(first.values[0][0], second.values[0][0], first, second)
        return same and one.opposed != other.opposed
    return amounts_meet(first, second)


def _totals(placed: _Placed) -> list[Quantity]:
    return (
        [placed.dose.total]
        if placed.dose is not None and placed.dose.total is not placed.dose.amount
        else [placed.quantity]
    )


def _near_statistics(first: Quantity, second: Quantity) -> bool:
    """Whether two shares differ as those of two studies do: 60 % and 64 %."""
    if first.unit not in ("%", ":") or first.bound or second.bound:
        return False
    one, other = ((quantity.values[0][0], quantity.values[-1][1]) for quantity in (first, second))
    ends = [value for pair in zip(one, other, strict=True) for value in [(min(pair), max(pair))]]
    return all(high <= LIKE_SHARES * low for low, high in ends)


def _comparable(one: _Placed, other: _Placed) -> bool:
    dosed = one.quantity.unit.partition("/")[0] in DOSED
    if not dosed and _topic(one.around).isdisjoint(_topic(other.around)):
        return False
    if one.dose is None or other.dose is None:
        return True
    pairs = (
        (one.dose.people, other.dose.people), (one.dose.route, other.dose.route),
        (one.dose.when, other.dose.when),
        (one.dose.role, other.dose.role),
    )  # fmt: skip
    if any(first and second and first != second for first, second in pairs):
        return False
    subjects = {SAME_MEASURE.get(placed.subject, placed.subject) for placed in (one, other)}
    return len(subjects) == 1 or not subjects <= LISTED
