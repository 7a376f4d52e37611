"""Exact similarity join: finds all groups of similar sets among a million sets of 3-grams.

Nothing is sampled, and no similarity is estimated. Sets of n and m 3-grams have a Jaccard
similarity of at least 0.7 exactly when they share ⌈7(n + m) / 17⌉ of them or more. With the rarest 3-gram
first in each set, the first one that two similar sets share is among the first n − shared + 1 of one set and
the first m − shared + 1 of the other (prefix filter; Bayardo, Ma and Srikant, "Scaling up all pairs
similarity search", WWW 2007). Only questions that share one of these 3-grams (that meet there) are compared.
"""

from dataclasses import dataclass

import numpy as np

# Jaccard ≥ 0.7 ⟺ 17 × shared ≥ 7 × (n + m), in whole numbers.
THRESHOLD = 0.7
NUMERATOR, DENOMINATOR = 7, 17
# Questions that meet are compared pair by pair while the shorter of their two lists has about this many.
SHORT_LIST = 8
# In longer lists, this many questions are first compared with all others (at least 1).
PIVOTS = 2
# Numbers compared at once; limits the memory of a comparison to some tens of MB.
AT_ONCE = 1 << 22


@dataclass
class SameSize:
    """The questions of one side with the same number of distinct 3-grams."""

    side: int
    size: int
    rows: np.ndarray  # int64 [questions]: positions in the input
    grams: np.ndarray  # int32 [questions, size]: rank of each 3-gram by rarity, ascending
    rare: int  # 3-grams of a lower rank occur in a single question


class DisjointSets:
    """Union-find over questions: those known to belong to one group."""

    def __init__(self, number: int) -> None:
        self.label = np.arange(number)  # int64 [questions]: equal within a group
        self.near = np.full(number, -1)  # int64 [questions]: a near-duplicate of each
        self._new: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, a: np.ndarray, b: np.ndarray) -> None:
        """Record pairs of near-duplicates, as positions of questions; `update` merges their groups."""
        if len(a):
            self.near[a], self.near[b] = b, a
            self._new.append((a, b))

    def update(self) -> None:
        """Merge the groups that the added pairs connect."""
        if not self._new:
            return
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        ends = np.concatenate([self.label[np.concatenate(side)] for side in zip(*self._new, strict=True)])
        self._new = []
        labels, number = np.unique(ends, return_inverse=True)
        links = number.reshape(2, -1)
        ones = np.ones(links.shape[1], dtype=bool)
        graph = coo_array((ones, (links[0], links[1])), shape=(len(labels), len(labels)))
        count, component = connected_components(graph, directed=False)
        least = np.full(count, len(self.label))
        np.minimum.at(least, component, labels)
        renamed = np.arange(len(self.label))
        renamed[labels] = least[component]
        self.label = renamed[self.label]


def needed(a: SameSize, b: SameSize) -> int:
    """Least number of 3-grams that near-duplicates of these sizes share; 0 if the sizes differ too much."""
    shared = -(-NUMERATOR * (a.size + b.size) // DENOMINATOR)
    return shared if shared <= min(a.size, b.size) else 0


@dataclass
class _Entries:
    """Questions of one size, once for each node they have reached; a node is a sequence of shared 3-grams."""

    part: SameSize
    node: np.ndarray  # int64 [entries]
    row: np.ndarray  # int64 [entries]: row of the question in `part`
    column: np.ndarray  # int64 [entries]: column of the last shared 3-gram

    def of(self, chosen: np.ndarray) -> "_Entries":
        """A subset of the entries, by position or mask."""
        return _Entries(self.part, self.node[chosen], self.row[chosen], self.column[chosen])

    def labelled(self, known: DisjointSets) -> np.ndarray:
        """Node and group label of each entry in one number: node << 32 | label."""
        return self.node << 32 | known.label[self.part.rows[self.row]]


def link(part_a: SameSize, part_b: SameSize, shared: int, known: DisjointSets) -> None:
    """Add near-duplicates of two sizes to `known`.

    Not every pair is found, but enough pairs to connect each group.

    Few questions that meet in a node are compared pair by pair. Where a template ("What are the genetic
    changes related to …") makes thousands meet, some of them are compared with all others first; pairs that
    are then in one group need no comparison. Nodes with many undecided pairs are split by one more shared
    3-gram, so that fewer questions meet. The cost grows with the number of questions, not of pairs.
    """
    a = _start(part_a)
    b = a if part_a is part_b else _start(part_b)
    for depth in range(shared):
        a, b, nodes = _meet(*_deeper(a, b, shared, depth))
        crowded = _crowded(a, b, nodes, known)
        for pivot in range(PIVOTS):
            if not crowded.any():
                break
            _compare_with_pivots(a, b, crowded, pivot, shared, known)
            _compare_with_pivots(b, a, crowded, pivot, shared, known)
            crowded = _crowded(a, b, nodes, known)
        _compare_all(a, b, ~crowded, shared, known)
        if not crowded.any():
            return
        rest = a.of(crowded[a.node])
        a, b = rest, rest if a is b else b.of(crowded[b.node])


def _start(part: SameSize) -> _Entries:
    nothing = np.zeros(len(part.rows), dtype=np.int64)
    return _Entries(part, nothing, np.arange(len(part.rows)), nothing - 1)


def _deeper(a: _Entries, b: _Entries, shared: int, depth: int) -> tuple[_Entries, _Entries]:
    """The entries of each question at every node that it reaches with one more shared 3-gram."""

    def children(entries: _Entries) -> _Entries:
        part = entries.part
        # After this column, too few 3-grams are left to share.
        last = part.size - shared + depth
        found = []
        for step in range(1, last + 2):
            fits = entries.of(entries.column + step <= last)
            fits.column = fits.column + step
            gram = part.grams[fits.row, fits.column].astype(np.int64)
            fits.node = fits.node << 32 | gram
            found.append(fits.of(gram >= part.rare))
        node, row, column = (
            np.concatenate([getattr(one, name) for one in found]) for name in ("node", "row", "column")
        )
        return _Entries(part, node, row, column)

    one = children(a)
    return one, one if a is b else children(b)


def _meet(a: _Entries, b: _Entries) -> tuple[_Entries, _Entries, int]:
    """Keep the nodes with questions of both sides, number them from 0, and sort the entries by node."""
    a = a.of(np.argsort(a.node))
    first = first_of_each(a.node)
    if a.part is b.part:
        number = np.cumsum(first) - 1
        several = np.bincount(number) > 1
        a.node = np.where(several[number], np.cumsum(several)[number] - 1, -1)
        a = a.of(a.node >= 0)
        return a, a, int(several.sum())
    b = b.of(np.argsort(b.node))
    common = a.node[first]
    common = common[_among(common, b.node[first_of_each(b.node)])]
    a, b = a.of(_among(a.node, common)), b.of(_among(b.node, common))
    a.node, b.node = np.searchsorted(common, a.node), np.searchsorted(common, b.node)
    return a, b, len(common)


def _among(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Whether each value is in `known`, which is sorted: bool."""
    if not len(known):
        return np.zeros(len(values), dtype=bool)
    return known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values


def _crowded(a: _Entries, b: _Entries, nodes: int, known: DisjointSets) -> np.ndarray:
    """Whether a node has too many undecided pairs to compare them all: bool [nodes]."""
    in_a, in_b = np.bincount(a.node, minlength=nodes), np.bincount(b.node, minlength=nodes)
    most = SHORT_LIST * (in_a + in_b)
    crowded = in_a * in_b > most
    if not crowded.any():
        return crowded
    known.update()
    of_a, of_b = (np.sort(side.of(crowded[side.node]).labelled(known)) for side in (a, b))
    values = of_a[first_of_each(of_a)]
    together = _count(of_a, values) * _count(of_b, values)
    open_pairs = in_a * in_b - np.bincount(values >> 32, together, minlength=nodes).astype(np.int64)
    return crowded & (open_pairs > most)


def _count(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    """How often each of `of` occurs in `values`, which are sorted: int64."""
    return np.searchsorted(values, of, side="right") - np.searchsorted(values, of)


def _compare_with_pivots(
    a: _Entries, b: _Entries, nodes: np.ndarray, pivot: int, shared: int, known: DisjointSets
) -> None:
    """Compare one question of `a` in each of the nodes with all of `b` there; `pivot` selects which one."""
    in_a = np.bincount(a.node, minlength=len(nodes))
    chosen = np.minimum(np.cumsum(in_a) - in_a + in_a * pivot // PIVOTS, len(a.node) - 1)
    other = np.flatnonzero(nodes[b.node])
    _compare(a, chosen[b.node[other]], b, other, shared, known)
    known.update()


def _compare_all(a: _Entries, b: _Entries, nodes: np.ndarray, shared: int, known: DisjointSets) -> None:
    """Compare each question of `a` with each of `b` in another group, in the nodes of the mask."""
    left = np.flatnonzero(nodes[a.node])
    order = np.argsort(b.labelled(known))
    of_b = b.labelled(known)[order]
    # In `of_b` a node is at first:last, and its entries with the label of the entry of `a` at same:other.
    first, last = np.searchsorted(of_b, a.node[left] << 32), np.searchsorted(of_b, (a.node[left] + 1) << 32)
    same, other = (np.searchsorted(of_b, a.labelled(known)[left], side) for side in ("left", "right"))
    number = last - first - (other - same)
    until = np.cumsum(number)
    total = int(until[-1]) if len(until) else 0
    for begin in range(0, total, AT_ONCE):
        pair = np.arange(begin, min(begin + AT_ONCE, total))
        which = np.searchsorted(until, pair, side="right")
        place = first[which] + pair - (until[which] - number[which])
        place += np.where(place >= same[which], (other - same)[which], 0)
        index_a, index_b = left[which], order[place]
        if a is b:  # each pair once
            index_a, index_b = index_a[index_a < index_b], index_b[index_a < index_b]
        _compare(a, index_a, b, index_b, shared, known)


def _compare(
    a: _Entries, index_a: np.ndarray, b: _Entries, index_b: np.ndarray, shared: int, known: DisjointSets
) -> None:
    """Compare pairs of entries that are not in one group, and record the near-duplicates."""
    position_a, position_b = a.part.rows[a.row[index_a]], b.part.rows[b.row[index_b]]
    unknown = known.label[position_a] != known.label[position_b]
    near = _similar(a.part, a.row[index_a[unknown]], b.part, b.row[index_b[unknown]], shared)
    known.add(position_a[unknown][near], position_b[unknown][near])


def _similar(a: SameSize, rows_a: np.ndarray, b: SameSize, rows_b: np.ndarray, shared: int) -> np.ndarray:
    """Whether each pair of questions shares at least `shared` 3-grams: bool [pairs]."""
    result = np.empty(len(rows_a), dtype=bool)
    step = max(1, AT_ONCE // (a.size + b.size))
    for begin in range(0, len(rows_a), step):
        # 3-grams in rows, pairs in columns: each comparison reads contiguous memory.
        first = np.ascontiguousarray(a.grams[rows_a[begin : begin + step]].T)
        second = np.ascontiguousarray(b.grams[rows_b[begin : begin + step]].T)
        count = np.zeros(first.shape[1], dtype=np.int32)
        for gram in first:
            for other in second:
                count += gram == other
        result[begin : begin + step] = count >= shared
    return result


def first_of_each(values: np.ndarray) -> np.ndarray:
    """Where a new value begins in sorted values: bool. (np.unique is ten times slower on a million.)"""
    return np.concatenate([np.ones(min(1, len(values)), dtype=bool), values[1:] != values[:-1]])
