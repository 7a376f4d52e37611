"""Packing of sequences into forward passes, and the tensors of a packed pass."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from medqa.modeling.collator import collate, pack_first_fit_decreasing, shared_prefix_length
from medqa.modeling.tokenization import Example


@given(st.lists(st.integers(1, 300), max_size=60), st.integers(1, 400))
@settings(deadline=None)
def test_passes_hold_every_sequence_once_within_the_budget(lengths, budget):
    packed = pack_first_fit_decreasing(lengths, budget)
    assert sorted(index for part in packed for index in part) == list(range(len(lengths)))
    for part in packed:
        assert sum(lengths[index] for index in part) <= budget or len(part) == 1
    fewest = -(-sum(lengths) // budget)
    if all(length <= budget for length in lengths):
        assert len(packed) <= fewest * 2 + 1


@given(st.lists(st.integers(0, 60), max_size=80), st.integers(1, 50))
@settings(deadline=None)
def test_packing_is_first_fit_with_the_longest_sequence_first(lengths, budget):
    wanted: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        for part in wanted:
            if sum(lengths[other] for other in part) + lengths[index] <= budget:
                part.append(index)
                break
        else:
            wanted.append([index])
    assert pack_first_fit_decreasing(lengths, budget) == [sorted(part) for part in wanted]


def test_a_packed_pass_has_boundaries_positions_and_targets():
    first = Example("a", "x", np.array([5, 6, 7, 8], np.int32), 2)
    second = Example("b", "x", np.array([9, 1, 2], np.int32), 1)
    packed = collate([first, second], "cpu")
    assert packed["input_ids"].tolist() == [[5, 6, 7, 8, 9, 1, 2]]
    assert packed["position_ids"].tolist() == [[0, 1, 2, 3, 0, 1, 2]]
    assert packed["cu_seq_lens_q"].tolist() == [0, 4, 7] and packed["cu_seq_lens_q"].dtype == torch.int32
    assert packed["max_length_q"] == 4
    assert packed["rows"].tolist() == [1, 2, 4, 5]
    assert packed["targets"].tolist() == [7, 8, 1, 2]


def test_sequences_that_start_alike_share_their_first_tokens():
    first = Example("a", "x", np.array([1, 2, 5, 6, 7], np.int32), 3)
    second = Example("b", "x", np.array([1, 2, 9, 8], np.int32), 3)
    packed = collate([first, second], "cpu")
    assert packed["input_ids"].tolist() == [[1, 2, 5, 6, 7, 9, 8]]
    assert packed["position_ids"].tolist() == [[0, 1, 2, 3, 4, 2, 3]]
    assert packed["cu_seq_lens_q"].tolist() == [0, 2, 5, 7] and packed["shared_prefix"] is True
    assert packed["rows"].tolist() == [2, 3, 5]
    assert packed["targets"].tolist() == [6, 7, 8]


@pytest.mark.parametrize(("starts", "shared"), [((4, 4), 2), ((2, 4), 1), ((1, 4), 0)])
def test_the_last_token_of_a_prompt_is_never_shared(starts, shared):
    sequences = [np.array([1, 2, 3, 4, 5], np.int32), np.array([1, 2, 9, 4, 5], np.int32)]
    examples = [Example("", "x", *pair) for pair in zip(sequences, starts, strict=True)]
    assert shared_prefix_length(examples) == shared
    assert ("shared_prefix" in collate(examples, "cpu")) == bool(shared)
