"""Packs whole sequences into forward passes and collates them into tensors without padding."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medqa.modeling.tokenization import Example

if TYPE_CHECKING:
    import torch


def pack_first_fit_decreasing(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Pack sequences into few bins of at most `budget` tokens, by first-fit decreasing.

    Returns the positions in each bin, in ascending order. A sequence longer than the budget gets a bin for
    itself. The number of bins is at most 11/9 of the optimum, plus one (Johnson, 1973).
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    bins: list[list[int]] = []
    remaining: list[int] = []
    number, previous = 0, -1
    for index in order:
        # Bins that were too full for a sequence are too full for the next one of the same length.
        if lengths[index] != previous:
            number, previous = 0, lengths[index]
        while number < len(bins) and remaining[number] < lengths[index]:
            number += 1
        if number == len(bins):
            bins.append([])
            remaining.append(budget)
        bins[number].append(index)
        remaining[number] -= lengths[index]
    return [sorted(positions) for positions in bins]


def collate(examples: Sequence[Example], device: "torch.device | str") -> dict[str, Any]:
    """Concatenate whole sequences, with the boundaries that separate them in attention.

    Returns the arguments of `loss.packed_loss`:
        input_ids, position_ids: int64 [1, tokens]; positions start at 0 in each sequence.
        cu_seq_lens_q, cu_seq_lens_k: int32 [sequences + 1], where each sequence starts, and the end. Built
            here because transformers would derive them in every layer and synchronize with the GPU each time.
        max_length_q, max_length_k: length of the longest sequence.
        rows: int64 [label tokens], the positions whose next token is trained.
        targets: int64 [label tokens], those next tokens.
        shared_prefix: True, only on a CPU and only if all sequences start with the same tokens, such as the
            system turn: these tokens are the first sequence, and the others continue it. Computing them once
            saves a third of the demo's tokens. The kernel for a GPU does not support this.
    """
    import torch

    on_gpu = torch.device(device).type == "cuda"
    shared = 0 if on_gpu or len(examples) < 2 else shared_prefix_length(examples)
    own = [example.input_ids[shared:] for example in examples]
    if shared:
        own.insert(0, examples[0].input_ids[:shared])
    lengths = [len(ids) for ids in own]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    rows = [
        start + np.arange(example.answer_start - 1, len(example.input_ids) - 1) - shared
        for start, example in zip(starts[-len(examples) - 1 :], examples, strict=False)
    ]
    targets = [example.input_ids[example.answer_start :] for example in examples]
    first = [0] + [shared] * (len(own) - 1) if shared else [0] * len(own)

    def tensor(array: np.ndarray, dtype: "torch.dtype") -> "torch.Tensor":
        host = torch.from_numpy(np.ascontiguousarray(array)).to(dtype)
        # A copy from pinned memory does not wait for the work that is queued on the GPU.
        return host.pin_memory().to(device, non_blocking=True) if on_gpu else host.to(device)

    boundaries = tensor(starts, torch.int32)
    positions = [np.arange(start, start + length) for start, length in zip(first, lengths, strict=True)]
    return {
        "input_ids": tensor(np.concatenate(own), torch.int64)[None],
        "position_ids": tensor(np.concatenate(positions), torch.int64)[None],
        "cu_seq_lens_q": boundaries,
        "cu_seq_lens_k": boundaries,
        "max_length_q": max(lengths),
        "max_length_k": max(lengths),
        "rows": tensor(np.concatenate(rows), torch.int64),
        "targets": tensor(np.concatenate(targets), torch.int64),
    } | ({"shared_prefix": True} if shared else {})


def shared_prefix_length(examples: Sequence[Example]) -> int:
    """Number of tokens with which all sequences start; excludes a prompt's last token (it has a loss)."""
    shortest = min(example.answer_start for example in examples) - 1
    starts = np.stack([example.input_ids[:shortest] for example in examples])
    differs = (starts != starts[0]).any(axis=0)
    return int(differs.argmax()) if differs.any() else shortest
