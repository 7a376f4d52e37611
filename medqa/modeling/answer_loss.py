"""Computes the loss of reference answers, teacher-forced, one forward pass after the other."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from medqa.modeling import varlen_attention
from medqa.modeling.collator import collate, pack_first_fit_decreasing
from medqa.modeling.loss import packed_loss, plain_loss
from medqa.modeling.tokenization import Example

# Tokens of one forward pass.
LOSS_TOKENS = 4096


def passes(examples: Sequence[Example]) -> list[list[int]]:
    """Positions of the examples that each forward pass takes."""
    return pack_first_fit_decreasing([len(example.input_ids) for example in examples], LOSS_TOKENS)


def losses_by_pass(
    causal: Any, batches: Iterable[Sequence[Example]], longest: int, device_name: str
) -> Iterator[dict[str, tuple[float, int]]]:
    """Yield example id → (summed nats, number of label tokens) for each forward pass.

    Args:
        causal: the model, in evaluation mode.
        batches: the examples of each pass.
        longest: length of the longest sequence in all passes.
        device_name: where the model is.
    """
    without_padding = varlen_attention.is_supported(causal.config, longest)
    with (
        torch.inference_mode(),
        varlen_attention.enabled(causal) if without_padding else contextlib.nullcontext(),
    ):
        for batch in batches:
            if without_padding:
                packed = packed_loss(causal, **collate(batch, device_name)).double().cpu()
                nats = packed.split([example.num_label_tokens for example in batch])
            else:
                nats = [plain_loss(causal, one.input_ids, one.answer_start).double() for one in batch]
            yield {
                example.id: (own.cpu().sum().item(), len(own))
                for example, own in zip(batch, nats, strict=True)
            }


def mean_answer_loss(causal: Any, examples: Sequence[Example], device_name: str) -> float:
    """Mean loss per label token of all examples, nats."""
    longest = max(len(example.input_ids) for example in examples)
    batches = ([examples[index] for index in positions] for positions in passes(examples))
    found: dict[str, tuple[float, int]] = {}
    for losses in losses_by_pass(causal, batches, longest, device_name):
        found |= losses
    return sum(nats for nats, _ in found.values()) / sum(tokens for _, tokens in found.values())
