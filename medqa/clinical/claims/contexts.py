"""What a place of a long text is about, and how much the places of two texts are about one thing.

In: a text and the place of a value or word in it. Out: the words of its clause, of the rest of its sentence,
and of the heading above its list or the sentence before it, each with a weight (`context`); and how much the
words that two places have in common weigh (`likeness`), by how rare they are in both texts and in English.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import fsum, log
from typing import Protocol

from medqa.clinical.notation.pairing import CLAUSE
from medqa.clinical.notation.text import KEPT_TEXTS, forms, sentence_ends
from medqa.clinical.notation.word_forms import is_general, stem
from medqa.clinical.quantities.figures import figures
from medqa.clinical.words import words

WORD = re.compile(r"[a-z][a-z0-9]*[a-z0-9]|[0-9]+(?:\.[0-9]+)?")
# Words of grammar and of counting, and those that a statement about anything has.
EMPTY = words(
    "the and for with from that this then than his her their your our its has have had was were are been "
    "being can may might could would should will must not all any some each every other others both more "
    "most less least about around approximately roughly nearly almost some only also often usually "
    "typically generally which who whom whose what when where while there here they them these those into "
    "onto upon over under after before during between among within without until since because however "
    "though although but nor does did such very much many few per cent percent percentage year years "
    "month months week weeks day days hour hours minute minutes one two three four five six seven eight "
    "nine ten half third quarter people person persons patient patients individual individuals case cases "
    "affected affect affects known called estimated estimate as at by in is it of on or to an be do he if "
    "no so up we you old age aged ages out make makes made become becomes either neither own same well "
    "even just still yet common commonly condition disease disorder syndrome"
)
# Weight of a word outside the clause of a place; in its clause it is 1.
IN_SENTENCE, IN_HEADING, BEFORE = 0.5, 0.5, 0.25
# Weight of a word of general English beside a rarer one.
GENERAL = 0.6
# A clause with fewer words is read with its neighbour: "In 25 % of cases, it is familial".
LEAST_WORDS = 2
# Figures that tell what a place is about: "50 % of men aged 51 to 60". A share is of something else.
TELLING = ("age", "duration", "numbered")
# "Between 51 and 60" is one clause.
RANGE = re.compile("[0-9] (?:and|or) [0-9]")
ITEM = re.compile(r"\s*-")

Weights = Mapping[str, float]


class Placed(Protocol):
    """Something that is at a place of the plain text."""

    start: int
    end: int


@lru_cache(maxsize=KEPT_TEXTS)
def context(text: str, start: int, end: int) -> Weights:
    """The stems of the words around a place of a text, with their weights."""
    lower, sentences = _without_shares(text), _sentences(text)
    number = max(0, bisect_right(sentences, start, key=lambda sentence: sentence[0]) - 1)
    begin, stop, _ = sentences[number]
    found: dict[str, float] = {}
    above = number - 1
    if ITEM.match(lower, begin):
        while above >= 0 and ITEM.match(lower, sentences[above][0]):
            above -= 1
    if above >= 0:
        weight = IN_HEADING if ITEM.match(lower, begin) else BEFORE
        found |= dict.fromkeys(sentences[above][2], weight)
    found |= dict.fromkeys(stems_of(lower, begin, start) + stems_of(lower, end, stop), IN_SENTENCE)
    marks = [
        match for match in CLAUSE.finditer(lower, begin, stop) if not RANGE.match(lower, match.start() - 1)
    ]
    lefts = [begin, *(match.end() for match in marks if match.end() <= start)]
    rights = [*(match.start() for match in marks if match.start() >= end), stop]
    own = stems_of(lower, lefts[-1], start) + stems_of(lower, end, rights[0])
    if len(own) < LEAST_WORDS:
        if len(rights) > 1:
            own += stems_of(lower, rights[0], rights[1])
        elif len(lefts) > 1:
            own += stems_of(lower, lefts[-2], lefts[-1])
    return found | dict.fromkeys(own, 1.0)


@lru_cache(maxsize=KEPT_TEXTS)
def rarity(reference: str, hypothesis: str) -> Weights:
    """The weight of each stem that two texts have in common."""
    sides = [_sentences(text) for text in (reference, hypothesis)]
    total = sum(map(len, sides))
    ours, theirs = (Counter(word for _, _, content in side for word in content) for side in sides)
    return {
        word: log(1 + total / (ours[word] + theirs[word])) * (GENERAL if is_general(word) else 1)
        for word in ours.keys() & theirs.keys()
    }


def likeness(one: Weights, other: Weights, rare: Weights) -> float:
    """How much two statements are about one thing: the weight of the words that they have in common."""
    return fsum(min(one[word], other[word]) * rare.get(word, 0.0) for word in one.keys() & other.keys())


def likenesses(mine: Sequence[Placed], others: Sequence[Placed], texts: tuple[str, str]) -> list[list[float]]:
    """The likeness of each thing of the reference, a row, and each of the answer, a column."""
    rare = rarity(*texts)
    ours, theirs = (
        [context(text, one.start, one.end) for one in side]
        for text, side in zip(texts, (mine, others), strict=True)
    )
    return [[likeness(around, about, rare) for about in theirs] for around in ours]


def stems_of(lower: str, begin: int, end: int) -> list[str]:
    """The stems of the words of a part of a text that say what it is about, and its numbers."""
    return [stem(word) for word in WORD.findall(lower, begin, end) if word not in EMPTY]


@lru_cache(maxsize=KEPT_TEXTS)
def _sentences(text: str) -> list[tuple[int, int, frozenset[str]]]:
    """The sentences of a text that are not empty: start, end and stems."""
    lower, begin, found = forms(text)[2], 0, []
    for end in sentence_ends(text):
        if lower[begin:end].strip():
            found.append((begin, end, frozenset(stems_of(lower, begin, end))))
        begin = end
    return found or [(0, len(lower), frozenset())]


@lru_cache(maxsize=KEPT_TEXTS)
def _without_shares(text: str) -> str:
    """A text with spaces for its figures, except those that tell what others are of."""
    lower, parts, end = forms(text)[2], [], 0
    for figure in figures(text):
        if figure.start >= end and not figure.kind.startswith(TELLING):
            parts += [lower[end : figure.start], " " * (figure.end - figure.start)]
            end = figure.end
    return "".join([*parts, lower[end:]])
