"""Days of the week, clock times, pauses between courses, and single doses that are given again and again.

Each rule compares what two texts say about when something is given, in one normal form: the set of days, the
minutes after midnight, days on and days off.
"""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product

from medqa.clinical.claims.claims import Claim, Found
from medqa.clinical.notation.dates import times_of_day
from medqa.clinical.notation.names import medicine
from medqa.clinical.notation.numbers import COUNTS, read_number
from medqa.clinical.notation.text import forms
from medqa.clinical.quantities.quantity import amounts_meet

# Days that something is done on every week: "every Monday", "Mondays", "once a week on Monday"
_DAY = "(?:mon|tues|wednes|thurs|fri|satur|sun)day"
WEEKDAY = re.compile(rf"\b({_DAY})(s)?\b")
EACH_WEEK = re.compile(rf"\b(?:every|each) {_DAY}|\b{_DAY}s\b|\bweek(?:ly)?\b")
# "two weeks off", "7 days without it", "a week's break", "14 drug-free days"
_COUNT = rf"[0-9]{{1,3}}|{'|'.join(COUNTS)}"
_LENGTH = rf"(?P<count>{_COUNT}|an?) (?P<unit>day|week|month|fortnight)s?'?s?"
_PAUSE = "off|without|break|rest|free|pause|gap|interval|wash-?out"
PAUSING = re.compile(rf"\b(?:{_PAUSE}|nothing)\b")
PAUSE_AFTER = re.compile(
    rf"(?<![a-z0-9.,/-]){_LENGTH}(?: (?:of|a|the|treatment|drug|tablet|pill"
    rf"|medicine)){{0,3}}[ -](?:{_PAUSE})(?![a-z])"
)
PAUSE_BEFORE = re.compile(
    rf"\b(?:break|rest|pause|gap|off|interval|wash-?out|nothing)(?: period)?(?: of| for"
    rf"|:)? {_LENGTH}(?![a-z])"
)
# "3 weeks on 1 off"
SHORT_PAUSE = re.compile(
    rf"(?<![a-z0-9.,/-])(?:{_COUNT}) (?P<unit>day|week|month)s? on(?:,| and|/| then"
    rf"|, then)? ?(?P<count>{_COUNT}) off(?![a-z])"
)
DAYS = {"day": 1, "week": 7, "fortnight": 14, "month": Fraction(304, 10)}
SINGLE = re.compile(
    r"\b(?:(?:as|in|by) (?:a |one )?single (?:[a-z]+ )?(?:dose|injection|infusion)|single dose of|one-off"
    r"|once only|stat|one[- ]time|only once|just once|one dose only)\b"
)
# "At bedtime" alone can be once.
EACH_DAY = re.compile(r"\b(?:each|every|daily|nightly|mane|nocte|od|mornings|evenings|nights)\b")
SHORT = re.compile(
    r"\b(?:single|once only|stat|one dose|today|tonight|one day|first|day 1|day one|then|after)\b"
)


def other_days(reference: str, hypothesis: str) -> Iterator[Found]:
    """Other days of the week for something that is done every week: "Thursdays" for "Mondays"."""
    sides = [_weekdays(text) for text in (reference, hypothesis)]
    ours, theirs = (set(side) for side in sides)
    if ours and len(ours) == len(theirs) and ours != theirs:
        yield "day of the week", "value", ", ".join(sides[0]), ", ".join(sides[1])


def _weekdays(text: str) -> list[str]:
    lower = forms(text)[2]
    if "day" not in lower or EACH_WEEK.search(lower) is None:
        return []
    return [match.group(1) for match in WEEKDAY.finditer(lower)]


def other_times(reference: str, hypothesis: str) -> Iterator[Found]:
    """Clock times of a day, at least two, of which some are other ones: "7 and 19 h" for "7, 11 and 19 h"."""
    ours, theirs = (dict(times_of_day(forms(text)[2])) for text in (reference, hypothesis))
    if min(len(ours), len(theirs)) >= 2 and ours.keys() != theirs.keys() and ours.keys() & theirs.keys():
        yield "time of day", "value", ", ".join(ours.values()), ", ".join(theirs.values())


def other_pause(reference: str, hypothesis: str) -> Iterator[Found]:
    """The only pause of each text between courses, of another length: "two weeks off" for "one week off"."""
    ours, theirs = (_pauses(text) for text in (reference, hypothesis))
    if len(ours) == len(theirs) == 1 and ours.keys() != theirs.keys():
        yield "pause", "value", *ours.values(), *theirs.values()


def _pauses(text: str) -> dict[Fraction, str]:
    """The pauses of a text in days, each with its words."""
    lower = forms(text)[2]
    found: dict[Fraction, str] = {}
    if not PAUSING.search(lower):
        return found
    for pattern in (SHORT_PAUSE, PAUSE_AFTER, PAUSE_BEFORE):
        for match in pattern.finditer(lower):
            number = read_number(f"{match['count']} ", 0) if match["count"] not in ("a", "an") else (1, 0)
            if number is not None:
                found[number[0] * DAYS[match["unit"]]] = match.group()
    return found


def repeated_single(ours: Sequence[Claim], theirs: Sequence[Claim]) -> Iterator[Found]:
    """An amount that one text gives as a single dose and the other every day or week."""
    for number, (side, others) in enumerate(((ours, theirs), (theirs, ours))):
        if any(
            claim.quantity.kind == "frequency" or (claim.dose and claim.role == "maximum") for claim in side
        ):
            continue  # "a single dose of 400 mg, within 24 hours not above 1,200 mg"
        for one, other in product(side, others):
            if not (one.dose and other.dose and medicine(one.subject) and one.subject == other.subject):
                continue
            again = other.times_a_day and not one.dose.frequency and not SHORT.search(other.sentence)
            again = again and (not other.at_time or EACH_DAY.search(other.sentence))
            if again and SINGLE.search(one.sentence) and amounts_meet(one.quantity, other.quantity):
                written = [one.written, other.written]
                yield one.subject, "frequency", *(written[::-1] if number else written)
                return
