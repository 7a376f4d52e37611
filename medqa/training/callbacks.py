"""Ends training before its last step: on Ctrl-C or SIGTERM, or by early stopping."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import TrainerState


class StopTraining(Exception):
    """Ends training between two forward passes; the unfinished optimizer step or evaluation is dropped.

    Args:
        evaluation_due: an evaluation was dropped; a resumed run starts with it.
        finished: early stopping ended the run; otherwise a signal interrupted it.
    """

    def __init__(self, evaluation_due: bool = False, finished: bool = False) -> None:
        super().__init__("training stops here")
        self.evaluation_due, self.finished = evaluation_due, finished


@contextlib.contextmanager
def graceful_stop(trainer: Any) -> Iterator[None]:
    """Turn the first Ctrl-C or SIGTERM into a request that the trainer checks; a second one stops at once."""

    def handle(number: int, _frame: object) -> None:
        if trainer.stop_requested:
            raise KeyboardInterrupt
        trainer.stop_requested = True
        trainer.stop_signal = signal.Signals(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stopped_early(checkpoint: Path) -> bool:
    """Whether early stopping ended the run at this checkpoint, before it was killed while publishing."""
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    saved = state.stateful_callbacks.get("EarlyStoppingCallback")
    if saved is None:
        return False
    patience = saved["args"]["early_stopping_patience"]
    return saved["attributes"]["early_stopping_patience_counter"] >= patience
