"""Wrong ways of giving a medicine: another route than the only one, the other side of the body."""

import re
from collections.abc import Iterator
from functools import lru_cache

from medqa.clinical.quantities import read
from medqa.clinical.text import KEPT_TEXTS, forms

# What makes the route of a sentence the only one.
ONLY = re.compile(r"\b(?:only|solely|exclusively|must be given|never|not be given)\b")
_PLACES = (
    "eyes?|ears?|legs?|arms?|knees?|hips?|lungs?|kidneys?|breasts?|hands?|foot|feet|shoulders?|ankles?|wrists?|elbows?"
    "|testis|testicles?|ovary|side|lower|upper|iliac|flank|lobe|nostril|hemisphere|thigh|calf|groin"
)
SIDE = re.compile(rf"(?<![a-z])(?P<side>left|right)(?:-sided|[ -](?:{_PLACES})(?![a-z]))")
# Right and left eye, in capitals: "OD" is once daily elsewhere.
EYES = re.compile(r"(?<![A-Za-z])(?:(?P<right>OD|RE)|(?P<left>OS|LE))(?![A-Za-z])")
EYE = re.compile(
    r"\b(?:drops?|eye|eyes|ophthalm\w*|instil\w*|fundoscopy|tropicamide|cataract|intraocular|retina\w*)\b"
)
# Routes that are not mistaken for one another when a text names both.
APART = {
    "intravenous", "intramuscular", "intrathecal", "subcutaneous", "by mouth", "epidural", "topical",
    "intradermal", "rectal", "into the eye", "into the ear",
}  # fmt: skip


def names_way(text: str) -> bool:
    """Whether a text names a side of the body, or a route that is the only one."""
    _, sides, only = _ways(text)
    return bool(sides) or only


def wrong_way(reference: str, hypothesis: str) -> Iterator[tuple[str, str, str, str]]:
    """(subject, kind, words of the reference, words of the answer) of a route or side that contradicts.

    Rule: a route contradicts the only one that the reference allows ("intravenously only"); a side
        contradicts when each text names one side, and not the same.
    """
    (routes, sides, only), (other_routes, other_sides, _) = _ways(reference), _ways(hypothesis)
    if only and len(routes) == 1 and other_routes and not set(routes) & set(other_routes):
        yield "route", "route", *routes.values(), next(iter(other_routes.values()))
    if len(sides) == len(other_sides) == 1 and sides.keys() != other_sides.keys():
        yield "side", "side", *sides.values(), *other_sides.values()


@lru_cache(maxsize=KEPT_TEXTS)
def _ways(text: str) -> tuple[dict[str, str], dict[str, str], bool]:
    """Routes and sides of a text with their words, and whether its only route is said to be the only one."""
    original, raw, lower = forms(text)
    routes = {
        quantity.unit: original[quantity.start : quantity.end].strip()
        for quantity in read(text)
        if quantity.kind == "route" and quantity.unit in APART
    }
    sides = {match["side"]: original[match.start() : match.end()] for match in SIDE.finditer(lower)}
    if EYE.search(lower):
        sides |= {match.lastgroup: match.group() for match in EYES.finditer(raw)}
    return routes, sides, bool(routes) and ONLY.search(lower) is not None
