"""Two values that two subjects exchanged, whatever the subjects are: "Maya 120 mg, Leo 240 mg".

`swaps` knows classes of labels, such as sides, people or days. Here any words, names or numbers are labels:
what a text says beside one value and not beside the other.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

from medqa.clinical.claims.claims import DAYS_OF_A_MONTH, Found
from medqa.clinical.conflicts.bindings import EMPTY
from medqa.clinical.conflicts.subjects import BLOOD_GROUP, subjects
from medqa.clinical.notation.names import names_of
from medqa.clinical.notation.numbers import MOST_DIGITS, parse, quotient, show
from medqa.clinical.notation.text import KEPT_TEXTS, forms, sentence_ends
from medqa.clinical.notation.word_forms import canonical
from medqa.clinical.quantities.body_weight import MG_PER_KG
from medqa.clinical.quantities.quantity import Quantity, is_inside
from medqa.clinical.quantities.quantity_reader import read
from medqa.clinical.words import words

# Where a text is cut between two values that are in one sentence, the coarsest first.
CUTS = (
    re.compile(";"),
    re.compile(",(?= )"),
    re.compile(r" (?:and|but|while|whereas|then|versus|vs\.?|against|compared (?:with|to)) "),
    re.compile(" to "),
)
WORD = re.compile("(?:non-)?[a-z]{3,}")
NUMBER = re.compile(r"[0-9](?<![a-z0-9.,/].)(?<![a-z]-.)[0-9]*(?:\.[0-9]+)?(?![0-9])")
# "months 0-3", "week 2", "day 8", "a year": the end of a time in days
TIME = re.compile(
    r"(?<![a-z])(?P<unit>day|week|month|year)s? (?P<low>[0-9]{1,3})(?: ?(?:-|to) ?(?P<high>[0-9]{1,3}))?"
    r"(?![0-9]|\.[0-9])"
    r"|(?<![a-z])(?:a|one) (?P<one>week|month|year)(?![a-z])"
)
YEARS = re.compile(r"(?<![0-9.])(?:[2-9]|[1-9][0-9]) years")
DAYS_OF = {"day": 1, "week": 7, "month": DAYS_OF_A_MONTH, "year": 12 * DAYS_OF_A_MONTH}
VALUES = frozenset({"amount", "duration", "frequency", "score", "pressure"})
# A text with one of these needs more than its clauses to be understood.
UNCERTAIN = re.compile(
    r"\b(?:respectively|former|latter|(?<!less )(?<!more )(?<!younger )(?<!older )than|instead"
    r"|replac(?!ement)\w+|rather|vice versa|reverse\w*|other way)\b"
)
# Words that can be beside either value.
EITHER = (
    EMPTY
    | words("and the for with from not two one first second third then other every per both all any when but")
    | words("predicted")
    | words("his her hers its their she they him them those these whereas compared versus against who which")
) - words("fasting yesterday loading maintenance received")
# Rows of subjects whose words are often something else, and names, which are read apart.
NO_LABELS = frozenset({"substance", "stage", "ordinal", "route", "letter", "sex"})
# Rows whose words are part of names: "serum osmolality", "urine output".
IN_NAMES = frozenset({"specimen", "balance"})
# Words of such rows that are compared as words: "man" is "men".
BY_WORD = ("woman",)
A_DAY = "@1"  # "over 24 hours" is said of all
GIGA = 10**9  # "45 × 10⁹/L"
# More values of a unit are a table.
MOST = 6


@dataclass(frozen=True)
class _Token:
    """A word, name, time or value of a text in one form, and its place.

    `firm`: it is one of several subjects of a row, such as one of two weekdays.
    """

    start: int
    end: int
    form: str
    value: Quantity | None = None
    firm: bool = False

    @property
    def bare(self) -> str:
        """The form of its number without a unit, "" where it is no single number."""
        value = self.value
        if value is None:
            return self.form if self.form.startswith("#") else ""
        if value.kind not in ("amount", "age") or value.values[0][0] != value.values[0][1]:
            return ""
        scale = GIGA if value.unit == "/L" and value.number >= GIGA else 1
        return f"#{show(quotient(value.number, scale))}"


@dataclass(frozen=True)
class _Sides:
    """What a text says beside each of two values and before both; `in_order`: the first comes first."""

    first: frozenset[str]
    second: frozenset[str]
    opening: frozenset[str]
    in_order: bool


def exchanged(reference: str, hypothesis: str) -> Iterator[Found]:
    """(labels, "swapped", words of the reference, words of the answer) for two values that changed places.

    Rule: two values of a unit are in both texts once. Of what the reference says only beside one of them, the
    answer says something beside the other, in both directions, and nothing has stayed.
    """
    if any(UNCERTAIN.search(forms(text)[2]) for text in (reference, hypothesis)):
        return
    if not _has_two_values(reference):
        return
    rows: dict[str, list[_Token]] = {}
    for token in _tokens(reference):
        if token.value is not None and token.value.kind in VALUES:
            weight = token.value.unit == "mg" and token.value.values[0][0] >= MG_PER_KG
            rows.setdefault("weight" if weight else token.value.kind, []).append(token)
        elif token.form.startswith("#"):
            rows.setdefault("number", []).append(token)
    numbers = rows.get("number", [])
    if 0 < len(numbers) < MOST and len(rows.get("amount", ())) < MOST:  # "45 on admission and 120 × 10⁹/L"
        rows["amount"] = [*rows.get("amount", ()), *numbers]
    for row in rows.values():
        for pair in combinations(row, 2) if 2 <= len(row) <= MOST else ():
            ours, theirs = (_beside(text, *pair) for text in (reference, hypothesis))
            moved = ours and theirs and _moved(ours, theirs)
            if moved:
                labels = ", ".join(sorted(form.strip("#") for form in moved))
                written = (forms(reference)[0][token.start : token.end] for token in pair)
                yield labels, "swapped", *written
                return


def _has_two_values(text: str) -> bool:
    """Whether a text can have two values, bare numbers and blood groups included: a quick look."""
    raw, lower = forms(text)[1:]
    if sum(quantity.kind in VALUES for quantity in read(text)) > 1 or len(NUMBER.findall(lower)) > 1:
        return True
    return "tive" in lower and len(BLOOD_GROUP.findall(raw)) > 1


def _moved(ours: _Sides, theirs: _Sides) -> frozenset[str]:
    """What two texts say beside two values and has changed places; nothing where something has stayed."""
    first, second = _crossing(ours, theirs)
    return first | second if first and second and not any(_stayed(ours, theirs)) else frozenset()


def _crossing(ours: _Sides, theirs: _Sides) -> tuple[frozenset[str], frozenset[str]]:
    """What one text says only beside one of two values, and the other only beside the other one."""
    mine, other = ours.first - ours.second, ours.second - ours.first
    now, then = theirs.first - theirs.second, theirs.second - theirs.first
    return mine & then, other & now


def _stayed(ours: _Sides, theirs: _Sides) -> tuple[frozenset[str], frozenset[str]]:
    """What two texts say beside the same of two values, without what opens a text, which can be about both:

    "The rate was 12 % with placebo and 8 % with the drug".
    """
    first = (ours.first - ours.second) & (theirs.first - theirs.second)
    second = (ours.second - ours.first) & (theirs.second - theirs.first)
    if ours.in_order != theirs.in_order:
        return first, second
    opening = ours.opening | theirs.opening
    return (first - opening, second) if ours.in_order else (first, second - opening)


def unmoved(reference: str, hypothesis: str, one: str, other: str) -> bool:
    """Whether what is beside two values has stayed, `one` in the words of a text and `other` of the other."""
    first, second = _written(reference, one), _written(hypothesis, other) or _written(reference, other)
    if first is None or second is None:
        return False
    ours, theirs = (_beside(text, first, second) for text in (reference, hypothesis))
    return bool(ours and theirs and all(_stayed(ours, theirs)) and not all(_crossing(ours, theirs)))


def _written(text: str, words_of: str) -> _Token | None:
    """The value of a text with these words."""
    original = forms(text)[0]
    values = (token for token in _tokens(text) if token.value or token.form.startswith("#"))
    return next((token for token in values if original[token.start : token.end].strip() == words_of), None)


def _beside(text: str, one: _Token, two: _Token) -> _Sides | None:
    """What a text says beside each of two values, None where they are not apart."""
    places = [_place(text, one), _place(text, two)]
    if None in places or places[0] == places[1]:
        return None
    lower = forms(text)[2]
    first, second = sorted(places)
    cuts = (number for number, cut in enumerate(CUTS, 1) if cut.search(lower, first[1], second[0]))
    one_sentence = not any(first[1] <= end <= second[0] for end in sentence_ends(text))
    level = next(cuts, None) if one_sentence else 0
    if level is None:
        return None
    ends = _ends(text, level)
    tokens = _tokens(text)
    starts = [token.start for token in tokens]
    sides = []
    for start, _ in places:
        place = bisect_right(ends, start)
        begin, end = ends[place - 1], ends[place]
        sides.append(
            [
                token
                for token in tokens[bisect_left(starts, begin) : bisect_left(starts, end)]
                if (token.start, token.end) not in places
                and (token.value is None or token.value.kind not in ("amount", "frequency"))
                and token.form != A_DAY
            ]
        )
    opening = frozenset(
        token.form for side in sides for token in side if token.end <= first[0] and not token.firm
    )
    beside = (frozenset(token.form for token in side) for side in sides)
    return _Sides(*beside, opening, places[0] < places[1])


def _place(text: str, token: _Token) -> tuple[int, int] | None:
    """Where the only mention of a value is: with its unit, else its bare number."""
    tokens = _tokens(text)
    found = [one for one in tokens if one.form == token.form]
    found = [one for one in found if one.value is not None] or found
    if not found and token.bare:
        found = [one for one in tokens if one.bare == token.bare]
    return (found[0].start, found[0].end) if len(found) == 1 else None


@lru_cache(maxsize=KEPT_TEXTS)
def _ends(text: str, level: int) -> list[int]:
    lower = forms(text)[2]
    cuts = (match.start() for cut in CUTS[:level] for match in cut.finditer(lower))
    return sorted({0, *sentence_ends(text), *cuts, len(lower) + 1})


def _days(days: Fraction) -> str:
    """The form of a time: months and years in whole days."""
    return f"@{days if days < 1 else round(days)}"


@lru_cache(maxsize=KEPT_TEXTS)
def _tokens(text: str) -> tuple[_Token, ...]:
    """The values, names, times, numbers and telling words of a text, in order."""
    _, raw, lower = forms(text)
    found: list[_Token] = []
    inside: set[int] = set()

    def add(start: int, end: int, form: str, value: Quantity | None = None, firm: bool = False) -> None:
        if start not in inside:
            found.append(_Token(start, end, form, value, firm))
            inside.update(range(start, end))

    for quantity in read(text):
        if quantity.kind == "age":
            ends = dict.fromkeys(quotient(end, 12) for end in quantity.values[0])
            found += (_Token(quantity.start, quantity.end, f"#{end}") for end in ends)
            inside.update(range(quantity.start, quantity.end))
        elif quantity.values:
            if lower[quantity.start : quantity.end].isdigit():  # "glucose in bed 14"
                found.append(_Token(quantity.start, quantity.end, f"#{lower[quantity.start : quantity.end]}"))
            form = f"{quantity.kind} {quantity.unit} {quantity.values}"
            years = YEARS.search(lower, quantity.start, quantity.end)
            if quantity.kind == "duration" and years:  # "over 12 years" is an age as well
                add(quantity.start, quantity.end, f"#{show(quantity.number)}", quantity)
            if quantity.kind == "duration":
                form = _days(quantity.values[0][1] * (DAYS_OF_A_MONTH if quantity.unit == "month" else 1))
            add(quantity.start, quantity.end, form, quantity)
    for match in TIME.finditer(lower):
        number = int(match["high"] or match["low"] or 1)
        add(match.start(), match.end(), _days(number * DAYS_OF[match["unit"] or match["one"]]))
    for match in BLOOD_GROUP.finditer(raw):
        add(match.start(), match.end(), f"#{match.group(1)} {match.group(2)[:3].lower()}")
    for start, end, name in names_of(text):
        add(start, end, f"name {name}")
    for row, marks in subjects(text).items():
        firm = len({mark.meaning for mark in marks}) > 1
        for mark in marks if row not in NO_LABELS else ():
            if mark.written.lower() not in BY_WORD:
                if row in IN_NAMES and not is_inside(read(text), mark.start):
                    inside.discard(mark.start)
                end = mark.start + len(mark.written)
                add(mark.start, end, f"{row} {mark.meaning}", firm=firm)
    for match in NUMBER.finditer(lower):
        if len(match.group()) > MOST_DIGITS:
            continue
        add(match.start(), match.end(), f"#{show(parse(match.group()))}")
    for match in WORD.finditer(lower):
        if match.group() not in EITHER and canonical(match.group()) not in EITHER:
            add(match.start(), match.end(), canonical(match.group())[:6])
    return tuple(sorted((token for token in found if token.form), key=lambda token: token.start))
