"""How a step is cut to fit the card, and what is done to its layers to make it faster."""

import os
import shutil
from typing import Any, NamedTuple

from medqa.modeling.model_size import PASS_OVERHEAD_BYTES, bytes_per_token, dequantization_bytes
from medqa.runtime.console import print_rank0

# Tokens of one forward pass beyond which little gets faster (measured on an H100: 17,640 tokens a second with
# 8,753 tokens a pass, 18,174 with 13,253), and with recomputation, where more tokens hide its cost.
MAX_PASS_TOKENS, MAX_PASS_TOKENS_RECOMPUTED = 12_288, 16_384
# 4-bit matrices are dequantized once instead of in every pass where so many tokens still fit: a step of the
# defaults in one pass. A pass is then 19 ms shorter; the memory could hold 2,500 tokens more, worth less.
MIN_TOKENS_TO_DEQUANTIZE = 6144
# Compiling the layers of Llama-3-8B took 80 s there and made a token 25 microseconds cheaper.
MIN_TOKENS_TO_COMPILE = 4_000_000
COMPILE_SECONDS = 80


class Plan(NamedTuple):
    """How a step is cut: tokens in one forward pass, recomputation of activations, and why."""

    tokens: int
    checkpointing: bool
    reason: str
    short: bool = False  # the memory may not suffice for the longest sequence
    dequantized: bool = False  # 4-bit matrices are held in bfloat16


def tokens_that_fit(sizes: Any, free_bytes: float, recomputed: bool, compiled: bool) -> int:
    """Tokens of one pass that free memory holds."""
    room = 0.92 * free_bytes - PASS_OVERHEAD_BYTES
    return max(0, int(room / bytes_per_token(sizes, recomputed, compiled)))


def plan_pass(
    sizes: Any, free_bytes: int | None, checkpointing: str, tokens: int, longest: int, compiled: bool
) -> Plan:
    """Choose the tokens of one forward pass.

    Args:
        sizes: the model's config.
        free_bytes: free memory of the card once the weights are loaded; None on the CPU.
        checkpointing: "on", "off" or "auto", which recomputes only where the longest sequence would not fit.
        tokens: the user's choice, 0 for none.
        longest: length of the longest sequence; a pass must hold at least one such sequence.
        compiled: whether the layers are compiled.
    """
    if free_bytes is None:
        return Plan(tokens or max(4096, longest), checkpointing == "on", "the CPU's memory is enough")
    fits = tokens_that_fit(sizes, free_bytes, False, compiled)
    on = checkpointing == "on" or (checkpointing == "auto" and fits < longest)
    if on:
        fits = tokens_that_fit(sizes, free_bytes, True, compiled)
    chosen = tokens or max(
        longest, min(MAX_PASS_TOKENS_RECOMPUTED if on else MAX_PASS_TOKENS, fits // 256 * 256)
    )
    return Plan(chosen, on, f"{free_bytes / 1e9:.0f} GB free hold about {fits:,}", fits < longest)


def has_compiler() -> bool:
    """Whether there is a C compiler on this machine, without which torch compiles nothing."""
    return any(shutil.which(name) for name in filter(None, (os.environ.get("CC"), "cc", "gcc", "clang")))


def decide_compile(
    wanted: str, is_cuda: bool, tokens_in_run: int, compiler: bool, sharded: bool
) -> tuple[bool, str]:
    """Whether the layers are compiled, and why.

    Args:
        wanted: "on", "off" or "auto".
        is_cuda: whether there is a GPU; on the CPU it would not pay.
        tokens_in_run: tokens of all epochs of this process.
        compiler: whether every process has a C compiler.
        sharded: whether the processes share the base.
    """
    if is_cuda and sharded:
        return False, "the base is shared out"
    if not is_cuda or wanted == "off":
        return False, "COMPILE is off" if is_cuda else "no GPU"
    if not compiler:
        return False, "there is no C compiler here; with one, such as gcc, training is a third faster"
    if wanted == "auto" and tokens_in_run < MIN_TOKENS_TO_COMPILE:
        return False, f"it would take longer than it saves on {tokens_in_run:,} tokens"
    return True, f"about {COMPILE_SECONDS} s at the start, then a third faster"


def plan_forward_pass(
    config: Any, sizes: Any, tokens_in_run: int, free: int | None, compiler: bool, sharded: bool
) -> tuple[Plan, bool]:
    """How a step is cut, and whether the layers are compiled; both said once, with the reason.

    Args:
        config: a TrainingConfig.
        sizes: the model's config.
        tokens_in_run: tokens of all epochs on this process.
        free: bytes free on the fullest card beside the weights; None on the CPU.
        compiler: whether every process has a C compiler.
        sharded: whether the processes share the base.

    Returns the plan, and whether to compile.
    """
    compiled, why = decide_compile(config.COMPILE, free is not None, tokens_in_run, compiler, sharded)
    wishes = (config.GRADIENT_CHECKPOINTING, config.TOKENS_PER_BATCH, config.MAX_SEQ_LENGTH)
    plan = plan_pass(sizes, free, *wishes, compiled)
    if plan.checkpointing and compiled:
        compiled, why = False, "compiled layers would keep their activations"
        plan = plan_pass(sizes, free, *wishes, compiled)
    if compiled and config.USE_4BIT:
        beside = free - dequantization_bytes(sizes)
        least = max(MIN_TOKENS_TO_DEQUANTIZE, config.MAX_SEQ_LENGTH, config.TOKENS_PER_BATCH)
        if tokens_that_fit(sizes, beside, False, compiled) >= least:
            plan = plan_pass(sizes, beside, *wishes, compiled)._replace(dequantized=True)
            taken = dequantization_bytes(sizes) / 1e9
            print_rank0(
                f"Weights: NF4 values, dequantized once for all passes ({taken:.0f} GB are free for it)"
            )
    kept = "recomputed" if plan.checkpointing else "kept"
    print_rank0(f"Batch: up to {plan.tokens:,} tokens at once, activations {kept} ({plan.reason})")
    if plan.short:
        print_rank0(
            f"       MAX_SEQ_LENGTH {config.MAX_SEQ_LENGTH} may not fit; lower it if memory runs out."
        )
    if free is not None:
        print_rank0(f"Layers: {'compiled' if compiled else 'not compiled'} ({why})")
    return plan, compiled
