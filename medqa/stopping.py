"""What ends a training before its last step: Ctrl-C and SIGTERM, or an eval loss that no longer falls."""

import signal
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class StopSoon(TrainerCallback):
    """Ctrl-C or SIGTERM: finish this step or the next, save a checkpoint, stop. A second one stops hard."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.trainer.stop_signal = signal.SIGINT
        signals = (signal.SIGINT, signal.SIGTERM)
        self.before = {number: signal.signal(number, self._received) for number in signals}

    def let_go(self) -> None:
        """Give the signals back: what follows training has no step to wait for."""
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _received(self, number: int, _frame: object) -> None:
        if self.trainer.stop_asked:
            raise KeyboardInterrupt
        self.trainer.stop_asked = True
        self.trainer.stop_signal = signal.Signals(number)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """All processes have agreed on it in this step, so all stop after the same one."""
        if self.trainer.stop_agreed and state.global_step < state.max_steps:
            control.should_save = True
            control.should_training_stop = True


def stopped_early(checkpoint: Path) -> bool:
    """Whether a run had ended here by itself, short of all its steps, and was killed before it published."""
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    kept = state.stateful_callbacks.get("EarlyStoppingCallback")
    if kept is None:
        return False
    patience = kept["args"]["early_stopping_patience"]
    return kept["attributes"]["early_stopping_patience_counter"] >= patience
