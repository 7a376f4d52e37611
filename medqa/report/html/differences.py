"""Marks the words of an answer that differ from other texts."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

WORD = re.compile(r"\S+")
# Punctuation ignored around a word: "fever," equals "fever", but 0.5 does not equal 5.
AROUND = ".,;:!?\"'()[]{}“”‘’*…"


def runs(text: str, others: Mapping[str, str]) -> list[tuple[str, str]]:
    """Split a text into stretches of words that differ from the same other texts.

    Words are aligned by the longest common subsequence, ignoring case and surrounding punctuation; a word in
    another order differs.

    Args:
        text: to split.
        others: mark (one letter) → other text; words that the other text lacks get the mark.

    Returns:
        (stretch, its marks as a string); the stretches joined are the text.
    """
    spans = [match.span() for match in WORD.finditer(text)]
    keys = [_key(text[start:end]) for start, end in spans]
    marks = [""] * len(spans)
    for mark, other in others.items():
        for place in _lacking(keys, [_key(word) for word in WORD.findall(other)]):
            marks[place] += mark
    cut: list[tuple[str, str]] = []
    end, before = 0, ""
    for own, places in groupby(range(len(spans)), marks.__getitem__):
        first, *others_in_run = places
        start, stop = spans[first][0], spans[(others_in_run or [first])[-1]][1]
        # The space between two stretches gets the marks that both have.
        between = "".join(mark for mark in before if mark in own)
        cut += [(text[end:start], between), (text[start:stop], own)]
        end, before = stop, own
    cut.append((text[end:], ""))
    return [
        ("".join(piece for piece, _ in pieces), mark)
        for mark, group in groupby((piece for piece in cut if piece[0]), lambda piece: piece[1])
        for pieces in [list(group)]
    ]


def _key(word: str) -> str:
    """A word as it is compared; a word of punctuation alone is kept."""
    return word.strip(AROUND).casefold() or word


def _lacking(words: Sequence[str], others: Sequence[str]) -> list[int]:
    """Positions of the words that are not in a longest common subsequence."""
    from rapidfuzz.distance import Indel

    return [
        place
        for step in Indel.opcodes(words, others)
        if step.tag == "delete"
        for place in range(step.src_start, step.src_end)
    ]
