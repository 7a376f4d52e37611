"""Collects the models and NLTK's data that a machine without internet needs in one folder."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

from medqa.artifacts import hub
from medqa.artifacts.atomic_io import write_text
from medqa.runtime.console import print_rank0, table
from medqa.runtime.errors import UserError, first_line

# Patterns of the files that are needed in addition to the weights, and of weights in their two formats.
SMALL_FILES = ("*.json", "*.txt", "*.model", "*.jinja")
SAFE_WEIGHTS, OLD_WEIGHTS = "*.safetensors", "pytorch_model*.bin"
# Weights for other programs, which some models have as well.
NOT_NEEDED = ("original/*", "onnx/*", "openvino/*", "*.msgpack", "*.h5")
GUIDE = "HOW_TO_USE.txt"
NLTK = "nltk_data"


def collect(folder: Path, base_model: str, encoder: str, collect_nltk: Callable[[Path], str]) -> None:
    """Collect NLTK's data, the encoder and the base model, and print how to use them on the other machine.

    Files from an earlier attempt are kept. The folder also gets `HOW_TO_USE.txt` with the printed commands.

    Args:
        folder: for `nltk_data` and a folder for each model.
        base_model, encoder: folders, or names on the Hub; an empty encoder: none.
        collect_nltk: copies or downloads NLTK's data into a folder; returns "", or why it failed.

    Raises:
        UserError: a download failed, or a model has no weights.
    """
    places = {model: folder / Path(model).name for model in (encoder, base_model) if model}
    distant = [model for model in places if not Path(model).expanduser().is_dir()]
    if distant and hub.forbidden():
        raise UserError(
            f"{' and '.join(distant)} must be downloaded, and HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids "
            "it. Type the same command after: unset HF_HUB_OFFLINE TRANSFORMERS_OFFLINE"
        )
    # The smallest first, so that a machine without internet fails at once.
    print_rank0(f"Collecting NLTK's data in {folder / NLTK}")
    if reason := collect_nltk(folder / NLTK):
        raise _failed("NLTK's data", reason)
    for model, target in places.items():
        print_rank0(f"Collecting {model} in {target}")
        if model in distant:
            download(model, target, (SAFE_WEIGHTS, OLD_WEIGHTS) if model == encoder else (SAFE_WEIGHTS,))
        elif Path(model).expanduser().resolve() != target.resolve():
            shutil.copytree(Path(model).expanduser(), target, dirs_exist_ok=True)
    guide = _guide(folder.resolve().name, places[base_model].name, encoder and places[encoder].name)
    write_text(folder / GUIDE, guide)
    rows = [[str(path), _size(path)] for path in (folder / NLTK, *places.values())]
    print_rank0("", table(["collected", "size"], [*rows, ["total", _size(folder)]]), "")
    print_rank0(f"On the other machine, with {folder.resolve().name} beside the three scripts, type:")
    print_rank0(guide)


def download(model: str, target: Path, formats: tuple[str, ...]) -> None:
    """Download a model from the Hub into the folder `target`.

    Weights are downloaded in one format: the first of `formats` that the model has.

    Raises:
        UserError: the download failed, or the model has weights in none of these formats.
    """
    from huggingface_hub import snapshot_download

    try:
        for weights in formats:
            patterns = [*SMALL_FILES, weights]
            snapshot_download(
                model, local_dir=target, allow_patterns=patterns, ignore_patterns=list(NOT_NEEDED)
            )
            if any(target.glob(weights)):
                return
    except Exception as error:
        raise _failed(model, first_line(error)) from error
    raise UserError(f"{model} has no weights as {' or '.join(formats)}; found: {_names(target)}.")


def _failed(what: str, reason: str) -> UserError:
    return UserError(
        f"{what} could not be downloaded: {reason}. Files collected so far are kept; type the same command "
        "again with internet."
    )


def _names(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.glob("[!.]*"))[:6]) or "nothing"


def _size(folder: Path) -> str:
    """Size of all files in a folder, in decimal units: 16.07 GB."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _guide(name: str, base: str, encoder: str) -> str:
    """What to type on the other machine, where the folder is next to the three scripts."""
    place, judge = shlex.quote(f"{name}/{base}"), shlex.quote(encoder and f"{name}/{encoder}")
    lines = [
        f"export HF_HUB_OFFLINE=1 NLTK_DATA={shlex.quote(f'{name}/{NLTK}')}",
        "python dataset_preparation.py --DATA_DIR /path/to/json/files",
        f"python fine_tuning.py --MODEL_NAME {place}",
        f"python evaluation.py --BASE_MODEL_PATH {place} --BERTSCORE_MODEL {judge}",
    ]
    return "".join(f"    {line}\n" for line in lines)
