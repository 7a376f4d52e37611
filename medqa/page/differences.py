"""Which words of an answer differ from another text."""

import re
from collections.abc import Sequence

WORD = re.compile(r"\S+")
# Around a word, these are no part of it: "fever," is "fever", but 0.5 is not 5.
AROUND = ".,;:!?\"'()[]{}“”‘’*…"


def runs(text: str, others: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Cut a text into stretches of words that differ from the same other texts.

    Words are compared without regard to case and to punctuation around them, along the longest common
    subsequence: a word that stands in another order differs.

    Args:
        text: what is cut.
        others: (mark, other text): words that the other text lacks get the mark.

    Returns:
        (stretch, marks), marks being those of `others` with a space between, or "". Joined, the stretches
        are the text.
    """
    spans = [match.span() for match in WORD.finditer(text)]
    keys = [_key(text[start:end]) for start, end in spans]
    marks: list[set[str]] = [set() for _ in spans]
    for mark, other in others:
        for place in _lacking(keys, [_key(word) for word in WORD.findall(other)]):
            marks[place].add(mark)
    names = [mark for mark, _ in others]
    cut: list[tuple[str, str]] = []
    end, before = 0, set()
    for (start, stop), own in zip(spans, marks, strict=True):
        _append(cut, text[end:start], before & own, names)
        _append(cut, text[start:stop], own, names)
        end, before = stop, own
    _append(cut, text[end:], set(), names)
    return cut


def _append(cut: list[tuple[str, str]], piece: str, marks: set[str], names: Sequence[str]) -> None:
    """Add a piece of text, to the last stretch when its marks are the same."""
    told = " ".join(name for name in names if name in marks)
    if cut and cut[-1][1] == told:
        cut[-1] = (cut[-1][0] + piece, told)
    elif piece:
        cut.append((piece, told))


def _key(word: str) -> str:
    """A word as it is compared; one of punctuation alone stays what it is."""
    return word.strip(AROUND).casefold() or word


def _lacking(words: Sequence[str], others: Sequence[str]) -> list[int]:
    """Places of the words that a longest common subsequence leaves out."""
    from rapidfuzz.distance import Indel

    return [
        place
        for step in Indel.opcodes(words, others)
        if step.tag == "delete"
        for place in range(step.src_start, step.src_end)
    ]
