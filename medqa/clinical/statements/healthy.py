"""Findings that one text calls normal and in which the other finds nothing wrong."""

import re

from medqa.clinical.notation.text import forms

LONGEST_FINDING = 100
# "Liver tests are fine" and "no abnormality in the liver tests" are one finding.
HEALTHY = re.compile(
    r"\b(?:normal|unremarkable|fine|healthy|clear|in order|ok|okay|satisfactory|within (?:normal )?limits)\b"
)
NOTHING_WRONG = re.compile(
    r"\b(?:no|without|not|free of|nothing)\b[^.;,]{0,40}?\b(?:abnormal\w*|deficits?|anything|problems?"
    r"|irregularit\w+|wrong|changes?|disease|added sounds|crackles"
    r"|crepitations|consolidation|lesions?|mass(?:es)?|damage|defects?|patholog\w+|impair\w+|involve\w+|disturbances?)\b"
)
DENIED_HEALTH = re.compile(r"(?:\b(?:no|not|never|far from)|n't) [^.;,]{0,20}?" + HEALTHY.pattern)
# "She tolerates penicillin" and "penicillin allergy was ruled out"
TOLERATES = re.compile(r"(?<!not )(?<!n't )\b(?:tolerates?|tolerated)\b")
NO_ALLERGY = re.compile(
    r"\b(?:no|not|without|never)\b[^.;]{0,30}? (?:allerg|hypersens|intoleran)[a-z]+"
    r"|(?:allerg|hypersens|intoleran)[a-z]+ [^.;]{0,30}?\b(?:excluded|ruled out|disproved|absent)\b"
)


def both_healthy(one: str, other: str) -> bool:
    """Whether one text calls normal what the other finds nothing wrong with."""
    texts = [forms(text)[2] for text in (one, other)]
    if any(TOLERATES.search(first) and NO_ALLERGY.search(second) for first, second in (texts, texts[::-1])):
        return True
    return max(map(len, texts)) <= LONGEST_FINDING and any(
        HEALTHY.search(first) and not DENIED_HEALTH.search(first) and NOTHING_WRONG.search(second)
        for first, second in (texts, texts[::-1])
    )
