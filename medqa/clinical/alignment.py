"""Terms that two texts word differently: a class and a medicine of it, a compound and its parts."""

import re
from collections import Counter
from collections.abc import Callable

from medqa.clinical.names import GROUPS

_MEMBERS = {group: re.compile(members) for group, members in GROUPS.items()}


def aligned(
    wanted: Counter[str], given: Counter[str], part: Callable[[str], str]
) -> tuple[Counter[str], Counter[str]]:
    """The terms of two texts, in which what both name in other words has one name.

    A medicine counts as its class where the other text names only the class ("ramipril", "an ACE inhibitor").
    It is left out as an example where its own text names the class too and the other text no medicine of it.
    A class is left out beside a medicine of it that both texts name, unless the other text names another
    class. A compound is named by its parts, `part` of each word, where the other text has them apart, and
    counts without its first word where the other text names that ("conductive hearing loss").
    """
    if wanted.keys() == given.keys():
        return wanted, given
    wanted, given = Counter(wanted), Counter(given)
    for one, other in ((wanted, given), (given, wanted)):
        _to_classes(one, other)
        _apart(one, other, part)
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


def _apart(one: Counter[str], other: Counter[str], part: Callable[[str], str]) -> None:
    """Let the compounds of `one` be those of `other` that names their parts; or let their end count."""
    for term in [term for term in one if " " in term and not term.startswith("no ") and term not in other]:
        whole = term.split(maxsplit=1)[1]
        if " " in whole and whole in other and whole not in one:  # "conductive hearing loss"
            one[whole] = one.pop(term)
            continue
        parts = {part(word) for word in term.split()}
        cover = {name: _cover(name, parts, part) for name in other if name not in one}
        inside = [name for name, covered in cover.items() if covered]
        if len(inside) > 1 and set().union(*(cover[name] for name in inside)) == parts:
            other[term] = one[term]
            for name in inside:
                del other[name]


def _cover(name: str, parts: set[str], part: Callable[[str], str]) -> set[str]:
    """Which of the parts of a compound a term names; empty when it names anything else."""
    words = {name} if name in parts else {part(word) for word in name.split()}
    return words if words <= parts else set()
