"""What two texts say of each of several things, clause by clause: "left lung clear, effusion on the right".

`crossed` finds two labels (sides, medicines, measures, people, numbered beds or weeks) that have exchanged
what the text says of them. It reads only clauses that name one label; a clause of two leaves its class
uncertain.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import combinations, groupby

from medqa.clinical.claims.doses import doses
from medqa.clinical.claims.exclusives import PLACES
from medqa.clinical.conflicts.swaps import LABEL_PATTERNS, NO_THINGS, NUMBERED, Found, numbered
from medqa.clinical.notation.names import MEASURE_NAMES, names_of
from medqa.clinical.notation.numbers import show
from medqa.clinical.notation.pairing import CLAUSE
from medqa.clinical.notation.text import KEPT_TEXTS, forms, sentence_ends
from medqa.clinical.notation.word_forms import stem
from medqa.clinical.quantities.quantity_reader import read
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
    r"\b(?:respectively|former|latter|than|instead|replac(?!ement)\w+|rather|compared|vice versa)\b"
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
                # A medicine keeps its dose where purposes change places; a side does not keep its size.
                kept = stayed if row in CLASSES else {word for word in stayed if word[0].isalpha()}
                certain = (enough or (both and moved_words)) and not kept
                certain = certain or (
                    len(values) >= LEAST_MOVED and not any(word[0].isdigit() for word in stayed)
                )
            else:
                left = {word for word in (first if one in others else second) if word[0].isdigit()}
                certain = bool(values) and bool(left) and not stayed
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
        said = _said_of(text, lower, labels, ends)
        if len(said) > (classes is None):
            found[row] = {name: frozenset(content) for name, content in said.items()}
    return found


def _said_of(
    text: str, lower: str, labels: list[tuple[int, int, str]], ends: list[int]
) -> dict[str, set[str]]:
    """Label → words and numbers of its clauses; nothing where a clause names two labels.

    A clause without a label belongs to the label before it, at the beginning of a sentence to the one after
    it: "Warfarin 3 mg. When the INR is low, heparin". In a list, what comes before the first label belongs to
    all: "In the first phase she takes rifampicin 600 mg, isoniazid 300 mg".
    """
    said: dict[str, set[str]] = {}
    inside = {place for start, end, _ in labels for place in range(start, end)}
    clauses: list[tuple[int, int, int, str]] = []  # begin, where the label begins, end, label
    begin = 0
    for end in ends:
        named = {(name, start) for start, _, name in labels if begin <= start < end}
        if len({name for name, _ in named}) > 1:
            return {}
        label, start = min(named, default=("", end))
        clauses.append((begin, start, end, label))
        begin = end
    label = ""
    sentence_of = [bisect_right(sentence_ends(text), begin + 1) for begin, *_ in clauses]
    for _, group in groupby(zip(sentence_of, clauses, strict=True), key=lambda pair: pair[0]):
        sentence = [clause for _, clause in group]
        first = next((place for place, clause in enumerate(sentence) if clause[3]), 0)
        later = [clause for clause in sentence[first + 1 :] if clause[3]]
        before = [
            word for begin, start, _, _ in later for word in _content(text, lower, begin, start, inside)
        ]
        after_first = list(_content(text, lower, *sentence[first][1:3], inside)) if later else []
        listed = later and after_first and not before
        for place, (begin, start, end, name) in enumerate(sentence):
            label = name or (sentence[first][3] if place < first else label)
            begin = start if listed and place == first else end if listed and place < first else begin
            if label:
                said.setdefault(label, set()).update(_content(text, lower, begin, end, inside))
    return said


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
