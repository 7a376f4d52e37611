"""The forward pass of a Llama-like decoder over the static cache.

In: token ids with their rows and positions in the cache. Out: the last hidden state of each token. The result
is that of transformers' model, with its weights, from 9 kernels per layer in place of about 40: matrices with
the same input are one matrix, and the pointwise parts are fused (`fused_kernels`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.functional import linear
from transformers.activations import ACT2FN

from medqa.generation.fused_kernels import add_rms_norm, rotate_and_store, silu_mul
from medqa.generation.kv_cache import StaticKVCache
from medqa.modeling.fp8 import E4M3, Fp8Linear, quantize_states, scaled_product

# Attention of the queries [tokens, heads, head size] to one layer of the cache (keys, values).
Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class Layer(NamedTuple):
    """The parts of one decoder layer."""

    qkv: "Projection"
    query_norm: nn.Module | None
    key_norm: nn.Module | None
    output: "Projection"
    mlp_norm: nn.Module
    gate_up: list["Projection"]
    down: "Projection"
    next_norm: nn.Module  # of the next layer, or the model's last one


class FusedDecoder:
    """A causal model of `varlen_attention.SUPPORTED_ARCHITECTURES`, in evaluation mode.

    The linear layers' weights become views of the joined matrices, so no weight takes memory twice.

    Args:
        causal: the model; whether its adapter is enabled now decides for this object.
        max_seq_len: positions of the rotary embedding.
    """

    def __init__(self, causal: Any, max_seq_len: int) -> None:
        model = causal.get_decoder()
        self.embed, self.head = causal.get_input_embeddings(), causal.get_output_embeddings()
        norms = [layer.input_layernorm for layer in model.layers]
        self.first_norm, next_norms = norms[0], [*norms[1:], model.norm]
        self.layers = [_parts(*pair, causal.dtype) for pair in zip(model.layers, next_norms, strict=True)]
        self.scaling = model.layers[0].self_attn.scaling
        self.activation = ACT2FN[causal.config.hidden_act]
        self.is_silu = causal.config.hidden_act == "silu"
        positions = torch.arange(max_seq_len, device=causal.device)
        example = torch.empty(0, device=causal.device, dtype=causal.dtype)
        self.cosine, self.sine = (table[0] for table in model.rotary_emb(example, positions[None]))

    def __call__(
        self, ids: torch.Tensor, rows: torch.Tensor, positions: torch.Tensor, cache: StaticKVCache,
        attention: Attention,
    ) -> torch.Tensor:  # fmt: skip
        """Store keys and values of tokens in the cache; returns their last hidden states.

        Args:
            ids, rows, positions: int64 [tokens], each token, and its row and position in the cache.
            cache: keys and values of all layers.
            attention: called once for each layer, after its new keys and values were stored.

        Returns [tokens, hidden size]; `head` turns it into logits.
        """
        residual = self.embed(ids)
        hidden = self.first_norm(residual)
        size = cache.states.shape[-1]
        for layer, (keys, values) in zip(self.layers, cache.states, strict=True):
            qkv = layer.qkv(hidden).view(len(ids), -1, size)
            if layer.query_norm is not None:
                heads, kv_heads = qkv.shape[1] - 2 * keys.shape[1], keys.shape[1]
                query, key, value = qkv.split([heads, kv_heads, kv_heads], dim=1)
                qkv = torch.cat([layer.query_norm(query), layer.key_norm(key), value], dim=1)
            query = rotate_and_store(qkv, self.cosine, self.sine, rows, positions, keys, values)
            attended = attention(query, keys, values).flatten(1)
            hidden, residual = add_rms_norm(layer.output(attended), residual, layer.mlp_norm)
            # One product for both would be slower: 0.177 ms in place of 0.160 with 420 rows on an H100.
            quantized = layer.gate_up[0].quantized(hidden)
            gate_up = [projection(hidden, quantized) for projection in layer.gate_up]
            gate, up = gate_up if len(gate_up) == 2 else gate_up[0].chunk(2, dim=-1)
            activated = silu_mul(gate, up) if self.is_silu else self.activation(gate) * up
            hidden, residual = add_rms_norm(layer.down(activated), residual, layer.next_norm)
        return hidden


def _parts(layer: Any, next_norm: nn.Module, dtype: torch.dtype) -> Layer:
    """The parts of a layer of transformers' model; Phi-3 has the joined matrices already."""
    attention, mlp = layer.self_attn, layer.mlp
    qkv = [attention.qkv_proj] if hasattr(attention, "qkv_proj") else [
        attention.q_proj, attention.k_proj, attention.v_proj
    ]  # fmt: skip
    gate_up = [mlp.gate_up_proj] if hasattr(mlp, "gate_up_proj") else [mlp.gate_proj, mlp.up_proj]
    return Layer(
        qkv=Projection(qkv, dtype),
        query_norm=getattr(attention, "q_norm", None),
        key_norm=getattr(attention, "k_norm", None),
        output=Projection([attention.o_proj], dtype),
        mlp_norm=layer.post_attention_layernorm,
        gate_up=[Projection([part], dtype) for part in gate_up],
        down=Projection([mlp.down_proj], dtype),
        next_norm=next_norm,
    )


class Projection:
    """Linear layers with the same input as one matrix product; their LoRA adapters are two small ones.

    The adapter is not merged: in bfloat16, a change below half a unit in the last place of a weight would be
    lost. Layers in FP8 are joined too, and their adapters stay in `dtype`. Layers of other types (4-bit
    weights, other adapters) are called one by one.

    Args:
        layers: of transformers' model or of peft.
        dtype: of the states.
    """

    def __init__(self, layers: list[Any], dtype: torch.dtype) -> None:
        self.layers = layers
        bases = [getattr(layer, "base_layer", layer) for layer in layers]
        adapters = [
            _lora(layer) if base is not layer else () for layer, base in zip(layers, bases, strict=True)
        ]
        self.scale = self.bias = self.down = self.up = None
        kinds = {type(base) for base in bases}
        self.joined = kinds in ({nn.Linear}, {Fp8Linear}) and None not in adapters
        if not self.joined:
            return
        self.weight = _join(bases)
        if kinds == {Fp8Linear}:
            self.weight, self.scale = self.weight.view(E4M3), torch.cat([base.scale for base in bases])
        if bases[0].bias is not None:
            self.bias = torch.cat([base.bias for base in bases])
        if any(adapters):
            self.down = torch.cat([pair[0] for pair in adapters if pair]).to(dtype)
            ups = [
                pair[1] if pair else self.down.new_zeros(base.out_features, 0, dtype=torch.float32)
                for base, pair in zip(bases, adapters, strict=True)
            ]
            self.up = torch.block_diag(*ups).T.contiguous().to(dtype)

    def quantized(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        """The states as a product in FP8 takes them, with their scales; None for other products."""
        return None if self.scale is None else quantize_states(hidden)

    def __call__(
        self, hidden: torch.Tensor, quantized: tuple[torch.Tensor, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """[tokens, inputs] → [tokens, outputs of all layers]; `quantized` where it is known already."""
        if not self.joined:
            return torch.cat([layer(hidden) for layer in self.layers], dim=-1)
        if self.scale is None:
            output = linear(hidden, self.weight, self.bias)
        else:
            quantized = quantized or self.quantized(hidden)
            output = scaled_product(*quantized, self.weight, self.scale).to(hidden.dtype)
            output = output if self.bias is None else output.add_(self.bias)
        return output if self.down is None else output.addmm_(linear(hidden, self.down), self.up)


def _join(layers: list[nn.Linear]) -> torch.Tensor:
    """The weights of several layers as one matrix, of which the layers' weights become views."""
    if len(layers) == 1:
        return layers[0].weight
    sizes, first = [layer.out_features for layer in layers], layers[0].weight
    storage = first.untyped_storage()
    if storage.nbytes() == sum(layer.weight.nbytes for layer in layers):  # joined before
        return first.detach().new_empty(0).set_(storage, 0, (sum(sizes), layers[0].in_features))
    with torch.inference_mode(False):  # parameters must not become inference tensors
        joined = torch.cat([layer.weight.detach() for layer in layers])
        for layer, part in zip(layers, joined.split(sizes), strict=True):
            layer.weight.data = part
    return joined


def _lora(layer: Any) -> tuple[torch.Tensor, torch.Tensor] | tuple[()] | None:
    """Both matrices of a layer's adapter, the second one scaled; empty: disabled; None: not plain LoRA."""
    from peft.tuners.lora import Linear

    if not isinstance(layer, Linear) or layer.merged or len(layer.active_adapters) != 1:
        return None
    if layer.disable_adapters:
        return ()
    [name] = layer.active_adapters
    if layer.lora_variant or layer.fan_in_fan_out or layer.lora_B[name].bias is not None:  # DoRA and others
        return None
    return layer.lora_A[name].weight, layer.lora_B[name].weight * layer.scaling[name]
