"""Where the terms of a lexicon come from, and the one form in which lexicon and text are compared."""

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from medqa.artifacts.plain_words import in_words
from medqa.clinical import words as word_lists
from medqa.runtime.errors import UserError

# The stems that the World Health Organization gives to groups of medicines (INN stems), at the end of a word.
MEDICINE_ENDING = re.compile(
    "[a-z-]{2,}(?:"
    "cillin|mycin|micin|floxacin|cycline|conazole|nidazole|bendazole|prazole|vir|vudine|citabine|fungin"
    "|quine|penem"
    "|vancin|statin|pril|prilat|sartan|olol|dipine|thiazide|semide|renone|lactone|fibrate|parin|parinux"
    "|xaban|gatran"
    "|grel|grelor|zepam|zolam|barbital|oxetine|ipramine|triptyline|azepine|azine|apine|idone|piprazole"
    "|gabalin"
    "|racetam|tidine|setron|triptan|gliptin|gliflozin|glutide|glitazone|formin|mab|tinib|rafenib|ciclib"
    "|parib|zomib"
    "|limus|platin|rubicin|taxel|trexate|zolomide|mustine|solone|cinolone|nisone|asone|methasone|betasol|onide"
    "|caine|curium"
    "|curonium|fentanil|codone|morphone|stigmine|phylline|terol|tropium|lukast|begron|osin|steride|afil"
    "|profen|oxicam"
    "|coxib|dronate|dronic|rizine|tadine|relin|relix|estradiol|tropin|cept|kinra|leukin|grastim|poetin"
    "|plase|feron"
    "|oxin|sulfan|gestrel|pristone|pristal"
    ")s?|(?:cef|sulfa)[a-z]{4,}"
)
# Other words that end so.
NOT_MEDICINES = word_lists.words(
    "concept except precept percept intercept accept dioxin toxin neurotoxin endotoxin exotoxin antitoxin "
    "mycotoxin magazine april outline elvir"
)

# What makes a word clinical, beside at least three other letters; of general words that look so see
# is_general.
CLINICAL_ENDING = re.compile(
    "[a-z-]{3,}(?:"
    "itis|itides|osis|oses|emia|emic|oma|omas|omata|opathy|opathies|opathic|ectomy|ectomies|otomy"
    "|otomies|ostomy"
    "|ostomies|plasty|plasties|oscopy|oscopies|oscopic|algia|algias|uria|penia|penic|philia|plegia"
    "|plegic|paresis"
    "|paretic|rrhea|rrhagia|rrhage|rrhages|rrhagic|megaly|sclerosis|stenosis|stenoses|trophy|trophic"
    "|plasia|plastic"
    "|kinesia|phagia|phasia|pnea|cardia|cardiogram|encephalogram|cytosis|cyte|cytes|cytic|blastoma"
    "|sarcoma|carcinoma"
    "|iasis|iases|ptosis|edema|spasm|spasms|toxicity|ectasia|ectasis|ischemia|globulin|globulins|gland"
    "|derma|dermal"
    "|cerebral|vascular|ventricular|arterial|venous|cardial|cardiac|pulmonary|hepatic|renal|gastric"
    "|thoracic|lumbar"
    "|pelvic|cranial|spinal|ocular|retinal|corneal|aural|nasal|enteric|colonic|rectal|vaginal|uterine"
    "|prandial|partum"
    "|natal|febrile|genic|lytic|viral|bacterial|microbial|fungal|parasitic|biotic|biotics|ceptive"
    "|ceptives|tension"
    "|tensive|glycemia|glycemic|kalemia|natremia|thyroid|thyroidism|pituitary|cortical|gonadism"
    ")"
)
CLINICAL_BEGINNING = re.compile(
    "(?:"
    "hyper|hypo|brady|tachy|dys|cardio|gastro|hepat|nephro|neuro|osteo|hemato|hemo|onco|pneumo|encephal"
    "|arthr|thromb"
    "|immuno|myelo|chondro|cholecyst|cyst|derma|entero|esophag|laryng|pharyng|rhino|oto|ophthalm|retino"
    "|radio|chemo"
    "|cyto|bronch|angio|vaso|phleb|lymph|spleno|thyr|adren|gluco|lipo|pyelo|uro|procto|colo|mening|myo"
    "|tendo|spondyl"
    "|trache|pleur|periton|pericard|endocard|myocard|electrocardio|echocardio|electroencephalo"
    ")[a-z]{4,}"
)

# A word of the training answers is a term when at least this many of them contain it …
LEAST_ANSWERS = 2
# … and in at most this share, because a word of every second answer tells nothing.
LARGEST_SHARE = 0.5
TOKEN = re.compile(r"(?<=type )[0-9](?![0-9])|[a-z][a-z0-9]*(?:'[a-z]+)?|[.;:!?()\n,]")
IRREGULAR = {
    "teeth": "tooth", "feet": "foot", "bacteria": "bacterium", "bronchi": "bronchus", "emboli": "embolus",
    "thrombi": "thrombus", "fungi": "fungus", "nuclei": "nucleus", "ova": "ovum", "diagnoses": "diagnosis",
    "tumour": "tumor", "tumours": "tumor", "fibre": "fiber", "fibres": "fiber", "titre": "titer",
    "varices": "varix", "calculi": "calculus", "vertebrae": "vertebra", "foci": "focus", "mice": "mouse",
    "women": "woman", "men": "man", "children": "child",
}  # fmt: skip
BRITISH = re.compile("(al|el|il|ol|ot|un)is(ed|ing|e|es)$")  # "generalised", "necrotising", "immunise"
PLURALS = (
    ("aches", "ache"),
    ("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("oses", "osis"),
    ("eses", "esis"), ("stases", "stasis"), ("lyses", "lysis"), ("uses", "us"), ("omata", "oma"),
    ("itides", "itis"), ("cocci", "coccus"),
)  # fmt: skip


@lru_cache(maxsize=1 << 17)
def canonical(word: str) -> str:
    """One form for singular and plural, American and British: "haemorrhages" → "hemorrhage".

    Lexicon and text go through it alike, so that it need not be good English ("uses" → "us").
    """
    if word in IRREGULAR:
        return IRREGULAR[word]
    word = word.removesuffix("'s")
    if len(word) > 4:
        word = re.sub("ae$", "a", word).replace("ae", "e").replace("oe", "e").replace("sulph", "sulf")
        if "is" in word:
            word = BRITISH.sub(r"\1iz\2", word.replace("isation", "ization"))
    for ending, singular in PLURALS if word.endswith(("s", "omata", "cocci")) else ():
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word[: len(word) - len(ending)] + singular
    if word.endswith("s") and len(word) > 3 and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def form_of(term: str) -> str:
    """A term of one or more words in its canonical form."""
    return " ".join(canonical(word) for word in TOKEN.findall(term.lower()) if word[0].isalnum())


def user_terms(path: str | Path) -> dict[str, str]:
    """Names of the user's own file, each with the first name of its line; none without a file.

    Raises:
        UserError: it cannot be read as UTF-8 text.
    """
    if not str(path):
        return {}
    try:
        content = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"The lexicon {path} cannot be read ({in_words(error)}). It should be a UTF-8 text file with a "
            "term in each line, after commas its other names. Give its path with --LEXICON."
        ) from None
    rows = [line.split("#")[0].split(",") for line in content.splitlines()]
    return {name: row[0] for row in rows for name in row}


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()


@lru_cache(maxsize=1)
def general_words() -> tuple[dict[str, str], frozenset[str]]:
    """The words of general English with their Porter stems, and the stems."""
    stems = {word: _stemmer().stem(word) for word in word_lists.names("general_english")}
    return stems, frozenset(stems.values())


# Stems of one family that Porter's rules leave apart.
RELATED = {
    "allergi": "allerg", "smoker": "smoke", "drinker": "drink", "infecti": "infect", "safeti": "safe",
    "pregnanc": "pregnant", "necess": "necessari", "presenc": "present", "absenc": "absent",
    "driver": "drive", "unwel": "ill", "bled": "bleed", "broken": "break",
    "impair": "affect", "medic": "medicin", "drug": "medicin", "regularli": "regular", "unremark": "normal",
    "lost": "loss", "lose": "loss", "swollen": "swell",
    "took": "take", "taken": "take", "given": "give", "seen": "see", "eaten": "eat",
    "frozen": "freez", "froze": "freez", "worn": "wear", "driven": "drive", "drunk": "drink",
    "drank": "drink",
    "kept": "keep", "grown": "grow", "grew": "grow", "chosen": "choos", "fed": "feed", "gave": "give",
    "shaken": "shake", "taught": "teach", "held": "hold", "torn": "tear",
}  # fmt: skip


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """The Porter stem of a word in canonical form: one for "harm", "harms" and "harming"."""
    form = canonical(word)
    found = general_words()[0].get(form) or _stemmer().stem(form)
    return RELATED.get(found, found)


@lru_cache(maxsize=1 << 16)
def is_general(word: str) -> bool:
    """Whether a word is common in general English, in any of its forms."""
    words, stems = general_words()
    return word in words or _stemmer().stem(word) in stems


def rare_terms(texts: Iterable[str]) -> list[str]:
    """Words of four letters or more that two texts have, at most half of them, and English rarely."""
    counts: Counter[str] = Counter()
    total = 0
    for text in texts:
        total += 1
        counts.update({canonical(word) for word in TOKEN.findall(text.lower()) if len(canonical(word)) >= 4})
    most = max(LEAST_ANSWERS, total * LARGEST_SHARE)
    return sorted(
        word
        for word, count in counts.items()
        if LEAST_ANSWERS <= count <= most and word.isalpha() and not is_general(word)
    )
