"""Weights and bytes of a Llama-like model, from its config alone."""

from typing import Any

# NF4 takes 4 bits a weight, and 4 bytes for every 64 weights.
NF4_BYTES = 0.5625
# What a pass takes beside the activations: logits and gradients of the head's rows, the CUDA libraries.
PASS_OVERHEAD_BYTES = 1.8e9


def num_parameters(sizes: Any) -> int:
    """Weights of a Llama-like model but for its norms and biases, which are few."""
    return _num_linear_parameters(sizes) + _num_embedding_parameters(sizes)


def num_matmul_parameters(sizes: Any) -> int:
    """Weights of a Llama-like model that every token is multiplied with: linear layers, and the head."""
    return _num_linear_parameters(sizes) + sizes.vocab_size * sizes.hidden_size


def _num_embedding_parameters(sizes: Any) -> int:
    """Embeddings, and the head unless it is the same."""
    return sizes.vocab_size * sizes.hidden_size * (1 if sizes.tie_word_embeddings else 2)


def _num_linear_parameters(sizes: Any) -> int:
    hidden, heads = sizes.hidden_size, sizes.num_attention_heads
    size = getattr(sizes, "head_dim", None) or hidden // heads
    kv_heads = getattr(sizes, "num_key_value_heads", None) or heads
    attention = 2 * hidden * size * (heads + kv_heads)
    return sizes.num_hidden_layers * (attention + 3 * hidden * sizes.intermediate_size)


def weight_bytes(sizes: Any, four_bit: bool, dtype_bytes: int, shards: int = 1) -> int:
    """Bytes of a Llama-like model's weights on one card.

    The linear layers may lie in shards on several cards; embeddings, head and the 4-byte scales do not, and
    two layers at a time are gathered.
    """
    bits, scales = (0.5, NF4_BYTES - 0.5) if four_bit else (dtype_bytes, 0.0)
    own = (
        _num_linear_parameters(sizes) * (bits / shards + scales)
        + _num_embedding_parameters(sizes) * dtype_bytes
    )
    return int(own) + (all_gather_bytes(sizes, four_bit, dtype_bytes) if shards > 1 else 0)


def dequantization_bytes(sizes: Any) -> int:
    """Bytes that a Llama-like model's linear layers take in bfloat16 beyond what they take in NF4."""
    return int(_num_linear_parameters(sizes) * (2 - NF4_BYTES))


def all_gather_bytes(sizes: Any, four_bit: bool, dtype_bytes: int) -> int:
    """Bytes of the two layers that are together at a time when the base lies in parts on several cards."""
    return int(
        2 * _num_linear_parameters(sizes) / sizes.num_hidden_layers * (0.5 if four_bit else dtype_bytes)
    )


def bytes_per_token(sizes: Any, recomputed: bool, compiled: bool) -> float:
    """Memory that a token's activations take until the backward pass has used them.

    Measured on Llama-3-8B: 3.7 MB with compiled layers, 5.2 MB without, 0.43 MB when each layer is computed
    again; that is 2 x layers x (7 hidden + 2 inner), 2 x layers x (9 hidden + 3 inner) and 3.3 x layers x
    hidden.
    """
    layers, hidden, inner = sizes.num_hidden_layers, sizes.hidden_size, sizes.intermediate_size
    if recomputed:
        return 3.3 * layers * hidden
    return 2 * layers * ((7 * hidden + 2 * inner) if compiled else (9 * hidden + 3 * inner))
