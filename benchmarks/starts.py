"""Seconds from loaded weights to the end of the first step, without and with compiled code on disk.

python benchmarks/starts.py MODEL_FOLDER OUT.json [--seconds 500]

MODEL_FOLDER: from benchmarks/make_model_shape.py. Every precision starts twice with a cache of its own; speed
and losses stand beside the times.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from training_speed import ROOT, parser, prepare, steady, write_pairs

PRECISIONS = ("nf4", "fp8")


def start(model: str, folder: Path, precision: str, output: Path) -> dict[str, object]:
    """One training; the cache of compiled code is in `folder`."""
    options = {"MODEL_NAME": model, "DATASET_DIR": folder / "datasets", "OUTPUT_DIR": output, "NUM_EPOCHS": 1,
               "BASE_PRECISION": precision, "COMPILE": "on"}  # fmt: skip
    words = (str(word) for name in options for word in (f"--{name}", options[name]))
    line = [sys.executable, "-u", "fine_tuning.py", *words]
    began, loaded, training = time.monotonic(), 0.0, 0.0
    env = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(folder / f"compiled_{precision}")}
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=env) as process:
        for text in process.stdout:
            loaded = loaded or (time.monotonic() - began if text.startswith("Model:") else 0.0)
            training = training or (time.monotonic() - began if text.startswith("Steps:") else 0.0)
    if process.returncode:
        raise SystemExit(f"fine_tuning.py ended with exit code {process.returncode}.")
    whole = time.monotonic() - began
    records = [json.loads(text) for text in (output / "training_metrics.jsonl").read_text().splitlines()]
    speed = steady(records)
    until = training - loaded + speed["until_first_step_seconds"]
    losses = [record["loss"] for record in records if "loss" in record]
    return {
        "precision": precision,
        "weights_loaded_to_first_step_seconds": round(until, 1),
        "whole_command_seconds": round(whole, 1),
        "first_loss": losses[0],
        "last_loss": losses[-1],
    } | speed


def main() -> None:
    """Start every precision twice."""
    given = parser(__doc__, 500).parse_args()
    sys.path.insert(0, str(ROOT))
    import torch
    from transformers import AutoTokenizer

    began, folder, found = time.monotonic(), Path(tempfile.mkdtemp()), []
    write_pairs(folder / "data", AutoTokenizer.from_pretrained(given.model))
    prepare(folder)
    for number, precision in enumerate(PRECISIONS * 2):
        if time.monotonic() - began > given.seconds - 120:
            print(f"{precision}: no time left for its start {number // 2 + 1}")
            continue
        found.append(start(given.model, folder, precision, folder / f"run_{number}"))
        print(found[-1], flush=True)
        result = {"card": torch.cuda.get_device_name(), "torch": torch.__version__, "runs": found}
        given.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
