"""Speed of the answers through evaluation.py itself, beside transformers' generate, on one card in one run.

python benchmarks/generation_speed.py MODEL_FOLDER ADAPTER_FOLDER OUT.json

MODEL_FOLDER: from benchmarks/make_8b_shape.py; ADAPTER_FOLDER: an output of fine_tuning.py on it. 420
questions of the demo, answers of up to 512 tokens, both models.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def options(model: str, adapter: str, data: Path, output: Path) -> list[str]:
    """Of evaluation.py, for an evaluation without an encoder."""
    folders = {"BASE_MODEL_PATH": model, "FINETUNED_MODEL_PATH": adapter, "DATASET_DIR": str(data),
               "OUTPUT_DIR": str(output), "BERTSCORE_MODEL": ""}  # fmt: skip
    return [word for name, value in folders.items() for word in (f"--{name}", value)]


def said(output: str) -> dict:
    """What evaluation.py says of its speed: of each model, and of several processes together."""
    found = re.findall(r"(base|finetuned|\d+ processes): ([\d,]+) tokens in .*?, ([\d,]+) a second", output)
    return {
        "tokens_per_second": {role: int(speed.replace(",", "")) for role, _, speed in found},
        "tokens": {role: int(tokens.replace(",", "")) for role, tokens, _ in found},
        "said": [text for text in output.splitlines() if text.startswith(("Batch:", "Device:"))],
    }


def ours(model: str, adapter: str, data: Path, output: Path, *more: str) -> dict:
    """evaluation.py: what it says of each model's speed."""
    line = [sys.executable, "evaluation.py", *options(model, adapter, data, output), *more]
    began = time.monotonic()
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return {"whole_command_seconds": round(time.monotonic() - began, 1)} | said(done.stdout)


def steady(model_name: str, data: Path) -> dict:
    """Tokens a second of the base alone: whole pass, and by steps once all rows are under way."""
    import torch
    from datasets import load_from_disk

    from medqa.generation import continuous_batching, engine
    from medqa.modeling import loading, varlen_attention
    from medqa.modeling.base_model import BaseModel
    from medqa.modeling.chat_template import apply_chat_template
    from medqa.modeling.device import choose_device

    base = BaseModel(model_name, "")
    device = choose_device(base, "")
    tokenizer = base.tokenizer
    model = loading.load_base(base, device, "bf16").eval()
    model.set_attn_implementation(varlen_attention.NAME)
    prompts = [
        engine.make_prompt(row["id"], row["question"], tokenizer, apply_chat_template, "Answer.", 512)
        for row in load_from_disk(str(data / "holdout_dataset"))
    ]
    longest = max(len(prompt.input_ids) for prompt in prompts) + 512
    found = {"mean_prompt_tokens": sum(len(p.input_ids) for p in prompts) / len(prompts)}
    with torch.inference_mode():
        for rows in (420, 64, 4):
            made = continuous_batching.ContinuousBatcher(
                model, engine.Decoding(512, 0.1, 0.9, 42, ()), rows, longest
            )
            made.admit(prompts[:rows])
            made.decode()
            torch.cuda.synchronize()
            began, looks = time.monotonic(), 62
            for _ in range(looks):
                made.decode()
            torch.cuda.synchronize()
            steps = looks * continuous_batching.STEPS_PER_CHECK
            passed = time.monotonic() - began
            found[f"{rows} at once"] = {
                "tokens_per_second": round(rows * steps / passed),
                "ms_a_step": round(1000 * passed / steps, 2),
            }
            del made
            torch.cuda.empty_cache()
        for rows in (1, 4):
            batch = tokenizer.pad(
                {"input_ids": [prompt.input_ids.tolist() for prompt in prompts[:rows]]}, padding_side="left",
                return_tensors="pt",
            ).to("cuda")  # fmt: skip
            model.set_attn_implementation("sdpa")
            speeds = []
            for _ in range(2):
                torch.cuda.synchronize()
                began = time.monotonic()
                out = model.generate(**batch, max_new_tokens=64, do_sample=True, temperature=0.1, top_p=0.9,
                                     eos_token_id=None, pad_token_id=0)  # fmt: skip
                torch.cuda.synchronize()
                new = (out.shape[1] - batch["input_ids"].shape[1]) * rows
                speeds.append(new / (time.monotonic() - began))
            found[f"transformers' generate, {rows} at once"] = {"tokens_per_second": round(speeds[-1], 1)}
    found["transformers' generate_batch, 420 questions, 128 tokens"] = continuous(model, prompts)
    return found


def continuous(model: Any, prompts: list) -> dict:
    """Speed of transformers' continuous batching; the first call is a warm-up."""
    import torch
    from transformers import GenerationConfig

    wanted = GenerationConfig(
        max_new_tokens=128, do_sample=True, temperature=0.1, top_p=0.9, eos_token_id=-1, pad_token_id=0
    )
    inputs = [prompt.input_ids.tolist() for prompt in prompts]
    speeds, statuses = [], Counter()
    for part in (inputs[:32], inputs):
        torch.cuda.synchronize()
        began = time.monotonic()
        made = model.generate_batch(part, generation_config=wanted)
        passed = time.monotonic() - began
        statuses = Counter(str(output.status) for output in made.values())
        speeds.append(sum(len(output.generated_tokens) for output in made.values()) / passed)
    return {"tokens_per_second": round(speeds[-1], 1), "statuses": statuses}


def exact(small: str, data: Path) -> dict:
    """Share of answers, greedy and in float32 on this card, that are transformers' own token for token."""
    import torch
    from datasets import load_from_disk
    from transformers import AutoModelForCausalLM

    from medqa.generation import engine
    from medqa.modeling.base_model import BaseModel
    from medqa.modeling.chat_template import apply_chat_template

    tokenizer = BaseModel(small, "").tokenizer
    model = AutoModelForCausalLM.from_pretrained(small, dtype=torch.float32).to("cuda").eval()
    rows = list(load_from_disk(str(data / "holdout_dataset")))[:60]
    prompts = [
        engine.make_prompt(row["id"], row["question"], tokenizer, apply_chat_template, "Answer.", 512)
        for row in rows
    ]

    class Numbers:
        def decode(self, ids: list[int], **_: object) -> str:
            return " ".join(map(str, ids))

    kept = {}
    engine.answer_all(
        model, Numbers(), prompts, engine.Decoding(64, 0.0, 0.9, 42, ()), 16,
        lambda answer: kept.__setitem__(answer.id, answer.text),
    )  # fmt: skip
    same = 0
    for prompt in prompts:
        ids = torch.tensor([prompt.input_ids.tolist()], device="cuda")
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=64,
                             eos_token_id=None, pad_token_id=0)  # fmt: skip
        same += kept[prompt.id] == " ".join(map(str, out[0, ids.shape[1] :].tolist()))
    return {"questions": len(prompts), "same": same}


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("adapter")
    parser.add_argument("out", type=Path)
    parser.add_argument("--small", default="demo/base_model", help="a model for the check of exactness")
    parser.add_argument("--within", default="24", help="GB of a small card that is tried too")
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    import torch

    folder = Path(tempfile.mkdtemp())
    data = folder / "datasets"
    prepare = [sys.executable, "dataset_preparation.py", "--OUTPUT_DIR", str(data)]
    subprocess.run(prepare, cwd=ROOT, check=True, capture_output=True)
    result = {"card": torch.cuda.get_device_name(), "torch": torch.__version__}

    def keep(name: str, found: dict) -> None:
        result[name] = found
        print(name, found, flush=True)
        given.out.write_text(json.dumps(result, indent=2) + "\n")

    keep("evaluation.py", ours(given.model, given.adapter, data, folder / "whole"))
    keep("exact in float32", exact(given.small, data))
    keep("the base alone", steady(given.model, data))
    torch.cuda.empty_cache()
    small = ("--GPU_MEMORY_GB", given.within, "--LIMIT", "64", "--MAX_NEW_TOKENS", "128")
    keep(f"evaluation.py within {given.within} GB, 64 questions, 128 tokens",
         ours(given.model, given.adapter, data, folder / "small", *small))  # fmt: skip


if __name__ == "__main__":
    main()
