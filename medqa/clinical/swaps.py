"""Values that two texts give to each other's place or time: "right 32, left 16" and "right 16, left 32"."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations

from medqa.clinical.quantities import read
from medqa.clinical.quantity import Quantity
from medqa.clinical.text import KEPT_TEXTS, forms
from medqa.clinical.words import words

DAYS = words("monday tuesday wednesday thursday friday saturday sunday yesterday today")
MONTHS = words("january february march april may june july august september october november december")
# Each label, and its words. Only labels of one row exclude each other.
OPPOSITES = (
    {"right": "right|rt", "left": "left|lt"},
    {"before": "before|prior to|pre|on admission|at admission|at baseline|initially",
     "after": "after|post|once|following|on discharge|at discharge|later"},
    {"morning": "mornings?|am|mane|breakfast", "noon": "noon|midday|lunch(?:time)?",
     "evening": "evenings?|nights?|pm|nocte|bedtime|dinner|supper"},
    {"mother": "mother|maternal|mum|mom|woman", "baby": "baby|newborn|neonate|infant|neonatal"},
    {"adult": "adults?", "child": "child(?:ren)?|paediatric|pediatric"},
    {"first": "load(?:ing|ed)?|bolus|once|initial(?:ly)?|starting", 
     "later": "maintenance|then|continues?|thereafter|daily"},
    {"supine": "supine|lying", "standing": "standing|upright"},
    {"peak": "peaks?", "trough": "troughs?"},
    {"men": "men|males?", "women": "women|females?"},
    {day: day for day in DAYS},
    {month: month for month in MONTHS},
)  # fmt: skip
_LABELS = [
    (
        {
            label: re.compile(
                rf"[ -]?[(\[]?(?:(?:on|in|at|for|the|her|his|every|each) ){{0,2}}(?:{names})(?![a-z])"
            )
            for label, names in row.items()
        },
        re.compile("|".join(rf"(?P<{label}>\b(?:{names})(?![a-z]))" for label, names in row.items())),
    )
    for row in OPPOSITES
]
# How far before a value its label may be.
REACH = 60
BREAK = re.compile(r"[.;!?\n](?=\s)")


def swapped(reference: str, hypothesis: str) -> Iterator[tuple[str, str, str, str]]:
    """(labels, "swapped", words of the reference, words of the answer) for two values that changed places."""
    if len(set(read(reference)) & set(read(hypothesis))) < 2:
        return
    ours, theirs = _labelled(reference), _labelled(hypothesis)
    for row in ours.keys() & theirs.keys():
        for (label, value, written), (other, other_value, _) in combinations(ours[row], 2):
            turned = {(label, other_value), (other, value)}
            given = {(label, value): written for label, value, written in theirs[row]}
            straight = (label, value) in given or (other, other_value) in given
            if label != other and value != other_value and turned <= given.keys() and not straight:
                yield f"{label}, {other}", "swapped", written, given[label, other_value]


@lru_cache(maxsize=KEPT_TEXTS)
def _labelled(text: str) -> dict[int, list[tuple[str, Quantity, str]]]:
    """Row of `OPPOSITES` → (label, quantity, its words), for the quantities that have a label of the row."""
    original, _, lower = forms(text)
    found: dict[int, list[tuple[str, Quantity, str]]] = {}
    amounts = [quantity for quantity in read(text) if quantity.kind in ("amount", "pressure", "score")]
    for number, (beside, anywhere) in enumerate(_LABELS):
        for quantity in amounts:
            label = next((name for name, pattern in beside.items() if pattern.match(lower, quantity.end)), "")
            if not label:
                begin = max(0, quantity.start - REACH)
                breaks = [match.end() for match in BREAK.finditer(lower, begin, quantity.start)]
                before = list(anywhere.finditer(lower, breaks[-1] if breaks else begin, quantity.start))
                label = before[-1].lastgroup if before else ""
            if label:
                found.setdefault(number, []).append(
                    (label, quantity, original[quantity.start : quantity.end].strip())
                )
    return found
