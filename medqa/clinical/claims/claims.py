"""What a text claims: each quantity with what it belongs to, and the other amounts that say the same."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import compress

from medqa.clinical.claims.doses import Dose, doses
from medqa.clinical.claims.mixtures import with_mixtures
from medqa.clinical.notation.names import MEASURE_NAMES, medicine, names_of
from medqa.clinical.notation.numbers import quotient
from medqa.clinical.notation.schedules import ONCE, WHOLE_DAY
from medqa.clinical.notation.text import KEPT_TEXTS, forms, sentence_ends
from medqa.clinical.notation.topics import SHORT_TEXT
from medqa.clinical.quantities.body_weight import BODY_WEIGHT
from medqa.clinical.quantities.circumstances import CONTRAST, OPPOSED
from medqa.clinical.quantities.equivalents import MOLAR, MOLAR_MASS, for_unit, in_common_unit
from medqa.clinical.quantities.frequencies import DAILY_AMOUNT, is_of_a_day
from medqa.clinical.quantities.items import CONTAINS, ITEMS, contents_of_several, is_of_one_item, is_supplied
from medqa.clinical.quantities.portions import described, portions
from medqa.clinical.quantities.quantity import Quantity
from medqa.clinical.quantities.quantity_reader import read

DAYS_OF_A_MONTH = Fraction(304, 10)
# A month is 28 to 31 days.
MONTH_TOLERANCE = Fraction(1, 10)
# Daily amounts that come to the same after rounding.
DAILY_TOLERANCE = Fraction(3, 100)
# "Start screening at 50 years"
LEAST_AGE = 16 * 12
# Measures of one thing, in the unit in which they are compared.
SAME_MEASURE = {"BUN": "urea", "AST": "ALT", "transaminases": "ALT", "ferrous": "iron"}
# Of a solution of 1 %: 1 g in 100 mL.
MG_PER_L = 10_000
# Nothing is given more often than every hour, in words as "150 a day", "a million a year".
MOST_OFTEN = 24
IN_NUMBERS = re.compile("[0-9]|(?:hundred|thousand|[mb]illion)(?![a-z])")
# Measures that are given, like medicines.
FLUIDS = {"fluid", "salt", "sodium"}
KINDS = {"amount", "duration", "age", "frequency", "ratio", "score", "pressure"}
PART_OF_DAY = re.compile(
    rf"{ONCE.pattern}|(?:each|every) (?:morning|evening|night|afternoon)|mane|nocte|nightly|qam|qpm|qhs"
    rf"|o[mn](?![a-z])"
)
# "Neither of the two is a daily medicine", "never every day"
NOT_SO_OFTEN = re.compile(
    r"\b(?:not|never|nor|neither(?: of [a-z ]{2,20})? (?:is|are))(?: (?:be|taken|given|used|an?|for|as))* $"
)
UPPER_LIMIT = re.compile(r"\buln\b|upper limit")
# An error: its subject, its kind, and the words of the reference and of the answer.
Found = tuple[str, str, str, str]


@dataclass
class Claim:
    """A quantity of a text and what it belongs to.

    Attributes:
        quantity: in the unit in which all amounts of its subject are compared.
        subject: the medicine or measure, "" when unknown.
        dose: how it is given, None when it is no dose or value of a known kind.
        written: its words.
        sentence: its sentence in lower case.
        around: the text that shows what it is about.
        taken: what is taken at a time, 200 mcg for "2 puffs of 100 mcg"; None when the text does not count.
        daily: what comes to a day, None when unknown.
        parts: what the parts of a day come to, 15 mg for "10 mg in the morning and 5 mg at noon", or None.
        at_time: whether it is given at one time of the day.
        item: whether it is what an item contains: 500 mg of "500 mg tablets".
        several: whether it divides what several items contain (`taken`).
        supplied: whether it is the number of items of a pack, a supply or a course.
        assumed: whether the subject is taken from the other text.
        dimension: kind and unit of the quantity, by which claims are compared.
    """

    quantity: Quantity
    subject: str
    dose: Dose | None
    written: str
    sentence: str
    around: str
    taken: Quantity | None
    daily: Quantity | None
    parts: Quantity | None = None
    at_time: bool = False
    item: bool = False
    several: bool = False
    supplied: bool = False
    assumed: bool = False

    def __post_init__(self) -> None:
        self.dimension = f"{self.quantity.kind} {self.quantity.unit}" + " supplied" * self.supplied

    @property
    def counted(self) -> bool:
        """Whether it says how many items of one strength are taken: "two 500 mg tablets"."""
        return (
            self.dose is not None
            and self.dose.counted
            and self.taken is not None
            and self.taken.unit == self.quantity.unit
            and self.taken.values != self.quantity.values
        )

    @cached_property
    def amounts(self) -> set[Quantity]:
        """The amounts that say what is given: of one, of all at a time, of all parts of a day."""
        return {self.quantity, self.taken, self.parts} - {None}

    @property
    def all_amounts(self) -> set[Quantity]:
        """Those amounts and what comes to a day."""
        return self.amounts | {self.daily} - {None}

    @property
    def role(self) -> str:
        return self.dose.role if self.dose else ""

    @property
    def times_a_day(self) -> bool:
        """Whether its frequency is part of the daily amount; a patch of 25 mcg/h is changed every third
        day."""
        return self.daily is not None and not self.quantity.unit.endswith("/h")

    @property
    def of_day_limit(self) -> bool:
        """Whether it is a limit for a day in all: "the daily maximum is 4 g"."""
        amount = self.dose and self.dose.amount
        return self.role == "maximum" and bool(
            self.daily
            and self.daily.values == self.quantity.values
            and self.dose.frequency.start >= amount.start
        )

    @property
    def near(self) -> str:
        """The words of its sentence that begin at most 25 characters before it and end 25 after it."""
        place = self.sentence.find(self.written.lower())
        return self.sentence[max(0, place - 25) : place + len(self.written) + 25] if place >= 0 else ""

    @cached_property
    def opposed(self) -> bool:
        """Whether its part of the sentence forbids or negates."""
        place = max(0, self.sentence.find(self.written.lower()))
        turns = [match.start() for match in CONTRAST.finditer(self.sentence)]
        begin = max((turn for turn in turns if turn <= place), default=0)
        end = min((turn for turn in turns if turn > place), default=len(self.sentence))
        return OPPOSED.search(self.sentence, begin, end) is not None

    def part_of_day(self, lower: str) -> str:
        """The time of day at which it is given, of the text in lower case, or ""."""
        time = PART_OF_DAY.match(lower, self.dose.frequency.start) if self.times_a_day else None
        return time.group() if time else ""


@lru_cache(maxsize=KEPT_TEXTS)
def claims(text: str) -> tuple[Claim, ...]:
    """The claims of a text, each once."""
    lower = forms(text)[2]
    found: dict[tuple, Claim] = {}
    for claim in stated(text):
        dose = claim.dose
        how = dose and (dose.role, dose.frequency, claim.part_of_day(lower))
        found.setdefault((claim.quantity, dose and dose.subject, how), claim)
    single = _of_one_item(list(found.values()), contents_of_several(read(text), lower))
    return tuple(_with_items_of_day(list(_with_parts(_with_contents(single), lower))))


@lru_cache(maxsize=KEPT_TEXTS)
def stated(text: str) -> tuple[Claim, ...]:
    """The claims of a text as often as it states them, without what follows from several of them."""
    original, _, lower = forms(text)
    by_place = {(dose.amount.start, dose.amount.values): dose for dose in with_mixtures(doses(text), lower)}
    starts = [0, *sentence_ends(text)]
    counted = {quantity.start for quantity in read(text) if quantity.unit in ("cigarette", "drink", "times")}
    strengths = described(read(text), lower)
    found: list[Claim] = []
    for quantity in (*read(text), *portions(read(text), lower)):
        dose = by_place.get((quantity.start, quantity.values))
        dose = None if (supplied := is_supplied(quantity, lower)) else dose
        if quantity.start in strengths and not quantity.unit.endswith("/L"):
            continue
        if quantity.unit == "times" and UPPER_LIMIT.search(lower):
            quantity = replace(quantity, unit="x ULN")  # "over five-fold" of the limit named before
        if quantity.kind not in KINDS or ONCE.match(lower, quantity.start):
            continue  # one of several times of day
        if quantity.unit == "dose" and lower.endswith(" in ", 0, quantity.start):
            continue  # "300 mg a day in three doses"
        if quantity.unit in ITEMS and quantity.number == 1 and CONTAINS.match(lower, quantity.end):
            continue  # "one tablet contains 500 mg" says nothing of how many are taken
        place = bisect_right(starts, quantity.start)
        begin, end = starts[place - 1], starts[min(place, len(starts) - 1)]
        if is_of_a_day(quantity, lower):
            continue
        if quantity.kind == "frequency" and lower.endswith((" over ", " in "), 0, quantity.start):
            continue  # "13.5 g over each 24 h"
        if quantity.kind == "frequency" and WHOLE_DAY.match(lower, quantity.start):
            continue  # "three in a day", "0.6 mg over the whole day" say what comes to a day
        if quantity.kind == "frequency" and NOT_SO_OFTEN.search(lower, begin, quantity.start):
            continue
        many = quantity.kind == "frequency" and quantity.values[0][0] > MOST_OFTEN
        if many and IN_NUMBERS.match(lower, quantity.start):
            continue  # a rate, and nothing that is given so often
        if quantity.kind == "frequency" and quantity.start in counted:
            continue  # "20 cigarettes a day" is a number and not once a day
        if quantity.kind == "frequency" and DAILY_AMOUNT.match(lower, quantity.end):
            continue
        weighs = dose is None and quantity.unit == "mg"
        if weighs and BODY_WEIGHT.search(lower, quantity.start, quantity.end):
            continue
        subject = (
            for_unit(dose.subject, quantity.unit) if dose else _only_molar(text, begin, end, quantity.unit)
        )
        common = _in_days(in_common_unit(subject, quantity))
        claim = Claim(
            common if dose else _as_share(common),
            SAME_MEASURE.get(subject, subject),
            dose,
            dose.written if dose else original[quantity.start : quantity.end].strip(),
            lower[begin:end],
            lower if len(lower) <= SHORT_TEXT else lower[begin:end],
            in_common_unit(subject, dose.total) if dose and dose.total else None,
            _daily(dose, subject) if dose else None,
            item=is_of_one_item(quantity, lower),
            supplied=supplied,
        )
        found.append(claim)
    return tuple(found)


def _with_parts(found: list[Claim], lower: str) -> Iterator[Claim]:
    """Adds what the parts of a day come to: the doses of one medicine at different times of day."""
    parts: dict[tuple[str, str, str], list[Claim]] = {}
    timed = [bool(claim.part_of_day(lower)) for claim in found]
    for claim in compress(found, timed):
        parts.setdefault((claim.sentence, claim.subject, claim.dimension), []).append(claim)
    for claim, at_time in zip(found, timed, strict=True):
        same_day = parts.get((claim.sentence, claim.subject, claim.dimension), ()) if parts else ()
        # "40 mg (60 mg) in the morning": the strength and the dose at one time
        given = {(part.dose.frequency.start, part.daily.values[0]) for part in same_day}
        if len(given) > 1 and claim in same_day:
            low, high = (sum(daily[end] for _, daily in given) for end in (0, 1))
            claim = replace(claim, parts=replace(claim.daily, values=((low, high),)))
        elif at_time:
            claim = replace(claim, at_time=True)
        yield claim


def _with_items_of_day(found: list[Claim]) -> list[Claim]:
    """Adds what the items of a day contain: 225 mg for "75 mg capsules, one in the morning, two at night"."""
    counts = {
        claim.parts.values[0][0]
        for claim in found
        if claim.parts is not None and claim.quantity.unit in ITEMS
    }
    if len(counts) != 1:
        return found
    count = min(counts)
    return [
        replace(
            claim,
            parts=replace(
                claim.quantity,
                values=tuple((low * count, high * count) for low, high in claim.quantity.values),
            ),
        )
        if claim.item and claim.daily is not None
        else claim
        for claim in found
    ]


def _of_one_item(found: list[Claim], numbers: dict[int, Quantity]) -> list[Claim]:
    """Divides what several items contain by their number, which is no dose: "two tablets contain 1 g"."""
    if not numbers:
        return found
    counts = {count.start for count in numbers.values()}
    single = []
    for claim in found:
        if claim.quantity.start in counts:
            continue
        count = numbers.get(claim.quantity.start)
        if count is not None and claim.dose is not None:
            amount, by = claim.quantity, count.values[0][0]
            values = tuple((quotient(low, by), quotient(high, by)) for low, high in amount.values)
            claim = replace(
                claim,
                quantity=replace(amount, values=values),
                dose=replace(claim.dose, total=None, counted=False),
                taken=amount,
                item=True,
                several=True,
            )
        single.append(claim)
    return single


def _with_contents(found: list[Claim]) -> list[Claim]:
    """Adds how much medicine a volume contains: 250 mg in 10 mL of "125 mg/5 mL"."""
    strengths = {
        (strength.unit, strength.values)
        for claim in found
        if claim.subject not in MEASURE_NAMES and (strength := _strength(claim)) is not None
    }
    if len(strengths) != 1:
        return found
    ((unit, ((low, high),)),) = strengths
    contents = []
    for claim in found:
        if claim.quantity.unit == "mL" and claim.quantity.kind == "amount" and claim.taken is None:
            (least, most) = claim.quantity.values[0]
            values = ((quotient(least * low, 1000), quotient(most * high, 1000)),)
            claim = replace(claim, taken=replace(claim.quantity, unit=unit.removesuffix("/L"), values=values))
        contents.append(claim)
    return contents


def _strength(claim: Claim) -> Quantity | None:
    """The concentration that a claim gives, in mg/L for the percentage of a medicine: 10 mg/mL for 1 %."""
    quantity = claim.quantity
    if quantity.unit == "%" and quantity.kind == "amount" and claim.dose and medicine(claim.subject):
        values = tuple((low * MG_PER_L, high * MG_PER_L) for low, high in quantity.values)
        return replace(quantity, unit="mg/L", values=values)
    if quantity.kind == "ratio" and claim.dose and medicine(claim.subject):
        parts = quotient(MG_PER_L * 100, quantity.values[1][0])  # 1:1,000 is 1 g in a litre
        return replace(quantity, kind="amount", unit="mg/L", values=((parts, parts),))
    return quantity if quantity.unit in ("mg/L", "IU/L", "mmol/L") else None


def _daily(dose: Dose, subject: str) -> Quantity | None:
    """What comes to a day: 2 g for "1 g twice daily", 900 mg for "37.5 mg/h"."""
    amount = in_common_unit(subject, dose.total or dose.amount)
    if (
        amount.kind != "amount"
        or len(amount.values) != 1
        or amount.unit.endswith("/L")
        or subject == "weight"
    ):
        return None  # a level in the blood or a weight does not add up over a day
    low, high = amount.values[0]
    if amount.unit.endswith("/h") and subject in MEASURE_NAMES - FLUIDS:
        return None
    if amount.unit.endswith("/h"):
        unit, rate, tolerance = amount.unit.removesuffix("/h"), (24,) * 2, DAILY_TOLERANCE
    elif dose.frequency is None:
        return None
    else:
        unit, rate, tolerance = amount.unit, dose.frequency.values[0], DAILY_TOLERANCE
        if dose.frequency.unit == "month":
            rate, tolerance = tuple(times / DAYS_OF_A_MONTH for times in rate), MONTH_TOLERANCE
    values = ((low * rate[0], high * rate[1]),)
    return replace(amount, unit=unit, values=values, tolerance=max(tolerance, amount.tolerance))


def _as_share(quantity: Quantity) -> Quantity:
    """A proportion in percent: "3 out of 100" is 3 %."""
    if quantity.kind != "ratio" or quantity.unit != ":" or quantity.values[0][0] > quantity.values[1][0]:
        return quantity
    (low, high), (least, most) = quantity.values
    values = ((quotient(100 * low, most), quotient(100 * high, least)),) if least else ((low, high),)
    return replace(quantity, kind="amount", unit="%", values=values)


def _in_days(quantity: Quantity) -> Quantity:
    """A time in days, a frequency in times a day; what takes many years is an age."""
    if quantity.kind == "duration" and quantity.unit == "month" and quantity.values[0][0] >= LEAST_AGE:
        return replace(quantity, kind="age")
    if quantity.kind == "age" and quantity.unit == "day":
        values = tuple((low / DAYS_OF_A_MONTH, high / DAYS_OF_A_MONTH) for low, high in quantity.values)
        return replace(quantity, unit="month", values=values, tolerance=MONTH_TOLERANCE)
    if quantity.unit != "month" or quantity.kind not in ("duration", "frequency"):
        return quantity
    factor = DAYS_OF_A_MONTH if quantity.kind == "duration" else 1 / DAYS_OF_A_MONTH
    values = tuple((low * factor, high * factor) for low, high in quantity.values)
    return replace(quantity, unit="day", values=values, tolerance=MONTH_TOLERANCE)


def _only_molar(text: str, begin: int, end: int, unit: str) -> str:
    """The only substance of a sentence whose amounts convert between mg and mmol, else ""."""
    names = {
        for_unit(name, unit) if unit in MOLAR else name
        for start, _, name in names_of(text)
        if begin <= start < end
    }
    found = names & MOLAR_MASS.keys()
    return found.pop() if len(found) == 1 else ""
