"""Attention of one new token per row to the row's cached tokens: a Triton kernel, and torch elsewhere."""

import torch
from torch.nn.functional import scaled_dot_product_attention

try:
    import triton
    import triton.language as tl
except ImportError:  # not installed with torch for the CPU
    triton = None

KEYS_PER_BLOCK = 64
MIN_GROUP = 16  # rows of the smallest matrix product on tensor cores


def decode_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: torch.Tensor, scaling: float
) -> torch.Tensor:
    """Softmax attention of one query token per row.

    Args:
        query: [rows, heads, head size].
        key, value: [rows, key-value heads, max_seq_len, head size], in the type of the query or in e4m3;
            query heads may share a key-value head.
        lengths: int32 [rows], number of cached tokens that a row attends to, at least 1.
        scaling: factor on the scores before the softmax.

    Returns [rows, heads, head size]. On a GPU one kernel reads only the tokens that a row has, so the cost
    does not depend on the size of the cache; elsewhere torch's attention with a mask.
    """
    size = query.shape[-1]
    if triton is not None and query.is_cuda and size == triton.next_power_of_2(size):
        return _by_kernel(query, key, value, lengths, scaling)
    rows, heads, _ = query.shape
    kv_heads, max_seq_len = key.shape[1:3]
    if not query.is_cuda:  # on a GPU, reading the maximum would synchronize
        max_seq_len = int(lengths.max())
    mask = torch.arange(max_seq_len, device=query.device) < lengths[:, None]
    output = scaled_dot_product_attention(
        query.view(rows, kv_heads, heads // kv_heads, size),
        key[:, :, :max_seq_len].to(query.dtype),
        value[:, :, :max_seq_len].to(query.dtype),
        attn_mask=mask[:, None, None],
        scale=scaling,
    )
    return output.reshape(rows, heads, size)


def _by_kernel(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: torch.Tensor, scaling: float
) -> torch.Tensor:
    rows, heads, size = query.shape
    kv_heads = key.shape[1]
    group = heads // kv_heads
    query = query.contiguous()
    output = torch.empty_like(query)
    if in_e4m3 := value.itemsize == 1:
        value = value.view(torch.int16)
    _kernel[(rows, kv_heads)](
        query, key, value, lengths, output, scaling * 1.4426950408889634, key.stride(0), key.stride(1),
        key.stride(2), value.stride(0), value.stride(1), value.stride(2),
        GROUP=group, PADDED=max(MIN_GROUP, triton.next_power_of_2(group)), SIZE=size,
        KEYS=KEYS_PER_BLOCK, E4M3=in_e4m3, num_warps=4, num_stages=3,
    )  # fmt: skip
    return output


if triton is not None:

    @triton.jit
    def _kernel(
        query, key, value, lengths, output, scaling, key_row, key_head, key_token, value_row, value_head,
        value_token, GROUP: tl.constexpr, PADDED: tl.constexpr, SIZE: tl.constexpr, KEYS: tl.constexpr,
        E4M3: tl.constexpr,
    ):  # fmt: skip
        """One row and one of its key-value heads: all query heads of the group, over the row's cached tokens.

        The softmax is the online one of Milakov and Gimelshein (arXiv 1805.02867), in float32 and base 2.
        Keys and values in e4m3 are multiplied in float16, to which a GPU converts two of them at once. Values
        then come as pairs of dimensions, int16: the tensor cores take them transposed, and shared memory
        transposes 16 bits at once, but single bytes one by one.
        """
        row = tl.program_id(0).to(tl.int64)
        head = tl.program_id(1)
        length = tl.load(lengths + row)
        group_rows = tl.arange(0, PADDED)
        dims = tl.arange(0, SIZE)
        tokens = tl.arange(0, KEYS)
        own = (row * tl.num_programs(1) + head) * GROUP + group_rows
        at = own[:, None] * SIZE + dims[None, :]
        valid_rows = (group_rows < GROUP)[:, None]
        queries = tl.load(query + at, mask=valid_rows, other=0.0)
        if E4M3:
            queries = queries.to(tl.float16)
        value_dims = tl.arange(0, SIZE // 2 if E4M3 else SIZE)
        keys = key + row * key_row + head * key_head + dims[None, :]
        values = value + row * value_row + head * value_head + value_dims[None, :]
        maximum = tl.full((PADDED,), -float("inf"), tl.float32)
        total = tl.zeros((PADDED,), tl.float32)
        weighted = tl.zeros((PADDED, SIZE // 2 if E4M3 else SIZE), tl.float32)  # in e4m3: even dimensions
        odd = tl.zeros((PADDED, SIZE // 2 if E4M3 else SIZE), tl.float32)
        for start in range(0, length, KEYS):
            positions = start + tokens
            valid = positions < length
            block_keys = tl.load(keys + positions[:, None] * key_token, mask=valid[:, None], other=0.0)
            block_keys = block_keys.to(queries.dtype)
            scores = tl.dot(queries, tl.trans(block_keys), input_precision="ieee") * scaling
            scores = tl.where(valid[None, :], scores, -float("inf"))
            new_maximum = tl.maximum(maximum, tl.max(scores, 1))
            weights = tl.exp2(scores - new_maximum[:, None])
            rescale = tl.exp2(maximum - new_maximum)
            total = total * rescale + tl.sum(weights, 1)
            weights = weights.to(queries.dtype)
            block_values = tl.load(values + positions[:, None] * value_token, mask=valid[:, None], other=0)
            if E4M3:
                odd_values = (block_values >> 8).to(tl.uint8).to(tl.float8e4nv, bitcast=True)
                products = tl.dot(weights, odd_values.to(queries.dtype), input_precision="ieee")
                odd = odd * rescale[:, None] + products
                block_values = block_values.to(tl.uint8).to(tl.float8e4nv, bitcast=True)
            products = tl.dot(weights, block_values.to(queries.dtype), input_precision="ieee")
            weighted = weighted * rescale[:, None] + products
            maximum = new_maximum
        if E4M3:
            weighted = tl.interleave(weighted, odd)
        tl.store(output + at, (weighted / total[:, None]).to(output.dtype.element_ty), mask=valid_rows)
