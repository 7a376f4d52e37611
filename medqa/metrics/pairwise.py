"""The metrics of a pair of texts, for many pairs: blocks of pairs, scored by processes on all cores."""

import contextlib
import math
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from types import SimpleNamespace
from typing import Any

# A process takes 4 s to import NLTK and to load WordNet, in which it would score a few hundred pairs.
PAIRS_PER_PROCESS = 400
# With both in memory, a process takes 240 MB.
MOST_PROCESSES = 32
# Pairs that a process scores before it asks for more, in a few tenths of a second.
PAIRS_PER_BLOCK = 20
# Seconds without work after which a process of the pool ends.
IDLE = 10

Pair = tuple[str, str]
# Columns of one metric for one pair, or the error with which it failed.
Row = Mapping[str, float] | str

_methods: Mapping[str, Any] = {}  # in a process of the pool: the methods that it computes
_self: Any = None  # ... and what they get as `self`


class MetricFailed(Exception):
    """A metric returned something that is no number."""


def number(value: Any) -> float:
    """A metric's value as a float; None, which says that the metric does not apply, becomes NaN.

    Raises:
        MetricFailed: it is NaN or infinite: an empty cell would hide a division by zero.
    """
    if value is None:
        return math.nan
    found = float(value)
    if not math.isfinite(found):
        raise MetricFailed(f"it gave {found}; a metric that does not apply returns None")
    return found


def described(error: Exception) -> str:
    """An error in one text, which any process can send to any other."""
    return f"{type(error).__name__}: {error}"


def row(compute: Callable[[str, str], Any], name: str, pair: Pair) -> Row:
    """The columns of a method, whose name is `name`, for one pair, or the error with which it failed."""
    try:
        value = compute(*pair)
        columns = value if isinstance(value, Mapping) else {name.removeprefix("compute_"): value}
        return {column: number(one) for column, one in columns.items()}
    except Exception as error:  # a user's metric may raise anything
        return described(error)


def rows(metrics: Any, names: Sequence[str], pairs: Sequence[Pair]) -> Iterator[list[list[Row]]]:
    """Score the pairs in blocks of `PAIRS_PER_BLOCK`, in their order.

    With enough pairs, the metrics that `metrics.IN_PARALLEL` names (NAME of compute_NAME) run in processes
    on all cores; there, `self` has the attributes that `__getstate__` returns and no methods. All others run
    here: they may need what only this process has, such as a model on a GPU. The rows do not depend on the
    number of processes.

    Yields:
        the rows of a block: one list per pair, which has a row for each of `names`.
    """
    blocks = [pairs[start : start + PAIRS_PER_BLOCK] for start in range(0, len(pairs), PAIRS_PER_BLOCK)]
    methods = {name: getattr(metrics, name) for name in names}
    spread = getattr(metrics, "IN_PARALLEL", ())
    shared = [name for name in names if name.removeprefix("compute_") in spread]
    processes = _processes(len(pairs)) if shared else 1
    sent = _sent(metrics, shared) if processes > 1 else None
    done = 0
    # A process that was killed, for want of memory perhaps, ends the pool: the rest is scored here.
    with contextlib.suppress(BrokenProcessPool):
        for block, found in zip(blocks, _pool(processes, sent, blocks) if sent else (), strict=False):
            yield [
                [known[name] if name in known else row(methods[name], name, pair) for name in names]
                for pair, known in zip(block, found, strict=True)
            ]
            done += 1
    for block in blocks[done:]:
        yield [[row(method, name, pair) for name, method in methods.items()] for pair in block]


def _pool(
    processes: int, sent: tuple[dict[str, Any], dict[str, Any]], blocks: Sequence[Sequence[Pair]]
) -> Iterator[list[dict[str, Row]]]:
    """What the pool finds for each block, in their order."""
    from joblib import Parallel, delayed

    # loky, joblib's pool, starts its processes afresh: a fork of a process that uses torch can hang.
    pool = Parallel(
        processes, backend="loky", return_as="generator",
        idle_worker_timeout=IDLE, initializer=_set_up, initargs=sent,
    )  # fmt: skip
    warnings.filterwarnings("ignore", module=r"joblib\.parallel")  # blocks that an interruption leaves undone
    yield from pool(delayed(_shared_rows)(block) for block in blocks)


def _processes(pairs: int) -> int:
    """How many processes pay off on the cores at hand."""
    if pairs < 2 * PAIRS_PER_PROCESS:
        return 1
    from joblib import cpu_count

    return min(cpu_count(), MOST_PROCESSES, pairs // PAIRS_PER_PROCESS)


def _sent(metrics: Any, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The methods and attributes that each process of the pool gets; None when they cannot be pickled.

    Not the object: its class would take along all globals that any of its methods uses.
    """
    from joblib.externals.loky.backend.reduction import dumps

    try:
        sent = {name: getattr(type(metrics), name) for name in names}, metrics.__reduce_ex__(2)[2] or {}
        dumps(sent)
    except Exception:  # a user's attribute, and pickle may raise anything
        return None
    return sent


def _set_up(methods: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Begin a process of the pool."""
    # NLTK imports these for parts that no metric needs: 2 of its 3 s, and 150 MB in each process.
    hidden = {"scipy.stats", "sklearn"} - sys.modules.keys()
    sys.modules.update(dict.fromkeys(hidden))
    import nltk  # noqa: F401

    for name in hidden:
        del sys.modules[name]
    global _methods, _self
    _methods, _self = methods, SimpleNamespace(**state)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the parent ends the pool
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when its parent was killed, even while it waits for the rest of a block."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _shared_rows(block: Sequence[Pair]) -> list[dict[str, Row]]:
    """The rows of a block in a process of the pool."""
    computed = {name: partial(method, _self) for name, method in _methods.items()}
    return [{name: row(compute, name, pair) for name, compute in computed.items()} for pair in block]
