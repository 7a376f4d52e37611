"""Attention for packed sequences and for decoding, registered with transformers as `medqa_packed`."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

from medqa.modeling.decode_attention import decode_attention
from medqa.runtime.errors import UserError

NAME = "medqa_packed"

# Architectures with plain causal attention, whose logits are the output of the head. Others cap or scale
# their scores, add attention sinks, or are not transformers.
SUPPORTED_ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3", "phi3")

try:  # torch 2.11 and later
    from torch.nn.attention.varlen import varlen_attn
except ImportError:
    varlen_attn = None


def is_supported(model_config: Any, longest: int) -> bool:
    """Whether this attention equals the model's own, for sequences of up to `longest` tokens."""
    if model_config.model_type not in SUPPORTED_ARCHITECTURES:
        return False
    return all(longest <= limit for limit in _length_limits(model_config))


def _length_limits(model_config: Any) -> list[int]:
    """Lengths beyond which the model's attention differs: the sliding window, and the length from which the
    rotary embedding depends on the longest sequence of a pass."""
    limits = []
    if getattr(model_config, "sliding_window", None) and getattr(model_config, "use_sliding_window", True):
        limits.append(model_config.sliding_window)
    rope = getattr(model_config, "rope_parameters", None) or {}
    if rope.get("rope_type") in ("dynamic", "longrope"):
        limits.append(rope.get("original_max_position_embeddings") or model_config.max_position_embeddings)
    return limits


def require_supported(model_config: Any, longest: int) -> None:
    """Refuse to train a model whose own attention differs from this one.

    Raises:
        UserError: with the supported architectures.
    """
    if is_supported(model_config, longest):
        return
    why = f"architecture {model_config.model_type}"
    if model_config.model_type in SUPPORTED_ARCHITECTURES:
        limit = min(limit for limit in _length_limits(model_config) if limit < longest)
        why = f"its attention changes beyond {limit} tokens, fewer than MAX_SEQ_LENGTH {longest}"
    raise UserError(
        f"MODEL_NAME: this model cannot be trained here ({why}). Supported are "
        f"{', '.join(SUPPORTED_ARCHITECTURES)}, with sequences no longer than the sliding window and the "
        "length that the model was made for."
    )


@contextlib.contextmanager
def enabled(causal: Any) -> Iterator[None]:
    """Use this attention in a model inside the context, and its own one afterwards."""
    before = causal.config._attn_implementation
    causal.set_attn_implementation(NAME)
    try:
        yield
    finally:
        causal.set_attn_implementation(before)


def describe(on_gpu: bool) -> str:
    """Which implementation `packed_attention` uses in training, and why."""
    if on_gpu and varlen_attn is not None:
        return "packed, by torch's variable-length kernel (a GPU in half precision)"
    why = (
        "torch before 2.11 has no variable-length kernel"
        if on_gpu
        else "the variable-length kernel needs a GPU"
    )
    return f"packed, one call for each sequence ({why})"


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    scaling: float,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int = 0,
    kv_lengths: torch.Tensor | None = None,
    **_unused: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention inside each sequence, none across.

    Args:
        query: [1, heads, tokens, head size].
        key, value: [1, key-value heads, tokens, head size].
        attention_mask: always None; the boundaries replace it.
        scaling: factor on the scores before the softmax.
        cu_seq_lens_q: int32 [sequences + 1], where each sequence starts, and the end.
        max_length_q: length of the longest sequence.
        kv_lengths: `lengths` of `decode_attention`; given in decoding instead of the boundaries.

    Returns the output, [1, tokens, heads, head size], and no attention weights. On a GPU in half precision
    torch's variable-length kernel computes all sequences in one call; elsewhere each sequence is one call.
    """
    if kv_lengths is not None:
        return decode_attention(query, key, value, kv_lengths, scaling), None
    if varlen_attn is not None and query.is_cuda and query.dtype in (torch.bfloat16, torch.float16):
        groups = query.shape[1] // key.shape[1]
        q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
        if groups > 1:  # `enable_gqa` exists only from torch 2.12 on
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

    boundaries = cu_seq_lens_q.tolist()
    output = [
        scaled_dot_product_attention(
            query[:, :, start:end],
            key[:, :, start:end],
            value[:, :, start:end],
            is_causal=True,
            scale=scaling,
            enable_gqa=True,
        )
        for start, end in zip(boundaries[:-1], boundaries[1:], strict=True)
    ]
    return torch.cat(output, dim=2).transpose(1, 2), None


def no_mask(*_unused: Any, **_unused_too: Any) -> None:
    """No mask: `packed_attention` uses the boundaries of the sequences."""


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, no_mask)
