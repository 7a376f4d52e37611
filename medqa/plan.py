"""How a step is cut to fit the card, whether its layers are compiled, and what a run will take."""

import os
import shutil
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from medqa import devices
from medqa.packing import bins
from medqa.screen import elapsed, say

# Tokens of one forward pass beyond which nothing gets faster (measured on an H100: 17,448 tokens a second at
# 8,000 tokens, 17,201 at 9,500), and with recomputation, where more tokens hide its cost.
MOST_KEPT, MOST_RECOMPUTED = 8192, 16384
# Compiling the layers of Llama-3-8B took 80 s there and made a token 25 microseconds cheaper.
COMPILING_PAYS_FROM = 4_000_000
COMPILING_SECONDS = 80
# What a pass takes beside the activations: logits and gradients of the head's rows, the CUDA libraries.
PASS_BYTES = 1.8e9
# Share of the card's rate in large products that a long pass reaches, compiled or not, and what every pass
# takes besides for each layer: fitted to 17,448, 15,706 and 13,075 tokens a second at 8,657, 4,562 and 2,600
# tokens a pass of compiled layers, and to 12,938 at 8,616 without, all within 10 %.
REACHED = {True: 0.71, False: 0.53}
PASS_SECONDS = 0.0013


class Plan(NamedTuple):
    """How a step is cut: tokens in one forward pass, recomputation of activations, and why."""

    tokens: int
    checkpointing: bool
    reason: str
    short: bool = False  # the memory may not suffice for the longest sequence


def bytes_per_token(sizes: Any, recomputed: bool, compiled: bool) -> float:
    """Memory that a token's activations take until the backward pass has used them.

    Measured on Llama-3-8B: 3.7 MB with compiled layers, 5.2 MB without, 0.43 MB when each layer is computed
    again; that is 2 x layers x (7 hidden + 2 inner), 2 x layers x (9 hidden + 3 inner) and 3.3 x layers x
    hidden.
    """
    layers, hidden, inner = sizes.num_hidden_layers, sizes.hidden_size, sizes.intermediate_size
    if recomputed:
        return 3.3 * layers * hidden
    return 2 * layers * ((7 * hidden + 2 * inner) if compiled else (9 * hidden + 3 * inner))


def plan_step(
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
    room = 0.92 * free_bytes - PASS_BYTES
    kept = bytes_per_token(sizes, False, compiled)
    on = checkpointing == "on" or (checkpointing == "auto" and room / kept < longest)
    fits = max(0, int(room / (bytes_per_token(sizes, True, compiled) if on else kept)))
    chosen = tokens or max(longest, min(MOST_RECOMPUTED if on else MOST_KEPT, fits // 256 * 256))
    return Plan(chosen, on, f"{free_bytes / 1e9:.0f} GB free hold about {fits:,}", fits < longest)


def compiles(wanted: str, is_cuda: bool, tokens_in_run: int, sharded: bool) -> tuple[bool, str]:
    """Whether the layers are compiled, and why.

    Args:
        wanted: "on", "off" or "auto".
        is_cuda: whether there is a GPU; on the CPU it would not pay.
        tokens_in_run: tokens of all epochs of this process.
        sharded: whether the processes share the base.
    """
    if is_cuda and sharded:
        return False, "the base is shared out"
    if not is_cuda or wanted == "off":
        return False, "COMPILE is off" if is_cuda else "no GPU"
    if not any(shutil.which(name) for name in filter(None, (os.environ.get("CC"), "cc", "gcc", "clang"))):
        return False, "there is no C compiler here; with one, such as gcc, training is a third faster"
    if wanted == "auto" and tokens_in_run < COMPILING_PAYS_FROM:
        return False, f"it would take longer than it saves on {tokens_in_run:,} tokens"
    return True, f"about {COMPILING_SECONDS} s at the start, then a third faster"


def choose(config: Any, sizes: Any, tokens_in_run: int, free: int | None, sharded: bool) -> tuple[Plan, bool]:
    """How a step is cut, and whether the layers are compiled; both said once, with the reason.

    Args:
        config: a TrainingConfig.
        sizes: the model's config.
        tokens_in_run: tokens of all epochs on this process.
        free: bytes free on the card beside the weights; None on the CPU.
        sharded: whether the processes share the base.

    Returns the plan, and whether to compile.
    """
    compiled, why = compiles(config.COMPILE, free is not None, tokens_in_run, sharded)
    wishes = (config.GRADIENT_CHECKPOINTING, config.TOKENS_PER_BATCH, config.MAX_SEQ_LENGTH)
    plan = plan_step(sizes, free, *wishes, compiled)
    if plan.checkpointing and compiled:
        compiled, why = False, "compiled layers would keep their activations"
        plan = plan_step(sizes, free, *wishes, compiled)
    kept = "recomputed" if plan.checkpointing else "kept"
    say(f"Batch: up to {plan.tokens:,} tokens at once, activations {kept} ({plan.reason})")
    if plan.short:
        say(f"       MAX_SEQ_LENGTH {config.MAX_SEQ_LENGTH} may not fit; lower it if memory runs out.")
    if free is not None:
        say(f"Layers: {'compiled' if compiled else 'not compiled'} ({why})")
    return plan, compiled


def multiplied_weights(sizes: Any) -> int:
    """Weights of a Llama-like model that every token is multiplied with: linear layers, and the head."""
    return _linear_weights(sizes) + sizes.vocab_size * sizes.hidden_size


def _linear_weights(sizes: Any) -> int:
    hidden, heads = sizes.hidden_size, sizes.num_attention_heads
    size = getattr(sizes, "head_dim", None) or hidden // heads
    kv_heads = getattr(sizes, "num_key_value_heads", None) or heads
    attention = 2 * hidden * size * (heads + kv_heads)
    return sizes.num_hidden_layers * (attention + 3 * hidden * sizes.intermediate_size)


def weight_bytes(sizes: Any, four_bit: bool, dtype_bytes: int, shards: int = 1) -> int:
    """Bytes of a Llama-like model's weights on one card; NF4 takes 4 bits a weight and 4 bytes for every 64.

    The linear layers may lie in shards on several cards; embeddings, head and the 4-byte scales do not, and
    two layers at a time are gathered.
    """
    embeddings = sizes.vocab_size * sizes.hidden_size * (1 if sizes.tie_word_embeddings else 2)
    bits, scales = (0.5, 0.0625) if four_bit else (dtype_bytes, 0.0)
    own = _linear_weights(sizes) * (bits / shards + scales) + embeddings * dtype_bytes
    return int(own) + (gathered_bytes(sizes, four_bit, dtype_bytes) if shards > 1 else 0)


def gathered_bytes(sizes: Any, four_bit: bool, dtype_bytes: int) -> int:
    """Bytes of the two layers that are together at a time when the base lies in parts on several cards."""
    return int(2 * _linear_weights(sizes) / sizes.num_hidden_layers * (0.5 if four_bit else dtype_bytes))


class Forecast(NamedTuple):
    """What a run will take."""

    gigabytes: float  # highest memory in use
    tokens_per_second: float
    seconds: float


def forecast(
    sizes: Any,
    weights: int,
    plan: Plan,
    compiled: bool,
    steps: Sequence[Sequence[int]],
    eval_tokens: int,
    evaluations: int,
    rate: float,
) -> Forecast:
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
    multiplied = multiplied_weights(sizes)
    reached = rate * REACHED[compiled]
    passes = [
        sum(lengths[index] for index in part) for lengths in steps for part in bins(lengths, plan.tokens)
    ]
    training = sum(passes) * multiplied * (6 if plan.checkpointing else 4) / reached
    training += len(passes) * PASS_SECONDS * sizes.num_hidden_layers
    speed = sum(passes) / training if passes else 0.0
    per_token = bytes_per_token(sizes, plan.checkpointing, compiled)
    memory = weights + PASS_BYTES + max(passes, default=0) * per_token
    seconds = training + evaluations * eval_tokens * 2 * multiplied / reached
    return Forecast(memory / 1e9, speed, seconds + compiled * COMPILING_SECONDS)


def product_rate(device: str) -> float:
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


def foretell(
    config: Any, sizes: Any, device: devices.Device, lengths: Sequence[Sequence[int]], eval_tokens: int,
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
    free = devices.free_memory(device.name) - weights if device.is_cuda else None
    cut, compiled = choose(config, sizes, sum(map(sum, steps)), free, shards > 1)
    say(f"Steps: {len(lengths)} an epoch, {len(steps)} in all, {sum(map(sum, steps)):,} tokens on each card")
    if not device.is_cuda:
        say(f"Memory: {weights / 1e9:.1f} GB of weights; time is foretold for GPUs only")
        return
    evaluations = 1 + (len(steps) // config.EVAL_STEPS if config.EVAL_STEPS else config.NUM_EPOCHS)
    rate = product_rate(device.name)
    told = forecast(sizes, weights, cut, compiled, steps, eval_tokens, evaluations, rate)
    say(f"Memory: about {told.gigabytes:.1f} GB at the most")
    without = ", the exchange between cards not counted" if shards > 1 else ""
    say(
        f"Time: about {elapsed(told.seconds)}, {told.tokens_per_second:,.0f} tokens a second on each "
        f"card{without}"
    )
