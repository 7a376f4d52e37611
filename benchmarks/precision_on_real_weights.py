"""What NF4 and FP8 cost on real weights: losses and scores after training in each, beside bfloat16.

python benchmarks/precision_on_real_weights.py MODEL_FOLDER DATASETS OUT.json [--seeds 3] [--epochs 2]

MODEL_FOLDER: a real model, such as SmolLM2-135M-Instruct; DATASETS: from dataset_preparation.py. Every
precision trains through fine_tuning.py with its defaults, not compiled, once for each seed; all trainings run
at the same time, spread over the GPUs of the machine. The adapters' losses on the reference answers of the
holdout are computed on the base that was trained, and on the bfloat16 base, which a merged model uses; the
holdout is then answered by evaluation.py with its defaults (bfloat16). Needs GPUs with FP8.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PRECISIONS = ("bf16", "fp8", "nf4")
SCORES = ("ROUGE-L", "token_f1", "dose_error")


def holdout_losses(model: str, datasets: Path, adapter: Path, precision: str) -> dict[str, tuple[float, int]]:
    """Summed loss (nats) and tokens of each reference answer of the holdout."""
    from medqa.artifacts import run_manifest
    from medqa.data import dataset_io
    from medqa.generation import reference_loss, shards
    from medqa.generation.model_pair import Models
    from medqa.generation.runner import tokenize_records
    from medqa.modeling.base_model import BaseModel
    from medqa.modeling.chat_template import apply_chat_template, checked_template
    from medqa.modeling.device import choose_device
    from medqa.runtime.console import WarningLog

    base = BaseModel(model, "BASE_MODEL_PATH")
    data = run_manifest.require_finished(datasets, "dataset_preparation", "")
    records = dataset_io.load_splits(datasets, 0)
    template = checked_template(
        apply_chat_template, base.tokenizer, data["chat_template_sha256"], str(datasets)
    )
    texts = base.tokenizer, template, data["system_message"]
    _, examples = tokenize_records(records, *texts, 1536, 512, WarningLog())
    wanted = {record["id"] for record in records["holdout"]}
    examples = [example for example in examples["finetuned"] if example.id in wanted]
    models = Models(base, str(adapter), choose_device(base, ""), precision)
    return reference_loss.answer_losses(models, "finetuned", examples, {}, lambda _: None, shards.WHOLE)


def holdout_scores(given: argparse.Namespace, adapter: Path) -> dict[str, list[float | None]]:
    """Scores of the tuned model's answers to the holdout; None where a score does not apply."""
    from medqa.artifacts.csv_io import read_table

    output = Path(f"{adapter}_evaluation")
    settings = {"BASE_MODEL_PATH": given.model, "FINETUNED_MODEL_PATH": adapter, "OUTPUT_DIR": output,
                "DATASET_DIR": given.datasets, "BERTSCORE_MODEL": "", "MAX_NEW_TOKENS": 256}  # fmt: skip
    line = [str(word) for name, value in settings.items() for word in (f"--{name}", value)]
    subprocess.run([sys.executable, "evaluation.py", *line], cwd=ROOT, check=True)
    table = read_table(output / "finetuned_model_results.csv", ("hypothesis", "reference", "question"))
    return {score: table[score].astype(object).where(table[score].notna(), None).tolist() for score in SCORES}


def train_one(given: argparse.Namespace) -> dict[str, Any]:
    """Train in one precision with one seed, and evaluate the adapter."""
    from config import TrainingConfig
    from fine_tuning import train

    output = given.folder / f"{given.precision}_{given.seed}"
    began = time.monotonic()
    train(
        TrainingConfig(
            MODEL_NAME=given.model, DATASET_DIR=str(given.datasets), OUTPUT_DIR=str(output),
            BASE_PRECISION=given.precision, NUM_EPOCHS=given.epochs, SEED=given.seed, COMPILE="off",
            TOKENS_PER_BATCH=8192, SAVE_TOTAL_LIMIT=1,
        )
    )  # fmt: skip
    lines = (output / "training_metrics.jsonl").read_text(encoding="utf-8").splitlines()
    evaluations = [record["eval_loss"] for record in map(json.loads, lines) if "eval_loss" in record]
    result = {"seed": given.seed, "eval_loss": evaluations, "seconds": round(time.monotonic() - began, 1)}
    for name, precision in (("holdout", given.precision), ("holdout_on_bf16", "bf16")):
        result[name] = holdout_losses(given.model, given.datasets, output, precision)
    return result | {"scores": holdout_scores(given, output)}


def summary(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Relative differences of the eval loss by seed, and of the holdout's losses and scores with intervals.

    The 95 % interval is over questions: the mean over the seeds of each question's loss per token, or score,
    minus that of bfloat16.
    """
    import numpy as np

    def by_question(runs: list[dict[str, Any]], name: str) -> np.ndarray:
        if name in SCORES:
            return np.mean([np.array(run["scores"][name], dtype=float) for run in runs], axis=0)
        return np.mean([[nats / tokens for nats, tokens in run[name].values()] for run in runs], axis=0)

    def difference(own: np.ndarray, other: np.ndarray) -> list[float]:
        gaps = (own - other)[~np.isnan(own - other)]
        half = 1.96 * gaps.std(ddof=1) / len(gaps) ** 0.5
        return [round(float(value), 4) for value in (gaps.mean(), gaps.mean() - half, gaps.mean() + half)]

    result: dict[str, Any] = {}
    for precision, runs in found.items():
        result[precision] = {"eval_loss": [[round(loss, 4) for loss in run["eval_loss"]] for run in runs]}
        for name in ("holdout", "holdout_on_bf16", *SCORES):
            own = by_question(runs, name)
            result[precision][name] = round(float(np.nanmean(own)), 4)
            if precision != "bf16":
                plain = by_question(found["bf16"], name.removesuffix("_on_bf16"))
                result[precision][f"{name}_minus_bf16"] = difference(own, plain)
        result[precision]["last_over_bf16_percent"] = [
            round(100 * (run["eval_loss"][-1] / plain["eval_loss"][-1] - 1), 2)
            for run, plain in zip(runs, found["bf16"], strict=True)
        ]
    return result


def main() -> None:
    """Run the precisions side by side, and compare them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("datasets", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/precision"), help="for the adapters")
    parser.add_argument("--precision", choices=PRECISIONS, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.precision:
        given.out.write_text(json.dumps(train_one(given)))
        return
    import torch

    parts = {
        (precision, seed): given.out.with_suffix(f".{precision}_{seed}.part")
        for seed in range(1, given.seeds + 1) for precision in PRECISIONS
    }  # fmt: skip
    began, cards = time.monotonic(), torch.cuda.device_count()
    running = [
        subprocess.Popen(
            [sys.executable, __file__, given.model, str(given.datasets), str(part), "--precision", precision,
             "--seed", str(seed), "--epochs", str(given.epochs), "--folder", str(given.folder)],
            cwd=ROOT, env=os.environ | {"CUDA_VISIBLE_DEVICES": str(number % cards)},
        )
        for number, ((precision, seed), part) in enumerate(parts.items())
    ]  # fmt: skip
    if any([process.wait() for process in running]):  # a list, so that all are waited for
        raise SystemExit("a training failed; its output is above")
    found: dict[str, list] = {precision: [] for precision in PRECISIONS}
    for (precision, _), part in parts.items():
        found[precision].append(json.loads(part.read_text()))
        part.unlink()
    result = {"card": torch.cuda.get_device_name(), "torch": torch.__version__, "model": given.model}
    result |= {"seconds": round(time.monotonic() - began), "summary": summary(found)}
    result["runs"] = {
        precision: [{name: run[name] for name in ("seed", "eval_loss", "seconds")} for run in runs]
        for precision, runs in found.items()
    }
    given.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["summary"], indent=2))


if __name__ == "__main__":
    main()
