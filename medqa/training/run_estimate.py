"""What a run will take, in memory and in time, before any weight is loaded."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from medqa.modeling.collator import pack_first_fit_decreasing
from medqa.modeling.device import Device, free_memory
from medqa.modeling.model_size import (
    PASS_OVERHEAD_BYTES,
    bytes_per_token,
    dequantization_bytes,
    num_matmul_parameters,
    weight_bytes,
)
from medqa.runtime.console import counted, elapsed, print_rank0
from medqa.training.memory_plan import COMPILE_SECONDS, Plan, has_compiler, plan_forward_pass

# Share of the card's rate in large products that a long pass reaches, compiled or not, and what every pass
# takes besides for each layer, with 4-bit weights and with dequantized ones. Fitted to nine speeds of bare
# loops on an H100, from 2,600 to 13,253 tokens a pass, all within 10 % (tests/training/test_memory_plan.py).
REACHED = {True: 0.74, False: 0.53}
PASS_SECONDS = {False: 0.00155, True: 0.00095}


class RunEstimate(NamedTuple):
    """What a run will take."""

    gigabytes: float  # highest memory in use
    tokens_per_second: float
    seconds: float


def estimate_run(
    sizes: Any,
    weights: int,
    plan: Plan,
    compiled: bool,
    steps: Sequence[Sequence[int]],
    eval_tokens: int,
    evaluations: int,
    rate: float,
) -> RunEstimate:
    """Memory and time of a run on a GPU, from the operations that it must do.

    Args:
        sizes: the model's config.
        weights: bytes of the weights.
        plan: how a step is cut.
        compiled: whether the layers are compiled.
        steps: lengths of the sequences of each optimizer step of this process, all epochs.
        eval_tokens, evaluations: tokens of the eval split on this process, and how often it is gone through.
        rate: floating-point operations a second that the card reaches in large products.

    A token costs 2N operations forward and 2N to carry gradients back through frozen weights; recomputation
    adds 2N (N: weights that multiply, the head only for trained tokens, which is left out of account).
    """
    multiplied = num_matmul_parameters(sizes)
    reached = rate * REACHED[compiled]
    passes = [
        sum(lengths[index] for index in part)
        for lengths in steps
        for part in pack_first_fit_decreasing(lengths, plan.tokens)
    ]
    training = sum(passes) * multiplied * (6 if plan.checkpointing else 4) / reached
    training += len(passes) * PASS_SECONDS[plan.dequantized] * sizes.num_hidden_layers
    speed = sum(passes) / training if passes else 0.0
    per_token = bytes_per_token(sizes, plan.checkpointing, compiled)
    weights += dequantization_bytes(sizes) if plan.dequantized else 0
    memory = weights + PASS_OVERHEAD_BYTES + max(passes, default=0) * per_token
    seconds = training + evaluations * eval_tokens * 2 * multiplied / reached
    return RunEstimate(memory / 1e9, speed, seconds + compiled * COMPILE_SECONDS)


def measure_matmul_rate(device: str) -> float:
    """Floating-point operations a second of the card in a large bfloat16 product; takes a moment."""
    import torch

    one, other = (torch.randn(8192, 8192, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        one @ other
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(10):
        one @ other
    torch.cuda.synchronize()
    return 10 * 2 * 8192**3 / (time.perf_counter() - started)


def print_dry_run_estimate(
    config: Any, sizes: Any, device: Device, lengths: Sequence[Sequence[int]], eval_tokens: int,
    shards: int = 1,
) -> None:  # fmt: skip
    """Say what a run will take, before any weight is loaded.

    Args:
        config: a TrainingConfig.
        sizes: the model's config.
        device: the card; on the CPU no time is foretold.
        lengths: lengths of the sequences of each optimizer step of an epoch, on this process.
        eval_tokens: tokens of the eval split, on this process.
        shards: processes that share the base; 1 where each has its own.
    """
    weights = weight_bytes(sizes, config.USE_4BIT, 2 if device.is_cuda else 4, shards)
    steps = list(lengths) * config.NUM_EPOCHS
    tokens = sum(map(sum, steps))
    free = free_memory(device.name) - weights if device.is_cuda else None
    cut, compiled = plan_forward_pass(config, sizes, tokens, free, has_compiler(), shards > 1)
    print_rank0(
        f"Steps: {len(lengths)} an epoch, {len(steps)} in all, {counted(tokens, 'token')} on each card"
    )
    if not device.is_cuda:
        print_rank0(f"Memory: {weights / 1e9:.1f} GB of weights; time is foretold for GPUs only")
        return
    evaluations = 1 + (len(steps) // config.EVAL_STEPS if config.EVAL_STEPS else config.NUM_EPOCHS)
    rate = measure_matmul_rate(device.name)
    told = estimate_run(sizes, weights, cut, compiled, steps, eval_tokens, evaluations, rate)
    print_rank0(f"Memory: about {told.gigabytes:.1f} GB at the most")
    without = ", the exchange between cards not counted" if shards > 1 else ""
    print_rank0(
        f"Time: about {elapsed(told.seconds)}, {told.tokens_per_second:,.0f} tokens a second on each "
        f"card{without}"
    )
