"""The search for near-duplicates, compared with its definition pair by pair."""

import itertools
import time

import numpy as np
import pytest
from conftest import examples
from hypothesis import given, settings, strategies as st

from medqa.data import near_duplicates, similarity_join
from medqa.data.near_duplicates import groups, jaccard, nearest_of
from medqa.data.normal_form import normal_form

# Few words, so that many 3-grams are shared, and copies with one other word, so that similarities are high.
WORDS = st.lists(st.sampled_from("abcde"), min_size=0, max_size=14)


@st.composite
def many_forms(draw: st.DrawFn) -> list[str]:
    """Unique normal forms, many of them near-duplicates."""
    base = draw(st.lists(WORDS, min_size=1, max_size=8))
    forms = {" ".join(words) for words in base}
    for _ in range(draw(st.integers(0, 30))):
        words = list(draw(st.sampled_from(base)))
        at = draw(st.integers(0, len(words)))
        # Replace, add or remove a word.
        words[at : at + draw(st.integers(0, 1))] = draw(st.lists(st.sampled_from("xyz"), max_size=1))
        forms.add(" ".join(words))
    return draw(st.permutations(sorted(forms)))


def groups_by_definition(forms: list[str]) -> list[set[int]]:
    """Connected components of all pairs with a Jaccard similarity of 0.7 or more."""
    found = [{position} for position in range(len(forms))]
    for a, b in itertools.combinations(range(len(forms)), 2):
        if jaccard(forms[a], forms[b]) >= 0.7:
            joined = [group for group in found if group & {a, b}]
            found = [group for group in found if not group & {a, b}] + [set().union(*joined)]
    return sorted(found, key=min)


def as_sets(numbers: np.ndarray) -> list[set[int]]:
    """Group numbers as sets of positions."""
    return sorted(
        ({int(p) for p in np.flatnonzero(numbers == number)} for number in np.unique(numbers)), key=min
    )


@pytest.fixture(params=[(8, 2), (0, 1), (1, 2)], ids=["short lists", "pivots", "both"])
def list_length(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real values; values so that pivots decide everything; and values in between."""
    monkeypatch.setattr(similarity_join, "SHORT_LIST", request.param[0])
    monkeypatch.setattr(similarity_join, "PIVOTS", request.param[1])


@pytest.mark.usefixtures("list_length")
@settings(max_examples=examples(150), deadline=None)
@given(many_forms())
def test_groups_are_those_of_the_definition(forms: list[str]) -> None:
    assert as_sets(groups(forms)) == groups_by_definition(forms)


@pytest.mark.usefixtures("list_length")
@settings(max_examples=examples(100), deadline=None)
@given(many_forms(), st.integers(0, 30))
def test_nearest_finds_each_question_with_a_near_duplicate(forms: list[str], border: int) -> None:
    held, others = forms[:border], forms[border:]
    found = nearest_of(held, others)
    for form, position in zip(others, found.tolist(), strict=True):
        exists = any(jaccard(form, one) >= 0.7 for one in held)
        assert (position >= 0) == exists
        if exists:
            assert jaccard(form, held[position]) >= 0.7


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=200))
def test_equal_pairs_have_equal_numbers(pairs: list[tuple[int, int]]) -> None:
    first, second = (np.array([pair[side] for pair in pairs], dtype=np.uint32) for side in (0, 1))
    numbers = near_duplicates._numbered(first, second).tolist()
    assert len(set(zip(pairs, numbers, strict=True))) == len(set(pairs)) == len(set(numbers))
    assert set(numbers) == set(range(len(set(pairs))))


def test_the_threshold_itself_counts() -> None:
    # 19 words have 17 3-grams; with another last word for three of them, 14 are shared: 14 / 20 = 0.7.
    words = [f"w{number}" for number in range(19)]
    other = [*words[:16], "x", "y", "z"]
    assert jaccard(" ".join(words), " ".join(other)) == 0.7
    assert as_sets(groups([" ".join(words), " ".join(other)])) == [{0, 1}]
    # One word more on one side: 14 / 21.
    assert as_sets(groups([" ".join(words), " ".join([*other, "v"])])) == [{0}, {1}]


def test_groups_are_transitive() -> None:
    words = [f"w{number}" for number in range(20)]
    chain = [" ".join(words[start : start + 14]) for start in range(0, 6, 2)]
    assert jaccard(chain[0], chain[1]) >= 0.7 > jaccard(chain[0], chain[2])
    assert as_sets(groups(chain)) == [{0, 1, 2}]


@pytest.mark.usefixtures("list_length")
@pytest.mark.parametrize("step", [1, 2])
def test_a_chain_is_one_group_although_its_ends_share_nothing(step: int) -> None:
    words = [f"w{number}" for number in range(60)]
    chain = [" ".join(words[start : start + 16]) for start in range(0, 45, step)]
    assert jaccard(chain[0], chain[-1]) == 0
    assert as_sets(groups(chain)) == [set(range(len(chain)))]


def test_short_questions_have_no_near_duplicates() -> None:
    assert as_sets(groups(["fever", "fever pain", "pain", "fever pain rash", ""])) == [{n} for n in range(5)]


def test_questions_without_spaces_are_compared_by_their_characters() -> None:
    near = "老年高血压患者可以同时服用布洛芬和绿茶吗？", "老年的高血压患者可以同时服用布洛芬和绿茶吗？"
    far = "儿童糖尿病患者每天应该注射多少次胰岛素？", "妊娠期妇女可以接种流感疫苗吗？"
    assert as_sets(groups([normal_form(one) for one in (*near, *far)])) == [{0, 1}, {2}, {3}]


def test_nothing_to_compare() -> None:
    assert len(groups([])) == 0
    assert nearest_of([], ["a b c"]).tolist() == [-1]
    assert nearest_of(["a b c"], []).tolist() == []


def test_a_template_with_thousands_of_questions_does_not_take_quadratic_time() -> None:
    """One word in ten differs: all are near-duplicates of all, 200 million pairs."""
    template = "what is the first line treatment for people with condition {}"
    forms = [template.format(f"name{number}") for number in range(20_000)]
    begun = time.process_time()
    assert len(np.unique(groups(forms))) == 1
    assert time.process_time() - begun < 10
