"""Plans the forward passes of a training run for the free memory; estimates its memory and time."""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
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
from medqa.modeling.precision import NF4, suggest_fp8
from medqa.runtime.console import counted, elapsed, print_rank0

# Tokens of one pass beyond which training gets hardly faster (measured on an H100: 17,640 tokens/s with 8,753
# tokens in a pass, 18,174 with 13,253); with recomputation more tokens hide its cost.
MAX_PASS_TOKENS, MAX_PASS_TOKENS_RECOMPUTED = 12_288, 16_384
# 4-bit matrices are dequantized once instead of in every pass if this many tokens still fit: one step of the
# default settings. A pass is then 19 ms shorter; the memory could hold 2,500 more tokens, which gain less.
MIN_TOKENS_TO_DEQUANTIZE = 6144
# Share of the free memory that activations may take. With a sharded base, whose layers are gathered and freed
# between the activations, a run of 70B planned with 0.92 ended on one rank. Only a single process can go on
# with smaller passes when memory runs out.
USABLE, USABLE_SHARDED = 0.92, 0.8
# The first step of Llama-3-8B with compiled layers took 23 to 32 s on an H200, or 5 to 7 s with code of an
# earlier run; a token is 25 microseconds cheaper on an H100. A slower CPU compiles longer.
MIN_TOKENS_TO_COMPILE = 2_000_000
COMPILE_SECONDS = 30
# Share of the GPU's matrix-product rate that a long pass reaches, by whether the layers are compiled, and the
# overhead of a pass per layer in seconds, by whether the weights are dequantized. Fitted to nine training
# loops on an H100, 2,600 to 13,253 tokens in a pass, all within 10 % (tests/training/test_memory_plan.py).
EFFICIENCY = {True: 0.74, False: 0.53}
LAYER_SECONDS = {False: 0.00155, True: 0.00095}


@dataclass(frozen=True)
class MemorySettings:
    """Settings of TrainingConfig that decide memory and time of a step."""

    base_precision: str
    max_seq_length: int
    tokens_per_batch: int  # tokens of one pass; 0: as many as fit
    gradient_checkpointing: str  # "auto" recomputes only where the longest sequence would not fit
    compile: str  # "auto", "on" or "off"


class Plan(NamedTuple):
    """How the forward passes of a step are computed, and why."""

    tokens: int  # of one pass
    recompute: bool  # activations are recomputed in the backward pass
    reason: str
    sequence_may_not_fit: bool = False  # the longest sequence may exceed the memory
    dequantized: bool = False  # 4-bit matrices are held in bfloat16


class RunEstimate(NamedTuple):
    """Memory and time of a run."""

    gigabytes: float  # peak
    tokens_per_second: float
    seconds: float


def tokens_that_fit(
    model_config: Any, free_bytes: float, recompute: bool, compiled: bool, share: float
) -> int:
    """Tokens of one pass that fit in this share of the free memory."""
    usable = share * free_bytes - PASS_OVERHEAD_BYTES
    return max(0, int(usable / bytes_per_token(model_config, recompute, compiled)))


def plan_pass(
    settings: MemorySettings, model_config: Any, free_bytes: int | None, compiled: bool, share: float
) -> Plan:
    """Choose the tokens of one forward pass, and whether activations are recomputed.

    Args:
        settings: of the run.
        model_config: sizes of the model.
        free_bytes: free GPU memory beside the weights; None on the CPU.
        compiled: whether the layers are compiled.
        share: of the free memory that activations may take.
    """
    longest, tokens = settings.max_seq_length, settings.tokens_per_batch
    recompute = settings.gradient_checkpointing == "on"
    if free_bytes is None:
        return Plan(tokens or max(4096, longest), recompute, "the CPU's memory is enough")
    fit = tokens_that_fit(model_config, free_bytes, False, compiled, share)
    if recompute or (settings.gradient_checkpointing == "auto" and fit < longest):
        recompute, fit = True, tokens_that_fit(model_config, free_bytes, True, compiled, share)
    most = MAX_PASS_TOKENS_RECOMPUTED if recompute else MAX_PASS_TOKENS
    tokens = tokens or max(longest, min(most, fit // 256 * 256))
    return Plan(tokens, recompute, f"{free_bytes / 1e9:.0f} GB free hold about {fit:,}", fit < longest)


def has_compiler() -> bool:
    """Whether this machine has the C compiler that torch.compile needs."""
    return any(shutil.which(name) for name in filter(None, (os.environ.get("CC"), "cc", "gcc", "clang")))


def decide_compile(
    wanted: str, is_cuda: bool, tokens_in_run: int, compiler: bool, sharded: bool
) -> tuple[bool, str]:
    """Whether the layers are compiled, and why.

    Args:
        wanted: "on", "off" or "auto".
        is_cuda: whether there is a GPU; on the CPU compiling takes longer than it saves.
        tokens_in_run: tokens of all epochs on this rank.
        compiler: whether every rank has a C compiler.
        sharded: whether the ranks share the base's weights.
    """
    if is_cuda and sharded:
        return False, "the base is sharded"
    if not is_cuda or wanted == "off":
        return False, "COMPILE is off" if is_cuda else "no GPU"
    if not compiler:
        return False, "there is no C compiler here; with one, such as gcc, training is a third faster"
    if wanted == "auto" and tokens_in_run < MIN_TOKENS_TO_COMPILE:
        return False, f"it would take longer than it saves on {tokens_in_run:,} tokens"
    return True, f"about {COMPILE_SECONDS} s at the first start, then a third faster"


def plan_forward_pass(
    settings: MemorySettings, model_config: Any, tokens_in_run: int, free_bytes: int | None, compiler: bool,
    sharded: bool,
) -> tuple[Plan, bool]:  # fmt: skip
    """Plan the passes and decide whether the layers are compiled; prints both with the reason.

    Args:
        settings: of the run.
        model_config: sizes of the model.
        tokens_in_run: tokens of all epochs on this rank.
        free_bytes: free memory beside the weights on the fullest GPU; None on the CPU.
        compiler: whether every rank has a C compiler.
        sharded: whether the ranks share the base's weights.
    """
    compiled, why = decide_compile(settings.compile, free_bytes is not None, tokens_in_run, compiler, sharded)
    share = USABLE_SHARDED if sharded else USABLE
    plan = plan_pass(settings, model_config, free_bytes, compiled, share)
    if plan.recompute and compiled:
        compiled, why = False, "compiled layers would keep their activations"
        plan = plan_pass(settings, model_config, free_bytes, compiled, share)
    if compiled and settings.base_precision == NF4:
        extra = dequantization_bytes(model_config)
        needed = max(MIN_TOKENS_TO_DEQUANTIZE, settings.max_seq_length, settings.tokens_per_batch)
        left = free_bytes - extra
        if tokens_that_fit(model_config, left, False, compiled, share) >= needed:
            plan = plan_pass(settings, model_config, left, compiled, share)._replace(dequantized=True)
            print_rank0(
                f"Weights: NF4 values, dequantized once for all passes ({extra / 1e9:.0f} GB are free for it)"
            )
    kept = "recomputed" if plan.recompute else "kept"
    print_rank0(f"Batch: up to {plan.tokens:,} tokens at once, activations {kept} ({plan.reason})")
    if plan.sequence_may_not_fit:
        print_rank0(
            f"       MAX_SEQ_LENGTH {settings.max_seq_length} may not fit; lower it if memory runs out."
        )
    if free_bytes is not None:
        print_rank0(f"Layers: {'compiled' if compiled else 'not compiled'} ({why})")
    return plan, compiled


def estimate_run(
    model_config: Any, weights: int, plan: Plan, compiled: bool, steps: Sequence[Sequence[int]],
    eval_tokens: int, evaluations: int, rate: float,
) -> RunEstimate:  # fmt: skip
    """Estimate memory and time of a run on a GPU from its number of operations.

    A token costs 2N operations in the forward pass and 2N to propagate gradients through frozen weights;
    recomputation adds 2N. N counts the weights of matrix products; the head, which is computed for label
    tokens only, counts in full.

    Args:
        model_config: sizes of the model.
        weights: bytes of the weights.
        plan: of the forward passes.
        compiled: whether the layers are compiled.
        steps: lengths of the sequences of each optimizer step on this rank, all epochs.
        eval_tokens, evaluations: tokens of the eval split on this rank, and how often it is evaluated.
        rate: operations per second of the GPU in large matrix products.
    """
    parameters = num_matmul_parameters(model_config)
    rate *= EFFICIENCY[compiled]
    passes = [
        sum(lengths[index] for index in part)
        for lengths in steps
        for part in pack_first_fit_decreasing(lengths, plan.tokens)
    ]
    training = sum(passes) * parameters * (6 if plan.recompute else 4) / rate
    training += len(passes) * LAYER_SECONDS[plan.dequantized] * model_config.num_hidden_layers
    speed = sum(passes) / training if passes else 0.0
    activations = max(passes, default=0) * bytes_per_token(model_config, plan.recompute, compiled)
    weights += dequantization_bytes(model_config) if plan.dequantized else 0
    seconds = training + evaluations * eval_tokens * 2 * parameters / rate + compiled * COMPILE_SECONDS
    return RunEstimate((weights + PASS_OVERHEAD_BYTES + activations) / 1e9, speed, seconds)


def measure_matmul_rate(device_name: str) -> float:
    """Floating-point operations per second of the GPU in a large bfloat16 product; takes under a second."""
    import torch

    left, right = (torch.randn(8192, 8192, device=device_name, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        left @ right
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(10):
        left @ right
    torch.cuda.synchronize()
    return 10 * 2 * 8192**3 / (time.perf_counter() - started)


def print_dry_run_estimate(
    settings: MemorySettings, model_config: Any, device: Device, epoch: Sequence[Sequence[int]],
    num_epochs: int, eval_tokens: int, eval_steps: int, shards: int = 1,
) -> None:  # fmt: skip
    """Print steps, memory and, on a GPU, time of a run, without loading a weight.

    Args:
        settings: of the run.
        model_config: sizes of the model.
        device: where this rank trains.
        epoch: lengths of the sequences of each optimizer step of an epoch, on this rank.
        num_epochs: number of epochs.
        eval_tokens: tokens of the eval split, on this rank.
        eval_steps: steps between evaluations; 0: one evaluation per epoch.
        shards: ranks that share the base's weights; 1 where each has its own.
    """
    suggest_fp8(settings.base_precision, device.name, shards > 1)
    weights = weight_bytes(model_config, settings.base_precision, 2 if device.is_cuda else 4, shards)
    steps = list(epoch) * num_epochs
    tokens = sum(map(sum, steps))
    free = free_memory(device.name) - weights if device.is_cuda else None
    plan, compiled = plan_forward_pass(settings, model_config, tokens, free, has_compiler(), shards > 1)
    print_rank0(f"Steps: {len(epoch)} an epoch, {len(steps)} in all, {counted(tokens, 'token')} on each card")
    if not device.is_cuda:
        print_rank0(f"Memory: {weights / 1e9:.1f} GB of weights; run time is estimated on GPUs only")
        return
    evaluations = 1 + (len(steps) // eval_steps if eval_steps else num_epochs)
    rate = measure_matmul_rate(device.name)
    estimate = estimate_run(model_config, weights, plan, compiled, steps, eval_tokens, evaluations, rate)
    print_rank0(f"Memory: about {estimate.gigabytes:.1f} GB at the most")
    without = ", communication between cards not included" if shards > 1 else ""
    print_rank0(
        f"Time: about {elapsed(estimate.seconds)}, {estimate.tokens_per_second:,.0f} tokens a second on each "
        f"card{without}"
    )
