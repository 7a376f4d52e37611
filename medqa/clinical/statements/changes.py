"""What a text says goes up or down, gets better or worse: the thing, the direction and the circumstances."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.notation.word_forms import stem
from medqa.clinical.statements.direction_words import (
    ADJECTIVES,
    ADVERBS,
    AUXILIARIES,
    BENEFITS,
    COMMON,
    CONDITIONS,
    DETERMINERS,
    LEVEL,
    LIKELIHOOD,
    NEEDED,
    NEGATING,
    NO_ADJECTIVE_BEFORE,
    NOUNS,
    ONE_THING,
    OPENING,
    PARTICLE_VERBS,
    PARTICLES,
    PERCEIVED,
    PREDICATES,
    PREPOSITIONS,
    PRONOUNS,
    QUALIFYING,
    QUALITY,
    SPLITTING,
    STOPS,
    TRANSPARENT,
    UNINFORMATIVE,
    VERBS,
    dimension_of,
)

TOKEN = re.compile(r"[a-z0-9][a-z0-9]*(?:['-][a-z0-9]+)*|[.,;:!?()\n]")
MOST_WORDS = 6
INDUCED = re.compile(r"-(?:induced|related|associated|mediated)$")
UP, SAME, DOWN = 1, 0, -1


@dataclass(frozen=True)
class Change:
    """A thing that changes.

    Attributes:
        things: stems of its name, without words such as "level"; empty when a pronoun names it.
        dimension: what of it changes, when not its level or effect: its dose, clearance, absorption, …
        ways: the directions that the text leaves possible; "not raised" leaves two.
        axis: what the direction is of: "level", "quality" (better or worse), …
        place: its token in the sentence.
        around: stems of the clause.
        condition: whether the change is a condition or a cause of another one.
        written: its words.
    """

    things: frozenset[str]
    dimension: frozenset[str]
    ways: frozenset[int]
    axis: str
    place: int
    around: frozenset[str] = frozenset()
    condition: bool = False
    written: str = ""


@lru_cache(maxsize=KEPT_TEXTS)
def changes_of(text: str) -> tuple[Change, ...]:
    """The changes of a text, sentence by sentence."""
    found: list[Change] = []
    tokens: list[str] = []
    for match in TOKEN.finditer(f"{forms(text)[2]}\n"):
        if match.group() in ".;!?\n":
            found += _of_sentence(tokens)
            tokens = []
        else:
            tokens.append(match.group())
    return tuple(found)


def _of_sentence(tokens: list[str]) -> list[Change]:
    found: list[Change] = []
    place = 0
    while place < len(tokens):
        end, changes = _change_at(tokens, place)
        found += changes
        place = max(end, place + 1)
    return [_in_clause(change, tokens, found) for change in found]


def _in_clause(change: Change, tokens: list[str], changes: Sequence[Change]) -> Change:
    """The change with the words of its clause, which ends where that of another change begins."""
    begin, end = 0, len(tokens)
    for other in {other.place for other in changes} - {change.place}:
        low, high = sorted((other, change.place))
        splits = [place for place in range(low + 1, high) if tokens[place] in SPLITTING]
        if splits and other < change.place:
            begin = max(begin, splits[-1])
        elif splits:
            end = min(end, splits[0])
    around = {_form(word) for word in tokens[begin:end] if word[0].isalnum() and word not in COMMON}
    before = tokens[: change.place]
    while "," in before:
        before = before[before.index(",") + 1 :]
    condition = _is_condition(before)
    later = any(other.place > change.place and not other.condition for other in changes)
    cause = later and change.condition
    return replace(
        change,
        around=frozenset(around - {""}),
        condition=condition or cause,
    )


def _is_condition(before: list[str]) -> bool:
    """Whether a change belongs to a condition: "if it rises", not "once it was stopped X fell"."""
    places = [place for place, word in enumerate(before) if word in CONDITIONS]
    if not places:
        return False
    between = before[places[-1] :]
    verbs = [place for place, word in enumerate(between) if word in AUXILIARIES]
    own = bool(verbs) and verbs[0] < len(between) - 2 and SPLITTING.isdisjoint(between)
    return not own


def _form(word: str) -> str:
    """One form of a word; none of a word of direction."""
    if word in UNINFORMATIVE:
        return ""
    return dimension_of(word) or stem(word)


def _change_at(tokens: list[str], place: int) -> tuple[int, list[Change]]:
    """Where the words of direction end that begin at a token, and the changes that they state."""
    word = tokens[place]
    following = tokens[place + 1] if place + 1 < len(tokens) else ""
    if word in PREDICATES and not _starts_name(tokens, place + 1) and following not in ("but", "and", "or"):
        names = _before(tokens, place)
        if names == [["it"]] and following in ("for", "to", "that"):
            names = [[name for name in tokens[place + 2 :] if name not in COMMON and name[0].isalpha()]]
        return place + 1, _made(tokens, place, names, *PREDICATES[word])
    if word in PARTICLE_VERBS:
        for end in range(place + 1, min(len(tokens), place + 6)):
            if tokens[end] in PARTICLES and tokens[end - 1] not in PREPOSITIONS:
                between = _names(tokens, place + 1, end)
                way = PARTICLES[tokens[end]]
                if between or PARTICLE_VERBS[word]:
                    return end + 1, _made(tokens, place, between, way, LEVEL)
                if end == place + 1:
                    found = (
                        _before(tokens, place)
                        if tokens[place - 1 : place] != [] and not _starts_name(tokens, end + 1)
                        else _after(tokens, end + 1)
                    )
                    return end + 1, _made(tokens, place, found, way, LEVEL)
            if tokens[end] in STOPS or not tokens[end][0].isalnum():
                break
    if word in ("is", "are", "was", "were") and following in PARTICLES:
        return place + 2, _made(tokens, place, _before(tokens, place), PARTICLES[following], LEVEL)
    if word in NOUNS and following in ("in", "of"):
        way, axis = NOUNS[word]
        return place + 2, _made(tokens, place, _after(tokens, place + 2), way, axis)
    live = tokens[max(0, place - 1) : place + 1] == ["live", "attenuated"]  # "live attenuated vaccines"
    if word in VERBS and not live:
        way, axis, transitive = VERBS[word]
        attribute = word.endswith("ing")
        named = (transitive or attribute) and _starts_name(tokens, place + 1)
        after = _after(tokens, place + 1) if named else []
        found = after or _before(tokens, place)
        return place + 1, _made(tokens, place, found, way, axis, attribute=attribute and bool(after))
    if word in ADJECTIVES:
        return _adjective(tokens, place)
    return place + 1, []


def _adjective(tokens: list[str], place: int) -> tuple[int, list[Change]]:
    """The change that "higher levels", "are higher", "less effective" or "absorbed better" states."""
    way, axis = ADJECTIVES[tokens[place]]
    following, second = [*tokens[place + 1 : place + 3], "", ""][:2]
    if following == "than" and second not in ("normal", "usual", "expected", "before", "otherwise"):
        return place + 2, []
    doses = following in ("dose", "doses") and tokens[place] not in ("high", "low")
    if following in NO_ADJECTIVE_BEFORE and not (doses and not NEEDED.isdisjoint(tokens)):
        return place + 2, []
    if tokens[place] in ("more", "less"):
        if following in LIKELIHOOD or (following.endswith("ly") and following not in COMMON):
            end = place + 2
            if following in ("likely", "often", "frequently", "commonly") or not _starts_name(tokens, end):
                return end, _made(tokens, place, _before(tokens, place), way, axis)
            return end, _made(tokens, place, _after(tokens, end), way, axis)
        if not _starts_name(tokens, place + 1) or following in QUALIFYING:
            return place + 1, []
        return place + 1, _made(tokens, place, _after(tokens, place + 1), way, axis, attribute=True)
    if _starts_name(tokens, place + 1) and following not in OPENING:
        names = _after(tokens, place + 1)
        return place + 1, _made(tokens, place, names, way, axis, attribute=True)
    return place + 1, _made(tokens, place, _before(tokens, place), way, axis)


def _starts_name(tokens: list[str], place: int) -> bool:
    """Whether the name of a thing begins at a token."""
    while place < len(tokens) and tokens[place] in ADVERBS:
        place += 1
    if place >= len(tokens) or not tokens[place][0].isalpha():
        return False
    word = tokens[place]
    return (
        word in DETERMINERS
        or word in PRONOUNS
        or not (
            word in PREPOSITIONS or word in STOPS or word in AUXILIARIES or word in ("and", "or", "of", "not")
        )
    )


def _names(tokens: list[str], begin: int, end: int) -> list[list[str]]:
    names: list[list[str]] = [[]]
    for word in tokens[begin:end]:
        if word == "and":
            names.append([])
        elif word in PRONOUNS:
            return [["it"]]
        elif word in ("its", "their", "his", "her"):
            names[-1].append("it")
        elif word not in DETERMINERS and word not in ADVERBS:
            names[-1].append(word)
    return [name for name in names if name]


def _after(tokens: list[str], begin: int) -> list[list[str]]:
    """The things that are named from a token on: "the heart rate and the blood pressure"."""
    end = begin
    while end < len(tokens) and end < begin + 2 * MOST_WORDS:
        word = tokens[end]
        if end > begin and tokens[end - 1] == "and" and (word in VERBS or word in ADVERBS or word in STOPS):
            break
        ends = word in STOPS or word in AUXILIARIES or word in PREPOSITIONS or word in CONDITIONS
        if ends or not word[0].isalnum() or word in ADJECTIVES:
            break
        end += 1
    return _names([word for word in tokens[begin:end] if word != "of"], 0, end)


def _before(tokens: list[str], end: int) -> list[list[str]]:
    """The things that are named before a verb: "deaths from sepsis", "heart rate and blood pressure"."""
    skipped = AUXILIARIES | ADVERBS | NEGATING | PERCEIVED
    while end and tokens[end - 1] in skipped:
        end -= 1
    begin = end
    while begin and begin > end - 2 * MOST_WORDS and tokens[begin - 1 : end] != ["and"]:
        word = tokens[begin - 1]
        of = begin > 1 and tokens[begin - 2] == "of"
        if word in PRONOUNS and begin == end:
            return [["it"]]
        inside = begin > 1 and (tokens[begin - 2] == "and" or tokens[begin - 2] in PREPOSITIONS)
        if word in ("its", "their", "his", "her"):
            begin -= 1
            break
        if word in DETERMINERS and not of and not inside:
            break
        known = word in STOPS or word in AUXILIARIES or word in VERBS or word in CONDITIONS
        if known or not word[0].isalnum():
            break
        begin -= 1
    words = [
        word
        for word in tokens[begin:end]
        if word not in PREPOSITIONS and word not in AUXILIARIES and word != "of"
    ]
    return _names(words, 0, len(words))


def _made(
    tokens: list[str], place: int, names: list[list[str]], way: int, axis: str, attribute: bool = False
) -> list[Change]:
    """A change for each named thing; one of unknown things where none is named."""
    negated = _is_negated(tokens, place)
    possible = {UP, SAME, DOWN} - {way} if negated else {UP, SAME, DOWN}
    ways = frozenset({way} if negated is False else possible)
    changes = []
    for name in names or [[]]:
        dimension = {dimension_of(word) for word in name} - {""}
        things = {
            ONE_THING.get(word) or stem(INDUCED.sub("", word))
            for word in name
            if word not in TRANSPARENT
            and word not in COMMON
            and word not in ADJECTIVES
            and not dimension_of(word)
        }
        beneficial = axis == QUALITY and any(word.startswith(BENEFITS) for word in name)
        written = " ".join(tokens[max(0, place - 6) : place + 6])
        changes.append(
            Change(
                frozenset(things),
                frozenset(dimension),
                ways,
                LEVEL if beneficial else axis,
                place,
                condition=attribute,
                written=written,
            )
        )
    return changes


def _is_negated(tokens: list[str], place: int) -> bool | None:
    """Whether a change is denied; None when it is denied with a limit, which leaves all open."""
    before = tokens[max(0, place - 5) : place]
    for mark in (",", ":", "(", "and", "but", "so"):
        while mark in before:
            before = before[before.index(mark) + 1 :]
    negations = [word for word in before if word in NEGATING or word.endswith("n't")]
    if not negations:
        return False
    tokens = tokens[place - len(before) + before.index(negations[0]) + 1 :]
    limited = {"unless", "until", "without", "before", "than", "only", "if", "when", "above", "beyond"}
    doubted = any(word.startswith(("deni", "doubt", "only", "question")) for word in before)
    return None if doubted or len(negations) > 1 or not limited.isdisjoint(tokens) else True
