"""Finds identifiers of persons in texts: e-mail and postal addresses, telephone and record numbers, names.

Names without a title or a label and dates without "born" are mostly not found. Misses and false alarms are
measured on 300 sentences: benchmarks/identifiers.py.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from medqa.data.identifier_rules import GROUPS, KINDS as KINDS, NAME, NOT_LAST_NAMES, NOT_NAMES, Rule

# Characters before a number or date in which a word like "phone" or "born" is searched.
CONTEXT = 60
# Texts that are searched together; more need more memory.
AT_ONCE = 5_000


class Identifier(NamedTuple):
    """A part of a text that identifies a person."""

    kind: str
    start: int
    end: int


def find_in(texts: Sequence[str]) -> dict[int, list[Identifier]]:
    """Position of each text with identifiers → the identifiers; they can overlap."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    def matching(positions: "np.ndarray", expression: str) -> "np.ndarray":
        matches = pc.match_substring_regex(encoded.take(positions), expression)
        return positions[matches.to_numpy(zero_copy_only=False)]

    # "replace": a refused pair may contain half a surrogate pair, which UTF-8 cannot encode.
    encoded = pa.array([text.encode(errors="replace") for text in texts], pa.string())
    found: dict[int, list[Identifier]] = {}
    for first, rules in GROUPS:
        suspects = matching(np.arange(len(texts)), first)
        for rule in rules:
            for position in matching(suspects, rule.trigger).tolist():
                if spotted := list(_apply(rule, texts[position])):
                    found.setdefault(position, []).extend(spotted)
    return found


def _apply(rule: Rule, text: str) -> Iterator[Identifier]:
    for match in rule.pattern.finditer(text):
        start = match.start()
        if rule.before is None or rule.before.search(text, max(0, start - CONTEXT), start):
            group = match.lastgroup or 0
            if rule.kind != NAME or _is_name(match[group]):
                yield Identifier(rule.kind, *match.span(group))


def _is_name(words: str) -> bool:
    """Whether capitalized words are a name, and not the beginning of a sentence, a disease or a place."""
    first, *others = words.replace(",", " ").split()
    return first not in NOT_NAMES and not (others and others[-1] in NOT_LAST_NAMES | NOT_NAMES)


def find(text: str) -> list[Identifier]:
    """The identifiers in a text."""
    return find_in([text]).get(0, [])


def kinds(text: str) -> set[str]:
    """The kinds of identifiers in a text."""
    return {found.kind for found in find(text)}


def mask(text: str) -> str:
    """The text with each identifier replaced by its kind in brackets."""
    parts, position = [], 0
    for start, end, kind in sorted((found.start, found.end, found.kind) for found in find(text)):
        if start >= position:
            parts += [text[position:start], f"[{kind}]"]
        position = max(position, end)
    return "".join([*parts, text[position:]])
