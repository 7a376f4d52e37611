"""Writes an adapter's files reproducibly, computes their hashes, and refuses pickled weights."""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from medqa.artifacts.atomic_io import read_whole, sha256_of_file, share_weights, write_json
from medqa.artifacts.plain_words import in_words
from medqa.runtime.errors import UserError

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
# peft's kinds that work through the inputs or the cache of a generation loop of peft's own.
ADDS_TOKENS = (
    "PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "ADAPTION_PROMPT", "CPT",
    "CARTRIDGE",
)  # fmt: skip
# Largest adapter_config.json that is read.
MAX_CONFIG_BYTES = 16_000_000


def write_adapter(model: Any, folder: Path) -> None:
    """Save the adapter of a peft model, the same bytes for the same adapter.

    peft keeps the target modules in a set, whose order differs from process to process, so we sort them.
    """
    # peft would render a model card of placeholders, which takes longer than the rest of a checkpoint.
    model.create_or_update_model_card = lambda folder: None
    # By default peft asks the Hub whether the base's vocabulary was changed.
    model.save_pretrained(folder, save_embedding_layers=False)
    share_weights(folder, ADAPTER_CONFIG)
    config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    for name in ("target_modules", "modules_to_save"):
        if isinstance(config.get(name), list):
            config[name].sort()
    write_json(folder / ADAPTER_CONFIG, config)


def adapter_identity(folder: str) -> dict[str, str]:
    """Hashes of an adapter's weights and of its settings (rank, scale, layers).

    Raises:
        UserError: a file is missing or cannot be read.
    """
    settings = read_config(Path(folder))
    settings.pop("base_model_name_or_path", None)  # the same base may be at another path
    for value in settings.values():
        if isinstance(value, list):
            with contextlib.suppress(TypeError):  # peft has no lists of different types, and refuses them
                value.sort()
    require_adapter(Path(folder))
    return {
        "adapter": sha256_of_file(Path(folder) / ADAPTER_WEIGHTS),
        "adapter settings": hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest(),
    }


def read_config(path: Path) -> dict[str, Any]:
    """The settings of the adapter in a folder.

    Raises:
        UserError: its adapter_config.json is missing or is not a JSON object.
    """
    try:
        return dict(json.loads(read_whole(path / ADAPTER_CONFIG, MAX_CONFIG_BYTES)).items())
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise UserError(
            f"the adapter in {path} is damaged: {ADAPTER_CONFIG} cannot be read as its settings "
            f"({in_words(error):.200}). Put its own files back, or make it with: python fine_tuning.py"
        ) from None


def require_adapter(path: Path) -> None:
    """Refuse a folder without adapter weights in safetensors format, or with a prompt-learning adapter.

    Raises:
        UserError: the folder has no weights, only pickled ones, or those of an unsupported kind of adapter.
    """
    if (path / ADAPTER_WEIGHTS).is_file():
        kind = read_config(path).get("peft_type")
        if kind in ADDS_TOKENS:
            raise UserError(
                f"{path} holds an adapter of the kind {kind}, which adds virtual tokens to the prompt and is "
                "not supported: answers would be those of the base model. Train a LoRA adapter with: python "
                "fine_tuning.py"
            )
        return
    if (path / "adapter_model.bin").is_file():
        raise UserError(
            f"{path} holds a pickled adapter_model.bin, which can run code when it is read. Save it as "
            "adapter_model.safetensors with peft's save_pretrained on a machine where you trust it."
        )
    raise UserError(f"{path} holds no adapter_model.safetensors. Make it with: python fine_tuning.py")
