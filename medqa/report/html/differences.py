"""Marks the words of an answer that differ from other texts."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

WORD = re.compile(r"\S+")
# Punctuation ignored around a word: "fever," equals "fever", but 0.5 does not equal 5.
AROUND = ".,;:!?\"'()[]{}“”‘’*…"


def runs(text: str, others: Mapping[str, str]) -> list[tuple[str, str]]:
    """Split a text into runs of words that differ from the same other texts.

    Words are aligned by the longest common subsequence, ignoring case and surrounding punctuation; a word in
    another order differs.

    Args:
        text: to split.
        others: mark (one letter) → other text; words that the other text lacks get the mark.

    Returns:
        (run, its marks as a string); the runs joined are the text.
    """
    spans = [match.span() for match in WORD.finditer(text)]
    keys = [_key(text[start:end]) for start, end in spans]
    marks = [""] * len(spans)
    for mark, other in others.items():
        for position in _lacking(keys, [_key(word) for word in WORD.findall(other)]):
            marks[position] += mark
    pieces: list[tuple[str, str]] = []  # words and the spaces between them
    end, before = 0, ""
    for (start, stop), own in zip(spans, marks, strict=True):
        between = "".join(mark for mark in before if mark in own)  # marks of both words around a space
        pieces += [(text[end:start], between), (text[start:stop], own)]
        end, before = stop, own
    pieces.append((text[end:], ""))
    return [
        ("".join(piece for piece, _ in group), mark)
        for mark, group in groupby((piece for piece in pieces if piece[0]), lambda piece: piece[1])
    ]


def _key(word: str) -> str:
    """The form in which a word is compared; a word of punctuation only is kept."""
    return word.strip(AROUND).casefold() or word


def _lacking(words: Sequence[str], others: Sequence[str]) -> list[int]:
    """Positions of the words that are not in a longest common subsequence."""
    from rapidfuzz.distance import Indel

    return [
        position
        for step in Indel.opcodes(words, others)
        if step.tag == "delete"
        for position in range(step.src_start, step.src_end)
    ]
