"""What FP8 costs the answers: the scores of both models with weights and cache in FP8, paired with bfloat16.

python benchmarks/fp8_answers.py BASE_MODEL ADAPTER DATASETS OUT.json [--folder FOLDER] [evaluation options]

Runs evaluation.py in bfloat16, in bfloat16 with another seed (how much scores differ by chance), and
in FP8, on the same questions; other options are passed on, such as --BERTSCORE_MODEL FOLDER. Prints for each
model and metric the means, the paired difference with its 95 % interval, and the share of equal answers. Use
real weights. Needs a GPU with FP8.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# How the answers of each evaluation are generated; the first one is what the others are paired with.
EVALUATIONS = {
    "bf16": ["--BASE_PRECISION", "bf16"],
    "bf16, other seed": ["--BASE_PRECISION", "bf16", "--SEED", "1"],
    "fp8": ["--BASE_PRECISION", "fp8"],
}
TEXTS = ("question", "reference", "hypothesis", "specialty", "id", "failed")


def evaluate(given: argparse.Namespace, output: Path, options: list[str]) -> dict[str, Any]:
    """Run evaluation.py; its results table of each model."""
    from medqa.artifacts.csv_io import read_table

    folders = {"BASE_MODEL_PATH": given.base, "FINETUNED_MODEL_PATH": given.adapter,
               "DATASET_DIR": given.datasets, "OUTPUT_DIR": output}  # fmt: skip
    words = [str(word) for name, value in folders.items() for word in (f"--{name}", value)]
    subprocess.run([sys.executable, "evaluation.py", *words, *given.options, *options], cwd=ROOT, check=True)
    return {role: read_table(output / f"{role}_model_results.csv", TEXTS) for role in ("base", "finetuned")}


def paired(before: Any, after: Any) -> dict[str, Any]:
    """Means and paired difference of every metric, and the share of equal answers."""
    from medqa.analysis.comparison import compare
    from medqa.analysis.paired_scores import PRIMARY

    numeric = before.select_dtypes("number").columns
    names = [name for name in numeric if name in after and name != PRIMARY and before[name].notna().any()]
    rows = compare(before, after, names, (), seed=42).rename(columns={"base": "before", "finetuned": "after"})
    kept = rows[["metric", "before", "after", "difference", "ci_low", "ci_high", "p_value", "n"]]
    equal = (before["hypothesis"] == after["hypothesis"]).mean()
    return {"equal_answers": round(float(equal), 4), "metrics": json.loads(kept.to_json(orient="records"))}


def printed(title: str, found: dict[str, Any]) -> None:
    """The paired table of one model."""
    from medqa.runtime.console import table

    print(f"\n{title}: {100 * found['equal_answers']:.1f} % of the answers are equal")
    rows = []
    for row in found["metrics"]:
        numbers = [float("nan") if row[name] is None else row[name]
                   for name in ("before", "after", "difference", "ci_low", "ci_high")]  # fmt: skip
        before, after, difference, low, high = numbers
        interval = f"{difference:+.4f} [{low:+.4f}, {high:+.4f}]"
        rows.append((row["metric"], f"{before:.4f}", f"{after:.4f}", interval, row["n"]))
    print(table(("metric", "bf16", "here", "difference [95 %]", "n"), rows))


def main() -> None:
    """Evaluate, compare and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base")
    parser.add_argument("adapter")
    parser.add_argument("datasets")
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--folder", type=Path, help="where the evaluations are kept; default: a temporary one"
    )
    given, given.options = parser.parse_known_args()
    import torch

    folder = given.folder or Path(tempfile.mkdtemp())
    result = {"card": torch.cuda.get_device_name(), "torch": torch.__version__}
    tables = {}
    for name, options in EVALUATIONS.items():
        tables[name] = evaluate(given, folder / name.replace(", ", "_").replace(" ", "_"), options)
        if name == "bf16":
            continue
        result[name] = {role: paired(tables["bf16"][role], table) for role, table in tables[name].items()}
        for role, found in result[name].items():
            printed(f"{role}, {name}", found)
        given.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
