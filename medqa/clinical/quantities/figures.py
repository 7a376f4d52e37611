"""Figures of a text: shares, rates, numbers of people and things, ages, times and numbered days.

`quantity_reader` reads the quantities of treatment. A text about a disease has others too: "a quarter of
cases", "4 per 1,000 men", "70,000 Americans", "13 genes", "the fourth day". Here all are in one form: a kind
and two numbers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from medqa.clinical.notation.numbers import COUNTS, read_number
from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.notation.word_forms import stem
from medqa.clinical.quantities.quantity import Quantity, is_inside
from medqa.clinical.quantities.quantity_reader import read
from medqa.clinical.words import words

_SMALL = "|".join(sorted(COUNTS, key=len, reverse=True))
_ONE = rf"(?:[0-9][0-9,]*(?:\.[0-9]+)?|{_SMALL})(?: (?:thousand|million|billion))?"
# "70,000 to 80,000 Americans", "13 faulty genes"
NUMBER = re.compile(
    rf"(?<![a-z0-9.,:/+-])(?P<low>{_ONE})(?:(?: to |-| and | or )(?P<high>{_ONE}))?(?![a-z0-9:/])"
)
# "24 in every 1,000", "4.5 to 6.8 per 1,000"
PER = re.compile(
    rf",? ?(?:[a-z]+ )?(?:in|per|out of|for|of)(?: every| each)? (?P<base>{_ONE})(?![a-z0-9/]|[.,][0-9])"
)
LEAST_BASE = 4
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
# A larger number is the product of a text that repeats itself.
LARGEST = 10**15
# "1 in 4,000 to 1 in 5,000", "1 in 50,000 to 100,000"
_BASE = "[1-9](?:[0-9]|,(?=[0-9])){0,14}"
ONE_IN = re.compile(
    rf"(?<![a-z0-9.,])(?:1|one) (?:in|per|out of) (?:every )?(?P<high>{_BASE})(?: to |-| and )"
    rf"(?:(?:1|one) (?:in|per) (?:every )?)?(?P<low>{_BASE})(?![a-z0-9/]|[.,][0-9])"
)
# "One-third of females", "three quarters have", "half of men", but not "a quarter of an hour"
PART = re.compile(
    r"\b(?:(?P<count>an?|one|two|three|four|nine)[ -](?P<part>half|third|quarter|fourth|fifth|tenth)s?"
    r"(?! (?:dose|day|week|month|year|trimester|time|(?:of )?(?:an? )?(?:hour|tablet|dose)))"
    r"|(?P<half>half|quarter) (?:of|the)(?! (?:an?|dose|hour|tablet)))(?![a-z])"
)
SIZES = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "tenth": 10}
PART_COUNTS = {"one": 1, "two": 2, "three": 3, "four": 4, "nine": 9}
_NAMES = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
ORDINALS = {word: number for number, word in enumerate(_NAMES.split(), 1)}
# "The fourteenth day", "the 3rd week"
ORDINAL = re.compile(
    rf"\b(?P<number>{'|'.join(ORDINALS)}|[0-9]{{1,2}}(?:st|nd|rd|th))"
    r" (?P<unit>day|week|month|year|decade)(?![a-z])"
)
# "Postoperative days 3 to 8"
NUMBERED = re.compile(
    r"\b(?P<unit>day|week)s? (?P<low>[0-9]{1,2})(?:(?: to |-| and )(?P<high>[0-9]{1,2}))?"
    r"(?![0-9a-z/]|[.,][0-9])"
)
# "150 quarts per day" happens no 150 times.
AMOUNT_A_DAY = re.compile("[0-9] (?!times?|doses?)[a-z]+ (?:[a-z]+ ){0,3}(?:per|a|an|each|every) ")
# "Men in their 70s" are no seconds, and "4 g in 24 hours" takes no day.
NO_DURATION = re.compile(
    r"\bcouple|\b(?:their|his|her|the) [1-9]0s$|(?:in|per|any|every|/) ?(?:24 ?h|1 day|one day)[a-z]*$"
)
# "Fell from about 50 % to 5 %"
FROM, TO = re.compile(r"\bfrom (?:[a-z]+ )?$"), re.compile(" to (?:[a-z]+ )?[0-9]")
# "1 in 10 000"
THOUSANDS = re.compile(" ?[0-9]{3}")
NOUN = re.compile(" (?P<first>[a-z]{3,}(?:-[a-z]+)*)(?: (?P<second>[a-z]{3,}))?")
NO_NOUN = words(
    "and the for with that than from are were was has have had but percent per cent years months days weeks "
    "hours minutes year month day week hour other types type more less out each every which who can may when "
    "while million thousand billion will should must not its their his her this these those into after before"
)
PEOPLE = words(
    "people persons individuals patients americans men women males females children boys girls adults babies "
    "infants newborns births population cases residents inhabitants families person individual"
)
# So large a number after a word for people is one of people.
MANY = 1000
WORD = re.compile("[a-z]+")


@dataclass(frozen=True)
class Figure:
    """A figure of a text.

    Attributes:
        kind: "share", "people", "things <noun>", "numbered day", or kind and unit of a quantity: "age month".
        low, high: its ends; a share is at most 1.
        start, end: its place in the plain text.
        bound: ">", "<" or "".
    """

    kind: str
    low: float
    high: float
    start: int
    end: int
    bound: str = ""


@lru_cache(maxsize=KEPT_TEXTS)
def figures(text: str) -> tuple[Figure, ...]:
    """The figures of a text, in order."""
    lower, quantities = forms(text)[2], read(text)
    found = list(_patterned(lower))
    taken = [(one.start, one.end) for one in found]
    for quantity in quantities:
        if not any(start <= quantity.start < end for start, end in taken):
            found += _of_quantity(quantity, lower)
    end = 0
    for match in NUMBER.finditer(lower):
        start = match.start()
        if start < end or is_inside(quantities, start):
            continue
        if not any(begin <= start < stop for begin, stop in taken):
            for figure in _of_number(match, lower):
                found.append(figure)
                end = figure.end
    return tuple(sorted(found, key=lambda one: one.start))


def _patterned(lower: str) -> Iterator[Figure]:
    """The figures that are no numbers of something: parts, "1 in 5 to 10", numbered days."""
    for match in ONE_IN.finditer(lower):
        high, low = (int(match[end].replace(",", "")) for end in ("high", "low"))
        if 1 < high <= low:
            yield Figure("share", 1 / low, 1 / high, *match.span())
    for match in PART.finditer(lower):
        share = PART_COUNTS.get(match["count"], 1) / SIZES[match["part"] or match["half"]]
        if share < 1:
            yield Figure("share", share, share, *match.span())
    for match in ORDINAL.finditer(lower):
        number = ORDINALS.get(match["number"]) or int(match["number"][:-2])
        yield Figure(f"numbered {match['unit']}", number, number, *match.span())
    for match in NUMBERED.finditer(lower):
        low, high = int(match["low"]), int(match["high"] or match["low"])
        yield Figure(f"numbered {match['unit']}", low, high, *match.span())


def _of_quantity(quantity: Quantity, lower: str) -> Iterator[Figure]:
    """The figure that a quantity is, if it is one that says something of a disease."""
    kind, start, end = quantity.kind, quantity.start, quantity.end
    if not quantity.values or quantity.values[0][1] > LARGEST:
        return
    low, high = map(float, quantity.values[0])
    if kind == "ratio":
        least, base = map(float, quantity.values[-1])
        # The strength of a solution is no share: "1:1,000".
        if least == base > high > 0 and ":" not in lower[start:end] and not THOUSANDS.match(lower, end):
            yield Figure("share", low / base, high / base, start, end, quantity.bound)
    elif kind == "amount" and quantity.unit == "%":
        if not (FROM.search(lower[max(0, start - 20) : start]) and TO.match(lower, end)):
            yield Figure("share", low / 100, high / 100, start, end, quantity.bound)
    elif kind in ("age", "duration", "frequency", "amount", "score"):
        no_time = kind == "duration" and NO_DURATION.search(lower[max(0, start - 8) : end])
        if not (no_time or (kind == "frequency" and AMOUNT_A_DAY.search(lower, start, end))):
            yield Figure(f"{kind} {quantity.unit}", low, high, start, end, quantity.bound)


def _of_number(match: re.Match[str], lower: str) -> Iterator[Figure]:
    """The figure that a number is with the words after it: a share, people or things."""
    ends = [read_number(lower, match.start(group)) for group in ("low", "high") if match[group]]
    if None in ends:
        return
    low, high, (start, end) = float(ends[0][0]), float(ends[-1][0]), match.span()
    scale = match["high"] and re.fullmatch("[0-9.,]+ (thousand|million|billion)", match["high"])
    if scale and match["low"][-1].isdigit():
        low *= SCALES[scale[1]]  # "2 to 3 million"
    per = PER.match(lower, end)
    base = read_number(lower, per.start("base")) if per else None
    if base is not None and base[0] >= LEAST_BASE and 0 < low <= high < base[0]:
        yield Figure("share", low / float(base[0]), high / float(base[0]), start, per.end())
        return
    noun = NOUN.match(lower, end)
    nouns = [] if noun is None else [word for word in noun.groups() if word]
    if nouns and nouns[0] in NO_NOUN:
        nouns = []
    named = PEOPLE.intersection(nouns)
    if not nouns and high >= MANY:
        before = lower[max(0, start - 60) : start]
        named = PEOPLE.intersection(WORD.findall(before, before.rfind(".") + 1))
    if not 1 < low <= high or not (nouns or named):
        return
    kind = "amount times" if nouns[:1] == ["times"] else "people"
    if not named and nouns[0] != "times":
        thing = nouns[-1] if nouns[-1] not in NO_NOUN else nouns[0]
        if not thing.endswith("s"):
            return
        kind = f"things {stem(thing)}"
    yield Figure(kind, low, high, start, end)
