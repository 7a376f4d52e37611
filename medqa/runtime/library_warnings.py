"""Hides warnings of libraries about things that are done on purpose here; others are still shown."""

import logging
import os
import warnings

from medqa.runtime.distributed import rank

# Logger → beginnings of the messages that are hidden.
MESSAGES = {
    # Suggests a package that downloads a kernel from the Hub; the built-in one needs no internet.
    "bitsandbytes.backends.cpu.ops": ("Failed to load CPU gemm_4bit_forward",),
    # The best adapter is kept by medqa/training/checkpointing.py, not by the Trainer.
    "transformers.trainer_callback": ("Using EarlyStoppingCallback without load_best_model_at_end",),
}
# Python warnings: a pattern of their beginning, and their category.
WARNINGS = (
    # peft uses a name that transformers will remove.
    (r"`is_gradient_checkpointing` is deprecated", FutureWarning),
    # bitsandbytes uses a function that torch deprecated.
    (r"`torch\.jit\.script", DeprecationWarning),
    # medqa/modeling/loading.py checks this, and ends the run when a weight is missing.
    (r"Found missing adapter keys", UserWarning),
    # One for each letter of a specialty's name that no installed font has: see docs/troubleshooting.md.
    (r"Glyph \d+ .* missing from font|Matplotlib currently does not support", UserWarning),
)


class _DropMessages(logging.Filter):
    """Drops log records whose message begins with one of some texts."""

    def __init__(self, beginnings: tuple[str, ...]) -> None:
        super().__init__()
        self.beginnings = beginnings

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show the record."""
        return not record.getMessage().startswith(self.beginnings)


def quiet() -> None:
    """Hide the warnings listed here; on all processes but the first, hide every warning."""
    for name, beginnings in MESSAGES.items():
        logger = logging.getLogger(name)
        if not any(isinstance(one, _DropMessages) for one in logger.filters):
            logger.addFilter(_DropMessages(beginnings))
    for pattern, category in WARNINGS:
        warnings.filterwarnings("ignore", message=pattern, category=category)
    if rank() != 0:  # every process would print the same
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # transformers would otherwise ask the Hub to convert a model in an older format to safetensors.
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")

    import datasets
    import transformers

    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
