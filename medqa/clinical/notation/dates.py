"""Digits that are not a quantity: dates, times of day, telephone numbers, citations, round the clock."""

import re
from collections.abc import Iterator

_MONTH = (
    "(?:january|february|march|april|may|june|july|august|september|october|november|december|jan|feb"
    "|mar|apr|jun|jul"
    "|aug|sept|sep|oct|nov|dec)"
)
NO_QUANTITY = re.compile(
    "|".join([
        "[0-9]{1,2}/[0-9]{1,2}/(?:[0-9]{4}|[0-9]{2})(?![0-9])",  # 12/31/2020
        "[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])",  # 2020-12-31
        r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}(?![0-9])",  # 31.12.2020
        f"[0-9]{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}(?![a-z])(?:,? [0-9]{{4}})?",  # 31 December 2020
        r"[0-9]{1,2}:[0-9]{2}(?: ?[ap]\.?m\b| ?h(?:ours|rs)?\b)",  # 8:30 a.m.
        r"[0-9]{1,2} ?(?:[ap]\.m\.|[ap]m\b|o'clock)",  # 10 pm
        "(?:1-)?[0-9]{3}-[0-9]{3}-[0-9]{4}|[0-9]{3}-[0-9]{4}(?![0-9])",  # 1-800-555-0100
        "24/7(?![0-9])",
        r"[0-9]+\](?!\w)",  # [12]
        r"[0-9]+(?:\.[0-9]+){2,}",  # 1.2.3
        "[0-9]+(?:st|nd|rd|th)(?![a-z])",  # 5th
    ])
)  # fmt: skip
MONTH_DAY = re.compile(
    rf"{_MONTH}\.? [0-9]{{1,2}}(?:st|nd|rd|th)?(?![0-9])(?: ?- ?[0-9]{{1,2}}(?![0-9]))?(?:,? [0-9]{{4}})?"
    rf"|{_MONTH} [0-9]{{4}}"
)
MONTHS = set(re.findall("[a-z]+", _MONTH))

# "8 am", "2:30 p.m.", "20:00"; "8:30" alone leaves the half of the day open.
TIME = re.compile(
    r"(?<![0-9:.,/-])(?:(?P<hour>1[0-2]|0?[1-9])(?:[:.](?P<minute>[0-5][0-9]))? ?(?P<half>[ap])(?:m|\.m\.)"
    r"|(?P<hour_of_day>[01]?[0-9]|2[0-3]):(?P<minute_of_day>[0-5][0-9])(?! ?[ap]\.?m))(?![a-z0-9:])"
)


def times_of_day(text: str) -> Iterator[tuple[int, str]]:
    """The clock times of a text in lower case, in minutes after midnight, with their words.

    Nothing where the half of the day of one of them is open.
    """
    found = list(TIME.finditer(text)) if ":" in text or "m" in text else []
    if any((hour := match["hour_of_day"]) and len(hour) == 1 for match in found):
        return
    for match in found:
        if match["hour"]:
            hours = int(match["hour"]) % 12 + (12 if match["half"] == "p" else 0)
        else:
            hours = int(match["hour_of_day"])
        yield 60 * hours + int(match["minute"] or match["minute_of_day"] or 0), match.group()
