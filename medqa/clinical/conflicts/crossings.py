"""Two values that two subjects exchanged, by the order in which a text names subjects and values.

`exchanges` compares what a text says beside each value. Here the order decides: "before 112, after 83" and
"83 after, 112 before" both name subjects and values in turn, however the clauses are built.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations

from medqa.clinical.claims.claims import Found
from medqa.clinical.conflicts.exchanges import NUMBER, unmoved
from medqa.clinical.conflicts.subjects import Rows, subjects
from medqa.clinical.conflicts.swaps import NUMBERED
from medqa.clinical.notation.numbers import parse
from medqa.clinical.notation.pairing import Mark, paired
from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.quantities.body_weight import MG_PER_KG
from medqa.clinical.quantities.quantity_reader import read

VALUES = frozenset({"amount", "duration", "score", "pressure", "ratio"})
# In an order like "LLVV": so many subjects, then as many values.
RESPECTIVELY = re.compile(r"\b(?:respectively|in that order)\b")
LISTED = re.compile("(L{2,})(V{2,})|(V{2,})(L{2,})")

Bound = list[tuple[str, Mark]]


def crossed_over(reference: str, hypothesis: str) -> Iterator[Found]:
    """(subjects, "swapped", words of the reference, words of the answer) for two values that changed places.

    Rule: both texts name the subjects of a row and the values of a unit in turn, so that each subject has as
    many; two subjects have each other's value.
    """
    texts = (reference, hypothesis)
    if not all(map(_can_cross, texts)):
        return
    labels = [subjects(text) for text in texts]
    for row in sorted(labels[0].keys() & labels[1].keys()):
        common = {mark.meaning for mark in labels[0][row]} & {mark.meaning for mark in labels[1][row]}
        if len(common) < 2:
            continue
        named = [[mark for mark in side[row] if mark.meaning in common] for side in labels]
        for values in _value_rows(row, texts, labels):
            mine, others = (_bound(*side) for side in zip(named, values, texts, strict=True))
            for (one, x), (two, y) in combinations(mine, 2):
                if one == two or _same(x, y) or not _alike(x, y):
                    continue
                owners = [
                    [{label for label, mark in side if _same(value, mark)} & {one, two} for value in (x, y)]
                    for side in (mine, others)
                ]
                # A name can be what both values measure: "saturation 88 % on air, 96 % on oxygen".
                kept = row == "substance" and unmoved(*texts, x.written, y.written)
                if owners == [[{one}, {two}], [{two}, {one}]] and not kept:
                    yield f"{one}, {two}", "swapped", x.written, y.written
                    return


def _can_cross(text: str) -> bool:
    """Whether a text has two values, which can change places."""
    return sum(map(len, _values(text).values())) > 1


def _bound(labels: list[Mark], values: list[Mark], text: str) -> Bound:
    """(subject, value) where subjects and values come in turn, or several values after each subject."""
    if len(labels) == 2 * len(values) and not _any_value(text, labels[len(values) - 1].start):
        labels = labels[len(values) :]  # "from intravenous to oral: 10 mg intravenously is 30 mg by mouth"
    marks = [(mark, "L") for mark in labels] + [(mark, "V") for mark in values]
    marks.sort(key=lambda found: found[0].start)
    order = "".join(kind for _, kind in marks)
    respectively = RESPECTIVELY.search(forms(text)[2]) is not None
    if respectively and len(labels) == len(values) and not LISTED.search(order):
        return []  # its two values are of other subjects
    once = len({mark.meaning for mark in labels}) == len(labels)
    if once and len(labels) == len(values) and (pairs := paired(labels, values, text)):
        return list(pairs.items())
    if len(labels) == len(values):
        return _in_turn(marks, respectively)
    each = len(values) // len(labels)
    if order != ("L" + "V" * each) * len(labels):
        return []
    owners = [mark.meaning for mark in labels for _ in range(each)]
    return list(zip(owners, values, strict=True))


def _any_value(text: str, end: int) -> bool:
    """Whether a text has a value before a place."""
    return any(quantity.kind in VALUES and quantity.start < end for quantity in read(text))


def _in_turn(marks: list[tuple[Mark, str]], respectively: bool) -> Bound:
    """Pairs of one subject and one value; with "respectively" also runs of subjects and of as many values."""
    order = "".join(kind for _, kind in marks)
    found: Bound = []
    place = 0
    while place < len(order):
        run = LISTED.match(order, place) if respectively else None
        length = min(len(part) for part in run.groups() if part) if run else 1
        part = marks[place : place + 2 * length]
        names, given = (
            [mark.meaning if kind == "L" else mark for mark, of in part if of == kind] for kind in "LV"
        )
        if not len(names) == len(given) == length:
            return []
        found += zip(names, given, strict=True)
        place += 2 * length
    return found


def _value_rows(row: str, texts: tuple[str, str], labels: list[Rows]) -> Iterator[tuple[list[Mark], ...]]:
    """The values of each unit, those that are in both texts, and all values; a unit can be left out."""
    sides = [_values(text) for text in texts]
    units = sorted({*sides[0], *sides[1]})
    found = []
    for unit in units[::-1]:  # numbers without a unit are compared where no others are
        if unit or not found:
            given = [_with_bare(unit, side) for side in sides]
            found += [rows for rows in (given, _shared(*given)) if min(map(len, rows)) > 1]
    yield from found
    if len(units) > 1:
        yield _shared(*([mark for marks in side.values() for mark in marks] for side in sides))


def _with_bare(unit: str, values: Rows) -> list[Mark]:
    """The values of a unit, the numbers without one and the scores of so many."""
    found = [mark for name in {unit, "", "ratio :"} for mark in values.get(name, ())]
    return sorted(found, key=lambda mark: mark.start)


def _shared(ours: list[Mark], theirs: list[Mark]) -> tuple[list[Mark], list[Mark]]:
    """The values that both texts have once, in order."""
    once = [
        [mark for mark in side if sum(_same(mark, other) for other in side) == 1] for side in (ours, theirs)
    ]
    found = (
        [mark for mark in side if any(_same(mark, other) for other in opposite)]
        for side, opposite in (once, once[::-1])
    )
    return tuple(sorted(side, key=lambda mark: mark.start) for side in found)


def _alike(one: Mark, other: Mark) -> bool:
    """Whether two values can be exchanged: they have one unit."""
    return (
        isinstance(one.meaning, str)
        or "" in (one.meaning[1], other.meaning[1])
        or one.meaning[1] == other.meaning[1]
    )


def _same(one: Mark, other: Mark) -> bool:
    """Whether two values are equal, or their numbers where one of them has no unit."""
    if isinstance(one.meaning, str) or isinstance(other.meaning, str):
        return one.meaning == other.meaning
    (number, _, values), (other_number, _, other_values) = one.meaning, other.meaning
    return values == other_values if values and other_values else number == other_number


@lru_cache(maxsize=KEPT_TEXTS)
def _values(text: str) -> Rows:
    """Kind and unit → values; numbers without a unit in row ""."""
    original, _, lower = forms(text)
    found: Rows = {}
    inside: set[int] = set()
    for quantity in read(text):
        if quantity.kind in VALUES and quantity.values:
            kilograms = quantity.unit == "mg" and quantity.values[0][0] >= MG_PER_KG
            unit = f"{quantity.kind} {'kg' if kilograms else quantity.unit}"
            values = () if quantity.kind == "ratio" else quantity.values
            written = original[quantity.start : quantity.end].strip()
            found.setdefault(unit, []).append(Mark(quantity.start, (quantity.number, unit, values), written))
        inside.update(range(quantity.start, quantity.end))
    for match in NUMBERED.finditer(lower):
        inside.update(range(match.start(), match.end()))
    for match in NUMBER.finditer(lower):
        if match.start() not in inside:
            found.setdefault("", []).append(
                Mark(match.start(), (parse(match.group()), "", ()), match.group())
            )
    return found
