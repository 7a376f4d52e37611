"""The medical terms that are known, and the longest one at a place of a text."""

import hashlib
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from medqa.clinical import words as word_lists
from medqa.clinical.notation.names import GROUPS
from medqa.clinical.notation.word_forms import (
    CLINICAL_BEGINNING,
    CLINICAL_ENDING,
    MEDICINE_ENDING,
    NOT_MEDICINES,
    canonical,
    form_of,
    is_general,
    rare_terms,
    stem,
    user_terms,
)
from medqa.clinical.terms.composition import (
    DENIALS,
    DETERMINERS,
    LINKS,
    MOST_AUXILIARIES,
    ORGAN_WORDS,
    PARTS,
    PHRASES,
    POISONED,
    POISONED_BY,
    SIDES,
    TOO,
    VERBS,
    compounds,
    is_adjective,
    is_between,
    levels,
    noun_of,
    participles,
)
from medqa.clinical.terms.relations import Relations
from medqa.clinical.terms.roles import Roles

# After a medicine: the salt, which leaves it the same medicine.
SALTS = word_lists.words(
    "bromide hydrobromide hydrochloride sulfate maleate tartrate citrate mesylate besylate succinate sodium"
)
# Before a substance: what the kidneys let through, and not what the blood has.
URINARY = word_lists.words("urine urinary")


class Vocabulary:
    """Medical terms, and what each counts as.

    Sources, each counted in `sources`; an earlier one decides what a term counts as:
        user lexicon: a text file of the user's own, a term of one or more words in each line, after commas
            its other names; "#" begins a comment.
        medicines, everyday terms, abbreviations: lists of our own writing in `medqa/clinical/words`. A brand
            name counts as the medicine, "AIDS" in capitals as the disease.
        WordNet 3.0: what lies below disorders, symptoms, drugs, body parts, procedures, germs and the like,
            as far as the medical sense is the word's usual one; words of one sense are one term ("varicella"
            is "chickenpox", "renal" is "kidney"). A list in `medqa/clinical/words` too, so that the measure
            is the same on a machine without WordNet.
        training answers: words that at least two of them and at most half contain, and that are rare in
            general English, which is again a list in `medqa/clinical/words`: what the readers of the SemCor
            corpus met twice or more and that is used mostly outside medicine, in any form of the word.
        clinical affixes: "-itis", "-ectomy", "hyper-", "-prazole". Rules and no list, so they have no count.

    Generic words ("disease", "treatment") are not terms.

    Attributes:
        sources: number of terms from each source.
        abbreviations: what each abbreviation in capitals stands for.
        longest: the most words of a term that begins with a word.
        heads: words that can begin a compound without being terms.
        given: the medicines and their groups.
        sha256: identifies terms and rules; scores under different ones must not be compared.
    """

    def __init__(self, training_texts: Iterable[str] = (), user_file: str | Path = "") -> None:
        """Take in the terms.

        Args:
            training_texts: the reference answers of the *training* split; never those of the holdout, or
                the measure would know the words of the test.
            user_file: path of the user's own lexicon; empty: none.

        Raises:
            UserError: `user_file` cannot be read as UTF-8 text.
        """
        self._generic = {form_of(word) for word in word_lists.names("generic_terms")}
        self.abbreviations = word_lists.pairs("abbreviations")
        self._concepts: dict[str, str] = {}  # each term, and the one that it counts as
        self.sources: dict[str, int] = {}
        self._add("user lexicon", user_terms(user_file))
        self._add("medicines", word_lists.names("medicines"))
        self._add("everyday terms", word_lists.names("everyday_terms"))
        self._add("abbreviations", {meaning: meaning for meaning in self.abbreviations.values()})
        self._add("WordNet 3.0", word_lists.names("medical_terms"))
        rare = [term for term in rare_terms(training_texts) if self.known(term) is None]
        self._add("training answers", dict(zip(rare, rare, strict=True)))
        # Most words of a term that begins with a word, and all beginnings of two words.
        self.longest: dict[str, int] = {}
        self._beginnings: set[tuple[str, str]] = set()
        for term in self._concepts:
            first, *more = term.split()
            self.longest[first] = max(1 + len(more), self.longest.get(first, 0))
            if more:
                self._beginnings.add((first, more[0]))
        self._inability = {
            stem(word) for word in re.findall("(?m)^unable to ([a-z]+)", "\n".join(self._concepts))
        }
        # Compounds of two words by what each word counts as: "hepatic abscess" is "liver abscess".
        self._by_parts = {
            tuple(map(self.part, words)): concept
            for term, concept in self._concepts.items()
            if len(words := term.split()) == 2
        }
        self.given = {form_of(name) for name in (*word_lists.names("medicines").values(), *GROUPS)}
        self._add_compounds()
        self.heads = {term.split()[-1] for term in self._concepts if term.count(" ") == 1}
        self._in_compounds = {part for parts in self._by_parts for part in parts}
        self.heads |= PARTS.keys() | POISONED | {"too"} | self._in_compounds
        self.sha256 = self._identify()

    @cached_property
    def roles(self) -> Roles:
        """What each word can be in a text."""
        return Roles(self)

    @cached_property
    def relations(self) -> Relations:
        """What each term contains."""
        return Relations(self._concepts, self.part, self._by_parts)

    def __len__(self) -> int:
        """Number of terms, those of the affixes left out."""
        return len(self._concepts)

    def __contains__(self, form: str) -> bool:
        """Whether a word in canonical form is listed."""
        return form in self._concepts

    def _add(self, source: str, names: dict[str, str]) -> None:
        """Take in names with the one that each counts as, unless an earlier source has them."""
        new = {}
        for name, concept in names.items():
            name, concept = form_of(name), form_of(concept)
            if name and name not in self._concepts and not {name, concept} & self._generic:
                base, _, salt = concept.rpartition(" ")
                concept = base if salt in SALTS and base in self._concepts else concept
                # A sense that an earlier source has counts as it does there.
                new[name] = self._concepts.get(concept, concept)
        self._concepts |= new
        self.sources[source] = len(new)

    def _add_compounds(self) -> None:
        """Add to the compounds by parts those of Greek and Latin parts, and those of organs of two words."""
        more: dict[tuple[str, str], str] = {}
        for organ, disorder, word in compounds(self._concepts):
            first, second = (self._concepts.get(form, form) for form in map(form_of, (organ, disorder)))
            more.setdefault((first, second), self._concepts.get(word, word))
        for substance, direction, term in levels():
            substance, term = (self._concepts.get(form, form) for form in map(form_of, (substance, term)))
            more.setdefault((direction, substance), term)
        for term, concept in self._concepts.items():
            first, _, rest = term.partition(" ")
            if rest in self._concepts and self.part(first) in ("low", "high"):  # "low blood pressure"
                more.setdefault((self.part(first), self._concepts[rest]), concept)
            whole, _, last = term.rpartition(" ")
            # "Renal artery stenosis"; "aortic stenosis" is one of the aortic valve.
            wholes = [whole] if " " in whole else [f"{whole} {word}" for word in ORGAN_WORDS if whole]
            for organ in filter(self._concepts.__contains__, wholes):
                more.setdefault((self._concepts[organ], self.part(last)), concept)
        self._by_parts = more | self._by_parts

    def _identify(self) -> str:
        rules = [pattern.pattern for pattern in (CLINICAL_ENDING, CLINICAL_BEGINNING, MEDICINE_ENDING)]
        rules += [f"{short} {meaning}" for short, meaning in sorted(self.abbreviations.items())]
        rules += [f"{first} + {second} {term}" for (first, second), term in sorted(self._by_parts.items())]
        terms = [f"{term}\t{concept}" for term, concept in sorted(self._concepts.items())]
        return hashlib.sha256("\n".join(rules + terms).encode()).hexdigest()

    def known(self, word: str) -> str | None:
        """The term that a word in canonical form counts as, by list or by affix; None for none."""
        if (word := noun_of(word, self._concepts)) in self._concepts:
            return self._concepts[word]
        if len(word) < 6 or word in self._generic or word in NOT_MEDICINES:
            return None
        clinical = CLINICAL_ENDING.fullmatch(word) or CLINICAL_BEGINNING.fullmatch(word)
        return word if (clinical or MEDICINE_ENDING.fullmatch(word)) and not is_general(word) else None

    def longest_term(
        self, tokens: list[tuple[str, int]], place: int, role: tuple[str | None, int]
    ) -> tuple[int, str | None]:
        """How many words the longest term at `place` has, and its concept; (1, None) when there is none."""
        length, concept = self._listed(tokens, place, role)
        word = tokens[place][0]
        part = concept or self.part(word)
        if concept in self.given or word in POISONED or word == "too":
            poisoning = self._poisoning(tokens, place, length, concept)
            if poisoning or ("low", concept) not in self._by_parts:
                return poisoning or (length, concept)
        if part in self._in_compounds and place + length < len(tokens):
            end, compound = self._compound(tokens, place, place + length, part)
            if compound is not None:
                return end - place, compound
            if (
                concept is None
                and word in PARTS
                and end < len(tokens)
                and self.known(self._at(tokens, end)[1])
            ):
                return 1, self.known(PARTS[word])  # "an infected wound"
        return length, concept

    def _listed(
        self, tokens: list[tuple[str, int]], place: int, role: tuple[str | None, int]
    ) -> tuple[int, str | None]:
        """How many words the longest listed term at `place` has, and its concept."""
        concept, longest = role
        following = tokens[place + 1][0] if place + 1 < len(tokens) else ""
        if longest > 1 and following:
            word = canonical(tokens[place][0])
            if (word, canonical(following)) in self._beginnings:
                forms = [canonical(word) for word, _ in tokens[place : place + longest]]
                for length in range(len(forms), 1, -1):
                    known = self._concepts.get(" ".join(forms[:length]))
                    if known is not None:
                        return length, known
        return 1, concept

    def begins_inability(self, verb: str) -> bool:
        """Whether a term begins with "unable to" and a verb."""
        return stem(verb) in self._inability

    def _at(self, tokens: list[tuple[str, int]], place: int) -> tuple[int, str]:
        """Where the part of a compound that begins at `place` ends, and what it counts as."""
        word = tokens[place][0]
        phrase = PHRASES.get((word, tokens[place + 1][0])) if place + 1 < len(tokens) else None
        if phrase is not None:
            return place + 2, phrase
        role = self.roles[word]
        if isinstance(role, tuple) and role[1] > 1:
            length, concept = self._listed(tokens, place, role)
            if concept is not None:
                return place + length, concept
        return place + 1, self.part(word)

    def _compound(
        self, tokens: list[tuple[str, int]], start: int, place: int, part: str
    ) -> tuple[int, str | None]:
        """Where a compound ends whose first part, from `start`, ends before `place`, and its concept."""
        place += tokens[start][0] in VERBS and tokens[place][0] in DETERMINERS
        if place == len(tokens):
            return place, None
        end, second = self._at(tokens, place)
        compound = self._by_parts.get((part, second))
        if compound is None and (is_adjective(tokens[start][0]) or second in ("low", "high")):
            compound = self._by_parts.get((second, part))  # "cirrhotic liver"
        for participle in participles(second) if compound is None else ():  # "his eyelids droop"
            compound = compound or self._by_parts.get(
                (participle, part), self._by_parts.get((part, participle))
            )
        if compound is not None:
            return end, compound
        if tokens[place][0] == ",":
            inverted = self._inverted(tokens, place + 1, part)
            return inverted if inverted[1] else self._predicate(tokens, place, part)
        if tokens[place][0] in LINKS:
            place += 1
            place += place < len(tokens) and tokens[place][0] in DETERMINERS
            place += place < len(tokens) and tokens[place][0] in SIDES
            if place < len(tokens):
                end, first = self._at(tokens, place)
                compound = self._by_parts.get((first, part))
                if compound is None:  # "encephalopathy of liver disease"
                    end, compound = place + 1, self._by_parts.get((self.part(tokens[place][0]), part))
                return end, compound
        return self._predicate(tokens, place, part)

    def _predicate(self, tokens: list[tuple[str, int]], place: int, part: str) -> tuple[int, str | None]:
        """The compound of what is said of an organ or substance: "the liver and spleen are both enlarged".

        Where the words are about others too, the compound ends before `place`.
        """
        at, between, joined, denied = place, 0, False, False
        while at < len(tokens) and between <= MOST_AUXILIARIES:
            word = tokens[at][0]
            if is_between(word):
                denied = denied or word in DENIALS
                at, between = at + 1, between + 1
                continue
            if word in ("and", "or", ",") and not between and at + 1 < len(tokens):
                following = at + 1 + (tokens[at + 1][0] in (*DETERMINERS, "and"))
                if (
                    following < len(tokens)
                    and (named := self._at(tokens, following))[1] in self._in_compounds
                ):
                    at, joined = named[0], True
                    continue
            break
        if not (between or joined) or at == len(tokens) or (joined and denied):
            return place, None
        if tokens[place][0] == "," and not between and not is_adjective(tokens[at][0]):
            return place, None  # "gallstones, bone pain" is a list
        end, said = self._at(tokens, at)
        if tokens[place - 1][0] in URINARY or tokens[max(0, place - 2)][0] in URINARY:
            return place, None  # "urine calcium is high"
        compound = self._by_parts.get((part, said)) or self._by_parts.get((said, part))
        return (place if joined else end), compound

    def _inverted(self, tokens: list[tuple[str, int]], place: int, part: str) -> tuple[int, str | None]:
        """The compound of an index, "hepatitis, viral"; "bleeding, joint pain" is a list."""
        ends = place + 1 >= len(tokens) or not tokens[place + 1][0][0].isalnum()
        first = self.part(tokens[place][0]) if ends and place < len(tokens) else ""
        return place + 1, self._by_parts.get((first, part))

    def _poisoning(
        self, tokens: list[tuple[str, int]], place: int, length: int, concept: str | None
    ) -> tuple[int, str] | None:
        """How many words name a poisoning by a medicine, "too much aspirin", and its concept."""
        words = [word for word, _ in tokens[place : place + 3]]
        if concept in self.given:
            follows = "".join(word for word, _ in tokens[place + length : place + length + 1])
            return (length + 1, self._poisoned(concept)) if follows in POISONED else None
        before = (
            2
            if words[0] == "too"
            and words[1:2]
            and words[1] in TOO
            or (len(words) > 1 and words[1] in POISONED_BY)
            else 0
        )
        before += before and len(words) > 2 and words[2] in DETERMINERS
        if before and place + before < len(tokens):
            end, medicine_name = self._at(tokens, place + before)
            level = self._by_parts.get((TOO.get(words[1], ""), medicine_name))
            if level or medicine_name in self.given:
                return end - place, level or self._poisoned(medicine_name)
        return None

    def _poisoned(self, name: str) -> str:
        return self._concepts.get(f"{name} poisoning", f"{name} poisoning")

    def part(self, word: str) -> str:
        """What a word counts as inside a compound: "renal" as "kidney", "inflamed" as "inflammation"."""
        form = canonical(word)
        form = noun_of(PARTS.get(form, form), self._concepts)
        return self._concepts.get(form, form)
