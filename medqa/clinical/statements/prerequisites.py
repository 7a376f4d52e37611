"""What must come first: "not A until B", "A only after B", and the contrary, "A without B"."""

import re
from dataclasses import dataclass
from functools import lru_cache

from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.statements.statements import words_of

LONGEST_SENTENCE = 250
SENTENCE = re.compile(r"[^.;!?\n]+")
DENIAL = re.compile(r"\b(?:not|never|no|nothing|nobody|cannot|unable|neither|avoid)\b|n't\b")
# What is stopped or required "before" or "without" is not done all the same.
NOT_DONE = re.compile(
    r"\b(?:stop|hold|held|with(?:hold|held|draw)|omit|paus|skip|discontinu|interrupt"
    r"|contra|refus|requir|need|must|unsafe)"
)
WAITING = re.compile(
    r"\b(?:until|till|unless|without"
    r"|(?<!hour )(?<!hours )(?<!day )(?<!days )(?<!week )(?<!weeks )(?<!month )(?<!months )(?<!minutes )"
    r"before)(?![a-z])"
)
ONLY_THEN = r"(?:only|not until) (?:after|once|when|if|with)"
THEN = re.compile(
    rf"\b(?:{ONLY_THEN}|once(?! (?:a|an|daily|every|weekly|monthly|only|again|or))"
    r"|as soon as(?! possible)|after)(?![a-z])"
)
# "Without any further assessment", "without waiting for the result"
WITHOUT_WAITING = re.compile(r"^ (?:any |a |the |further |prior |having |first |waiting for )*")
MUST_PRECEDE = re.compile(r"\b(?:must|should|needs? to|ha(?:s|ve) to|first)\b[^.;]* before(?![a-z])")
EXCLUDING = re.compile(
    r"\b(?:exclu[a-z]+|rul(?:e|es|ed|ing) (?:[a-z]+ ){0,4}?out|negative|absen[a-z]+|no|not)\b"
)


@dataclass(frozen=True)
class Prerequisite:
    """`thing` and `prior`, both as sets of stems, and how a text relates them.

    `needed`: the text wants `prior` first ("not until", "only after"); `needless`: it does without that
    ("without", "before"). Neither: `thing` follows `prior`, which may be mere order. `denied`: the text says
    it as "not until".
    `excluding`: `prior` is that something has been excluded.
    """

    thing: frozenset[str]
    prior: frozenset[str]
    needed: bool
    needless: bool
    denied: bool
    excluding: bool
    written: str


def same_prerequisite(reference: str, hypothesis: str) -> bool:
    """Whether both texts want the same before the same: "not until it is excluded", "once it is excluded"."""
    return any(
        (one.needed or other.needed)
        and not (one.needless or other.needless)
        and one.denied != other.denied
        and one.excluding == other.excluding
        and _are_of_one(one, other)
        for one in _prerequisites(reference)
        for other in _prerequisites(hypothesis)
    )


def dropped_prerequisite(reference: str, hypothesis: str) -> tuple[str, str, str, str] | None:
    """(subject, kind, words of reference and answer) where one text wants what the other skips."""
    for one in _prerequisites(reference):
        for other in _prerequisites(hypothesis):
            turned = (one.needed and other.needless) or (one.needless and other.needed)
            if turned and _are_of_one(one, other):
                return " ".join(sorted(one.prior & other.prior)), "negation", one.written, other.written
    return None


def _are_of_one(one: Prerequisite, other: Prerequisite) -> bool:
    return not (one.thing.isdisjoint(other.thing) or one.prior.isdisjoint(other.prior))


@lru_cache(maxsize=KEPT_TEXTS)
def _prerequisites(text: str) -> tuple[Prerequisite, ...]:
    lower = forms(text)[2]
    if not (WAITING.search(lower) or THEN.search(lower)):
        return ()
    found = (_of_sentence(match.group().strip()) for match in SENTENCE.finditer(lower))
    return tuple(one for one in found if one and one.thing and one.prior)


def _of_sentence(sentence: str) -> Prerequisite | None:
    """The prerequisite that a sentence states with one word such as "until"; None for none."""
    if len(sentence) > LONGEST_SENTENCE:
        return None
    waiting, then = list(WAITING.finditer(sentence)), list(THEN.finditer(sentence))
    if len(waiting) == 1 and MUST_PRECEDE.search(sentence) and not DENIAL.search(sentence):
        return _made(sentence[waiting[0].end() :], sentence[: waiting[0].start()], sentence, needed=True)
    if len(waiting) == 1:
        mark = waiting[0]
        thing, prior = _sides(sentence, mark)
        if DENIAL.search(thing):
            return _made(thing, prior, sentence, needed=True, denied=True)
        skips = not (DENIAL.search(sentence) or NOT_DONE.search(sentence))
        if mark.group() in ("before", "without") and skips:
            return _made(thing, WITHOUT_WAITING.sub("", prior), sentence, needless=True)
        return None
    if len(then) == 1 and not waiting and not DENIAL.search(sentence[: then[0].start()]):
        return _made(
            *_sides(sentence, then[0]),
            sentence,
            needed=" " in then[0].group() and then[0].group()[:2] != "as",
        )
    return None


def _sides(sentence: str, mark: re.Match[str]) -> tuple[str, str]:
    """What is before and after a word such as "until", which may begin the sentence."""
    before, after = sentence[: mark.start()], sentence[mark.end() :]
    if not before.strip(" ,"):
        after, _, before = after.partition(",")
    return before, after


def _made(
    thing: str, prior: str, sentence: str, needed: bool = False, needless: bool = False, denied: bool = False
) -> Prerequisite:
    mine, others = words_of(thing), words_of(prior)
    excluding = EXCLUDING.search(prior) is not None
    return Prerequisite(mine - others, others - mine, needed, needless, denied, excluding, sentence)
