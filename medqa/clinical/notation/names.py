"""Names of medicines and of measures in a text, each by one name: "paracetamol" for acetaminophen."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from medqa.clinical import words as word_lists
from medqa.clinical.notation.routes import FIRST_WORDS
from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.notation.word_forms import MEDICINE_ENDING, NOT_MEDICINES, canonical, is_general

WORD = re.compile(r"[a-z][a-z0-9]*(?:[-'][a-z0-9]+)*")

MEDICINES = word_lists.names("medicines")
MEASURES = {name.lower(): measure for name, measure in word_lists.names("measures").items()}
MEASURE_NAMES = frozenset(MEASURES.values())
# Names of one or more words; the words of one are also joined by "-" and "/".
NAMES = {name: one for name, one in MEDICINES.items() if " " in name} | MEASURES
NAME_BEGINNINGS = frozenset(name.split()[0] for name in NAMES)
LONGEST_NAME = max(len(name.split()) for name in NAMES)
# Names that are other words in small letters: "24 hr", "map".
CAPITAL_NAMES = word_lists.words("ass hr rr map ef pt hb ck pr alt ast na k ca cr cl mg")
# After the name of a medicine these are part of it: "losartan potassium".
SALTS = word_lists.words("sodium potassium calcium magnesium chloride phosphate lactate")

# Groups of medicines and of treatments, and the medicines in them. Advice against a group is against each.
GROUPS = {
    "nonsteroidal anti inflammatory": "naproxen|ibuprofen|diclofenac|ketorolac|indomethacin"
    "|meloxicam|piroxicam"
    "|celecoxib|etoricoxib|ketoprofen",
    "thrombolysis": "alteplase|tenecteplase|reteplase|streptokinase",
    "beta blocker": "[a-z]+olol",
    "ace inhibitor": "[a-z]+pril",
    "statin": "[a-z]+vastatin",
    "lipid lowering medicine": "[a-z]+vastatin",
    "benzodiazepine": "[a-z]+(?:azepam|azolam)|chlordiazepoxide",
    "opioid": "morphine|codeine|oxycodone|fentanyl|tramadol|hydromorphone|methadone|pethidine|hydrocodone",
    "blood thinner": "warfarin|heparin|enoxaparin|dalteparin|apixaban|rivaroxaban|edoxaban|dabigatran",
    "antibiotic": "[a-z]+cillin|cef[a-z]+|[a-z]+floxacin|[a-z]+mycin|doxycycline|co-amoxiclav|metronidazole",
    "steroid": "[a-z]*(?:predniso(?:lo)?ne)|dexamethasone|hydrocortisone|betamethasone",
    "corticosteroid": "[a-z]*(?:predniso(?:lo)?ne)|dexamethasone|hydrocortisone|betamethasone",
    "triptan": "[a-z]+triptan",
    "nitrate": "nitroglycerin|glyceryl trinitrate|isosorbide(?: [a-z]+)?",
    "selective serotonin reuptake inhibitor": "sertraline|fluoxetine|(?:es)?citalopram|paroxetine"
    "|fluvoxamine",
    "diuretic": "furosemide|bumetanide|torasemide|[a-z]*thiazide|loop diuretic|spironolactone|indapamide",
    "sulfonylurea": "gli(?:clazide|pizide|mepiride|benclamide)|glyburide",
    "loop diuretic": "furosemide|bumetanide|torasemide",
    "bronchodilator": "salbutamol|terbutaline|salmeterol|formoterol|ipratropium|tiotropium",
    "decongestant": "pseudoephedrine|oxymetazoline|xylometazoline|phenylephrine",
    "fluoroquinolone": "[a-z]+floxacin",
    "thiazide": "[a-z]+thiazide|indapamide|chlort(?:h)?alidone",
    "calcium channel blocker": "[a-z]+dipine|verapamil|diltiazem",
    "angiotensin receptor blocker": "[a-z]+sartan",
    "proton pump inhibitor": "(?!aripi|brexpi)[a-z]+prazole",
    "sglt2 inhibitor": "[a-z]+gliflozin",
    "dpp inhibitor": "[a-z]+gliptin",
    "glp receptor agonist": "(?:exena|[a-z]+glu)tide",
    "bisphosphonate": "[a-z]+dron(?:ate|ic acid)",
    "antihistamine": "cetirizine|loratadine|fexofenadine|chlorphenamine|diphenhydramine|promethazine",
    "tricyclic antidepressant": "[a-z]+triptyline|imipramine|clomipramine|dosulepin",
    "cephalosporin": "cef[a-z]+",
    "macrolide": "(?:azi|clari|ery)thromycin",
    "antiplatelet": "aspirin|clopidogrel|ticagrelor|prasugrel",
}


@lru_cache(maxsize=KEPT_TEXTS)
def words_of(text: str) -> list[tuple[int, int, str]]:
    """The words of a text in lower case: (start, end, word)."""
    return [(*match.span(), match.group()) for match in WORD.finditer(forms(text)[2])]


@lru_cache(maxsize=KEPT_TEXTS)
def names_of(text: str) -> tuple[tuple[int, int, str], ...]:
    """Medicines and measures of a text: (start, end, one name for all its names)."""
    _, raw, lower = forms(text)
    return tuple(_names(lower, raw, words_of(text)))


def _names(lower: str, raw: str, words: Sequence[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """Medicines and measures of a lower-case text: (start, end, one name for all its names)."""
    following = 0
    for place, (start, end, word) in enumerate(words):
        if place < following or not (word in NAME_BEGINNINGS or medicine(word)):
            continue
        if word in CAPITAL_NAMES and raw[start:end].islower():
            continue
        length, name = _listed_name(lower, words[place : place + LONGEST_NAME])
        name = name or medicine(word)
        if name and not lower.endswith("without ", 0, start):
            following = place + length
            end = words[following - 1][1]
            if following < len(words) and words[following][0] == end + 1 and words[following][2] in SALTS:
                end = words[following][1]  # "benzylpenicillin sodium 600 mg"
                following += 1
            yield start, end, name


def _listed_name(lower: str, words: Sequence[tuple[int, int, str]]) -> tuple[int, str]:
    """How many of the words are a listed name, and its one name; (1, "") when the first begins none."""
    if words[0][2] in NAME_BEGINNINGS:
        for count in range(len(words), 0, -1):
            phrase = lower[words[0][0] : words[count - 1][1]].replace("/", " ")
            if phrase in NAMES:
                return count, NAMES[phrase]
    return 1, ""


@lru_cache(maxsize=1 << 16)
def medicine(word: str) -> str:
    """The one name of a medicine, "" when a word is none: by our list, or by the ending of its group."""
    for form in (word, word.removesuffix("s")):
        if form in MEDICINES:
            return MEDICINES[form]
    if "-" in word:
        # A combination is another medicine than its parts: ampicillin-sulbactam.
        return word if any(medicine(part) for part in word.split("-")) else ""
    if len(word) < 6 or word in NOT_MEDICINES or MEDICINE_ENDING.fullmatch(word) is None or is_general(word):
        return ""
    return word


def is_known(subject: str) -> bool:
    """Whether a subject is a medicine or measure by our lists or rules; other names may stand for it."""
    return subject in MEASURE_NAMES or bool(medicine(subject))


@lru_cache(maxsize=1 << 16)
def unlisted_name(word: str) -> str:
    """A word as the subject of the amount right after it, "fondaparinux 2.5 mg"; "" for general English."""
    if len(word) < 5 or not word.isalpha() or word.endswith("ly") or word in FIRST_WORDS or is_general(word):
        return ""
    return canonical(word)
