"""The sample of the holdout that LIMIT takes."""

from collections import Counter

import pytest
from hypothesis import given, strategies as st

from medqa.data.cleaning import identity
from medqa.data.dataset_io import stratified

SIZES = {"cardiology": 10, "dermatology": 3, "neurology": 7}


def holdout(sizes: dict[str, int]) -> tuple[list[str], list[str]]:
    """Specialties and ids of a holdout, in its order."""
    names = [name for name, size in sizes.items() for _ in range(size)]
    return names, [identity(f"{name} {number}") for number, name in enumerate(names)]


@pytest.mark.parametrize(("number", "expected"), [(20, [10, 3, 7]), (10, [5, 2, 3]), (3, [1, 1, 1])])
def test_each_specialty_has_its_share_of_the_sample(number: int, expected: list[int]) -> None:
    names, ids = holdout(SIZES)
    chosen = stratified(names, ids, number)
    assert chosen == sorted(set(chosen))
    counts = Counter(names[position] for position in chosen)
    for name, size in zip(SIZES, expected, strict=True):
        assert abs(counts[name] - size) <= 1


def test_the_first_specialties_are_not_preferred() -> None:
    names, ids = holdout({f"specialty {number:02d}": 10 for number in range(42)})
    chosen = {names[position] for position in stratified(names, ids, 20)}
    assert len(chosen) == 20
    assert chosen != set(sorted(set(names))[:20])


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 9)), st.integers(0, 60), st.integers(0, 60))
def test_a_larger_sample_contains_a_smaller_one(sizes: dict[str, int], one: int, other: int) -> None:
    names, ids = holdout(sizes)
    small, large = (stratified(names, ids, number) for number in sorted((one, other)))
    assert set(small) <= set(large)
    assert len(large) == min(max(one, other), len(ids))
