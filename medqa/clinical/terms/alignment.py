"""Terms that two texts word differently: a class and a medicine of it, a compound and its parts."""

import re
from collections import Counter

from medqa.clinical.notation.names import GROUPS
from medqa.clinical.terms.relations import OPPOSING, Relations

_MEMBERS = {group: re.compile(members) for group, members in GROUPS.items()}


def aligned(
    wanted: Counter[str], given: Counter[str], relations: Relations
) -> tuple[Counter[str], Counter[str]]:
    """The terms of two texts, in which what both name in other words has one name.

    A medicine counts as its class where the other text names only the class ("ramipril", "an ACE inhibitor").
    It is left out as an example where its own text names the class too and the other text no medicine of it.
    A class is left out beside a medicine of it that both texts name, unless the other text names another
    class. A term counts as the parts of one of its names where the other text has them apart, and without its
    first word where the other text names that ("hearing loss" for "conductive hearing loss"). What a term of
    the other text contains is left out: "clot in the lung" beside "pulmonary embolism" names no other organ.
    """
    if wanted.keys() == given.keys():
        return wanted, given
    wanted, given = Counter(wanted), Counter(given)
    for one, other in ((wanted, given), (given, wanted)):
        _to_classes(one, other)
        _apart(one, other, relations)
    for one, other in ((given, wanted), (wanted, given)):
        _leave_out(one, other, relations)
    return wanted, given


def _to_classes(one: Counter[str], other: Counter[str]) -> None:
    """Let the medicines of `other` count as the classes that `one` names without a medicine."""
    for term in [term for term in one if term.removeprefix("no ") in _MEMBERS]:
        sign = "no " if term.startswith("no ") else ""
        members = _MEMBERS[term.removeprefix("no ")]
        own, theirs = (
            [name for name in names if name.startswith(sign) and members.fullmatch(name, len(sign))]
            for names in (one, other)
        )
        if term not in other and set(own) & set(theirs) and not (other.keys() - one.keys()) & _MEMBERS.keys():
            del one[term]
        if own or not theirs:
            continue
        if term not in other:
            other[term] = min(one[term], sum(other[name] for name in theirs))
        for name in theirs:
            del other[name]


def _apart(one: Counter[str], other: Counter[str], relations: Relations) -> None:
    """Let the terms of `one` count as their parts, or as their end, where `other` names those only."""
    for term in [term for term in one if not term.startswith("no ") and term not in other]:
        first, _, whole = term.partition(" ")
        if (
            first not in OPPOSING and " " in whole and whole in other and whole not in one
        ):  # "conductive hearing loss"
            one[whole] = one.pop(term)
            continue
        for parts in relations.wordings(term):
            if all(name in other and name not in one for name in parts):
                one.update(dict.fromkeys(parts, one.pop(term)))
                break


def _leave_out(one: Counter[str], other: Counter[str], relations: Relations) -> None:
    """Leave out of `one`, but for its last term, what the terms contain that only `other` has."""
    within: dict[bool, set[str]] = {True: set(), False: set()}  # of denied terms, and of others
    for whole in [whole for whole in other if whole not in one]:
        within[whole.startswith("no ")] |= relations.within(whole.removeprefix("no "))
    for term in [term for term in one if term not in other]:
        if len(one) > 1 and term.removeprefix("no ") in within[term.startswith("no ")]:
            del one[term]
