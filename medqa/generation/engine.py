"""Answers prompts in batches. An answer depends on its question only, and is stored as soon as it ends."""

import gc
from array import array
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import DynamicCache

from medqa.generation.continuous_batching import ContinuousBatcher, Prompt, shared_prefix, uniform_draws
from medqa.generation.kv_cache import cache_shape
from medqa.generation.sampling import Decoding, choose_tokens
from medqa.modeling import varlen_attention
from medqa.modeling.chat_template import ChatTemplate, neutralize_control_tokens, render
from medqa.modeling.device import free_memory
from medqa.modeling.fp8 import is_fp8
from medqa.modeling.tokenization import token_ids
from medqa.runtime.console import counted, print_rank0
from medqa.runtime.errors import UserError

# Questions answered at once on a CPU, where more are not faster.
CPU_BATCH = 64
# Most questions answered at once on a GPU, where the matrix products then keep the card busy.
LARGEST_BATCH = 512

# Called with each finished answer: its prompt, its tokens, and whether a stop token ended it.
Finished = Callable[[Prompt, list[int], bool], None]


class Answer(NamedTuple):
    """One finished answer."""

    id: str
    hypothesis: str
    finish: str  # "stop": the model ended it; "length": MAX_NEW_TOKENS ended it
    new_tokens: int
    repetition: float  # share of repeated 4-grams among its tokens, 0 to 1
    prompt_cut: bool


def make_prompt(
    id: str, question: str, tokenizer: Any, template: ChatTemplate, system_message: str, max_length: int
) -> Prompt:
    """Tokenize the prompt of a question; if it is too long, the question loses its middle.

    The start of a question describes the patient and its end asks, so both stay. The assistant header is
    never cut.

    Raises:
        UserError: `max_length` is too short for a prompt without a question.
    """
    [ids] = token_ids(tokenizer, [render(template, question, None, system_message)])
    if len(ids) <= max_length:
        return Prompt(id, array("i", ids), False)
    question = neutralize_control_tokens(question)  # before the cut, which could leave half a control token
    fits, too_many = 0, len(question)  # characters that stay
    while too_many - fits > 1:
        keep = (fits + too_many) // 2
        trial = _shortened(question, keep, tokenizer, template, system_message)
        fits, too_many = (keep, too_many) if len(trial) <= max_length else (fits, keep)
    ids = _shortened(question, fits, tokenizer, template, system_message)
    if len(ids) > max_length:
        raise UserError(
            f"MAX_PROMPT_LENGTH {max_length} is too short for any question: the rest of the prompt takes "
            f"{len(ids)} tokens."
        )
    return Prompt(id, array("i", ids), True)


def _shortened(question: str, keep: int, tokenizer: Any, template: ChatTemplate, system: str) -> list[int]:
    """Token ids of the prompt with `keep` characters of its question, half from each end."""
    shorter = f"{question[: (keep + 1) // 2]} ... {question[len(question) - keep // 2 :]}"
    return token_ids(tokenizer, [render(template, shorter, None, system)])[0]


def answer_all(
    causal: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    batch_size: int,
    keep: Callable[[Answer], None],
) -> None:
    """Answer every prompt, and call `keep` with each answer as soon as it ends.

    When the GPU runs out of memory, the batch is halved and the unfinished questions start again.
    """
    longest = max((len(prompt.input_ids) for prompt in prompts), default=0) + decoding.max_new_tokens
    without_padding = varlen_attention.is_decoded(causal.config, longest)
    # The longest first, so that memory runs out at once or never.
    ordered = sorted(prompts, key=lambda prompt: (-len(prompt.input_ids), prompt.id))
    waiting = {prompt.id: prompt for prompt in ordered}
    torch.cuda.empty_cache()  # so that one large block can be allocated for the key-value cache

    def finished(prompt: Prompt, ids: list[int], stopped: bool) -> None:
        del waiting[prompt.id]
        keep(_answer(prompt, ids, "stop" if stopped else "length", tokenizer))

    while waiting:
        batch = list(waiting.values())
        try:
            if without_padding:
                _answer_continuously(causal, batch, decoding, batch_size, finished)
            else:
                _answer_padded(causal, batch[:batch_size], decoding, finished)
        except torch.OutOfMemoryError:
            if batch_size == 1:
                raise
            batch_size = max(1, min(batch_size, len(batch)) // 2)
            print_rank0(f"Out of memory: going on with {counted(batch_size, 'question')} at once")
        else:
            continue
        gc.collect()  # frees the key-value cache of the failed attempt
        torch.cuda.empty_cache()


@torch.inference_mode()
def _answer_continuously(
    causal: Any, prompts: Sequence[Prompt], decoding: Decoding, rows: int, finished: Finished
) -> None:
    """Answer prompts side by side; the next question takes the row of an answer that ended."""
    longest = max(len(prompt.input_ids) for prompt in prompts) + decoding.max_new_tokens
    waiting = deque(prompts)
    batcher = ContinuousBatcher(causal, decoding, min(rows, len(prompts)), longest, shared_prefix(prompts))
    while waiting or len(batcher):
        if waiting and (not len(batcher) or batcher.free >= max(1, rows // 8)):
            batcher.admit([waiting.popleft() for _ in range(min(batcher.free, len(waiting)))])
        for prompt, ids, stopped in batcher.decode():
            finished(prompt, ids, stopped)


@torch.inference_mode()
def _answer_padded(model: Any, batch: Sequence[Prompt], decoding: Decoding, finished: Finished) -> None:
    """Answer one batch, padded on the left; a row leaves the batch when its answer ends.

    Uses transformers' own cache and attention, for models that `medqa.modeling.varlen_attention` does not
    support.
    """
    device = model.device
    longest = max(len(prompt.input_ids) for prompt in batch)
    padding = [longest - len(prompt.input_ids) for prompt in batch]
    ids = [[0] * pad + prompt.input_ids.tolist() for pad, prompt in zip(padding, batch, strict=True)]
    tokens = torch.tensor(ids, device=device)
    mask = torch.tensor([[0] * pad + [1] * (longest - pad) for pad in padding], device=device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    draws = torch.from_numpy(np.stack([uniform_draws(prompt, decoding) for prompt in batch])).to(device)
    answers: list[tuple[Prompt, list[int]]] = [(prompt, []) for prompt in batch]
    cache = DynamicCache(config=model.config)
    for step in range(decoding.max_new_tokens):
        logits = model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        chosen, _ = choose_tokens(logits, draws[:, step], decoding)
        active = []
        for row, token in enumerate(chosen.tolist()):
            prompt, written = answers[row]
            stopped = token in decoding.stop_ids
            if not stopped:
                written.append(token)
            if stopped or step + 1 == decoding.max_new_tokens:
                finished(prompt, written, stopped)
            else:
                active.append(row)
        if not active:
            return
        if len(active) < len(answers):
            chosen, mask, positions, draws = (part[active] for part in (chosen, mask, positions, draws))
            cache.batch_select_indices(torch.tensor(active, device=device))
            answers = [answers[row] for row in active]
        tokens = chosen[:, None]
        mask = torch.cat([mask, mask.new_ones(len(answers), 1)], dim=1)
        positions = positions[:, -1:] + 1


def _answer(prompt: Prompt, ids: list[int], finish: str, tokenizer: Any) -> Answer:
    """Decode the tokens of a finished answer."""
    text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")  # before Python 3.11, csv cannot write a NUL
    return Answer(prompt.id, text, finish, len(ids), round(repetition(ids), 4), prompt.cut)


def repetition(ids: Sequence[int]) -> float:
    """Share of 4-grams that occurred before: 0 for text without repeats, near 1 for an endless loop."""
    grams = Counter(tuple(ids[start : start + 4]) for start in range(len(ids) - 3))
    total = grams.total()
    return 1 - len(grams) / total if total else 0.0


def choose_batch_size(wanted: int, automatic: bool, model: Any, longest: int) -> tuple[int, str]:
    """Questions answered at once: `wanted`, or as many as the memory holds when `automatic`; and the reason.

    A row of the cache takes 2 x layers x key-value heads x head size x 2 bytes a token: 128 KB in Llama-3-8B.
    A cache in e4m3 takes 1 byte each.
    """
    if not automatic:
        return wanted, "BATCH_SIZE, because AUTO_BATCH_SIZE is off"
    if model.device.type == "cpu":
        return CPU_BATCH, "more are not faster on a CPU"
    layers, heads, head_size = cache_shape(model.config)
    in_e4m3 = is_fp8(model) and varlen_attention.is_decoded(model.config, longest)
    row_bytes = 2 * layers * heads * head_size * (1 if in_e4m3 else 2) * longest
    free = free_memory(str(model.device))
    # The rest is for prefill and logits.
    fit = int((0.9 * free - 2**31) / row_bytes)
    return max(1, min(LARGEST_BATCH, fit)), "as many as the memory holds"
