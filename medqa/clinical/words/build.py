"""Draw the three word lists of this folder that come from WordNet 3.0.

    python -m medqa.clinical.words.build        (NLTK_DATA must lead to WordNet)

WordNet's licence allows that with its notice, which stands at the head of each.

`medical_terms.txt` has a sense in each line: the name that it counts as, then its other names ("kidney,
renal"). `broader_terms.txt` has a term in each line, then the more general terms above it and the parts of
the body that its definition names ("pericarditis, carditis, inflammation, pericardium").
`general_english.txt` has words that are common outside medicine.
"""

import re
import warnings
from collections import Counter, defaultdict
from functools import lru_cache
from typing import Any

from medqa.artifacts.atomic_io import write_text
from medqa.clinical import words as word_lists
from medqa.clinical.notation.word_forms import CLINICAL_BEGINNING, CLINICAL_ENDING, MEDICINE_ENDING
from medqa.clinical.words import FOLDER, lines, words
from medqa.runtime.console import print_rank0
from medqa.runtime.entrypoint import run_script
from medqa.runtime.errors import UserError

MEDICAL_TERMS = FOLDER / "medical_terms.txt"
BROADER_TERMS = FOLDER / "broader_terms.txt"
GENERAL_ENGLISH = FOLDER / "general_english.txt"

# Whose narrower terms are medical: disorders, symptoms, drugs, parts of the body, procedures, germs, …
MEDICAL_ROOTS = (
    "disorder.n.01", "ill_health.n.01", "symptom.n.01", "drug.n.01", "body_part.n.01",
    "medical_procedure.n.01", "medical_care.n.01", "bacteria.n.01", "virus.n.01", "hormone.n.01",
    "antibody.n.01", "vitamin.n.01", "liquid_body_substance.n.01", "antigen.n.01",
    "diagnostic_procedure.n.01", "medical_instrument.n.01", "neoplasm.n.01", "cell.n.02", "enzyme.n.01",
    "anesthesia.n.01", "vaccine.n.01", "gene.n.01", "chromosome.n.01", "mutation.n.02", "amino_acid.n.01",
    "medicine.n.01",
)  # fmt: skip
# Whose names in the definition of a disorder say where it is.
BODY_ROOTS = ("body_part.n.01", "liquid_body_substance.n.01")
# Diseases of plants answer no medical question.
OTHER_ROOTS = ("plant_disease.n.01",)

# A word is common when the readers of SemCor (234,000 tagged words of the Brown corpus) met it this often.
LEAST_COUNT = 2
# A term above this many others is a class; those above fewer are near-diseases: measles above rubella.
LEAST_KINDS = 10
# Common words of that corpus that only look clinical; the others with a clinical affix are left out of the
# list.
NOT_CLINICAL = words(
    "academic accept analytic colonial colorado colorful colossal concept diagnosis except hyperbolic "
    "hypocrisy hypocrite hypothesis hypothesize hypothetical intercept magazine microscopic nostalgia "
    "oklahoma perceptive phonemic radioactive spectroscopy"
)

NOTICE = """\
# {what}, drawn from WordNet 3.0 by `python -m medqa.clinical.words.build`, which says how. WordNet's
# licence asks for this notice:
#
# WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved.
#
# This software and database is being provided to you, the LICENSEE, by Princeton University under the
# following license. By obtaining, using and/or copying this software and database, you agree that you have
# read, understood, and will comply with these terms and conditions.
#
# Permission to use, copy, modify and distribute this software and database and its documentation for any
# purpose and without fee or royalty is hereby granted, provided that you agree to comply with the following
# copyright notice and statements, including the disclaimer, and that the same appear on ALL copies of the
# software, database and documentation, including modifications that you make for internal use or for
# distribution.
#
# THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR
# WARRANTIES, EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT LIMITATION, PRINCETON UNIVERSITY MAKES NO
# REPRESENTATIONS OR WARRANTIES OF MERCHANTABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR THAT THE USE OF
# THE LICENSED SOFTWARE, DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD PARTY PATENTS, COPYRIGHTS,
# TRADEMARKS OR OTHER RIGHTS.
#
# The name of Princeton University or Princeton may not be used in advertising or publicity pertaining to
# distribution of the software and/or database. Title to copyright in this software, database and any
# associated documentation shall at all times remain with Princeton University and LICENSEE agrees to preserve
# same.
"""


def senses_below(reader: Any, roots: tuple[str, ...]) -> set[Any]:
    """The senses of the roots, and all narrower ones."""
    found = {reader.synset(root) for root in roots}
    return found.union(*(root.closure(lambda sense: sense.hyponyms()) for root in found))


def medical_senses(reader: Any) -> set[Any]:
    """All senses below the medical roots."""
    return senses_below(reader, MEDICAL_ROOTS) - senses_below(reader, OTHER_ROOTS)


def medical_terms(reader: Any) -> dict[str, str]:
    """Every medical term, and the first name of its sense as the concept that it counts as."""
    senses = medical_senses(reader)
    names = {name for sense in senses for name in sense.lemma_names()}
    # In lower case, abbreviations would be words: ADD, AIDS, ALS.
    usable = {
        name for name in names if len(name) >= 3 and not name.isupper() and _usual(reader, name, senses)
    }

    def concept(sense: Any) -> str | None:
        return next((_plain(name) for name in sense.lemma_names() if name in usable), None)

    terms: dict[str, str] = {}
    for name in sorted(usable):
        # WordNet lists the usual sense first: "stomach" is the organ, then the belly.
        usual = next(sense for sense in reader.synsets(name, "n") if sense in senses)
        terms.setdefault(_plain(name), concept(usual) or _plain(name))
    for adjective in sorted(reader.all_synsets("a"), key=lambda item: item.name()):
        for lemma in adjective.lemmas():
            # "renal" pertains to the kidney, and counts as it.
            nouns = [noun.synset() for noun in lemma.pertainyms()]
            if nouns and nouns[0] in senses and concept(nouns[0]):
                terms.setdefault(_plain(lemma.name()), concept(nouns[0]))
    # The name of a sense may itself count as another ("hindquarters" as "buttocks"); then so do its names.
    return {term: terms.get(name, name) for term, name in terms.items()}


def broader_terms(reader: Any, terms: dict[str, str]) -> dict[str, list[str]]:
    """What each medical term is a kind of, and which parts of the body its definition names first."""
    senses, body = medical_senses(reader), senses_below(reader, BODY_ROOTS)
    drinks = senses_below(reader, ("alcohol.n.01",))
    generic = set(word_lists.names("generic_terms")) - {"body part"}

    def usual(name: str) -> Any:
        of_name = reader.synsets(name.replace(" ", "_"), "n")
        return next((sense for sense in of_name if sense in senses), None)

    above: dict[str, list[str]] = {}
    parts: dict[str, list[str]] = {}
    for concept in sorted(set(terms.values())):
        if (sense := usual(concept)) is None or sense in drinks:
            continue
        above[concept] = [
            next((terms[_plain(name)] for name in wider.lemma_names() if _plain(name) in terms), "")
            for wider in sense.closure(lambda narrower: narrower.hypernyms())
            if wider in senses and (sense not in body or wider == reader.synset("body_part.n.01"))
        ]
        # What follows a semicolon or bracket are causes and examples; a part of the body is said to be
        # beside others.
        definition = re.findall("[a-z]+", re.split("[;(]", sense.definition())[0].lower())
        pairs = [" ".join(pair) for pair in zip(definition, definition[1:], strict=False)]
        forms = (
            []
            if sense in body
            else [
                next((form for form in (name, name.removesuffix("s")) if form in terms), "")
                for name in definition + pairs
            ]
        )
        parts[concept] = [terms[form] for form in forms if form and usual(terms[form]) in body]
    kinds = Counter(name for names in above.values() for name in set(names))
    broader = {}
    for concept, names in above.items():
        classes = [name for name in names if kinds[name] >= LEAST_KINDS]
        found = sorted({*classes, *parts[concept]} - generic - {"", concept})
        if found:
            broader[concept] = found
    return broader


def _plain(name: str) -> str:
    return name.lower().replace("_", " ")


def _usual(reader: Any, name: str, senses: set[Any]) -> bool:
    """Whether a name is used in medical senses at least as often as in others; "back" is, "case" is not."""
    if "_" in name:
        return True
    lemmas = [
        lemma
        for sense in reader.synsets(name)
        for lemma in sense.lemmas()
        if lemma.name().lower() == name.lower()
    ]
    medical = sum(lemma.count() for lemma in lemmas if lemma.synset() in senses)
    total = sum(lemma.count() for lemma in lemmas)
    # Without a count the first sense decides: WordNet lists the usual one first.
    return 2 * medical >= total if total else bool(lemmas) and lemmas[0].synset() in senses


def general_words(reader: Any) -> list[str]:
    """Common words of at least four letters that are used mostly outside medicine."""
    senses = medical_senses(reader)
    counts: Counter[str] = Counter()
    medical: Counter[str] = Counter()
    for sense in reader.all_synsets():
        for lemma in sense.lemmas():
            name = lemma.name().lower()
            if name.isascii() and name.isalpha() and len(name) >= 4:
                counts[name] += lemma.count()
                if sense in senses or any(noun.synset() in senses for noun in lemma.pertainyms()):
                    medical[name] += lemma.count()
    common = {name for name, count in counts.items() if count >= LEAST_COUNT and 2 * medical[name] < count}
    clinical = {
        name
        for name in common - NOT_CLINICAL
        if CLINICAL_ENDING.fullmatch(name)
        or CLINICAL_BEGINNING.fullmatch(name)
        or MEDICINE_ENDING.fullmatch(name)
    }
    common = (common - clinical) | more_words()
    return sorted(common | irregular_forms(reader, common))


def more_words() -> set[str]:
    """General words that WordNet does not have, from a list of our own."""
    return {word for line in lines("more_english") for word in line[0].split()}


def irregular_forms(reader: Any, words: set[str]) -> set[str]:
    """Forms that no rule leads back to their word: "told", "children"."""
    forms = set()
    for part_of_speech in ("verb", "noun", "adj", "adv"):
        for line in reader.open(f"{part_of_speech}.exc"):
            form, *bases = line.split()
            if form.isascii() and form.isalpha() and len(form) >= 4 and any(base in words for base in bases):
                forms.add(form)
    return forms


@lru_cache(maxsize=1)
def nltk_reader() -> Any:
    """NLTK's reader of WordNet, which knows more of it than its synonyms."""
    from nltk.corpus import WordNetCorpusReader
    from nltk.corpus.util import LazyCorpusLoader

    # A fresh loader: NLTK's own remembers a first failure, also after the data have come.
    reader = LazyCorpusLoader("wordnet", WordNetCorpusReader, None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about other languages
            reader.ensure_loaded()
    except LookupError:
        raise UserError(
            "WordNet is not there. Fetch it with nltk.download('wordnet'), or set NLTK_DATA."
        ) from None
    return reader


def main() -> None:
    reader = nltk_reader()
    terms = medical_terms(reader)
    by_concept = defaultdict(list)
    for term, concept in terms.items():
        by_concept[concept].append(term)
    medical = [
        ", ".join([name, *sorted(set(others) - {name})]) for name, others in sorted(by_concept.items())
    ]
    broader = [", ".join([name, *above]) for name, above in broader_terms(reader, terms).items()]
    general = general_words(reader)
    write_text(BROADER_TERMS, NOTICE.format(what="Broader terms") + "\n".join(broader) + "\n")
    write_text(MEDICAL_TERMS, NOTICE.format(what="Medical terms") + "\n".join(medical) + "\n")
    write_text(GENERAL_ENGLISH, NOTICE.format(what="Words of general English") + "\n".join(general) + "\n")
    print_rank0(f"{len(terms)} medical terms and {len(general)} general words are in {FOLDER}.")


if __name__ == "__main__":
    run_script(main, "Nothing was kept; start it again.")
