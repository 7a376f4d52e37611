"""Splits records into holdout, eval, train and pool, without near-duplicates on two sides.

For a specialty with N records the holdout gets its fixed number (at most half of N), spread over question
lengths. The other R = N − holdout records are ordered by a seeded hash of the question, which depends neither
on files nor on records added later. A share p selects the first p·R of them; a fixed part of the first
selection becomes eval, train is the rest of the selection, and the pool is everything not selected yet.

Holdout and eval get questions without a near-duplicate, and whole groups of near-duplicates only where there
are too few of those. All other groups are in train and pool, which count as one side.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Container, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from medqa.data.cleaning import Record, RejectedPair
from medqa.data.near_duplicates import Watch, nearest_of

NEAR_HOLDOUT = "near-duplicate of a holdout question"
NEAR_EVAL = "near-duplicate of an eval question"


class Splits(NamedTuple):
    """The records of each split, sorted by specialty and then by the order of selection."""

    holdout: list[Record]
    eval: list[Record]
    train: list[Record]
    pool: list[Record]


# "holdout", "eval" → specialty → (records, records wanted), where there are fewer than wanted.
Short = dict[str, dict[str, tuple[int, int]]]
# Specialty → positions of records.
Lines = dict[str, list[int]]


def taken(share: float, number: int) -> int:
    """The number of records in a share of `number`, rounded half up; monotonic in both arguments."""
    # 1e-9: 0.29 × 50 is 14.499999999999998 in floating point, and should round like 14.5.
    return min(number, math.floor(share * number + 0.5 + 1e-9))


def ordered(records: Sequence[Record], seed: int) -> Lines:
    """Specialty → positions of its records in the order of selection: by a hash of seed and id."""
    key = hashlib.blake2b(str(seed).encode()).digest()
    rank = [hashlib.blake2b(record.id.encode(), key=key, digest_size=16).digest() for record in records]
    order: Lines = {name: [] for name in sorted({record.specialty for record in records})}
    for position in sorted(range(len(records)), key=rank.__getitem__):
        order[records[position].specialty].append(position)
    return order


# ---- the first preparation ---------------------------------------------------------------------------


def first_splits(
    records: Sequence[Record],
    groups: np.ndarray,
    shares: Mapping[str, float],
    holdout_size: int,
    eval_share: float,
    seed: int,
) -> tuple[Splits, Short]:
    """Split records for the first time.

    Args:
        records: clean records, one for each question.
        groups: int64 [records], equal for near-duplicates.
        shares: specialty → share of its records to select, 0 to 1.
        holdout_size: records of each specialty for the holdout, at most half of them.
        eval_share: share of the selection that becomes eval.
        seed: of the order of selection.
    """
    order = ordered(records, seed)
    group_sizes = np.bincount(groups)
    alone = group_sizes[groups] == 1

    wanted = {name: min(holdout_size, len(line) // 2) for name, line in order.items()}
    holdout = {
        name: _spread_over_lengths(records, [position for position in line if alone[position]], wanted[name])
        for name, line in order.items()
    }
    short = {"holdout": _fill_with_groups(records, groups, order, wanted, holdout)}
    rest = {name: _without(line, holdout[name]) for name, line in order.items()}

    selected = {name: line[: taken(shares[name], len(line))] for name, line in rest.items()}
    wanted = {name: taken(eval_share, len(line)) for name, line in selected.items()}
    evals = {name: _evenly_along(line, alone, eval_share) for name, line in selected.items()}
    short["eval"] = _fill_with_groups(records, groups, selected, wanted, evals)

    train = {name: _without(line, evals[name]) for name, line in selected.items()}
    lines = (
        {name: _without(line, rest[name]) for name, line in order.items()},
        {name: _without(line, train[name]) for name, line in selected.items()},
        train,
        {name: line[len(selected[name]) :] for name, line in rest.items()},
    )
    return Splits(*([records[place] for place in chain(*line.values())] for line in lines)), short


def _without(line: Sequence[int], others: Sequence[int]) -> list[int]:
    """The positions of `line` that are not in `others`, in order."""
    excluded = set(others)
    return [position for position in line if position not in excluded]


def _spread_over_lengths(records: Sequence[Record], line: Sequence[int], number: int) -> list[int]:
    """Choose `number` of a line: sort by length, divide into `number` equal parts, take the first of each."""
    number = min(number, len(line))
    place = {position: index for index, position in enumerate(line)}
    by_length = sorted(line, key=lambda position: (len(records[position].form), place[position]))
    classes = [by_length[k * len(line) // number : (k + 1) * len(line) // number] for k in range(number)]
    return [min(members, key=place.__getitem__) for members in classes]


def _evenly_along(line: Sequence[int], alone: np.ndarray, share: float) -> list[int]:
    """Choose a share of a line, evenly along it, among records without a near-duplicate.

    What is chosen from the beginning does not depend on the length of the line, so that the eval of a smaller
    initial share is contained in the eval of a larger one.
    """
    chosen: list[int] = []
    passed: list[int] = []
    for index, position in enumerate(line):
        if alone[position]:
            due = len(chosen) < taken(share, index + 1)
            (chosen if due else passed).append(position)
    missing = taken(share, len(line)) - len(chosen)
    return chosen + passed[:missing]


def _fill_with_groups(
    records: Sequence[Record], groups: np.ndarray, lines: Lines, wanted: Mapping[str, int], chosen: Lines
) -> dict[str, tuple[int, int]]:
    """Add whole groups of near-duplicates to `chosen` where it has fewer records than wanted.

    A group is added only if it is completely in `lines` and does not exceed the missing number of any of its
    specialties. Groups within one specialty come first, in the combination that fills it best; then groups
    across specialties, smallest first.

    Returns:
        Specialty → (records chosen, records wanted), where they still differ.
    """
    missing = {name: wanted[name] - len(chosen[name]) for name in lines}
    sizes = np.bincount(groups)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for name, line in lines.items():
        for position in line if missing[name] else ():
            if 1 < sizes[groups[position]] <= sum(missing.values()):
                members[int(groups[position])].append(position)
    # The sort is stable: groups of one size stay in the order of the lines.
    whole = sorted((line for group, line in members.items() if len(line) == sizes[group]), key=len)
    within: defaultdict[str, list[list[int]]] = defaultdict(list)
    across: list[list[int]] = []
    for line in whole:
        names = {records[position].specialty for position in line}
        (within[names.pop()] if len(names) == 1 else across).append(line)
    for name, candidates in within.items():
        for number in _fullest([len(line) for line in candidates], missing[name]):
            chosen[name] += candidates[number]
            missing[name] -= len(candidates[number])
    for line in across:
        need = Counter(records[position].specialty for position in line)
        if all(missing[name] >= number for name, number in need.items()):
            for position in line:
                chosen[records[position].specialty].append(position)
                missing[records[position].specialty] -= 1
    return {name: (len(chosen[name]), wanted[name]) for name in lines if missing[name]}


def _fullest(sizes: Sequence[int], missing: int) -> list[int]:
    """Indices of the `sizes` whose sum is as large as possible without exceeding `missing`."""
    # Sum → (previous sum, index of the size that was added); the first way found to each sum.
    reached: dict[int, tuple[int, int]] = {0: (0, -1)}
    for number, size in enumerate(sizes):
        for total in list(reached):
            if total + size <= missing:
                reached.setdefault(total + size, (total, number))
        if missing in reached:
            break
    numbers = []
    total = max(reached)
    while total:
        total, number = reached[total]
        numbers.append(number)
    return numbers


# ---- later iterations --------------------------------------------------------------------------------


def without_near(
    holdout: Sequence[Record],
    evals: Sequence[Record],
    records: Sequence[Record],
    groups: np.ndarray,
    watch: Watch,
) -> tuple[list[Record], list[RejectedPair]]:
    """Refuse new records that are near-duplicates of a holdout or eval question.

    Holdout and eval are constant, so a near-duplicate that is added later must not enter train or pool.

    Args:
        holdout, evals: records of the last iteration.
        records: clean records of the input; those in holdout and eval are left out of the result.
        groups: int64 [records, then the records of holdout and eval that are not among them], equal for
            near-duplicates. Only records in a group with a held one are compared with these.
        watch: shows progress.

    Returns:
        The records that can be trained on, and the refused ones.
    """
    held = [*holdout, *evals]
    ids = {record.id for record in held}
    in_holdout_or_eval = np.ones(len(groups), dtype=bool)
    in_holdout_or_eval[: len(records)] = [record.id in ids for record in records]
    close = np.isin(groups, groups[in_holdout_or_eval])
    close &= ~in_holdout_or_eval
    suspects = np.flatnonzero(close)
    near = nearest_of(
        [record.form for record in held], [records[position].form for position in suspects], watch
    )
    refused = []
    for position, like in zip(suspects[near >= 0], near[near >= 0].tolist(), strict=True):
        record = records[position]
        reason = NEAR_HOLDOUT if like < len(holdout) else NEAR_EVAL
        question = held[like].question
        refused.append(RejectedPair(record.specialty, record.question, record.response, reason, question))
    gone = in_holdout_or_eval
    gone[suspects[near >= 0]] = True
    return [record for record, is_gone in zip(records, gone.tolist(), strict=False) if not is_gone], refused


def next_splits(
    holdout: list[Record],
    evals: list[Record],
    others: Sequence[Record],
    trained: Container[str],
    shares: Mapping[str, float],
    seed: int,
) -> Splits:
    """Divide `others` into train and pool; holdout and eval do not change.

    With unchanged input the selection is the first p·R of the order, as in the first preparation. When pairs
    were added or removed, train keeps its records and is filled up to p·R in that order.

    Args:
        holdout, evals: records of the last iteration.
        others: the other clean records, without near-duplicates of those two.
        trained: ids that are in train and stay there.
        shares: specialty → share of its records to select.
        seed: of the order of selection.
    """
    in_eval = Counter(record.specialty for record in evals)
    train: list[Record] = []
    pool: list[Record] = []
    for name, line in ordered(others, seed).items():
        number = taken(shares[name], len(line) + in_eval[name]) - in_eval[name]
        number -= sum(others[position].id in trained for position in line)
        for position in line:
            stays = others[position].id in trained
            (train if stays or number > 0 else pool).append(others[position])
            number -= not stays
    return Splits(holdout, evals, train, pool)
