"""What is fetched from the Hugging Face Hub, said before anything goes out."""

import os
from pathlib import Path
from typing import Any

from medqa.runtime.console import print_rank0
from medqa.runtime.distributed import rank

# Seconds after which the Hub counts as out of reach.
HUB_TIMEOUT = 5
OFFLINE_SWITCHES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")


def forbidden() -> bool:
    """Whether the environment rules the Hub out."""
    return any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in OFFLINE_SWITCHES)


def in_cache(name: str) -> bool:
    """Whether this machine's cache has a model's weights."""
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(name, file), str) for file in WEIGHTS)


def files_of(name: str, sizes: bool = False) -> list[Any]:
    """A model's files on the Hub, asked with a short patience."""
    from huggingface_hub import HfApi

    return HfApi().model_info(name, timeout=HUB_TIMEOUT, files_metadata=sizes).siblings or []


def announce(name: str, setting: str) -> None:
    """Say in one line what is fetched, how large it is, and how to do without; nothing for a folder.

    Args:
        name: a folder, or a name on the Hub.
        setting: by which it was named.
    """
    if Path(name).expanduser().is_dir() or forbidden() or rank() != 0:
        return
    if in_cache(name):
        print_rank0(
            f"{setting}: {name} from the Hub's cache on this machine (the Hub is asked whether it is current)"
        )
        return
    try:
        weights = [file for file in files_of(name, sizes=True) if file.rfilename.endswith(".safetensors")]
        size = f"{sum(file.size or 0 for file in weights) / 1e9:.1f} GB" if weights else "of unknown size"
    except Exception:  # no internet, no such model: loading it says so
        size = "of unknown size"
    print_rank0(
        f"{setting}: fetching {name} ({size}) from the Hugging Face Hub. To do without, give a folder: "
        f"--{setting} FOLDER (docs/offline.md)"
    )


def first_line(error: Exception) -> str:
    """The first line of an error's message without its full stop: the Hub's messages run over many lines."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__
