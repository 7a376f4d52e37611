"""Digits that are not a quantity: dates, times of day, telephone numbers, citations, round the clock."""

import re

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
