"""Keeps out what libraries say about things chosen on purpose here; their other warnings come through."""

import logging
import os
import warnings

from medqa.runtime.distributed import rank

# Logger → how the messages begin that nobody needs.
MESSAGES = {
    # Asks for a package that fetches a kernel from the Hub; the built-in one needs no internet.
    "bitsandbytes.backends.cpu.ops": ("Failed to load CPU gemm_4bit_forward",),
    # The best adapter is kept by medqa/training/checkpointing.py, not by the Trainer.
    "transformers.trainer_callback": ("Using EarlyStoppingCallback without load_best_model_at_end",),
}
# Python warnings, by a pattern of their beginning.
WARNINGS = (
    # peft asks transformers under a name that is to change.
    (r"`is_gradient_checkpointing` is deprecated", FutureWarning),
    # bitsandbytes has not followed torch yet.
    (r"`torch\.jit\.script", DeprecationWarning),
    # medqa/modeling/loading.py looks itself, and ends the run when a weight is missing.
    (r"Found missing adapter keys", UserWarning),
    # One per letter of a specialty's name that no installed font has: see docs/troubleshooting.md.
    (r"Glyph \d+ .* missing from font|Matplotlib currently does not support", UserWarning),
)


class _Unneeded(logging.Filter):
    """Drops records whose message begins with one of some texts."""

    def __init__(self, beginnings: tuple[str, ...]) -> None:
        super().__init__()
        self.beginnings = beginnings

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be shown."""
        return not record.getMessage().startswith(self.beginnings)


def quiet() -> None:
    """Keep out what is listed here; on all processes but the first, every warning."""
    for name, beginnings in MESSAGES.items():
        logger = logging.getLogger(name)
        if not any(isinstance(one, _Unneeded) for one in logger.filters):
            logger.addFilter(_Unneeded(beginnings))
    for pattern, category in WARNINGS:
        warnings.filterwarnings("ignore", message=pattern, category=category)
    if rank() != 0:  # every process would say the same
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # transformers would ask the Hub, on its own, to make safetensors of a model in an older format.
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")

    import datasets
    import transformers

    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
