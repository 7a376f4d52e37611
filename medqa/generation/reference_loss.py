"""Computes the loss of a model on the reference answers, teacher-forced."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from medqa.generation.model_pair import Models
from medqa.modeling import varlen_attention
from medqa.modeling.collator import collate, pack_first_fit_decreasing
from medqa.modeling.loss import packed_loss, plain_loss
from medqa.modeling.tokenization import Example
from medqa.runtime.console import counted, print_rank0
from medqa.runtime.distributed import own_share
from medqa.runtime.progress import Progress

LOSS_TOKENS = 4096  # tokens of one teacher-forced forward pass


def answer_losses(
    models: Models,
    role: str,
    examples: Sequence[Example],
    known: Mapping[str, Any],
    keep: Callable[[Mapping[str, tuple[float, int]]], None],
) -> dict[str, tuple[float, int]]:
    """Teacher-forced loss of the reference answers: summed nats and number of tokens, by example id.

    Of this process's share of the examples that are not `known`, under `accelerate launch`; `keep` is called
    with the losses of each forward pass as soon as they are computed.

    What it measures (`answer_loss`, their quotient): how surprised a model is by the reference answer, told
        the question and the answer's words so far.
    Range: 0 to infinity, lower is better; nats per token of this tokenizer, so models with different
        tokenizers must not be compared. None (not applicable, to be counted) when the question alone fills
        the longest input.
    Formula: −Σ log p(token | prompt, tokens before) / tokens, over the answer and its end of turn; e to this
        power is the perplexity.
    Source: the loss that fine-tuning lowers; perplexity: Jelinek et al., 1977.
    Does not see: what the model writes by itself; whether the reference is right; what lies beyond
        MAX_PROMPT_LENGTH + MAX_NEW_TOKENS.
    """
    import torch

    print_rank0(f"{role}: answer_loss of {counted(len(examples), 'reference answer')}, {len(known):,} reused")
    # Cut before it is shared out: a sum's last digits depend on what is computed together.
    parts = pack_first_fit_decreasing([len(example.input_ids) for example in examples], LOSS_TOKENS)
    parts = [part for part in parts if any(examples[index].id not in known for index in part)]
    mine = [[examples[index] for index in part] for part in own_share(parts)]
    if not parts:  # no model is loaded for nothing
        return {}
    losses: dict[str, tuple[float, int]] = {}
    with (
        models.using(role) as causal,
        torch.inference_mode(),
        Progress(f"{role} model, answer_loss", sum(map(len, mine)), "reference answer") as progress,
    ):
        longest = max(len(example.input_ids) for example in examples)
        plain = not varlen_attention.is_supported(causal.config, longest)
        with contextlib.nullcontext() if plain else varlen_attention.enabled(causal):
            for chosen in mine:
                if plain:
                    each = [plain_loss(causal, one.input_ids, one.answer_start).double() for one in chosen]
                else:
                    packed = packed_loss(causal, **collate(chosen, models.device.name)).double().cpu()
                    each = packed.split([one.num_label_tokens for one in chosen])
                made = {
                    one.id: (own.cpu().sum().item(), len(own)) for one, own in zip(chosen, each, strict=True)
                }
                keep(made)
                losses |= made
                progress.advance(len(chosen))
    return losses
