"""Describes how an evaluation was done: the block `methods` of training_recommendations.json."""

import os
import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from medqa.analysis.comparison import DECLARED
from medqa.analysis.paired_scores import primary_terms
from medqa.analysis.significance import CONFIDENCE, EXACT_FLIPS, PERMUTATIONS
from medqa.artifacts import run_manifest
from medqa.generation.settings import GenerationSettings
from medqa.runtime import processor
from medqa.runtime.console import counted

if TYPE_CHECKING:
    import pandas as pd

# Packages that compute the metrics and the statistics.
LIBRARIES = (
    "nltk", "rouge-score", "sacrebleu", "bert-score", "rapidfuzz", "transformers", "torch", "numpy", "scipy",
    "statsmodels",
)  # fmt: skip

# Settings of the answers in the block.
ANSWERS = (
    "MAX_NEW_TOKENS", "TEMPERATURE", "TOP_P", "SEED", "BATCH_SIZE", "AUTO_BATCH_SIZE", "BASE_PRECISION",
    "CPU_PRECISION",
)  # fmt: skip
PRECISION = {
    "nf4": "in NF4",
    "fp8": "in FP8 (e4m3; the key-value cache too, except in batches with padding)",
    "bf16": "without quantization",
}


def describe(
    settings: GenerationSettings,
    table: "pd.DataFrame",
    metadata: Mapping[str, Any],
) -> dict[str, Any]:
    """Settings, tests, software and hardware of an evaluation, and a paragraph for a paper.

    Args:
        settings: of the answers.
        table: results table of a model.
        metadata: primary_metrics, lower_is_better and bertscore_model of the evaluation.
    """
    versions = run_manifest.versions()
    found = {
        "answers": {name: getattr(settings, name.lower()) for name in ANSWERS},
        "test": "sign-flip",
        "sided": 2,
        "permutations": PERMUTATIONS,
        "exact_up_to": EXACT_FLIPS,
        "confidence": CONFIDENCE,
        "declared": list(DECLARED),
        "correction": "holm",
        "seeds": {"answers": settings.seed, "permutations": [settings.seed, 2]},
        "libraries": {name: versions[name] for name in LIBRARIES if name in versions},
        "hardware": {
            "gpu": run_manifest.gpu_name(),
            "cpu": processor.describe(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "system": platform.system(),
        },
    }
    return found | {"text": _paragraph(found, settings, table, metadata)}


def _paragraph(
    found: Mapping[str, Any],
    settings: GenerationSettings,
    table: "pd.DataFrame",
    metadata: Mapping[str, Any],
) -> str:
    """The methods as a paragraph."""
    hardware = found["hardware"]
    where = hardware["gpu"] or f"{counted(hardware['cores'], 'processor core')} ({hardware['machine']})"
    where += {"auto": "", "bf16": " in bfloat16", "fp32": " in float32"}[settings.cpu_precision]
    sampling = f"temperature {settings.temperature:g}, top-p {settings.top_p:g}, seed {settings.seed}"
    encoder = metadata["bertscore_model"]
    libraries = ", ".join(f"{name} {version}" for name, version in found["libraries"].items())
    decoding = sampling if settings.temperature else "greedy decoding"
    batch = "as many as fit the memory" if settings.auto_batch_size else str(settings.batch_size)
    terms = primary_terms(metadata)
    primary = ", ".join(terms) or "no metric"
    if terms != metadata["primary_metrics"]:
        primary += " (−: negated, because lower is better)"
    return (
        f"Both models answered {counted(len(table), 'held-out question')} of "
        f"{counted(table['specialty'].nunique(), 'specialty', 'specialties')} with the same prompt, "
        f"{PRECISION[settings.base_precision]}, with at most "
        f"{settings.max_new_tokens} tokens ({decoding}), in batches of {batch}, on {where}. The primary "
        f"score is the mean of {primary}"
        f"{f' (encoder: {encoder})' if encoder else ''}. Differences are tuned − base per question, with "
        f"Student's {100 * CONFIDENCE:.0f} % interval for a sample stratified by specialty. p-values are "
        f"two-sided, from sign-flip tests with {PERMUTATIONS:,} random permutations (seed {settings.seed}; "
        f"all permutations where at most {EXACT_FLIPS} differences are nonzero). The "
        "primary score and the harm endpoints (dose errors, contradictions, clinicians' harm marks) were "
        "declared beforehand and are not corrected for multiplicity; the other metrics are corrected by "
        "Holm's method. Specialties are compared by posterior means and 95 % credible intervals of a normal "
        f"hierarchical model. Software: {libraries}."
    )
