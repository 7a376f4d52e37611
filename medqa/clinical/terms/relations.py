"""What a term contains: the classes above it, the parts of the body it is in, and the words of its names.

"Pericarditis" contains inflammation, carditis and the pericardium; "pulmonary embolism" the lung. Sources are
WordNet's hierarchy and definitions (`words/broader_terms.txt`), Greek and Latin parts, and the other names of
the term. Only classes with many members count, and only general findings and parts of the body in names:
rubella, "German measles", contains no measles.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache

from medqa.clinical import words as word_lists
from medqa.clinical.notation.word_forms import CLINICAL_ENDING, form_of
from medqa.clinical.terms.composition import DETERMINERS, LINKS

# What the body does and gives off, beside the parts of the body; WordNet has them elsewhere.
FUNCTIONS = (
    "swallowing, breathing, urination, vision, hearing, sleep, speech, walking, gait, appetite, sensation, "
    "smell, taste, consciousness, memory, balance, movement, digestion, urine, stool, bile, blood, voice, "
    "heart rate, heartbeat, bowel movement, period, saliva, sweat, sputum, phlegm, mucus, semen, milk"
)
# Findings that are part of many diseases, and no disease themselves.
FINDINGS = (
    "pain, ache, inflammation, infection, swelling, bleeding, itching, rash, weakness, paralysis, stiffness, "
    "tremor, seizure, cough, enlargement, removal, surgery, stone, ulcer, lump, narrowing, blockage, clot, "
    "fluid, discharge, injury, fracture, spasm, stenosis, deficiency, tumor, cancer, scan, x ray, bruise"
)
# A first word that makes another thing of what follows: "pre-eclampsia" is no eclampsia.
OPPOSING = word_lists.words(
    "non pre pseudo anti post peri para sub mini false hay chicken scarlet yellow hyper hypo"
)
# Endings of Greek and Latin origin, and what each says beside the organ.
ENDINGS = {
    "itis": "inflammation infection", "algia": "pain", "ectomy": "surgery", "plasty": "surgery",
    "otomy": "surgery", "ostomy": "surgery", "rrhaphy": "surgery", "pexy": "surgery",
    "rrhagia": "bleeding", "hematoma": "bleeding", "hemorrhage": "bleeding", "plegia": "paralysis",
    "paresis": "weakness", "carcinoma": "cancer", "sarcoma": "cancer", "edema": "edema",
}  # fmt: skip


class Relations:
    """What the terms of a vocabulary contain.

    Attributes:
        names: the names of each term.
    """

    def __init__(
        self,
        concepts: dict[str, str],
        part: Callable[[str], str],
        compounds: dict[tuple[str, str], str],
    ) -> None:
        """Take in the terms, what a word counts as, and the compounds of an organ and a disorder."""
        self._concepts, self._part = concepts, part
        self.names: dict[str, list[str]] = defaultdict(list)
        for name, concept in concepts.items():
            self.names[concept].append(name)
        self._broader: dict[str, set[str]] = defaultdict(set)
        for term, *above in word_lists.lines("broader_terms"):
            self._broader[self._one(term)].update(map(self._one, above))
        organs = (line[0] for line in word_lists.lines("organs"))
        bodily = (*organs, *FUNCTIONS.split(", "), *FINDINGS.split(", "))
        combined = word_lists.lines("combined_terms")
        self._sums = {self._one(term): frozenset(map(self._one, parts)) for term, *parts in combined}
        self._bodily = frozenset(map(self._one, bodily))
        for parts, concept in compounds.items():
            if "body part" not in self._broader[concept]:  # the gall bladder contains no bladder
                self._broader[concept].update(filter(self.is_bodily, parts))
        self.within = lru_cache(maxsize=1 << 14)(self._within)
        self.wordings = lru_cache(maxsize=1 << 14)(lambda term: tuple(self._wordings(term)))

    def _one(self, name: str) -> str:
        form = form_of(name)
        return self._concepts.get(form, form)

    def is_bodily(self, term: str) -> bool:
        """Whether a term is a part of the body, what it does, or a finding that many diseases have."""
        return term in self._bodily or "body part" in self._broader.get(term, ())

    def is_body_part(self, term: str) -> bool:
        return "body part" in self._broader.get(term, ())

    def _within(self, term: str) -> frozenset[str]:
        """The terms that a term contains; cached as `within`."""
        found = set(self._broader.get(term, ()))
        names = self.names.get(term, [term])
        for name in names if "body part" not in found else ():
            found.update(filter(self.is_bodily, self._segments(name)))
        found.update(self._sums.get(term, ()))
        first, _, rest = term.partition(" ")
        if rest and first not in OPPOSING:
            found.update(list(self._segments(term))[-1:])
        last = term.rpartition(" ")[2]
        for ending, nouns in ENDINGS.items():
            found.update(self._one(noun) for noun in nouns.split() if last.endswith(ending))
        for place in range(3, len(last) - 5):  # "hemiarthroplasty"
            ending = self._concepts.get(last[place:])
            if ending and CLINICAL_ENDING.fullmatch(last, place) and last[:place] not in OPPOSING:
                found.add(ending)
        for broader in list(found):
            found |= self._broader.get(broader, set())
        return frozenset(found - {term, "body part"})

    def _segments(self, name: str) -> Iterator[str]:
        """What the parts of a name count as, longest first: "iron deficiency", "anemia"."""
        words = name.split()
        place = 0
        while place < len(words):
            longest = len(words) if place else len(words) - 1
            ends = range(longest, place, -1)
            end = next((end for end in ends if " ".join(words[place:end]) in self._concepts), place + 1)
            form = " ".join(words[place:end])
            if form not in LINKS and form not in DETERMINERS and form != "and":
                yield self._concepts.get(form) or self._part(form)
            place = end

    def _wordings(self, term: str) -> Iterator[frozenset[str]]:
        """The parts of each name of a term that has two or more; cached as `wordings`."""
        for name in self.names.get(term, [term]):
            parts = frozenset(self._segments(name)) if " " in name else frozenset()
            if len(parts) > 1:
                yield parts
        if " " in term:
            yield frozenset(map(self._part, term.split()))
        if term in self._sums:
            yield self._sums[term]
