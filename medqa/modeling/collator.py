"""Packs whole sequences into forward passes and collates them into tensors without padding."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medqa.modeling.tokenization import Example

if TYPE_CHECKING:
    import torch


def pack_first_fit_decreasing(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Put sequences into as few bins of at most `budget` tokens as first-fit-decreasing finds.

    Returns the positions in each bin, in ascending order. A sequence longer than the budget gets a bin of
    its own. First-fit-decreasing uses at most 11/9 of the fewest bins possible, plus one (Johnson, 1973).
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    content: list[list[int]] = []
    room: list[int] = []
    number, before = 0, -1
    for index in order:
        # Where a sequence did not fit, the next one of the same length does not either.
        if lengths[index] != before:
            number, before = 0, lengths[index]
        while number < len(room) and room[number] < lengths[index]:
            number += 1
        if number == len(room):
            content.append([])
            room.append(budget)
        content[number].append(index)
        room[number] -= lengths[index]
    return [sorted(positions) for positions in content]


def collate(examples: Sequence[Example], device: "torch.device | str") -> dict[str, Any]:
    """Lay whole sequences end to end: no padding, and the borders that keep them apart in attention.

    Returns the arguments of the packed model:
        input_ids, position_ids: int64 [1, tokens]; positions start at 0 in each sequence.
        cu_seq_lens_q, cu_seq_lens_k: int32 [sequences + 1], where each sequence starts, and the end. Built
            here, because deriving them in every layer would wait for the GPU each time.
        max_length_q, max_length_k: length of the longest sequence.
        rows: int64 [label tokens], the positions whose next token is trained.
        targets: int64 [label tokens], those next tokens.
    """
    import torch

    on_card = torch.device(device).type == "cuda"
    lengths = [len(example.input_ids) for example in examples]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    rows = [
        start + np.arange(example.answer_start - 1, len(example.input_ids) - 1)
        for start, example in zip(starts, examples, strict=False)
    ]
    targets = [example.input_ids[example.answer_start :] for example in examples]

    def tensor(array: np.ndarray, kind: "torch.dtype") -> "torch.Tensor":
        made = torch.from_numpy(np.ascontiguousarray(array)).to(kind)
        # From pinned memory the copy does not wait until the card has done all that it was given before.
        return made.pin_memory().to(device, non_blocking=True) if on_card else made.to(device)

    borders = tensor(starts, torch.int32)
    return {
        "input_ids": tensor(np.concatenate([example.input_ids for example in examples]), torch.int64)[None],
        "position_ids": tensor(np.concatenate([np.arange(length) for length in lengths]), torch.int64)[None],
        "cu_seq_lens_q": borders,
        "cu_seq_lens_k": borders,
        "max_length_q": max(lengths),
        "max_length_k": max(lengths),
        "rows": tensor(np.concatenate(rows), torch.int64),
        "targets": tensor(np.concatenate(targets), torch.int64),
    }
