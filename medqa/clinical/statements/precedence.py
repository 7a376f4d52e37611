"""What comes first or is preferred in a text: "A before B", "B after A", "A rather than B".

Two texts contradict each other when what comes first in one comes last in the other.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.quantities.quantity_reader import read
from medqa.clinical.statements.statements import words_of

LONGEST_SENTENCE = 200
SENTENCE = re.compile(r"[^.;!?\n]+")
# Between what comes first and what comes second, and the other way round.
FORWARD = re.compile(
    r"\b(?:before|prior to|ahead of|preceding|precedes?|(?:is |are )?followed by|(?:and |, )?then"
    r"|(?:and |, )?only (?:then|afterwards))(?![a-z])"
)
BACKWARD = re.compile(r"\b(?:(?:only )?after|following|follows|once)(?![a-z])")
FIRST = re.compile(r"\b(?:first|beforehand|to begin with)(?:,|(?: and| then|$|(?= in )|(?= before )))")
LATER = re.compile(r"\b(?:afterwards?|later|second|next|subsequently|thereafter)(?![a-z])")
PREFERRED = re.compile(
    r"\b(?:rather than|instead of|in preference to|(?:is |are |be )?preferred (?:over|to)|in place of"
    r"|(?:is |are )?better than)(?![a-z])"
)
REPLACED = re.compile(r"\b(?:should|must|can|to) be (?:replaced|substituted) (?:by|with)(?![a-z])")
NOT_THE_OTHER = re.compile(r"^(?P<first>[^,]+), (?:and )?not (?P<second>[^,]+)(?:, (?P<rest>.*))?$")
DENIED = re.compile(r"\b(?:not|never|no|neither|without|until|unless|avoid|cannot)\b|n't\b")


@dataclass(frozen=True)
class Precedence:
    """`first` comes before `second`, or is preferred to it; both are sets of stems."""

    kind: str
    first: frozenset[str]
    second: frozenset[str]
    written: str


def turned_precedence(reference: str, hypothesis: str) -> tuple[str, str, str, str] | None:
    """(subject, kind, words of the reference, words of the answer) of an order or preference turned round."""
    for one in _precedences(reference):
        for other in _precedences(hypothesis):
            crossed = one.first & other.second, one.second & other.first
            straight = one.first & other.first, one.second & other.second
            if one.kind == other.kind and all(crossed) and not all(straight):
                return " ".join(sorted(crossed[0])), "negation", one.written, other.written
    return None


def same_preference(reference: str, hypothesis: str) -> bool:
    """Whether both texts prefer the same to the same, however each says it."""
    return any(
        one.kind == other.kind == "preference" and one.first & other.first and one.second & other.second
        for one in _precedences(reference)
        for other in _precedences(hypothesis)
    )


@lru_cache(maxsize=KEPT_TEXTS)
def _precedences(text: str) -> tuple[Precedence, ...]:
    """What comes before what in each sentence; none in one with times or another order."""
    found = []
    for match in SENTENCE.finditer(forms(text)[2]):
        sentence = match.group().strip()
        if len(sentence) > LONGEST_SENTENCE:
            continue
        precedence = _preference(sentence) or _order(sentence)
        if precedence and precedence.first and precedence.second:
            found.append(precedence)
    return tuple(found)


def _preference(sentence: str) -> Precedence | None:
    marks = list(PREFERRED.finditer(sentence))
    if len(marks) == 1 and not DENIED.search(sentence):
        return _made("preference", sentence[: marks[0].start()], sentence[marks[0].end() :], sentence)
    if (instead := REPLACED.search(sentence)) and not DENIED.search(sentence):
        return _made("preference", sentence[instead.end() :], sentence[: instead.start()], sentence)
    if parts := NOT_THE_OTHER.match(sentence):
        return _made("preference", parts["first"], parts["second"], sentence)
    return None


def _order(sentence: str) -> Precedence | None:
    forward, backward = (list(pattern.finditer(sentence)) for pattern in (FORWARD, BACKWARD))
    if not (forward or backward or LATER.search(sentence)) or DENIED.search(sentence):
        return None
    if any(quantity.kind != "route" for quantity in read(sentence)):
        return None
    if len(forward) + len(backward) == 1:
        mark = (forward or backward)[0]
        before, after = sentence[: mark.start()], sentence[mark.end() :]
        if not before.strip(" ,"):
            after, _, before = after.partition(",")
        first, second = (before, after) if forward else (after, before)
        return _made("order", first, second, sentence)
    if not forward and not backward and (later := LATER.search(sentence)) and FIRST.search(sentence):
        first, _, second = sentence[: later.end()].rpartition(",")
        if not first:
            first, _, second = sentence[: later.end()].rpartition(" and ")
        return _made("order", first, second, sentence)
    return None


def _made(kind: str, first: str, second: str, sentence: str) -> Precedence:
    mine, others = words_of(first), words_of(second)
    return Precedence(kind, mine - others, others - mine, sentence)
