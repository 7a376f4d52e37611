"""What changed places: "morning 20 units, evening 12" and "morning 12, evening 20"; findings of two people.

A mark is a word or value of a text with its place. Marks of one class exclude each other: the days of the
week, the medicines, the values of a unit. Two texts are compared where both have the
same marks of two classes.
"""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import combinations, pairwise

from medqa.clinical.claims.claims import Found
from medqa.clinical.claims.doses import FILLERS
from medqa.clinical.notation.names import MEASURE_NAMES, names_of
from medqa.clinical.notation.numbers import COUNTS, ORDINALS
from medqa.clinical.notation.pairing import Mark, belonging
from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.notation.units import SPELLINGS
from medqa.clinical.notation.word_forms import stem
from medqa.clinical.quantities.body_weight import MG_PER_KG
from medqa.clinical.quantities.equivalents import IN_BLOOD
from medqa.clinical.quantities.quantity_reader import read
from medqa.clinical.words import words

DAYS = words("monday tuesday wednesday thursday friday saturday sunday yesterday today")
MONTHS = words("january february march april may june july august september october november december")
DAY_NUMBER = "(?:[0-9]+ )?"
# Class → each mark of it, and its words.
LABELS = {
    "side": {"right": "right|rt", "left": "left|lt"},
    "order": {
        "before": "before|prior to|pre|on admission|at admission|at baseline|initially|on arrival|at "
        "presentation|0 h(?:ours)?",
        "after": "after(?:wards?)?|post|once(?! (?:an?|daily|weekly|every|per|each|monthly|in)(?![a-z]))"
        "|following|on discharge|at discharge|later",
    },
    "time of day": {
        "morning": "mornings?|am|mane|breakfast|waking", "noon": "noon|midday|lunch(?:time)?",
        "evening": "evenings?|nights?|pm|nocte|bedtime|dinner|supper|overnight|midnight",
    },
    "person": {
        "mother": "mother|maternal|mum|mom|woman",
        "baby": "baby|newborn|neonate|infant|neonatal|fo?etal|fo?etus",
        "father": "father|paternal|dad", "brother": "brother", "sister": "sister", "son": "son",
        "daughter": "daughter", "wife": "wife", "husband": "husband", "uncle": "uncle", "aunt": "aunt",
        "grandmother": "grandmother|grandma", "grandfather": "grandfather|grandpa", 
        "partner": "partner", "patient": "patient",
    },
    "age group": {
        "adult": "adults?|grown-?ups?",
        "child": "child(?:ren)?|paediatric|pediatric|(?:one|two|three|four|five|six|[1-9])-year-olds?",
        "elderly": "elderly|older people|older adults",
    },
    "stage": {
        "first": "load(?:ing|ed)?|bolus|induction|consolidation|initial(?:ly)?|starting|at first|first(?! "
        "(?:[0-9]|hour|week|month|year))"
        "|day (?:1|one)",
        "later": "maintenance|maintain(?:ed|s)?|then|continu(?:es?|ed|ing)|thereafter|afterwards|after that"
        "|subsequently|followed by|if needed|"
        "if it fails|second(?: dose)?",
    },
    "insulin": {
        "basal": "basal|long-acting|background|glargine|detemir|degludec",
        "rapid": "rapid|rapid-acting|short-acting|prandial|mealtime|aspart|lispro|bolus insulin",
    },
    "since": {"birth": "birth", "now": "now|current(?:ly)?|today|present"},
    "posture": {
        "supine": "supine|lying(?: down)?|lay|lies|recumbent", "sitting": "sitting|sat|seated",
        "standing": "standing|stood|stands|upright|erect",
    },
    "level": {
        "peak": "peaks?|post-?dose|after the dose", "trough": "troughs?|pre-?dose|before the (?:next )?dose",
    },
    "sex": {"men": "men|males?|boys", "women": "women|females?|girls"},
    "limit": {
        "younger": "(?:<|under|below|younger than|less than) ?[0-9]+ ?(?:y|yrs?|years?)",
        "older": "(?:≥|>|over|from the age of|aged|at least|above|older than) ?[0-9]+ ?(?:y|yrs?|years?)?",
    },
    "week": {
        "weekday": "weekdays|working days|monday to friday", "weekend": "weekends?|saturdays? and sundays?",
    },
    "weekday": {day: day for day in DAYS}, "month": {month: DAY_NUMBER + month for month in MONTHS},
    "hour": {"0 h": "0 ?h(?:ours?|rs?)?|presentation|arrival|baseline|initial(?:ly)?"}
    | {
        f"{number} h": f"{number} ?h(?:ours?|rs?)?|{word} hours?"
        for word, number in COUNTS.items()
        if number in (1, 2, 3, 4, 6, 8, 12)
    }
    | {f"{number} h": f"{number} ?h(?:ours?|rs?)?" for number in (24, 48)},
    "action": {
        "stop": r"stop\w*|discontinu\w*|withdr[ae]w\w*|ceas\w*|ends?|ended|halt\w*"
        r"|(?:comes?|came|taken?) off",
        "continue": r"continu\w*|carr(?:y|ies|ied) on|go(?:es)? on|lifelong|for life|kept|keep",
        "raise": r"increas\w*|rais\w*|(?:go(?:es)?|went|stepped) up|doubled",
        "lower": r"reduc\w*|lower\w*|cut|decreas\w*|halved|(?:came|went) down",
        "start": r"start(?:s|ed)?|begin\w*|began|begun|initiated?|commenced?|added",
    },
}  # fmt: skip
LABEL_PATTERNS = {
    row: (
        list(marks),
        re.compile(
            "(?<![a-z0-9])(?:"
            + "|".join(f"(?P<l{number}>{names})" for number, names in enumerate(marks.values()))
            + ")(?![a-z0-9])"
        ),
    )
    for row, marks in LABELS.items()
}  # fmt: skip


def _openings(names: str) -> Iterator[str]:
    """The first two characters that the alternatives of a pattern can begin with, or the first."""
    plain = re.sub(r"\(\?:[a-z]+\)\?", "", names)  # "child(?:ren)?"
    for name in re.split(r"\|(?![^(]*\))", plain):
        if name.startswith(DAY_NUMBER):
            yield from "0123456789"
            name = name.removeprefix(DAY_NUMBER)
        if group := re.match(r"\(\?:([^()]*)\)", name):
            yield from _openings(group[1])
        elif name.startswith("[1-9]"):
            yield from "123456789"
        else:
            yield re.match("[a-z]{2}|.", name).group()


# The patterns of the classes that a word can begin a mark of, by its first two characters or its first.
_BEGUN: dict[str, list[str]] = {}
for _row, _meanings in LABELS.items():
    for _opening in sorted({opening for names in _meanings.values() for opening in _openings(names)}):
        _BEGUN.setdefault(_opening, []).append(_row)
BEGINNING = re.compile("(?<![a-z0-9])(?:[a-z][a-z]|[0-9<>≥])")
# "day 3", "week two", "twin A", "the first week": marks of the class "day", "week", "twin".
_LETTERED = "twin|baby|group|infant|cohort"
_COUNTED = "day|week|month|year|visit|cycle|twin|bed|phase|step|trimester|patient|grade|stage|dose"
NUMBERED = re.compile(
    rf"(?<![a-z0-9])(?:(?:(?P<what>{_COUNTED})s? |(?P<d>d))(?P<number>[0-9]{{1,2}}|{'|'.join(COUNTS)})"
    rf"|(?P<lettered>{_LETTERED}) (?P<letter>[a-d])"
    rf"|(?P<ordinal>{'|'.join(ORDINALS)}|[0-9](?:st|nd|rd|th)) (?P<of>{_COUNTED}))(?![a-z0-9])"
)
NUMBER = re.compile(r"[0-9](?<![a-z0-9.,/-].)[0-9]*(?:\.[0-9]+)?(?:/[0-9]+)?(?![0-9])")
# A bracket that ends without a value: "(day 1)", but not "(birth weight 3.4 kg)".
BRACKET_END = re.compile(r"[^0-9()]{0,20}\)(?! ?:)")
# Words that can have a value, and those that cannot.
THING = re.compile("[a-z]{4,}")
NO_THINGS = (
    FILLERS
    | SPELLINGS.keys()
    | COUNTS.keys()
    | DAYS
    | MONTHS
    | words(
        "after before during within until then each both with from that this than when while than were "
        "have been stop "
        "continue start increase reduce first second third left right morning evening night noon bedtime "
        "mother father "
        "weekend weekday adult child children adults week month year mean both"
    )
)
# Classes of which a mark can belong to a thing, as a value does.
NUMBERED_THINGS = frozenset({"day", "week", "month", "year", "visit", "cycle", "weekday"})
# Kinds of quantities that are values.
VALUES = frozenset({"amount", "pressure", "score", "age", "frequency", "duration", "share"})


Marks = Mapping[str, Sequence[Mark]]


def swapped(reference: str, hypothesis: str, more: Callable[[str], Marks] | None = None) -> Iterator[Found]:
    """(marks, "swapped", words of the reference, words of the answer) for two values that changed places.

    Args:
        more: gives further marks of a text; then these are compared, and the marks that are no values.

    Rule: two marks of each of two classes are in both texts, and what is beside the one in the reference is
        beside the other in the answer.
    """
    if more is None:
        numbers = (set(NUMBER.findall(forms(text)[2])) for text in (reference, hypothesis))
        common = set.intersection(
            *(
                {(one.unit, one.values and one.values[0][0].numerator) for one in read(text)}
                for text in (reference, hypothesis)
            )
        )
        if len(common) < 2 and len(set.intersection(*numbers)) < 2:
            return
    ours = _marks(reference)
    theirs = _marks(hypothesis) if ours else {}
    if not theirs:
        return  # what changes places has marks of two classes, of which `more` gives one
    further = [more(text) if more else {} for text in (reference, hypothesis)]
    sides = ({**ours, **further[0]}, {**theirs, **further[1]})
    common = {
        name: _common(sides[0][name], sides[1][name], _is_value(name))
        for name in sides[0].keys() & sides[1].keys()
    }
    common = {name: found for name, found in sorted(common.items()) if found is not None}
    if more is None and any(_is_value(name) or name in NUMBERED_THINGS for name in common):
        things = _common(_things(reference), _things(hypothesis))
        if things is not None:
            common["thing"] = tuple(map(_heads, things))
    seen: set[tuple[Hashable, Hashable]] = set()
    for one, two in combinations(common, 2):
        if {one, two} == {"number"} or (_is_value(one) and _is_value(two) and "age" not in one + two):
            continue
        of_values = _is_value(one) or _is_value(two)
        of_things = "thing" in (one, two)
        if of_things and ("number" in (one, two) or not (of_values or {one, two} & NUMBERED_THINGS)):
            continue
        if not {one, two} & further[0].keys() and (of_values or of_things) == (more is not None):
            continue
        labels, values = (two, one) if _is_value(one) and not _is_value(two) else (one, two)
        mine, others = (
            _certain(
                sides[side].get(labels, ()) if _is_value(values) else (),
                common[labels][side],
                common[values][side],
                text,
                of_things,
            )
            for side, text in enumerate((reference, hypothesis))
        )
        for found in _crossed(mine, others):
            if found[0] not in seen and not _in_one_phrase(found[1:], reference, hypothesis):
                seen.add(found[0])
                yield ", ".join(map(str, found[0])), "swapped", *found[1:]


def _in_one_phrase(values: Sequence[str], *texts: str) -> bool:
    """Whether texts have two values in the same words: "from 1 hour before until 8 hours after"."""
    one, other = (re.escape(value.strip().lower()) for value in values)
    if not (one and other):
        return False
    phrase = re.compile(
        f"(?<![a-z0-9])(?:{one}[^.;\n]{{1,60}}?{other}|{other}[^.;\n]{{1,60}}?{one})[^.;,\n]{{0,8}}"
    )
    found = [set(phrase.findall(forms(text)[2])) for text in texts]
    return bool(found[0] & found[1])


def _certain(
    mentions: Sequence[Mark], labels: Sequence[Mark], values: Sequence[Mark], text: str, of_things: bool
) -> dict[Hashable, Mark]:
    """What belongs to each label by its first mention and, where `mentions` has another, by its last."""
    pairs = belonging(labels, values, text, of_things)
    last = {mark.meaning: mark for mark in mentions}
    moved = sorted((last.get(mark.meaning, mark) for mark in labels), key=lambda mark: mark.start)
    if not pairs or moved == list(labels):
        return pairs
    again = belonging(moved, values, text, of_things)
    return {label: value for label, value in pairs.items() if again.get(label, value) == value}


@lru_cache(maxsize=KEPT_TEXTS)
def _things(text: str) -> list[Mark]:
    """The words of a text that can have a value: "stitches", but not "given"."""
    original, _, lower = forms(text)
    names = names_of(text)
    # The only medicine or measure has all values.
    only = [(start, end) for start, end, _ in names] if len({name for _, _, name in names}) == 1 else []
    found = [
        match
        for match in THING.finditer(lower)
        if match.group() not in NO_THINGS
        and not (only and any(start <= match.start() < end for start, end in only))
    ]
    often = Counter(match.group() for match in found)
    return [
        Mark(match.start(), stem(match.group()), original[match.start() : match.end()])
        for match in found
        if often[match.group()] == 1
    ]


def _heads(words_of_text: Sequence[Mark]) -> list[Mark]:
    """The last word of each run of words: "drain" for "chest drain"."""
    return [
        word
        for word, following in pairwise([*words_of_text, None])
        if following is None or following.start != word.start + len(word.written) + 1
    ]


def _is_value(name: str) -> bool:
    return name == "number" or name.partition(" ")[0] in VALUES


def _crossed(
    mine: Mapping[Hashable, Mark], others: Mapping[Hashable, Mark]
) -> Iterator[tuple[tuple[Hashable, Hashable], str, str]]:
    """(two labels, words of the reference, of the answer) where two labels have exchanged their values."""
    now = {label: mark.meaning for label, mark in others.items()}
    for (label, mark), (other_label, other) in combinations(mine.items(), 2):
        if mark.meaning == other.meaning or not {mark.meaning, other.meaning} <= set(now.values()):
            continue
        crossed = now.get(label) == other.meaning or now.get(other_label) == mark.meaning
        straight = now.get(label) == mark.meaning or now.get(other_label) == other.meaning
        if crossed and not straight:
            texts = (
                (mark.written, others[label].written)
                if label in now
                else (other.written, others[other_label].written)
            )
            yield (label, other_label), *texts


def _common(
    ours: Sequence[Mark], theirs: Sequence[Mark], once: bool = False
) -> tuple[list[Mark], list[Mark]] | None:
    """The marks of a class that are in both texts, by their first place.

    None if fewer than two are in both or, with `once`, if one of them is in a text twice.
    """
    meanings = {mark.meaning for mark in ours} & {mark.meaning for mark in theirs}
    if len(meanings) < 2:
        return None
    sides = []
    for side in (ours, theirs):
        if once and sum(mark.meaning in meanings for mark in side) > len(meanings):
            return None
        first: dict[Hashable, Mark] = {}
        for mark in side:
            if mark.meaning in meanings:
                first.setdefault(mark.meaning, mark)
        sides.append(list(first.values()))
    return sides[0], sides[1]


def numbered(match: re.Match[str]) -> tuple[str, str]:
    """("week", "week 2") for a match of `NUMBERED`: "week two", "the second week"."""
    if match["letter"]:
        return match["lettered"], f"{match['lettered']} {1 + 'abcd'.index(match['letter'])}"
    number = match["number"] or match["ordinal"]
    meaning = ORDINALS.get(number) or COUNTS.get(number) or number.rstrip("stndrh")
    what = match["what"] or match["of"] or "day"
    return what, f"{what} {meaning}"


@lru_cache(maxsize=KEPT_TEXTS)
def _marks(text: str) -> dict[str, list[Mark]]:
    """Class → the marks of a text, for classes of which it has two or more."""
    original, raw, lower = forms(text)
    found: dict[str, list[Mark]] = {}
    inside: set[int] = set()
    ends: dict[str, int] = {}  # class → where its last mark ends

    def add(name: str, start: int, end: int, meaning: Hashable) -> None:
        bracketed = lower.endswith("(", 0, start) and BRACKET_END.match(lower, end) is not None
        mark = Mark(start, meaning, original[start:end].strip(), bracketed)
        found.setdefault(name, []).append(mark)

    for beginning in BEGINNING.finditer(lower):
        for row in _BEGUN.get(beginning.group(), ()):
            meanings, pattern = LABEL_PATTERNS[row]
            match = pattern.match(lower, beginning.start())
            if match is not None and match.start() >= ends.get(row, 0):
                ends[row] = match.end()
                add(row, match.start(), match.end(), meanings[int(match.lastgroup[1:])])
    later = [mark.written.lower() for mark in found.get("stage", ()) if mark.meaning == "later"]
    stops = {mark.meaning for mark in found.get("action", ())} - {"continue"}
    goes_on = not stops and all(one.startswith("continu") for one in later)  # "both were continued"
    if later and len(later) == len(found["stage"]) and not goes_on:
        found["stage"].insert(0, Mark(-1, "first", ""))  # "6 mg, then 12 mg"
    for match in NUMBERED.finditer(lower):
        what, meaning = numbered(match)
        add(what, match.start(), match.end(), meaning)
    for row, marks in found.items():
        if row != "action":
            inside |= {place for mark in marks for place in range(mark.start, mark.start + len(mark.written))}
    for start, end, name in names_of(text):
        add("measure" if name in MEASURE_NAMES or name in IN_BLOOD else "medicine", start, end, name)
    for quantity in read(text):
        if quantity.kind in VALUES:
            value = replace(quantity, bound="") if quantity.bound else quantity
            unit = "kg" if quantity.unit == "mg" and value.values[0][0] >= MG_PER_KG else quantity.unit
            add(f"{quantity.kind} {unit}", quantity.start, quantity.end, value)
    for number in NUMBER.finditer(lower):
        if number.start() not in inside:
            add("number", number.start(), number.end(), number.group())
    return {name: marks for name, marks in found.items() if len({mark.meaning for mark in marks}) > 1}
