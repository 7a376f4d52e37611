"""Values of which an answer takes one for another: 1.2 mg twice for 1.2 mg and 0.6 mg.

A claim that another of its text repeats contradicts nothing when claims are compared one by one. Here the
values of a unit are matched one to one, so that the repeated one is left without a partner.
"""

import re
from collections.abc import Iterator, Sequence

from medqa.clinical.claims.agreement import may_be_one
from medqa.clinical.claims.claims import Claim, Found, stated
from medqa.clinical.notation.numbers import COUNTS, read_number
from medqa.clinical.notation.text import forms
from medqa.clinical.quantities.body_weight import BODY_WEIGHT
from medqa.clinical.quantities.quantity import amounts_meet, kind_of

WEIGHT = "weight"

# More values of a unit are a table or several regimens.
MOST = 4
# Units whose values one text can divide, add up or number in another way.
UNCOUNTED = re.compile(r"no\. of|of a |× |dose|week of pregnancy|%")
# What makes one of several amounts the sum or the multiple of others.
SUMMED = re.compile(
    r"\b(?:total\w*|altogether|in all|add(?:s|ed)? up|half|split|divided|each|twice|apiece|per (?:dose|day)"
    r"|both|equal(?:ly)?|rest|remaining)\b"
)
SUMMED_TIMES = re.compile(r"\b(?:total\w*|altogether|in all|add(?:s|ed)? up|overall)\b")
# "days 1, 4, 8 and 11", "at 0, 1 and 6 months"
_NUMBER = rf"(?:[0-9]{{1,3}}|{'|'.join(COUNTS)})"
_UNIT = "(day|week|month|year|hour)s?"
LISTED = re.compile(
    rf"(?<![a-z0-9.])(?:{_UNIT} )?({_NUMBER}(?:, {_NUMBER}){{1,6}},? and {_NUMBER})(?: {_UNIT})?(?![a-z0-9])"
)
# "days 5 to 9", "from day 15 through day 19"
SPAN = re.compile(
    rf"(?<![a-z0-9.])(day|week|month)s? ({_NUMBER})(?: ?- ?| to | through | until )(?:(?:day|week|month) )?"
    rf"({_NUMBER})(?![a-z0-9])"
)
EACH_NUMBER = re.compile("[0-9]+|[a-z]+")


def repeated(reference: str, hypothesis: str) -> Iterator[Found]:
    """(subject, kind, words of the reference, words of the answer) for a value in the place of another.

    Rule: both texts give two to four values of a unit, equally many, all but one of them the same; the answer
    has one value more often than the reference. A value that is the sum of the others is left out where the
    other text has one value less.
    """
    ours, theirs = (_by_dimension(text) for text in (reference, hypothesis))
    if any(claim.counted or claim.item for side in (ours, theirs) for row in side.values() for claim in row):
        counted = {"amount mg", "amount IU", "amount mL"}
    else:
        counted = set()
    for dimension in ours:
        if dimension not in theirs or dimension in {*counted, WEIGHT}:
            continue
        mine, others = _without_sum(ours[dimension], theirs[dimension])
        if not 2 <= len(mine) == len(others) <= MOST:
            continue
        left = _unmatched(mine, others)
        if left is None:
            continue
        one, other = left
        # The answer repeats a value, or has another where the reference repeats one.
        again = any(_equal(other, claim) for claim in mine)
        again = again or any(_equal(one, claim) for claim in mine if claim is not one)
        if not again or not _comparable(one, other):
            continue
        yield (
            one.subject or one.quantity.kind,
            kind_of(one.quantity, other.quantity),
            one.written,
            other.written,
        )


def relisted(reference: str, hypothesis: str) -> Iterator[Found]:
    """The same for the only list or span of days, weeks or months: "days 1, 4, 8 and 11"."""
    for pattern, read in ((LISTED, _listed), (SPAN, _span)):
        sides = [list(pattern.finditer(forms(text)[2])) for text in (reference, hypothesis)]
        if [len(side) for side in sides] != [1, 1]:
            continue
        (first,), (second,) = sides
        ours, theirs = read(first), read(second)
        if ours is None or theirs is None or ours[0] != theirs[0] or ours[1] == theirs[1]:
            continue
        if len(ours[1]) == len(theirs[1]):
            pairs = ((reference, first), (hypothesis, second))
            written = (forms(text)[0][match.start() : match.end()] for text, match in pairs)
            yield f"{ours[0]}s", "value", *written


def _listed(match: re.Match[str]) -> tuple[str, list] | None:
    unit = match[1] or match[3]
    return (
        (unit, [read_number(word, 0)[0] for word in EACH_NUMBER.findall(match[2]) if word != "and"])
        if unit
        else None
    )


def _span(match: re.Match[str]) -> tuple[str, list]:
    return match[1], [read_number(word, 0)[0] for word in match.group(2, 3)]


def _by_dimension(text: str) -> dict[str, list[Claim]]:
    """The claims of a text by what they can be compared in; body weights apart from doses."""
    lower = forms(text)[2]
    found: dict[str, list[Claim]] = {}
    for claim in stated(text):
        quantity = claim.quantity
        if UNCOUNTED.search(quantity.unit) or quantity.kind in ("ratio", "pressure"):
            continue
        weight = quantity.unit == "mg" and BODY_WEIGHT.search(lower, quantity.start, quantity.end)
        found.setdefault(WEIGHT if weight else claim.dimension, []).append(claim)
    return found


def _without_sum(ours: list[Claim], theirs: list[Claim]) -> tuple[list[Claim], list[Claim]]:
    """Both sides, the longer one without the value that is the sum of its others."""
    sides = [ours, theirs]
    for number in (0, 1):
        longer, shorter = sides[number], sides[1 - number]
        if len(longer) != len(shorter) + 1 or len(longer) < 3:
            continue
        lows = [claim.quantity.values[0][0] for claim in longer]
        different = len(set(lows)) == len(lows)
        total = next((place for place, low in enumerate(lows) if different and 2 * low == sum(lows)), None)
        if total is not None:
            sides[number] = [claim for place, claim in enumerate(longer) if place != total]
    return sides[0], sides[1]


def _unmatched(ours: Sequence[Claim], theirs: Sequence[Claim]) -> tuple[Claim, Claim] | None:
    """The only claim of each side that has no partner on the other, None where they are not one and one."""
    rest, left = list(theirs), list(ours)
    for alike in (_same_values, _equal):
        for claim in list(left):
            partner = next((other for other in rest if alike(claim, other)), None)
            if partner is not None:
                left.remove(claim)
                rest.remove(partner)
    return (left[0], rest[0]) if len(left) == 1 else None


def _same_values(one: Claim, other: Claim) -> bool:
    return one.quantity.values == other.quantity.values


def _equal(one: Claim, other: Claim) -> bool:
    return amounts_meet(one.quantity, other.quantity)


def _comparable(one: Claim, other: Claim) -> bool:
    """Whether two claims can be about one thing, and neither is a sum of others."""
    summed = SUMMED_TIMES if one.quantity.kind == "duration" else SUMMED
    return may_be_one(one, other) and not any(summed.search(claim.near) for claim in (one, other))
