"""Numbers without a unit that are quantities all the same: 140/90, 1:1000, "1 in 4", "INR of 2 to 3"."""

import re
from fractions import Fraction
from math import gcd

from medqa.clinical.numbers import FRACTION, WORDS, read_number
from medqa.clinical.quantity import Found, Quantity, Range, Scan, read_bound, read_upper
from medqa.clinical.units import Unit, read_compound

PAIR = re.compile(
    r"([0-9]{1,3})(?:-([0-9]{2,3}))? ?(/|over ) ?([0-9]{1,4})(?:-([0-9]{2,3}))?(?![0-9/]|\.[0-9])"
)
PRESSURE_NEAR = re.compile(r"\b(?:bp|pressures?|hypertens\w*|systolic|diastolic)\b")
SIGHT_OR_MIX = re.compile(r"\b(?:vision|visual|acuity|sight|see|insulin|mix\w*)\b")
RATIO = re.compile(r"([0-9]+) ?: ?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?![0-9:])")
CLOCK_BEFORE = re.compile(r"\b(?:at|by|from|until|till|before|after|around) $")
_COUNT = "(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,9})"
ONE_IN = re.compile(
    rf"([0-9]{{1,3}}|[a-z]+)(?:(?:-| to )([0-9]{{1,3}}|[a-z]+))? (in|out of|of|per)(?: every)? "
    rf"({_COUNT}|[a-z]+)(?:(?:-| to )({_COUNT}))?(?![0-9a-z]|,[0-9]|\.[0-9])"
)

# Values without a unit, by their name, in capitals where the name is also a word; and units that go without
# saying.
SCORES = {
    "inr": "INR", "ph": "pH", "gcs": "GCS", "apgar": "Apgar", "mmse": "MMSE", "moca": "MoCA", "meld": "MELD",
    "qsofa": "qSOFA", "sofa": "SOFA", "audit": "AUDIT", "score": "score", "scores": "score",
    "scored": "score", "index": "index", "gravity": "gravity",
}  # fmt: skip
CAPITAL_SCORES = {"inr", "ph", "gcs", "mmse", "moca", "meld", "qsofa", "sofa", "audit"}
IMPLIED_UNITS = {
    "bmi": "kg/m2", "egfr": "ml/min", "gfr": "ml/min", "hba1c": "%", "a1c": "%", "spo2": "%",
}  # fmt: skip
# What may stand between a name and its value.
LINK = re.compile(
    r"(?: (?:is|was|of|at|to|the|a|score|scores|value|values|level|levels|range|target|goal|between|from"
    r"|should|be|falls|rises|reaches|drops|scale|index|less than|more than|greater than|below|above|over"
    r"|under|at least|about|around|equal|within)\b| ?[=:<>≥≤])* ?(?=[0-9.]|-[0-9])"
)


def read_pair(scan: Scan, start: int) -> Found | list[Range] | None:
    """ "140/90 mmHg", "130-139/80-89", "140 over 90", "20/40 vision", "70/30 insulin"

    Of "500/125 mg" the two ranges, whose unit is the reader's business.
    """
    match = PAIR.match(scan.text, start)
    if match is None or FRACTION.match(scan.text, start):
        return None
    low, low_end, sign, second, second_end = match.groups()
    values = ((Fraction(low), Fraction(low_end or low)), (Fraction(second), Fraction(second_end or second)))
    end = match.end()
    compound = read_compound(scan.text, scan.raw, end)
    if compound is not None and compound[0].name != "mmHg":
        time = compound[0].dimension in ("time", "long time")
        return None if sign != "/" or low_end or second_end or time else list(values)
    near = scan.text[max(0, start - 60) : end + 25]
    plausible = 40 <= values[0][0] <= 300 and 20 <= values[1][1] < values[0][0]
    if compound is not None or (plausible and (values[0][0] >= 90 or PRESSURE_NEAR.search(near))):
        bound, end = read_bound(scan, start, compound[1] if compound else end)
        return [Quantity("pressure", "mmHg", values, bound, start=start, end=end, number=values[0][0])], end
    if sign == "/" and SIGHT_OR_MIX.search(near):
        return [Quantity("ratio", "/", values, start=start, end=end, number=values[0][0])], end
    return None


def pair_end(scan: Scan, start: int) -> int:
    """Where the numbers of a pair end."""
    return PAIR.match(scan.text, start).end()


def read_ratio(scan: Scan, start: int) -> Found | None:
    """ "1:1000", "1:10,000", but no time of day ("at 8:30")"""
    match = RATIO.match(scan.text, start)
    if match is None or max(len(part) for part in match.groups()) > 12:
        return None
    if len(match.group(2)) == 2 and CLOCK_BEFORE.search(scan.before(start)):
        return [], match.end()
    first, second = (_count(part) for part in match.groups())
    return _proportion(start, match.end(), (first, first), (second, second))


def read_one_in(scan: Scan, start: int) -> Found | None:
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


def read_named_value(scan: Scan, start: int, name_end: int) -> Found:
    """ "INR of 2 to 3", "pH below 7.35", "a score of 4 or more", "T-score of -2.5", "BMI of 30" """
    nothing: Found = ([], name_end)
    word = scan.text[start:name_end]
    link = LINK.match(scan.text, name_end)
    if link is None or (word in CAPITAL_SCORES and scan.raw[start:name_end].islower()):
        return nothing
    negative = scan.text.startswith("-", link.end())
    first = read_number(scan.text, link.end() + negative)
    if first is None or PAIR.match(scan.text, link.end()):
        return nothing
    value, end = first
    upper = read_upper(scan, link.end(), end)
    high = value
    if upper is not None and upper[0] >= value:
        high, end = upper
    if read_compound(scan.text, scan.raw, end) is not None:
        return nothing  # it says its unit, and is read as any amount
    bound, end = read_bound(scan, link.end(), end)
    if word not in IMPLIED_UNITS:
        values = (-high, -value) if negative else (value, high)
        return [Quantity("score", SCORES[word], (values,), bound, start=start, end=end, number=value)], end
    unit = implied_unit(word)
    values = (value * unit.factor, high * unit.factor)
    return [Quantity("amount", unit.name, (values,), bound, start=link.end(), end=end, number=value)], end


def implied_unit(word: str) -> Unit:
    """The unit in which a value is always given: BMI in kg/m²."""
    return read_compound(IMPLIED_UNITS[word], IMPLIED_UNITS[word], 0)[0]
