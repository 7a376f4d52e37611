"""Writes the model card for the Hugging Face Hub: data, training, evaluation and limits of an adapter."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.artifacts import atomic_io, run_manifest
from medqa.data.dataset_stats import notes_for_card
from medqa.modeling.prompt_format import CHAT_TEMPLATE
from medqa.report.how_to_use import how_to_use
from medqa.report.markdown import escaped
from medqa.runtime.console import counted

if TYPE_CHECKING:
    import pandas as pd
    from huggingface_hub import ModelCardData

TAGS = ("lora", "medical", "question-answering")
TASK = "text-generation"
LANGUAGE = "en"
# The rights to the adapter follow from those to the base model and the data, which we do not know.
LICENSE = {"license": "other", "license_name": "of-the-base-model-and-the-data"}
# Packages whose versions the card names.
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "datasets")
# Prefix of our metric names → the Hub's name; other metrics keep their name.
HUB_METRICS = {"BLEU-": "bleu", "ROUGE-": "rouge", "bertscore_": "bertscore"}
WARNING = (
    "**Not for clinical use without review.** The model can state wrong doses and wrong facts fluently. It "
    "is intended for research on medical question answering by people with medical expertise."
)
LIMITS = "## Limits"
PRECISION = {"nf4": "NF4 (4 bits)", "fp8": "FP8 (8 bits, e4m3)", "bf16": "unquantized"}


def write_card(
    folder: Path,
    settings: Mapping[str, Any],
    data: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    setting: str = "OUTPUT_DIR",
) -> None:
    """Write the `model_card` of the model in `folder`, with the same arguments."""
    has_template = setting == "EXPORT_TO" or (folder / CHAT_TEMPLATE).is_file()  # GGUF files always have one
    atomic_io.write_text(folder / "README.md", model_card(settings, data, records, has_template, setting))


def model_card(
    settings: Mapping[str, Any],
    data: Mapping[str, Any],
    records: Sequence[Mapping[str, Any]],
    has_template: bool,
    setting: str = "OUTPUT_DIR",
) -> str:
    """The card of a trained adapter, `results/README.md`, or of an export of the model merged from it.

    Args:
        settings: all settings of the training, by name.
        data: manifest of the datasets, with the content of dataset_stats.json as `stats`.
        records: lines of training_metrics.jsonl.
        has_template: whether the saved tokenizer has a chat template.
        setting: the setting of the card's folder: OUTPUT_DIR, MERGE_TO or EXPORT_TO.
    """
    from huggingface_hub import ModelCardData

    name, merged = settings["MODEL_NAME"], setting != "OUTPUT_DIR"
    # A local folder is not a model on the Hub, even if it is named like one.
    on_hub = not Path(name).is_dir()
    metadata = ModelCardData(
        base_model=name if on_hub else None, library_name="transformers" if merged else "peft",
        pipeline_tag=TASK, tags=list(TAGS), language=LANGUAGE, **LICENSE,
    )  # fmt: skip
    body = [
        f"# {escaped(name)}, fine-tuned" if merged else f"# LoRA adapter for {escaped(name)}",
        "",
        WARNING,
        "",
        *how_to_use(settings, data["system_message"], has_template, setting),
        *_data_section(data),
        *_training_section(settings, records, setting == "OUTPUT_DIR"),
        LIMITS,
        "",
        "- The adapter inherits the gaps and errors of its training data.",
        "- Only automatic metrics measure its answers; they cannot verify that an answer is right.",
        "- The licence of the base model and the rights to the data apply to the adapter too: replace "
        "`license` in the first lines of this file by theirs.",
        "- The training data and the rules for doses and terms are in English.",
    ]
    if not on_hub:
        body.append(
            f"- Trained from the local folder `{name}`. Before publishing, name that model with "
            "`base_model:` in the first lines of this file."
        )
    return _with_metadata(metadata, "\n".join([*body, ""]))


def _training_section(
    settings: Mapping[str, Any], records: Sequence[Mapping[str, Any]], beside: bool
) -> list[str]:
    """The settings of the training, its software and the losses on the eval split.

    `beside`: whether the training's own files are in the card's folder.
    """
    versions = run_manifest.versions()
    software = ", ".join(f"{package} {versions[package]}" for package in PACKAGES if package in versions)
    batch = f"{settings['BATCH_SIZE']} × {settings['GRADIENT_ACCUMULATION_STEPS']}"
    precision = PRECISION[settings["BASE_PRECISION"]]
    in_use = {"auto": "in bfloat16 on a GPU", "bf16": "in bfloat16 on a CPU", "fp32": "in float32 on a CPU"}
    section = [
        "## Training",
        "",
        f"- Base weights frozen in {precision}; LoRA rank {settings['LORA_RANK']}, alpha "
        f"{settings['LORA_ALPHA']}, on {', '.join(settings['LORA_TARGET_MODULES'])}.",
        f"- {counted(settings['NUM_EPOCHS'], 'epoch')} at most, learning rate "
        f"{settings['LEARNING_RATE']:g} with cosine decay, seed {settings['SEED']}. Loss on the "
        f"answers only. Computed {in_use[settings['CPU_PRECISION']]}.",
        f"- {batch} sequences per optimizer step and process, each of at most {settings['MAX_SEQ_LENGTH']} "
        "tokens.",
        f"- Software: {software}.",
        "- All settings: `training_config.json`. All steps: `training_metrics.jsonl`"
        f"{'' if beside else ', both in the folder of the adapter'}.",
        "",
    ]
    if losses := [f"| {r['step']} | {r['eval_loss']:.4f} |" for r in records if "eval_loss" in r]:
        section += [
            "Mean loss per answer token (nats) on the eval split; step 0 is the base model:",
            "",
            "| step | answer loss |",
            "|---:|---:|",
            *losses,
            "",
        ]
    return section


def _data_section(data: Mapping[str, Any]) -> list[str]:
    """Number of pairs by specialty and split."""
    stats = data["stats"]
    rows = [
        f"| {escaped(name)} | {row['train']:,} | {row['eval']:,} | {row['holdout']:,} |"
        for name, row in sorted(stats["splits_per_specialty"].items())
    ]
    return [
        "## Data",
        "",
        f"Trained on {counted(stats['train_samples'], 'question-answer pair')} from "
        f"{counted(stats['total_specialties'], 'specialty', 'specialties')} (iteration {data['iteration']}). "
        f"The best checkpoint was selected on {counted(stats['eval_samples'], 'pair')}; "
        f"{counted(stats['holdout_samples'], 'pair')} were held out from training.",
        "",
        *notes_for_card(stats),
        "<details><summary>Pairs by specialty</summary>",
        "",
        "| specialty | train | eval | holdout |",
        "|---|---:|---:|---:|",
        *rows,
        "",
        "</details>",
        "",
    ]


def evaluated_card(
    card: str, name: str, comparison: "pd.DataFrame", advice: Mapping[str, Any], holdout: str
) -> str:
    """Add an evaluation to a card: its numbers as `model-index`, and a section before the limits.

    Args:
        card: the card of the tuned model; "" when this program did not write one.
        name: of the tuned model.
        comparison: `Results.labelled_comparison`.
        advice: content of training_recommendations.json: verdict, summary by specialty, methods.
        holdout: description of the holdout.
    """
    from huggingface_hub import EvalResult, ModelCard

    verdict = advice["verdict"]
    rows = [row for row in comparison.to_dict("records") if row["n"]]
    metadata = f"language: {LANGUAGE}\nlibrary_name: transformers"
    plain = f"---\n{metadata}\n---\n# {escaped(name)}\n\n{WARNING}\n\n{LIMITS}\n\n- Trained elsewhere.\n"
    content = ModelCard(card or plain)
    content.data.model_name = name
    content.data.eval_results = [
        EvalResult(
            task_type=TASK,
            dataset_type="medqa-holdout",
            dataset_name=holdout,
            dataset_split="holdout",
            metric_type=next(
                (hub for start, hub in HUB_METRICS.items() if row["metric"].startswith(start)), row["metric"]
            ),
            metric_name=row["metric"],
            metric_value=round(row["finetuned"], 4),
        )
        for row in rows
    ]
    section = [
        "## Evaluation",
        "",
        f"**{verdict['headline']}.**",
        "",
        *(f"- {finding['text']}." for finding in verdict["findings"]),
        "",
        escaped(advice["summary"]),
        "",
        f"{holdout}. ↑: higher is better, ↓: lower is better, n: number of questions to which the metric "
        "applies.",
        "",
        *_score_table(rows),
        "",
        "Overlap with a reference does not prove that an answer is right.",
        "",
        advice["methods"]["text"],
        "",
        "",
    ]
    before, limits, after = content.text.partition(LIMITS)
    return _with_metadata(content.data, before + "\n".join(section) + limits + after)


def _score_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The comparison of the metrics that apply to a question, as Markdown."""
    intervals = [
        f"{row['ci_low']:+.3f} to {row['ci_high']:+.3f}" if math.isfinite(row["ci_low"]) else ""
        for row in rows
    ]
    return [
        "| metric | base | tuned | difference | 95 % interval | n |",
        "|---|---:|---:|---:|---:|---:|",
        *(
            f"| {escaped(row['metric'])} {row['direction']} | {row['base']:.3f} | {row['finetuned']:.3f} | "
            f"{row['difference']:+.3f} | {interval} | {row['n']} |"
            for row, interval in zip(rows, intervals, strict=True)
        ),
    ]


def _with_metadata(metadata: "ModelCardData", body: str) -> str:
    """The content of the card's file: metadata as YAML, then the text."""
    return f"---\n{metadata.to_yaml()}\n---\n\n{body.lstrip()}"
