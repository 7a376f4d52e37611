"""Measure the decode attention kernel against torch's own attention, on one card.

python benchmarks/decode_attention.py MODEL_FOLDER OUT.json

MODEL_FOLDER: from benchmarks/make_model_shape.py. Times one layer's attention of one new token per row, in
the 8B shape (32 heads, 8 key-value heads of 128), over caches with room for 672 tokens that hold 100 to
620, in bfloat16 and in e4m3; then whole decode steps of the model with the kernel and without it.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ROOM = 672


def one_layer(rows: int) -> dict[str, float]:
    """Median milliseconds of one call, from a CUDA graph, so that launching it costs nothing."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention
    from triton.testing import do_bench_cudagraph

    from medqa.modeling.decode_attention import decode_attention

    torch.manual_seed(rows)
    query = torch.randn(rows, 32, 1, 128, device="cuda", dtype=torch.bfloat16)
    key, value = (torch.randn(rows, 8, ROOM, 128, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    lengths = torch.randint(100, 621, (rows,), device="cuda", dtype=torch.int32)
    mask = (torch.arange(ROOM, device="cuda") < lengths[:, None])[:, None, None]
    grouped = query.view(rows, 8, 4, 128)
    ways = {
        "kernel": lambda: decode_attention(query[:, :, 0], key, value, lengths, 128**-0.5),
        "sdpa, query heads of a group as rows": lambda: scaled_dot_product_attention(
            grouped, key, value, attn_mask=mask
        ),
        "sdpa, enable_gqa": lambda: scaled_dot_product_attention(
            query, key, value, attn_mask=mask, enable_gqa=True
        ),
    }
    wanted = ways["sdpa, enable_gqa"]().float().view(-1)
    found = {}
    for name, way in ways.items():
        assert (way().float().view(-1) - wanted).norm() / wanted.norm() < 1e-2, name
        found[name] = round(do_bench_cudagraph(way, return_mode="median"), 4)
    return found | in_e4m3(query[:, :, 0], key, value, lengths)


def in_e4m3(query: Any, key: Any, value: Any, lengths: Any) -> dict[str, float]:
    """Median milliseconds of the kernel with a cache in e4m3, for two numbers of keys read at once."""
    from triton.testing import do_bench_cudagraph

    from medqa.modeling import decode_attention
    from medqa.modeling.fp8 import saturated

    scaling, in_use = 128**-0.5, decode_attention.KEYS_PER_BLOCK
    cached, found = (saturated(key), saturated(value)), {}
    rounded = (states.bfloat16() for states in cached)
    wanted = decode_attention.decode_attention(query, *rounded, lengths, scaling).float()
    for keys in (64, 128):
        decode_attention.KEYS_PER_BLOCK = keys

        def attend() -> Any:
            return decode_attention.decode_attention(query, *cached, lengths, scaling)

        assert (attend().float() - wanted).norm() / wanted.norm() < 1e-2
        found[f"kernel, e4m3, {keys} keys"] = round(do_bench_cudagraph(attend, return_mode="median"), 4)
    decode_attention.KEYS_PER_BLOCK = in_use
    return found


def whole_steps(model_name: str, rows: int) -> dict[str, float]:
    """Milliseconds of a decode step of the whole model, with the kernel and without it."""
    import time

    import torch

    from medqa.generation import continuous_batching, engine
    from medqa.modeling import decode_attention, loading, varlen_attention
    from medqa.modeling.base_model import BaseModel
    from medqa.modeling.device import choose_device

    base = BaseModel(model_name, "")
    device = choose_device(base, "")
    model = loading.load_base(base, device, "bf16").eval()
    model.set_attn_implementation(varlen_attention.NAME)
    draw = torch.Generator().manual_seed(0)
    prompts = [
        engine.Prompt(str(n), torch.randint(0, 900, (60 + n % 100,), generator=draw).tolist(), False)
        for n in range(rows)
    ]
    kept, found = decode_attention.triton, {}
    for name, triton in {"kernel": kept, "sdpa": None, "kernel again": kept}.items():
        decode_attention.triton = triton
        with torch.inference_mode():
            made = continuous_batching.ContinuousBatcher(
                model, engine.Decoding(512, 0.1, 0.9, 42, ()), rows, ROOM
            )
            made.admit(prompts)
            made.decode()
            torch.cuda.synchronize()
            began, looks = time.monotonic(), 40
            for _ in range(looks):
                made.decode()
            torch.cuda.synchronize()
        found[name] = round(
            1000 * (time.monotonic() - began) / (looks * continuous_batching.STEPS_PER_CHECK), 2
        )
        del made
        torch.cuda.empty_cache()
    return found


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    import torch

    result = {"card": torch.cuda.get_device_name(), "torch": torch.__version__}
    result["one layer, ms"] = {f"{rows} rows": one_layer(rows) for rows in (420, 64, 4)}
    result["a step of the model, ms"] = {f"{rows} rows": whole_steps(given.model, rows) for rows in (420, 64)}
    print(json.dumps(result, indent=2))
    given.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
