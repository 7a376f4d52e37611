"""Continuous batching: many answers are decoded side by side, one token each per step.

When an answer ends, the last row in use moves into its row, so that the rows in use are always the first
ones, and new questions follow them. On a GPU a step is recorded as a CUDA graph for each of a few widths and
then replayed: launching its thousand small kernels one by one would take longer than the kernels run.
"""

import functools
import hashlib
from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from medqa.generation.fused_decoder import FusedDecoder
from medqa.generation.kv_cache import StaticKVCache, cache_dtype, read_tokens
from medqa.generation.sampling import Decoding, choose_tokens
from medqa.modeling.decode_attention import decode_attention
from medqa.modeling.varlen_attention import packed_attention

# Decode steps between two checks for finished answers on a GPU: each check waits for the GPU.
STEPS_PER_CHECK = 8
# Tokens of one forward pass over new prompts.
PREFILL_TOKENS = 16384
# Candidates of the top-k that sampling tries first; see `sampling.choose_tokens`.
CANDIDATES = 64


class Prompt(NamedTuple):
    """One tokenized question."""

    id: str
    input_ids: array  # int32 [length]; a list would take ten times the memory
    cut: bool  # the question lost its middle, because the prompt was too long


class ContinuousBatcher:
    """The answers that are being decoded, one per row.

    Args:
        causal: a causal language model that `medqa.modeling.varlen_attention.is_decoded` accepts.
        decoding: how tokens are chosen.
        rows: answers decoded at once.
        max_seq_len: tokens of the longest prompt and its answer.
        prefix: the tokens with which every prompt starts.
    """

    def __init__(
        self, causal: Any, decoding: Decoding, rows: int, max_seq_len: int, prefix: array | None = None
    ) -> None:
        self.decoding, self.max_seq_len = decoding, max_seq_len
        self.on_gpu = causal.device.type == "cuda"
        self.decoder = FusedDecoder(causal, max_seq_len)
        self.cache = StaticKVCache(causal.config, rows, max_seq_len, causal.device, cache_dtype(causal))
        zeros = functools.partial(torch.zeros, device=causal.device, dtype=torch.int64)
        self.tokens = zeros(rows)
        self.positions = zeros(rows)  # of each row's newest token
        self.steps = zeros(rows)  # tokens decoded so far
        self.uniform_draws = zeros((rows, decoding.max_new_tokens), dtype=torch.float64)
        self.output = zeros((STEPS_PER_CHECK, rows))
        self.column = zeros(1)
        self.needs_full_sort = zeros((), dtype=torch.bool)
        self.row_numbers = torch.arange(rows, device=causal.device)
        vocabulary = causal.get_output_embeddings().out_features
        self.candidates = CANDIDATES if vocabulary > 16 * CANDIDATES else 0
        self.prompts: list[Prompt] = []  # of the rows in use
        self.written: list[list[int]] = []
        self._step_functions: dict[tuple[int, int], Callable[[], object]] = {}
        # One memory pool for all CUDA graphs, because only one of them runs at a time.
        self._pool = torch.cuda.graph_pool_handle() if self.on_gpu else None
        self.prefix_length = 0
        if prefix:
            self._prefill([(0, prefix)])
            self.prefix_length = len(prefix)
            self.cache.keep_prefix(self.prefix_length)

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def free(self) -> int:
        """Rows that are not in use."""
        return len(self.tokens) - len(self)

    def admit(self, prompts: Sequence[Prompt]) -> None:
        """Prefill prompts into free rows. The first decode step reads each prompt's last token."""
        first, device = len(self), self.tokens.device
        rows = slice(first, first + len(prompts))
        self.tokens[rows] = torch.tensor([p.input_ids[-1] for p in prompts], device=device)
        self.positions[rows] = torch.tensor([len(p.input_ids) - 1 for p in prompts], device=device)
        self.steps[rows] = 0
        draws = np.stack([uniform_draws(prompt, self.decoding) for prompt in prompts])
        self.uniform_draws[rows] = torch.from_numpy(draws).to(device)
        self.cache.write_prefix(rows)
        group: list[tuple[int, array]] = []
        for row, prompt in enumerate(prompts, first):
            ids = prompt.input_ids[self.prefix_length : -1]
            if group and sum(len(ids) for _, ids in group) + len(ids) > PREFILL_TOKENS:
                self._prefill(group)
                group = []
            if ids:
                group.append((row, ids))
        if group:
            self._prefill(group)
        self.prompts += prompts
        self.written += [[] for _ in prompts]

    def _prefill(self, group: Sequence[tuple[int, array]]) -> None:
        """One forward pass over prompts laid end to end, for their keys and values only.

        Each prompt is given without the shared prefix, which its row of the cache holds already.
        """
        rows, lengths = [row for row, _ in group], np.array([len(ids) for _, ids in group])
        ends = lengths + self.prefix_length

        def tensor(numbers: Any, dtype: torch.dtype = torch.int64) -> torch.Tensor:
            return torch.from_numpy(np.asarray(numbers)).to(self.tokens.device, dtype)

        def spans(starts: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
            """Row and position of each token from its prompt's start on, the boundaries, the longest."""
            sizes = ends - starts
            positions = np.concatenate([np.arange(*span) for span in zip(starts, ends, strict=True)])
            boundaries = tensor(np.cumsum([0, *sizes]), torch.int32)
            return tensor(np.repeat(rows, sizes)), tensor(positions), boundaries, int(sizes.max())

        new_rows, new_positions, boundaries, longest = spans(ends - lengths)
        all_rows, all_positions, all_boundaries, longest_all = spans(np.zeros_like(ends))

        def attention(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
            cached = all_rows, all_positions, query.dtype
            key, value = (read_tokens(states, *cached) for states in (keys, values))
            states = (part.transpose(0, 1)[None] for part in (query, key, value))
            lengths = boundaries, all_boundaries, longest, longest_all
            return packed_attention(None, *states, None, self.decoder.scaling, *lengths)[0][0]

        ids = tensor(np.concatenate([ids for _, ids in group]))
        self.decoder(ids, new_rows, new_positions, self.cache, attention)

    def decode(self) -> list[tuple[Prompt, list[int], bool]]:
        """Decode a few tokens in each row.

        Returns the answers that ended: prompt, tokens, and whether a stop token ended them.
        """
        steps = STEPS_PER_CHECK if self.on_gpu else 1
        width = self._width()
        state = self.tokens, self.positions, self.steps
        before = [tensor.clone() for tensor in state]
        self._run(width, steps, self.candidates)
        if bool(self.needs_full_sort):  # in some row: repeat the same steps with the whole vocabulary
            for tensor, saved in zip(state, before, strict=True):
                tensor.copy_(saved)
            self.candidates = 0
            self._run(width, steps, 0)
        new_tokens = self.output[:steps, : len(self)].cpu().numpy().T
        stops, longest = np.isin(new_tokens, self.decoding.stop_ids), self.decoding.max_new_tokens
        before_stop = np.where(stops.any(1), stops.argmax(1), steps).tolist()
        ended = []
        for row, (tokens, count) in enumerate(zip(new_tokens.tolist(), before_stop, strict=True)):
            written = self.written[row]
            written += tokens[: min(count, longest - len(written))]
            if count < steps or len(written) == longest:
                ended.append((row, count < steps and len(written) < longest))
        return [(*self._evict(row), stopped) for row, stopped in reversed(ended)]

    def _evict(self, row: int) -> tuple[Prompt, list[int]]:
        """Free a row by moving the last one in use into it; returns its prompt and tokens."""
        last = len(self) - 1
        evicted = self.prompts[row], self.written[row]
        if row != last:
            self.cache.move(last, row)
            for tensor in (self.tokens, self.positions, self.steps, self.uniform_draws):
                tensor[row] = tensor[last]
        self.prompts[row], self.written[row] = self.prompts[last], self.written[last]
        del self.prompts[last], self.written[last]
        return evicted

    def _width(self) -> int:
        """Rows that a step computes: those in use; on a GPU the next larger of a few recorded widths."""
        if not self.on_gpu:
            return len(self)
        width = rows = len(self.tokens)
        while width > 8 and len(self) <= (smaller := -(-width * 2 // 3)):
            width = smaller
        return min(width, rows)

    def _run(self, width: int, steps: int, candidates: int) -> None:
        """Run some steps, on a GPU as CUDA graphs."""
        self.column.zero_()
        self.needs_full_sort.zero_()
        key = width, candidates
        if key not in self._step_functions:
            step = functools.partial(self._step, *key)
            self._step_functions[key] = self._record(step) if self.on_gpu else step
        for _ in range(steps):
            self._step_functions[key]()

    def _record(self, step: Callable[[], object]) -> Callable[[], object]:
        """Record a step as a CUDA graph; returns the step itself for a model that cannot be recorded."""
        state = self.tokens, self.positions, self.steps, self.column, self.needs_full_sort
        before = [tensor.clone() for tensor in state]
        graph = torch.cuda.CUDAGraph()
        replay: Callable[[], object] = graph.replay
        try:
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):  # a first run, in which libraries initialize themselves
                step()
            torch.cuda.current_stream().wait_stream(stream)
            with torch.cuda.graph(graph, pool=self._pool):
                step()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            replay = step
        for tensor, saved in zip(state, before, strict=True):
            tensor.copy_(saved)
        return replay

    def _step(self, width: int, candidates: int) -> None:
        """Decode one token in each of the first `width` rows."""
        positions, steps = self.positions[:width], self.steps[:width]
        lengths = (positions + 1).to(torch.int32)

        def attention(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
            return decode_attention(query, keys[:width], values[:width], lengths, self.decoder.scaling)

        rows = self.row_numbers[:width]
        hidden = self.decoder(self.tokens[:width], rows, positions, self.cache, attention)
        draws = self.uniform_draws[:width].gather(1, steps[:, None])[:, 0]
        chosen, topk_exact = choose_tokens(self.decoder.head(hidden), draws, self.decoding, candidates)
        self.output[:, :width].index_copy_(0, self.column, chosen[None])
        self.needs_full_sort |= ~topk_exact
        self.tokens[:width] = chosen
        # Idle rows are computed too; clamping keeps their positions inside the cache.
        positions.add_(1).clamp_(max=self.max_seq_len - 1)
        steps.add_(1).clamp_(max=self.decoding.max_new_tokens - 1)
        self.column.add_(1)


def shared_prefix(prompts: Sequence[Prompt]) -> array:
    """The longest sequence of tokens with which every prompt starts, without the last token of any."""
    prefix = min((prompt.input_ids for prompt in prompts), key=len)[:-1]
    for prompt in prompts:
        while prefix != prompt.input_ids[: len(prefix)]:
            prefix = prefix[:-1]
    return prefix


def uniform_draws(prompt: Prompt, decoding: Decoding) -> np.ndarray:
    """One uniform number per step, from seed and prompt only: float64 [max_new_tokens].

    With one seed for the whole batch, an answer would depend on its neighbours. Both models draw the same
    numbers for the same question, so that luck does not favour one of them.
    """
    text = f"{decoding.seed}/{' '.join(map(str, prompt.input_ids))}"
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key)).random(decoding.max_new_tokens)
