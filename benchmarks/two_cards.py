"""Two cards beside one, through the scripts themselves: training, training with a shared base, answers.

python benchmarks/two_cards.py MODEL_FOLDER OUT.json [--seconds 560]

MODEL_FOLDER: from benchmarks/make_8b_shape.py, on a machine with two GPUs. The data are those of
training_speed.py and the demo's. One process with two cards' worth of sequences a step shows whether two
processes learn the same: their losses must differ by rounding only.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import generation_speed
import training_speed

ROOT = Path(__file__).resolve().parent.parent
LAUNCH = ("-m", "accelerate.commands.launch", "--num_machines", "1", "--mixed_precision", "no",
          "--dynamo_backend", "no", "--num_processes", "2")  # fmt: skip
SHARED = (*LAUNCH, "--config_file", "launch/fsdp_qlora.yaml")
FOUR, EIGHT = ("--GRADIENT_ACCUMULATION_STEPS", "4"), ("--GRADIENT_ACCUMULATION_STEPS", "8")
# Not printed: a number a step.
LONG = ("losses", "speeds")
# Name of the run, what stands before the script's name, and its options. Two processes see 32 sequences a
# step, as one does with 4 x 8.
RUNS = {
    "one card, 4 x 4": ((), (*FOUR, "--COMPILE", "on")),
    "two cards, 4 x 4": (LAUNCH, (*FOUR, "--COMPILE", "on")),
    "one card, 4 x 8": ((), (*EIGHT, "--COMPILE", "on")),
    "two cards, FSDP, 4 x 4": (SHARED, FOUR),
    "one card, 4 x 4, not compiled": ((), (*FOUR, "--COMPILE", "off")),
    "two cards, FSDP, 8 GB each": (SHARED, (*FOUR, "--GPU_MEMORY_GB", "8")),
}


def command(before: tuple[str, ...], script: str, *options: str, limit: float = 200) -> dict:
    """Run a script alone on the first card, or on both; what it printed, or how it failed."""
    alone = {} if before else {"CUDA_VISIBLE_DEVICES": "0"}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *before, script, *options], cwd=ROOT, env=os.environ | alone, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        told, errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the launcher, and what it launched
        told, errors = process.communicate()
    found = {"whole_command_seconds": round(time.monotonic() - began, 1), "told": told}
    return found | ({"failed": (told + errors)[-2500:]} if process.returncode else {})


def train(name: str, model: str, folder: Path, limit: float) -> dict:
    """One run of fine_tuning.py: its speed, and its losses."""
    before, options = RUNS[name]
    output = training_speed.output_of(folder, name)
    folders = ("--DATASET_DIR", str(folder / "datasets"), "--OUTPUT_DIR", str(output))
    line = ("--MODEL_NAME", model, *folders, "--NUM_EPOCHS", "1", *options)
    found = command(before, "fine_tuning.py", *line, limit=limit)
    told = found.pop("told", "")
    if "failed" in found:
        return found
    records = [json.loads(text) for text in (output / "training_metrics.jsonl").read_text().splitlines()]
    said = (*training_speed.SAID, "FSDP:", "Loading:")
    return found | training_speed.steady(records) | {
        "speeds": [round(record["tokens_per_second"]) for record in records if "loss" in record],
        "losses": [record["loss"] for record in records if "loss" in record],
        "eval_losses": [record["eval_loss"] for record in records if "eval_loss" in record],
        "said": [text for text in told.splitlines() if text.startswith(said)],
    }  # fmt: skip


def apart(one: dict, other: dict) -> dict[str, float]:
    """How far two loss curves are apart."""
    gaps = [abs(a - b) for a, b in zip(one["losses"], other["losses"], strict=True)]
    evals = [abs(a - b) for a, b in zip(one["eval_losses"], other["eval_losses"], strict=True)]
    return {"first step": gaps[0], "largest": max(gaps), "mean": sum(gaps) / len(gaps), "eval": max(evals)}


def answers(before: tuple[str, ...], model: str, adapter: Path, data: Path, output: Path) -> dict:
    """One run of evaluation.py: tokens a second of each model, and of all processes together."""
    found = command(
        before, "evaluation.py",
        *generation_speed.options(model, str(adapter), data, output),
    )  # fmt: skip
    told = found.pop("told", "")
    return found | generation_speed.said(told)


def main() -> None:
    """Measure all that there is time for, and write after each run."""
    arguments = training_speed.parser(__doc__, 560)
    arguments.add_argument("--pairs", type=int, default=1800)
    arguments.add_argument("--only", nargs="*", default=[*RUNS, "answers"], help="some of the runs")
    given = arguments.parse_args()
    sys.path.insert(0, str(ROOT))
    began = time.monotonic()

    import torch
    from transformers import AutoTokenizer

    folder = Path(tempfile.mkdtemp())
    training_speed.write_pairs(folder / "data", AutoTokenizer.from_pretrained(given.model), given.pairs)
    training_speed.prepare(folder)
    training_speed.run("dataset_preparation.py", "--OUTPUT_DIR", str(folder / "questions"))
    cards = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    result: dict = {"cards": cards, "torch": torch.__version__, "training": {}, "answers": {}}
    runs = json.loads(given.out.read_text()) if given.out.exists() else {}
    runs[f"{given.pairs:,} pairs"] = result  # in place of an earlier one of this size

    def left() -> float:
        return given.seconds - (time.monotonic() - began)

    def keep(part: str, name: str, found: dict) -> None:
        result[part][name] = found
        print(name, {key: value for key, value in found.items() if key not in LONG}, flush=True)
        given.out.write_text(json.dumps(runs, indent=1) + "\n")

    def train_some(*names: str) -> None:
        for name in given.only:
            if name not in names:
                continue
            keep("training", name, train(name, given.model, folder, left() - 10) if left() > 60 else {})

    names = list(RUNS)
    train_some(*names[:3])
    adapter = training_speed.output_of(folder, names[0])
    for name, before in (("one card", ()), ("two cards", LAUNCH)):
        if "answers" in given.only and left() > 60:
            output = training_speed.output_of(folder, f"answers {name}")
            keep("answers", name, answers(before, given.model, adapter, folder / "questions", output))
    train_some(*names[3:])
    trained = {name: found for name, found in result["training"].items() if "losses" in found}
    for name in ("two cards, 4 x 4", "two cards, FSDP, 4 x 4", "two cards, FSDP, 8 GB each"):
        for other in ("one card, 4 x 8", "two cards, 4 x 4"):
            if name != other and name in trained and other in trained:
                keep("training", f"losses of {name} against {other}", apart(trained[other], trained[name]))


if __name__ == "__main__":
    main()
