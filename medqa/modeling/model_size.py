"""Number of parameters and memory of a Llama-like model, computed from its config."""

from typing import Any

from medqa.modeling.precision import BF16, FP8, NF4

# Bytes per weight in NF4: 4 bits, and 4 bytes for every 64 weights. In FP8 the scales, one per row, are few.
NF4_BYTES = 0.5625
# Memory of a pass beside the activations: logits and gradients of the head, the CUDA libraries.
PASS_OVERHEAD_BYTES = 1.8e9


def num_parameters(model_config: Any) -> int:
    """Parameters of the model without norms and biases, which are few."""
    return _num_linear_parameters(model_config) + _num_embedding_parameters(model_config)


def num_matmul_parameters(model_config: Any) -> int:
    """Parameters that take part in matrix products for every token: linear layers and head."""
    return _num_linear_parameters(model_config) + model_config.vocab_size * model_config.hidden_size


def _num_embedding_parameters(model_config: Any) -> int:
    """Parameters of the embeddings, and of the head unless the two are tied."""
    return model_config.vocab_size * model_config.hidden_size * (1 if model_config.tie_word_embeddings else 2)


def _num_linear_parameters(model_config: Any) -> int:
    hidden, heads = model_config.hidden_size, model_config.num_attention_heads
    size = getattr(model_config, "head_dim", None) or hidden // heads
    kv_heads = getattr(model_config, "num_key_value_heads", None) or heads
    attention = 2 * hidden * size * (heads + kv_heads)
    return model_config.num_hidden_layers * (attention + 3 * hidden * model_config.intermediate_size)


def weight_bytes(model_config: Any, precision: str, dtype_bytes: int, shards: int = 1) -> int:
    """Bytes of the weights on one GPU.

    The linear layers may be sharded; embeddings, head and the 4-byte scales are not. With shards, two layers
    at a time are gathered.
    """
    values, scales = _value_bytes(precision, dtype_bytes), NF4_BYTES - 0.5 if precision == NF4 else 0.0
    own = _num_linear_parameters(model_config) * (values / shards + scales)
    own += _num_embedding_parameters(model_config) * dtype_bytes
    return int(own) + (all_gather_bytes(model_config, precision, dtype_bytes) if shards > 1 else 0)


def _value_bytes(precision: str, dtype_bytes: int) -> float:
    """Bytes of a weight of the linear layers, without scales."""
    return {NF4: 0.5, FP8: 1.0, BF16: dtype_bytes}[precision]


def dequantization_bytes(model_config: Any) -> int:
    """Additional bytes of the linear layers in bfloat16 instead of NF4."""
    return int(_num_linear_parameters(model_config) * (2 - NF4_BYTES))


def all_gather_bytes(model_config: Any, precision: str, dtype_bytes: int) -> int:
    """Bytes of the two layers that are gathered at a time when the base is sharded."""
    parameters = _num_linear_parameters(model_config)
    return int(2 * parameters / model_config.num_hidden_layers * _value_bytes(precision, dtype_bytes))


def bytes_per_token(model_config: Any, recompute: bool, compiled: bool) -> float:
    """Bytes of a token's activations that are kept for the backward pass.

    Measured on Llama-3-8B: 3.7 MB with compiled layers, 5.2 MB without, 0.43 MB with recomputation. That is
    2 x layers x (7 hidden + 2 inner), 2 x layers x (9 hidden + 3 inner) and 3.3 x layers x hidden.
    """
    layers, hidden = model_config.num_hidden_layers, model_config.hidden_size
    if recompute:
        return 3.3 * layers * hidden
    inner = model_config.intermediate_size
    return 2 * layers * ((7 * hidden + 2 * inner) if compiled else (9 * hidden + 3 * inner))
