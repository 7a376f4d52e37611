"""Opposites that two long texts say of one thing: "onset is sudden" and "with a gradual onset".

`directions` compares changes in short texts. In long ones the words around an opposite show what it is said
of (`contexts`), as they do for figures (`fitting`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from medqa.clinical.claims.claims import Found
from medqa.clinical.claims.contexts import EMPTY, likenesses, stems_of
from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.statements.direction_words import NO_ADJECTIVE_BEFORE

# Axis → the words of its two poles.
OPPOSITES = {
    "most": (
        "most common|most frequent|commonest|most usual|leading|most often|most abundant|most prevalent",
        "rarest|least common|least frequent|least often|most unusual|least prevalent",
    ),
    "more": (
        "more (?:common(?:ly)?|likely|often|frequent(?:ly)?|abundant|prevalent)|commoner",
        "less (?:common(?:ly)?|likely|often|frequent(?:ly)?|abundant|prevalent)|rarer|more rarely",
    ),
    "speed": (
        "rapid(?:ly)?|quick(?:ly)?|fast|sudden(?:ly)?|abrupt(?:ly)?|aggressive(?:ly)?|fast-growing",
        "slow(?:ly)?|delayed|gradual(?:ly)?|insidious(?:ly)?|indolent|slow-growing|slowed",
    ),
    "level": (
        "high|higher|elevated|raised|increased|excess|excessive|too much|increase|rise|elevation|rises"
        "|surplus",
        "low|lower|reduced|decreased|deficient|too little|reduction|decrease|lack|deficiency|shortage|drop"
        "|fall",
    ),
    "effect": (
        "raises|increases|elevates|prolongs?|lengthens?|enhances|stimulates|activates|induces|induction"
        "|promotes",
        "lowers|reduces|decreases|shortens?|suppresses|inhibits|inhibition|blocks|diminishes",
    ),
    "size": ("large|big|long", "small|short|tiny"),
    "time of day": ("day|daytime", "night|nighttime"),
    "season": ("rainy|wet", "dry"),
    "height": ("upper|above|top", "lower|below|bottom"),
    "breath": ("inspiratory|inhaling|inhalation|inspiration", "expiratory|exhaling|exhalation|expiration"),
    "trend": ("improved?|improves|better|improvement", "declined?|worsen(?:ed|s)?|deteriorated?|worse"),
    "advice": (
        "preferred|preferably|encouraged|recommended|first choice|advised",
        "avoided|discouraged|contraindicated|not recommended",
    ),
    "posture": ("supine|lying|flat", "upright|sitting|standing"),
    "beginning": ("hyper(?=[a-z]{4})", "hypo(?=[a-z]{4})"),
}
PATTERNS = {
    axis: re.compile(
        rf"\b(?:(?P<first>{first})|(?P<second>{second}))" + ("" if axis == "beginning" else "(?![a-z-])")
    )
    for axis, (first, second) in OPPOSITES.items()
}
# After these an opposite means its contrary, or nothing.
NEGATED = re.compile(
    r"\b(?:not|no|never|without|than|neither|nor|or|cannot|isn't|aren't|instead of|unless|if)"
    r"(?: [a-z]+){0,2} $"
)
# An opposite is said of the words after it, or, where a verb or a full stop follows, of those before it.
ATTRIBUTE = re.compile(
    r"(?: \([a-z]\))?"
    r"(?: (?:in|of|to|the|an?|your|their|his|her|have|be|get|amounts?|number|level))* (?=[a-z])"
)
# "CYP3A4 inhibition raises it", but "inhibition of CYP3A4"
NOUN = re.compile(
    "increase|rise|elevation|reduction|decrease|lack|deficiency|shortage|drop|fall|induction|inhibition"
    "|improvement"
)
OF = re.compile(" (?:of|in) ")
AFTER, BEFORE = re.compile(r"[^.;:,\n]*"), re.compile(r"[^.;:,\n]*$")
SPACE = 60
NEAREST = 2
WORD = re.compile("[a-z]+")
# Axes whose words also name a class: "high risk", "lower limb".
GRADED = {"level", "size", "height"}
DENIED = {"no", "not", "never", "without", "non"}
# A number after "above" is a threshold, of which `thresholds` has the rules.
THRESHOLD = re.compile(" (?:about |the )?[0-9]")
# Weight of the words in common from which two opposites are said of one thing, and the share of it that the
# same word in the other text may have. On 180 right and 140 wrong development answers, 0.5 to 2.0 find 24 or
# 25 errors and flag none of the right ones, 3.0 finds 20.
LEAST = 0.9
OF_AGREEING = 0.5
# Shorter texts are read as a whole (`directions`).
SHORTEST = 400


@dataclass(frozen=True)
class Pole:
    """A word of a text that has an opposite.

    Attributes:
        axis: what it says, "speed".
        first: whether it is the first of the two poles.
        start, end: its place in the plain text.
        things: the stems of the words that it is said of.
    """

    axis: str
    first: bool
    start: int
    end: int
    things: frozenset[str]


def turned_poles(reference: str, hypothesis: str) -> Iterator[Found]:
    """(things, "negation", words of the reference, words of the answer) of an opposite said of one thing.

    Rule: two words of one axis are said of a common thing, the words around both have enough in common, no
    other word of the axis fits better in either text, and the two are opposites.
    """
    if max(len(reference), len(hypothesis)) <= SHORTEST:
        return
    ours, theirs = _poles(reference), _poles(hypothesis)
    axes = {one.axis for one in ours} & {other.axis for other in theirs}
    for axis in sorted(axes):
        mine, others = ([one for one in side if one.axis == axis] for side in (ours, theirs))
        if len({one.first for one in (*mine, *others)}) > 1:
            for one, other in _turned(mine, others, (reference, hypothesis)):
                written = (_written(text, pole) for text, pole in ((reference, one), (hypothesis, other)))
                yield " ".join(sorted(one.things & other.things)), "negation", *written


def _turned(
    mine: Sequence[Pole], others: Sequence[Pole], texts: tuple[str, str]
) -> Iterator[tuple[Pole, Pole]]:
    """Pairs of opposites that are said of one thing."""
    fits = _fits(mine, others, texts)
    for place, one in enumerate(mine):
        row = fits[place]
        rival = max(range(len(others)), key=row.__getitem__)
        other, fit, column = others[rival], row[rival], [line[rival] for line in fits]
        if fit < LEAST or one.first == other.first or fit < max(column):
            continue
        agreeing = [weight for weight, two in zip(row, others, strict=True) if two.first == one.first]
        agreeing += [weight for weight, two in zip(column, mine, strict=True) if two.first == other.first]
        if max(agreeing, default=0) <= OF_AGREEING * fit:
            yield one, other


def _fits(mine: Sequence[Pole], others: Sequence[Pole], texts: tuple[str, str]) -> list[list[float]]:
    """How well each pole of the reference fits each of the answer."""
    return [
        [0.0 if one.things.isdisjoint(other.things) else fit for other, fit in zip(others, row, strict=True)]
        for one, row in zip(mine, likenesses(mine, others, texts), strict=True)
    ]


def _written(text: str, pole: Pole) -> str:
    """The words of a pole with those around it."""
    original = forms(text)[0]
    start = max(0, pole.start - SPACE // 2)
    end = original.find(" ", pole.end + SPACE // 2)
    begin = original.find(" ", start, pole.start) + 1 if start else 0
    return original[begin or start : end if end > 0 else len(original)].strip()


@lru_cache(maxsize=KEPT_TEXTS)
def _poles(text: str) -> tuple[Pole, ...]:
    """The words of a text that have an opposite and are not denied."""
    lower = forms(text)[2]
    return tuple(
        Pole(axis, match["first"] is not None, *match.span(), things)
        for axis, pattern in PATTERNS.items()
        for match in pattern.finditer(lower)
        if not NEGATED.search(lower[max(0, match.start() - 30) : match.start()])
        and not (axis == "height" and THRESHOLD.match(lower, match.end()))
        and (things := _things(axis, lower, *match.span()))
    )


def _things(axis: str, lower: str, start: int, end: int) -> frozenset[str]:
    """The stems of the words that a pole is said of."""
    if axis == "beginning":
        return frozenset({WORD.match(lower, end).group()})
    attribute = ATTRIBUTE.match(lower, end)
    if NOUN.fullmatch(lower, start, end) and not OF.match(lower, end):
        attribute = None  # "CYP3A4 inhibition raises it"
    after = AFTER.match(lower, attribute.end() if attribute else end, end + SPACE).group()
    first = WORD.match(after) if attribute else None
    if first and (axis in GRADED and first.group() in NO_ADJECTIVE_BEFORE):
        return frozenset()  # "high-risk patients", "a low dose"
    if first and first.group() not in EMPTY:
        words_after = WORD.findall(after)[: NEAREST + 2]
        return (
            frozenset()
            if DENIED.intersection(words_after)
            else frozenset(stems_of(after, 0, len(after))[:NEAREST])
        )
    before = BEFORE.search(lower[max(0, start - SPACE) : start]).group()
    return frozenset(stems_of(before, 0, len(before))[-NEAREST:])
