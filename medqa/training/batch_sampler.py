"""Assigns sequences to optimizer steps, and each step's sequences to the ranks."""

import heapq
import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from medqa.modeling.tokenization import Example
from medqa.runtime.distributed import rank, world_size
from medqa.training.arguments import TrainerSettings
from medqa.training.callbacks import StopTraining


class OptimizerStepSampler:
    """Batch sampler: each item is one rank's sequences of one optimizer step.

    The order of an epoch depends only on the seed and the epoch, not on the number of ranks: n ranks with a
    batch size of b see the same steps as one rank with a batch size of n x b. The last step of an epoch is
    smaller if the sequences do not divide evenly; none is repeated or dropped.

    Args:
        lengths: tokens of each sequence.
        per_step: sequences of a step, over all ranks.
        seed: of the order.
        rank, world_size: which of how many ranks this one is.
    """

    def __init__(self, lengths: Sequence[int], per_step: int, seed: int, rank: int, world_size: int) -> None:
        self.lengths, self.per_step, self.seed = lengths, per_step, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = 0

    def __len__(self) -> int:
        return math.ceil(len(self.lengths) / self.per_step)

    def __iter__(self) -> Iterator[list[int]]:
        order = list(range(len(self.lengths)))
        random.Random(f"{self.seed}/{self.epoch}").shuffle(order)
        for start in range(0, len(order), self.per_step):
            step = order[start : start + self.per_step]
            yield split_across_ranks(step, self.lengths, self.world_size)[self.rank]


def step_sampler(examples: Sequence[Example], settings: TrainerSettings) -> OptimizerStepSampler:
    """The sampler of this rank's part of each optimizer step."""
    lengths = [len(example.input_ids) for example in examples]
    per_step = settings.batch_size * settings.gradient_accumulation_steps * world_size()
    return OptimizerStepSampler(lengths, per_step, settings.seed, rank(), world_size())


def split_across_ranks(step: Sequence[int], lengths: Sequence[int], world_size: int) -> list[list[int]]:
    """Split a step so that the ranks, which wait for each other, have about the same number of tokens.

    The longest sequence first, each to the rank with the fewest tokens: at most 4/3 of the optimum (Graham,
    1969). Assigned in turn, 32 sequences would give one of two ranks a tenth more than the mean.

    Args:
        step: positions of the step's sequences.
        lengths: tokens of every sequence.
        world_size: number of ranks.
    """
    if world_size == 1:
        return [list(step)]
    ranks: list[list[int]] = [[] for _ in range(world_size)]
    tokens = [(0, rank) for rank in range(world_size)]
    for index in sorted(step, key=lambda index: (-lengths[index], index)):
        count, rank = heapq.heappop(tokens)
        ranks[rank].append(index)
        heapq.heappush(tokens, (count + lengths[index], rank))
    return ranks


class SamplerEpochCallback(TrainerCallback):
    """Sets the sampler's epoch; a resumed run starts in the middle of one."""

    def __init__(self, sampler: OptimizerStepSampler) -> None:
        self.sampler = sampler

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Derive the epoch from the number of finished steps.

        Raises:
            StopTraining: early stopping was triggered by the evaluation that a resumed run starts with; the
                Trainer checks for that only after a step.
        """
        if control.should_training_stop:
            raise StopTraining(finished=True)
        self.sampler.epoch = state.global_step // len(self.sampler)
