"""Amounts that no unit shows: shares of a dose or of patients, counted things, days, concentrations."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from medqa.clinical.notation.numbers import (
    COUNTS,
    IN_WORDS,
    ORDINALS,
    PARTS,
    PHRASE,
    WORDS,
    quotient,
    read_number,
)
from medqa.clinical.notation.units import ANY_ITEM, ITEM_SPELLINGS, SPELLINGS
from medqa.clinical.notation.word_forms import canonical
from medqa.clinical.quantities.items import OF_STRENGTHS
from medqa.clinical.quantities.quantity import Quantity, is_inside
from medqa.clinical.words import words

# "one quarter of the usual dose", "3/4 of the dose"
SHARE = re.compile(
    r"(?<![a-z0-9/.])((?:an?|one|two|three) (?:half|halves|thirds?|quarters?|fifths?|tenths?)|half"
    r"|[1-9]/[1-9]0?)"
    r"(?: \([0-9]{1,3} ?%\))?(?: of)?(?: (?!(?:and|or|to|then|than|mg|once|twice) )[a-z]+){0,4}?"
    r" (?:dos(?:e|age)|amount)s?(?![a-z])"
)
# "the dose is halved", "double the dose"
CHANGE = re.compile(
    r"\b(?:(?P<half>halv(?:e|ed|es|ing)|in half|by half|by one half)|(?P<double>doubl(?:e|ed|es|ing)"
    r"|twice the (?:[a-z]+ ){0,2}dose)"
    r"|(?P<triple>tripl(?:e|ed|es|ing)|trebl(?:e|ed|es|ing)"
    r"|three times the (?:[a-z]+ ){0,2}dose))\b"
)
CHANGES = {"half": Fraction(1, 2), "double": 2, "triple": 3}
# "reduce the dose by a third", "by 50 %"
REDUCED_BY = re.compile(
    r"\b(?:(?P<up>increas|rais|go(?:es)? up)|reduc|lower|decreas|cut|drop)[a-z]*"
    r"[^.;]{0,40}? by (?:(?:about )?(?P<percent>[1-9][0-9]?) ?(?:%|per ?cent)"
    r"|(?:a|one)[ -](?P<part>third|quarter|fifth|tenth))(?![a-z])"
)
# "a quarter of patients", "two-thirds of those treated", "half the women"
PEOPLE = (
    "patients|people|persons|adults|children|women|men|cases|those|them|users|babies|infants|recipients|pregnancies"
    "|individuals|participants|survivors|attacks|episodes|infections"
)
SHARE_OF_PEOPLE = re.compile(
    r"(?<![a-z0-9/.])(?:(?P<count>an?|one|two|three|four|five|six|seven|eight|nine)[ -])?"
    r"(?P<part>half|thirds?|quarters?|fifths?|sixths?"
    rf"|tenths?) (?:of )?(?:(?:all|the|these|his|her) )?(?:[a-z]+ ){{0,2}}?(?:{PEOPLE})(?![a-z])"
)
# "twice the risk", "three times the odds", "the risk is halved", "half as likely"
_RISK = "(?:risk|chance|odds|likelihood|incidence|probability|mortality|(?<!infusion )(?<!flow )rate)s?"
# One of these is in every text that names a relative risk.
RISKS = (
    "risk",
    "chance",
    "odds",
    "likel",
    "inciden",
    "probab",
    "mortality",
    "rate",
    " as common",
    " as frequent",
)
_TIMES = (
    r"(?:(?P<half{0}>half|halv(?:e|es|ed|ing))|(?P<double{0}>twice|doubl(?:e|es|ed|ing))"
    r"|(?P<triple{0}>tripl(?:e|es|ed|ing))|(?P<count{0}>[2-9]|1[0-9]|" + IN_WORDS + ")[ -]?(?:times|fold))"
)
RISK = re.compile(
    rf"(?<![a-z0-9.])(?:{_TIMES.format(1)} (?:the|their|her|his|your|an?) (?:[a-z]+ ){{0,2}}?{_RISK}(?![a-z])"
    rf"|{_RISK} (?:[a-z]+ ){{0,3}}?{_TIMES.format(2)}(?= *[.,;:)\n]| *$| (?:with|by|in|for|after)(?![a-z]))"
    rf"|{_TIMES.format(3)} as (?:likely|common|frequent)(?![a-z])"
    rf"|{_RISK} (?:[a-z]+ ){{0,5}}?{_TIMES.format(4)} as (?:high|great|large)(?![a-z]))"
)
BASELINE = re.compile(
    r"\b(?:(?P<double>doubl(?:e|ed|es|ing))|(?P<triple>tripl(?:e|ed|es|ing)|trebl(?:e|ed|es|ing)))"
    r" (?:(?:from|of|over|above|against|the|its|her|his) ){0,2}baseline"
)
# A patch that is worn for three days is changed every third day.
WORN = re.compile(
    r"\b(?:worn|wear|left on|kept on|stays? on|remains? on|on the skin|in place)(?: [a-z]+){0,2}? for"
    r" (?:up to |about |a full )?$"
)
# "300 units in 3 mL", "1 mL of 1 % lidocaine contains 10 mg"
IN_VOLUME = re.compile(
    r" (?:of [a-z]+ )?(?:in|made up to|diluted (?:in|to)) (?:an? )?(?:total (?:volume )?of )?"
)
CONTAINS = re.compile(
    r"[^.;]{0,40} (?:contain|hold|ha[sv]|suppl|deliver|provid|giv)(?:e|es|s|ies|y|ing)? (?:about )?"
)
PERCENT_OF = 100  # mL
ITEM = re.compile(ANY_ITEM)
# "20 of the 25,000-unit capsules", "three of the fentanyl 25 µg/h patches", "six 50 mg tablets"
SOME_OF = re.compile(
    rf"(?<![a-z0-9.,/-])(?<!and a )(?P<count>{PHRASE})(?: of (?:the|her|his|your|an?|one)| ?x)?"
    r" (?:(?!and |or |to |then )[a-z0-9,.µ/-]+ ){1,3}?"
    rf"(?P<item>{ANY_ITEM})(?![a-z])"
)
# "each litre contains 20 mmol"
EACH_VOLUME = re.compile(
    r"\b(?:each|every|an?|per) (?P<volume>lit(?:er|re)|millilit(?:er|re)|ml|l)(?: of (?:the )?"
    r"(?:[0-9.]+ ?% )?(?:[a-z0-9'-]+ ){1,4}| )"
    r"(?:(?:of|should|must|will|may|to|the|bag|solution|has|have|is|was|also|just|only|in) ){0,3}?"
    r"(?:contain(?:s|ing)?|ha[sv]e?|holds?|gets?|receives?|provides?|supplies|delivers?|carr(?:ies|y)|gives?"
    r"|yields?|brings?|takes?|comes with|(?:supplemented|enriched|prepared|loaded|made up|filled) with) "
    r"(?:about )?$"
)
# "up to three times, five minutes apart"
REPEATS = re.compile(
    rf"(?:\bup to|\bat most|\bmaximum(?: of)?|\btotal of"
    rf"|\brepeat(?:ed)?|\bno more than|\bnot more than)"
    rf" (?:(?:up to|at most|a maximum of|another) )?(?P<count>[0-9]{{1,2}}|{IN_WORDS}) times"
    r"(?= *[.;:,)\n]| *$| at | if | when | until | with | before )"
    r"(?!,? ?(?:an?|per|each|every|daily|weekly)(?![a-z]))"
)
# "two miscarriages", "four previous strokes", "one pool of platelets"
THINGS = re.compile(
    rf"(?<![a-z0-9.,/:-])(?P<low>[0-9]{{1,3}}(?:\.[0-9](?= [mb]illion))?|{IN_WORDS})"
    rf"(?:(?: to | or |-)(?P<high>[0-9]{{1,3}}"
    rf"|{IN_WORDS}))?"
    r" (?P<first>[a-z]{3,})(?: (?P<second>[a-z]{4,}))?"
)
# "1 per million people": the base of a rate counts nothing.
BASE = re.compile(r"(?:\bper |[0-9] ?)$")
# What is no thing that is counted: words that end what is counted, units, and what numbers are in sentences.
NO_THINGS = (
    words(
        "times others lots parts ways cases ones days weeks hours minutes months years points degrees doses "
        "this his its was has less plus minus versus thus always perhaps besides towards"
    )
    | SPELLINGS.keys()
    | WORDS.keys()
)
ENDS = words(
    "the and but for with from that this then than was were has had are per more less out off due yet "
    "not who "
    "which when while after before over under into onto about above below each every since until during"
)
# "One pen contains 0.3 mg" counts no pens.
CONTENT_AFTER = re.compile(r"[a-z]+ (?:contains?|holds?|has|gives?|delivers?|provides?|supplies)(?![a-z])")
PERSON = re.compile("patients?|people|persons?|participants?|subjects|volunteers|individuals")
# "Three divided doses" are one daily amount.
UNITS_OF_DOSES = words("divided equal equally separate daily")
IRREGULAR_PLURALS = words("people children women men teeth feet bacteria")
NUMBERED_THINGS = ("day", "stage", "grade", "class", "step", "trimester", "cycle", "type", "line")
# "on day seven", "on the 7th day", "stage 3": the number of a day or grade
NUMBERED = re.compile(
    rf"(?<![a-z0-9-])(?:(?P<what>{'|'.join(NUMBERED_THINGS)}) (?P<number>[0-9]{{1,2}}"
    rf"|{IN_WORDS}|i{{1,3}}|iv)"
    rf"|(?P<ordinal>[0-9]{{1,2}}(?:st|nd|rd|th)|{'|'.join(ORDINALS)})[ -](?P<of>day|stage|grade"
    rf"|trimester|cycle))"
    r"(?![a-z0-9]|\.[0-9]|-[0-9]| ?%| (?:m?c?g|ml)\b)"
)
ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4}


def portions(quantities: Sequence[Quantity], lower: str) -> Iterator[Quantity]:
    """The amounts of a text in lower case that `quantity_reader` leaves out and that can be wrong."""
    yield from _shares(lower)
    yield from _shares_of_people(lower)
    yield from _some_of(lower, quantities)
    yield from _things(lower, quantities)
    yield from _numbered(lower)
    yield from _repeats(lower)
    yield from _risks(lower)
    yield from _of_baseline(lower)
    yield from _worn(quantities, lower)
    yield from _strengths(quantities, lower)


def described(quantities: Sequence[Quantity], lower: str) -> set[int]:
    """Where amounts begin that only say how strong something is: "each 5 mL contains 250 mg; take 10 mL"."""
    of_volume = {one.start for one in quantities if one.unit in OF_STRENGTHS and _each_volume(one, lower)}
    if sum(one.unit == "mL" for one in quantities) < 2:
        return of_volume
    pairs = [
        (one, two)
        for one, two in pairwise(quantities)
        if one.unit == "mL" and two.unit in ("mg", "IU", "mmol")
    ]
    percents = {one.values[0][0] for one in quantities if one.unit == "%" and one.values}
    of_volume |= {
        one.start
        for amount, volume in pairwise(quantities)
        if amount.unit == "mg"
        and volume.unit == "mL"
        and volume.values[0][0] == PERCENT_OF
        and quotient(amount.values[0][0], 1000) in percents
        and IN_VOLUME.fullmatch(lower[amount.end : volume.start])
        for one in (amount, volume)
    }  # "1 % means 1 g in 100 mL"
    return of_volume | {
        one.start for pair in pairs if CONTAINS.fullmatch(lower[pair[0].end : pair[1].start]) for one in pair
    }


def _each_volume(amount: Quantity, lower: str) -> re.Match[str] | None:
    """The words before an amount that make it a concentration: "each litre contains"."""
    return EACH_VOLUME.search(lower, max(0, amount.start - 70), amount.start)


def _strengths(quantities: Sequence[Quantity], lower: str) -> Iterator[Quantity]:
    """Concentrations: 100 IU/mL for "300 units in 3 mL", 10 mg/mL for "1 mL contains 10 mg"."""
    for amount in quantities:
        volume = _each_volume(amount, lower) if amount.unit in OF_STRENGTHS else None
        if volume is not None:
            factor = 1 if volume["volume"][0] == "l" else 1000
            values = tuple((low * factor, high * factor) for low, high in amount.values)
            yield replace(amount, unit=f"{amount.unit}/L", values=values)
    for first, second in pairwise(quantities):
        between = lower[first.end : second.start]
        if second.unit == "mL" and IN_VOLUME.fullmatch(between):
            amount, volume = first, second
        elif first.unit == "mL" and CONTAINS.fullmatch(between):
            amount, volume = second, first
        else:
            continue
        if amount.unit in ("mg", "IU", "mmol") and volume.values[0][0]:
            values = tuple(
                (quotient(low * 1000, volume.values[0][1]), quotient(high * 1000, volume.values[0][0]))
                for low, high in amount.values
            )
            yield replace(amount, unit=f"{amount.unit}/L", values=values, start=first.start, end=second.end)


def _shares(lower: str) -> Iterator[Quantity]:
    """Shares of a dose: 3/4 for "three quarters of the usual dose", 2 for "double the dose"."""
    if "dos" not in lower and "amount" not in lower:
        return
    for match in SHARE.finditer(lower):
        written = match.group(1)
        above, _, below = written.partition("/") if "/" in written else written.rpartition(" ")
        count = read_number(above, 0)[0] if above and above not in ("a", "an") else 1
        yield _amount("of a dose", match, quotient(count, int(below) if below.isdigit() else _part(below)))
    for match in CHANGE.finditer(lower):
        yield _amount("of a dose", match, CHANGES[match.lastgroup])
    for match in REDUCED_BY.finditer(lower):
        by = Fraction(int(match["percent"]), 100) if match["percent"] else Fraction(1, _part(match["part"]))
        yield _amount("of a dose", match, 1 + by if match["up"] else 1 - by)


def _part(word: str) -> int:
    """3 for "third" and "thirds", 2 for "halves"."""
    return PARTS.get(word) or PARTS[word.removesuffix("s")]


def _shares_of_people(lower: str) -> Iterator[Quantity]:
    """Percentages in words: 75 % for "three quarters of patients"."""
    for match in SHARE_OF_PEOPLE.finditer(lower) if any(map(lower.__contains__, PARTS)) else ():
        count = COUNTS.get(match["count"] or "", 1)
        yield _amount("%", match, Fraction(100 * count, _part(match["part"])))


def _amount(unit: str, match: re.Match[str], low: Fraction, high: Fraction | None = None) -> Quantity:
    values = ((low, low if high is None else high),)
    return Quantity("amount", unit, values, start=match.start(), end=match.end(), number=low)


def _some_of(lower: str, quantities: Sequence[Quantity]) -> Iterator[Quantity]:
    """Numbers of tablets whose strength or name is between: 2 for "two of the 5 mg tablets"."""
    for match in SOME_OF.finditer(lower) if ITEM.search(lower) else ():
        number = read_number(lower, match.start())
        if number is not None and not is_inside(quantities, match.start()):
            found = _amount(ITEM_SPELLINGS[match["item"]], match, number[0])
            yield replace(found, end=match.end("count"))


def _things(lower: str, quantities: Sequence[Quantity]) -> Iterator[Quantity]:
    """Counted things: 4 for "four previous miscarriages", under the name of the thing in one form."""
    for match in THINGS.finditer(lower):
        if is_inside(quantities, match.start()) or is_inside(quantities, match.start("first")):
            continue
        if BASE.search(lower, max(0, match.start() - 4), match.start()):
            continue
        low = read_number(lower, match.start("low"))[0]
        high = read_number(lower, match.start("high"))[0] if match["high"] else low
        one = low == high == 1
        for name in (match["first"], match["second"]):
            if name is None or name in ENDS or (one and CONTENT_AFTER.match(lower, match.start("first"))):
                break
            thing = "people" if PERSON.fullmatch(name) else canonical(name)
            if name == "doses" and name == match["second"] and match["first"] not in UNITS_OF_DOSES:
                thing = f"{match['first']} dose"
            elif (
                name in NO_THINGS
                or thing in NO_THINGS
                or not (one or thing != name or name in IRREGULAR_PLURALS)
            ):
                continue
            # As written, 14 for "14 million": rounded to that place
            written = Fraction(match["low"]) if match["low"][0].isdigit() else low
            yield replace(_amount(f"× {thing}", match, low, high), number=written)
            if not one:
                break


def _risks(lower: str) -> Iterator[Quantity]:
    """Relative risks in words: 2 for "twice the risk" and "the risk is doubled"."""
    for match in RISK.finditer(lower) if any(map(lower.__contains__, RISKS)) else ():
        name = next(name for name, found in match.groupdict().items() if found)
        value = CHANGES.get(name[:-1]) or read_number(match[name], 0)[0]
        yield _amount("of a risk", match, value)


def _of_baseline(lower: str) -> Iterator[Quantity]:
    """Multiples of the first value in words: "has doubled from baseline" is twice the baseline."""
    for match in BASELINE.finditer(lower) if "baseline" in lower else ():
        yield _amount("x baseline", match, CHANGES[match.lastgroup])


def _worn(quantities: Sequence[Quantity], lower: str) -> Iterator[Quantity]:
    """How often a patch is changed: every third day for "worn for 72 hours"."""
    for quantity in quantities if "patch" in lower else ():
        low, high = quantity.values[0] if quantity.values else (0, 0)
        days = quantity.kind == "duration" and quantity.unit == "day" and low >= 1
        if days and WORN.search(lower[max(0, quantity.start - 50) : quantity.start]):
            yield replace(
                quantity, kind="frequency", values=((quotient(1, high), quotient(1, low)),), bound=""
            )


def _repeats(lower: str) -> Iterator[Quantity]:
    """How often a dose may be repeated: "up to three times" are at most three doses."""
    for match in REPEATS.finditer(lower) if " times" in lower else ():
        number = read_number(match["count"], 0)[0]
        yield replace(_amount("dose", match, number, number), bound="<")


def _numbered(lower: str) -> Iterator[Quantity]:
    """Days, stages and grades by their number: "day 7" and "the seventh day" are one."""
    for match in NUMBERED.finditer(lower) if any(map(lower.__contains__, NUMBERED_THINGS)) else ():
        written = match["number"] or match["ordinal"]
        number = ROMAN.get(written) or ORDINALS.get(written) or COUNTS.get(written)
        if number is None and not written[0].isdigit():
            continue
        value = int(re.match("[0-9]+", written).group()) if number is None else number
        yield _amount(f"no. of {match['what'] or match['of']}", match, value)
