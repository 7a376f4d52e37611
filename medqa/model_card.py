"""The model card, `results/README.md`: what was trained, on what, how well, and what it is not for."""

from collections.abc import Mapping, Sequence
from typing import Any


def model_card(
    settings: Mapping[str, Any], data: Mapping[str, Any], records: Sequence[Mapping[str, Any]]
) -> str:
    """Markdown with the metadata block that the Hugging Face Hub reads.

    Args:
        settings: the training settings by name.
        data: manifest of the datasets, with dataset_stats.json as `stats`.
        records: lines of training_metrics.jsonl.
    """
    stats = data["stats"]
    evaluations = [record for record in records if "eval_loss" in record]
    losses = [f"| {record['step']} | {record['eval_loss']:.4f} |" for record in evaluations]
    precision = "NF4 (4 bits)" if settings["USE_4BIT"] else "full precision"
    lines = [
        "---",
        f"base_model: {settings['MODEL_NAME']}",
        "library_name: peft",
        "pipeline_tag: text-generation",
        "tags:",
        "- lora",
        "- medical",
        "- question-answering",
        "---",
        "",
        f"# LoRA adapter for {settings['MODEL_NAME']}",
        "",
        f"Trained on {stats['train_samples']:,} medical question-answer pairs from "
        f"{stats['total_specialties']} specialties (iteration {data['iteration']}). "
        f"{stats['eval_samples']:,} pairs chose the best checkpoint; {stats['holdout_samples']:,} were held "
        "out and never seen.",
        "",
        "**Not for clinical use without review.** The model can state wrong doses and wrong facts in fluent",
        "words. It is meant for research on medical question answering, judged by people who know the field.",
        "",
        "## Training",
        "",
        f"- Base weights frozen in {precision}; LoRA rank {settings['LORA_RANK']}, alpha "
        f"{settings['LORA_ALPHA']}, on {', '.join(settings['LORA_TARGET_MODULES'])}.",
        f"- {settings['NUM_EPOCHS']} epochs at most, learning rate {settings['LEARNING_RATE']:g} with cosine "
        f"decay, seed {settings['SEED']}. Loss on the answers only.",
        "- All settings: `training_config.json`. All steps: `training_metrics.jsonl`.",
        "",
    ]
    if losses:
        lines += [
            "Mean loss per answer token (nats) on the eval split; step 0 is the base model:",
            "",
            "| step | answer loss |",
            "|---:|---:|",
            *losses,
            "",
        ]
    lines += [
        "## Limits",
        "",
        "- It knows what its data says; gaps and mistakes of the data are its own.",
        "- The comparison with the base model, by specialty, is in the evaluation's results.",
        "",
    ]
    return "\n".join(lines)
