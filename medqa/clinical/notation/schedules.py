"""How often: "twice daily", BID, q12h, "every 12 hours", "12-hourly" are one frequency, 2 a day."""

import re
from fractions import Fraction

from medqa.clinical.notation.numbers import COUNTS, IN_WORDS, quotient, read_number, show

# Times a day, from the codes of prescriptions.
CODES = {
    "bid": 2, "bd": 2, "tid": 3, "tds": 3, "qid": 4, "qds": 4, "qd": 1, "qday": 1, "od": 1, "qam": 1,
    "qpm": 1, "qhs": 1, "hs": 1, "nocte": 1, "mane": 1, "qod": Fraction(1, 2), "eod": Fraction(1, 2),
    "qw": Fraction(1, 7), "qwk": Fraction(1, 7), "qweek": Fraction(1, 7), "bds": 2, "qnight": 1,
    "biw": Fraction(2, 7), "tiw": Fraction(3, 7), "on": 1, "om": 1,
}  # fmt: skip
# Codes that are words or names as well, taken only in capitals, with full stops, or soon after an amount.
AMBIGUOUS = {"bid", "bd", "od", "hs", "mane", "qd", "biw", "eod"}
# Codes only with full stops: each night and each morning.
DOTTED_ONLY = {"on", "om"}

ADVERBS: dict[str, tuple[Fraction, str]] = {
    "daily": (1, "day"), "nightly": (1, "day"), "hourly": (24, "day"),
    "weekly": (Fraction(1, 7), "day"), "fortnightly": (Fraction(1, 14), "day"),
    "monthly": (1, "month"), "quarterly": (Fraction(1, 3), "month"),
    "yearly": (Fraction(1, 12), "month"), "annually": (Fraction(1, 12), "month"),
    "biannually": (Fraction(1, 6), "month"),
}  # fmt: skip
# Length of a period in days or months; "morning" and "mealtime" come once a day.
PERIODS: dict[str, tuple[Fraction, str]] = {
    "sec": (Fraction(1, 86400), "day"), "second": (Fraction(1, 86400), "day"),
    "min": (Fraction(1, 1440), "day"), "minute": (Fraction(1, 1440), "day"), "h": (Fraction(1, 24), "day"),
    "hr": (Fraction(1, 24), "day"), "hour": (Fraction(1, 24), "day"), "hourly": (Fraction(1, 24), "day"),
    "d": (1, "day"), "diem": (1, "day"), "day": (1, "day"), "night": (1, "day"),
    "morning": (1, "day"), "evening": (1, "day"), "daily": (1, "day"),
    "w": (7, "day"), "wk": (7, "day"), "week": (7, "day"),
    "weekly": (7, "day"), "fortnight": (14, "day"), "mo": (1, "month"),
    "month": (1, "month"), "monthly": (1, "month"), "yr": (12, "month"), "quarter": (3, "month"),
    "year": (12, "month"), "yearly": (12, "month"), "decade": (120, "month"),
}  # fmt: skip
ORDINALS = {
    "other": 2, "alternate": 2, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4,
    "fifth": 5, "5th": 5, "sixth": 6, "6th": 6, "seventh": 7, "7th": 7,
}  # fmt: skip

_NUMBER = (
    r"(?:[0-9]{1,3}(?:\.[0-9])?"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)ty[- ](?:one|two|three|four|five|six|seven|eight|nine)|"
    + "|".join(word for word in COUNTS if word != "zero")
    + ")"
)
# "three (3) times a day"
_AGAIN = r"(?: ?\([0-9]{1,3}\))?"
_TO = r"(?:-?(?: ?- ?| to | or ))"
_PERIOD = (
    "(hours?|hrs?|h|quarter(?! of)|days?|diem|nights?|mornings?|evenings?|weeks?|wks?|fortnight|months?|mo"
    "|years?|yrs?|decades?|minutes?|min|seconds|secs?)"
)
# "three times over the course of the day", "twice in each week"
_ALONG = (
    "(?:over|throughout|during|in|through|across|spread over)"
    " (?:the(?: whole| course of (?:the|a|each))?|each|one|a)|on (?:the )?(?:first|same)"
)
TIMES = re.compile(
    rf"(?:(once|twice|thrice)(?: or (twice|thrice|three times))?"
    rf"|({_NUMBER}){_AGAIN}(?:{_TO}({_NUMBER}))?[ -]?(?:times|x"
    rf"|(?:(?!times |m?c?g |ml |units? )[a-z]+ )?doses?|injections?|infusions?"
    rf"|applications?|sessions?))"
    rf"(?:[ -]?(daily|nightly|weekly|monthly|yearly|annually|hourly)"
    rf"|,? ?(?:(?:an?|per|each|every|any|in an?|in(?: any)?|over|{_ALONG})(?: ({_NUMBER}))? |/ ?){_PERIOD})"
    "(?![a-z]| (?:has|have) )"  # "once a year has gone by"
)
EVERY = re.compile(
    rf"(?:every|each|q|(?:at )?intervals of|cycles? of"
    rf"|cycle length(?: of| is|:|,)?|next dose (?:is )?(?:given )?(?:after|in)) ?"
    rf"(?: ?({'|'.join(ORDINALS)}))?(?: (?:~ ?|about |around |roughly )?({_NUMBER}){_AGAIN}"
    rf"(?:{_TO}({_NUMBER}))?)?[ -]?{_PERIOD}(?![a-z]| (?:except|but|apart from|other than) )"
)
CODED = re.compile(
    r"q\.? ?([0-9]{1,3})(?:-([0-9]{1,3}))? ?"
    r"(hours?|hrs?|h|days?|d|weeks?|wk|w|months?|mo|minutes?|min)(?![a-z])"
)
# "Five weekly infusions" are one a week.
_SEVERAL = " (?:[a-z]+ )?(?:infusions|injections|doses|sessions|treatments|visits|applications|tablets)"
INTERVAL = re.compile(
    rf"({_NUMBER})(?:{_TO}({_NUMBER}))?[ -](hourly|(?:week|month|year)ly"
    rf"(?:(?<=-weekly)|(?<=-monthly)|(?<=-yearly)|(?!{_SEVERAL}))"
    rf"|(?:hours?|days?|weeks?)(?= apart(?! from)| cycles?| intervals?))(?![a-z])"
)
# Other ways to say how often: once in two days, once or twice a day.
PHRASE = re.compile(
    r"(?:(?P<half>alternate (?:days|mornings|evenings|nights)|alternate-day|alternate daily)"
    r"|(?P<fortnight>alternate weeks)|(?P<months>half-?[ -]?yearly|semi-?[ -]?annual(?:ly)?"
    r"|every half[ -]year)"
    r"|(?P<once>per diem"
    r"|on each of (?:the )?(?:[a-z0-9]+ )(?:consecutive |successive )?days|per 24 ?(?:hours|hrs?|h))"
    r"|(?P<thrice>ter (?:in )?die)|(?P<twice>bis (?:in )?die|mane (?:and|et|plus|&) nocte|(?:(?:every"
    r"|each|in the) )?mornings? and (?:again )?(?:(?:every|each|in the|at) "
    r")?(?:evenings?|nights?"
    r"|bedtime)))(?![a-z])"
)
# "morning, noon and night", "at breakfast, lunch, dinner and bedtime"
_MEAL = (
    "(?:(?:(?:the|her|his|your) )?(?:evening|midday|main) meal"
    "|morning|midday|noon|lunch(?:time)?|afternoon|evening|night|bedtime|breakfast|dinner|supper|teatime)"
)
MEALS = re.compile(
    rf"(?:(?:at|with|before|after|in the) )?{_MEAL}"
    rf"(?:(?:,| and|, and) (?:again )?(?:(?:at|with|before|after|in the) )?{_MEAL})+(?![a-z])"
)
PHRASE_RATES = {
    "half": (Fraction(1, 2), "day"), "fortnight": (Fraction(1, 14), "day"), "once": (1, "day"),
    "twice": (2, "day"), "thrice": (3, "day"), "months": (Fraction(1, 6), "month"),
}  # fmt: skip
# "on one day each week", "5 days a week"
DAYS = re.compile(
    rf"({_NUMBER}) (?:(?:(?:day|night|morning|evening)s? (?:a|per|each|every|of the)"
    rf"|in each) (?P<period>week|month)"
    r"|(?:day|night)s? (?:out of|in) (?:(?:each|every) )?(?:seven|7))(?![a-z])"
)
# "1-0-1": one in the morning, none at noon, one in the evening
SCHEME = re.compile("[01]-[01]-[01](?:-[01])?(?![0-9a-z/-])")
# What "daily" is not a frequency of.
DAILY_LIFE = re.compile(r" (?:life|living|activit|routine|task|chore|function|need|lives)")
# Once a day, after an amount: "10 mg at bedtime".
ONCE = re.compile(
    r"(?:(?:up)?on (?:waking|rising|awakening|getting up)"
    r"|at (?:about |around )?(?:1[0-9]|2[0-3]|[1-9])(?:[:.][0-5][0-9])? ?(?:[ap]\.?m\.?|o'clock)"
    r"|at (?:about |around )?(?:[01]?[0-9]|2[0-3]):[0-5][0-9]"
    r"|at (?:bedtime|night|noon|midday|lunch(?:time)?|breakfast|dinner"
    r"|supper|teatime|dusk)"
    r"|in the (?:(?:early|late|mid) )?(?:morning|evening|afternoon)"
    r"|when (?:she|he|you|they) (?:wakes?|gets? up|rises?)(?: up)?|first thing|last thing"
    r"|(?:before|when|on) (?:going to (?:bed|sleep)|retiring)"
    # "8 mg morning and 4 mg evening"
    r"|(?:morning|midday|noon|evening|(?<!day and )night|bedtime)(?=[.,;)]| *$| (?:and|plus) (?:[0-9]|"
    rf"{IN_WORDS} )| [0-9])"
    r"|(?:before|with|after) (?:bed|breakfast|lunch|dinner|supper|(?:the |her |his |your )?(?:evening"
    r"|midday|main) meal))(?![a-z])"
)
# Between a time of day and how often: "with breakfast on alternate days", "weekly, 35 mg on rising"
BESIDE_TIME = re.compile(
    r"[,:]?(?: (?!(?:and|then|or|to|for|followed|plus|after|but|until|from)[ ,])[a-z-]+){0,3}[,:]? "
)
# "in the morning and two in the evening"
AGAIN = re.compile(
    r"(?:,? (?:and|plus)|,) (?:again|another(?: (?!in |at |with |on |before |after )[a-z]+)?"
    rf"|the same(?: again)?|{IN_WORDS}|[0-9]) (?=[a-z])"
)
# "at 7, 11, 15 and 19 o'clock", "at 8 am and 8 pm"
_CLOCK = r"[0-2]?[0-9](?:[:.][0-5][0-9])?(?: ?(?:[ap]\.?m\b\.?|h(?:ours|rs)?\b|o'clock))?"
CLOCKS = re.compile(
    rf"at {_CLOCK}(?:(?:, | and |, and )(?:at )?{_CLOCK})+(?![0-9a-z%/])"
    # "at 7 am, 5 mg at noon"
    r"(?! ?(?:m?c?g|µg|ml|units?|iu|mmol|tablets?|capsules?|puffs?|drops?)(?![a-z]))"
    # "at 2, 4 and 6 months of age"
    r"(?!(?: (?:or|and) [0-9]{1,2})?[ -](?:months?|years?)(?![a-z]))"
)
CLOCK = re.compile(_CLOCK)
# "at 0, 12 and 24 hours": after the first dose, not by the clock
HOURS_LATER = ("24", "25", "26", "27", "28", "29")
# "every Monday", "on Mondays and Thursdays"
_DAY_NAMES = ("mon", "tues", "wednes", "thurs", "fri", "satur", "sun")
_WEEKDAY = f"(?:{'|'.join(_DAY_NAMES)})day"
_SHORT_DAY = rf"(?:{_WEEKDAY}|(?:mon|tues?|wed|thu(?:rs?)?|fri|sat|sun)(?![a-z]))"
_NEXT_DAY = rf"(?:, | and |, and | & |/){_WEEKDAY}s?"
WEEKDAYS = re.compile(
    rf"(?:(?:every|each) {_WEEKDAY}s?|(?:on )?{_WEEKDAY}s|on {_WEEKDAY}(?=(?:, {_WEEKDAY})+,? and))"
    rf"(?:{_NEXT_DAY})*(?: only)?(?![a-z])"
)
# The same after an amount: "Monday, Wednesday and Friday", "Mon/Wed/Fri"
DAYS_OF_WEEK = re.compile(
    rf"(?:on )?{_WEEKDAY}(?:{_NEXT_DAY})+(?![a-z])|{_SHORT_DAY}(?:(?:/|, ){_SHORT_DAY})+(?![a-z])"
)
WORKING_DAYS = re.compile(
    r"(?:on )?(?:weekdays|working days|monday(?:s? to | through |-)friday|mon(?: to "
    r"|-)fri)s?(?: only)?(?![a-z])"
)
WEEKENDS = re.compile(r"(?:at|on) (?:the )?weekends?(?![a-z])")
# "with each of her three meals", "for each of two daily doses"
MEALTIMES = re.compile(
    rf"(?:with|before|after|at|for|in) (?:each of (?:the |her |his |your )?|all )({_NUMBER}) (?:main "
    rf"|daily )?"
    r"(?:meals|feeds|doses|times|portions)(?![a-z])"
)
# "After each of three meals and again before bed"
AND_AT_NIGHT = re.compile(
    r",? (?:and|plus) (?:again )?(?:at|before|after|on|with) (?:an? |the |her |his |your )?"
    r"(?:bed|bedtime|night|going to bed|retiring)(?![a-z])"
)
# "over the whole day", "in the day overall"
WHOLE_DAY = re.compile(
    r"(?:(?:over|in|for|across) the (?:whole |entire |course of the )day|(?:once )?in (?:the|a) day)(?: "
    r"overall| in all)?(?![a-z])"
)

# "tablets a day", after a number that is elsewhere: "three 100 mg tablets a day"
ITEMS_IN = re.compile(
    rf"(?:tablets?|capsules?|puffs?|sprays?|drops?|sachets?|patch|patches|doses?|injections?)"
    rf" (?:an?|per|each|every) {_PERIOD}(?![a-z])"
)

# Words that may begin a frequency; a code such as q12h begins with "q".
FREQUENCY_WORDS = {
    *CODES, *ADVERBS,
    "once", "twice", "thrice", "every", "each", "alternate", "at", "in", "before", "with",
    "after", "on", "upon", "over", "for", "across", "when", "first", "intervals",
    "next", "per", "morning", "mornings", "breakfast", "tablet",
    "tablets", "capsule", "capsules", "puff", "puffs", "spray", "sprays", "drop", "drops", "sachet",
    "sachets", "patch", "patches", "cycle", "cycles", "evening", "night", "noon", "midday", "bedtime",
    "bis", "ter", "half", "semi", "half-yearly", "semiannually", "halfyearly", "weekdays", "working",
    *(f"{day}day{end}" for day in _DAY_NAMES for end in ("", "s")),
    "mon", "tue", "tues", "wed", "thu", "thur", "thurs", "fri", "sat", "sun",
}  # fmt: skip

# "two in the morning", "two capsules in the morning"
NUMBER_BEFORE = re.compile(
    rf"(?<![a-z0-9])({_NUMBER})(?: (?:tablet|capsule|puff|sachet|drop|spray|unit)s?)? $"
)
NUMBER_BEGINS = re.compile(_NUMBER)
NUMBER_NEXT = re.compile(rf",? (?:(?:about|another|only) )?(?:an?(?![a-z])|{_NUMBER})")
# One look for all that `_of_word` tries in turn: at most words of FREQUENCY_WORDS none of it begins.
ANY_OF_WORDS = re.compile(
    "|".join(
        pattern.pattern
        for pattern in (
            MEALS, PHRASE, TIMES, EVERY, CODED, CLOCKS, WEEKDAYS, DAYS_OF_WEEK, WORKING_DAYS, WEEKENDS,
            ITEMS_IN, WHOLE_DAY, MEALTIMES, ONCE,
        )
    )
)  # fmt: skip
Range = tuple[Fraction, Fraction]
# (lowest, highest) a "day" or a "month", which, and where it ends.
Frequency = tuple[Range, str, int]


def read_frequency(text: str, raw: str, start: int, after_amount: bool) -> Frequency | None:
    """The frequency that begins at `start`: (lowest, highest) a "day" or a "month", which, and where it ends.

    Args:
        text: evened, lower case.
        raw: the same text in its own letter case, which tells BID from the verb "bid".
        start: beginning of a word or number.
        after_amount: whether an amount ends shortly before.
    """
    return (_of_number if NUMBER_BEGINS.match(text, start) else _of_word)(text, raw, start, after_amount)


def _of_word(text: str, raw: str, start: int, after_amount: bool) -> Frequency | None:
    """A frequency that begins with a word: "twice daily", "every 6 hours", "at breakfast and dinner"."""
    if ANY_OF_WORDS.match(text, start) is None:
        return _single_word(text, raw, start, after_amount)
    if (match := MEALS.match(text, start)) is not None:
        meals = len(re.findall(_MEAL, match.group()))
        return (meals, meals), "day", match.end()
    if (match := PHRASE.match(text, start)) is not None:
        rate, unit = PHRASE_RATES[match.lastgroup]
        return (rate, rate), unit, match.end()
    if (match := TIMES.match(text, start)) is not None:
        return _times(match)
    if (match := EVERY.match(text, start)) is not None:
        ordinal, low, high, period = match.groups()
        factor = ORDINALS[ordinal] if ordinal else 1
        return _interval(low, high, period, factor, match.end())
    if (match := CODED.match(text, start)) is not None:
        return _interval(*match.groups(), 1, match.end())
    if after_amount and (match := CLOCKS.match(text, start)) is not None:
        clocks = CLOCK.findall(match.group())
        if not any(clock.startswith(HOURS_LATER) for clock in clocks):
            return (len(clocks),) * 2, "day", match.end()
    if (match := WEEKDAYS.match(text, start)) is not None:
        days = Fraction(len(re.findall(_WEEKDAY, match.group())), 7)
        return (days, days), "day", match.end()
    if after_amount and (match := DAYS_OF_WEEK.match(text, start)) is not None:
        days = Fraction(len(re.findall(_SHORT_DAY, match.group())), 7)
        return (days, days), "day", match.end()
    if (match := WORKING_DAYS.match(text, start)) is not None:
        return (Fraction(5, 7),) * 2, "day", match.end()
    if after_amount and (match := WEEKENDS.match(text, start)) is not None:
        return (Fraction(2, 7),) * 2, "day", match.end()
    if after_amount and (match := ITEMS_IN.match(text, start)) is not None:
        return _interval(None, None, match.group(1), 1, match.end())
    if (match := WHOLE_DAY.match(text, start)) is not None:
        return (1, 1), "day", match.end()
    if (match := MEALTIMES.match(text, start)) is not None:
        again = AND_AT_NIGHT.match(text, match.end())
        times = _number(match.group(1)) + (again is not None)
        return (times, times), "day", (again or match).end()
    if after_amount and (match := ONCE.match(text, start)) is not None:
        again = AGAIN.match(text, match.end())
        count = again and NUMBER_BEGINS.search(again.group())
        before = count and NUMBER_BEFORE.search(text, max(0, start - 20), start)
        if before and before.group(1) != count.group():
            again = None  # "one in the morning and two at night"
        second = again and ONCE.match(text, again.end())
        if text.startswith(
            " and ", match.end()
        ):  # "on waking and at bedtime", but not "… and at bedtime 5 mg"
            second = second or ONCE.match(text, match.end() + len(" and "))
            if second and NUMBER_NEXT.match(text, second.end()):
                second = None
        return ((2, 2), "day", second.end()) if second else ((1, 1), "day", match.end())
    return _single_word(text, raw, start, after_amount)


def _of_number(text: str, raw: str, start: int, after_amount: bool) -> Frequency | None:
    """A frequency that begins with a number: "3 times a day", "12-hourly", "two days a week"."""
    if (match := TIMES.match(text, start)) is not None:
        return _times(match)
    if (match := INTERVAL.match(text, start)) is not None:
        return _interval(*match.groups(), 1, match.end())
    if (match := SCHEME.match(text, start)) is not None and "1" in match.group():
        return (match.group().count("1"),) * 2, "day", match.end()
    if (match := DAYS.match(text, start)) is not None:
        length, unit = PERIODS[match["period"] or "week"]
        return (quotient(_number(match.group(1)), length),) * 2, unit, match.end()
    return None


SINGLE = re.compile(r"[a-z](?:\.[a-z])+\.?|[a-z]+")


def _single_word(text: str, raw: str, start: int, after_amount: bool) -> Frequency | None:
    """A code (BID, b.i.d.) or an adverb (daily)."""
    match = SINGLE.match(text, start)
    if match is None:
        return None
    dotted = "." in match.group()
    word = match.group().replace(".", "")
    if word in DOTTED_ONLY and not (dotted and after_amount):
        return None
    if word in CODES:
        capitals = raw[start : match.end()].isupper()
        if word in AMBIGUOUS and not (dotted or capitals or after_amount):
            return None
        value = CODES[word]
        return (value, value), "day", match.end()
    if word in ADVERBS and not dotted:
        if word == "daily" and DAILY_LIFE.match(text, match.end()):
            return None
        value, unit = ADVERBS[word]
        return (value, value), unit, match.end()
    return None


def _number(word: str) -> Fraction:
    return read_number(word, 0)[0]


def _times(match: re.Match[str]) -> Frequency | None:
    """ "once or twice daily", "2-3 times a day", "three times in 24 hours" """
    word, other_word, low, high, adverb, count, period = match.groups()
    names = {"once": 1, "twice": 2, "thrice": 3, "three times": 3}
    if word:
        lowest = names[word]
        highest = names[other_word] if other_word else lowest
    else:
        lowest = _number(low)
        highest = _number(high) if high else lowest
    if adverb:
        rate, unit = ADVERBS[adverb]
    else:
        length, unit = PERIODS[period] if period in PERIODS else PERIODS[period.rstrip("s")]
        length *= _number(count) if count else 1
        if not length:
            return None
        rate = quotient(1, length)
    return (lowest * rate, highest * rate), unit, match.end()


def _interval(low: str | None, high: str | None, period: str, factor: Fraction, end: int) -> Frequency | None:
    """ "every 4 to 6 hours" is 4 to 6 times a day"""
    length, unit = PERIODS[period] if period in PERIODS else PERIODS[period.rstrip("s")]
    shortest = (_number(low) if low else 1) * length * factor
    longest = (_number(high) if high else 1) * length * factor if high else shortest
    if not shortest or not longest:
        return None
    rates = sorted((quotient(1, longest), quotient(1, shortest)))
    return (rates[0], rates[1]), unit, end


def show_frequency(rate: Range, unit: str) -> str:
    """ "2 a day", "4-6 a day", "every 28 days", "every 3 months" """
    low, high = rate
    if high >= 1 or not low:
        numbers = show(low) if low == high else f"{show(low)}-{show(high)}"
        return f"{numbers} a {unit}"
    longest, shortest = (show(quotient(1, times)) for times in (low, high))
    lengths = shortest if low == high else f"{shortest}-{longest}"
    return f"every {lengths} {unit}s"


def show_time(time: Range, unit: str) -> str:
    """A time in days or months, in the largest unit that needs no fraction: "6-24 hours", "65 years"."""
    scales = {"day": (("day", 1), ("hour", 24), ("minute", 1440), ("second", 86400)),
              "month": (("year", Fraction(1, 12)), ("month", 1))}  # fmt: skip
    for name, scale in scales[unit]:  # noqa: B007 - the last name stays when none fits
        low, high = (value * scale for value in time)
        if low.denominator == high.denominator == 1:
            break
    numbers = show(low) if low == high else f"{show(low)}-{show(high)}"
    return f"{numbers} {name}" + ("" if numbers == "1" else "s")
