"""Medical terms of a text, and how well two texts agree in them."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from medqa.clinical import words as word_lists
from medqa.clinical.alignment import aligned
from medqa.clinical.composition import (
    AUXILIARIES,
    DENIALS,
    DETERMINERS,
    LINKS,
    MOST_AUXILIARIES,
    ORGAN_WORDS,
    PARTS,
    POISONED,
    POISONED_BY,
    VERBS,
    compounds,
    is_adjective,
    is_route,
    noun_of,
    participles,
)
from medqa.clinical.names import GROUPS, medicine
from medqa.clinical.negation import (
    CIRCUMSTANCES,
    CLAUSE_END,
    COMBINED,
    DENYING_WORDS,
    NEGATION_WORDS,
    PREPOSITIONS,
    SEVERAL,
    SUBJECTS,
    denied_by_health,
    negated_after,
)
from medqa.clinical.reach import END, MARK, NEGATION, PREPOSITION, TESTS, Reach, is_circumstance
from medqa.clinical.swaps import Mark
from medqa.clinical.text import KEPT_TEXTS, forms
from medqa.clinical.word_forms import (
    CLINICAL_BEGINNING,
    CLINICAL_ENDING,
    MEDICINE_ENDING,
    NOT_MEDICINES,
    TOKEN,
    canonical,
    form_of,
    is_general,
    rare_terms,
    user_terms,
)

CAPITALS = re.compile(r"[A-Z](?<!\w.)[A-Z0-9]{1,5}s?\b")


class MedicalLexicon:
    """Medical terms, and F1 over them (`token_f1`).

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
        sha256: identifies terms and rules; scores under different lexicons must not be compared.
    """

    def __init__(self, training_texts: Iterable[str] = (), user_file: str | Path = "") -> None:
        """Build a lexicon.

        Args:
            training_texts: the reference answers of the *training* split; never those of the holdout, or
                the measure would know the words of the test.
            user_file: path of the user's own lexicon; empty: none.

        Raises:
            UserError: `user_file` cannot be read as UTF-8 text.
        """
        self._generic = {form_of(word) for word in word_lists.names("generic_terms")}
        self._abbreviations = word_lists.pairs("abbreviations")
        self._concepts: dict[str, str] = {}  # each term, and the one that it counts as
        self.sources: dict[str, int] = {}
        self._add("user lexicon", user_terms(user_file))
        self._add("medicines", word_lists.names("medicines"))
        self._add("everyday terms", word_lists.names("everyday_terms"))
        self._add("abbreviations", {meaning: meaning for meaning in self._abbreviations.values()})
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
        # Compounds of two words by what each word counts as: "hepatic abscess" is "liver abscess".
        self._by_parts = {
            tuple(map(self._part, words)): concept
            for term, concept in self._concepts.items()
            if len(words := term.split()) == 2
        }
        self._given = {form_of(name) for name in (*word_lists.names("medicines").values(), *GROUPS)}
        self._add_compounds()
        self.heads = {term.split()[-1] for term in self._concepts if term.count(" ") == 1}
        self._in_compounds = {part for parts in self._by_parts for part in parts}
        self.heads |= PARTS.keys() | POISONED | {"too"} | self._in_compounds
        self.sha256 = self._identify()
        self._begin_caches()

    def _add_compounds(self) -> None:
        """Add to the compounds by parts those of Greek and Latin parts, and those of organs of two words."""
        more: dict[tuple[str, str], str] = {}
        for organ, disorder, word in compounds(self._concepts):
            first, second = (self._concepts.get(form, form) for form in map(form_of, (organ, disorder)))
            more.setdefault((first, second), self._concepts.get(word, word))
        for term, concept in self._concepts.items():
            whole, _, last = term.rpartition(" ")
            # "Renal artery stenosis"; "aortic stenosis" is one of the aortic valve.
            wholes = [whole] if " " in whole else [f"{whole} {word}" for word in ORGAN_WORDS if whole]
            for organ in filter(self._concepts.__contains__, wholes):
                more.setdefault((self._concepts[organ], self._part(last)), concept)
        self._by_parts = more | self._by_parts

    def _begin_caches(self) -> None:
        self._roles = _Roles(self)
        # Where terms are, and how often each; kept with the lexicon, so that the memory goes when it goes.
        self.places = lru_cache(maxsize=KEPT_TEXTS)(self._places)
        self.counts = lru_cache(maxsize=KEPT_TEXTS)(lambda text: Counter(self.terms(text)))

    def __getstate__(self) -> dict[str, Any]:
        """What other processes get: everything but the caches."""
        return {
            name: value for name, value in vars(self).items() if name not in ("_roles", "places", "counts")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin_caches()

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
                # A sense that an earlier source has counts as it does there.
                new[name] = self._concepts.get(concept, concept)
        self._concepts |= new
        self.sources[source] = len(new)

    def _identify(self) -> str:
        rules = [pattern.pattern for pattern in (CLINICAL_ENDING, CLINICAL_BEGINNING, MEDICINE_ENDING)]
        rules += [f"{short} {meaning}" for short, meaning in sorted(self._abbreviations.items())]
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

    def terms(self, text: str) -> list[str]:
        """Medical terms of a text in order; one that is negated reads "no pneumonia".

        The longest term wins: "chronic kidney disease" is one term and not three.
        """
        return [term for _, term in self.places(text)]

    def _places(self, text: str) -> list[tuple[int, str]]:
        """Where each of the `terms` of a text begins in the plain text, and the term; cached as `places`."""
        _, text, lower = forms(text)
        for genus in GENUS.finditer(text):
            lower = f"{lower[: genus.end() - 1]} {lower[genus.end() :]}"
        tokens = [(match.group(), match.start()) for match in TOKEN.finditer(lower)]
        tokens = self._spell_out(text, tokens)
        found: list[tuple[int, str]] = []
        reach = Reach(tokens, lower)
        next_place = 0
        roles = self._roles
        for place, (word, start) in enumerate(tokens):
            role = roles[word]
            if role is None or place < next_place:
                continue
            if isinstance(role, str) and word in self.longest:
                # "non-small cell lung cancer", "unable to pass urine" and "in vitro fertilisation" are terms
                compound = (None, self.longest[word])
                role = compound if self._longest_term(tokens, place, compound)[1] else role
            if isinstance(role, str):
                reach.update(role, place, word, start)
                continue
            if role[0] is not None and role[0].startswith("no "):
                found.append((start, role[0]))
                continue
            length, concept = self._longest_term(tokens, place, role)
            if concept is None or (concept == "mouth" and is_route(tokens, place)):
                continue
            following = tokens[place + length][0] if place + length < len(tokens) else ""
            if (following in REACTIONS and concept in self._given) or following in VACCINES:
                found.append((start, concept))  # "no penicillin allergy" denies no penicillin
                next_place = place + length
                continue
            goes_with = place > 0 and concept not in self._given and word not in VACCINES
            adjacent = place == next_place and goes_with
            next_place = place + length
            last, last_start = tokens[next_place - 1]
            if healthy := denied_by_health(concept, lower, last_start + len(last)):
                found.append((start, f"no {healthy}"))
                continue
            aside = is_circumstance(tokens, place)
            after = None if aside else negated_after(lower, last_start + len(last), last in TESTS)
            if after is not None and self._other_between(tokens, next_place, after):
                after = None
            if after is not None:
                reach.read_to = after
                self._deny_list(tokens, place, found, lower[last_start + len(last) : after])
                before = found[-1][1] if adjacent and found else "no "
                if not before.startswith("no ") and before not in self._given:
                    found[-1] = found[-1][0], f"no {before}"  # "neck stiffness: none"
            inside = {word for word, _ in tokens[place + 1 : next_place]}
            negated = reach.covers(place) != (not inside.isdisjoint(DENIALS))
            found.append((start, f"no {concept}" if negated or after is not None else concept))
            if negated:
                reach.extend(next_place - 1)
        return found

    def marks(self, text: str) -> dict[str, list[Mark]]:
        """The terms of a text that are no medicines, as marks that can change places (`swaps`)."""
        found = self.places(text)
        often = Counter(term for _, term in found)
        marks = [
            Mark(start, term, term)
            for start, term in found
            if often[term] == 1
            and not medicine(term.removeprefix("no "))
            and term.removeprefix("no ") not in GROUPS
        ]
        return {"term": marks}

    def _deny_list(
        self, tokens: list[tuple[str, int]], place: int, found: list[tuple[int, str]], denial: str
    ) -> None:
        """Deny what is listed before the term at `place` too: "A and B must be avoided", "A, B and C were".

        Medicines that are not to be taken together are denied as a pair only.
        """
        if COMBINED.search(denial):
            return
        medicines, joint = None, ("and", "or")
        for number in range(len(found) - 1, -1, -1):
            start, term = found[number]
            is_medicine = term.removeprefix("no ") in self._given
            medicines = is_medicine if medicines is None else medicines
            if place < 2 or tokens[place - 1][0] not in joint:
                return
            beginning = next((at for at in range(place - 1) if tokens[at][1] == start), place)
            role = self._roles[tokens[beginning][0]]
            length = self._longest_term(tokens, beginning, role)[0] if isinstance(role, tuple) else 0
            if beginning + length != place - 1 or medicines != is_medicine:
                return
            if not medicines and not SEVERAL.search(denial):
                return
            found[number] = start, f"no {term.removeprefix('no ')}"
            place, joint = beginning, (",",)

    def _other_between(self, tokens: list[tuple[str, int]], place: int, end: int) -> bool:
        """Whether the advice is against another medicine: "in an attack beta-blockers must not be given"."""
        for number, (word, start) in enumerate(tokens[place : place + 4], start=place):
            if start >= end or word in ("and", "or", "with", "of") or not word[0].isalpha():
                return False
            role = self._roles[word]
            if isinstance(role, tuple) and self._longest_term(tokens, number, role)[1] in self._given:
                return True
        return False

    def _spell_out(self, text: str, tokens: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """Put the term in the place of an abbreviation in capitals: "AIDS", which is not "aids"."""
        found = {}
        for match in CAPITALS.finditer(text):
            short = match.group()
            meaning = self._abbreviations.get(short) or self._abbreviations.get(short.removesuffix("s"))
            if meaning is not None:
                found[match.start()] = (meaning, match.end())
        if not found:
            return tokens
        spelled = []
        for place, (word, start) in enumerate(tokens):
            meaning, end = found.get(start, ("", 0))
            following = tokens[place + 1][0] if meaning and place + 1 < len(tokens) else ""
            if f"{word} {canonical(following)}" in self._concepts:
                meaning = ""  # "MS Contin" is no multiple sclerosis
            *first, last = TOKEN.findall(meaning) or [word]
            spelled += [(part, start) for part in first]
            # What follows the abbreviation follows the last word.
            spelled.append((last, end - len(last) if meaning else start))
        return spelled

    def _longest_term(
        self, tokens: list[tuple[str, int]], place: int, role: tuple[str | None, int]
    ) -> tuple[int, str | None]:
        """How many words the longest term at `place` has, and its concept; (1, None) when there is none."""
        length, concept = self._listed(tokens, place, role)
        word = tokens[place][0]
        part = concept or self._part(word)
        if concept in self._given or word in POISONED or word == "too":
            return self._poisoning(tokens, place, length, concept) or (length, concept)
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

    def _at(self, tokens: list[tuple[str, int]], place: int) -> tuple[int, str]:
        """Where the part of a compound that begins at `place` ends, and what it counts as."""
        word = tokens[place][0]
        role = self._roles[word]
        if isinstance(role, tuple) and role[1] > 1:
            length, concept = self._listed(tokens, place, role)
            if concept is not None:
                return place + length, concept
        return place + 1, self._part(word)

    def _compound(
        self, tokens: list[tuple[str, int]], start: int, place: int, part: str
    ) -> tuple[int, str | None]:
        """Where a compound ends whose first part, from `start`, ends before `place`, and its concept."""
        place += tokens[start][0] in VERBS and tokens[place][0] in DETERMINERS
        if place == len(tokens):
            return place, None
        end, second = self._at(tokens, place)
        compound = self._by_parts.get((part, second))
        if compound is None and is_adjective(tokens[start][0]):
            compound = self._by_parts.get((second, part))  # "cirrhotic liver"
        for participle in participles(second) if compound is None else ():  # "his eyelids droop"
            compound = compound or self._by_parts.get(
                (participle, part), self._by_parts.get((part, participle))
            )
        if compound is not None:
            return end, compound
        if tokens[place][0] == ",":
            return self._inverted(tokens, place + 1, part)
        if tokens[place][0] in LINKS:
            place += 1
            place += place < len(tokens) and tokens[place][0] in DETERMINERS
            if place < len(tokens):
                end, first = self._at(tokens, place)
                compound = self._by_parts.get((first, part))
                if compound is None:  # "encephalopathy of liver disease"
                    end, compound = place + 1, self._by_parts.get((self._part(tokens[place][0]), part))
                return end, compound
        after = place
        while after < min(len(tokens), place + MOST_AUXILIARIES) and tokens[after][0] in AUXILIARIES:
            after += 1
        if place < after < len(tokens):
            return after + 1, self._by_parts.get((part, self._part(tokens[after][0])))
        return place, None

    def _inverted(self, tokens: list[tuple[str, int]], place: int, part: str) -> tuple[int, str | None]:
        """The compound of an index, "hepatitis, viral"; "bleeding, joint pain" is a list."""
        ends = place + 1 >= len(tokens) or not tokens[place + 1][0][0].isalnum()
        first = self._part(tokens[place][0]) if ends and place < len(tokens) else ""
        return place + 1, self._by_parts.get((first, part))

    def _poisoning(
        self, tokens: list[tuple[str, int]], place: int, length: int, concept: str | None
    ) -> tuple[int, str] | None:
        """How many words name a poisoning by a medicine, "too much aspirin", and its concept."""
        words = [word for word, _ in tokens[place : place + 3]]
        if concept in self._given:
            follows = "".join(word for word, _ in tokens[place + length : place + length + 1])
            return (length + 1, self._poisoned(concept)) if follows in POISONED else None
        before = (
            2
            if words[:2] == ["too", "much"]
            or words[:2] == ["too", "many"]
            or (len(words) > 1 and words[1] in POISONED_BY)
            else 0
        )
        before += before and len(words) > 2 and words[2] in DETERMINERS
        if before and place + before < len(tokens):
            end, medicine_name = self._at(tokens, place + before)
            if medicine_name in self._given:
                return end - place, self._poisoned(medicine_name)
        return None

    def _poisoned(self, name: str) -> str:
        return self._concepts.get(f"{name} poisoning", f"{name} poisoning")

    def _part(self, word: str) -> str:
        """What a word counts as inside a compound: "renal" as "kidney", "inflamed" as "inflammation"."""
        form = canonical(word)
        form = noun_of(PARTS.get(form, form), self._concepts)
        return self._concepts.get(form, form)

    def compared(self, reference: str, hypothesis: str) -> tuple[Counter[str], Counter[str]]:
        """The terms of two texts; those that both name in different words have one name (`aligned`)."""
        return aligned(self.counts(reference), self.counts(hypothesis), self._part)

    def token_f1(self, reference: str, hypothesis: str) -> float | None:
        """F1 of the medical terms of an answer.

        What it measures: which symptoms, findings, diagnoses, treatments and parts of the body reference and
            answer have in common, each as often as it is named.
        Range: 0 to 1, higher is better. None (not applicable, to be counted) when the reference names no
            term; 0 for an answer without any.
        Formula: 2 · shared / (terms of the reference + terms of the answer), shared by clipped counts
            (multisets). Negation is part of a term: "no evidence of pneumonia" does not match "pneumonia".
            A medicine matches its class, a compound its parts (`alignment.aligned`).
        Source: SQuAD's F1 over tokens (Rajpurkar et al., EMNLP 2016), over medical terms; negation after
            Chapman et al., "A Simple Algorithm for Identifying Negated Findings", 2001.
        Does not see: how terms relate ("A causes B"), doses, synonyms that WordNet does not know, negation
            at a distance of more than a clause.
        """
        wanted, given = self.compared(reference, hypothesis)
        if not wanted:
            return None
        return 2 * (wanted & given).total() / (wanted.total() + given.total())


REACTIONS = word_lists.words(
    "allergy allergies hypersensitivity intolerance poisoning overdose toxicity resistance"
)
VACCINES = word_lists.words("vaccine vaccines vaccination vaccinations immunisation immunization jab jabs")
# "H. pylori": no sentence ends there.
GENUS = re.compile(r"[A-Z](?<![A-Za-z].)\.(?= ?[a-z]{4})")


class _Roles(dict):
    """What each word can be, found out once: a mark, an end, a negation, (term, most words), or None."""

    def __init__(self, lexicon: MedicalLexicon) -> None:
        super().__init__()
        self._lexicon = lexicon

    def __missing__(self, word: str) -> object:
        role: object = None
        if not word[0].isalnum():
            role = MARK
        elif word in CLAUSE_END:
            role = END
        elif word in NEGATION_WORDS or word.endswith("n't"):
            role = NEGATION
        elif word in PREPOSITIONS or word in CIRCUMSTANCES or word in SUBJECTS:
            role = PREPOSITION
        else:
            form = canonical(word)
            term, longest = self._lexicon.known(form), self._lexicon.longest.get(form, 0)
            denied = self._denied(form) if longest < 2 else None
            if denied is not None:
                role = (f"no {denied}", 1)
            elif term is not None or longest > 1 or form in self._lexicon.heads:
                role = (term, longest)
        if len(self) < 1 << 18:
            self[word] = role
        return role

    def _denied(self, form: str) -> str | None:
        """The term that a word denies by its prefix: "afebrile", "nondiabetic"."""
        if form in DENYING_WORDS:
            return self._lexicon.known(canonical(DENYING_WORDS[form])) or DENYING_WORDS[form]
        rest = form.removeprefix("non") if form not in self._lexicon else ""
        return self._lexicon.known(rest) if rest != form and rest else None
