"""Exceptions that one text makes and the other denies: "unless it bleeds", "even if it bleeds"."""

import re

from medqa.clinical.notation.text import forms
from medqa.clinical.statements.statements import SAME_WORDS, has_number, statement, words_of

# "Cannot be done unless", and "can be done even if it is not"
ONLY_WITH = re.compile(
    r"(?:\b(?:cannot|never|no|must not|should not)|n't) [^.;]{0,60}?\b(?:unless|without)\b"
)
# "Must not be started until", and "it isn't necessary to wait"
ONLY_ONCE = re.compile(
    r"(?:\b(?:cannot|never|must not|should not|may not)|n't|\bonly) [^.;]{0,60}?"
    r"\b(?:until|before|once|after)\b"
)
NO_WAIT = re.compile(
    r"(?:(?:\bnot|n't) (?:necessary|needed|required|(?:need|have) to|any need)|\bno (?:need|reason)"
    r"|\bneed(?: not|n't)|\bunnecessary|\bwithout)(?: to)? wait(?:ing)?\b"
)
EVEN_IF = re.compile(
    r"\b(?:can|may|could|give|take|use|start|continue)(?!not| not) [^.;]{0,60}?"
    r"\b(?:even (?:if|when|though|without)|although)\b"
)
# "Unless he has had anaphylaxis", "even if he has had it"; "all except those with a pacemaker"
UNLESS = re.compile(r"\bunless ([^.;,]+)")
ALL_THE_SAME = re.compile(r"\b(?:even (?:if|when|though|in)|regardless of|irrespective of) ([^.;,]+)")
EXCEPTED = re.compile(
    r"\b(?:except|excepting|apart from|with the exception of)(?: for)? ([a-z -]+?)"
    r"(?= (?:may|can|should|must)\b|[.,;]|$)"
)


def allowed_all_the_same(one: str, other: str) -> str:
    """The shared words where a text forbids "unless" or "until" what the other allows "even if not"."""
    for first, second in ((one, other), (other, one)):
        limited, free = forms(first)[2], forms(second)[2]
        if shared := _despite_exception(limited, free):
            return shared
        waits = ONLY_ONCE.search(limited) and NO_WAIT.search(free) and not NO_WAIT.search(limited)
        if waits and len(statement(one).words & statement(other).words) >= 2:
            return " ".join(sorted(statement(one).words & statement(other).words))
        if ONLY_WITH.search(limited) and EVEN_IF.search(free):
            mine, theirs = statement(first).words, statement(second).words
            if len(mine & theirs) >= SAME_WORDS * min(len(mine), len(theirs)):
                return " ".join(sorted(mine & theirs))
    return ""


def _despite_exception(limited: str, free: str) -> str:
    """The words of an exception that the other text does not make: "unless it bleeds", "even if it does"."""
    unless, same, excepted = UNLESS.search(limited), ALL_THE_SAME.search(free), EXCEPTED.search(limited)
    if not (unless and same or excepted) or statement(limited).opposed != statement(free).opposed:
        return ""
    if unless and same and not UNLESS.search(free):
        mine, theirs = words_of(unless[1]), words_of(same[1])
        shared = mine & theirs
        return " ".join(sorted(shared)) if 2 * len(shared) >= len(mine) else ""
    if (
        excepted
        and not (has_number(limited) or has_number(free) or statement(limited).opposed)
        and not re.search(r"\b(?:except|unless|only|apart|but)\b", free)
    ):
        mine, all_words = words_of(excepted[1]), words_of(free)
        around = words_of(limited[: excepted.start()] + limited[excepted.end() :])
        return " ".join(sorted(mine)) if mine and mine <= all_words and around & all_words else ""
    return ""
