"""Signs of markers and organisms: "HER2-negative", "positive for oestrogen receptors", "gram-positive"."""

import re
from functools import lru_cache

from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.notation.word_forms import stem
from medqa.clinical.words import words

SIGN = re.compile(r"\b(?:positive|negative)\b")
NO_MARKERS = words(
    "is was were are be been test tests result results culture cultures swab swabs screen screening and or "
    "not also both all weakly strongly came back remained remains false true double triple the a an it that "
    "which serology antibody antibodies antigen status pcr receptor receptors end inotropic pressure"
)
BEFORE = re.compile(
    r"(?P<marker>[a-z][a-z0-9]*)(?:[ -](?:is|was|were|are|tests?|tested|status|receptors?"
    r"|antibod(?:y|ies)|antigen|serology|pcr|came back|remained|strongly|weakly)){0,3}"
    r"[ -](?P<sign>positive|negative)\b(?! for)"
)
FOR = re.compile(r"\b(?P<sign>positive|negative) for (?:the |an? )?(?P<marker>[a-z][a-z0-9]*)")
DENIED = re.compile(r"(?:\bnot|n't|\bnever) (?:[a-z]+ ){0,2}?$")


def turned_sign(reference: str, hypothesis: str) -> tuple[str, str, str, str] | None:
    """(subject, kind, words of the reference, words of the answer) of a marker with the other sign."""
    mine, theirs = _signs(reference), _signs(hypothesis)
    for marker in mine:
        signs = mine[marker] | theirs.get(marker, set())
        if len(mine[marker]) == len(theirs.get(marker, ())) == 1 and len(signs) == 2:
            one, other = next(iter(mine[marker])), next(iter(theirs[marker]))
            return marker, "negation", f"{marker} {one}", f"{marker} {other}"
    return None


@lru_cache(maxsize=KEPT_TEXTS)
def _signs(text: str) -> dict[str, set[str]]:
    """The signs that a text gives to each marker."""
    lower = forms(text)[2]
    found: dict[str, set[str]] = {}
    if SIGN.search(lower) is None:
        return found
    for pattern in (BEFORE, FOR):
        for match in pattern.finditer(lower):
            if match["marker"] in NO_MARKERS or DENIED.search(
                lower, max(0, match.start("sign") - 30), match.start("sign")
            ):
                continue
            found.setdefault(stem(match["marker"]), set()).add(match["sign"])
    return found
