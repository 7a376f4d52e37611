"""Doses for the wrong patients: "15 to 30 kg: 0.3 mg" where that is the dose above 30 kg."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from medqa.clinical.claims.claims import Claim, Found
from medqa.clinical.claims.mistaken import DOSED
from medqa.clinical.notation.names import MEASURE_NAMES
from medqa.clinical.notation.text import forms, sentence_ends
from medqa.clinical.quantities.quantity import amounts_meet

# What a dose can depend on, beside a weight, an age or the function of the kidneys.
PEOPLE = re.compile(
    r"\b(?:(?P<infant>infants?|newborns?|neonates?|babies)"
    r"|(?P<elderly>elderly|older (?:adults|people|patients))"
    r"|(?P<child>(?:older |bigger )?child(?:ren)?)|(?P<adult>adults?))\b"
)
# Band → the dose in it, for bands of one kind: of weight, age, clearance or people.
Bands = dict[object, Claim]


def wrong_band(
    reference: str, hypothesis: str, ours: Sequence[Claim], theirs: Sequence[Claim]
) -> Iterator[Found]:
    """(band, "swapped", words of the reference, words of the answer) of a dose that belongs to another band.

    Rule: both texts give one dose for the same band; that of the answer is not the one of the reference, but
    the one that the reference gives for another band.
    """
    if len(ours) < 2:
        return
    mine = _bands(reference, ours)
    others = _bands(hypothesis, theirs) if mine else {}
    for kind, bands in mine.items():
        for band, right in bands.items():
            given = others.get(kind, {}).get(band)
            elsewhere = [claim for name, claim in bands.items() if name != band]
            if (
                given is not None
                and not amounts_meet(right.quantity, given.quantity)
                and any(amounts_meet(claim.quantity, given.quantity) for claim in elsewhere)
            ):
                yield f"dose by {kind}", "swapped", right.written, given.written


def _bands(text: str, found: Sequence[Claim]) -> dict[str, Bands]:
    """Kind → bands, from sentences in which bands and doses come two by two."""
    lower = forms(text)[2]
    marks: dict[str, list[tuple[int, object]]] = {}
    doses = []
    for claim in found:
        if claim.subject in ("weight", "eGFR") or claim.quantity.kind == "age":
            kind = claim.subject or "age"
            marks.setdefault(kind, []).append(
                (claim.quantity.start, (claim.quantity.values, claim.quantity.bound))
            )
        elif claim.dose and DOSED.match(claim.quantity.unit) and claim.subject not in MEASURE_NAMES:
            doses.append((claim.quantity.start, claim))
    if doses:
        marks["people"] = [(match.start(), match.lastgroup) for match in PEOPLE.finditer(lower)]
    bands: dict[str, Bands] = {}
    for begin, end in pairwise([0, *sentence_ends(text)]):
        for kind, places in marks.items():
            row = sorted(
                (mark for mark in (*places, *doses) if begin <= mark[0] < end), key=lambda mark: mark[0]
            )
            pairs = list(zip(row[::2], row[1::2], strict=False))
            # "Infants 1 mg/kg, children (see below)": the last band has no dose.
            if (len(row) % 2 and isinstance(row[0][1], Claim)) or any(
                isinstance(one, Claim) == isinstance(two, Claim) for (_, one), (_, two) in pairs
            ):
                continue
            for (_, one), (_, two) in pairs:
                band, claim = (two, one) if isinstance(one, Claim) else (one, two)
                bands.setdefault(kind, {}).setdefault(band, claim)
    return bands
