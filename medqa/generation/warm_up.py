"""Compiles and loads the GPU kernels of a decode step while the weights are read."""

from types import SimpleNamespace
from typing import Any

import torch
from torch.nn.functional import linear

from medqa.generation.continuous_batching import CANDIDATES
from medqa.generation.fused_kernels import add_rms_norm, rotate_and_store, silu_mul
from medqa.generation.kv_cache import cache_shape
from medqa.generation.sampling import Decoding, choose_tokens
from medqa.modeling.decode_attention import decode_attention
from medqa.modeling.fp8 import quantize_states, saturated, scaled_product


@torch.inference_mode()
def warm_up(model_config: Any, device: torch.device, dtype: torch.dtype, fp8: bool) -> None:
    """Run each kernel once on one token, in the sizes of a model, which is in FP8 or not.

    Otherwise the first answers would wait for it: 1.3 s on an H100, and longer on a new machine, where Triton
    compiles (6 s in all).
    """
    _, kv_heads, size = cache_shape(model_config)
    heads = model_config.num_attention_heads

    def ones(*shape: int) -> torch.Tensor:
        return torch.ones(shape, device=device, dtype=dtype)

    hidden, up = ones(1, model_config.hidden_size), ones(1, model_config.intermediate_size)
    norm = SimpleNamespace(weight=hidden[0], variance_epsilon=1.0)
    add_rms_norm(linear(hidden, hidden) * hidden, hidden.clone(), norm)
    silu_mul(up, up)
    table = ones(64, size)
    keys, values = ones(2, 1, kv_heads, 64, size)
    if fp8:
        keys, values = saturated(keys), saturated(values)
        for states in (hidden, up, ones(1, heads * size)):
            quantized = quantize_states(states)
        weight = quantized[0].expand(16, -1).contiguous()
        scaled_product(*quantized, weight, quantized[1].expand(16, -1).contiguous())
    place = torch.zeros(1, device=device, dtype=torch.int64)
    query = rotate_and_store(ones(1, heads + 2 * kv_heads, size), table, table, place, place, keys, values)
    decode_attention(query, keys, values, place.to(torch.int32) + 1, size**-0.5)
    draws = torch.zeros(1, device=device, dtype=torch.float64)
    choose_tokens(ones(1, model_config.vocab_size), draws, Decoding(1, 1.0, 0.9, 0, ()), CANDIDATES)
