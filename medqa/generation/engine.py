"""Batched answers, each kept as it finishes, and each depending on nothing but its own question."""

import gc
from array import array
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import DynamicCache

from medqa.generation.continuous_batching import ContinuousBatcher, Prompt, cache_shape, uniform_draws
from medqa.generation.sampling import Decoding, choose_tokens
from medqa.modeling import varlen_attention
from medqa.modeling.chat_template import ChatTemplate, neutralize_control_tokens, render
from medqa.modeling.device import free_memory
from medqa.modeling.tokenization import token_ids
from medqa.runtime.console import counted, print_rank0
from medqa.runtime.errors import UserError

# Most questions that a batch holds on the CPU, where more would not be faster.
CPU_BATCH = 64
# Most on a GPU, where the products are as large as the card can use.
LARGEST_BATCH = 512

# Called with each finished answer: its prompt, its tokens, and whether the model ended it.
Finished = Callable[[Prompt, list[int], bool], None]


class Answer(NamedTuple):
    """One finished answer."""

    id: str
    text: str
    finish: str  # "stop": the model ended it; "length": MAX_NEW_TOKENS ended it
    new_tokens: int
    repetition: float  # share of repeated 4-grams among its tokens, 0 to 1
    prompt_cut: bool


def make_prompt(
    id: str, question: str, tokenizer: Any, template: ChatTemplate, system_message: str, max_length: int
) -> Prompt:
    """Tokenise the prompt of a question; one that is too long loses the middle of its question.

    The beginning of a question names the patient and its end asks, so both stay, and the assistant header
    is never touched.
    """
    [ids] = token_ids(tokenizer, [render(template, question, None, system_message)])
    if len(ids) <= max_length:
        return Prompt(id, array("i", ids), False)
    question = neutralize_control_tokens(question)  # before it is cut, or half a control token would stay
    fewest, most = 0, len(question)  # characters that stay: `fewest` always fits
    while most - fewest > 1:
        keep = (fewest + most) // 2
        trial = _shortened(question, keep, tokenizer, template, system_message)
        fewest, most = (keep, most) if len(trial) <= max_length else (fewest, keep)
    ids = _shortened(question, fewest, tokenizer, template, system_message)
    if len(ids) > max_length:
        raise UserError(
            f"MAX_PROMPT_LENGTH {max_length} leaves no room for a question: it takes {len(ids)} tokens "
            "without one."
        )
    return Prompt(id, array("i", ids), True)


def _shortened(question: str, keep: int, tokenizer: Any, template: ChatTemplate, system: str) -> list[int]:
    """Token ids of the prompt whose question keeps `keep` characters, half at each end."""
    shorter = f"{question[: (keep + 1) // 2]} ... {question[len(question) - keep // 2 :]}"
    return token_ids(tokenizer, [render(template, shorter, None, system)])[0]


def answer_all(
    causal: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    batch_size: int,
    keep: Callable[[Answer], None],
) -> int:
    """Answer every prompt and hand each answer to `keep` the moment it is finished.

    When the memory does not suffice, the batch is halved and the unfinished questions start again. Returns
    the batch size that was used in the end.
    """
    longest = max((len(prompt.input_ids) for prompt in prompts), default=0) + decoding.max_new_tokens
    answer_some = (
        _answer_in_slots if varlen_attention.is_supported(causal.config, longest) else _answer_in_batches
    )
    waiting = sorted(prompts, key=lambda prompt: (-len(prompt.input_ids), prompt.id))
    while waiting:
        done: set[str] = set()

        def finished(prompt: Prompt, ids: list[int], stopped: bool, done: set[str] = done) -> None:
            done.add(prompt.id)
            keep(_answer(prompt, ids, "stop" if stopped else "length", tokenizer))

        try:
            answer_some(causal, waiting, decoding, batch_size, finished)
        except torch.OutOfMemoryError:
            if batch_size == 1:
                raise
            batch_size = max(1, min(batch_size, len(waiting)) // 2)
            print_rank0(f"Out of memory: going on with {counted(batch_size, 'question')} at once")
        waiting = [prompt for prompt in waiting if prompt.id not in done]
        if waiting:
            gc.collect()  # a failed attempt's cache goes before the next one begins
            torch.cuda.empty_cache()
    return batch_size


@torch.inference_mode()
def _answer_in_slots(
    causal: Any, prompts: Sequence[Prompt], decoding: Decoding, rows: int, finished: Finished
) -> None:
    """Answer prompts side by side; a question takes the row of one that ended."""
    room = -(-(max(len(prompt.input_ids) for prompt in prompts) + decoding.max_new_tokens) // 64) * 64
    waiting = deque(prompts)
    with varlen_attention.enabled(causal):
        batcher = ContinuousBatcher(causal, decoding, min(rows, len(prompts)), room)
        while waiting or len(batcher):
            if waiting and (not len(batcher) or batcher.free >= max(1, rows // 8)):
                batcher.admit([waiting.popleft() for _ in range(min(batcher.free, len(waiting)))])
            for prompt, ids, stopped in batcher.decode():
                finished(prompt, ids, stopped)


@torch.inference_mode()
def _answer_in_batches(
    model: Any, prompts: Sequence[Prompt], decoding: Decoding, rows: int, finished: Finished
) -> None:
    """Answer with transformers' own cache and attention, for models that `medqa.modeling.varlen_attention`
    does not fit.
    """
    for start in range(0, len(prompts), rows):
        _answer_batch(model, prompts[start : start + rows], decoding, finished)


def _answer_batch(model: Any, batch: Sequence[Prompt], decoding: Decoding, finished: Finished) -> None:
    """Answer one batch, padded on the left; a row leaves the batch when its answer ends."""
    device = model.device
    longest = max(len(prompt.input_ids) for prompt in batch)
    padding = [longest - len(prompt.input_ids) for prompt in batch]
    ids = [[0] * more + prompt.input_ids.tolist() for more, prompt in zip(padding, batch, strict=True)]
    tokens = torch.tensor(ids, device=device)
    mask = torch.tensor([[0] * more + [1] * (longest - more) for more in padding], device=device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    chance = torch.from_numpy(np.stack([uniform_draws(prompt, decoding) for prompt in batch])).to(device)
    written: list[list[int]] = [[] for _ in batch]
    rows = list(range(len(batch)))  # which question each row of the tensors belongs to
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
        chosen, _ = choose_tokens(logits, chance[:, step], decoding)
        going = []
        for row, token in enumerate(chosen.tolist()):
            text = written[rows[row]]
            if token in decoding.stop_ids:
                finished(batch[rows[row]], text, True)
                continue
            text.append(token)
            if step + 1 == decoding.max_new_tokens:
                finished(batch[rows[row]], text, False)
            else:
                going.append(row)
        if not going:
            return
        if len(going) < len(rows):
            chosen, mask, positions, chance = (part[going] for part in (chosen, mask, positions, chance))
            cache.batch_select_indices(torch.tensor(going, device=device))
            rows = [rows[row] for row in going]
        tokens = chosen[:, None]
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        positions = positions[:, -1:] + 1


def _answer(prompt: Prompt, ids: list[int], finish: str, tokenizer: Any) -> Answer:
    """Decode a finished answer and note what a reader should know of it."""
    text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")  # which no CSV can hold before Python 3.11
    return Answer(prompt.id, text, finish, len(ids), round(repeated(ids), 4), prompt.cut)


def repeated(ids: Sequence[int]) -> float:
    """Share of 4-grams that had occurred before: 0 for text without repeats, near 1 for a runaway loop."""
    grams = Counter(tuple(ids[start : start + 4]) for start in range(len(ids) - 3))
    total = grams.total()
    return 1 - len(grams) / total if total else 0.0


def starting_batch(wanted: int, automatic: bool, model: Any, longest: int) -> int:
    """Questions answered at once: `wanted`, or as many as the memory holds when `automatic`.

    A row's cache takes 2 x layers x key-value heads x head size x 2 bytes a token: 128 KB in Llama-3-8B.
    """
    if not automatic:
        return wanted
    if model.device.type == "cpu":
        return CPU_BATCH
    layers, heads, size = cache_shape(model.config)
    row = 2 * layers * heads * size * 2 * longest
    free = free_memory(str(model.device))
    # The rest is for the passes over prompts and for the logits.
    return max(1, min(LARGEST_BATCH, int((0.9 * free - 2**31) / row)))
