"""Terms that a text names in other words than a lexicon lists: "the spleen is enlarged" is splenomegaly."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from medqa.clinical import words as word_lists
from medqa.clinical.notation.word_forms import canonical, stem
from medqa.clinical.terms.negation import NEGATION_WORDS, negates
from medqa.clinical.terms.vocabulary import Vocabulary

# Words that a name can do without, or have more of.
SMALL = word_lists.words(
    "the a an of in to into with and or on at by for from is are was were be been being has have had got his "
    "her their my your our its it he she they you we this that these those which who as than when while out "
    "up off over one each after before during there very also some any rate level levels count counts runs "
    "both all can could may might will would"
)
# Words of a state or change that say the same beside an organ or substance: "the potassium runs low".
STATES = (
    "low lower lowered reduced reduction decreased decrease fall falls fell falling drop drops dropped lack "
    "lacking deficient deficiency insufficient slow slowed poor dip dips dipped sank sunk plunged scarce",
    "high higher raised raise elevated elevation increased increase excess excessive rise rises rose risen "
    "fast rapid racing push pushes pushed climb climbs climbed soar soars soared surge surged spike spikes",
    "enlarged enlargement big bigger large larger grow grew grown",
    "inflamed inflammation sore",
    "swollen swelling swell swells swelled oedema edema oedematous edematous puffy",
    "removed removal remove excised excision resected resection",
    "infected infection",
    "blocked blockage block obstructed obstruction closed occluded occlusion",
    "clot clots clotted thrombus thrombosis thrombosed",
    "bleed bleeds bleeding bled haemorrhage hemorrhage",
    "leak leaks leaking leaky regurgitation incompetent incompetence",
    "narrowed narrowing narrow stenosis stenosed tight",
    "torn tear tore rupture ruptured burst",
    "broken break breaks breaking broke fracture fractured",
    "painful pain pains hurt hurts hurting ache aches aching sore",
    "weak weakness weakened",
    "stiff stiffness rigid rigidity",
    "dry dryness",
    "thick thickened thickening hypertrophy hypertrophied",
    "shrunken shrunk shrinking wasted wasting atrophy atrophied",
    "difficult difficulty trouble struggle struggles struggled hard impaired impairment",
    "damage damaged damages damaging harm harms harmed harming harmful",
    "acute acutely sudden suddenly abrupt abruptly",
    "cloudy clouds clouded clouding opaque opacity",
    "scar scars scarred scarring fibrosis fibrotic",
    "collapsed collapse collapses collapsing",
    "dilated dilatation dilation dilate dilates widened widening wide ballooned",
    "twisted twist twists twisting torsion",
    "dead death dies died dying necrosis necrotic",
    "itchy itch itches itching pruritus pruritic",
    "thin thins thinned thinning",
    "spasm spasms cramp cramps cramping",
    "tender tenderness",
    "fail fails failed failing failure",
    "repair repaired repairing mended",
    "replaced replacement",
)
# Other words that may stand among those of a name.
MOST_BETWEEN = 3
# Words before a mention in which a negation still denies it.
DENIED_FROM = 3


class Place(NamedTuple):
    """A term in a text, "no …" for a denied one, and where it begins and ends."""

    start: int
    term: str
    end: int


@lru_cache(maxsize=1)
def _states() -> dict[str, str]:
    """Each word of a state, with the first that says the same."""
    return {canonical(word): line.split()[0] for line in STATES for word in reversed(line.split())}


class Word(NamedTuple):
    """A word of a text: itself, what it counts as inside a name, where it begins and ends, if it denies."""

    word: str
    stem: str
    start: int
    end: int
    denies: bool


class Mentions:
    """Finds terms by the words of their names, in any order, beside each other or nearly so."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._stems = lru_cache(maxsize=1 << 16)(self._stem)
        self._sets = lru_cache(maxsize=1 << 14)(self._stem_sets)

    def _stem(self, word: str) -> str:
        return _states().get(canonical(word)) or stem(self._vocabulary.part(word))

    def _stem_sets(self, term: str) -> tuple[frozenset[str], ...]:
        """The words of each name of a term, as stems."""
        names = self._vocabulary.relations.names.get(term, ())
        names = ([word for word in name.split() if word not in SMALL] for name in names)
        return tuple(frozenset(map(self._stems, words)) for words in names if len(words) > 1)

    def words(self, text: str, tokens: Sequence[tuple[str, int]]) -> list[Word]:
        """The tokens of a text in small letters with their stems; a mark of punctuation has none."""
        found = []
        for word, start in tokens:
            denies = word.endswith("n't") or (word in NEGATION_WORDS and negates(text, word, start))
            stemmed = self._stems(word) if word[0].isalnum() else ""
            found.append(Word(word, stemmed, start, start + len(word), denies))
        return found

    def add(
        self,
        wanted: Counter[str],
        given: Counter[str],
        text: str,
        tokens: Sequence[tuple[str, int]],
        places: Sequence[Place],
    ) -> None:
        """Add to the terms of a text, `given`, those of `wanted` that it names in other words.

        Terms that are a part of such a name ("spleen") are taken away unless both texts name them.

        Args:
            wanted: the terms of the other text.
            given: those of this text; changed.
            text: this text in small letters.
            tokens: its words and marks.
            places: where each of its terms begins, and the term.
        """
        present = {self._stems(word) for word in {word for word, _ in tokens} if word[0].isalnum()}
        names = {
            term: [name for name in self._sets(term.removeprefix("no ")) if name <= present]
            for term in wanted
            if term not in given
        }
        if not any(names.values()):
            return
        words = self.words(text, tokens)
        where = defaultdict(list)
        for place, word in enumerate(words):
            where[word.stem].append(place)
        for term, candidates in names.items():
            for name in candidates:
                inside = self._mention(name, sorted(chain(*map(where.get, name))), words, places, wanted)
                if inside is not None and term.startswith("no ") == inside[1]:
                    given[term] = wanted[term]
                    for part in inside[0]:
                        del given[part]
                    break

    def _mention(
        self,
        name: frozenset[str],
        found: Sequence[int],
        words: Sequence[Word],
        places: Sequence[Place],
        wanted: Counter[str],
    ) -> tuple[set[str], bool] | None:
        """The other terms inside a mention of a name and whether it is denied; None without a mention.

        `found` are the places of its words.
        """
        span = shortest(name, found, words)
        if span is None:
            return None
        first, last = words[span[0]], words[span[1]]
        inside = set()
        for place in places:
            if place.term in wanted or place.start >= last.end or first.start >= place.end:
                continue
            own = {word.stem for word in words if place.start <= word.start < place.end}
            own -= {"", *SMALL}
            if own <= name:
                inside.add(place.term)
            elif own & name or not self._vocabulary.relations.is_bodily(place.term.removeprefix("no ")):
                return None  # "infection of the outer ear" is no middle ear infection
        before = words[max(0, span[0] - DENIED_FROM) : span[1] + 1]
        denied = any(word.denies for word in before if word.stem not in name)
        return inside, denied or any(term.startswith("no ") for term in inside)


def shortest(name: frozenset[str], places: Sequence[int], words: Sequence[Word]) -> tuple[int, int] | None:
    """First and last place of the shortest run that has all words of a name, at `places`; None for none."""
    best, shortest_length = None, 0
    for number, first in enumerate(places):
        seen = set()
        for last in places[number:]:
            length = sum(word.word not in SMALL for word in words[first + 1 : last + 1])
            if length > len(name) + MOST_BETWEEN or (best and length >= shortest_length):
                break
            seen.add(words[last].stem)
            if seen == name:
                if all(word.stem for word in words[first : last + 1]):
                    best, shortest_length = (first, last), length
                break
    return best
