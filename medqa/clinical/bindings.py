"""What two texts say of each of several things, clause by clause: "left lung clear, effusion on the right".

`crossed` finds two labels (sides, medicines, measures, people, numbered beds or weeks) that have exchanged
what the text says of them. It reads only clauses that name one label; a clause of two leaves its class
uncertain.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import combinations

from medqa.clinical.doses import doses
from medqa.clinical.names import MEASURE_NAMES, names_of
from medqa.clinical.numbers import show
from medqa.clinical.opposites import PLACES
from medqa.clinical.quantity_reader import read
from medqa.clinical.swaps import CLAUSE, LABEL_PATTERNS, NO_THINGS, NUMBERED, Found, numbered
from medqa.clinical.text import KEPT_TEXTS, forms
from medqa.clinical.word_forms import stem
from medqa.clinical.words import words

# Classes whose labels two texts can exchange.
CLASSES = ("side", "person", "sex", "age group")
# Further classes, whose labels have clauses of their own: what is checked, the two sides of a transplant.
FURTHER = {
    "check": {
        "kidneys": "(?:kidney|renal) (?:function|tests?|profile)",
        "liver": "(?:liver|hepatic) (?:function|tests?|profile)",
        "thyroid": "thyroid (?:function|tests?|profile)",
        "blood count": "(?:full |complete )?blood counts?",
    },
    "transplant": {"donor": "donor", "recipient": "recipient"},
}  # fmt: skip
FURTHER_PATTERNS = {
    row: re.compile(
        "|".join(rf"\b(?P<{name.replace(' ', '_')}>{words_of})\b" for name, words_of in names.items())
    )
    for row, names in FURTHER.items()
}
# A text with one of these needs more than its clauses to be understood.
UNCERTAIN = re.compile(
    r"\b(?:respectively|former|latter|than|instead|replac\w+|rather|compared|vice versa)\b"
)
# "The left wrist" is the left.
PLACE = re.compile(rf"[ -](?:{PLACES})(?![a-z])")
WORD = re.compile("[a-z]{4,}|low|high|none|no")
NUMBER = re.compile(r"[0-9](?<![a-z0-9.,/-].)[0-9]*(?:\.[0-9]+)?(?![0-9])")
# One form for words that say the same.
SAME = {
    "lifelong": "life", "swollen": "swell", "clear": "normal", "fine": "normal", "unremarkable": "normal",
    "healthy": "normal", "unaffected": "normal", "tolerated": "normal", "none": "no", "no": "no",
}  # fmt: skip
EMPTY = NO_THINGS | words(
    "should must could would will shall there here also only very patient patients takes taken gets give "
    "gives given needs need looks look shows show because since after before during again still"
)
SENTENCE_MARKS = ".;|\n"
# Words of one label that have to be with the other, where none came back.
LEAST_MOVED = 2

Said = Mapping[str, frozenset[str]]


def crossed(reference: str, hypothesis: str) -> Iterator[Found]:
    """(labels, "swapped", words of the reference, words of the answer) for labels that exchanged their words.

    Rule: what only one label has in the reference, only the other has in the answer, at least two words or
    numbers of them, and no word or number of that kind has stayed.
    """
    ours = _said(reference)
    theirs = _said(hypothesis, frozenset(ours)) if ours else {}
    for row in (row for row in ours if row in theirs):
        mine, others = ours[row], theirs[row]
        for one, two in combinations(sorted(mine), 2):
            first, second = mine[one] - mine[two], mine[two] - mine[one]
            if one in others and two in others:
                then, now = others[one] - others[two], others[two] - others[one]
            elif one in others or two in others:
                then, now = others.get(one, frozenset()), others.get(two, frozenset())
            else:
                continue
            moved, stayed = (first & now) | (second & then), (first & then) | (second & now)
            values = {word for word in moved if word[0].isdigit()}
            moved_words = moved - values
            # "For TB A 600 mg, B 2 g" says of both what its first clause says.
            each = all(any(word[0].isalpha() for word in part) for part in (mine[one], mine[two]))
            enough = len(moved_words) >= LEAST_MOVED and row != "measure" and each
            both = bool(first & now) and bool(second & then)
            if one in others and two in others:
                certain = (enough or (both and moved_words)) and not any(word[0].isalpha() for word in stayed)
                certain = certain or (both and "normal" in moved_words)
                certain = certain or (
                    len(values) >= LEAST_MOVED and not any(word[0].isdigit() for word in stayed)
                )
            else:
                kept = {word for word in (first if one in others else second) if word[0].isdigit()}
                certain = bool(values) and bool(kept) and not stayed
            if certain:
                texts = (" ".join(sorted(part)) for part in (first | second, then | now))
                yield f"{one}, {two}", "swapped", *texts


@lru_cache(maxsize=KEPT_TEXTS)
def _said(text: str, classes: frozenset[str] | None = None) -> dict[str, Said]:
    """Class → label → words and numbers of the clauses that name it, where each clause names one label.

    `classes`: those that are needed; without, those of which the text names two labels.
    """
    lower = forms(text)[2]
    if UNCERTAIN.search(lower):
        return {}
    found: dict[str, Said] = {}
    needed = {
        row: labels
        for row, labels in _labels(text, lower).items()
        if (len({name for _, _, name in labels}) > 1 if classes is None else row in classes)
    }
    ends = [*(match.start() for match in CLAUSE.finditer(lower)), len(lower)] if needed else []
    for row, labels in needed.items():
        said: dict[str, set[str]] = {}
        begin, label = 0, ""
        opening: list[tuple[int, int]] = []  # clauses at the beginning of a sentence, before its label
        inside = {place for start, end, _ in labels for place in range(start, end)}
        certain = True
        for end in ends:
            named = {name for start, _, name in labels if begin <= start < end}
            certain = certain and len(named) < 2
            starts = begin == 0 or lower[begin] in SENTENCE_MARKS
            if starts and opening and label:
                _add_content(said, label, text, lower, opening, inside)
            opening = [] if starts else opening
            if not named and (starts or opening):
                opening.append((begin, end))
            else:
                label = min(named) if named else label
                _add_content(said, label, text, lower, [*opening, (begin, end)] if label else [], inside)
                opening = []
            begin = end
        if label:
            _add_content(said, label, text, lower, opening, inside)
        if certain and len(said) > (classes is None):
            found[row] = {name: frozenset(content) for name, content in said.items()}
    return found


def _add_content(
    said: dict[str, set[str]],
    label: str,
    text: str,
    lower: str,
    spans: list[tuple[int, int]],
    inside: set[int],
) -> None:
    """Add the words and numbers of some clauses to those of a label."""
    for number, (begin, end) in enumerate(spans, start=1):
        content = _content(text, lower, begin, end, inside)
        if number < len(spans):
            content = (word for word in content if word[0].isalpha())  # "above 60, add amoxicillin 2 g"
        said.setdefault(label, set()).update(content)


def _content(text: str, lower: str, begin: int, end: int, inside: set[int]) -> Iterator[str]:
    """The words of a clause in one form each, and its numbers, without those of the labels."""
    for match in WORD.finditer(lower, begin, end):
        word = match.group()
        if match.start() not in inside and (word in SAME or word not in EMPTY):
            yield SAME.get(word) or SAME.get(stem(word)) or stem(word)[:6]
    for match in NUMBER.finditer(lower, begin, end):
        if match.start() not in inside:
            yield match.group()
    for dose in doses(text):
        if dose.counted and begin <= dose.amount.start < end:
            yield show(dose.total.values[0][0])  # "two of the 250 mg tablets" are 500 mg
    for quantity in read(text):
        if begin <= quantity.start < end and quantity.number:
            yield show(quantity.number)


def _labels(text: str, lower: str) -> dict[str, list[tuple[int, int, str]]]:
    """Class → (start, end, label) of the labels of a text."""
    found: dict[str, list[tuple[int, int, str]]] = {}
    for row in CLASSES:
        meanings, pattern = LABEL_PATTERNS[row]
        for match in pattern.finditer(lower):
            meaning = meanings[int(match.lastgroup[1:])]
            place = PLACE.match(lower, match.end()) if row == "side" else None
            found.setdefault(row, []).append((match.start(), (place or match).end(), meaning))
    for row, pattern in FURTHER_PATTERNS.items():
        for match in pattern.finditer(lower):
            found.setdefault(row, []).append((match.start(), match.end(), match.lastgroup.replace("_", " ")))
    for match in NUMBERED.finditer(lower):
        what, meaning = numbered(match)
        found.setdefault(what, []).append((match.start(), match.end(), meaning))
    for start, end, name in names_of(text):
        found.setdefault("measure" if name in MEASURE_NAMES else "medicine", []).append((start, end, name))
    return found
