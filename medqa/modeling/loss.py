"""Loss of the label tokens of packed sequences, computed in chunks so that not all logits are in memory."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import cross_entropy

# Rows of one chunk of the head: 1,024 x 128,256 logits in float32 are 0.5 GB.
HEAD_ROWS = 1024


def summed_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Sum over rows [rows, vocabulary] of the cross entropy in float32, nats."""
    return cross_entropy(logits.float(), targets, reduction="sum")


class _SummedLoss(torch.autograd.Function):
    """Sum of cross entropies; the gradient of the hidden states is computed in the forward pass.

    All logits of a pass would be the largest tensors of the run (13 GB for 8,000 tokens of Llama-3). We
    compute loss and gradient of one chunk of rows before the next one. The head is frozen, so no other
    gradient is needed.
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
    targets: torch.Tensor, summed: Callable = summed_cross_entropy, **boundaries: Any,
) -> torch.Tensor:  # fmt: skip
    """Loss of a pass from `collator.collate`, for a causal model with `varlen_attention` enabled.

    With gradients enabled, the sum over all label tokens (float32 scalar, nats); under `torch.no_grad`, the
    loss of each, float32 [label tokens]. Logits are computed for the rows with labels only. `summed` is
    `summed_cross_entropy` or its compiled form.
    """
    hidden = causal.get_decoder()(
        input_ids=input_ids, position_ids=position_ids, use_cache=False, **boundaries
    ).last_hidden_state[0, rows]
    head = logits_of(causal)
    if torch.is_grad_enabled():
        return _SummedLoss.apply(hidden, head, targets, summed)
    losses = [
        cross_entropy(head(hidden[start : start + HEAD_ROWS]).float(), targets[start : start + HEAD_ROWS],
                      reduction="none")
        for start in range(0, len(targets), HEAD_ROWS)
    ]  # fmt: skip
    return torch.cat(losses) if losses else hidden.new_zeros(0, dtype=torch.float32)


def logits_of(causal: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """The function from hidden states to logits: the head, and what some architectures do to its output."""
    head = causal.get_output_embeddings()
    cap = getattr(causal.config, "final_logit_softcapping", None)  # Gemma 2
    divisor = getattr(causal.config, "logits_scaling", None)  # Granite
    if cap:
        return lambda hidden: cap * torch.tanh(head(hidden) / cap)
    return (lambda hidden: head(hidden) / divisor) if divisor else head


def plain_loss(causal: Any, ids: Any, answer_start: int) -> torch.Tensor:
    """Loss of each label token of one sequence, float32 [label tokens], by the model's own forward pass.

    For models that `varlen_attention` does not support: this keeps their attention and any scaling of the
    logits.
    """
    tokens = torch.as_tensor(ids, dtype=torch.int64, device=causal.device)
    logits = causal(input_ids=tokens[None], use_cache=False).logits[0, answer_start - 1 : -1]
    return cross_entropy(logits.float(), tokens[answer_start:], reduction="none")


def use_packed_loss(model: Any, compiled: bool = False) -> None:
    """Replace the forward pass of a peft model by `packed_loss`, so DDP and FSDP work as usual."""
    causal = model.get_base_model()
    # Compiled, the float32 copies of the logits and their gradient are not written to memory.
    summed = torch.compile(summed_cross_entropy, dynamic=True) if compiled else summed_cross_entropy

    def forward(**arguments: Any) -> torch.Tensor:
        # peft adds arguments of other kinds of models, all None or False here.
        given = {name: value for name, value in arguments.items() if value is not None}
        return packed_loss(causal, summed=summed, **given)

    causal.forward = forward
