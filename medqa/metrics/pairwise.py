"""Scores many pairs of texts, block by block, with worker processes on all cores."""

import contextlib
import gc
import math
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from types import SimpleNamespace
from typing import Any

# A worker takes 4 s to import NLTK and to load WordNet, in which it would score a few hundred pairs.
PAIRS_PER_PROCESS = 400
# A worker takes 240 MB.
MAX_PROCESSES = 32
# Pairs that a worker scores before it asks for more, in a few tenths of a second.
PAIRS_PER_BLOCK = 20
# Seconds without work after which a worker ends.
IDLE_SECONDS = 10

Pair = tuple[str, str]
# Columns of one metric for one pair, or the error with which it failed.
Row = Mapping[str, float] | str

_methods: Mapping[str, Any] = {}  # in a worker: the methods that it computes
_self: Any = None  # in a worker: what they get as `self`


class MetricFailed(Exception):
    """A metric returned a value that is not a number."""


def to_float(value: Any) -> float:
    """A metric's value as a float; None, which means "not applicable", becomes NaN.

    Raises:
        MetricFailed: it is NaN or infinite: an empty cell would hide a division by zero.
    """
    if value is None:
        return math.nan
    number = float(value)
    if not math.isfinite(number):
        raise MetricFailed(f"it gave {number}; a metric that does not apply returns None")
    return number


def describe_error(error: Exception) -> str:
    """An error as text, because not every exception can be sent to another process."""
    return f"{type(error).__name__}: {error}"


def score_pair(compute: Callable[[str, str], Any], name: str, pair: Pair) -> Row:
    """The columns of the method `name` for one pair, or the error with which it failed."""
    try:
        value = compute(*pair)
        columns = value if isinstance(value, Mapping) else {name.removeprefix("compute_"): value}
        return {column: to_float(number) for column, number in columns.items()}
    except Exception as error:  # a user's metric may raise anything
        return describe_error(error)


def score_blocks(metrics: Any, names: Sequence[str], pairs: Sequence[Pair]) -> Iterator[list[list[Row]]]:
    """Score the pairs in blocks of `PAIRS_PER_BLOCK`, in their order.

    With enough pairs, the metrics in `metrics.IN_PARALLEL` (NAME of compute_NAME) run in workers on all
    cores; there, `self` has the attributes that `__getstate__` returns and no methods. All others run in this
    process: they may need what only this process has, such as a model on a GPU. The rows do not depend on the
    number of processes.

    Yields:
        the rows of a block: one list per pair, which has a row for each of `names`.
    """
    blocks = [pairs[start : start + PAIRS_PER_BLOCK] for start in range(0, len(pairs), PAIRS_PER_BLOCK)]
    methods = {name: getattr(metrics, name) for name in names}
    parallel = getattr(metrics, "IN_PARALLEL", ())
    shared = [name for name in names if name.removeprefix("compute_") in parallel]
    processes = _processes(len(pairs)) if shared else 1
    state = _picklable_state(metrics, shared) if processes > 1 else None
    done = 0
    # A worker that is killed, perhaps for lack of memory, ends the pool: this process scores the rest.
    with contextlib.suppress(BrokenProcessPool):
        for block, found in zip(blocks, _pool(processes, state, blocks) if state else (), strict=False):
            yield [
                [known[name] if name in known else score_pair(methods[name], name, pair) for name in names]
                for pair, known in zip(block, found, strict=True)
            ]
            done += 1
    for block in blocks[done:]:
        yield [[score_pair(method, name, pair) for name, method in methods.items()] for pair in block]


def _pool(
    processes: int, state: tuple[dict[str, Any], dict[str, Any]], blocks: Sequence[Sequence[Pair]]
) -> Iterator[list[dict[str, Row]]]:
    """The rows of each block from the workers, in the order of the blocks."""
    from joblib import Parallel, delayed

    # loky, joblib's backend, starts fresh processes: a fork of a process that uses torch can hang.
    pool = Parallel(
        processes, backend="loky", return_as="generator",
        idle_worker_timeout=IDLE_SECONDS, initializer=_initialize_worker, initargs=state,
    )  # fmt: skip
    # After an interruption joblib warns of blocks that were not scored.
    warnings.filterwarnings("ignore", module=r"joblib\.parallel")
    yield from pool(delayed(_score_in_worker)(block) for block in blocks)


def _processes(pairs: int) -> int:
    """How many processes pay off on the available cores."""
    if pairs < 2 * PAIRS_PER_PROCESS:
        return 1
    from joblib import cpu_count

    return min(cpu_count(), MAX_PROCESSES, pairs // PAIRS_PER_PROCESS)


def _picklable_state(metrics: Any, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The methods and attributes that each worker gets; None when they cannot be pickled.

    Not the object itself: pickling its class would include all globals that any of its methods uses.
    """
    from joblib.externals.loky.backend.reduction import dumps

    try:
        state = {name: getattr(type(metrics), name) for name in names}, metrics.__reduce_ex__(2)[2] or {}
        dumps(state)
    except Exception:  # a user's attribute, and pickle may raise anything
        return None
    return state


def _initialize_worker(methods: Mapping[str, Any], attributes: Mapping[str, Any]) -> None:
    from medqa.metrics.wordnet import import_nltk

    import_nltk()
    global _methods, _self
    _methods, _self = methods, SimpleNamespace(**attributes)
    gc.freeze()  # the word lists stay: to look through them for garbage takes a tenth of the time
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the parent ends the pool
    threading.Thread(target=_exit_with, args=(os.getppid(),), daemon=True).start()


def _exit_with(parent: int) -> None:
    """End this process when its parent was killed, even in the middle of a block."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _score_in_worker(block: Sequence[Pair]) -> list[dict[str, Row]]:
    """The rows of a block in a worker."""
    computed = {name: partial(method, _self) for name, method in _methods.items()}
    return [{name: score_pair(compute, name, pair) for name, compute in computed.items()} for pair in block]
