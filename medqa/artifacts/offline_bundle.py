"""Downloads everything that a machine without internet needs into one folder."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medqa.artifacts import hub
from medqa.artifacts.atomic_io import sha256_of_files, write_text
from medqa.runtime.console import print_rank0, table
from medqa.runtime.distributed import rank
from medqa.runtime.errors import UserError, first_line

# Patterns of the files that are needed in addition to the weights, and of weights in their two formats.
SMALL_FILES = ("*.json", "*.txt", "*.model", "*.jinja")
SAFE_WEIGHTS, OLD_WEIGHTS = "*.safetensors", "pytorch_model*.bin"
# Weights for other programs, which some models have as well.
NOT_NEEDED = ("original/*", "onnx/*", "openvino/*", "*.msgpack", "*.h5")
CHECKSUMS, GUIDE = "SHA256SUMS", "HOW_TO_USE.txt"
NLTK = "nltk_data"


def download_all(
    folder: str | Path, base_model: str, encoder: str, download_nltk: Callable[[Path], str]
) -> dict[str, Any]:
    """Download NLTK's data, the encoder and the base model, and print how to use them on the other machine.

    Files from an earlier attempt are kept. The folder also gets `SHA256SUMS`, to check the copy with, and
    `HOW_TO_USE.txt` with the printed instructions.

    Args:
        folder: for `nltk_data` and a folder for each model.
        base_model, encoder: names on the Hub; a local folder is not copied; an empty encoder: none.
        download_nltk: downloads NLTK's data into a folder; returns "", or why it failed.

    Returns:
        {}: no recommendations, as there was no evaluation.

    Raises:
        UserError: a download failed, or a model has no weights.
    """
    if rank() != 0:
        return {}
    folder = Path(folder).expanduser()
    if hub.forbidden():
        raise UserError(
            "--DOWNLOAD_ONLY needs the internet, and HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids it. "
            "Try: env -u HF_HUB_OFFLINE -u TRANSFORMERS_OFFLINE python evaluation.py --DOWNLOAD_ONLY "
            f"{shlex.quote(str(folder))}"
        )
    # The smallest first, so that a machine without internet fails at once.
    print_rank0(f"Downloading NLTK's data into {folder / NLTK}")
    if reason := download_nltk(folder / NLTK):
        raise _failed("NLTK's data", reason)
    places = {
        model: model if Path(model).expanduser().is_dir() else fetch_model(model, folder, formats)
        for model, formats in ((encoder, (SAFE_WEIGHTS, OLD_WEIGHTS)), (base_model, (SAFE_WEIGHTS,)))
        if model
    }
    print_rank0("Computing checksums")
    digests = sha256_of_files(folder).items()
    lines = (f"{digest}  {name}\n" for name, digest in digests if name not in (CHECKSUMS, GUIDE))
    write_text(folder / CHECKSUMS, lines)
    local = [model for model, place in places.items() if model == place]
    guide = _guide(folder.resolve().name, str(places[base_model]), str(places.get(encoder, "")), local)
    write_text(folder / GUIDE, guide)
    rows = [[str(path), _size(path)] for path in (folder / NLTK, *map(Path, places.values()))]
    print_rank0("", table(["downloaded", "size"], [*rows, ["total", _size(folder)]]), "", guide)
    return {}


def fetch_model(model: str, folder: Path, formats: tuple[str, ...]) -> Path:
    """Download a model from the Hub into a subfolder of `folder`, and return the subfolder.

    Weights are downloaded in one format: the first of `formats` that the model has.

    Raises:
        UserError: the download failed, or the model has weights in none of these formats.
    """
    from huggingface_hub import snapshot_download

    target = folder / model.split("/")[-1]
    print_rank0(f"Downloading {model} into {target}")
    try:
        for weights in formats:
            patterns = [*SMALL_FILES, weights]
            snapshot_download(
                model, local_dir=target, allow_patterns=patterns, ignore_patterns=list(NOT_NEEDED)
            )
            if any(target.glob(weights)):
                return target
    except Exception as error:
        raise _failed(model, first_line(error)) from error
    raise UserError(f"{model} has no weights as {' or '.join(formats)}; found: {_names(target)}.")


def _failed(what: str, reason: str) -> UserError:
    return UserError(
        f"{what} could not be downloaded: {reason}. Files downloaded so far are kept; type the same command "
        "again with internet."
    )


def _names(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.glob("[!.]*"))[:6]) or "nothing"


def _size(folder: Path) -> str:
    """Size of all files in a folder, in decimal units: 16.07 GB."""
    size = sum(path.stat().st_size for path in folder.expanduser().rglob("*") if path.is_file())
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _guide(name: str, base: str, encoder: str, local: list[str]) -> str:
    """What to type on the other machine, where the folder is next to the three scripts."""

    def there(place: str) -> str:
        return shlex.quote(place if place in local or not place else f"{name}/{Path(place).name}")

    lines = [
        f"Copy the folder {name} to the other machine, next to the three scripts, and type there:",
        "",
        f"    (cd {shlex.quote(name)} && sha256sum --check --quiet {CHECKSUMS})",
        f"    export HF_HUB_OFFLINE=1 NLTK_DATA={shlex.quote(f'{name}/{NLTK}')}",
        "    python dataset_preparation.py --DATA_DIR /path/to/json/files",
        f"    python fine_tuning.py --MODEL_NAME {there(base)}",
        f"    python evaluation.py --BASE_MODEL_PATH {there(base)} --BERTSCORE_MODEL {there(encoder)}",
        "",
        "Keep the names of the folders: BERTScore selects its layer by the name of the encoder's folder.",
    ]
    if local:
        lines.append(f"Folders that were local already, so not in {name}; copy them too: {', '.join(local)}.")
    return "\n".join(lines) + "\n"
