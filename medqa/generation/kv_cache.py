"""The key-value cache of continuous batching: one row per answer, allocated once."""

from typing import Any

import torch


class StaticKVCache:
    """Keys and values: [layers, 2, rows, key-value heads, max_seq_len, head size].

    Takes the place of transformers' Cache: every attention layer calls `update`.
    """

    is_compileable = False

    def __init__(
        self, model_config: Any, rows: int, max_seq_len: int, device: Any, dtype: torch.dtype
    ) -> None:
        layers, heads, head_size = cache_shape(model_config)
        shape = layers, 2, rows, heads, max_seq_len, head_size
        self.states = torch.zeros(shape, device=device, dtype=dtype)

    def write_at(self, rows: torch.Tensor, positions: torch.Tensor, decoded_rows: int) -> None:
        """Set where the next forward pass writes each of its tokens.

        Args:
            rows, positions: int64 [tokens].
            decoded_rows: rows that attention reads in a decode step; 0 in a prefill, which reads none.
        """
        self._rows, self._positions, self._decoded_rows = rows, positions, decoded_rows

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store a layer's new keys and values; return those that its attention reads."""
        for states, new in zip(self.states[layer], (key, value), strict=True):
            # [rows, heads, 1, head size]: one token in each row; or [1, heads, tokens, head size]: prompts
            # laid end to end.
            per_token = new[:, :, 0] if self._decoded_rows else new[0].transpose(0, 1)
            states[self._rows, :, self._positions] = per_token
        if not self._decoded_rows:
            return key, value
        return self.states[layer, 0, : self._decoded_rows], self.states[layer, 1, : self._decoded_rows]

    def get_seq_length(self, *_: Any, **__: Any) -> int:
        """0, because transformers' masks are not used: attention gets the length of each row."""
        return 0

    get_query_offset = get_seq_length

    def get_mask_sizes(self, query_length: int, *_: Any, **__: Any) -> tuple[int, int]:
        """transformers asks for the sizes of a mask that it then does not create."""
        return query_length, 0


def cache_shape(model_config: Any) -> tuple[int, int, int]:
    """Layers, key-value heads and head size of a model."""
    heads = model_config.num_attention_heads
    head_size = getattr(model_config, "head_dim", None) or model_config.hidden_size // heads
    key_value_heads = getattr(model_config, "num_key_value_heads", None) or heads
    return model_config.num_hidden_layers, key_value_heads, head_size
