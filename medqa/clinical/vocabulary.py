"""Where the terms of a lexicon come from, and the one form in which lexicon and text are compared."""

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from medqa.clinical import words as word_lists
from medqa.runtime.errors import UserError

# A word of the training answers is a term when it stands in at least so many of them …
LEAST_ANSWERS = 2
# … and in at most this share, because a word of every second answer tells nothing.
LARGEST_SHARE = 0.5
TOKEN = re.compile(r"[a-z][a-z0-9]*(?:'[a-z]+)?|[.;:!?()\n,]")
IRREGULAR = {
    "teeth": "tooth", "feet": "foot", "bacteria": "bacterium", "bronchi": "bronchus", "emboli": "embolus",
    "thrombi": "thrombus", "fungi": "fungus", "nuclei": "nucleus", "ova": "ovum", "diagnoses": "diagnosis",
    "tumour": "tumor", "tumours": "tumor", "fibre": "fiber", "fibres": "fiber", "titre": "titer",
    "mice": "mouse", "women": "woman", "men": "man", "children": "child",
}  # fmt: skip
PLURALS = (
    ("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("oses", "osis"),
    ("eses", "esis"), ("stases", "stasis"), ("lyses", "lysis"), ("uses", "us"), ("omata", "oma"),
    ("itides", "itis"),
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
        word = word.replace("isation", "ization")
    for ending, singular in PLURALS:
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word[: len(word) - len(ending)] + singular
    if word.endswith("s") and len(word) > 3 and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def form_of(term: str) -> str:
    """A term of one or more words in its canonical form."""
    return " ".join(canonical(word) for word in TOKEN.findall(term.lower()) if word[0].isalpha())


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
            f"The lexicon {path} cannot be read ({error}). It should be a UTF-8 text file with a term in "
            "each line, after commas its other names. Give its path with --LEXICON."
        ) from None
    rows = [line.split("#")[0].split(",") for line in content.splitlines()]
    return {name: row[0] for row in rows for name in row}


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()


@lru_cache(maxsize=1)
def general_stems() -> frozenset[str]:
    """Porter stems of the words of general English."""
    return frozenset(_stemmer().stem(word) for word in word_lists.names("general_english"))


@lru_cache(maxsize=1 << 16)
def is_general(word: str) -> bool:
    """Whether a word is common in general English, in any of its forms."""
    return _stemmer().stem(word) in general_stems()


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
