"""The key-value cache of continuous batching: one row per answer, allocated once."""

from typing import Any

import torch

from medqa.modeling.fp8 import E4M3, is_fp8, saturated


class StaticKVCache:
    """Keys and values in `states`: [layers, 2, rows, key-value heads, max_seq_len, head size].

    In e4m3 they have no scale: its 448 is far above the keys and values of a Llama, and what is beyond
    becomes 448.

    All prompts may start with the same tokens, the system turn. Their keys and values are computed once, in
    row 0, and copied into each row that is filled.
    """

    def __init__(
        self, model_config: Any, rows: int, max_seq_len: int, device: Any, dtype: torch.dtype
    ) -> None:
        layers, heads, head_size = cache_shape(model_config)
        shape = layers, 2, rows, heads, max_seq_len, head_size
        self.states = torch.zeros(shape, device=device, dtype=dtype)
        self._prefix = self.states[:, :, :1, :, :0]

    def keep_prefix(self, length: int) -> None:
        """Keep the first tokens of row 0 for `write_prefix`."""
        self._prefix = self.states[:, :, :1, :, :length].clone()

    def write_prefix(self, rows: slice) -> None:
        """Write the kept tokens into rows."""
        self.states[:, :, rows, :, : self._prefix.shape[4]] = self._prefix

    def move(self, source: int, target: int) -> None:
        """Copy a row to another one."""
        self.states[:, :, target] = self.states[:, :, source]


def cache_dtype(model: Any) -> torch.dtype:
    """The type of cached keys and values: e4m3 for a model in FP8, or else that of the model."""
    return E4M3 if is_fp8(model) else model.dtype


def read_tokens(
    states: torch.Tensor, rows: torch.Tensor, positions: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    """Keys or values of tokens in `dtype`, [tokens, key-value heads, head size].

    Args:
        states: [rows, key-value heads, max_seq_len, head size], one layer of the cache.
        rows, positions: int64 [tokens].
        dtype: of the model.
    """
    return _indexable(states)[rows, :, positions].view(states.dtype).to(dtype)


def write_tokens(
    states: torch.Tensor, rows: torch.Tensor, positions: torch.Tensor, new: torch.Tensor
) -> None:
    """Store keys or values of tokens, `new`: [tokens, key-value heads, head size]; the others as above."""
    if states.dtype == E4M3:
        new = _indexable(saturated(new))
    _indexable(states)[rows, :, positions] = new


def _indexable(states: torch.Tensor) -> torch.Tensor:
    """The bytes of e4m3: torch 2.11 does not index it on every device."""
    return states.view(torch.uint8) if states.dtype == E4M3 else states


def cache_shape(model_config: Any) -> tuple[int, int, int]:
    """Layers, key-value heads and head size of a model."""
    heads = model_config.num_attention_heads
    head_size = getattr(model_config, "head_dim", None) or model_config.hidden_size // heads
    key_value_heads = getattr(model_config, "num_key_value_heads", None) or heads
    return model_config.num_hidden_layers, key_value_heads, head_size
