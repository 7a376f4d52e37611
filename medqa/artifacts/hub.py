"""Announces downloads from the Hugging Face Hub, and finds out whether they are allowed and needed."""

import os
from pathlib import Path
from typing import Any

from medqa.runtime.console import print_rank0
from medqa.runtime.distributed import rank

# Seconds to wait for an answer of the Hub.
HUB_TIMEOUT = 5
OFFLINE_SWITCHES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")


def forbidden() -> bool:
    """Whether the environment forbids access to the Hub."""
    return any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in OFFLINE_SWITCHES)


def in_cache(name: str) -> bool:
    """Whether the local cache has the weights of a model."""
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(name, file), str) for file in WEIGHTS)


def missing_encoder(name: str) -> dict[str, str]:
    """The setting that a command needs where the default encoder cannot be had; empty where it can.

    Args:
        name: the default encoder on the Hub.
    """
    return {"BERTSCORE_MODEL": "ENCODER_FOLDER"} if forbidden() and not in_cache(name) else {}


def files_of(name: str, sizes: bool = False) -> list[Any]:
    """The files of a model on the Hub; raises an error after HUB_TIMEOUT seconds."""
    from huggingface_hub import HfApi

    return HfApi().model_info(name, timeout=HUB_TIMEOUT, files_metadata=sizes).siblings or []


def config_file(name: str) -> Path | None:
    """config.json of a model on the Hub, downloaded if it is not in the local cache; None if that fails."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(name, "config.json")
    if isinstance(cached, str):
        return Path(cached)
    if forbidden():
        return None
    try:
        files_of(name)  # fails after seconds where the download repeats its attempts for half a minute
        return Path(hf_hub_download(name, "config.json"))
    except Exception:  # no internet, no such model, a private one
        return None


def announce(name: str, setting: str) -> None:
    """Print in one line what is downloaded, its size, and how to avoid it; nothing for a folder.

    Args:
        name: a folder, or a name on the Hub.
        setting: the setting that named it.
    """
    if Path(name).expanduser().is_dir() or forbidden() or rank() != 0:
        return
    if in_cache(name):
        print_rank0(
            f"{setting}: {name} from the local cache of the Hub (which is asked whether it is up to date)"
        )
        return
    try:
        weights = [file for file in files_of(name, sizes=True) if file.rfilename.endswith(".safetensors")]
        size = f"{sum(file.size or 0 for file in weights) / 1e9:.1f} GB" if weights else "of unknown size"
    except Exception:  # no internet, no such model: loading it will report that
        size = "of unknown size"
    print_rank0(
        f"{setting}: downloading {name} ({size}) from the Hugging Face Hub. To avoid this, give a folder: "
        f"--{setting} FOLDER (docs/offline.md)"
    )
