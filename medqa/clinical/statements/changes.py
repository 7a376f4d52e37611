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
    BEFORE_NOUN_FALLS,
    BENEFITS,
    COMMON,
    CONDITIONS,
    DETERMINERS,
    INVERTING,
    LEVEL,
    LIKELIHOOD,
    LIMITED,
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
    RESPONSE,
    RESPONSES,
    SPLITTING,
    STOPS,
    TIMED,
    TIMING,
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
        inverted: whether a word of the sentence turns the cause round: "stopping it", "lack of it".
        limited: whether a word of the sentence limits when something is done: "until", "only".
        condition: whether the change is a condition or a cause of another one.
        written: its words.
        unnamed: whether no noun names it, as "level" does in "its level".
        pronoun: whether a pronoun does.
    """

    things: frozenset[str]
    dimension: frozenset[str]
    ways: frozenset[int]
    axis: str
    place: int
    around: frozenset[str] = frozenset()
    inverted: bool = False
    limited: bool = False
    condition: bool = False
    written: str = ""
    unnamed: bool = False
    pronoun: bool = False


@lru_cache(maxsize=KEPT_TEXTS)
def changes_of(text: str) -> tuple[Change, ...]:
    """The changes of a text, sentence by sentence; a pronoun goes on with the thing that changed last."""
    found: list[Change] = []
    tokens: list[str] = []
    for match in TOKEN.finditer(f"{forms(text)[2]}\n"):
        if match.group() in ".;!?\n":
            found += _of_sentence(tokens, found[-1:])
            tokens = []
        else:
            tokens.append(match.group())
    return tuple(found)


def _of_sentence(tokens: list[str], earlier: list[Change]) -> list[Change]:
    found: list[Change] = list(earlier)
    place = 0
    while place < len(tokens):
        end, changes = _change_at(tokens, place)
        for change in changes:
            if not change.things and not found and _elided(tokens, place):
                change = replace(change, things=_subject(tokens, place))
            if not change.things and found and (change.pronoun or _elided(tokens, place)):
                dimension = found[-1].dimension if change.unnamed else change.dimension
                change = replace(change, things=found[-1].things, dimension=dimension)
            found.append(change)
        place = max(end, place + 1)
    found = found[len(earlier) :]
    return [_in_clause(change, tokens, found) for change in found]


def _subject(tokens: list[str], place: int) -> frozenset[str]:
    """What the sentence before a token is about: "adrenaline comes first and is not delayed"."""
    verb = next((number for number in range(place) if tokens[number] in AUXILIARIES), 0)
    names = _before(tokens, verb)
    return _made(tokens, verb, names, SAME, LEVEL)[0].things if len(names) == 1 else frozenset()


def _elided(tokens: list[str], place: int) -> bool:
    """Whether a verb goes on with the subject of the one before it: "rises at night and falls by day"."""
    before = tokens[:place]
    while before and before[-1] in AUXILIARIES | ADVERBS | NEGATING:
        before = before[:-1]
    return bool(before) and before[-1] in ("and", "but", ",", "or", "then")


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
        inverted=not INVERTING.isdisjoint(_form(word) for word in tokens),
        limited=not LIMITED.isdisjoint(tokens),
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
        return "" if stem(word) not in INVERTING else stem(word)
    return dimension_of(word) or stem(word)


def _change_at(tokens: list[str], place: int) -> tuple[int, list[Change]]:
    """Where the words of direction end that begin at a token, and the changes that they state."""
    word = tokens[place]
    following = tokens[place + 1] if place + 1 < len(tokens) else ""
    if (word, following) in TIMED:
        end = place + 2 + (tokens[place + 2 : place + 3] == ["with"])
        names = _after(tokens, end) or _before(tokens, place)
        return end, _made(tokens, place, names, TIMED[word, following], TIMING)
    if word in RESPONSES and following == "to":
        return place + 2, _made(tokens, place, _after(tokens, place + 2), RESPONSES[word], RESPONSE)
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
    if word in VERBS and not _is_plain_noun(tokens, place):
        way, axis, transitive = VERBS[word]
        attribute = word.endswith("ing")
        named = (transitive or attribute) and _starts_name(tokens, place + 1)
        after = _after(tokens, place + 1) if named else []
        found = after or _before(tokens, place)
        changes = _made(tokens, place, found, way, axis, attribute=attribute and bool(after))
        if word.startswith("delay"):  # a process is slowed, an operation is put off
            changes += [replace(change, axis=LEVEL) for change in changes]
        return place + 1, changes
    if word in ADJECTIVES or word in ("poorly", "badly"):
        return _adjective(tokens, place)
    return place + 1, []


def _adjective(tokens: list[str], place: int) -> tuple[int, list[Change]]:
    """The change that "higher levels", "are higher", "less effective" or "absorbed better" states."""
    way, axis = ADJECTIVES.get(tokens[place], (DOWN, QUALITY))
    following, second = [*tokens[place + 1 : place + 3], "", ""][:2]
    if dimension_of(following) and following.endswith("ed"):  # "better absorbed"
        names = [[*name, following] for name in _before(tokens, place)]
        return place + 2, _made(tokens, place, names, way, axis)
    if tokens[place] not in ADJECTIVES:
        if place and dimension_of(tokens[place - 1]) and tokens[place - 1].endswith("ed"):
            return place + 1, _made(tokens, place, _before(tokens, place), way, axis)
        return place + 1, []
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
        if axis == QUALITY:
            return place + 1, []
        names = _after(tokens, place + 1)
        owner = place - (tokens[place - 1] in DETERMINERS) - 1
        if owner >= 0 and tokens[owner] in ("has", "have", "had") and not doses:
            names = [[*thing, *name] for name in names for thing in _before(tokens, owner)]
        return place + 1, _made(tokens, place, names, way, axis, attribute=True)
    return place + 1, _made(tokens, place, _before(tokens, place), way, axis)


def _is_plain_noun(tokens: list[str], place: int) -> bool:
    """Whether "falls" and "drops" are accidents and a form of medicine, "slow" and "lower" no verbs."""
    word = tokens[place]
    if word in ("fall", "falls", "drop", "drops", "rise"):
        before = tokens[place - 1] if place else ""
        return not before or before in BEFORE_NOUN_FALLS or (word == "drops" and tokens[-1] == "drops")
    return False


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
        if word in VERBS and end > begin:
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
        if word in AUXILIARIES and begin == end - 1 and dimension_of(tokens[begin]):
            begin -= 1  # "is absorbed less well"
            continue
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
                unnamed=not set(name) - {"it"},
                pronoun="it" in name,
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
