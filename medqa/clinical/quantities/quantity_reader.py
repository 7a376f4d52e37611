"""Quantities in medical text: doses, ranges, frequencies, durations, ages, values, pressures, ratios, routes.

`read(text)` gives each as a `Quantity` with a normalised value: 0.5 g is 500 mg, BID is twice a day, 98.6 °F
is 37 °C, 1,000 mL is 1 L. Numbers are fractions throughout. Dates, times of day, telephone numbers and names
with digits (vitamin B12, COVID-19, type 2) are not quantities.
"""

import re
from fractions import Fraction
from functools import lru_cache

from medqa.clinical import words as word_lists
from medqa.clinical.notation.dates import MONTH_DAY, MONTHS, NO_QUANTITY
from medqa.clinical.notation.numbers import BARE_POWER, WORDS, quotient, read_number
from medqa.clinical.notation.routes import EYES, FIRST_WORDS, read_eye, read_route
from medqa.clinical.notation.schedules import FREQUENCY_WORDS, PERIODS, read_frequency
from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.notation.units import ANY_ITEM, COUNTED, ITEM_SPELLINGS, Unit, read_compound, read_limit
from medqa.clinical.quantities.ages import kind_of_time, read_age, read_age_group, read_gestation
from medqa.clinical.quantities.quantity import Quantity, Range
from medqa.clinical.quantities.ratios import (
    NAMED,
    NUMBERED,
    pair_end,
    read_named_value,
    read_one_in,
    read_pair,
    read_ratio,
    read_score,
    unit_of_product,
)
from medqa.clinical.quantities.scan import ANGLE, Found, Scan, is_angle, read_bound, read_upper

# Numbers that share one unit: "5, 10, 20 or 40 mg". More are a table, and no list of doses.
LONGEST_LIST = 6

DIGITS = re.compile(r"[0-9½¼¾⅓⅔⅛.,]*[0-9½¼¾⅓⅔⅛]")
# "5 ft 8 in", "5'8\""
FEET = re.compile(
    r"(?P<feet>[1-8]) ?(?:ft|feet|foot|'),? ?(?:and )?(?P<inches>1[01]|[0-9](?:\.5)?) ?"
    r"(?:in(?:ch(?:es)?)?(?![a-z]| (?:the|a|an|each) )|\"|'')"
)
# A digit after a letter and a hyphen belongs to a name: COVID-19, IL-6, omega-3, DQB1*06.
NAME_BEFORE = re.compile(r"[a-zµ]-$|[0-9]\.$|[\[*]$")
# "macrogol 3350: 6.9 g"
NAME_NUMBER = re.compile(r"[1-9][0-9]{2,4}(?![0-9]|[.,][0-9]|[ -]?(?:m?c?g|grams?|ml|units?|iu)(?![a-z]))")
NUMBERED_NAMES = ("macrogol ", "peg ", "glycol ", "dextran ")
# "both counts × 10⁹/L": a unit without its number
FACTOR_BEFORE = re.compile(r"(?:^|[^0-9a-z.] ?)x ?$")
# "for 6/52": six of the weeks of a year; "7/7" are seven days, "3/12" three months
COURSE = re.compile(r"([1-9][0-9]?)/(7|52|12)(?= *$|[.,;)](?![0-9])| (?:then|and|at|with|to|if|course)\b)")
FOR_BEFORE = re.compile(
    r"\b(?:for|after|within|x|daily|[0-9]+-hourly|(?:per|a) (?:day|diem)|hours|days?|od|[bt]d|tds|qds|[btq]id"
    r"|q[0-9]+h),? ?$"
)
# A word, with its digits if it has some (B12, q12h), or dotted (b.i.d.); or the beginning of a number.
ANCHOR = re.compile(r"[a-z](?:\.[a-z])+\.?|[a-z][a-z0-9]*|[0-9½¼¾⅓⅔⅛]|\.(?=[0-9])")
# "for a week", "within an hour"; elsewhere "a week" is a manner of speaking, or belongs to "once a week".
ONE_PERIOD = re.compile(
    r"(?:for|within|after|over|across|lasting|lasts|lasted|last|takes|took|take|wait|waited|another|needs)"
    r"(?: up to| about| around| roughly)? an?(?= (?:minute|hour|day|week|month|year)(?![a-z]))"
    r"|(?:within|over|in|during) the (?:next|first|following)(?= (?:minute|hour)(?![a-z]))"
    r"|over the(?= hour(?![a-z]))"
    r"|(?:within|in|during) the(?= hour (?:before|after|preceding|following)(?![a-z]))"
)
# "an hour and a half", "a tablet and a half"
ONE_AND_PART = re.compile("an?(?= [a-z]+ and an? (?:half|quarter)(?![a-z]))")
# "a gram of ceftriaxone", "a litre of saline", "a single tablet"
ONE_OF = re.compile(
    "an?(?:(?= (?:(?:milli|micro)?gram(?:me)?|(?:milli)?lit(?:er|re)) of [a-z])"
    f"| single(?= {ANY_ITEM}(?![a-z])))"
)
BEGINNINGS = {
    *word_lists.words(
        "for within after over across lasting lasts lasted last takes took take wait waited another needs"
    ),
    *word_lists.words("a an fortnight"),
    *WORDS,
    *FREQUENCY_WORDS,
    *FIRST_WORDS,
    *EYES,
    *NAMED,
    *MONTHS,
}
NUMBER_OR_CODE = set("q0123456789.½¼¾⅓⅔⅛")

# Values that were converted between systems of units are the same within this share.
ROUNDED = Fraction(15, 1000)
# "for two consecutive days"
CONSECUTIVE = re.compile(
    " (consecutive|successive|straight|whole|full)(?= (?:hours|days|weeks|months|years)(?![a-z]))"
)
EACH_DAY = ("consecutive", "successive")
# "About 60 mmHg" is 59.
APPROXIMATE = Fraction(3, 100)
HEDGE = re.compile(
    r"(?:\b(?:about|approximately|approx\.?|roughly|around|nearly|almost|circa|ca\.|close to)|[~≈]) ?$"
)
PART_MORE = re.compile(r" and an? (half|quarter)(?![a-z])")
# "4 h 30 min", but not "4 weeks, 30 minutes before a meal".
MOST_SMALLER = 60
SMALLER_PART = re.compile(r",? (?:and )?(?=[0-9a-z])")
PRESSURE_AFTER = re.compile(" (?:systolic|diastolic)(?![a-z]| (?:blood|bp|pressure))")
LEAST_PRESSURE, MOST_PRESSURE = 30, 300
LIST = re.compile(r",? (?:and|or) |, ")
# "2 or more days", "3 or fewer tablets"
BOUND_INSIDE = re.compile(r" or (?:(?P<above>more|greater)|fewer|less)(?= [a-z])")
HAPPENING = re.compile(
    r" (?:(?!(?:and|or|to|of|in|for|per|each|every|once|twice|times|(?:day|week|month|year|hour)s?"
    r"|patients?|people|women|men|children"
    r"|adults?) )[a-z-]+ ){1,3}?"
    r"(?:an?|per|each|every) (day|week|month|year)(?![a-z])"
)
# Items that are named before their number.
MOST_ITEMS = 12
ITEM_BEFORE = re.compile(rf"\b({ANY_ITEM})\b(?!.*\b(?:hours|days|weeks)\b)")
# "850 mg: take two with breakfast and one with dinner"
TAKE_BEFORE = re.compile(r"\b(?:takes?|swallows?)(?:[^.;]{0,30} and)? $")
ITEMS_TAKEN = re.compile(
    " (?:every|each|daily|nightly|twice|once|(?:two|three|four|2|3|4) times|an? (?:day|week)|per "
    "(?:day|week)|now|together"
    "|with (?:each|every|breakfast|lunch|dinner|supper)"
    "|at (?:once|a time|night|bedtime|lunch|noon|midday|dinner|teatime|breakfast)"
    "|in the (?:morning|evening)|to be taken|with (?:food|meals)"
    "|before|od|bd|tds|qds|tid|bid|qid|mane|nocte)(?![a-z])"
)


@lru_cache(maxsize=KEPT_TEXTS)
def read(text: str) -> tuple[Quantity, ...]:
    """All quantities of a text, in order."""
    _, raw, lower = forms(text)
    scan = Scan(raw, lower, [])
    end = 0
    for anchor in ANCHOR.finditer(lower):
        word, start = anchor.group(), anchor.start()
        # Nine words in ten begin nothing: passed over here, for speed.
        if start < end or (word not in BEGINNINGS and word[0] not in NUMBER_OR_CODE and "." not in word):
            continue
        found, end = (_at_word if word[0].isalpha() else _at_digit)(scan, start, anchor.end())
        scan.found += found
    return tuple(scan.found)


def _at_word(scan: Scan, start: int, word_end: int) -> Found:
    """Read what a word begins: a number word, a frequency, a route, a named value, a date."""
    word = scan.text[start:word_end]
    if word in MONTHS and (date := MONTH_DAY.match(scan.text, start)) is not None:
        return [], date.end()
    if word in WORDS:
        return _at_number(scan, start, word_end)
    article = word in ("a", "an")
    one = (ONE_AND_PART if article else ONE_PERIOD).match(scan.text, start)
    one = ONE_OF.match(scan.text, start) if article and one is None else one
    if one is not None or word == "fortnight":
        return _one_unit(scan, one.end() if one else start) or ([], word_end)
    if read_eye(scan.text, scan.raw, start, word_end):
        return [Quantity("route", "into the eye", (), start=start, end=word_end)], word_end
    if word == "twice" and (limit := read_limit(scan.text, word_end)) is not None:
        return _quantities(scan, start, limit[1], [(2, 2)], limit[0], limit[0])
    coded = word[0] == "q" or "." in word
    after_amount = frequency = None
    if coded or word in FREQUENCY_WORDS:
        after_amount = scan.just_after_amount(start)
        frequency = read_frequency(scan.text, scan.raw, start, after_amount)
    if frequency is not None:
        rate, unit, end = frequency
        return [Quantity("frequency", unit, (rate,), start=start, end=end)], end
    if coded or word in FIRST_WORDS:
        after_amount = scan.just_after_amount(start) if after_amount is None else after_amount
        route = read_route(scan.text, scan.raw, start, after_amount)
        if route is not None:
            name, end = route
            return [Quantity("route", name, (), start=start, end=end)], end
    if word in NAMED:
        return read_named_value(scan, start, word_end)
    return [], word_end


def _one_unit(scan: Scan, start: int) -> Found | None:
    """Read one unit whose number is an article: "for a week", "a tablet and a half", "a fortnight"."""
    compound = read_compound(scan.text, scan.raw, start)
    if compound is None:
        return None
    unit, end = compound
    value, end = _longer(scan, 1, unit, end)
    return _quantities(scan, start + scan.text.startswith(" ", start), end, [(value, value)], unit, unit)


def _at_digit(scan: Scan, start: int, _: int) -> Found:
    """Read what a digit begins, unless it belongs to a word ("COVID-19"), a date, a time or a citation."""
    digits_end = DIGITS.match(scan.text, start).end()
    if NAME_BEFORE.search(scan.text, max(0, start - 3), start):
        return [], digits_end
    if scan.text.endswith(NUMBERED_NAMES, 0, start) and NAME_NUMBER.match(scan.text, start):
        return [], digits_end
    if FACTOR_BEFORE.search(scan.text, max(0, start - 4), start) and (
        power := BARE_POWER.match(scan.text, start)
    ):
        return [], power.end()
    course = (
        COURSE.match(scan.text, start) if FOR_BEFORE.search(scan.text, max(0, start - 12), start) else None
    )
    if course is not None:
        name = {"7": "days", "52": "weeks", "12": "months"}[course[2]]
        unit, _ = read_compound(name, name, 0)
        return _quantities(scan, start, course.end(), [(int(course[1]),) * 2], unit, unit)
    no_quantity = NO_QUANTITY.match(scan.text, start)
    if no_quantity is not None:
        return [], no_quantity.end()
    people = read_gestation(scan, start) or read_age_group(scan, start) or read_score(scan, start)
    if people is not None:
        return people
    if (height := FEET.match(scan.text, start)) is not None:
        inches = 12 * int(height["feet"]) + Fraction(height["inches"])
        return _quantities(
            scan, start, height.end(), [(inches, inches)], *[read_compound("inch", "inch", 0)[0]] * 2
        )
    if scan.text.startswith("4ts", start):
        return read_named_value(scan, start, start + 3)
    pair = read_pair(scan, start)
    if isinstance(pair, list):
        unit, end = read_compound(scan.text, scan.raw, pair_end(scan, start)) or unit_of_product(scan, start)
        return _quantities(scan, start, end, pair, unit, unit)
    return pair or read_ratio(scan, start) or _at_number(scan, start, digits_end)


def _at_number(scan: Scan, start: int, default_end: int) -> Found:
    """Read "1 in 4", "3 times a day", "12-hourly", or numbers with their unit."""
    proportion = read_one_in(scan, start)
    if proportion is not None:
        return proportion
    frequency = read_frequency(scan.text, scan.raw, start, after_amount=False)
    if frequency is not None:
        rate, unit, end = frequency
        return [Quantity("frequency", unit, (rate,), start=start, end=end)], end
    return _amounts(scan, start) or ([], default_end)


# ---- numbers with a unit ---------------------------------------------------------------------------------


def _amounts(scan: Scan, start: int) -> Found | None:
    """Read numbers and their unit: "5 mg", "5-10 mg", "5 mg to 10 mg", "5, 10 or 20 mg", "65 and older"."""
    first = read_number(scan.text, start)
    if first is None:
        return None
    low, end = first
    running = CONSECUTIVE.match(scan.text, end)
    end = running.end() if running else end
    inside = BOUND_INSIDE.match(scan.text, end)
    compound = read_compound(scan.text, scan.raw, inside.end() if inside else end)
    if inside and compound:
        unit, unit_end = compound
        return _quantities(scan, start, unit_end, [(low, low)], unit, unit, ">" if inside["above"] else "<")
    unit, unit_end = compound or (None, end)
    if running and unit is not None and running.group(1) in EACH_DAY and scan.text.startswith(" day", end):
        days, unit_end = _quantities(scan, start, unit_end, [(low, low)], unit, unit)
        return [*days, Quantity("frequency", "day", ((1, 1),), start=start, end=unit_end)], unit_end
    if unit is not None and not unit.per:
        low, unit_end = _longer(scan, low, unit, unit_end)
    if unit is not None and unit.per and not unit.name and low < 1:
        return None  # "by a quarter each fortnight"
    upper = read_upper(scan, start, unit_end)
    if upper is None:
        if unit is None:
            return (
                _one_pressure(scan, start, end, low)
                or _list(scan, start, end, low)
                or _items(scan, start, end, low)
                or _happenings(scan, start, end, low)
                or read_age(scan, start, end, (low, low))
            )
        return _quantities(scan, start, unit_end, [(low, low)], unit, unit)
    high, high_end = upper
    high_compound = read_compound(scan.text, scan.raw, high_end)
    if unit is not None:
        if high_compound is not None and high_compound[0].dimension == unit.dimension:
            high_unit, range_end = high_compound
            if low * unit.factor <= high * high_unit.factor:
                return _quantities(scan, start, range_end, [(low, high)], unit, high_unit)
        return _quantities(scan, start, unit_end, [(low, low)], unit, unit)
    if high_compound is None:
        return read_age(scan, start, high_end, (low, max(low, high)))
    # "from 10 to 5 mg" are two doses.
    ranges = [(low, high)] if low <= high else [(low, low), (high, high)]
    return _quantities(scan, start, high_compound[1], ranges, high_compound[0], high_compound[0])


def _one_pressure(scan: Scan, start: int, end: int, value: Fraction) -> Found | None:
    """One of two blood pressures that is named after its number: "160 systolic"."""
    name = PRESSURE_AFTER.match(scan.text, end)
    if name is None or not LEAST_PRESSURE <= value <= MOST_PRESSURE:
        return None
    unit, _ = read_compound("mmhg", "mmHg", 0)
    return _quantities(scan, start, name.end(), [(value, value)], unit, unit)


def _longer(scan: Scan, value: Fraction, unit: Unit, end: int) -> tuple[Fraction, int]:
    """A value with its smaller part: "4 h 30 min", "two years and six months", "one tablet and a half"."""
    if (half := PART_MORE.match(scan.text, end)) is not None:
        return value + (Fraction(1, 2) if half.group(1) == "half" else Fraction(1, 4)), half.end()
    in_parts = unit.dimension in ("time", "long time") or (unit.dimension == "mass" and unit.rounds)
    link = SMALLER_PART.match(scan.text, end) if in_parts else None
    part = read_number(scan.text, link.end()) if link else None
    smaller = read_compound(scan.text, scan.raw, part[1]) if part else None
    if (
        smaller is None
        or smaller[0].dimension != unit.dimension
        or not unit.factor / MOST_SMALLER <= smaller[0].factor < unit.factor
        or smaller[0].per
        or value != int(value)  # "a quarter of a year, three months" says it twice
    ):
        return value, end
    if part[0] * smaller[0].factor >= unit.factor:
        return value, end
    return value + quotient(part[0] * smaller[0].factor, unit.factor), smaller[1]


def _list(scan: Scan, start: int, end: int, value: Fraction) -> Found | None:
    """Numbers that share the unit after the last: "5, 10 or 20 mg"; "1 or 2 tablets" is a range."""
    year = 1900 <= value < 2100 and scan.text.endswith(" in ", 0, start)
    if year or NUMBERED.search(scan.before(start)):
        return None
    values, last = [value], ""
    while last not in ("and", "or") and len(values) < LONGEST_LIST:
        link = LIST.match(scan.text, end)
        following = read_number(scan.text, link.end()) if link else None
        if following is None:
            return None
        if link.group().startswith(", ") and link.group() != ", " and len(values) == 1:
            return None  # "on days 1 and 2, and 5 mg on day 3"
        last = link.group().strip(" ,")
        values.append(following[0])
        end = following[1]
    compound = read_compound(scan.text, scan.raw, end)
    if compound is None:
        return None
    unit, unit_end = compound
    ranges = [(number, number) for number in values]
    if last == "or" and len(values) == 2 and unit.dimension in COUNTED and values[1] == values[0] + 1:
        ranges = [(values[0], values[1])]
    return _quantities(scan, start, unit_end, ranges, unit, unit)


def _items(scan: Scan, start: int, end: int, value: Fraction) -> Found | None:
    """A number of the tablets named before it: "500 mg tablets, two every 6 hours", "take two at once"."""
    if value > MOST_ITEMS or scan.text.endswith("/", 0, start) or not ITEMS_TAKEN.match(scan.text, end):
        return None
    item = ITEM_BEFORE.search(scan.text, max(0, start - 60), start)
    if item is None and not (TAKE_BEFORE.search(scan.before(start)) and scan.just_after_amount(start)):
        return None
    name = ITEM_SPELLINGS[item.group(1)] if item else "tablet"
    unit, _ = read_compound(name, name, 0)
    return _quantities(scan, start, end, [(value, value)], unit, unit)


def _happenings(scan: Scan, start: int, end: int, times: Fraction) -> Found | None:
    """What happens so often: "two dressing changes per day"."""
    happening = HAPPENING.match(scan.text, end)
    if happening is None:
        return None
    length, unit = PERIODS[happening.group(1)]
    return [
        Quantity("frequency", unit, ((quotient(times, length),) * 2,), start=start, end=happening.end())
    ], happening.end()


def _quantities(
    scan: Scan, start: int, end: int, ranges: list[Range], low_unit: Unit, unit: Unit, bound: str = ""
) -> Found:
    """Make quantities of ranges and their units: convert, see ages and bounds, split off "per day"."""
    if unit.dimension == "temperature" and is_angle(scan, start, end, ranges[0][0]):
        low_unit = unit = ANGLE
    if not bound:
        bound, end = read_bound(scan, start, end, unit.dimension)
    kind, end = kind_of_time(scan, start, end, unit)
    approximate = kind == "amount" and not bound and HEDGE.search(scan.before(start)) is not None
    found = []
    for low, high in ranges:
        # Most units are the dimension's own; to multiply fractions by 1 takes a fifth of the whole time.
        values = (
            low if low_unit.factor == 1 else low * low_unit.factor,
            high if unit.factor == 1 else high * unit.factor,
        )
        common = {"bound": bound, "start": start, "end": end, "number": low, "item": unit.item}
        common["tolerance"] = APPROXIMATE if approximate else ROUNDED if unit.rounds else 0
        if unit.dimension == "fahrenheit":
            values = tuple(Fraction(round(quotient((value - 32) * 50, 9)), 10) for value in values)
            found.append(Quantity(kind, "°C", (values,), **common | {"tolerance": ROUNDED}))
        elif unit.name:
            found.append(Quantity(kind, unit.name, (values,), **common))
        elif unit.per:
            # "3 per day": a number of times
            rate = (low * unit.times, high * unit.times)
            found.append(Quantity("frequency", unit.per, (rate,), **common))
    if unit.per and unit.name:
        found.append(Quantity("frequency", unit.per, ((unit.times, unit.times),), start=start, end=end))
    return found, end
