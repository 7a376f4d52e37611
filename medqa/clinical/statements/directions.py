"""Changes that two texts state in contrary directions.

"X raises Y", "Y goes up with X", "higher levels of Y with X" and "X leads to a rise in Y" are one change of Y
(`changes`); the words of direction are in `direction_words`.
"""

import re
from collections.abc import Iterator, Sequence

from medqa.clinical.claims.claims import Found
from medqa.clinical.notation.text import forms
from medqa.clinical.notation.word_forms import stem
from medqa.clinical.quantities.quantity_reader import read
from medqa.clinical.statements.changes import TOKEN, Change, changes_of
from medqa.clinical.statements.direction_words import (
    DIMENSIONS,
    OPPOSED_CIRCUMSTANCES,
    TIMING,
)
from medqa.clinical.terms.lexicon import MedicalLexicon

# Longer texts hold several regimens, and a clause of another topic is easily taken for the same.
LONGEST_TEXT = 400
DIMENSION_STEMS = frozenset(DIMENSIONS.values())
HIGH_DOSE = re.compile(r"\b(?:high|higher|large|larger)[ -]doses?\b")
LOW_DOSE = re.compile(r"\b(?:low|lower|small|smaller)[ -]doses?\b")


def reversed_directions(reference: str, hypothesis: str, lexicon: MedicalLexicon) -> Iterator[Found]:
    """(subject, kind, words of the reference, words of the answer) of a change in the contrary direction.

    Rule: the same thing changes the other way in the same circumstances, and nothing in the answer that may
        be about it goes the way of the reference. Where a condition or a cause is turned round as well, both
        say the same: "rises as the pH falls", "falls as the pH rises".
    """
    if max(len(reference), len(hypothesis)) > LONGEST_TEXT:
        return
    ours, theirs = changes_of(reference), changes_of(hypothesis)
    if not ours or not theirs or _turned_causes(ours, theirs) or _bounds_differ(reference, hypothesis):
        return
    single = len(ours) == len(theirs) == 1
    common = _common_terms(reference, hypothesis, lexicon) if single else frozenset()
    for one in ours:
        if one.condition or not one.things:
            continue
        rivals = [other for other in theirs if _may_be_one(one, other, common)]
        against = [other for other in rivals if not one.ways & other.ways and other.things]
        agreeing = [other for other in rivals if one.ways & other.ways]
        if not against or agreeing or any(other.condition for other in against):
            continue
        if one.inverted and any(_same_things(one, other) and one.ways & other.ways for other in theirs):
            continue  # "smoking lowers it, stopping raises it"
        back = [mine for mine in ours if mine is not one and _may_be_one(mine, against[0])]
        if any(mine.ways & against[0].ways for mine in back):
            continue
        yield " ".join(sorted(one.things)), "negation", one.written, against[0].written
        return


def _common_terms(one: str, other: str, lexicon: MedicalLexicon) -> frozenset[str]:
    """The stems of the medical terms that both texts name."""
    terms = lexicon.counts(one).keys() & lexicon.counts(other).keys()
    return frozenset(stem(word) for term in terms for word in TOKEN.findall(term))


def same_direction(reference: str, hypothesis: str) -> bool:
    """Whether two texts let the same thing change in the same direction, however each negates it."""
    if max(len(reference), len(hypothesis)) > LONGEST_TEXT:
        return False
    return any(
        one.things
        and other.things
        and one.axis == other.axis
        and one.ways == other.ways
        and one.dimension == other.dimension
        and _same_things(one, other)
        for one in changes_of(reference)
        for other in changes_of(hypothesis)
    )


def inverted_cause(reference: str, hypothesis: str) -> bool:
    """Whether cause and effect are both turned round: "insulin lowers it", "lack of insulin raises it"."""
    if max(len(reference), len(hypothesis)) > LONGEST_TEXT:
        return False
    return any(
        one.things
        and other.things
        and one.inverted != other.inverted
        and one.axis == other.axis
        and one.dimension == other.dimension
        and not one.ways & other.ways
        and _same_things(one, other)
        for one in changes_of(reference)
        for other in changes_of(hypothesis)
    )


def _bounds_differ(one: str, other: str) -> bool:
    """Whether one text is about high values or doses and the other about low ones."""
    for high, low in ((one, other), (other, one)):
        if HIGH_DOSE.search(forms(high)[2]) and LOW_DOSE.search(forms(low)[2]):
            return True
    mine, others = ({quantity.bound for quantity in read(text)} - {""} for text in (one, other))
    return bool(mine and others) and mine.isdisjoint(others)


def _turned_causes(ours: Sequence[Change], theirs: Sequence[Change]) -> bool:
    """Whether a condition or cause of one text is the contrary of one of the other, or of a bare cause."""
    for one in ours:
        for other in theirs:
            named = one.things and other.things and _same_things(one, other)
            if named and (one.condition or other.condition) and not one.ways & other.ways:
                return True
    for mine, others in ((ours, theirs), (theirs, ours)):
        named = frozenset().union(*(change.things for change in others))
        around = frozenset().union(*(change.around for change in others))
        if any(change.condition and change.things and change.things <= around - named for change in mine):
            return True  # "less salt lowers it", "salt raises it"
    return False


def _same_things(one: Change, other: Change) -> bool:
    shorter, longer = sorted((one.things, other.things), key=len)
    return shorter <= longer


def _may_be_one(one: Change, other: Change, common: frozenset[str] = frozenset()) -> bool:
    """Whether two changes may be of one thing in the same circumstances.

    `common` are words for what both texts name, in whatever words.
    """
    if one.axis != other.axis:
        return False
    if not one.things or not other.things:
        return True
    if not _same_things(one, other):
        return False
    if not one.dimension <= other.dimension | other.around & DIMENSION_STEMS:
        return False
    if not other.dimension <= one.dimension | one.around & DIMENSION_STEMS:
        return False
    if one.axis == TIMING and (one.limited or other.limited):
        return False
    if one.inverted != other.inverted:
        return False
    if any(
        (_begins(one.around, first) and _begins(other.around, second))
        or (_begins(one.around, second) and _begins(other.around, first))
        for first, second in OPPOSED_CIRCUMSTANCES
    ):
        return False
    named = one.things | other.things | one.dimension | other.dimension
    mine, others = one.around - named, other.around - named
    return not mine or not others or not mine.isdisjoint(others) or bool(common - named)


def _begins(around: frozenset[str], beginning: str) -> bool:
    return any(word.startswith(beginning) for word in around)
