"""The processes of one run: which of them this is, and how many there are."""

import functools
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from medqa.runtime.errors import UserError

# How long a process waits for the others, which may still be loading or answering; one that died is noticed
# at once. The library's ten minutes on GPUs are less than a slow disk may take.
LONGEST_WAIT = timedelta(days=1)

# Set before torch is imported. Threads that spin while they wait starve each other on a busy machine: with
# two other processes on two cores, a step of the demo model took over 5 s, and 0.4 s with threads that sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def rank() -> int:
    """Number of this process among those that `accelerate launch` started; 0 when it runs alone."""
    return launched("RANK", 0)


def world_size() -> int:
    """How many processes `accelerate launch` started; 1 when this one runs alone."""
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
    """A number that the launcher left in the environment; `alone` where there was no launcher.

    Raises:
        UserError: it is there, and is no number.
    """
    value = os.environ.get(name, "")
    if value and not value.isdecimal():
        raise UserError(
            f"the environment says {name}={value!r}; expected a whole number, as accelerate launch sets it. "
            f"Remove it with: unset {name}"
        )
    return int(value or alone)


def own_share(items: Sequence[Any]) -> list[Any]:
    """This process's contiguous part of a list; all processes together have each item once."""
    first, last = (len(items) * number // world_size() for number in (rank(), rank() + 1))
    return list(items[first:last])
