"""Several cards of one host beside one, through the scripts themselves: training, answers, a sharded base.

python benchmarks/cards.py MODEL_FOLDER ADAPTER_FOLDER OUT.json [--only training answers] [--pairs 2400]
python benchmarks/cards.py LARGE_MODEL - OUT.json --only sharded
python benchmarks/cards.py - - OUT.json --simulate

The folders are from benchmarks/make_model_shape.py. Runs use 1, 2, 4 ... cards, as many as the machine has,
with the data of training_speed.py and the demo's questions. A run that leaves cards free shares the machine
with the next one. Training takes place with the defaults for each card (4 x 4), and with equally many
sequences in a step on any number of cards: then the losses must differ by rounding only. `sharded` trains
an epoch with FSDP on all cards, after the estimate of --DRY_RUN; --pairs 660 make ten steps on four cards.
`--simulate` computes from the results what 4 to 64 cards would give.
"""

import argparse
import json
import math
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import generation_speed
import training_speed

ROOT = Path(__file__).resolve().parent.parent
LAUNCH = ("-m", "accelerate.commands.launch", "--num_machines", "1", "--mixed_precision", "no",
          "--dynamo_backend", "no")  # fmt: skip
SHARDED = ("--config_file", "launch/fsdp_qlora.yaml")
PRECISIONS = ("nf4", "fp8")
HOLDOUTS = (10, 30)  # questions per specialty: 420, and 756 because half of a specialty's pairs stay
LONG = ("losses", "speeds")  # not printed: a number per step
LAUNCHERS_REPORT = re.compile(r"^[EW]\d{4} [\d:.]+ .*torch/distributed/elastic", re.MULTILINE)
SIMULATED = (4, 8, 16, 32, 64)
BEFORE_DECODING = 0.7  # seconds of prefill and recording, on one H100


class Run(NamedTuple):
    """One command on some of the cards."""

    name: str
    cards: int
    script: str
    options: tuple[str, ...]
    launch: tuple[str, ...] = ()  # further options of the launcher


def execute(run: Run, cards: list[int], limit: float) -> dict[str, Any]:
    """Run a script on these cards; what it printed, and how it failed if it did."""
    launcher = (*LAUNCH, *run.launch, "--num_processes", str(run.cards),
                "--main_process_port", str(29_500 + cards[0]))  # fmt: skip
    command = [sys.executable, *(launcher if run.cards > 1 else ()), run.script, *run.options]
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"CUDA_VISIBLE_DEVICES": ",".join(map(str, cards))}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the launcher and what it launched
        output, errors = process.communicate()
        errors += f"\nstopped after {limit:.0f} s"
    found = {"whole_command_seconds": round(time.monotonic() - began, 1), "output": output}
    if process.returncode:  # what the first process to fail said, without the launcher's report about it
        found["failed"] = LAUNCHERS_REPORT.split(output + errors)[0][-2500:]
    return found


def training_run(name: str, cards: int, model: str, folder: Path, *options: str) -> Run:
    """fine_tuning.py for one epoch on the data in `folder`."""
    output = training_speed.output_of(folder, name)
    line = ("--MODEL_NAME", model, "--DATASET_DIR", str(folder / "datasets"), "--OUTPUT_DIR", str(output),
            "--NUM_EPOCHS", "1", *options)  # fmt: skip
    return Run(name, cards, "fine_tuning.py", line)


def training_runs(model: str, folder: Path, counts: list[int], most: int) -> list[Run]:
    """Both precisions with the defaults for each card, and with the step that `most` cards have so."""
    runs = []
    for count in counts:
        for steps in sorted({4, 4 * most // count}):
            for precision in PRECISIONS:
                name = f"{precision}, {count} x 4 x {steps}"
                options = ("--GRADIENT_ACCUMULATION_STEPS", str(steps), "--BASE_PRECISION", precision)
                runs.append(training_run(name, count, model, folder, *options, "--COMPILE", "on"))
    return runs


def answer_runs(model: str, adapter: str, folder: Path, counts: list[int]) -> list[Run]:
    """evaluation.py with both models on both holdouts."""
    return [
        Run(
            f"{questions} per specialty, {count} cards", count, "evaluation.py",
            tuple(generation_speed.options(model, adapter, folder / f"questions_{questions}",
                                           folder / f"answers_{questions}_{count}")),
        )
        for count in counts for questions in HOLDOUTS
    ]  # fmt: skip


def trained(output: Path) -> dict[str, Any]:
    """Speed and losses of a finished training."""
    lines = (output / "training_metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return training_speed.steady(records) | {
        "speeds": [round(record["tokens_per_second"]) for record in records if "loss" in record],
        "losses": [record["loss"] for record in records if "loss" in record],
        "eval_losses": [record["eval_loss"] for record in records if "eval_loss" in record],
    }


def measured(run: Run, cards: list[int], limit: float) -> dict[str, Any]:
    """Run a command, and read its numbers."""
    found = execute(run, cards, limit)
    output = found.pop("output")
    if "failed" in found:
        return found
    if run.script == "evaluation.py":
        return found | generation_speed.said(output)
    folder = Path(run.options[run.options.index("--OUTPUT_DIR") + 1])
    said = (*training_speed.SAID, "FSDP:", "Loading:")
    return found | trained(folder) | {"said": [line for line in output.splitlines() if line.startswith(said)]}


def run_all(runs: list[Run], usable: list[int], left: Any, keep: Any) -> None:
    """Start each run, in order, as soon as enough of the usable cards are free."""
    free, running = set(usable), {}

    def collect(future: Future) -> None:
        run, cards = running.pop(future)
        free.update(cards)
        keep(run, future.result())

    with ThreadPoolExecutor(len(usable)) as pool:
        for run in sorted(runs, key=lambda run: run.cards):
            while len(free) < run.cards:
                collect(next(future for future in waiting(running)))
            cards = sorted(free)[: run.cards]
            free.difference_update(cards)
            running[pool.submit(measured, run, cards, left())] = run, cards
        for future in list(running):
            collect(future)


def waiting(running: dict[Future, Any]) -> list[Future]:
    """The runs that have ended; waits for one."""
    from concurrent.futures import FIRST_COMPLETED, wait

    return list(wait(running, return_when=FIRST_COMPLETED).done)


def loss_gaps(one: dict, other: dict) -> dict[str, float]:
    """How far two loss curves are apart."""
    gaps = [abs(a - b) for a, b in zip(one["losses"], other["losses"], strict=True)]
    evals = [abs(a - b) for a, b in zip(one["eval_losses"], other["eval_losses"], strict=True)]
    return {"first step": gaps[0], "largest": max(gaps), "mean": statistics.mean(gaps), "eval": max(evals)}


def answers_per_second(found: dict) -> float:
    """Tokens per second of all processes, of both models."""
    speeds = found["tokens_per_second"]
    together = [speed for name, speed in speeds.items() if name.endswith("processes")]
    if together:
        return together[0]
    tokens = found["tokens"]
    return sum(tokens.values()) / sum(tokens[role] / speeds[role] for role in tokens)


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """Efficiency beside one card, and differences of the losses."""
    found: dict[str, Any] = {}
    training = {name: run for name, run in result["training"].items() if "losses" in run}
    for name, run in training.items():
        precision, count, steps = re.fullmatch(r"(\w+), (\d+) x 4 x (\d+)", name).groups()
        if (one := training.get(f"{precision}, 1 x 4 x 4")) and steps == "4":
            ratio = run["tokens_per_second"] / int(count) / one["tokens_per_second"]
            found[f"training, {name}, efficiency"] = round(ratio, 3)
        other = training.get(f"{precision}, 1 x 4 x {int(count) * int(steps)}")
        if count != "1" and other:
            found[f"training, {name}, losses against one card"] = loss_gaps(other, run)
    answered = {name: run for name, run in result["answers"].items() if "tokens" in run}
    for name, run in answered.items():
        questions, count = re.fullmatch(r"(\d+) per specialty, (\d+) cards", name).groups()
        one = answered.get(f"{questions} per specialty, 1 cards")
        speed = round(answers_per_second(run))
        found[f"answers, {name}"] = {"tokens_per_second": speed}
        if one:
            found[f"answers, {name}"]["efficiency"] = round(speed / int(count) / answers_per_second(one), 3)
    return found


def estimate(model: str, folder: Path, cards: list[int]) -> dict[str, Any]:
    """Train an epoch with the base sharded over the cards, after the estimate of --DRY_RUN."""
    name = f"sharded over {len(cards)} cards"
    run = training_run(name, len(cards), model, folder, "--COMPILE", "off")._replace(launch=SHARDED)
    dry = execute(run._replace(options=(*run.options, "--DRY_RUN")), cards, 200)
    found = {
        "estimate": re.findall(r"(?:Memory|Time|Steps): .*", dry["output"]),
        "dry_run": dry.get("failed"),
    }
    return {name: found | measured(run, cards, 600)}


def step_seconds(runs: dict[str, dict], precision: str) -> tuple[float, float]:
    """Seconds of a step on one card: fixed, and per token, from its two lengths of a step."""
    points = [
        (run["tokens_a_step"], run["tokens_a_step"] / run["median_of_steps"])
        for name, run in runs.items() if name.startswith(f"{precision}, 1 x ")
    ]  # fmt: skip
    (few, short), (many, long) = min(points), max(points)
    per_token = (long - short) / (many - few)
    return short - few * per_token, per_token


def simulated_training(runs: dict[str, dict]) -> dict[str, float]:
    """Efficiency of training with 4 x 4 sequences per card: the card with the most tokens ends a step.

    The exchange of gradients is left out: an adapter of rank 8 on q and v has 14 MB.
    """
    from medqa.training.batch_sampler import split_across_ranks

    draw, found = random.Random(0), {}
    lengths = [min(2048, max(60, round(draw.lognormvariate(math.log(229), 0.702)))) for _ in range(20_000)]
    for precision in PRECISIONS:
        fixed, per_token = step_seconds(runs, precision)
        alone = statistics.mean(lengths) * 16 / (fixed + per_token * statistics.mean(lengths) * 16)
        for cards in SIMULATED:
            seconds = tokens = 0.0
            for start in range(0, len(lengths) - 16 * cards, 16 * cards):
                ranks = split_across_ranks(range(start, start + 16 * cards), lengths, cards)
                loads = [sum(lengths[index] for index in rank) for rank in ranks]
                seconds += fixed + per_token * max(loads)
                tokens += sum(loads)
            found[f"training, {precision}, {cards} cards"] = round(tokens / seconds / cards / alone, 3)
    return found


def simulated_answers(steps: dict[str, dict], questions: int) -> dict[str, float]:
    """Efficiency of answering with both models: each process decodes its share of the rows, 512 steps long.

    Args:
        steps: the decode steps of generation_speed.json.
        questions: of the holdout.
    """
    import numpy as np

    rows, ms = zip(
        *sorted((int(name.split()[0]), run["ms_a_step"]) for name, run in steps.items()), strict=True
    )

    def seconds(share: float) -> float:
        return BEFORE_DECODING + 512 * float(np.interp(share, rows, ms)) / 1000

    one = 2 * seconds(questions)
    return {
        f"answers, {questions} questions, {cards} cards": round(
            one / cards / seconds(2 * questions / cards), 3
        )
        for cards in SIMULATED
    }


def simulate(result: dict[str, Any]) -> dict[str, Any]:
    """Efficiency on more cards than were measured, from times on one card and how work is divided."""
    speeds = json.loads((ROOT / "benchmarks" / "generation_speed.json").read_text(encoding="utf-8"))
    steps = speeds["decode steps of the base"]
    return simulated_training(result["training"]) | simulated_answers(steps, 420)


def write_data(folder: Path, model: str, pairs: int) -> None:
    """Datasets for training, and holdouts of the demo's questions."""
    from transformers import AutoTokenizer

    training_speed.write_pairs(folder / "data", AutoTokenizer.from_pretrained(model), pairs)
    training_speed.prepare(folder)
    for questions in HOLDOUTS:
        training_speed.run("dataset_preparation.py", "--OUTPUT_DIR", str(folder / f"questions_{questions}"),
                           "--HOLDOUT_SAMPLES_PER_SPECIALTY", str(questions))  # fmt: skip


def arguments() -> argparse.Namespace:
    """What to measure, where, and on which cards."""
    parser = generation_speed.arguments_of(__doc__)
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--pairs", type=int, default=2400)
    parser.add_argument(
        "--only", nargs="+", choices=("training", "answers", "sharded"), default=["training", "answers"]
    )
    parser.add_argument("--runs", nargs="+", default=[], help="only the runs of these names, as in OUT.json")
    parser.add_argument("--folder", type=Path, help="of an earlier call, whose data are used again")
    parser.add_argument(
        "--cards",
        nargs="+",
        type=int,
        help="numbers of the cards; default: all. Calls at the same time need an OUT.json each",
    )
    parser.add_argument("--simulate", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Measure what is asked for, and write after each run."""
    given = arguments()
    sys.path.insert(0, str(ROOT))
    began, result = time.monotonic(), {"training": {}, "answers": {}, "sharded": {}}
    if given.out.exists():
        result |= json.loads(given.out.read_text(encoding="utf-8"))

    def write() -> None:
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

    if given.simulate:
        result["simulated"] = simulate(result)
        write()
        return

    import torch

    most = torch.cuda.device_count()
    cards = given.cards or list(range(most))
    counts = [count for count in (1, 2, 4, 8) if count <= len(cards)]
    result["torch"] = torch.__version__
    folder = given.folder or Path(tempfile.mkdtemp())
    if not (folder / "datasets").exists():
        write_data(folder, given.model, given.pairs)
    part_of = {"fine_tuning.py": "training", "evaluation.py": "answers"}
    runs = training_runs(given.model, folder, counts, most) if "training" in given.only else []
    runs += answer_runs(given.model, given.adapter, folder, counts) if "answers" in given.only else []
    runs = [run for run in runs if not given.runs or run.name in given.runs]

    def keep(run: Run, found: dict) -> None:
        result[part_of[run.script]][run.name] = found | {"card": torch.cuda.get_device_name(cards[0])}
        print(run.name, {key: value for key, value in found.items() if key not in LONG}, flush=True)
        write()

    run_all(runs, cards, lambda: given.seconds - (time.monotonic() - began), keep)
    if "sharded" in given.only:
        result["sharded"] |= estimate(given.model, folder, cards)
    result["summary"] = summary(result)
    print(json.dumps(result["summary"] | result["sharded"], indent=1))
    write()


if __name__ == "__main__":
    main()
