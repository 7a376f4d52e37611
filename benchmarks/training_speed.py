"""Training speed and memory through fine_tuning.py itself, beside its peers, on one card and in one run.

python benchmarks/training_speed.py MODEL_FOLDER OUT.json [--seconds 800] [--only NAME ...]

MODEL_FOLDER: from benchmarks/make_model_shape.py. The data are sequences of mean 296, median 220 and at most
2,048 tokens. Peers: TRL's SFTTrainer with packing (if trl is installed), and what a first script does (padded
batches of 4, all activations recomputed, sdpa, loss on every token).
"""

import argparse
import json
import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAIRS = 900
RUNS = {
    "4 x 4": ["--BATCH_SIZE", "4", "--GRADIENT_ACCUMULATION_STEPS", "4", "--COMPILE", "on"],
}
MORE_RUNS = {
    "4 x 4, within 24 GB": ["--COMPILE", "on", "--GPU_MEMORY_GB", "24"],
    "16 x 4": ["--BATCH_SIZE", "16", "--GRADIENT_ACCUMULATION_STEPS", "4", "--COMPILE", "on"],
    "4 x 4, not compiled": ["--COMPILE", "off"],
    "4 x 4, FP8": ["--BASE_PRECISION", "fp8", "--COMPILE", "on"],
    "4 x 4, FP8, within 24 GB": ["--BASE_PRECISION", "fp8", "--COMPILE", "on", "--GPU_MEMORY_GB", "24"],
}
# Lines of fine_tuning.py that are kept: what was decided, and why.
SAID = ("Precision:", "Weights:", "Batch:", "Compiling", "Layers:", "Steps:")


def write_pairs(folder: Path, tokenizer: object, count: int = PAIRS) -> None:
    """Specialty files whose whole sequences have the lengths wanted."""
    words = [
        word
        for path in sorted((ROOT / "demo" / "data").glob("*.json"))
        for answer in json.loads(path.read_text(encoding="utf-8")).values()
        for word in answer.split()
    ]
    draw = random.Random(0)
    folder.mkdir(parents=True)
    for part in range(4):
        pairs = {}
        while len(pairs) < count // 4:
            question = f"Question {part} {len(pairs)} about {' '.join(draw.choices(words, k=6))}?"
            wanted = min(1950, draw.lognormvariate(math.log(229), 0.702) - 110)  # the prompt takes the rest
            ids = tokenizer(" ".join(draw.choices(words, k=2000)))["input_ids"][: max(10, int(wanted))]
            pairs[question] = tokenizer.decode(ids, skip_special_tokens=True)
        (folder / f"dataset_with_answers_s{part}.json").write_text(json.dumps(pairs), encoding="utf-8")


def prepare(folder: Path) -> None:
    """Datasets of the pairs in `folder`, nearly all of them for training."""
    settings = {"DATA_DIR": folder / "data", "OUTPUT_DIR": folder / "datasets", "EVAL_SPLIT_SIZE": 0.02,
                "INITIAL_TRAIN_PERCENTAGE": 1, "HOLDOUT_SAMPLES_PER_SPECIALTY": 2}  # fmt: skip
    run(
        "dataset_preparation.py", *(str(word) for name in settings for word in (f"--{name}", settings[name]))
    )  # fmt: skip


def output_of(folder: Path, name: str) -> Path:
    """Where a run of this name writes."""
    return folder / name.replace(" ", "_").replace(",", "")


def run(script: str, *options: str) -> str:
    """Output of one of the three scripts; its errors end the benchmark."""
    done = subprocess.run(
        [sys.executable, script, *options], cwd=ROOT, capture_output=True, text=True, env=os.environ
    )
    if done.returncode:
        raise SystemExit(f"{script} {' '.join(options)}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def steady(records: list[dict]) -> dict[str, float]:
    """Speed from the second quarter of the steps on: in a step, and by the clock over all of them.

    The last step, which may have fewer sequences, does not count.
    """
    steps = [record for record in records if "loss" in record]
    rest = steps[len(steps) // 4 : -1]
    passed = rest[-1]["seconds"] - rest[0]["seconds"]
    by_clock = sum(record["tokens"] for record in rest[1:]) / passed
    inside = sum(record["tokens"] / record["tokens_per_second"] for record in rest[1:])
    return {
        "tokens_per_second": round(by_clock),
        "median_of_steps": round(statistics.median(record["tokens_per_second"] for record in rest)),
        "tokens_a_step": round(statistics.mean(record["tokens"] for record in rest)),
        "outside_steps": round(1 - inside / passed, 4),
        "mfu": round(statistics.median(record["mfu"] for record in rest), 3),
        "peak_gb": rest[-1]["gpu_gb"],
        "first_step_seconds": round(steps[0]["tokens"] / steps[0]["tokens_per_second"], 1),
        "until_first_step_seconds": round(steps[0]["seconds"], 1),  # with the evaluation before it
        "steps": len(steps),
    }


def ours(runs: dict[str, list[str]], model: str, folder: Path, left: Callable[[], float]) -> dict[str, dict]:
    """fine_tuning.py with each set of options, its forecast beside it for the first."""
    found = {}
    for name, options in runs.items():
        if left() < 70:
            found[name] = {"skipped": "no time left"}
            continue
        output = output_of(folder, name)
        line = ["--MODEL_NAME", model, "--DATASET_DIR", str(folder / "datasets"), "--OUTPUT_DIR", str(output),
                "--NUM_EPOCHS", "1", *options]  # fmt: skip
        if name in ("4 x 4", "4 x 4, within 24 GB"):
            foretold = run("fine_tuning.py", *line, "--DRY_RUN")
        began = time.monotonic()
        told = run("fine_tuning.py", *line)
        records = [json.loads(text) for text in (output / "training_metrics.jsonl").read_text().splitlines()]
        found[name] = steady(records) | {
            "whole_command_seconds": round(time.monotonic() - began, 1),
            "training_seconds": records[-1].get("seconds") or records[-2]["seconds"],
            "said": [text for text in told.splitlines() if text.startswith(SAID)],
        }
        if name in ("4 x 4", "4 x 4, within 24 GB"):
            found[name]["foretold"] = re.findall(r"(?:Memory|Time): .*", foretold)
        print(name, found[name], flush=True)
    return found


def baseline(model_name: str, texts: list[str], steps: int = 8) -> dict[str, float]:
    """Padded batches of 4, everything recomputed, sdpa, loss on every token: what a first script does."""
    import torch

    from medqa.modeling import loading
    from medqa.modeling.base_model import BaseModel
    from medqa.modeling.device import choose_device
    from medqa.training import lora

    base = BaseModel(model_name, "")
    device = choose_device(base, "")
    tokenizer = base.tokenizer
    model = lora.add_lora(loading.load_base(base, device, "nf4"), 8, 16, 0.0, ("q_proj", "v_proj")).train()
    lora.prepare_layers(model, True, False)
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], 2e-4)
    tokens = began = 0
    for step in range(steps):
        if step == 2:
            torch.cuda.synchronize()
            tokens, began = 0, time.monotonic()
        for part in range(4):
            start = 16 * step + 4 * part
            batch = tokenizer(texts[start : start + 4], return_tensors="pt", padding=True,
                              add_special_tokens=False).to("cuda")  # fmt: skip
            with torch.autocast("cuda", torch.bfloat16):
                loss = model(**batch, labels=batch["input_ids"], use_cache=False).loss / 4
            loss.backward()
            tokens += int(batch["attention_mask"].sum())
        optimizer.step()
        optimizer.zero_grad()
    torch.cuda.synchronize()
    speed = tokens / (time.monotonic() - began)
    return {"tokens_per_second": round(speed), "peak_gb": round(torch.cuda.max_memory_allocated() / 1e9, 1)}


def trl(model_name: str, texts: list[str], folder: Path, steps: int = 10) -> dict[str, float]:
    """TRL's SFTTrainer: packing to 2,048 tokens, batches of 4 x 4 sequences' worth, its other defaults."""
    import torch
    import trl as library
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback

    from medqa.modeling import loading
    from medqa.modeling.base_model import BaseModel
    from medqa.modeling.device import choose_device

    base = BaseModel(model_name, "")
    device = choose_device(base, "")
    model = loading.load_base(base, device, "nf4")
    clock: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: object, **__: object) -> None:
            torch.cuda.synchronize()
            clock.append(time.monotonic())

    config = library.SFTConfig(
        output_dir=str(folder / "trl"), per_device_train_batch_size=4, gradient_accumulation_steps=1,
        packing=True, max_length=2048, max_steps=steps, bf16=True, report_to=[], save_strategy="no",
        dataset_text_field="text", logging_steps=1000, disable_tqdm=True, learning_rate=2e-4,
    )  # fmt: skip
    trainer = library.SFTTrainer(
        model=model, args=config, train_dataset=Dataset.from_dict({"text": texts}),
        processing_class=base.tokenizer, callbacks=[Clock()],
        peft_config=LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=["q_proj", "v_proj"],
                               task_type="CAUSAL_LM"),
    )  # fmt: skip
    lengths = [len(row) for row in trainer.train_dataset["input_ids"]]
    trainer.train()
    a_step = 4 * statistics.mean(lengths)
    speed = a_step * (steps - 3) / (clock[-1] - clock[2])
    peak = torch.cuda.max_memory_allocated() / 1e9
    return {"tokens_per_second": round(speed), "peak_gb": round(peak, 1), "version": library.__version__}


def parser(told: str, seconds: float) -> argparse.ArgumentParser:
    """What the training benchmarks are given; `told` is their docstring."""
    made = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("model")
    made.add_argument("out", type=Path)
    made.add_argument("--seconds", type=float, default=seconds)
    return made


def main() -> None:
    """Measure everything that there is time for."""
    arguments = parser(__doc__, 800)
    arguments.add_argument("--peer", choices=("first script", "trl"), help=argparse.SUPPRESS)
    arguments.add_argument("--folder", type=Path, help="for data and adapters (a temporary one)")
    arguments.add_argument("--only", nargs="+", default=[], choices=[*RUNS, *MORE_RUNS])
    given = arguments.parse_args()
    sys.path.insert(0, str(ROOT))
    began = time.monotonic()

    def left() -> float:
        return given.seconds - (time.monotonic() - began)

    if given.peer:  # in a process of its own, so that each has the card to itself
        from datasets import load_from_disk

        texts = load_from_disk(str(given.folder / "datasets" / "train_dataset"))["formatted_chat"]
        found = trl(given.model, texts, given.folder) if given.peer == "trl" else baseline(given.model, texts)
        given.out.write_text(json.dumps(found))
        return

    import torch
    from transformers import AutoTokenizer

    folder = given.folder or Path(tempfile.mkdtemp())
    write_pairs(folder / "data", AutoTokenizer.from_pretrained(given.model))
    prepare(folder)
    result = {"card": torch.cuda.get_device_name(), "torch": torch.__version__}
    result["fine_tuning.py"] = {} if given.only else ours(RUNS, given.model, folder, left)
    given.out.write_text(json.dumps(result, indent=2) + "\n")
    for peer in () if given.only else ("first script", "trl"):
        if left() < 45:
            result[peer] = {"skipped": "no time left"}
            continue
        out = folder / "peer.json"
        out.unlink(missing_ok=True)
        try:
            done = subprocess.run(
                [sys.executable, __file__, given.model, str(out), "--peer", peer, "--folder", str(folder)],
                cwd=ROOT, capture_output=True, text=True, timeout=left(),
            )  # fmt: skip
            result[peer] = json.loads(out.read_text()) if out.exists() else {"failed": done.stderr[-600:]}
        except subprocess.TimeoutExpired:
            result[peer] = {"skipped": "no time left"}
        print(peer, result[peer], flush=True)
        given.out.write_text(json.dumps(result, indent=2) + "\n")
    more = {name: options for name, options in (RUNS | MORE_RUNS).items() if name in given.only}
    for name, options in (more or MORE_RUNS).items():
        result["fine_tuning.py"] |= ours({name: options}, given.model, folder, left)
        given.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
