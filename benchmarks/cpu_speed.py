"""Speed of training and of answers on a CPU, in float32 and bfloat16, beside what the processor allows.

    OMP_NUM_THREADS=2 python benchmarks/cpu_speed.py OUT.json --model demo/models/smollm2
    python benchmarks/cpu_speed.py OUT.json [--model FOLDER] [--before CHECKOUT]

OMP_NUM_THREADS sets the threads. FOLDER: a base model (`python demo/fetch_models.py` fetches this one);
without it, the shape of SmolLM2-135M with random weights and the toy demo's tokenizer
(`python demo/build_model.py`). CHECKOUT: an earlier version of this repository, measured in the same run,
which computes in float32. The scripts themselves run, on the demo's data, without a GPU: one epoch of
training on 112 pairs, and answers of 64 tokens to 42 questions with both models.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHAPE = {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
         "num_key_value_heads": 3, "vocab_size": 49_152, "tie_word_embeddings": True}  # fmt: skip
ROWS = 64  # of a decode step


def make_model(folder: Path) -> None:
    """Write the shape of SmolLM2-135M with random weights."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(ROOT / "demo" / "base_model")
    torch.manual_seed(0)
    config = LlamaConfig(**SHAPE, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def limits(parameters: int) -> dict:
    """Tokens per second if only the matrix products, or only reading the weights, took time."""
    import torch

    from medqa.runtime import processor

    found = {"processor": processor.describe(), "threads": torch.get_num_threads()}
    for name in ("float32", "bfloat16") if processor.bfloat16_units() else ("float32",):
        left, right = (torch.randn(2048, 2048).to(getattr(torch, name)) for _ in range(2))
        large = torch.ones(1 << 28, dtype=torch.uint8)
        rates = []
        for _ in range(5):
            began = time.perf_counter()
            left @ right
            rates.append(2 * 2048**3 / (time.perf_counter() - began))
        began = time.perf_counter()
        large.view(torch.int64).sum()
        bandwidth = len(large) / (time.perf_counter() - began)
        step = max(2 * parameters * ROWS / max(rates), parameters * left.element_size() / bandwidth)
        found[name] = {
            "products_gflops": round(max(rates) / 1e9),
            "gb_per_second": round(bandwidth / 1e9, 1),
            "training_at_most": round(max(rates) / (4 * parameters)),
            "answers_at_most": round(ROWS / step),
        }
    return found


def run(checkout: Path, *line: str) -> str:
    """The output of one of the scripts, on the CPU."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "NO_COLOR": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, *line]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def measure(checkout: Path, model: str, data: Path, folder: Path, *precision: str) -> dict:
    """Tokens per second of the scripts of a checkout."""
    results = folder / "results"
    trained = run(checkout, "fine_tuning.py", "--MODEL_NAME", model, "--DATASET_DIR", str(data),
                  "--OUTPUT_DIR", str(results), "--NUM_EPOCHS", "1", "--BASE_PRECISION", "bf16",
                  *precision)  # fmt: skip
    records = [json.loads(line) for line in (results / "training_metrics.jsonl").read_text().splitlines()]
    speeds = [record["tokens_per_second"] for record in records if "loss" in record]
    evaluated = run(checkout, "evaluation.py", "--BASE_MODEL_PATH", model, "--FINETUNED_MODEL_PATH",
                    str(results), "--DATASET_DIR", str(data), "--OUTPUT_DIR", str(folder / "evaluation"),
                    "--MAX_NEW_TOKENS", "64", "--BERTSCORE_MODEL", "", *precision)  # fmt: skip
    answers = re.findall(r"^(base|finetuned): [\d,]+ tokens in .*?, ([\d,]+) a second", evaluated, re.M)
    return {
        "device": re.search(r"^Device: (.*)$", trained, re.M)[1],
        "training_tokens_per_second": round(statistics.median(speeds[1:]), 1),
        "eval_losses": [round(record["eval_loss"], 4) for record in records if "eval_loss" in record],
        "answers_tokens_per_second": {role: int(speed.replace(",", "")) for role, speed in answers},
    }


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", help="a base model; default: random weights")
    parser.add_argument("--before", type=Path, help="a checkout of an earlier version")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    if not given.model:
        make_model(folder / "model")
    model, data = str(Path(given.model or folder / "model").resolve()), folder / "datasets"
    run(ROOT, "dataset_preparation.py", "--OUTPUT_DIR", str(data), "--HOLDOUT_SAMPLES_PER_SPECIALTY", "1",
        "--INITIAL_TRAIN_PERCENTAGE", "0.1", "--TOKENIZER", model)  # fmt: skip
    sys.path.insert(0, str(ROOT))
    from medqa.modeling.base_model import BaseModel

    result = {"limits": limits(BaseModel(model, "").parameter_count)}
    ways = {"float32": (ROOT, "--CPU_PRECISION", "fp32")}
    if "bfloat16" in result["limits"]:  # others emulate it
        ways["bfloat16"] = ROOT, "--CPU_PRECISION", "bf16"
    if given.before:
        ways = {"before, float32": (given.before,)} | ways
    for name, (checkout, *precision) in ways.items():
        result[name] = measure(checkout, model, data, folder / name.replace(", ", "_"), *precision)
        print(name, result[name], flush=True)
        given.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["limits"]))


if __name__ == "__main__":
    main()
