"""Batched answers, each kept as it finishes, and each depending on nothing but its own question."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import DynamicCache

from medqa.chat import ChatTemplate, harmless, render
from medqa.packing import token_ids
from medqa.run import UserError

# Most questions that a batch holds on the CPU, where more would not be faster.
CPU_BATCH = 64


class Prompt(NamedTuple):
    """One question, ready for generation."""

    id: str
    input_ids: list[int]
    cut: bool  # the question lost its middle, because the prompt was too long


class Answer(NamedTuple):
    """One finished answer."""

    id: str
    text: str
    finish: str  # "stop": the model ended it; "length": MAX_NEW_TOKENS ended it
    new_tokens: int
    repetition: float  # share of repeated 4-grams among its tokens, 0 to 1
    prompt_cut: bool


@dataclass(frozen=True)
class Decoding:
    """How answers are decoded: everything that, with model and prompt, determines an answer."""

    max_new_tokens: int
    temperature: float
    top_p: float
    seed: int
    stop_ids: tuple[int, ...]


def make_prompt(
    id: str, question: str, tokenizer: Any, template: ChatTemplate, system_message: str, max_length: int
) -> Prompt:
    """Tokenise the prompt of a question; one that is too long loses the middle of its question.

    The beginning of a question names the patient and its end asks, so both stay, and the assistant header
    is never touched.
    """
    [ids] = token_ids(tokenizer, [render(template, question, None, system_message)])
    if len(ids) <= max_length:
        return Prompt(id, ids, False)
    question = harmless(question)  # before it is cut, or half a control token would stay
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
    return Prompt(id, ids, True)


def _shortened(question: str, keep: int, tokenizer: Any, template: ChatTemplate, system: str) -> list[int]:
    """Token ids of the prompt whose question keeps `keep` characters, half at each end."""
    shorter = f"{question[: (keep + 1) // 2]} ... {question[len(question) - keep // 2 :]}"
    return token_ids(tokenizer, [render(template, shorter, None, system)])[0]


def answer_all(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    batch_size: int,
    keep: Callable[[Answer], None],
) -> int:
    """Answer every prompt and hand each answer to `keep` the moment it is finished.

    Prompts of similar length share a batch. When the memory does not suffice, the batch is halved and the
    unfinished questions start again. Returns the batch size that was used in the end.
    """
    waiting = sorted(prompts, key=lambda prompt: (-len(prompt.input_ids), prompt.id))
    while waiting:
        batch = waiting[:batch_size]
        done: set[str] = set()

        def finished(answer: Answer, done: set[str] = done) -> None:
            done.add(answer.id)
            keep(answer)

        try:
            _answer_batch(model, tokenizer, batch, decoding, finished)
        except torch.OutOfMemoryError:
            if batch_size == 1:
                raise
            batch_size = max(1, batch_size // 2)
            torch.cuda.empty_cache()
        waiting = [prompt for prompt in waiting if prompt.id not in done]
    return batch_size


@torch.inference_mode()
def _answer_batch(
    model: Any, tokenizer: Any, batch: Sequence[Prompt], decoding: Decoding, keep: Callable[[Answer], None]
) -> None:
    """Answer one batch with a key-value cache; a row leaves the batch when its answer ends."""
    device = model.device
    longest = max(len(prompt.input_ids) for prompt in batch)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    ids = [[pad] * (longest - len(prompt.input_ids)) + prompt.input_ids for prompt in batch]
    mask = [[0] * (longest - len(prompt.input_ids)) + [1] * len(prompt.input_ids) for prompt in batch]
    tokens = torch.tensor(ids, device=device)
    mask = torch.tensor(mask, device=device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    chance = torch.from_numpy(np.stack([_chances(prompt, decoding) for prompt in batch])).to(device)
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
        chosen = choose(logits, chance[:, step], decoding)
        going = []
        for row, token in enumerate(chosen.tolist()):
            text = written[rows[row]]
            if token not in decoding.stop_ids:
                text.append(token)
            if token in decoding.stop_ids or step + 1 == decoding.max_new_tokens:
                finish = "stop" if token in decoding.stop_ids else "length"
                keep(_answer(batch[rows[row]], text, finish, tokenizer))
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


def _chances(prompt: Prompt, decoding: Decoding) -> np.ndarray:
    """One uniform number per step, from (seed, prompt) alone: float64 [max_new_tokens].

    A seed for the whole batch would make an answer depend on its neighbours. Both models draw the same
    numbers for the same question, which takes chance out of their comparison.
    """
    text = f"{decoding.seed}/{' '.join(map(str, prompt.input_ids))}"
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key)).random(decoding.max_new_tokens)


def choose(logits: torch.Tensor, chance: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """The next token of each row.

    Args:
        logits: [rows, vocabulary].
        chance: float64 [rows], uniform in [0, 1).

    Temperature 0 takes the likeliest. Otherwise a token is drawn by the inverse of the cumulative
    distribution, among the likeliest tokens that together reach `top_p` (Holtzman et al., arXiv 1904.09751).
    """
    logits = logits.float()
    if decoding.temperature == 0:
        return logits.argmax(dim=-1)
    ordered, tokens = logits.sort(dim=-1, descending=True, stable=True)
    shares = torch.softmax(ordered / decoding.temperature, dim=-1, dtype=torch.float64).cumsum(dim=-1)
    reached = (shares < decoding.top_p).sum(dim=-1, keepdim=True).clamp(max=shares.shape[-1] - 1)
    drawn = chance[:, None] * shares.gather(1, reached)
    place = (shares <= drawn).sum(dim=-1, keepdim=True).clamp(max=shares.shape[-1] - 1)
    return tokens.gather(1, place)[:, 0]


def _answer(prompt: Prompt, ids: list[int], finish: str, tokenizer: Any) -> Answer:
    """Decode a finished answer and note what a reader should know of it."""
    text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()
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
    sizes = model.config
    head = getattr(sizes, "head_dim", None) or sizes.hidden_size // sizes.num_attention_heads
    row = 2 * sizes.num_hidden_layers * sizes.num_key_value_heads * head * 2 * longest
    free = torch.cuda.mem_get_info(model.device)[0]
    # Growing a cache copies it, so twice its size is needed for a moment.
    return max(1, min(512, int(0.8 * free / (2 * row))))


def shard(prompts: Sequence[Prompt]) -> list[Prompt]:
    """This process's share of the prompts, under `accelerate launch`."""
    process, processes = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    return list(prompts)[process::processes]
