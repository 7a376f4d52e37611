"""Properties of holdout, eval, train and pool for every input."""

import random
from collections import Counter

import numpy as np
import pytest
from conftest import examples
from hypothesis import given, settings, strategies as st

from medqa.data import splits
from medqa.data.cleaning import Record, identity
from medqa.data.near_duplicates import jaccard, nearest_of
from medqa.data.normal_form import normal_form
from medqa.data.splits import (
    NEAR_EVAL,
    NEAR_HOLDOUT,
    Splits,
    first_splits,
    next_splits,
    ordered,
    taken,
    without_near,
)

Case = tuple[list[Record], np.ndarray, dict[str, float]]


def record(number: int, specialty: str, length: int = 0) -> Record:
    """A record with a unique question of some length."""
    question = f"question {number}" + " word" * length
    return Record(identity(question), specialty, question, f"answer {number}", normal_form(question))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Records of up to three specialties in groups of all sizes, and shares."""
    specialties = draw(st.lists(st.sampled_from(["a", "b", "c"]), min_size=0, max_size=70))
    groups = [draw(st.integers(0, max(1, len(specialties) * 3 // 2))) for _ in specialties]
    records = [
        record(number, name, draw(st.integers(0, 20))) for number, name in enumerate(sorted(specialties))
    ]
    shares = {name: draw(st.sampled_from([0, 0.1, 0.25, 0.5, 0.77, 1])) for name in "abc"}
    return records, np.array(groups, dtype=np.int64), shares


def split(case: Case, shares: dict[str, float] | None = None, seed: int = 1) -> Splits:
    """The first splits of a case, with a holdout of five and a fifth for eval."""
    return first_splits(case[0], case[1], shares or case[2], 5, 0.2, seed)[0]


def ids(records: list[Record]) -> list[str]:
    """The ids of a split, in order."""
    return [one.id for one in records]


@settings(max_examples=examples(300))
@given(cases())
def test_the_splits_partition_the_input_and_keep_groups_together(case: Case) -> None:
    records, groups, _ = case
    splits = split(case)
    assert sorted(ids([one for part in splits for one in part])) == sorted(ids(records))
    group = {one.id: number for one, number in zip(records, groups.tolist(), strict=True)}
    sides = [splits.holdout, splits.eval, splits.train + splits.pool]
    for number in group.values():
        assert sum(any(group[one.id] == number for one in side) for side in sides) == 1


@settings(max_examples=examples(300))
@given(cases())
def test_sizes_are_exact_where_single_questions_suffice(case: Case) -> None:
    records, groups, shares = case
    splits, short = first_splits(records, groups, shares, 5, 0.2, 1)
    alone = np.bincount(groups, minlength=1)[groups] == 1 if len(groups) else groups
    number = Counter(one.specialty for one in records)
    single = Counter(one.specialty for one, it in zip(records, alone, strict=True) if it)
    parts = {name: Counter(one.specialty for one in part) for name, part in splits._asdict().items()}
    for name, size in number.items():
        wanted = min(5, size // 2)
        holdout = parts["holdout"][name]
        assert holdout <= wanted
        if single[name] >= wanted:
            assert holdout == wanted
        assert short["holdout"].get(name) == ((holdout, wanted) if holdout < wanted else None)
        selected = taken(shares[name], size - holdout)
        assert parts["train"][name] + parts["eval"][name] == selected
        assert parts["eval"][name] <= taken(0.2, selected)
        usable = sum(
            it and one.specialty == name and one in splits.train + splits.eval
            for one, it in zip(records, alone, strict=True)
        )
        if usable >= taken(0.2, selected):
            assert parts["eval"][name] == taken(0.2, selected)
        missing = (parts["eval"][name], taken(0.2, selected))
        assert short["eval"].get(name) == (missing if missing[0] < missing[1] else None)


@settings(max_examples=examples(200))
@given(cases(), st.integers(0, 1000))
def test_the_order_of_the_input_does_not_matter(case: Case, seed: int) -> None:
    records, groups, shares = case
    order = list(range(len(records)))
    random.Random(seed).shuffle(order)
    shuffled = [records[position] for position in order], groups[order], shares
    assert split(case) == split(shuffled)


@settings(max_examples=examples(200))
@given(cases(), st.floats(0, 1))
def test_a_larger_share_only_adds(case: Case, more: float) -> None:
    records, _, shares = case
    first = split(case)
    raised = {name: max(share, more) for name, share in shares.items()}
    others = [one for one in records if one not in first.holdout + first.eval]
    later = next_splits(first.holdout, first.eval, others, set(ids(first.train)), raised, 1)
    assert later.holdout == first.holdout
    assert later.eval == first.eval
    assert set(ids(first.train)) <= set(ids(later.train))
    assert sorted(ids(later.train + later.pool)) == sorted(ids(first.train + first.pool))
    # What is selected is the first p·R of the order, as if it had been the first preparation.
    order = ordered([one for one in records if one not in first.holdout], 1)
    rest = [one for one in records if one not in first.holdout]
    for name, line in order.items():
        selected = [rest[position] for position in line[: taken(raised[name], len(line))]]
        in_eval = [one for one in first.eval if one.specialty == name]
        if set(ids(in_eval)) <= set(ids(selected)):
            expected = [one for one in selected if one not in first.eval]
            assert [one for one in later.train if one.specialty == name] == expected


@settings(max_examples=examples(200))
@given(st.integers(0, 60), st.floats(0, 1), st.floats(0, 1))
def test_preparations_with_different_initial_shares_are_nested(number: int, one: float, other: float) -> None:
    """Train and eval of a smaller share are contained in those of a larger one."""
    records = [record(n, "a", n % 7) for n in range(number)]
    small, large = (split((records, np.arange(number), {}), {"a": share}) for share in sorted((one, other)))
    assert small.holdout == large.holdout
    assert set(ids(small.eval)) <= set(ids(large.eval))
    assert set(ids(small.train)) <= set(ids(large.train))


@settings(max_examples=examples(200))
@given(cases(), st.randoms(use_true_random=False), st.integers(0, 20))
def test_train_keeps_its_records_when_pairs_are_added_or_removed(
    case: Case, random_state: random.Random, new: int
) -> None:
    records, _, shares = case
    first = split(case)
    others = [one for one in first.train + first.pool if random_state.random() < 0.8]
    others += [record(1000 + number, random_state.choice("abc")) for number in range(new)]
    later = next_splits(first.holdout, first.eval, others, set(ids(first.train)), shares, 1)
    assert {one.id for one in others} & set(ids(first.train)) <= set(ids(later.train))
    assert sorted(ids(later.train + later.pool)) == sorted(ids(others))
    for name in "abc":
        in_train = {one.id for one in first.train + others if one.specialty == name} & set(ids(first.train))
        stayed = in_train & {one.id for one in others}
        line = sum(one.specialty == name for one in others + first.eval)
        wanted = taken(shares[name], line) - sum(one.specialty == name for one in first.eval)
        assert sum(one.specialty == name for one in later.train) == max(wanted, len(stayed))


@pytest.mark.parametrize("seed", range(5))
def test_the_holdout_spreads_over_question_lengths(seed: int) -> None:
    lengths = random.Random(seed).sample(range(100), 100)
    records = [record(number, "a", length) for number, length in enumerate(lengths)]
    splits = first_splits(records, np.arange(100), {"a": 0.5}, 10, 0.2, seed)[0]
    by_length = sorted(records, key=lambda one: len(one.form))
    # Ten classes of ten questions, and one of each in the holdout.
    assert sorted(by_length.index(one) // 10 for one in splits.holdout) == list(range(10))


def test_the_seed_decides() -> None:
    case = [record(number, "a") for number in range(60)], np.arange(60), {"a": 0.5}
    assert split(case, seed=1) == split(case, seed=1)
    first, second = split(case, seed=1), split(case, seed=2)
    assert set(ids(first.holdout)) != set(ids(second.holdout))
    assert set(ids(first.train)) != set(ids(second.train))


def test_whole_groups_fill_a_holdout_that_single_questions_do_not() -> None:
    # 20 questions: 2 alone, and groups of 2, 3, 6 and 7.
    groups = np.array([0, 1, *[2] * 2, *[3] * 3, *[4] * 6, *[5] * 7])
    records = [record(number, "a") for number in range(20)]
    for wanted, got in ((2, 2), (3, 2), (4, 4), (5, 5), (6, 5), (7, 7), (8, 8), (9, 9), (10, 10)):
        splits, short = first_splits(records, groups, {"a": 1}, wanted, 0, 1)
        assert len(splits.holdout) == got
        assert short["holdout"] == ({"a": (got, wanted)} if got < wanted else {})


def test_eval_takes_an_earlier_record_where_its_last_place_is_in_a_group() -> None:
    records = [*(record(number, "a") for number in range(3)), record(3, "b")]
    last = ordered(records, 1)["a"][-1]
    groups = np.array([3 if number == last else number for number in range(4)])
    splits, short = first_splits(records, groups, {"a": 1, "b": 1}, 0, 0.2, 1)
    assert [one.specialty for one in splits.eval] == ["a"]
    assert records[last] in splits.train
    assert short["eval"] == {}


def test_a_group_in_two_specialties_is_added_only_if_both_want_it() -> None:
    records = [record(number, "ab"[number % 2]) for number in range(8)]
    # Two groups, each with two of both.
    groups = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    splits, _ = first_splits(records, groups, {"a": 1, "b": 1}, 2, 0, 1)
    assert Counter(one.specialty for one in splits.holdout) == {"a": 2, "b": 2}
    splits, short = first_splits(records, groups, {"a": 1, "b": 1}, 1, 0, 1)
    assert not splits.holdout
    assert short["holdout"] == {"a": (0, 1), "b": (0, 1)}


@pytest.mark.parametrize(
    ("number", "holdout", "train", "evals", "pool"),
    [
        (0, 0, 0, 0, 0),
        (1, 0, 1, 0, 0),
        (2, 1, 1, 0, 0),
        (20, 10, 4, 1, 5),
        (21, 10, 5, 1, 5),
        (100, 10, 36, 9, 45),
    ],
)
def test_sizes_of_the_readme(number: int, holdout: int, train: int, evals: int, pool: int) -> None:
    records = [record(n, "a") for n in range(number)]
    splits, _ = first_splits(records, np.arange(number), {"a": 0.5}, 10, 0.2, 42)
    assert [len(part) for part in splits] == [holdout, evals, train, pool]


def test_shares_are_rounded_once_and_never_fall() -> None:
    assert [taken(0.5, number) for number in range(6)] == [0, 1, 1, 2, 2, 3]
    assert taken(0.29, 50) == 15
    assert taken(1, 7) == 7
    assert taken(0, 7) == 0
    assert all(taken(p / 100, 37) <= taken((p + 1) / 100, 37) for p in range(100))


def test_later_near_duplicates_of_holdout_and_eval_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(question: str) -> Record:
        return Record(identity(question), "a", question, "x", normal_form(question))

    holdout = [asked("which drugs are given first for severe asthma in children")]
    evals = [asked("how long after surgery can people with a new hip drive a car")]
    near = [
        asked("which drugs are given first for severe asthma in adults"),
        asked("how long after surgery can people with a new hip drive a bus"),
    ]
    far = asked("which drugs are given first for gout")
    assert jaccard(near[0].form, holdout[0].form) >= 0.7 > jaccard(far.form, holdout[0].form)
    # The holdout question is still in the input; the eval question left it, so its group number is last. A
    # question that is in a group only through others is not a near-duplicate.
    through_others = asked("which drugs are given to grown people with asthma")
    records = [far, holdout[0], *near, through_others]
    groups = np.array([0, 1, 1, 2, 1, 2])
    compared = []
    monkeypatch.setattr(splits, "nearest_of", lambda *given: compared.append(given[1]) or nearest_of(*given))
    free, refused = without_near(holdout, evals, records, groups, lambda items, _: items)
    assert compared == [[one.form for one in (*near, through_others)]]  # only those in a held group
    assert free == [far, through_others]
    assert [(one.reason, one.like) for one in refused] == [
        (NEAR_HOLDOUT, holdout[0].question),
        (NEAR_EVAL, evals[0].question),
    ]
