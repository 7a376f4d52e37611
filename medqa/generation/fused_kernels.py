"""The pointwise parts of a decoder layer as one Triton kernel each; torch's own operators elsewhere.

In transformers' forward pass they are about 30 small kernels per layer, and launching each takes longer than
the work it does.
"""

from typing import Any

import torch

from medqa.generation.kv_cache import write_tokens
from medqa.modeling.fp8 import E4M3, LARGEST

try:
    import triton
    import triton.language as tl
except ImportError:  # not installed with torch for the CPU
    triton = None


def add_rms_norm(
    update: torch.Tensor, residual: torch.Tensor, norm: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Add the output of a block to the residual stream, and normalize the sum for the next block.

    Args:
        update, residual: [tokens, hidden size]; `residual` may be overwritten with the sum.
        norm: a module of transformers: RMSNorm (Zhang and Sennrich, arXiv 1910.07467).

    Returns the normalized sum and the sum.
    """
    if triton is None or not update.is_cuda or not hasattr(norm, "variance_epsilon"):
        residual = residual + update
        return norm(residual), residual
    tokens, size = residual.shape
    output = torch.empty_like(update)
    block = triton.next_power_of_2(size)
    _add_rms_norm[(tokens,)](
        update, residual, norm.weight, output, norm.variance_epsilon, SIZE=size, BLOCK=block,
        num_warps=max(1, min(16, block // 512)),
    )  # fmt: skip
    return output, residual


def silu_mul(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """SwiGLU (arXiv 2002.05202): silu(gate) x up, [tokens, size] each."""
    if triton is None or not gate.is_cuda:
        return torch.nn.functional.silu(gate) * up
    tokens, size = gate.shape
    output = gate.new_empty(tokens, size)
    _silu_mul[(tokens, triton.cdiv(size, 1024))](
        gate, up, output, gate.stride(0), up.stride(0), SIZE=size, BLOCK=1024, num_warps=4
    )
    return output


def rotate_and_store(
    qkv: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor, rows: torch.Tensor, positions: torch.Tensor,
    keys: torch.Tensor, values: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """Rotate queries and keys by their position (arXiv 2104.09864); write keys and values into the cache.

    Args:
        qkv: [tokens, heads + 2 x key-value heads, head size].
        cosine, sine: [max_seq_len, rotated dimensions]; the other dimensions of a head stay.
        rows, positions: int64 [tokens], where a token is stored; its position is its angle too.
        keys, values: [rows, key-value heads, max_seq_len, head size], one layer of the cache; in e4m3, what
            is beyond 448 becomes 448.

    Returns the rotated queries, [tokens, heads, head size].
    """
    tokens, all_heads, size = qkv.shape
    kv_heads, rotated = keys.shape[1], cosine.shape[1]
    heads = all_heads - 2 * kv_heads
    if triton is None or not qkv.is_cuda:
        turned, half = qkv[:, : heads + kv_heads], rotated // 2
        first, second = turned[..., :half], turned[..., half:rotated]
        cosine, sine = (table[positions, None, :half] for table in (cosine, sine))
        parts = first * cosine - second * sine, second * cosine + first * sine, turned[..., rotated:]
        query, key = torch.cat(parts, dim=-1).split([heads, kv_heads], dim=1)
        write_tokens(keys, rows, positions, key)
        write_tokens(values, rows, positions, qkv[:, heads + kv_heads :])
        return query
    query = qkv.new_empty(tokens, heads, size)
    _rotate_and_store[(tokens, triton.cdiv(all_heads, 8))](
        qkv, cosine, sine, rows, positions, query, keys, values, keys.stride(0), keys.stride(1),
        HEADS=heads, KV_HEADS=kv_heads, SIZE=size, HALF=rotated // 2, BLOCK=triton.next_power_of_2(size),
        LIMIT=LARGEST if keys.dtype == E4M3 else None, num_warps=4,
    )  # fmt: skip
    return query


def sum_of_exp(logits: torch.Tensor, highest: torch.Tensor, temperature: float) -> torch.Tensor:
    """Sum of exp((logit - highest) / temperature) of each row, in float64: [rows, vocabulary] → [rows, 1].

    Args:
        logits: [rows, vocabulary], in any precision.
        highest: float32 [rows, 1], the largest logit of each row.
        temperature: above 0.
    """
    if triton is None or not logits.is_cuda:
        # Below e^-80 the result cannot change, and a CPU takes ten times as long for denormal numbers.
        scaled = torch.sub(logits, highest).div_(temperature).clamp_(min=-80)
        return scaled.exp_().sum(dim=-1, keepdim=True, dtype=torch.float64)
    rows, size = logits.shape
    total = torch.empty((rows, 1), dtype=torch.float64, device=logits.device)
    _sum_of_exp[(rows,)](
        logits,
        highest,
        total,
        temperature,
        logits.stride(0),
        highest.stride(0),
        SIZE=size,
        BLOCK=4096,
        num_warps=8,
    )
    return total


if triton is not None:

    @triton.jit
    def _add_rms_norm(update, residual, weight, output, epsilon, SIZE: tl.constexpr, BLOCK: tl.constexpr):
        """One token."""
        at = tl.arange(0, BLOCK)
        valid = at < SIZE
        start = tl.program_id(0).to(tl.int64) * SIZE
        dtype = output.dtype.element_ty
        total = tl.load(residual + start + at, mask=valid, other=0.0).to(tl.float32)
        total += tl.load(update + start + at, mask=valid, other=0.0).to(tl.float32)
        tl.store(residual + start + at, total.to(dtype), mask=valid)
        total = total.to(dtype).to(tl.float32)
        scale = tl.rsqrt(tl.sum(total * total, 0) / SIZE + epsilon)
        normed = (total * scale).to(dtype).to(tl.float32)
        weights = tl.load(weight + at, mask=valid, other=0.0).to(tl.float32)
        tl.store(output + start + at, (weights * normed).to(dtype), mask=valid)

    @triton.jit
    def _silu_mul(gate, up, output, gate_row, up_row, SIZE: tl.constexpr, BLOCK: tl.constexpr):
        """One token, `BLOCK` of its dimensions."""
        token = tl.program_id(0).to(tl.int64)
        at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
        valid = at < SIZE
        gates = tl.load(gate + token * gate_row + at, mask=valid, other=0.0).to(tl.float32)
        ups = tl.load(up + token * up_row + at, mask=valid, other=0.0).to(tl.float32)
        dtype = output.dtype.element_ty
        activated = (gates / (1 + tl.exp(-gates))).to(dtype).to(tl.float32)
        tl.store(output + token * SIZE + at, (activated * ups).to(dtype), mask=valid)

    @triton.jit
    def _rotate_and_store(
        qkv, cosine, sine, rows, positions, query, keys, values, row_stride, head_stride,
        HEADS: tl.constexpr, KV_HEADS: tl.constexpr, SIZE: tl.constexpr, HALF: tl.constexpr,
        BLOCK: tl.constexpr, LIMIT: tl.constexpr,
    ):  # fmt: skip
        """Eight heads of one token: queries, keys or values. LIMIT: largest value of the cache's type."""
        token = tl.program_id(0).to(tl.int64)
        head = (tl.program_id(1) * 8 + tl.arange(0, 8))[:, None]
        at = tl.arange(0, BLOCK)[None, :]
        valid = (head < HEADS + 2 * KV_HEADS) & (at < SIZE)
        turned = (head < HEADS + KV_HEADS) & (at < 2 * HALF)
        source = qkv + (token * (HEADS + 2 * KV_HEADS) + head) * SIZE
        vectors = tl.load(source + at, mask=valid, other=0.0).to(tl.float32)
        partners = tl.load(source + tl.where(at < HALF, at + HALF, at - HALF), mask=turned, other=0.0)
        partners = tl.where(at < HALF, -1.0, 1.0) * partners.to(tl.float32)
        position = tl.load(positions + token)
        angle = position * 2 * HALF + at
        cosines = tl.load(cosine + angle, mask=at < 2 * HALF, other=1.0).to(tl.float32)
        sines = tl.load(sine + angle, mask=at < 2 * HALF, other=0.0).to(tl.float32)
        vectors = tl.where(turned, vectors * cosines + partners * sines, vectors).to(query.dtype.element_ty)
        place = tl.load(rows + token) * row_stride + position * SIZE + at
        is_key = (head >= HEADS) & (head < HEADS + KV_HEADS)
        tl.store(query + (token * HEADS + head) * SIZE + at, vectors, mask=valid & (head < HEADS))
        if LIMIT is not None:
            vectors = tl.minimum(tl.maximum(vectors.to(tl.float32), -LIMIT), LIMIT)
        vectors = vectors.to(keys.dtype.element_ty)
        tl.store(keys + place + (head - HEADS) * head_stride, vectors, mask=valid & is_key)
        value_place = place + (head - HEADS - KV_HEADS) * head_stride
        tl.store(values + value_place, vectors, mask=valid & (head >= HEADS + KV_HEADS))

    @triton.jit
    def _sum_of_exp(
        logits, highest, total, temperature, logits_row, highest_row, SIZE: tl.constexpr,
        BLOCK: tl.constexpr,
    ):  # fmt: skip
        """One row."""
        row = tl.program_id(0).to(tl.int64)
        peak = tl.load(highest + row * highest_row)
        parts = tl.zeros((BLOCK,), tl.float64)
        for start in range(0, SIZE, BLOCK):
            at = start + tl.arange(0, BLOCK)
            values = tl.load(logits + row * logits_row + at, mask=at < SIZE, other=-float("inf")).to(
                tl.float32
            )
            parts += tl.exp((values - peak) / temperature).to(tl.float64)
        tl.store(total + row, tl.sum(parts, 0))
