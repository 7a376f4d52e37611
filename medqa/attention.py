"""Attention over sequences laid end to end, each of which sees only itself."""

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

NAME = "medqa_packed"

try:  # torch 2.11 and later
    from torch.nn.attention.varlen import varlen_attn
except ImportError:
    varlen_attn = None


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    scaling: float,
    cu_seq_lens_q: torch.Tensor,
    max_length_q: int,
    **_unused: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention inside each sequence, none across.

    Args:
        query: [1, heads, tokens, head size].
        key, value: [1, key-value heads, tokens, head size].
        attention_mask: always None; the borders say all.
        scaling: factor on the scores before the softmax.
        cu_seq_lens_q: int32 [sequences + 1], where each sequence starts, and the end.
        max_length_q: length of the longest sequence.

    Returns the output, [1, tokens, heads, head size], and no attention weights. On a CUDA card in half
    precision it is one call of torch's variable-length kernel; elsewhere one plain call per sequence.
    """
    if varlen_attn is not None and query.is_cuda and query.dtype in (torch.bfloat16, torch.float16):
        groups = query.shape[1] // key.shape[1]
        q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
        if groups > 1:  # `enable_gqa` exists from torch 2.12 on only
            k, v = (states.repeat_interleave(groups, dim=1) for states in (k, v))
        output = varlen_attn(
            q,
            k,
            v,
            cu_seq_lens_q,
            cu_seq_lens_q,
            max_length_q,
            max_length_q,
            scale=scaling,
            window_size=(-1, 0),
        )
        return output[None], None

    borders = cu_seq_lens_q.tolist()
    output = [
        scaled_dot_product_attention(
            query[:, :, start:end],
            key[:, :, start:end],
            value[:, :, start:end],
            is_causal=True,
            scale=scaling,
            enable_gqa=True,
        )
        for start, end in zip(borders[:-1], borders[1:], strict=True)
    ]
    return torch.cat(output, dim=2).transpose(1, 2), None


def no_mask(*_unused: Any, **_unused_too: Any) -> None:
    """The mask that goes with `packed_attention`: none, the borders say which tokens see each other."""


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, no_mask)
