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
    trained_in, trained = _training(tuned)
    if trained is None or eval_loss is None or trained_in == evaluated_in:
        return None
    values = {"trained_in": NAMES[trained_in], "evaluated_in": NAMES[evaluated_in]}
    values |= {"trained": trained, "evaluated": eval_loss}
    return values | {"difference": eval_loss - trained}


def _training(tuned: Path) -> tuple[str, float | None]:
    """The precision of the base in training, and the lowest eval loss there; None if that is unknown."""
    settings = tuned / "training_config.json"
    if (tuned / MERGED).is_file():
        record = json.loads((tuned / MERGED).read_text(encoding="utf-8"))
        # Earlier versions recorded the losses of adapters of an NF4 base only.
        of_nf4 = record.get("eval_loss", {}).get("adapter on NF4")
        return record.get("trained_in", "nf4"), record.get("trained_eval_loss", of_nf4)
    if not settings.is_file():
        return "", None
    recorded = with_present_names(json.loads(settings.read_text(encoding="utf-8")))
    lines = (tuned / "training_metrics.jsonl").read_text(encoding="utf-8").splitlines()
    found = [record["eval_loss"] for record in map(json.loads, lines) if "eval_loss" in record]
    return recorded.get("BASE_PRECISION", "bf16"), min(found, default=None)


def gap_text(gap: Mapping[str, Any]) -> str:
    """The gap as a sentence."""
    return (
        f"Eval loss of tuned: {gap['evaluated']:.4f} with {gap['evaluated_in']} weights, "
        f"{gap['trained']:.4f} with {gap['trained_in']} weights, as it was trained (difference "
        f"{gap['difference']:+.4f})."
    )
