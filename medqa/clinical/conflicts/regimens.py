"""The strength, the count and the total of one dose: any two give the third.

Strength × count = amount at a time; × times a day = amount of a day. Two texts can each give some of these.
They give one regimen when one set of values satisfies both, and two when none does: `verdict` tries every
meaning that the amounts can have. Texts of several medicines, strengths, steps or limits are not compared.
"""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import prod

from medqa.clinical.claims.claims import Claim, Found, claims
from medqa.clinical.conflicts.bases import base_of
from medqa.clinical.conflicts.derived import BOTH
from medqa.clinical.notation.names import MEASURE_NAMES, names_of
from medqa.clinical.notation.numbers import is_close, quotient
from medqa.clinical.notation.text import KEPT_TEXTS, forms
from medqa.clinical.notation.units import ANY_ITEM
from medqa.clinical.quantities.body_weight import MG_PER_KG
from medqa.clinical.quantities.items import ITEMS
from medqa.clinical.quantities.quantity_reader import read

# Each is the product of the two others: (product, factor, factor).
PRODUCTS = (
    ("time", "strength", "count"),
    ("day", "time", "often"),
    ("items", "count", "often"),
    ("day", "strength", "items"),
)
CONTENTS = frozenset({"mg", "IU"})
TAKEN = ITEMS - {"dose", "injection"}
# What makes a text one of several regimens, or of what may be given and not of what is.
SEVERAL = re.compile(
    r"\b(?:up to|max\w*|min|doubl\w*|increas\w*|rais\w*|reduc\w*|then|follow\w*|or(?! i[vm]\b"
    r"| intra)|extra|limit\w*|exceed\w*"
    r"|more|less|least|most|after|repeat\w*|load\w*|initial\w*|start\w*|first|if|as (?:needed|required)|doses"
    r"|supply|supplies|pack|box|instead|rather|not|never|no|than|bottle|dispens\w*|prescri\w*"
    r"|refills?|titrat\w*|add\w*|dilut\w*|(?<!and a )half|divided|split"
    r"|reconstitut\w*|(?:sun|mon|tues|wednes|thurs|fri|satur)days?|mon|wed|and (?:one|two|three|a|[0-9]))\b"
    r"|#|%| / |→|\+|\bof one "
)
# One time a day, where "25 mg daily" and "25 mg over the day" are what comes to a day.
ONCE = re.compile(
    r"once|every 24|24-|q|o[dmn]|at |in the |(?:each|every) (?:morning|night|evening)|mane|nocte"
    r"|morning|night"
)
TOTAL = re.compile(r"\b(?:total\w*|in all|altogether|i\.e\.|that is|makes?|making|equals?|sum)\b|=")
# "200 micrograms in each of two puffs"
EACH_OF = re.compile(r" (?:in|with|from|per) each of ")
# Characters between a number of items and what each contains.
MOST_BETWEEN = 40
ITEM = re.compile(rf"\b{ANY_ITEM}\b")
# Halves of tablets are taken.
LEAST_ITEM = Fraction(1, 2)
# More are the items of a course or a pack.
MOST_ITEMS = 12
# More meanings are not tried.
MOST_MEANINGS = 300
# What a value can be, and the value.
Fact = tuple[frozenset[str], Fraction]


def other_regimen(reference: str, hypothesis: str) -> Iterator[Found]:
    """("dose", "value", words of the reference, words of the answer) when no regimen satisfies both texts."""
    if verdict(reference, hypothesis) is False:
        written = (
            max((claim.written for claim in claims(text) if claim.dose), key=len, default=text)
            for text in (reference, hypothesis)
        )
        yield "dose", "value", *written


def is_one_regimen(one: Claim, other: Claim, reference: str, hypothesis: str) -> bool:
    """Whether one regimen has both texts' values, and one text alone gives what the other claims."""
    if not verdict(reference, hypothesis):
        return False
    ours, theirs = _facts(reference)[1], _facts(hypothesis)[1]
    return _gives(ours, theirs, other) or _gives(theirs, ours, one)


def _gives(source: Sequence[Fact], others: Sequence[Fact], claim: Claim) -> bool:
    """Whether the values of a text come to a claim of the other, which has one regimen with it."""
    value = claim.quantity.values[0][0]
    claimed = [one for one in others if is_close(one[1], value)]
    return any(
        any(name in known and is_close(known[name], value) for meanings, _ in claimed for name in meanings)
        for known in _solutions(source)
    )


@lru_cache(maxsize=KEPT_TEXTS)
def verdict(reference: str, hypothesis: str) -> bool | None:
    """True when two texts give one regimen of items, False when they give two, None when it is not clear."""
    found = (*claims(reference), *claims(hypothesis))
    if not any(claim.item or claim.quantity.unit in TAKEN for claim in found):
        return None
    ours, theirs = _facts(reference), _facts(hypothesis)
    if ours is None or theirs is None or ours[0] != theirs[0] or not _one_name(reference, hypothesis):
        return None
    if not (_solutions(ours[1]) and _meanings([*ours[1], *theirs[1]]) <= MOST_MEANINGS):
        return None
    return bool(_solutions([*ours[1], *theirs[1]]))


def _one_name(reference: str, hypothesis: str) -> bool:
    """Whether both texts are of at most one medicine, the same."""
    found = [{name for _, _, name in names_of(text)} - MEASURE_NAMES for text in (reference, hypothesis)]
    return len(found[0] | found[1]) <= 1


@lru_cache(maxsize=KEPT_TEXTS)
def _facts(text: str) -> tuple[str, list[Fact]] | None:
    """The unit of a text's amounts, and each value with all that it can be; None for several regimens."""
    lower = forms(text)[2]
    if SEVERAL.search(lower) or BOTH.search(lower):
        return None
    amounts, counts, bases = [], [], set()
    for claim in claims(text):
        if (
            claim.supplied
            or claim.quantity.kind != "amount"
            or claim.quantity.unit in ("dose", "injection", "mL")
        ):
            continue
        if not _is_plain(claim):
            return None
        if claim.quantity.unit in TAKEN:
            counts.append(claim)
        elif claim.quantity.unit in CONTENTS:
            amounts.append(claim)
            bases.add(base_of(claim, text))
    units = {claim.quantity.unit for claim in amounts}
    if len(units) != 1 or len({claim.quantity.unit for claim in counts}) > 1 or "course" in bases:
        return None
    counted = bool(counts) or any(claim.counted for claim in amounts) or ITEM.search(lower) is not None
    facts = [fact for claim in amounts for fact in _of_amount(claim, text, counted)]
    facts += [_of_count(claim, claim.quantity.values[0][0], lower) for claim in counts]
    facts += _of_times(text, lower)
    if any("count" in meanings and value > MOST_ITEMS for meanings, value in facts):
        return None
    return units.pop(), list(dict.fromkeys(facts))


def _is_plain(claim: Claim) -> bool:
    (low, high), *others = claim.quantity.values
    return (
        low == high > 0
        and not others
        and not claim.quantity.bound
        and low < MG_PER_KG
        and not (claim.role or claim.parts)
    )


def _is_of_day(claim: Claim, lower: str) -> bool:
    """Whether an amount is given "daily" or "over the day", which does not say at how many times."""
    often = claim.dose.frequency if claim.dose else None
    return often is not None and often.values[0] == (1, 1) and not ONCE.match(lower, often.start)


def _of_amount(claim: Claim, text: str, counted: bool) -> Iterator[Fact]:
    """An amount, and how many of it are taken; `counted`: whether the text has a number of items."""
    value = claim.quantity.values[0][0]
    if claim.counted or (claim.item and claim.dose.counted):
        yield _of_count(claim, quotient(claim.taken.values[0][0], value), forms(text)[2])
    yield frozenset(_meanings_of(claim, text, counted)), value


def _meanings_of(claim: Claim, text: str, counted: bool) -> set[str]:
    """What an amount can be by the words around it."""
    lower, amount, base = forms(text)[2], claim.quantity, base_of(claim, text)
    if claim.item or EACH_OF.match(lower, amount.end) or (claim.counted and _after_count(claim, text)):
        return {"strength"}
    often = claim.dose.frequency if claim.dose else None
    total = TOTAL.search(lower, max(0, amount.start - 30), amount.start) or TOTAL.match(lower, amount.end + 1)
    if base == "day" and (often is None or total or _is_of_day(claim, lower)):
        meanings = {"day"}
    elif total or (often is None and base != "time"):
        meanings = {"time", "day"}
    else:
        meanings = {"time"}
    per_time = base == "time" and often is None and amount.item != "doses"
    return meanings if total or per_time or not counted else meanings | {"strength"}


def _after_count(claim: Claim, text: str) -> bool:
    """Whether an amount is that of the items counted before it: "two tablets of 400 mg", not "(800 mg)"."""
    start = claim.quantity.start
    return not forms(text)[2].endswith("(", 0, start) and any(
        one.unit in TAKEN and 0 < start - one.end < MOST_BETWEEN for one in read(text)
    )


def _of_count(claim: Claim, count: Fraction, lower: str) -> Fact:
    if claim.dose is None:
        return frozenset({"count", "items"}), count
    return frozenset({"items" if _is_of_day(claim, lower) else "count"}), count


def _of_times(text: str, lower: str) -> Iterator[Fact]:
    """How many times a day; "daily" says nothing of them."""
    for one in read(text):
        if one.kind == "frequency" and one.unit == "day" and one.values[0][0] == one.values[0][1]:
            value = one.values[0][0]
            if value != 1 or ONCE.match(lower, one.start):
                yield frozenset({"often"}), value


def _meanings(facts: Sequence[Fact]) -> int:
    return prod(len(meanings) for meanings, _ in facts)


def _solutions(facts: Sequence[Fact]) -> list[dict[str, Fraction]]:
    """Everything that follows from values, for each meaning of them that one regimen allows."""
    if _meanings(facts) > MOST_MEANINGS:
        return []
    values = [value for _, value in facts]
    chosen = product(*(meanings for meanings, _ in facts))
    solved = (_solved(list(zip(names, values, strict=True))) for names in chosen)
    return [known for known in solved if known is not None]


def _solved(chosen: Sequence[tuple[str, Fraction]]) -> dict[str, Fraction] | None:
    """All that follows from the values of a regimen, None when they contradict each other."""
    known: dict[str, Fraction] = {}
    for name, value in chosen:
        if not is_close(known.setdefault(name, value), value):
            return None
    before = 0
    while len(known) > before:
        before = len(known)
        for whole, one, other in PRODUCTS:
            if one in known and other in known:
                value = known[one] * known[other]
                if not is_close(known.setdefault(whole, value), value):
                    return None
            for given, wanted in ((one, other), (other, one)):
                if whole in known and given in known:
                    known.setdefault(wanted, quotient(known[whole], known[given]))
    return None if known.get("count", LEAST_ITEM) < LEAST_ITEM else known
