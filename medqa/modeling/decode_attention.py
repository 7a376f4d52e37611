"""Attention of one new token per row over the row's own past, in a cache with room for more."""

import torch
from torch.nn.functional import scaled_dot_product_attention

try:
    import triton
    import triton.language as tl
except ImportError:  # torch for the CPU comes without it
    triton = None

KEYS_AT_ONCE = 64
LEAST_GROUP = 16  # rows of the smallest product that the tensor cores take


def decode_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: torch.Tensor, scaling: float
) -> torch.Tensor:
    """Softmax attention of one query token per row.

    Args:
        query: [rows, heads, 1, head size].
        key, value: [rows, key-value heads, room, head size]; several query heads share a key-value head.
        lengths: int32 [rows], how many of the cached tokens a row sees, at least 1.
        scaling: factor on the scores before the softmax.

    Returns [rows, 1, heads, head size]. On a CUDA card one kernel reads each row's own tokens and no others,
    so a row costs what it holds and not what there is room for; elsewhere torch's attention with a mask.
    """
    size = query.shape[-1]
    if triton is not None and query.is_cuda and size == triton.next_power_of_2(size):
        return _by_kernel(query, key, value, lengths, scaling)
    rows, heads, _, _ = query.shape
    kv_heads, room = key.shape[1:3]
    if not query.is_cuda:  # on a card, reading a number would stop it
        room = int(lengths.max())
    mask = torch.arange(room, device=query.device) < lengths[:, None]
    output = scaled_dot_product_attention(
        query.view(rows, kv_heads, heads // kv_heads, size),
        key[:, :, :room],
        value[:, :, :room],
        attn_mask=mask[:, None, None],
        scale=scaling,
    )
    return output.reshape(rows, 1, heads, size)


def _by_kernel(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: torch.Tensor, scaling: float
) -> torch.Tensor:
    rows, heads, _, size = query.shape
    kv_heads = key.shape[1]
    group = heads // kv_heads
    query = query.contiguous()
    output = torch.empty((rows, 1, heads, size), dtype=query.dtype, device=query.device)
    _kernel[(rows, kv_heads)](
        query, key, value, lengths, output, scaling * 1.4426950408889634, key.stride(0), key.stride(1),
        key.stride(2), value.stride(0), value.stride(1), value.stride(2),
        GROUP=group, PADDED=max(LEAST_GROUP, triton.next_power_of_2(group)), SIZE=size, KEYS=KEYS_AT_ONCE,
        num_warps=4, num_stages=3,
    )  # fmt: skip
    return output


if triton is not None:

    @triton.jit
    def _kernel(
        query, key, value, lengths, output, scaling, key_row, key_head, key_token, value_row, value_head,
        value_token, GROUP: tl.constexpr, PADDED: tl.constexpr, SIZE: tl.constexpr, KEYS: tl.constexpr,
    ):  # fmt: skip
        """A row and one of its key-value heads: all query heads of the group, over the row's cached tokens.

        The softmax is the running one of Milakov and Gimelshein (arXiv 1805.02867), in float32 and base 2.
        """
        row = tl.program_id(0).to(tl.int64)
        head = tl.program_id(1)
        length = tl.load(lengths + row)
        members = tl.arange(0, PADDED)
        places = tl.arange(0, SIZE)
        tokens = tl.arange(0, KEYS)
        own = (row * tl.num_programs(1) + head) * GROUP + members
        at = own[:, None] * SIZE + places[None, :]
        real = (members < GROUP)[:, None]
        asked = tl.load(query + at, mask=real, other=0.0)
        keys = key + row * key_row + head * key_head + places[None, :]
        values = value + row * value_row + head * value_head + places[None, :]
        highest = tl.full((PADDED,), -float("inf"), tl.float32)
        total = tl.zeros((PADDED,), tl.float32)
        mixed = tl.zeros((PADDED, SIZE), tl.float32)
        for start in range(0, length, KEYS):
            seen = start + tokens
            inside = seen < length
            here = tl.load(keys + seen[:, None] * key_token, mask=inside[:, None], other=0.0)
            scores = tl.dot(asked, tl.trans(here), input_precision="ieee") * scaling
            scores = tl.where(inside[None, :], scores, -float("inf"))
            new_highest = tl.maximum(highest, tl.max(scores, 1))
            weights = tl.exp2(scores - new_highest[:, None])
            shrink = tl.exp2(highest - new_highest)
            total = total * shrink + tl.sum(weights, 1)
            there = tl.load(values + seen[:, None] * value_token, mask=inside[:, None], other=0.0)
            mixed = mixed * shrink[:, None] + tl.dot(weights.to(there.dtype), there, input_precision="ieee")
            highest = new_highest
        tl.store(output + at, (mixed / total[:, None]).to(output.dtype.element_ty), mask=real)
