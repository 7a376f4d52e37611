"""Which sequences make an optimizer step, and how processes share one out."""

import heapq
import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from medqa.runtime.distributed import rank, world_size
from medqa.training.callbacks import StopTraining


class OptimizerStepSampler:
    """Batch sampler: each item is one process's share of one optimizer step.

    The order of an epoch depends on the seed and the epoch alone, not on the number of processes: n processes
    with batches of b see the steps of one process with batches of n x b. The last step of an epoch has
    whatever is left; nothing is repeated and nothing dropped.

    Args:
        lengths: tokens of each sequence.
        per_step: sequences of a step, over all processes.
        seed: of the order.
        process, processes: which of how many this one is.
    """

    def __init__(
        self, lengths: Sequence[int], per_step: int, seed: int, process: int, processes: int
    ) -> None:
        self.lengths, self.per_step, self.seed = lengths, per_step, seed
        self.process, self.processes = process, processes
        self.epoch = 0

    def __len__(self) -> int:
        return math.ceil(len(self.lengths) / self.per_step)

    def __iter__(self) -> Iterator[list[int]]:
        order = list(range(len(self.lengths)))
        random.Random(f"{self.seed}/{self.epoch}").shuffle(order)
        for start in range(0, len(order), self.per_step):
            step = order[start : start + self.per_step]
            yield split_across_ranks(step, self.lengths, self.processes)[self.process]


def sequences_per_step(config: Any) -> int:
    """Sequences of an optimizer step of a TrainingConfig, over all processes."""
    return config.BATCH_SIZE * config.GRADIENT_ACCUMULATION_STEPS * world_size()


def steps_of(config: Any, lengths: Sequence[int]) -> OptimizerStepSampler:
    """The steps of this process, of a TrainingConfig and sequences of these lengths."""
    return OptimizerStepSampler(lengths, sequences_per_step(config), config.SEED, rank(), world_size())


def split_across_ranks(step: Sequence[int], lengths: Sequence[int], processes: int) -> list[list[int]]:
    """Share a step out so that processes, which wait for each other, have about as many tokens each.

    The longest sequence first, each to whoever has the fewest tokens: at most 4/3 of the best possible
    (Graham, 1969). Dealt out in turn, 32 sequences would leave one of two processes a tenth more than the
    mean.

    Args:
        step: positions of the step's sequences.
        lengths: tokens of every sequence.
        processes: how many share it.
    """
    if processes == 1:
        return [list(step)]
    dealt: list[list[int]] = [[] for _ in range(processes)]
    tokens = [(0, number) for number in range(processes)]
    for index in sorted(step, key=lambda index: (-lengths[index], index)):
        has, number = heapq.heappop(tokens)
        dealt[number].append(index)
        heapq.heappush(tokens, (has + lengths[index], number))
    return dealt


class SamplerEpochCallback(TrainerCallback):
    """Tells the sampler its epoch; a resumed run starts in the middle of one."""

    def __init__(self, steps: OptimizerStepSampler) -> None:
        self.steps = steps

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Derive the epoch from the steps done.

        Raises:
            StopTraining: the evaluation that a resumed run made first has ended it by early stopping; the
                Trainer asks for that only after a step.
        """
        if control.should_training_stop:
            raise StopTraining(finished=True)
        self.steps.epoch = state.global_step // len(self.steps)
