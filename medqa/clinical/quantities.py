"""Quantities in medical text: doses, ranges, frequencies, durations, ages, values, pressures, ratios, routes.

`read(text)` gives each as a `Quantity` with a normalised value: 0.5 g is 500 mg, BID is twice a day, 98.6 °F
is 37 °C, 1,000 mL is 1 L. Numbers are fractions throughout. Dates, times of day, telephone numbers and names
with digits (vitamin B12, COVID-19, type 2) are no quantities.
"""

import re
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from math import gcd

from medqa.clinical.numbers import FRACTION, WORDS, even, read_number, show
from medqa.clinical.routes import FIRST_WORDS, read_route
from medqa.clinical.schedules import FREQUENCY_WORDS, read_frequency, show_frequency, show_time
from medqa.clinical.units import COUNTED, Unit, read_compound

KEPT_TEXTS = 2048
Range = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Quantity:
    """One quantity of a text.

    Attributes:
        kind: "amount", "duration", "age", "frequency", "pressure", "ratio", "score" or "route".
        unit: as normalised, "mg" or "mmol/L"; of a score its name, of a route the route.
        values: (lowest, highest) in that unit, equal unless it is a range; two of them for 140/90 and 1:1000.
        bound: ">" (at least, above), "<" (at most, below) or "".
        rounds: whether the value was converted between systems, so that 1.5 % are no difference.
        start, end: where it stands in the text.
        written: the words of the text.
        number: the lowest number as written, to tell a wrong unit from a wrong number.
    """

    kind: str
    unit: str
    values: tuple[Range, ...]
    bound: str = ""
    rounds: bool = field(default=False, compare=False)
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)
    written: str = field(default="", compare=False)
    number: Fraction = field(default=Fraction(0), compare=False)

    def __str__(self) -> str:
        """Normalised: "500 mg", "5-10 mg", ">0.1 mg/L", "2 a day", "140/90 mmHg", "1:1000", "by mouth"."""
        if self.kind == "route":
            return self.unit
        if self.kind == "frequency":
            return self.bound + show_frequency(self.values[0], self.unit)
        if self.kind in ("duration", "age"):
            return self.bound + show_time(self.values[0], self.unit) + (" old" if self.kind == "age" else "")
        numbers = [show(low) if low == high else f"{show(low)}-{show(high)}" for low, high in self.values]
        if self.kind == "ratio":
            return self.unit.join(numbers)
        if self.kind == "score":
            return f"{self.unit} {self.bound}{numbers[0]}"
        return self.bound + "/".join(numbers) + (self.unit if self.unit[0] in "%/" else f" {self.unit}")


# What has digits and is no quantity: dates, times of day, telephone numbers, citations, round-the-clock.
_MONTH = (
    "(?:january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr"
    "|jun|jul|aug|sept?|oct|nov|dec)"
)
NO_QUANTITY = re.compile(
    r"[0-9]{1,2}/[0-9]{1,2}/(?:[0-9]{4}|[0-9]{2})(?![0-9])|[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])"
    r"|[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}(?![0-9])|24/7(?![0-9])"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}(?![a-z])(?:,? [0-9]{{4}})?"
    r"|[0-9]{1,2}:[0-9]{2}(?: ?[ap]\.?m\b| ?h(?:ours|rs)?\b)|[0-9]{1,2} ?(?:[ap]\.m\.|[ap]m\b|o'clock)"
    r"|(?:1-)?[0-9]{3}-[0-9]{3}-[0-9]{4}|[0-9]{3}-[0-9]{4}(?![0-9])|[0-9]+\](?!\w)"
    r"|[0-9]+(?:\.[0-9]+){2,}|[0-9]+(?:st|nd|rd|th)(?![a-z])"
)
MONTH_DAY = re.compile(rf"{_MONTH}\.? [0-9]{{1,2}}(?:st|nd|rd|th)?(?![0-9])(?: ?- ?[0-9]{{1,2}}(?![0-9]))?(?:,? [0-9]{{4}})?|{_MONTH} [0-9]{{4}}")
MONTHS = set(re.findall("[a-z]+", _MONTH.replace("sept?", "sep|sept")))
CLOCK_BEFORE = re.compile(r"\b(?:at|by|from|until|till|before|after|around) $")

DIGITS = re.compile(r"[0-9½¼¾⅓⅔⅛.,]*[0-9½¼¾⅓⅔⅛]")
# A digit after a letter and a hyphen belongs to a name: COVID-19, IL-6, omega-3, DQB1*06.
NAME_BEFORE = re.compile(r"[a-zµ]-$|[0-9]\.$|[\[*]$")
# A word, with its digits if it has some (B12, q12h), or dotted (b.i.d.); or the beginning of a number.
ANCHOR = re.compile(r"[a-z](?:\.[a-z])+\.?|[a-z][a-z0-9]*|[0-9½¼¾⅓⅔⅛]|\.(?=[0-9])")

BOUND_BEFORE = re.compile(
    r"(?:(?P<below>[<≤]=? ?|\b(?:less than|lower than|fewer than|smaller than|younger than|shorter than|under|below"
    r"|up to|no (?:more|longer|later|higher|greater) than|not more than|at most|max(?:imum)?\.?(?: dose)?(?: of)?"
    r"|(?:not|never) (?:to )?exceed(?:ing)?|within)(?: the age of| age)? )"
    r"|(?P<above>[>≥]=? ?|\b(?:more than|greater than|higher than|larger than|longer than|older than|over|above"
    r"|exceed(?:s|ed|ing)?|at least|(?:no|not) less than|min(?:imum)?\.?(?: of)?|beyond)(?: the age of| age)? ))"
    r"(?:an? |about |approximately |~ ?)?$"
)
BOUND_AFTER = re.compile(
    r" ?(?:(?P<above>\+(?![0-9])|(?:or|and) (?:more|above|over|greater|higher|longer|beyond|up|older)(?![a-z]))"
    r"|(?P<below>(?:or|and) (?:less|below|lower|under|fewer|younger|shorter)(?![a-z])))"
)
OLDER_AFTER = re.compile(r" ?(?:years? |months? )?(?:or|and) (?:older|over|above|younger|under)(?![a-z])(?! [0-9])")
RANGE_TO = re.compile(r" ?- ?-? ?(?:to )?| to (?:about )?| up to | through ")
BETWEEN = re.compile(r"\bbetween (?:about |the ages of |ages )?$")
AND = re.compile(r" and ")
LIST = re.compile(r",? (?:and|or) |, ")
# Before a number that counts something else than what follows: "day 1 and 20 mg".
NUMBERED = re.compile(r"\b(?:days?|weeks?|months?|stages?|grades?|types?|phases?|steps?|cycles?|table|figure|class|factor|chapter|visit) $")

PAIR = re.compile(r"([0-9]{1,3})(?:-([0-9]{2,3}))? ?(/|over ) ?([0-9]{1,4})(?:-([0-9]{2,3}))?(?![0-9/]|\.[0-9])")
PRESSURE_NEAR = re.compile(r"\b(?:bp|pressures?|hypertens\w*|systolic|diastolic)\b")
SIGHT_OR_MIX = re.compile(r"\b(?:vision|visual|acuity|sight|see|insulin|mix\w*|humulin|novolin)\b")
RATIO = re.compile(r"([0-9]+) ?: ?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?![0-9:])")
_COUNT = "(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,9})"
ONE_IN = re.compile(
    rf"([0-9]{{1,3}}|[a-z]+)(?:(?:-| to )([0-9]{{1,3}}|[a-z]+))? (in|out of|of|per)(?: every)? "
    rf"({_COUNT}|[a-z]+)(?:(?:-| to )({_COUNT}))?(?![0-9a-z]|,[0-9]|\.[0-9])"
)

AGE_AFTER = re.compile(r"[ -]?(?:old\b|of age\b)")
AGE_SHORT = re.compile(r"[ -]?y/?o\b")
AGE_BEFORE = re.compile(
    r"\b(?:aged?|ages)(?: of| at| is| was| between| from)?(?: (?:over|under|above|below|at least|about|around))? $"
    r"|\bage [<>≥≤]=? ?$|\b(?:older|younger) than (?:age )?$"
)
PEOPLE_BEFORE = re.compile(
    r"\b(?:adults?|child(?:ren)?|people|persons?|women|men|woman|man|patients?|those|anyone|infants?|boys|girls"
    r"|individuals|babies|teenagers|adolescents)(?: who are| aged| ages)?"
    r"(?P<bound> over| under| above| below| older than| younger than)?(?: the age of)? $"
)

# Values without a unit, known by their name; and the unit that goes without saying.
SCORES = {
    "inr": "INR", "ph": "pH", "gcs": "GCS", "apgar": "Apgar", "mmse": "MMSE", "moca": "MoCA", "meld": "MELD",
    "score": "score", "scores": "score", "scored": "score", "qsofa": "qSOFA", "sofa": "SOFA", "audit": "AUDIT", "gravity": "gravity", "index": "index",
}  # fmt: skip
CAPITAL_SCORES = {"inr", "ph", "gcs", "mmse", "moca", "meld", "qsofa", "sofa", "audit"}
IMPLIED_UNITS = {
    name: read_compound(unit, unit, 0)[0]
    for name, unit in {
        "bmi": "kg/m2", "egfr": "ml/min", "gfr": "ml/min", "hba1c": "%", "a1c": "%", "spo2": "%",
    }.items()
}
LINK = re.compile(
    r"(?: (?:is|was|of|at|to|the|a|score|scores|value|values|level|levels|range|target|goal|between|from|should|be"
    r"|falls|rises|reaches|drops|scale|index|score of|less than|more than|greater than|below|above|over|under"
    r"|at least|about|around|equal|within)\b| ?[=:<>≥≤])* ?(?=[0-9.]|-[0-9])"
)

BEGINNINGS = {*WORDS, *FREQUENCY_WORDS, *FIRST_WORDS, *SCORES, *IMPLIED_UNITS, *MONTHS}
NO_PLAIN_WORD = set("q0123456789.½¼¾⅓⅔⅛")


@lru_cache(maxsize=KEPT_TEXTS)
def read(text: str) -> tuple[Quantity, ...]:
    """All quantities of a text, in order."""
    raw, lower = even(text)
    scan = _Scan(raw, lower, [])
    end = 0
    for anchor in ANCHOR.finditer(lower):
        word, start = anchor.group(), anchor.start()
        # Nine words in ten begin nothing: passed over here, for speed.
        if start < end or (word not in BEGINNINGS and word[0] not in NO_PLAIN_WORD and "." not in word):
            continue
        read_here = _at_word if word[0].isalpha() else _at_digit
        found, end = read_here(scan, start, anchor)
        scan.found.extend(replace(item, written=text[item.start : item.end].strip()) for item in found)
    return tuple(scan.found)


@dataclass
class _Scan:
    """A text being read: in its own case and in lower case, and the quantities found so far."""

    raw: str
    text: str
    found: list[Quantity]

    def just_after_amount(self, start: int) -> bool:
        """Whether an amount ends within forty characters before `start`."""
        amounts = [item.end for item in self.found[-3:] if item.kind == "amount"]
        return bool(amounts) and start - amounts[-1] < 40

    def before(self, start: int, length: int = 40) -> str:
        return self.text[max(0, start - length) : start]


Found = tuple[list[Quantity], int]


def _at_word(scan: _Scan, start: int, anchor: re.Match[str]) -> Found:
    """Read what a word begins: a number word, a frequency, a route, a named value, a date."""
    word = anchor.group()
    if word in MONTHS and (date := MONTH_DAY.match(scan.text, start)) is not None:
        return [], date.end()
    if word in WORDS:
        return _at_number(scan, start, anchor.end())
    if word in FREQUENCY_WORDS or word[0] == "q" or "." in word:
        frequency = read_frequency(scan.text, scan.raw, start, scan.just_after_amount(start))
        if frequency is not None:
            rate, unit, end = frequency
            return [Quantity("frequency", unit, (rate,), start=start, end=end)], end
    if word in FIRST_WORDS or "." in word:
        route = read_route(scan.text, scan.raw, start)
        if route is not None:
            return [Quantity("route", route[0], (), start=start, end=route[1])], route[1]
    if word in SCORES or word in IMPLIED_UNITS:
        return _named_value(scan, start, anchor)
    return [], anchor.end()


def _at_digit(scan: _Scan, start: int, anchor: re.Match[str]) -> Found:
    """Read what a digit begins, unless it belongs to a word ("COVID-19"), a date, a time or a citation."""
    digits_end = DIGITS.match(scan.text, start).end()
    if NAME_BEFORE.search(scan.text, max(0, start - 3), start):
        return [], digits_end
    no_quantity = NO_QUANTITY.match(scan.text, start)
    if no_quantity is not None:
        return [], no_quantity.end()
    for read_here in (_pair, _ratio):
        found = read_here(scan, start)
        if found is not None:
            return found
    return _at_number(scan, start, digits_end)


def _at_number(scan: _Scan, start: int, default_end: int) -> Found:
    """Read "1 in 4", "3 times a day", "12-hourly", or numbers with their unit."""
    proportion = _one_in(scan, start)
    if proportion is not None:
        return proportion
    frequency = read_frequency(scan.text, scan.raw, start, False)
    if frequency is not None:
        rate, unit, end = frequency
        return [Quantity("frequency", unit, (rate,), start=start, end=end)], end
    return _amounts(scan, start) or ([], default_end)


# ---- numbers with a unit ---------------------------------------------------------------------------------


def _amounts(scan: _Scan, start: int) -> Found | None:
    """Read numbers and their unit: "5 mg", "5-10 mg", "5 mg to 10 mg", "5, 10 or 20 mg", "65 and older"."""
    first = read_number(scan.text, start)
    if first is None:
        return None
    value, end = first
    compound = read_compound(scan.text, scan.raw, end)
    if compound is not None:
        unit, unit_end = compound
        second = _upper_end(scan, start, unit_end)
        if second is not None:
            high, after = second
            upper = read_compound(scan.text, scan.raw, after)
            if upper is not None and upper[0].dimension == unit.dimension:
                low_value, high_value = value * unit.factor, high * upper[0].factor
                if low_value <= high_value:
                    # "10 mg/day to 20 mg/day": what the last one says of the time holds for both.
                    return _finish(scan, start, upper[1], [(value, high)], [unit, upper[0]])
        return _finish(scan, start, unit_end, [(value, value)], [unit, unit])
    second = _upper_end(scan, start, end)
    if second is not None:
        high, after = second
        upper = read_compound(scan.text, scan.raw, after)
        if upper is not None:
            ranges = [(value, high)] if value <= high else [(value, value), (high, high)]
            return _finish(scan, start, upper[1], ranges, [upper[0], upper[0]])
        return _age_without_unit(scan, start, after, (value, max(value, high)))
    return _list(scan, start, end, value) or _age_without_unit(scan, start, end, (value, value))


def _upper_end(scan: _Scan, start: int, position: int) -> tuple[Fraction, int] | None:
    """The higher number of a range whose lower one ends at `position`."""
    link = RANGE_TO.match(scan.text, position)
    if link is None and BETWEEN.search(scan.before(start)):
        link = AND.match(scan.text, position)
    return None if link is None else read_number(scan.text, link.end())


def _list(scan: _Scan, start: int, end: int, value: Fraction) -> Found | None:
    """Numbers that share the unit after the last: "5, 10 or 20 mg"; "1 or 2 tablets" is a range."""
    if NUMBERED.search(scan.before(start)):
        return None
    values = [value]
    link = LIST.match(scan.text, end)
    last = ""
    while link is not None and (following := read_number(scan.text, link.end())) is not None:
        last = link.group().strip(" ,")
        values.append(following[0])
        end = following[1]
        link = LIST.match(scan.text, end) if not last else None
    compound = read_compound(scan.text, scan.raw, end)
    if last not in ("or", "and") or compound is None:
        return None
    unit = compound[0]
    ranges = [(number, number) for number in values]
    if last == "or" and len(values) == 2 and unit.dimension in COUNTED and values[1] == values[0] + 1:
        ranges = [(values[0], values[1])]
    return _finish(scan, start, compound[1], ranges, [unit, unit])


def _finish(scan: _Scan, start: int, end: int, ranges: list[Range], units: list[Unit]) -> Found | None:
    """Make quantities of ranges and their units: convert, see ages and bounds, split off "per day"."""
    unit = units[-1]
    if scan.text[end - 1] == "°" and not 34 <= ranges[0][0] <= 43:
        return [], end  # an angle
    bound, end = _bound(scan, start, end, unit)
    age = _is_age(scan, start, end, unit)
    if age:
        end = age
    found = []
    times = unit.times
    for low, high in ranges:
        values = (low * units[0].factor, high * units[1].factor)
        common = {"bound": bound, "start": start, "end": end, "number": low, "rounds": unit.rounds}
        if unit.dimension == "count" and not unit.name:
            if unit.per:
                found.append(Quantity("frequency", unit.per, ((low * times, high * times),), **common))
            continue
        if unit.dimension == "fahrenheit":
            values = tuple(Fraction(round((value - 32) * 50 / 9), 10) for value in values)
            found.append(Quantity("amount", "°C", (values,), **common | {"rounds": True}))
            continue
        kind = "amount"
        if unit.dimension in ("time", "long time"):
            kind = "age" if age else "duration"
        found.append(Quantity(kind, unit.name, (values,), **common))
    if unit.per and found and found[-1].kind != "frequency":
        found.append(Quantity("frequency", unit.per, ((times, times),), start=start, end=end))
    return (found, end) if found else None


def _bound(scan: _Scan, start: int, end: int, unit: Unit) -> tuple[str, int]:
    """">" for "at least 5 mg" or "5 mg or more", "<" for "up to 5 mg", else ""; and where its words end."""
    after = BOUND_AFTER.match(scan.text, end)
    if after is not None:
        return (">" if after.group("above") else "<"), after.end()
    before = BOUND_BEFORE.search(scan.before(start))
    if before is None:
        return "", end
    # "30 mL/kg over 3 hours" takes three hours, not more.
    if unit.dimension == "time" and before.group().strip() == "over":
        return "", end
    return ("<" if before.group("below") else ">"), end


def _is_age(scan: _Scan, start: int, end: int, unit: Unit) -> int:
    """Where the words of an age end, 0 when a time is a duration: "65 years old", "children under 5 years"."""
    if unit.dimension not in ("time", "long time"):
        return 0
    after = AGE_AFTER.match(scan.text, end)
    if after is not None:
        return after.end()
    people = PEOPLE_BEFORE.search(scan.before(start))
    older = OLDER_AFTER.search(scan.text, end - 14, end)
    if AGE_BEFORE.search(scan.before(start)) or (people and unit.name == "month") or older:
        return end
    return 0


def _age_without_unit(scan: _Scan, start: int, end: int, values: Range) -> Found | None:
    """ "aged 9 to 12", "adults over 65", "65 or older": years go without saying."""
    short = AGE_SHORT.match(scan.text, end)
    older = OLDER_AFTER.match(scan.text, end)
    people = PEOPLE_BEFORE.search(scan.before(start))
    if not (short or older or AGE_BEFORE.search(scan.before(start)) or (people and people.group("bound"))):
        return None
    if read_compound(scan.text, scan.raw, end) is not None or values[1] > 120:
        return None
    bound, end = _bound(scan, start, short.end() if short else end, YEARS)
    months = (values[0] * 12, values[1] * 12)
    return [Quantity("age", "month", (months,), bound, start=start, end=end, number=values[0])], end


YEARS = Unit("month", "long time", Fraction(12))


# ---- pairs, ratios and named values ------------------------------------------------------------------------


def _pair(scan: _Scan, start: int) -> Found | None:
    """ "140/90 mmHg", "130-139/80-89", "140 over 90", "500/125 mg", "20/40 vision", "70/30 insulin" """
    match = PAIR.match(scan.text, start)
    if match is None or FRACTION.match(scan.text, start):
        return None
    low, low_end, sign, second, second_end = match.groups()
    first_range = (Fraction(low), Fraction(low_end or low))
    second_range = (Fraction(second), Fraction(second_end or second))
    end = match.end()
    compound = read_compound(scan.text, scan.raw, end)
    near = scan.text[max(0, start - 60) : end + 25]
    plausible = 40 <= first_range[0] <= 300 and 20 <= second_range[1] < first_range[1]
    if compound is not None and compound[0].name != "mmHg":
        if sign.strip() != "/" or low_end or second_end or compound[0].dimension in ("time", "long time"):
            return None
        ranges = [first_range, second_range]
        return _finish(scan, start, compound[1], ranges, [compound[0], compound[0]])
    if compound is not None or (plausible and (first_range[0] >= 90 or PRESSURE_NEAR.search(near))):
        end = compound[1] if compound else end
        bound, end = _bound(scan, start, end, MMHG)
        values = (first_range, second_range)
        return [Quantity("pressure", "mmHg", values, bound, start=start, end=end, number=first_range[0])], end
    if sign.strip() == "/" and SIGHT_OR_MIX.search(near):
        values = (first_range, second_range)
        return [Quantity("ratio", "/", values, start=start, end=end, number=first_range[0])], end
    return None


MMHG = Unit("mmHg", "pressure", Fraction(1))


def _ratio(scan: _Scan, start: int) -> Found | None:
    """ "1:1000", "1:10,000", but no time of day ("at 8:30")."""
    match = RATIO.match(scan.text, start)
    if match is None or max(len(part) for part in match.groups()) > 12:
        return None
    if len(match.group(2)) == 2 and CLOCK_BEFORE.search(scan.before(start)):
        return [], match.end()
    first, second = (_count(part) for part in match.groups())
    return _proportion(start, match.end(), (first, first), (second, second))


def _one_in(scan: _Scan, start: int) -> Found | None:
    """ "1 in 10,000" is 1:10000; "one out of four", "3 to 4 in 10", "2 of 11", "5 per 100,000" """
    match = ONE_IN.match(scan.text, start)
    if match is None:
        return None
    link = match.group(3)
    low, low_end, high, high_end = (_count(part) for part in match.group(1, 2, 4, 5))
    if low is None or high is None or low >= high or (link == "per" and high < 100):
        return None
    # "5 in 2010" is a year; "1 in 2000" a proportion.
    if link == "in" and low != 1 and 1900 <= high < 2100 and "," not in match.group(4):
        return None
    if read_compound(scan.text, scan.raw, match.end()) is not None:
        return None
    return _proportion(start, match.end(), (low, low_end or low), (high, high_end or high))


def _count(written: str | None) -> Fraction | None:
    if written is None or written.isalpha():
        return WORDS.get(written or "")
    return Fraction(written.replace(",", ""))


def _proportion(start: int, end: int, first: Range, second: Range) -> Found:
    """The quantity 1:4 for "1 in 4" and for "2:8"; a range is not reduced."""
    common = 1
    if first[0] == first[1] and second[0] == second[1]:
        common = max(1, gcd(int(first[0]), int(second[0])))
    values = tuple((low / common, high / common) for low, high in (first, second))
    return [Quantity("ratio", ":", values, start=start, end=end, number=first[0])], end


def _named_value(scan: _Scan, start: int, anchor: re.Match[str]) -> Found:
    """ "INR of 2 to 3", "pH below 7.35", "a score of 4 or more", "BMI of 30" """
    word = anchor.group()
    if word in CAPITAL_SCORES and scan.raw[start : anchor.end()].islower():
        return [], anchor.end()
    link = LINK.match(scan.text, anchor.end())
    negative = link is not None and scan.text.startswith("-", link.end())
    first = read_number(scan.text, link.end() + negative) if link else None
    if first is None or NO_QUANTITY.match(scan.text, link.end()) or PAIR.match(scan.text, link.end()):
        return [], anchor.end()
    value, end = first
    second = _upper_end(scan, link.end(), end)
    high = second[0] if second and second[0] >= value else value
    end = second[1] if second and second[0] >= value else end
    if read_compound(scan.text, scan.raw, end) is not None:
        return [], anchor.end()  # it says its unit and is read as any amount
    if word in IMPLIED_UNITS:
        unit = IMPLIED_UNITS[word]
        bound, end = _bound(scan, link.end(), end, unit)
        values = (value * unit.factor, high * unit.factor)
        item = Quantity("amount", unit.name, (values,), bound, start=link.end(), end=end, number=value)
    else:
        bound, end = _bound(scan, link.end(), end, YEARS)
        values = (-high, -value) if negative else (value, high)
        item = Quantity("score", SCORES[word], (values,), bound, start=start, end=end, number=value)
    return [item], end
