"""Everything that a machine without internet needs, fetched into one folder to be carried there."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medqa.artifacts import hub
from medqa.artifacts.atomic_io import sha256_of_files, write_text
from medqa.runtime.console import print_rank0, table
from medqa.runtime.distributed import rank
from medqa.runtime.errors import UserError

# Patterns of the files that are needed beside the weights, and of the weights in their two formats.
SMALL_FILES = ("*.json", "*.txt", "*.model", "*.jinja")
SAFE_WEIGHTS, OLD_WEIGHTS = "*.safetensors", "pytorch_model*.bin"
# Weights for other programs, which some models have beside the ones that are needed.
NOT_NEEDED = ("original/*", "onnx/*", "openvino/*", "*.msgpack", "*.h5")
CHECKSUMS, GUIDE = "SHA256SUMS", "HOW_TO_USE.txt"
NLTK = "nltk_data"


def download_all(
    folder: str | Path, base_model: str, encoder: str, download_nltk: Callable[[Path], str]
) -> dict[str, Any]:
    """Fetch NLTK's data, the encoder and the base model, and say how they are used on the other machine.

    What an earlier try has fetched is kept. Beside the models lie `SHA256SUMS`, to check the copy with, and
    `HOW_TO_USE.txt`, which says what is printed here.

    Args:
        folder: takes `nltk_data` and a folder for each model.
        base_model, encoder: names on the Hub; a local folder is left where it is; an empty encoder: none.
        download_nltk: fetches NLTK's data into a folder; returns "", or why it could not.

    Returns:
        nothing to recommend: {}, as there was no evaluation.

    Raises:
        UserError: something could not be fetched, in one line; or it came without weights.
    """
    if rank() != 0:
        return {}
    folder = Path(folder).expanduser()
    if hub.forbidden():
        raise UserError(
            "--DOWNLOAD_ONLY has to go online, and HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids it. "
            "Try: env -u HF_HUB_OFFLINE -u TRANSFORMERS_OFFLINE python evaluation.py --DOWNLOAD_ONLY "
            f"{shlex.quote(str(folder))}"
        )
    # The small ones first: without internet nothing is waited for.
    print_rank0(f"Fetching NLTK's data into {folder / NLTK}")
    if reason := download_nltk(folder / NLTK):
        raise _failed("NLTK's data", reason)
    places = {
        model: model if Path(model).expanduser().is_dir() else fetch_model(model, folder, formats)
        for model, formats in ((encoder, (SAFE_WEIGHTS, OLD_WEIGHTS)), (base_model, (SAFE_WEIGHTS,)))
        if model
    }
    print_rank0("Computing checksums")
    told = {
        name: digest for name, digest in sha256_of_files(folder).items() if name not in (CHECKSUMS, GUIDE)
    }
    write_text(folder / CHECKSUMS, "".join(f"{digest}  {name}\n" for name, digest in told.items()))
    local = [model for model, place in places.items() if model == place]
    guide = _guide(folder.resolve().name, str(places[base_model]), str(places.get(encoder, "")), local)
    write_text(folder / GUIDE, guide)
    rows = [[str(path), _size(path)] for path in (folder / NLTK, *map(Path, places.values()))]
    print_rank0("", table(["fetched", "size"], [*rows, ["all of it", _size(folder)]]), "", guide)
    return {}


def fetch_model(model: str, folder: Path, formats: tuple[str, ...]) -> Path:
    """Fetch a model from the Hub into a folder of its own name below `folder`, and return that.

    Of the weights one format is fetched: the first of `formats` that the model has.

    Raises:
        UserError: it could not be fetched, or has weights in none of these formats.
    """
    from huggingface_hub import snapshot_download

    target = folder / model.split("/")[-1]
    print_rank0(f"Fetching {model} into {target}")
    try:
        for weights in formats:
            patterns = [*SMALL_FILES, weights]
            snapshot_download(
                model, local_dir=target, allow_patterns=patterns, ignore_patterns=list(NOT_NEEDED)
            )
            if any(target.glob(weights)):
                return target
    except Exception as error:
        raise _failed(model, hub.first_line(error)) from error
    raise UserError(f"{model} has no weights as {' or '.join(formats)}; found: {_names(target)}.")


def _failed(what: str, reason: str) -> UserError:
    return UserError(
        f"{what} could not be fetched: {reason}. What is there is kept; with internet, type the same command."
    )


def _names(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.glob("[!.]*"))[:6]) or "nothing"


def _size(folder: Path) -> str:
    """Size of all files below a folder, in the units of a disk's label: 16.07 GB."""
    size = sum(path.stat().st_size for path in folder.expanduser().rglob("*") if path.is_file())
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _guide(name: str, base: str, encoder: str, local: list[str]) -> str:
    """What to type on the other machine, with the folder beside the three scripts."""

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
        "Keep the names of the folders: BERTScore finds its tuned layer by that of its encoder.",
    ]
    if local:
        lines.append(
            f"Already folders on this machine, so not in {name}; carry them too: {', '.join(local)}."
        )
    return "\n".join(lines) + "\n"
