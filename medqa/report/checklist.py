"""Fills a reporting checklist from the manifests, for a paper about an evaluation: reporting_checklist.md.

The topics follow TRIPOD-LLM (Gallifant et al., Nature Medicine 31, 2025) in our own words; the guideline
itself has more items and their numbers.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medqa.artifacts import run_manifest
from medqa.report.markdown import escaped
from medqa.runtime.console import counted

OPEN = "to be written by the authors"
HEAD = (
    "# Reporting checklist\n\n"
    "Topics of TRIPOD-LLM (https://doi.org/10.1038/s41591-024-03425-5), filled from the manifests of this "
    f"run. Copy what applies, check it, and complete each item marked *{OPEN}*.\n"
)


def checklist(
    advice: Mapping[str, Any], value_of: Mapping[str, Any], questions: int, review: Mapping[str, Any] | None
) -> str:
    """The checklist as Markdown.

    Args:
        advice: content of training_recommendations.json.
        value_of: settings of the evaluation.
        questions: number of questions answered.
        review: content of review_results.json; None without a review.
    """
    folders = {name: Path(value_of[name]) for name in ("DATASET_DIR", "FINETUNED_MODEL_PATH")}
    manifests = {
        name: run_manifest.read_manifest(path) if path.is_dir() else None for name, path in folders.items()
    }
    topics = {
        "Title and summary": {
            "The study evaluates a fine-tuned language model": value_of["BASE_MODEL_PATH"],
            "Main result, harm first": advice["verdict"]["headline"],
        },
        "Introduction": {"Clinical task, intended users, earlier work": "", "Aims of the study": ""},
        "Data": _data(manifests["DATASET_DIR"], questions),
        "Model": _model(manifests["FINETUNED_MODEL_PATH"], value_of, advice),
        "Evaluation": _evaluation(advice, review),
        "Results": {
            "Result of each endpoint with its interval": " ".join(
                f"{one['text']}." for one in advice["verdict"]["findings"]
            ),
            "Differences between specialties": advice["summary"],
            "All metrics": "model_comparison.csv, model_comparison.tex",
        },
        "Discussion": {
            "Limits": "Metrics compare with one reference answer. No claim about use with patients follows.",
            "Use with patients, supervision, fairness between groups of patients": "",
        },
        "Other": {
            "Ethics approval, consent, protocol, registration, funding, interests": "",
            "Code": f"git commit {run_manifest.code_state()['git_commit'] or OPEN}",
            "Data availability": "",
        },
    }
    lines = [HEAD]
    for topic, items in topics.items():
        lines += [
            f"## {topic}\n",
            *(f"- {item}: {escaped(text) or f'*{OPEN}*'}" for item, text in items.items()),
            "",
        ]
    return "\n".join(lines)


def _data(manifest: Mapping[str, Any] | None, questions: int) -> dict[str, str]:
    """Items about the data; `manifest`: of the datasets, None when it is missing."""
    found = {
        "Source, dates and language of the data": "",
        "Who wrote and checked the reference answers": "",
        "Protection of persons: identifiers, consent": "",
        "Size of the test set": counted(questions, "held-out question"),
        "How the size was determined": "",
    }
    if manifest is not None:
        files = ", ".join(
            f"{Path(path).name} ({sha[:12]})" for path, sha in list(manifest["inputs"].items())[:3]
        )
        more = len(manifest["inputs"]) - 3
        pairs = sum(manifest["train_samples"].values())
        found |= {
            "Files": f"{files}{f' and {more} more' * (more > 0)}; SHA-256 in manifest.json of the datasets",
            "Training data": f"{counted(pairs, 'pair')}, iteration {manifest['iteration']}",
            "Separation of training and test data": "near-duplicate questions are always on one side",
            "Instruction to the model": repr(manifest["system_message"]),
        }
    return found


def _model(
    manifest: Mapping[str, Any] | None, value_of: Mapping[str, Any], advice: Mapping[str, Any]
) -> dict[str, str]:
    """Items about the model; `manifest`: of the training, None when the model is from elsewhere."""
    found = {
        "Base model and version": f"{value_of['BASE_MODEL_PATH']}",
        "Decoding": f"temperature {value_of['TEMPERATURE']:g}, top-p {value_of['TOP_P']:g}, at most "
        f"{value_of['MAX_NEW_TOKENS']} tokens, seed {value_of['SEED']}",
        "Hardware": str(advice["methods"]["hardware"]["gpu"] or advice["methods"]["hardware"]["machine"]),
        "Energy and cost": "",
        "Fine-tuning": "",
    }
    if manifest is not None:
        own = manifest["settings"]["given"] | manifest["settings"]["default"]
        found["Fine-tuning"] = (
            f"LoRA of rank {own['LORA_RANK']} on {', '.join(own['LORA_TARGET_MODULES'])}, at most "
            f"{counted(own['NUM_EPOCHS'], 'epoch')}, learning rate {own['LEARNING_RATE']:g}, seed "
            f"{own['SEED']}, {manifest['finished'][:10]}"
        )
    return found


def _evaluation(advice: Mapping[str, Any], review: Mapping[str, Any] | None) -> dict[str, str]:
    """Items about the evaluation."""
    near, rounds = advice.get("near_training", {}), advice.get("holdout_use", {})
    raters = estimates = ""
    if review is not None:
        raters = (
            f"{counted(review['reviewers'], 'reviewer')}, {counted(review['questions'], 'question')}, blind"
        )
        if found := review.get("estimates"):
            estimates = (
                f"PPI++ and exact intervals for all {found['questions']:,} questions from "
                f"{found['rated']:,} of a stratified random sample"
            )
    return {
        "Metrics and statistics": advice["methods"]["text"],
        "Endpoints declared beforehand": ", ".join(advice["methods"]["declared"]),
        "Test questions near the training data": counted(len(near["pairs"]), "question")
        if "pairs" in near
        else "",
        "Earlier use of the test set": rounds.get("note", ""),
        "Human raters: number, blinding": raters,
        "Human raters: qualification, instruction, payment": "",
        "Estimates from human ratings": estimates,
    }
