"""What belongs to what in one text: which value each label has, two by two or by clause."""

import re
from bisect import bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from medqa.clinical.notation.text import KEPT_TEXTS, forms, sentence_ends

# Between two labels that have one value.
JOINED = re.compile(r"s? (?:and|or|&) (?:on )?")
# Characters between a value and the thing that it describes: "24% Venturi mask".
CLOSE = 10
# "20 mg daily thereafter"
AT_END = re.compile("thereafter|afterwards|after that|subsequently")
# Where a clause ends.
CLAUSE = re.compile(r"[.;|\n]+(?=\s|$)|,(?= )|\s(?:and|but|while|whereas|with|or|although|though|then)(?=\s)")


@dataclass(slots=True)
class Mark:
    """A word or value of a text: its place, what it says in one form, its words, and whether in brackets."""

    start: int
    meaning: Hashable
    written: str
    bracketed: bool = False


def belonging(
    labels: Sequence[Mark], values: Sequence[Mark], text: str, of_things: bool
) -> dict[Hashable, Mark]:
    """What belongs to each label: two by two, else by clause."""
    if "respectively" not in text and _share_a_value(labels, values, text):
        return {}
    uncertain = of_things and _describes_next(labels, values, text)
    pairs = {} if uncertain else paired(labels, values, text)
    return pairs or _by_clause(labels, values, text)


def paired(labels: Sequence[Mark], values: Sequence[Mark], text: str) -> dict[Hashable, Mark]:
    """What belongs to each label, where labels and values come two by two, else nothing.

    "Mother 38.9 °C, baby 37.1 °C", "38.9 °C (mother)", "14 and 26 mmHg right and left respectively".
    """
    pairs: dict[Hashable, Mark] = {}
    implied = any(mark.start < 0 for mark in labels)  # "6 mg, then 12 mg": "then" is before its value
    at_end = implied and AT_END.fullmatch(labels[-1].written.lower()) is not None
    if at_end and len(values) == 2 and labels[-1].start > values[-1].start:
        return {"first": values[0], "later": values[1]}
    marks = [(mark.start, True, mark) for mark in labels] + [(mark.start, False, mark) for mark in values]
    marks.sort(key=lambda found: found[0])
    # "Alvarez (bed 4) K 5.9, Chen (bed 5) K 3.1": brackets before the first value are no values' labels.
    bracketed = min((mark.start for mark in labels if mark.bracketed), default=-1)
    follows = any(mark.start < bracketed for mark in values)
    for (_, after_label, value), (_, is_label, label) in list(pairwise(marks)) if follows else ():
        if is_label and not after_label and label.bracketed:
            pairs[label.meaning] = value
            marks = [mark for mark in marks if mark[2] is not value and mark[2] is not label]
    if (
        len(labels) == len(values)
        and "respectively" in text
        and len({is_label for _, is_label, _ in marks[: len(labels)]}) == 1
    ):
        return {label.meaning: value for label, value in zip(labels, values, strict=True)}
    if len(marks) % 2:
        return {}
    for (_, is_label, first), (_, also_label, second) in zip(marks[::2], marks[1::2], strict=True):
        if is_label == also_label or (implied and not is_label):
            return {}
        label, value = (first, second) if is_label else (second, first)
        if value is first and _is_number(value) and _is_parted(value, label, text):
            return {}  # "… 20 mg. Albumin …": what a sentence ends with does not belong to the next
        pairs[label.meaning] = value
    return pairs


def _is_number(mark: Mark) -> bool:
    """Whether a mark is a value and not a word or name."""
    return not isinstance(mark.meaning, str) or mark.meaning[:1].isdigit()


def _is_parted(one: Mark, other: Mark, text: str) -> bool:
    """Whether a sentence ends between two marks."""
    ends = sentence_ends(text)
    return bisect_right(ends, one.start) != bisect_right(ends, other.start)


def _share_a_value(labels: Sequence[Mark], values: Sequence[Mark], text: str) -> bool:
    """Whether two labels are named together: "3 mg on Mondays and Fridays, 2 mg on other days"."""
    if not len(labels) == len(values) == 2:
        return False
    first, second = sorted(labels, key=lambda mark: mark.start)
    end = first.start + len(first.written)
    between = (
        [mark for mark in values if mark.start < first.start],
        [mark for mark in values if mark.start > end],
    )
    joined = JOINED.fullmatch(forms(text)[2], end, max(end, second.start)) is not None
    return joined and len(between[0]) == len(between[1]) == 1


def _describes_next(labels: Sequence[Mark], values: Sequence[Mark], text: str) -> bool:
    """Whether a value between two things is part of the second: "in COPD, a 24% mask with a target of"."""
    marks = sorted([*labels, *values], key=lambda mark: mark.start)
    if len(marks) != 4 or [mark in labels for mark in marks] != [True, False, True, False]:
        return False
    ends = [mark.start + len(mark.written) for mark in marks]
    before, after = marks[1].start - ends[0], marks[2].start - ends[1]
    apart = any(ends[0] <= end < marks[1].start for end in _clause_ends(text))
    return after < CLOSE and (apart or after < before)


@lru_cache(maxsize=KEPT_TEXTS)
def _clause_ends(text: str) -> list[int]:
    return sorted([*sentence_ends(text), *(match.start() for match in CLAUSE.finditer(forms(text)[2]))])


def _by_clause(labels: Sequence[Mark], values: Sequence[Mark], text: str) -> dict[Hashable, Mark]:
    """What belongs to each label that is in a clause with one value and no other label."""
    ends = _clause_ends(text)
    clauses: dict[int, tuple[list[Mark], list[Mark]]] = {}
    for marks, number in ((labels, 0), (values, 1)):
        for mark in marks:
            clauses.setdefault(bisect_right(ends, mark.start), ([], []))[number].append(mark)
    return {
        of_clause[0].meaning: given[0]
        for of_clause, given in clauses.values()
        if len(of_clause) == len(given) == 1 and of_clause[0].start >= 0
    }
