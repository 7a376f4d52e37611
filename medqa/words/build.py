"""Draw the two word lists of this folder from WordNet 3.0.

    python -m medqa.words.build        (NLTK_DATA must lead to WordNet)

They come with the package, so that the lexicon of `token_f1` is one and the same on every machine, with and
without WordNet and internet: a score that changes with what happens to be installed is no measure.

`medical_terms.txt` has a term in each line, after a tab the concept that it counts as when that is another
word ("renal", "kidney"). `general_english.txt` has words that are common outside medicine.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medqa.clinical_words import CLINICAL_BEGINNING, CLINICAL_ENDING, MEDICINE_ENDING
from medqa.run import UserError, run_script, say, write_text
from medqa.wordnet import wordnet

FOLDER = Path(__file__).parent
MEDICAL_TERMS = FOLDER / "medical_terms.txt"
GENERAL_ENGLISH = FOLDER / "general_english.txt"

# Whose narrower terms are medical: disorders, symptoms, drugs, parts of the body, procedures, germs, …
MEDICAL_ROOTS = """
    disorder.n.01 ill_health.n.01 symptom.n.01 drug.n.01 body_part.n.01 medical_procedure.n.01 medical_care.n.01
    bacteria.n.01 virus.n.01 hormone.n.01 antibody.n.01 vitamin.n.01 liquid_body_substance.n.01 antigen.n.01
    diagnostic_procedure.n.01 medical_instrument.n.01 neoplasm.n.01 cell.n.02 enzyme.n.01 anesthesia.n.01
    vaccine.n.01 gene.n.01 chromosome.n.01 mutation.n.02 amino_acid.n.01 medicine.n.01
""".split()
# Diseases of plants answer no medical question.
OTHER_ROOTS = ("plant_disease.n.01",)

# A word is common when the readers of SemCor (234,000 tagged words of the Brown corpus) met it this often.
LEAST_COUNT = 2
# Common words of that corpus that only look clinical; the others with a clinical affix are left out of the list.
NOT_CLINICAL = frozenset(
    "academic accept analytic colonial colorado colorful colossal concept diagnosis except hyperbolic hypocrisy "
    "hypocrite hypothesis hypothesize hypothetical intercept magazine microscopic nostalgia oklahoma perceptive "
    "phonemic radioactive spectroscopy".split()
)
# What no dictionary of nouns and verbs lists, or what came after 1961, the year of the Brown corpus.
MORE_GENERAL = """
    about above across after again against along already although always among another anybody anyone anything
    anywhere around because been before behind being below beneath beside besides between beyond both cannot could
    despite does doing done down during each either else elsewhere enough even ever every everybody everyone
    everything everywhere except from further furthermore have having hence here hers herself himself however
    indeed instead into itself just least less like many might mine more moreover most much must myself neither
    never nevertheless nobody none nonetheless nothing nowhere often once only onto other others otherwise ours
    ourselves over perhaps quite rather same shall should since some somebody somehow someone something sometimes
    somewhat somewhere still such than that their theirs them themselves then thence there thereby therefore these
    they this those though through throughout thus together toward towards under unless until unto upon very were
    what whatever when whenever where whereas whereby wherever whether which whichever while whoever whole whom
    whose will with within without would yours yourself yourselves youll youre theyre dont doesnt didnt cant wont
    isnt arent wasnt wouldnt shouldnt couldnt hasnt havent
    website websites internet online email webpage newsletter brochure booklet questionnaire guideline guidelines
    workplace lifestyle feedback update updated smartphone mobile database software android download
    january february march april june july august september october november december monday tuesday wednesday
    thursday friday saturday sunday america american americans europe european africa african asia asian australia
    canada canadian mexico brazil china chinese japan japanese india indian pakistan russia russian france french
    germany german italy italian spain spanish britain british england english ireland scotland israel turkey egypt
    alabama alaska arizona arkansas california connecticut delaware florida georgia hawaii idaho illinois indiana
    iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri montana
    nebraska nevada ohio oregon pennsylvania tennessee texas utah vermont virginia washington wisconsin wyoming
    boston chicago london
""".split()

NOTICE = """\
# {what}
# Drawn from WordNet 3.0 by `python -m medqa.words.build`, which says how. WordNet's licence asks for this notice:
#
# WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved.
#
# This software and database is being provided to you, the LICENSEE, by Princeton University under the following
# license. By obtaining, using and/or copying this software and database, you agree that you have read,
# understood, and will comply with these terms and conditions.
#
# Permission to use, copy, modify and distribute this software and database and its documentation for any purpose
# and without fee or royalty is hereby granted, provided that you agree to comply with the following copyright
# notice and statements, including the disclaimer, and that the same appear on ALL copies of the software, database
# and documentation, including modifications that you make for internal use or for distribution.
#
# THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES,
# EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT LIMITATION, PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR
# WARRANTIES OF MERCHANTABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR THAT THE USE OF THE LICENSED SOFTWARE,
# DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD PARTY PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS.
#
# The name of Princeton University or Princeton may not be used in advertising or publicity pertaining to
# distribution of the software and/or database. Title to copyright in this software, database and any associated
# documentation shall at all times remain with Princeton University and LICENSEE agrees to preserve same.
"""


def read_list(path: Path) -> Iterator[str]:
    """Lines of a word list, without its notice."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line


def medical_senses(reader: Any) -> set[Any]:
    """All senses below the medical roots."""
    below = lambda root: {root, *root.closure(lambda sense: sense.hyponyms())}  # noqa: E731
    senses = {sense for root in MEDICAL_ROOTS for sense in below(reader.synset(root))}
    return senses - {sense for root in OTHER_ROOTS for sense in below(reader.synset(root))}


def medical_terms(reader: Any) -> dict[str, str]:
    """Every medical term, and the first name of its sense as the concept that it counts as."""
    senses = medical_senses(reader)
    terms: dict[str, str] = {}
    # Sorted, so that a term of two senses counts as the same concept in every run.
    for sense in sorted(senses, key=lambda item: item.name()):
        for name in sense.lemma_names():
            term = name.lower().replace("_", " ")
            # In lower case, abbreviations would be words: ADD, AIDS, ALS.
            if len(name) >= 3 and not name.isupper() and term not in terms and _usual(reader, name, senses):
                terms[term] = sense.lemma_names()[0].lower().replace("_", " ")
    for adjective in sorted(reader.all_synsets("a"), key=lambda item: item.name()):
        for lemma in adjective.lemmas():
            # "renal" pertains to the kidney, and counts as it.
            nouns = [noun.synset() for noun in lemma.pertainyms()]
            term = lemma.name().lower().replace("_", " ")
            if nouns and nouns[0] in senses and term not in terms:
                terms[term] = nouns[0].lemma_names()[0].lower().replace("_", " ")
    return terms


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
        if CLINICAL_ENDING.fullmatch(name) or CLINICAL_BEGINNING.fullmatch(name) or MEDICINE_ENDING.fullmatch(name)
    }
    common = (common - clinical) | set(MORE_GENERAL)
    return sorted(common | irregular_forms(reader, common))


def irregular_forms(reader: Any, words: set[str]) -> set[str]:
    """Forms that no rule leads back to their word: "told", "children"."""
    forms = set()
    for part_of_speech in ("verb", "noun", "adj", "adv"):
        for line in reader.open(f"{part_of_speech}.exc"):
            form, *bases = line.split()
            if form.isascii() and form.isalpha() and len(form) >= 4 and any(base in words for base in bases):
                forms.add(form)
    return forms


def main() -> None:
    reader = wordnet()
    if reader is None:
        raise UserError("WordNet is not there. Fetch it with nltk.download('wordnet'), or set NLTK_DATA.")
    terms, words = medical_terms(reader), general_words(reader)
    lines = [term if term == concept else f"{term}\t{concept}" for term, concept in sorted(terms.items())]
    write_text(MEDICAL_TERMS, NOTICE.format(what="Medical terms") + "\n".join(lines) + "\n")
    write_text(GENERAL_ENGLISH, NOTICE.format(what="Words of general English") + "\n".join(words) + "\n")
    say(f"{len(terms)} medical terms and {len(words)} general words are in {FOLDER}.")


if __name__ == "__main__":
    run_script(main, "Nothing was kept; start it again.")
