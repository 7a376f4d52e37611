"""Changes that two texts state in contrary directions.

"X raises Y", "Y goes up with X", "higher levels of Y with X" and "X leads to a rise in Y" are one change of Y
(`changes`); the words of direction are in `direction_words`.
"""

from collections.abc import Iterator

from medqa.clinical.claims.claims import Found
from medqa.clinical.notation.word_forms import stem
from medqa.clinical.statements.changes import TOKEN, Change, changes_of
from medqa.clinical.statements.direction_words import (
    DIMENSIONS,
)
from medqa.clinical.terms.lexicon import MedicalLexicon

# Longer texts hold several regimens, and a clause of another topic is easily taken for the same.
LONGEST_TEXT = 400
DIMENSION_STEMS = frozenset(DIMENSIONS.values())


def reversed_directions(reference: str, hypothesis: str, lexicon: MedicalLexicon) -> Iterator[Found]:
    """(subject, kind, words of the reference, words of the answer) of a change in the contrary direction.

    Rule: the same thing changes the other way in the same circumstances, and nothing in the answer that may
        be about it goes the way of the reference. A condition or a cause is no such change.
    """
    if max(len(reference), len(hypothesis)) > LONGEST_TEXT:
        return
    ours, theirs = changes_of(reference), changes_of(hypothesis)
    if not ours or not theirs:
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
        back = [mine for mine in ours if mine is not one and _may_be_one(mine, against[0])]
        if any(mine.ways & against[0].ways for mine in back):
            continue
        yield " ".join(sorted(one.things)), "negation", one.written, against[0].written
        return


def _common_terms(one: str, other: str, lexicon: MedicalLexicon) -> frozenset[str]:
    """The stems of the medical terms that both texts name."""
    terms = lexicon.counts(one).keys() & lexicon.counts(other).keys()
    return frozenset(stem(word) for term in terms for word in TOKEN.findall(term))


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
    named = one.things | other.things | one.dimension | other.dimension
    mine, others = one.around - named, other.around - named
    return not mine or not others or not mine.isdisjoint(others) or bool(common - named)
