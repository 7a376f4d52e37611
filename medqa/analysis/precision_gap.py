"""What it costs to evaluate a tuned model in another precision than it was trained in."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medqa.artifacts.output_dir import MERGED
from medqa.artifacts.run_manifest import with_present_names

NAMES = {"nf4": "NF4", "fp8": "FP8", "bf16": "unquantized"}


def precision_gap(tuned: Path, evaluated_in: str, eval_loss: float | None) -> dict[str, Any] | None:
    """The eval loss of the tuned model here and in training; None if the precision is the same or unknown.

    Args:
        tuned: folder of the adapter that fine_tuning.py wrote, or of the model that MERGE_TO wrote.
        evaluated_in: BASE_PRECISION of this evaluation.
        eval_loss: mean answer loss on the eval split in this evaluation; None without an eval split.

    Returns:
        `trained_in`, `evaluated_in`, `trained` and `evaluated` (mean answer loss, nats per token) and their
        `difference`.
    """
    settings, trained, trained_in = tuned / "training_config.json", None, "nf4"
    if (tuned / MERGED).is_file():
        losses = json.loads((tuned / MERGED).read_text(encoding="utf-8")).get("eval_loss", {})
        trained = losses.get("adapter on NF4")
    elif settings.is_file():
        recorded = with_present_names(json.loads(settings.read_text(encoding="utf-8")))
        trained_in = recorded.get("BASE_PRECISION", "bf16")
        lines = (tuned / "training_metrics.jsonl").read_text(encoding="utf-8").splitlines()
        found = [record["eval_loss"] for record in map(json.loads, lines) if "eval_loss" in record]
        trained = min(found, default=None)
    if trained is None or eval_loss is None or trained_in == evaluated_in or trained_in == "bf16":
        return None
    values = {"trained_in": NAMES[trained_in], "evaluated_in": NAMES[evaluated_in]}
    values |= {"trained": trained, "evaluated": eval_loss}
    return values | {"difference": eval_loss - trained}


def gap_text(gap: Mapping[str, Any]) -> str:
    """The gap as a sentence."""
    return (
        f"Eval loss of tuned: {gap['evaluated']:.4f} in {gap['evaluated_in']}, {gap['trained']:.4f} in "
        f"{gap['trained_in']}, in which the adapter was trained (difference {gap['difference']:+.4f})."
    )
