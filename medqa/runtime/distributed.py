"""The processes of one run: rank, world size, and what the launcher left in the environment."""

import functools
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from medqa.runtime.errors import UserError

# How long a process waits for the others, which may still be loading or generating; a process that died is
# noticed at once. The default of torch on GPUs, ten minutes, is less than a slow disk may need.
LONGEST_WAIT = timedelta(days=1)

# Must be set before torch is imported. Threads that spin while they wait slow each other down: with two other
# processes on two cores, a step of the demo model took over 5 s, and 0.4 s with threads that sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def rank() -> int:
    """Rank of this process among those that `accelerate launch` started; 0 when it runs alone."""
    return launched("RANK", 0)


def world_size() -> int:
    """Number of processes that `accelerate launch` started; 1 when this one runs alone."""
    return launched("WORLD_SIZE", 1)


def several_machines() -> bool:
    """Whether some of the processes run on another machine."""
    return launched("LOCAL_WORLD_SIZE", world_size()) < world_size()


@functools.cache
def fsdp_requested() -> bool:
    """Whether `accelerate launch` was given an FSDP configuration (launch/fsdp_qlora.yaml).

    Removes the variable from the environment: accelerate and transformers would otherwise shard the adapter
    and its optimizer too, and could resume only from checkpoints of the same number of processes.
    """
    return os.environ.pop("ACCELERATE_USE_FSDP", "").lower() == "true" and world_size() > 1


def launched(name: str, alone: int) -> int:
    """A number that the launcher set in the environment; `alone` without a launcher.

    Raises:
        UserError: the variable is set to something other than a whole number.
    """
    value = os.environ.get(name, "")
    if value and not value.isdecimal():
        raise UserError(
            f"the environment says {name}={value!r}; expected a whole number, as accelerate launch sets it. "
            f"Remove it with: unset {name}"
        )
    return int(value or alone)


def own_share(items: Sequence[Any]) -> list[Any]:
    """The contiguous part of a list that this process works on; each item belongs to exactly one process."""
    first, last = (len(items) * number // world_size() for number in (rank(), rank() + 1))
    return list(items[first:last])
