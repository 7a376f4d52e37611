"""Model cards as the Hub's own tools read them."""

from dataclasses import asdict
from typing import Any

import pytest
from huggingface_hub import ModelCard
from test_figures import results

from medqa.analysis.verdicts import judge
from medqa.report.how_to_use import with_folder
from medqa.report.model_card import LIMITS, evaluated_card, model_card

SETTINGS = {
    "MODEL_NAME": "dmis-lab/llama-3-meerkat-8b-v1.0", "BASE_PRECISION": "nf4", "CPU_PRECISION": "auto", "LORA_RANK": 8, "LORA_ALPHA": 16,
    "LORA_TARGET_MODULES": ("q_proj", "v_proj"), "NUM_EPOCHS": 3, "LEARNING_RATE": 2e-4, "SEED": 42,
    "BATCH_SIZE": 4, "GRADIENT_ACCUMULATION_STEPS": 2, "MAX_SEQ_LENGTH": 2048, "OUTPUT_DIR": "results",
    "MERGE_TO": "merged", "EXPORT_TO": "",
}  # fmt: skip
DATA = {
    "iteration": 2,
    "system_message": "Be brief.\nName doses.",
    "stats": {
        "train_samples": 1234,
        "eval_samples": 56,
        "holdout_samples": 20,
        "total_specialties": 2,
        "splits_per_specialty": {
            "neurology": {"train": 1000, "eval": 30, "holdout": 10},
            "cardiology": {"train": 234, "eval": 26, "holdout": 10},
        },
    },
}
RECORDS = [{"step": 0, "eval_loss": 2.5}, {"step": 1, "loss": 2.4}, {"step": 9, "eval_loss": 1.25}]


def card(**settings: Any) -> ModelCard:
    """A trained adapter's card, as the Hub's tools read it."""
    return ModelCard(model_card(SETTINGS | settings, DATA, RECORDS, has_template=True))


def test_metadata_is_what_the_hub_needs() -> None:
    assert card().data.to_dict() == {
        "base_model": "dmis-lab/llama-3-meerkat-8b-v1.0",
        "language": "en",
        "library_name": "peft",
        "license": "other",
        "license_name": "of-the-base-model-and-the-data",
        "pipeline_tag": "text-generation",
        "tags": ["lora", "medical", "question-answering"],
    }


def test_the_text_has_counts_losses_and_the_warning() -> None:
    text = card().text
    assert "Trained on 1,234 question-answer pairs from 2 specialties (iteration 2)" in text
    assert "| cardiology | 234 | 26 | 10 |\n| neurology | 1,000 | 30 | 10 |" in text
    assert "| 0 | 2.5000 |\n| 9 | 1.2500 |" in text
    assert "Not for clinical use without review" in text and LIMITS in text
    assert "4 × 2 sequences per optimizer step" in text and "transformers 5." in text
    assert "NF4" in text and "NF4" not in card(BASE_PRECISION="bf16").text
    assert "FP8 (8 bits, e4m3)" in card(BASE_PRECISION="fp8").text
    assert (
        "- 1 epoch at most, " in card(NUM_EPOCHS=1).text and "- 3 epochs at most, " in card(NUM_EPOCHS=3).text
    )


def test_the_card_says_how_to_run_the_model_elsewhere() -> None:
    text = card(LORA_RANK=12).text
    assert "> Be brief.\n> Name doses.\n" in text
    assert 'PeftModel.from_pretrained(model, "results")' in text and "has no chat template" not in text
    assert "--enable-lora --lora-modules medqa=results \\\n    --max-lora-rank 16 --tokenizer results" in text
    merged = ModelCard(model_card(SETTINGS, DATA, RECORDS, has_template=False, setting="MERGE_TO"))
    assert "vllm serve merged\n" in merged.text and "PeftModel" not in merged.text
    assert "has no chat template" in merged.text and merged.data.library_name == "transformers"
    assert "`training_metrics.jsonl`, both in the folder of the adapter." in merged.text
    assert "`training_metrics.jsonl`.\n" in text
    for each in (text, merged.text):
        assert "with `--EXPORT_TO exported`" in each and "ollama create medqa -f exported/Modelfile" in each
    arguments = SETTINGS | {"EXPORT_TO": "models/gguf"}, DATA, RECORDS
    exported = model_card(*arguments, has_template=True, setting="EXPORT_TO")
    assert "ollama create medqa -f models/gguf/Modelfile" in exported and "vllm" not in exported
    assert "llama-server --jinja --temp 0 --model models/gguf/model-F16.gguf" in exported
    spaced = model_card(SETTINGS | {"EXPORT_TO": "my models"}, DATA, RECORDS, True, "EXPORT_TO")
    in_spaced_folder = card(OUTPUT_DIR="my results").text
    assert "medqa='my results' \\\n    --max-lora-rank 8 --tokenizer 'my results'" in in_spaced_folder
    assert "my results" not in with_folder(in_spaced_folder, "owner/name").partition("```python")[2]
    assert "-f 'my models/Modelfile'\n" in spaced and "--model 'my models/model-F16.gguf'\n" in spaced


@pytest.mark.parametrize("name", ["models/base", "odd: name # with 'signs'"])
def test_a_folder_is_no_base_model_on_the_hub(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir(parents=True)
    local = card(MODEL_NAME=name)
    assert local.data.base_model is None
    assert f"local folder `{name}`" in local.text and "`base_model:`" in local.text
    assert "local folder" not in card().text


@pytest.mark.parametrize("name", ["owner/odd: name", "owner/- [x] 'y' #z", 'owner/"quoted"'])
def test_a_name_with_signs_of_yaml_stays_what_it_is(name: str) -> None:
    assert card(MODEL_NAME=name).data.base_model == name


def evaluated(text: str) -> ModelCard:
    """A card completed with a made-up evaluation."""
    comparison, _, advice = results(3)
    advice |= {"verdict": asdict(judge(comparison)), "methods": {"text": "Both models answered."}}
    return ModelCard(evaluated_card(text, "base, fine-tuned", comparison, advice, "30 questions"))


def test_the_evaluation_becomes_a_model_index() -> None:
    comparison, _, advice = results(3)
    whole = evaluated(str(card()))
    told = {one.metric_name: one for one in whole.data.eval_results}
    expected = {row["metric"]: row for row in comparison.to_dict("records") if row["n"]}
    assert set(told) == set(expected) and "meteor" not in told
    for name, one in told.items():
        assert one.metric_value == pytest.approx(expected[name]["finetuned"], abs=5e-5)
        assert (one.dataset_name, one.dataset_split) == ("30 questions", "holdout")
    kinds = {name: one.metric_type for name, one in told.items()}
    assert kinds["ROUGE-L"] == "rouge" and kinds["bertscore_f1"] == "bertscore"
    assert kinds["exact_match"] == "exact_match" and kinds["dose_error"] == "dose_error"
    assert whole.data.to_dict()["model-index"][0]["name"] == "base, fine-tuned"


def test_the_evaluation_leaves_the_card_as_it_is_and_adds_a_section_before_the_limits() -> None:
    before = card()
    after = evaluated(str(before))
    assert after.data.base_model == before.data.base_model and after.data.tags == before.data.tags
    head, section = after.text.split("## Evaluation")
    section, limits = section.split(LIMITS)
    assert (head + LIMITS + limits).strip() == before.text.strip()
    comparison, _, advice = results(3)
    row = comparison.iloc[0]
    assert advice["summary"] in section and "Both models answered." in section
    assert f"**{judge(comparison).headline}.**" in section
    assert (
        f"| primary_score ↑ | {row['base']:.3f} | {row['finetuned']:.3f} | {row['difference']:+.3f} |"
        in section
    )
    assert "nan" not in section


def test_a_model_without_a_card_of_ours_gets_one() -> None:
    whole = evaluated("")
    assert "Not for clinical use without review" in whole.text and len(whole.data.eval_results) == 6
    assert whole.text.index("## Evaluation") < whole.text.index(LIMITS)
