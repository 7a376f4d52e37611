"""Rows of a key-value cache in which many answers are written side by side, one token each at every step.

A row whose answer has ended is taken by the next question, or by the last row, so that the rows in use are
always the first ones. On a GPU a step is recorded once for each of a few widths and then replayed (CUDA
graphs): launching its thousand small kernels one by one would take longer than the kernels do.
"""

import hashlib
from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from medqa.generation.sampling import Decoding, choose_tokens

# Steps between two looks at what was written, on a GPU: each look waits for it.
STEPS_PER_LOOK = 8
# Tokens of one forward pass over new prompts.
PROMPT_TOKENS = 16384
# Tokens among which a sampled one is first sought; see `sampling.choose_tokens`.
CANDIDATES = 64


class Prompt(NamedTuple):
    """One question, ready for generation."""

    id: str
    input_ids: array  # int32 [length]; a list would take ten times as much
    cut: bool  # the question lost its middle, because the prompt was too long


class StaticKVCache:
    """Keys and values: [layers, 2, rows, key-value heads, room, head size].

    Stands where transformers expects its Cache; a layer calls `update`, and everything else is ours.
    """

    is_compileable = False

    def __init__(self, config: Any, rows: int, room: int, device: Any, dtype: torch.dtype) -> None:
        layers, heads, size = cache_shape(config)
        self.states = torch.zeros((layers, 2, rows, heads, room, size), device=device, dtype=dtype)
        self._rows = self._places = torch.empty(0)
        self._reading = 0

    def write_at(self, rows: torch.Tensor, places: torch.Tensor, reading: int) -> None:
        """Where the next forward pass writes, token by token; `reading` rows are then read, or none."""
        self._rows, self._places, self._reading = rows, places, reading

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store what a layer made of the new tokens; returns what its attention shall read."""
        if self._reading:  # [rows, heads, 1, size]: one token in each row
            new = (key[:, :, 0], value[:, :, 0])
        else:  # [1, heads, tokens, size]: prompts laid end to end
            new = (key[0].transpose(0, 1), value[0].transpose(0, 1))
        for states, made in zip(self.states[layer], new, strict=True):
            states[self._rows, :, self._places] = made
        if not self._reading:
            return key, value
        return self.states[layer, 0, : self._reading], self.states[layer, 1, : self._reading]

    def get_seq_length(self, *_: Any, **__: Any) -> int:
        """Nothing, as far as transformers' masks are concerned; rows know their own length."""
        return 0

    get_query_offset = get_seq_length

    def get_mask_sizes(self, query_length: int, *_: Any, **__: Any) -> tuple[int, int]:
        """For a mask that is never made."""
        return query_length, 0


def cache_shape(config: Any) -> tuple[int, int, int]:
    """Layers, key-value heads and head size of a model."""
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    return config.num_hidden_layers, getattr(config, "num_key_value_heads", None) or heads, size


class ContinuousBatcher:
    """Answers being written, a row each.

    Args:
        causal: a causal language model with `medqa.modeling.varlen_attention` in use.
        decoding: how tokens are chosen.
        rows: answers written at once.
        room: tokens of the longest prompt and its answer.
    """

    def __init__(self, causal: Any, decoding: Decoding, rows: int, room: int) -> None:
        self.causal, self.decoding, self.room = causal, decoding, room
        device, head = causal.device, causal.get_output_embeddings()
        self.on_gpu = device.type == "cuda"
        self.cache = StaticKVCache(causal.config, rows, room, device, causal.dtype)
        self.tokens = torch.zeros((rows, 1), dtype=torch.int64, device=device)
        self.places = torch.zeros(rows, dtype=torch.int64, device=device)  # of each row's newest token
        self.steps = torch.zeros(rows, dtype=torch.int64, device=device)  # tokens written so far
        self.uniform_draws = torch.zeros((rows, decoding.max_new_tokens), dtype=torch.float64, device=device)
        self.output = torch.zeros((STEPS_PER_LOOK, rows), dtype=torch.int64, device=device)
        self.column = torch.zeros(1, dtype=torch.int64, device=device)
        self.unsure = torch.zeros((), dtype=torch.bool, device=device)
        self.every_row = torch.arange(rows, device=device)
        self.candidates = CANDIDATES if head.out_features > 16 * CANDIDATES else 0
        self.prompts: list[Prompt] = []  # of the rows in use
        self.written: list[list[int]] = []
        self._recorded: dict[tuple[int, int], Callable[[], None]] = {}
        # One pool for all recorded steps, of which only one runs at a time.
        self._pool = torch.cuda.graph_pool_handle() if self.on_gpu else None

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def free(self) -> int:
        """Rows without an answer in the making."""
        return len(self.tokens) - len(self)

    def admit(self, prompts: Sequence[Prompt]) -> None:
        """Read prompts into free rows. Each one's last token is left to the first step of its answer."""
        first, device = len(self), self.tokens.device
        rows = slice(first, first + len(prompts))
        self.tokens[rows, 0] = torch.tensor([p.input_ids[-1] for p in prompts], device=device)
        self.places[rows] = torch.tensor([len(p.input_ids) - 1 for p in prompts], device=device)
        self.steps[rows] = 0
        drawn = np.stack([uniform_draws(prompt, self.decoding) for prompt in prompts])
        self.uniform_draws[rows] = torch.from_numpy(drawn).to(device)
        part: list[tuple[int, list[int]]] = []
        for row, prompt in enumerate(prompts, first):
            ids = prompt.input_ids[:-1]
            if part and sum(len(ids) for _, ids in part) + len(ids) > PROMPT_TOKENS:
                self._prefill(part)
                part = []
            if ids:
                part.append((row, ids))
        if part:
            self._prefill(part)
        self.prompts += prompts
        self.written += [[] for _ in prompts]

    def _prefill(self, part: Sequence[tuple[int, list[int]]]) -> None:
        """One forward pass over prompts laid end to end, for their keys and values alone."""
        lengths = [len(ids) for _, ids in part]

        def tensor(numbers: Any, kind: torch.dtype = torch.int64) -> torch.Tensor:
            return torch.from_numpy(np.asarray(numbers)).to(self.tokens.device, kind)

        places = tensor(np.concatenate([np.arange(length) for length in lengths]))
        borders = tensor(np.cumsum([0, *lengths]), torch.int32)
        self.cache.write_at(tensor(np.repeat([row for row, _ in part], lengths)), places, 0)
        self.causal.get_decoder()(
            input_ids=tensor(np.concatenate([ids for _, ids in part]))[None],
            position_ids=places[None],
            past_key_values=self.cache,
            use_cache=True,
            cu_seq_lens_q=borders,
            cu_seq_lens_k=borders,
            max_length_q=max(lengths),
            max_length_k=max(lengths),
        )

    def decode(self) -> list[tuple[Prompt, list[int], bool]]:
        """Write on, a few tokens in each row; returns what ended: prompt, tokens, by itself."""
        looks = STEPS_PER_LOOK if self.on_gpu else 1
        width = self._width()
        before = [part.clone() for part in (self.tokens, self.places, self.steps)]
        self._run(width, looks, self.candidates)
        if bool(self.unsure):  # some row had too many likely tokens: the same steps again, over all tokens
            for part, was in zip((self.tokens, self.places, self.steps), before, strict=True):
                part.copy_(was)
            self.candidates = 0
            self._run(width, looks, 0)
        ended = []
        for row, column in enumerate(self.output[:looks, : len(self)].T.tolist()):
            text = self.written[row]
            for token in column:
                if token in self.decoding.stop_ids:
                    ended.append((row, True))
                    break
                text.append(token)
                if len(text) == self.decoding.max_new_tokens:
                    ended.append((row, False))
                    break
        return [(*self._evict(row), stopped) for row, stopped in reversed(ended)]

    def _evict(self, row: int) -> tuple[Prompt, list[int]]:
        """Give up a row; the last one in use moves into it."""
        last = len(self) - 1
        gone = self.prompts[row], self.written[row]
        if row != last:
            self.cache.states[:, :, row] = self.cache.states[:, :, last]
            for part in (self.tokens, self.places, self.steps, self.uniform_draws):
                part[row] = part[last]
            self.prompts[row], self.written[row] = self.prompts[last], self.written[last]
        self.prompts.pop()
        self.written.pop()
        return gone

    def _width(self) -> int:
        """Rows that a step computes: those in use; on a GPU the next larger of a few recorded widths."""
        if not self.on_gpu:
            return len(self)
        width = rows = len(self.tokens)
        while width > 8 and len(self) <= (smaller := -(-width * 3 // 4)):
            width = smaller
        return min(width, rows)

    def _run(self, width: int, steps: int, candidates: int) -> None:
        """Take some steps, recorded ones where there are."""
        self.column.zero_()
        self.unsure.zero_()
        if not self.on_gpu:
            for _ in range(steps):
                self._step(width, candidates)
            return
        key = (width, candidates)
        if key not in self._recorded:
            self._recorded[key] = self._record(width, candidates)
        for _ in range(steps):
            self._recorded[key]()

    def _record(self, width: int, candidates: int) -> Callable[[], None]:
        """A step as a CUDA graph; the step itself for a model that cannot be recorded."""
        parts = (self.tokens, self.places, self.steps, self.column, self.unsure)
        before = [part.clone() for part in parts]
        graph = torch.cuda.CUDAGraph()
        replay: Callable[[], None] = graph.replay
        try:
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):  # once before recording, so that every library has set itself up
                self._step(width, candidates)
            torch.cuda.current_stream().wait_stream(stream)
            with torch.cuda.graph(graph, pool=self._pool):
                self._step(width, candidates)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:

            def replay() -> None:
                self._step(width, candidates)

        for part, was in zip(parts, before, strict=True):
            part.copy_(was)
        return replay

    def _step(self, width: int, candidates: int) -> None:
        """One token in each of the first `width` rows."""
        places, steps = self.places[:width], self.steps[:width]
        self.cache.write_at(self.every_row[:width], places, width)
        hidden = self.causal.get_decoder()(
            input_ids=self.tokens[:width],
            position_ids=places[:, None],
            past_key_values=self.cache,
            use_cache=True,
            kv_lengths=(places + 1).to(torch.int32),
        ).last_hidden_state[:, 0]
        logits = self.causal.get_output_embeddings()(hidden)
        chance = self.uniform_draws[:width].gather(1, steps[:, None])[:, 0]
        chosen, topk_exact = choose_tokens(logits, chance, self.decoding, candidates)
        self.output[:, :width].index_copy_(0, self.column, chosen[None])
        self.unsure |= ~topk_exact
        self.tokens[:width, 0] = chosen
        # Rows without an answer in the making are computed too, and must stay where there is room.
        places.add_(1).clamp_(max=self.room - 1)
        steps.add_(1).clamp_(max=self.decoding.max_new_tokens - 1)
        self.column.add_(1)


def uniform_draws(prompt: Prompt, decoding: Decoding) -> np.ndarray:
    """One uniform number per step, from (seed, prompt) alone: float64 [max_new_tokens].

    A seed for the whole batch would make an answer depend on its neighbours. Both models draw the same
    numbers for the same question, which takes chance out of their comparison.
    """
    text = f"{decoding.seed}/{' '.join(map(str, prompt.input_ids))}"
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key)).random(decoding.max_new_tokens)
