"""The key-value cache of continuous batching: one row per answer, allocated once."""

from typing import Any

import torch


class StaticKVCache:
    """Keys and values in `states`: [layers, 2, rows, key-value heads, max_seq_len, head size].

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


def cache_shape(model_config: Any) -> tuple[int, int, int]:
    """Layers, key-value heads and head size of a model."""
    heads = model_config.num_attention_heads
    head_size = getattr(model_config, "head_dim", None) or model_config.hidden_size // heads
    key_value_heads = getattr(model_config, "num_key_value_heads", None) or heads
    return model_config.num_hidden_layers, key_value_heads, head_size
