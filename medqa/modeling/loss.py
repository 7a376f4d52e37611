"""Loss per answer token of packed sequences, without ever holding all logits at once."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import cross_entropy

# Rows of the vocabulary head computed at once: 1,024 x 128,256 logits in float32 are 0.5 GB.
HEAD_ROWS = 1024


def summed_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Sum over rows [rows, vocabulary] of the cross entropy in float32, nats."""
    return cross_entropy(logits.float(), targets, reduction="sum")


class _SummedLoss(torch.autograd.Function):
    """Sum of cross entropies, with the gradient of the hidden states made in the forward pass.

    All logits of a batch at once would be the largest tensors of the run (13 GB at 8,000 tokens of Llama-3);
    here a chunk of rows is turned into its loss and its gradient before the next one begins. The head is
    frozen, so no other gradient is needed.
    """

    @staticmethod
    def forward(
        context: Any, hidden: torch.Tensor, head: Any, targets: torch.Tensor, summed: Callable
    ) -> torch.Tensor:
        total = hidden.new_zeros((), dtype=torch.float32)
        gradient = torch.empty_like(hidden)
        for start in range(0, len(targets), HEAD_ROWS):
            rows = slice(start, start + HEAD_ROWS)
            with torch.enable_grad():
                chunk = hidden[rows].detach().requires_grad_()
                loss = summed(head(chunk), targets[rows])
                gradient[rows] = torch.autograd.grad(loss, chunk)[0]
            total += loss.detach()
        context.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(context: Any, above: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (gradient,) = context.saved_tensors
        return gradient * above.to(gradient.dtype), None, None, None


def packed_loss(
    causal: Any, input_ids: torch.Tensor, position_ids: torch.Tensor, rows: torch.Tensor,
    targets: torch.Tensor, summed: Callable = summed_cross_entropy, **borders: Any,
) -> torch.Tensor:  # fmt: skip
    """Answer loss of what `collator.collate` gives, for a causal model with `medqa.modeling.varlen_attention`
    in use.

    With gradients on, the sum over all trained tokens (float32 scalar, nats); under `torch.no_grad`, the loss
    of each, float32 [label tokens]. Logits are computed for trained rows only. `summed` is
    `summed_cross_entropy`, or its compiled form.
    """
    hidden = causal.get_decoder()(
        input_ids=input_ids, position_ids=position_ids, use_cache=False, **borders
    ).last_hidden_state[0, rows]
    head = causal.get_output_embeddings()
    if torch.is_grad_enabled():
        return _SummedLoss.apply(hidden, head, targets, summed)
    losses = [
        cross_entropy(head(hidden[start : start + HEAD_ROWS]).float(), targets[start : start + HEAD_ROWS],
                      reduction="none")
        for start in range(0, len(targets), HEAD_ROWS)
    ]  # fmt: skip
    return torch.cat(losses) if losses else hidden.new_zeros(0, dtype=torch.float32)


def plain_loss(causal: Any, ids: Any, answer_start: int) -> torch.Tensor:
    """Loss of each answer token, float32 [label tokens], by a model's own forward pass, for one sequence.

    For models that `medqa.modeling.varlen_attention` does not fit: their attention, and what they do to their
    logits, is their own business here.
    """
    tokens = torch.as_tensor(ids, dtype=torch.int64, device=causal.device)
    logits = causal(input_ids=tokens[None], use_cache=False).logits[0, answer_start - 1 : -1]
    return cross_entropy(logits.float(), tokens[answer_start:], reduction="none")


def use_packed_loss(model: Any, compiled: bool = False) -> None:
    """Make calling a peft `model` mean `packed_loss`, so that DDP and FSDP see an ordinary forward pass."""
    causal = model.get_base_model()
    # Compiled, the float32 copies of the logits and of their gradient are never written to memory.
    summed = torch.compile(summed_cross_entropy, dynamic=True) if compiled else summed_cross_entropy

    def forward(**arguments: Any) -> torch.Tensor:
        # peft adds arguments that it knows from other models, all None or False here
        given = {name: value for name, value in arguments.items() if value is not None}
        return packed_loss(causal, summed=summed, **given)

    causal.forward = forward
