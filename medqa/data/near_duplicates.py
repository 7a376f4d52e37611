"""Finds near-duplicates among normal forms of questions, by word 3-grams.

Near-duplicates have a word-3-gram Jaccard similarity of at least 0.7; the search for them is exact (see
similarity_join.py).
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from medqa.data.similarity_join import DisjointSets, SameSize, first_of_each, link, needed

GRAM = 3
# Pairs of words are numbered in this many parts, to bound memory.
PARTS = 8

# Wraps a list that takes long to process, with a description of the step; for a progress bar.
Watch = Callable[[Sequence[Any], str], Iterable[Any]]


def unwatched(items: Sequence[Any], _what: str) -> Sequence[Any]:
    """A `Watch` that shows nothing."""
    return items


def jaccard(first: str, second: str) -> float:
    """Shared word 3-grams of two normal forms / all their word 3-grams: the definition, for single pairs.

    A question of fewer than three words counts as one 3-gram, so that it is similar to its twins alone.
    """
    a, b = _grams(first), _grams(second)
    return len(a & b) / len(a | b)


def _grams(form: str) -> set[tuple[str, ...]]:
    words = form.split()
    words += [""] * (GRAM - len(words))
    return set(zip(words, words[1:], words[2:], strict=False))


# ---- near-duplicates among a million questions -----------------------------------------------------


def groups(forms: Sequence[str], watch: Watch = unwatched) -> np.ndarray:
    """Number the groups of near-duplicates; a near-duplicate of a near-duplicate is in the same group.

    Args:
        forms: normal forms of n questions.
        watch: shows progress.

    Returns:
        int64 [n]: questions with the same number, from 0 to n − 1, are in one group.
    """
    known = DisjointSets(len(forms))
    classes = _by_size(forms, np.zeros(len(forms), dtype=np.int64))
    meetings = [(a, b) for a in classes for b in classes if a.size <= b.size and needed(a, b)]
    for a, b in watch(meetings, "Comparing questions"):
        link(a, b, needed(a, b), known)
    known.update()
    return known.label


def nearest_of(held: Sequence[str], forms: Sequence[str], watch: Watch = unwatched) -> np.ndarray:
    """For each of `forms` the position of a near-duplicate in `held`, −1 where there is none: int64 [n]."""
    known = DisjointSets(len(held) + len(forms))
    # It does not matter which held question a new one is near to, so all held questions start as one set.
    known.label[: len(held)] = 0
    classes = _by_size([*held, *forms], np.repeat([0, 1], [len(held), len(forms)]))
    meetings = [(a, b) for a in classes for b in classes if a.side < b.side and needed(a, b)]
    for a, b in watch(meetings, "Comparing with holdout and eval"):
        link(a, b, needed(a, b), known)
    return known.near[len(held) :]


def _by_size(forms: Sequence[str], side: np.ndarray) -> list[SameSize]:
    """Partition questions by side and number of distinct 3-grams."""
    gram, question = _numbered_grams(forms)
    counts = np.bincount(gram)
    rank = np.empty(len(counts), dtype=np.int32)
    rank[np.argsort(counts)] = np.arange(len(counts), dtype=np.int32)
    # One sort of (question, rank) orders the 3-grams of each question, with repeated ones side by side.
    members = question.astype(np.int64) << 32 | rank[gram]
    del gram, question
    members.sort()
    members = members[first_of_each(members)]
    sizes = np.bincount(members >> 32, minlength=len(forms))
    starts = np.cumsum(sizes) - sizes
    ranks = (members & 0xFFFFFFFF).astype(np.int32)
    del members
    rare = int((counts <= 1).sum())  # a count of 0: three words across the border of two questions
    classes = []
    for number in range(int(side.max(initial=0)) + 1):
        for size in np.flatnonzero(np.bincount(sizes[side == number])).tolist():
            rows = np.flatnonzero((sizes == size) & (side == number))
            grams = ranks[starts[rows][:, None] + np.arange(size)]
            classes.append(SameSize(number, size, rows, grams, rare))
    return classes


def _numbered_grams(forms: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Number all word 3-grams: (number of each 3-gram, position of its question), both int32 [3-grams]."""
    vocabulary: defaultdict[str, int] = defaultdict()
    vocabulary.default_factory = vocabulary.__len__
    words, lengths = array("I"), array("I")
    for form in forms:
        parts = form.split()
        parts += [""] * (GRAM - len(parts))
        words.extend(map(vocabulary.__getitem__, parts))
        lengths.append(len(parts))
    if not forms:
        return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32)
    word, length = np.frombuffer(words, dtype=np.uint32), np.frombuffer(lengths, dtype=np.uint32)
    pair = _numbered(word[:-1], word[1:])
    triple = _numbered(pair[:-1], word[2:])
    # No 3-gram begins at the last two words of a question.
    ends = np.cumsum(length, dtype=np.int64)
    inside = np.ones(len(word), dtype=bool)
    inside[ends - 1] = inside[ends - 2] = False
    return triple[inside[:-2]], np.repeat(np.arange(len(length), dtype=np.int32), length - (GRAM - 1))


def _numbered(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Number pairs of numbers so that equal pairs have equal numbers, from 0 on: int32.

    pyarrow's hash table needs a quarter of the time of a sort, but several times the memory of its input, so
    the pairs are numbered in parts. The system's allocator returns the memory after each.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    memory = pa.system_memory_pool()
    numbers = np.empty(len(first), dtype=np.int32)
    part_of = (first % PARTS).astype(np.uint8)
    known = 0
    for part in range(PARTS):
        here = np.flatnonzero(part_of == part)
        both = first[here].astype(np.int64) << 32 | second[here]
        encoded = pc.dictionary_encode(pa.array(both), memory_pool=memory)
        numbers[here] = encoded.indices.to_numpy() + known
        known += len(encoded.dictionary)
    return numbers
