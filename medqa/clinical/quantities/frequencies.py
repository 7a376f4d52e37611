"""How often an amount is given."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from medqa.clinical.notation.numbers import PARTS, quotient, read_number
from medqa.clinical.notation.schedules import BESIDE_TIME, ONCE
from medqa.clinical.quantities.quantity import Quantity

# "every 4 hours, 5 times daily": not at night
WAKING = re.compile(r",? ?\(?(?:[a-z]+,? ){0,2}\(?")
# "300 mg daily" in three parts, "a daily dose of 300 mg"
DIVIDED = re.compile(
    r"\b(?:(?:divided|split)"
    r"(?: (?:equally )?(?:into|in|by) (?P<by>two|three|four|five|six|[2-6])(?! ?[.0-9]))?"
    r"|(?:half|(?:one|a) (?P<share>third|quarter)) (?:of it )?(?:in the|at|with|before|after|each"
    r"|every) |in (?P<in>two|three|four|five"
    r"|six|[2-6]) (?:equal(?:ly)? )?(?:divided )?"
    r"(?:[a-z]+ )?(?:doses|portions|parts|injections|administrations|instalments))\b|÷"
)
DAILY_BEFORE = re.compile(
    r"\b(?:daily (?:dose|total|amount|dosage)(?: of [a-z-]+(?= is))?|total daily(?: dose)?"
    r"|dose per day|daily|(?:daily|whole "
    r"day's) [a-z]+(?: intake)?(?= is| of))(?: is| of|:)?"
    r"(?: about| approximately| roughly)? $"
    r"|\b(?:daily total|daily dose) (?:should|must|may) (?:not|never) exceed $"
)
# "one tablet three times a day supplies 300 mg"
SUPPLIES = re.compile(
    r"(?:daily|(?:a|per|each) day) (?:supplies|provides|gives|makes|delivers|amounts to|comes to|totals)"
    r"(?: about)? $"
)
# "weekly dose of 35 mg"
WEEKLY_BEFORE = re.compile(
    r"\bweekly (?:[a-z]+ )?(?:dose|total|amount|dosage)(?: of [a-z]+| is| of|:)?(?: about)? $"
)
# "the daily total is"
DAILY_AMOUNT = re.compile(r" (?:total|dos(?:e|age)|amount|intake|maximum)(?![a-z])")
OPENS_AMOUNT = re.compile(r"(?:\b(?:the|total|its|a|usual|maximum|max)|[,;:]) $")
# "40,000 units in total across the day's three meals"
WHOLE_DAY_AFTER = re.compile(
    r" (?:in (?:total|all)|altogether) (?:across|over|for|in|through|throughout|during)"
    r" (?:the |a |each |one )?(?:whole |entire )?day(?![a-z])"
    r"| (?:over|across|throughout) (?:the|one|each) (?:whole |entire )?day(?![a-z])"
)
# "900 mg over 24 hours", "900 mg IV over 24 hours"
OVER = re.compile(
    r" (?:(?!(?:and|or|then|for) )[a-z]+ ){0,4}?(?:over|in|during|across|per|every|each)(?: the"
    r"| a)?(?: first)? $"
)
# "2 g/kg in total over 5 days", "3 g spread over three days"
TOTAL_OVER = re.compile(
    r" (?:(?!(?:and|or|then|for) )[a-z]+ ){0,3}?"
    r"(?:(?:(?:in total|in all|altogether)(?:,? (?:divided|spread|split))?|divided|spread|split)"
    r"(?: [a-z]+ly)? (?:over|across|in|between)|(?:given )?over)"
    r"(?: the)? $"
)
# Words allowed between a frequency and the amount after it.
BEFORE = re.compile(r" (?:(?!(?:and|then|or|to|for|followed|plus) )[a-z-]+ ){0,3}")
# "six tablets daily in three doses"
OF_DAY = ("daily", " a day", "per day", "/day")

# "6 tablets in 24 hours", "the limit per 24 h", "20 of the 24 hours": no time that something takes
OF_A_DAY = re.compile(
    r"(?:\b(?:tablets?|capsules?|caplets?|doses|puffs|sachets|drops|sprays|m?c?g|ml|units|times|lit(?:er|re)s?)"
    r" (?:in|within|over)(?: (?:any|an?|the|each|every|one))?|\b(?:per|each|every|any)"
    r"|[0-9a-z] of (?:the|each|every)) $"
)
# "the 24-hour limit"
OF_LIMIT = re.compile(" (?:limit|maximum|total|ceiling)(?![a-z])")


def is_of_a_day(time: Quantity, text: str) -> bool:
    """Whether a time is the day of an amount or a limit, and nothing lasts so long: "6 tablets in 24 h"."""
    if time.kind != "duration" or time.values[0] != (1, 1):
        return False
    before = OF_A_DAY.search(text, max(0, time.start - 40), time.start)
    return bool(before or OF_LIMIT.match(text, time.end))


def is_of_day(given: Sequence[Quantity], text: str) -> bool:
    """Whether one of the quantities that go with an amount makes it the amount of a day."""
    return any(item.kind == "frequency" and text.endswith(OF_DAY, item.start, item.end) for item in given)


@dataclass(frozen=True)
class Frequencies:
    """The frequencies of a sentence's amounts.

    Attributes:
        text: the whole text in lower case.
        begin, end: where the sentence begins and ends.
    """

    text: str
    begin: int
    end: int

    def of(
        self, amount: Quantity, given: Sequence[Quantity], before: Sequence[Quantity], context: str
    ) -> tuple[Quantity | None, Fraction]:
        """How often an amount is given, and into how many doses a daily amount is divided, 0 for none."""
        every = [item for item in given if item.kind == "frequency" and not self._of_next(item)]
        frequency = every[0] if every else None
        if len(every) > 1 and 2 <= every[1].values[0][0] < every[0].values[0][0]:
            waking = WAKING.fullmatch(self.text, every[0].end, every[1].start)
            frequency = every[1] if waking else frequency
        last = max((item.end for item in every), default=amount.end)
        divided = DIVIDED.search(self.text, amount.end, min(last + 40, self.end))
        daily = frequency is not None and frequency.start == amount.start
        days = None if every else self._days_of_total(amount, given)
        if days:
            rate = (quotient(1, days),) * 2
            return Quantity("frequency", "day", (rate,), start=amount.start, end=amount.end), 0
        if divided is not None and (frequency is None or not daily or frequency.values[0] == (1, 1)):
            parts = every[-1].values[0][0] if every and every[-1].start > amount.start else 0
            written = divided["in"] or divided["by"]
            parts = read_number(written, 0)[0] if written else PARTS.get(divided["share"], parts)
            times = (parts or 1,) * 2
            return Quantity("frequency", "day", (times,), start=amount.start, end=amount.end), parts
        # "120 mg daily: 80 mg on waking": "daily" belongs to the amount before.
        of_day = DAILY_BEFORE.search(context, 0 if amount.start - len(context) <= self.begin else 2)
        if of_day or self._over_a_day(amount, given) or WHOLE_DAY_AFTER.match(self.text, amount.end):
            day = (1, 1)
            return Quantity("frequency", "day", (day,), start=amount.start, end=amount.end), 0
        if SUPPLIES.search(context) and any(item.kind == "frequency" for item in before):
            day = (1, 1)
            return Quantity("frequency", "day", (day,), start=amount.start, end=amount.end), 0
        if WEEKLY_BEFORE.search(context):
            week = (quotient(1, 7),) * 2
            return Quantity("frequency", "day", (week,), start=amount.start, end=amount.end), 0
        if frequency is None:
            # "once weekly methotrexate 15 mg", but not "daily for a week, then 15 mg"
            earlier = (item for item in before if item.kind == "frequency")
            frequency = next((item for item in earlier if self._leads_to(item, amount)), None)
        elif ONCE.match(self.text, frequency.start):
            frequency = self._of_days(amount, frequency, every, before)
        return frequency, 0

    def _of_next(self, frequency: Quantity) -> bool:
        """Whether a frequency is that of the amount after it: "5 mg, and the daily total is 15 mg"."""
        return (
            DAILY_AMOUNT.match(self.text, frequency.end) is not None
            and OPENS_AMOUNT.search(self.text, max(self.begin, frequency.start - 10), frequency.start)
            is not None
        )

    def _leads_to(self, frequency: Quantity, amount: Quantity) -> bool:
        """Whether a frequency is that of the amount after it: "once weekly 15 mg"; "Every day, 15 mg"."""
        opens = not self.text[self.begin : frequency.start].strip(" -*•")
        if self.text.endswith("with ", 0, frequency.start):
            return False  # "with two a day you get 1 g"
        comma = opens and self.text.startswith((", ", ": "), frequency.end)
        return BEFORE.fullmatch(self.text, frequency.end + comma, amount.start) is not None

    def _of_days(
        self, amount: Quantity, time: Quantity, every: Sequence[Quantity], before: Sequence[Quantity]
    ) -> Quantity:
        """On which days an amount is given at a time of day: "20 mg at noon every other day"."""
        days = [(time.end, item.start, item) for item in every[1:]]
        days += [(item.end, amount.start, item) for item in before if item.kind == "frequency"]
        return next(
            (
                item
                for start, end, item in days
                if item.values[0][1] < 1 and BESIDE_TIME.fullmatch(self.text, start, end)
            ),
            time,
        )

    def _days_of_total(self, amount: Quantity, given: Sequence[Quantity]) -> Fraction | None:
        """Over how many days a total is given: 5 for "2 g/kg in total over 5 days"."""
        return next(
            (
                item.values[0][0]
                for item in given
                if item.kind == "duration"
                and item.unit == "day"
                and item.values[0][0] > 1
                and TOTAL_OVER.fullmatch(self.text, amount.end, item.start)
            ),
            None,
        )

    def _over_a_day(self, amount: Quantity, given: Sequence[Quantity]) -> bool:
        """Whether an amount is given over 24 hours."""
        return any(
            item.kind == "duration"
            and item.values[0] == (1, 1)
            and OVER.fullmatch(self.text, amount.end, item.start)
            for item in given
        )
