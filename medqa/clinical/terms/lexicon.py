"""Medical terms of a text, and how well two texts agree in them."""

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from medqa.clinical import words as word_lists
from medqa.clinical.notation.names import GROUPS, medicine
from medqa.clinical.notation.pairing import Mark
from medqa.clinical.notation.text import KEPT_TEXTS, forms, in_lines
from medqa.clinical.notation.word_forms import TOKEN, canonical, is_general
from medqa.clinical.terms.alignment import aligned
from medqa.clinical.terms.composition import CANNOT, DENIALS, cannot, is_no_term
from medqa.clinical.terms.mentions import Mentions, Place
from medqa.clinical.terms.negated_after import negated_after
from medqa.clinical.terms.negation import COMBINED, SEVERAL, denied_by_health
from medqa.clinical.terms.reach import TESTS, Reach, ended_after, is_circumstance
from medqa.clinical.terms.vocabulary import Vocabulary

CAPITALS = re.compile(r"[A-Z](?<!\w.)[A-Z0-9]{1,5}s?\b")
# "No injection with platelets below 50": a condition, and no platelets are denied.
BOUNDED = re.compile(r" ?(?:is |are )?(?:[<>≤≥]|below|under|above|over) ?[0-9]")


class MedicalLexicon(Vocabulary):
    """The terms of texts, negated ones as such, and F1 over them (`token_f1`)."""

    def __init__(self, training_texts: Iterable[str] = (), user_file: str | Path = "") -> None:
        super().__init__(training_texts, user_file)
        self._begin_caches()

    def _begin_caches(self) -> None:
        self._mentions = Mentions(self)
        # Where terms are, and how often each; kept with the lexicon, so that the memory goes when it goes.
        self._tokens = lru_cache(maxsize=KEPT_TEXTS)(self._read_tokens)
        self.places = lru_cache(maxsize=KEPT_TEXTS)(self._places)
        self.counts = lru_cache(maxsize=KEPT_TEXTS)(lambda text: Counter(self.terms(text)))

    def __getstate__(self) -> dict[str, Any]:
        """What other processes get: everything but the caches."""
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("roles", "relations", "places", "counts", "_mentions", "_tokens")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin_caches()

    def terms(self, text: str) -> list[str]:
        """Medical terms of a text in order; one that is negated reads "no pneumonia".

        The longest term wins: "chronic kidney disease" is one term and not three.
        """
        return [place.term for place in self.places(text)]

    def _places(self, text: str) -> list[Place]:
        """Where each of the `terms` of a text is in the plain text; cached as `places`."""
        lower, tokens = self._tokens(text)
        found: list[Place] = []
        reach = Reach(tokens, lower)
        next_place = 0
        roles = self.roles
        for place, (word, start) in enumerate(tokens):
            role = roles[word]
            if role is None and is_eponym(tokens, place):
                following, begin = tokens[place + 1]
                found.append(Place(start, f"{canonical(word)} {following}", begin + len(following)))
            if role is None or place < next_place:
                continue
            if isinstance(role, str) and word in self.longest:
                # "non-small cell lung cancer", "unable to pass urine" and "in vitro fertilisation" are terms
                compound = (None, self.longest[word])
                role = compound if self.longest_term(tokens, place, compound)[1] else role
            if isinstance(role, str):
                reach.update(role, place, word, start)
                continue
            if role[0] is not None and role[0].startswith("no "):
                found.append(Place(start, role[0], start + len(word)))
                continue
            length, concept = self.longest_term(tokens, place, role)
            if concept is None or is_no_term(tokens, place, length):
                continue
            last, last_start = tokens[place + length - 1]
            end = last_start + len(last)
            following = tokens[place + length][0] if place + length < len(tokens) else ""
            of_it = following in REACTIONS or following in OF_MEDICINES
            if (of_it and concept in self.given) or following in VACCINES:
                found.append(Place(start, concept, end))  # "no penicillin allergy" denies no penicillin
                next_place = place + length
                continue
            goes_with = place > 0 and concept not in self.given and word not in VACCINES
            adjacent = place == next_place and goes_with
            next_place = place + length
            if healthy := denied_by_health(concept, lower, end):
                found.append(Place(start, f"no {healthy}", end))
                continue
            after = self._denied_from_behind(tokens, place, next_place, concept, lower)
            if after is not None:
                reach.read_to = after
                self._deny_list(tokens, place, found, lower[end:after])
                before = found[-1].term if adjacent and found else "no "
                if not before.startswith("no ") and before not in self.given:
                    found[-1] = found[-1]._replace(term=f"no {before}")  # "neck stiffness: none"
            inside = {word for word, _ in tokens[place + 1 : next_place]}
            negated = reach.covers(place) != (not inside.isdisjoint(DENIALS))
            negated = negated and not BOUNDED.match(lower, end)
            denied = f"no {concept}" if negated or after is not None else concept
            found.append(Place(start, denied, end))
            if negated:
                reach.extend(next_place - 1)
        return found

    def _denied_from_behind(
        self, tokens: list[tuple[str, int]], place: int, next_place: int, concept: str, lower: str
    ) -> int | None:
        """Where the words end that negate the term of these tokens from behind; None for none."""
        last, last_start = tokens[next_place - 1]
        end = last_start + len(last)
        if place and not UNTIL.isdisjoint(word for word, _ in tokens[max(0, place - 5) : place]):
            return None  # "until the attack of gout has settled"
        aside = is_circumstance(tokens, place)
        # "When aspirin is contraindicated" says something of aspirin.
        aside = aside and not (tokens[place - 1][0] in ("when", "while") and IS.match(lower, end))
        after = ended_after(lower, end) if aside else negated_after(lower, end, last in TESTS)
        if after is None or self._other_between(tokens, next_place, after):
            return None
        if self.relations.is_body_part(concept) and ended_after(lower, end):
            return None  # "when the cornea has cleared"
        return None if self.relations.is_bodily(concept) and TESTED.search(lower, end, after) else after

    def _read_tokens(self, text: str) -> tuple[str, list[tuple[str, int]]]:
        """A text in lower case, and its words and marks, each with where it begins; cached as `_tokens`."""
        lower, text = in_lines(text), forms(text)[1]
        for genus in GENUS.finditer(text):
            lower = f"{lower[: genus.end() - 1]} {lower[genus.end() :]}"
        tokens = [(match.group(), match.start()) for match in TOKEN.finditer(lower)]
        return lower, self._inabilities(self._spell_out(text, tokens))

    def marks(self, text: str) -> dict[str, list[Mark]]:
        """The terms of a text that are no medicines, as marks that can change places (`conflicts.swaps`)."""
        found = self.places(text)
        often = Counter(term for _, term, _ in found)
        marks = [
            Mark(start, term, term)
            for start, term, _ in found
            if often[term] == 1
            and not medicine(term.removeprefix("no "))
            and term.removeprefix("no ") not in GROUPS
        ]
        return {"term": marks}

    def _deny_list(self, tokens: list[tuple[str, int]], place: int, found: list[Place], denial: str) -> None:
        """Deny what is listed before the term at `place` too: "A and B must be avoided", "A, B and C were".

        Medicines that are not to be taken together are denied as a pair only.
        """
        if COMBINED.search(denial):
            return
        medicines, joint = None, ("and", "or")
        for number in range(len(found) - 1, -1, -1):
            start, term, _ = found[number]
            is_medicine = term.removeprefix("no ") in self.given
            medicines = is_medicine if medicines is None else medicines
            if place < 2 or tokens[place - 1][0] not in joint:
                return
            beginning = next((at for at in range(place - 1) if tokens[at][1] == start), place)
            role = self.roles[tokens[beginning][0]]
            length = self.longest_term(tokens, beginning, role)[0] if isinstance(role, tuple) else 0
            if beginning + length != place - 1 or medicines != is_medicine:
                return
            if not medicines and not (SEVERAL.search(denial) or LABEL.match(denial)):
                return
            found[number] = found[number]._replace(term=f"no {term.removeprefix('no ')}")
            place, joint = beginning, (",",)

    def _other_between(self, tokens: list[tuple[str, int]], place: int, end: int) -> bool:
        """Whether the advice is against another medicine: "in an attack beta-blockers must not be given"."""
        for number, (word, start) in enumerate(tokens[place : place + 4], start=place):
            if start >= end or word in ("and", "or", "with", "of") or not word[0].isalpha():
                return False
            role = self.roles[word]
            if isinstance(role, tuple) and self.longest_term(tokens, number, role)[1] in self.given:
                return True
        return False

    def _spell_out(self, text: str, tokens: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """Put the term in the place of an abbreviation in capitals: "AIDS", which is not "aids"."""
        found = {}
        for match in CAPITALS.finditer(text):
            short = match.group()
            meaning = self.abbreviations.get(short) or self.abbreviations.get(short.removesuffix("s"))
            if meaning is not None:
                found[match.start()] = (meaning, match.end())
        if not found:
            return tokens
        spelled = []
        for place, (word, start) in enumerate(tokens):
            meaning, end = found.get(start, ("", 0))
            following = tokens[place + 1][0] if meaning and place + 1 < len(tokens) else ""
            if f"{canonical(word)} {canonical(following)}" in self:
                meaning = ""  # "MS Contin" is no multiple sclerosis
            *first, last = TOKEN.findall(meaning) or [word]
            spelled += [(part, start) for part in first]
            # What follows the abbreviation follows the last word.
            spelled.append((last, end - len(last) if meaning else start))
        return spelled

    def _inabilities(self, tokens: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """Say "unable to" for "could not", where a term begins so: "unable to pass urine"."""
        if all(word not in CANNOT for word, _ in tokens):
            return tokens
        said, place = [], 0
        while place < len(tokens):
            end = cannot(tokens, place)
            if end and self.begins_inability("".join(word for word, _ in tokens[end : end + 1])):
                said += [("unable", tokens[place][1]), ("to", tokens[end - 1][1])]
                place = end
            else:
                said.append(tokens[place])
                place += 1
        return said

    def compared(self, reference: str, hypothesis: str) -> tuple[Counter[str], Counter[str]]:
        """The terms of two texts; those that both name in different words have one name.

        See `Mentions.add` and `aligned`.
        """
        wanted, given = self.counts(reference), self.counts(hypothesis)
        if wanted.keys() == given.keys():
            return wanted, given
        wanted, given = Counter(wanted), Counter(given)
        for one, other, text in ((wanted, given, hypothesis), (given, wanted, reference)):
            if one.keys() - other.keys():
                self._mentions.add(one, other, *self._tokens(text), self.places(text))
        return aligned(wanted, given, self.relations)

    def token_f1(self, reference: str, hypothesis: str) -> float | None:
        """F1 of the medical terms of an answer.

        What it measures: which symptoms, findings, diagnoses, treatments and parts of the body reference and
            answer have in common, each as often as it is named.
        Range: 0 to 1, higher is better. None (not applicable, to be counted) when the reference names no
            term; 0 for an answer without any.
        Formula: 2 · shared / (terms of the reference + terms of the answer), shared by clipped counts
            (multisets). Negation is part of a term: "no evidence of pneumonia" does not match "pneumonia".
            A medicine matches its class, a compound its parts; what a term of the other text contains is left
            out ("lung" beside "pulmonary embolism", `alignment.aligned`). A term matches the words of one of
            its names that stand together in any order (`mentions.Mentions`).
        Source: SQuAD's F1 over tokens (Rajpurkar et al., EMNLP 2016), over medical terms; negation after
            Chapman et al., "A Simple Algorithm for Identifying Negated Findings", 2001.
        Does not see: how terms relate ("A causes B"), doses, synonyms that WordNet does not know, negation
            at a distance of more than a clause.
        """
        wanted, given = self.compared(reference, hypothesis)
        if not wanted:
            return None
        return 2 * (wanted & given).total() / (wanted.total() + given.total())


def is_eponym(tokens: list[tuple[str, int]], place: int) -> bool:
    """Whether an unknown name and the next word are a disease: "Gilbert's syndrome"."""
    word = tokens[place][0]
    if not word.endswith("'s") or place + 1 == len(tokens):
        return False
    return tokens[place + 1][0] in ("syndrome", "disease") and not is_general(canonical(word))


REACTIONS = word_lists.words(
    "allergy allergies hypersensitivity intolerance poisoning overdose toxicity resistance"
)
# "It must not be the methotrexate day" denies no methotrexate.
OF_MEDICINES = word_lists.words("day days clinic group groups arm")
VACCINES = word_lists.words("vaccine vaccines vaccination vaccinations immunisation immunization jab jabs")
# "Skin testing and a challenge were negative" denies no skin.
TESTED = re.compile(
    r"^[ -](?:prick )?(?:tests?|testing|swabs?|cultures?|biops(?:y|ies)|scans?"
    r"|smears?)(?![a-z])[^.;]*negative$"
)
UNTIL = word_lists.words("until till")
# "Nausea and vomiting: none"
LABEL = re.compile(r"(?:[ -][a-z-]+){0,2} ?(?:[:=]|-(?= ))")
IS = re.compile(r" (?:is|are|was|were) ")
# "H. pylori": no sentence ends there.
GENUS = re.compile(r"[A-Z](?<![A-Za-z].)\.(?= ?[a-z]{4})")
