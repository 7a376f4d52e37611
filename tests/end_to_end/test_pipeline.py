"""The three stages together, as functions and as the commands that a user types."""

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import psutil
import pytest
from conftest import ROOT, SPECIALTIES, run_in_two, run_script, start_in_two
from fake_hub import TOKEN, FakeHub
from fake_judge import FakeJudge, longer
from huggingface_hub import ModelCard

import dataset_preparation
import evaluation
import fine_tuning
from config import DatasetConfig, EvaluationConfig, TrainingConfig
from medqa.artifacts import run_manifest
from medqa.artifacts.csv_io import read_table
from medqa.runtime.cli import parse, select
from medqa.runtime.console import WarningLog
from medqa.runtime.errors import UserError

METRICS = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-1", "ROUGE-2", "ROUGE-L", "exact_match", "token_f1"]


@pytest.fixture(scope="module")
def stages(tmp_path_factory, specialty_files, tiny_model, whole_figures):
    """One run of all three stages from Python, in the shape that the README shows."""
    folder = tmp_path_factory.mktemp("stages")
    data = DatasetConfig()
    data.DATA_DIR, data.OUTPUT_DIR = str(specialty_files), str(folder / "datasets")
    data.HOLDOUT_SAMPLES_PER_SPECIALTY = 4
    splits = dataset_preparation.create_datasets(data)
    training = fine_tuning.TrainingConfig()
    training.MODEL_NAME, training.DATASET_DIR = str(tiny_model), str(folder / "datasets")
    training.OUTPUT_DIR, training.LEARNING_RATE = str(folder / "results"), 1e-2
    training.CPU_PRECISION = "fp32"
    with whole_figures():
        fine_tuning.train(training)
    config = evaluation.EvaluationConfig()
    config.BASE_MODEL_PATH, config.FINETUNED_MODEL_PATH = str(tiny_model), str(folder / "results")
    config.DATASET_DIR, config.OUTPUT_DIR = str(folder / "datasets"), str(folder / "evaluation_results")
    config.MAX_NEW_TOKENS, config.BERTSCORE_MODEL, config.CPU_PRECISION = 12, "", "fp32"
    with whole_figures():
        advice = evaluation.evaluate(config)
    return SimpleNamespace(
        folder=folder, data=data, training=training, config=config, splits=splits, advice=advice
    )


def test_every_stage_leaves_its_files(stages):
    names = {path.name for path in (stages.folder / "evaluation_results").iterdir()}
    assert names == {
        "predictions", "base_model_results.csv", "finetuned_model_results.csv", "model_comparison.csv",
        "specialty_performance.csv", "specialty_performance_long.csv", "history_long.csv",
        "specialty_analysis.png", "model_comparison.png",
        "training_recommendations.json", "model_card.md", "manifest.json", "report.html", "review_sheet.html",
        "history.csv", "iteration_progress.png", "model_comparison.tex", "review_key.json", "review_keys",
        "reporting_checklist.md",
    }  # fmt: skip
    holdout, train, evaluated, pool = stages.splits
    assert holdout.column_names == ["id", "specialty", "question", "response", "formatted_chat"]
    assert len(holdout) == 12 and len(train) + len(evaluated) + len(pool) == 60


def test_the_evaluation_completes_the_card_of_the_training(stages):
    trained = ModelCard.load(stages.folder / "results" / "README.md")
    assert trained.data.eval_results is None
    whole = ModelCard.load(stages.folder / "evaluation_results" / "model_card.md")
    comparison = pd.read_csv(stages.folder / "evaluation_results" / "model_comparison.csv")
    comparison = comparison[comparison["n"] > 0].set_index("metric")
    told = {one.metric_name: one.metric_value for one in whole.data.eval_results}
    assert told == pytest.approx(dict(comparison["finetuned"]), abs=5e-5)
    assert whole.data.tags == trained.data.tags
    head = trained.text.split("## Limits")[0]
    assert whole.text.startswith(head) and "12 held-out questions of 3 specialties, iteration 1" in whole.text
    # The card in results/ is an output like the others: a later stage still finds it as it was.
    run_manifest.require_finished(stages.folder / "results", "fine_tuning", "")


def test_the_base_is_quantised_to_nf4_in_training(stages):
    from bitsandbytes.nn import Linear4bit

    from medqa.modeling.base_model import BaseModel
    from medqa.modeling.device import Device
    from medqa.training import lora

    base = BaseModel(stages.training.MODEL_NAME, "MODEL_NAME")
    settings = select(stages.training, lora.AdapterSettings)
    model = lora.load(base, settings, Device("cpu", "float32", ""), False)
    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    assert len(layers) == 2 * 7 and {layer.weight.quant_type for layer in layers} == {"nf4"}
    trained = {
        name.split(".lora_")[0].split(".")[-1]
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }
    assert trained == {"q_proj", "v_proj"}


def test_results_have_every_metric_and_differ_between_the_models(stages):
    tables = [
        pd.read_csv(stages.folder / "evaluation_results" / f"{name}_model_results.csv", keep_default_na=False)
        for name in ("base", "finetuned")
    ]
    for table in tables:
        assert list(table.columns[:4]) == ["question", "reference", "hypothesis", "specialty"]
        assert len(table) == 12 and not set(METRICS) - set(table.columns)
        assert set(table["specialty"]) == set(SPECIALTIES)
    assert list(tables[0]["question"]) == list(stages.splits[0]["question"])
    assert (tables[1]["answer_loss"].astype(float) < tables[0]["answer_loss"].astype(float)).all()
    assert list(tables[0]["hypothesis"]) != list(tables[1]["hypothesis"])


def test_comparison_is_the_mean_of_the_results(stages):
    results = stages.folder / "evaluation_results"
    base = pd.read_csv(results / "base_model_results.csv")
    comparison = pd.read_csv(results / "model_comparison.csv").set_index("metric")
    assert comparison.loc["ROUGE-L", "base"] == pytest.approx(base["ROUGE-L"].mean())
    assert len(pd.read_csv(results / "specialty_performance.csv")) == 3
    advice = json.loads((results / "training_recommendations.json").read_text())
    assert advice == json.loads(json.dumps(stages.advice))
    assert list(advice)[:2] == ["low_performance_specialties", "recommended_sample_increases"]
    assert advice["overall_improvement"]["answer_loss"] < 0


def test_a_second_evaluation_makes_no_answer_twice(stages, monkeypatch):
    from medqa.generation import engine
    from medqa.modeling import answer_loss

    def fail(*_):
        raise AssertionError("an answer or a loss was made again")

    monkeypatch.setattr(engine, "answer_all", fail)
    monkeypatch.setattr(answer_loss, "packed_loss", fail)
    before = (stages.folder / "evaluation_results" / "model_comparison.csv").read_bytes()
    evaluation.evaluate(stages.config)
    assert (stages.folder / "evaluation_results" / "model_comparison.csv").read_bytes() == before


def test_shards_in_any_order_give_the_bytes_of_one_run(stages, tmp_path, monkeypatch):
    from medqa.generation import engine

    config = EvaluationConfig(**vars(stages.config) | {"OUTPUT_DIR": str(tmp_path)})
    answer_all, seen = engine.answer_all, []

    def counting(*given: object) -> None:
        *before, keep = given
        answer_all(*before, lambda found: (seen.append(found.id), keep(found)))

    monkeypatch.setattr(engine, "answer_all", counting)
    for config.SHARD in ("3/3", "2/3", "3/3", "1/4"):  # one repeated, one of another division
        assert evaluation.evaluate(config) == {}
    assert len(seen) == 8 + 8 + 6  # of 24
    config.SHARD = ""
    evaluation.evaluate(config)
    assert len(seen) == 24
    whole = stages.folder / "evaluation_results"
    for name in ("base_model_results.csv", "finetuned_model_results.csv", "model_comparison.csv"):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()


def test_base_pass_is_the_base_model_alone(stages, tiny_model, tmp_path):
    """Greedy answers of the base pass are those of transformers' generate without any adapter."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    config = EvaluationConfig(**vars(stages.config) | {"OUTPUT_DIR": str(tmp_path), "TEMPERATURE": 0.0})
    evaluation.evaluate(config)
    found = pd.read_csv(tmp_path / "base_model_results.csv", keep_default_na=False)["hypothesis"]
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    stops = tokenizer.convert_tokens_to_ids(["<|eot_id|>", "<|end_of_text|>"])
    for record, text in zip(stages.splits[0], found, strict=True):
        prompt = record["formatted_chat"].split(record["response"])[0]
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
        made = model.generate(**ids, max_new_tokens=12, do_sample=False, eos_token_id=stops, pad_token_id=0)
        assert (
            tokenizer.decode(made[0, ids["input_ids"].shape[1] :], skip_special_tokens=True).strip() == text
        )


def test_the_tuned_pass_is_the_merged_model(stages, tiny_model, tmp_path):
    """A whole model in place of an adapter, and the very same answers as on the base that was kept."""
    merged, adapter = tmp_path / "merged", tmp_path / "adapter"
    fine_tuning.train(TrainingConfig(**vars(stages.training) | {"MERGE_TO": str(merged)}))
    assert json.loads((merged / "merged_from.json").read_text())["kept"] == "dequantized NF4 base + adapter"
    in_nf4 = {"BASE_PRECISION": "nf4", "OUTPUT_DIR": str(adapter)}
    evaluation.evaluate(EvaluationConfig(**vars(stages.config) | in_nf4))
    settings = {"FINETUNED_MODEL_PATH": str(merged), "OUTPUT_DIR": str(tmp_path / "evaluated")}
    settings["COMPARE_WITH"] = str(adapter)
    advice = evaluation.evaluate(EvaluationConfig(**vars(stages.config) | settings))
    paired = advice["paired"]
    assert paired["is_its_adapter"] and paired["equal_answers"] == paired["answers"] == 12
    assert f"{merged}/merged_from.json" in run_manifest.read_manifest(tmp_path / "evaluated")["inputs"]
    assert paired["metrics"][0]["metric"] == "primary_score" and paired["metrics"][0]["difference"] == 0
    assert "12 of 12 answers are equal" in (tmp_path / "evaluated" / "report.html").read_text()
    assert len(pd.read_csv(tmp_path / "evaluated" / "paired_comparison.csv")) == len(paired["metrics"])
    for role, same in (("base", stages.folder / "evaluation_results"), ("finetuned", adapter)):
        one, other = (
            pd.read_csv(folder / f"{role}_model_results.csv", keep_default_na=False)
            for folder in (same, tmp_path / "evaluated")
        )
        assert list(one["hypothesis"]) == list(other["hypothesis"])


def test_plain_transformers_gives_the_answers_of_the_evaluation(stages, tiny_model, tmp_path):
    """Adapter and merged model, without code of ours: the same texts after the same number of tokens."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    results, merged = stages.folder / "results", tmp_path / "merged"
    fine_tuning.train(TrainingConfig(**vars(stages.training) | {"MERGE_TO": str(merged)}))
    greedy = vars(stages.config) | {"TEMPERATURE": 0.0, "MAX_NEW_TOKENS": 40}
    plain = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    models = {
        results: PeftModel.from_pretrained(plain, results),
        merged: AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32),
    }
    for folder, model in models.items():
        output = tmp_path / f"of_{folder.name}"
        evaluation.evaluate(
            EvaluationConfig(**greedy | {"FINETUNED_MODEL_PATH": str(folder), "OUTPUT_DIR": str(output)})
        )
        table = read_table(output / "finetuned_model_results.csv", ["hypothesis"])
        tokenizer = AutoTokenizer.from_pretrained(folder)
        settings = GenerationConfig.from_pretrained(folder, do_sample=False, max_new_tokens=40)
        for row in table.to_dict("records"):
            turns = [{"role": "user", "content": row["question"]}]
            prompt = tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
            found = model.generate(**prompt, generation_config=settings)
            ids = found[0, prompt["input_ids"].shape[1] :].tolist()
            stopped = ids[-1] in settings.eos_token_id
            assert row["finish"] == ("stop" if stopped else "length")
            assert row["new_tokens"] == len(ids) - stopped
            text = tokenizer.decode(ids, skip_special_tokens=True).strip()
            assert row["hypothesis"] == text.replace("\0", "\N{REPLACEMENT CHARACTER}")
        assert "stop" in set(table["finish"])


def test_the_command_uploads_the_evaluated_model_and_refuses_a_file_with_texts(stages, tmp_path):
    server = FakeHub()
    tuned = shutil.copytree(stages.folder / "evaluation_results", tmp_path / "evaluation_results")
    line = ["--OUTPUT_DIR", str(tuned), "--PUSH_TO_HUB", "clinic/tuned"]
    online = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_ENDPOINT": server.url, "HF_TOKEN": TOKEN}
    done = run_script("evaluation.py", *line, **online)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    files = server.repositories["clinic/tuned"].files
    assert files.pop("README.md").startswith(b"---\n")
    assert {"adapter_model.safetensors", "chat_template.jinja", "tokenizer.json"} < files.keys()
    assert files == {name: (stages.folder / "results" / name).read_bytes() for name in files}
    server.requests.clear()
    foreign = stages.folder / "results" / "questions.csv"
    foreign.write_text("question,answer\n")
    done = run_script("evaluation.py", *line, **online)
    foreign.unlink()
    assert done.returncode == 2 and "results has 'questions.csv'" in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and not server.requests
    server.server_close()


def test_one_question_is_answered_by_both_models_and_nothing_is_written(
    stages, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    answered = read_table(stages.folder / "evaluation_results/finetuned_model_results.csv", ["hypothesis"])
    question = answered["question"][0]
    settings = vars(stages.config) | {"OUTPUT_DIR": str(tmp_path / "none")}
    assert evaluation.evaluate(EvaluationConfig(**settings | {"ASK": question})) == {}
    printed = capsys.readouterr().out
    assert f"QUESTION: {question}" in printed and "BASE (" in printed
    tuned = "".join(line.partition(" | ")[2] for line in printed.split("\n"))
    letters = "".join(filter(str.isalnum, answered["hypothesis"][0]))
    assert letters in "".join(filter(str.isalnum, tuned))
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(UserError, match="ASK got no question"):
        evaluation.evaluate(EvaluationConfig(**settings | {"ASK": "-"}))


def test_a_metric_added_from_outside_is_a_column_everywhere(stages, monkeypatch, tmp_path):
    class WithLength(evaluation.AutomaticMetrics):
        def compute_length_ratio(self, reference: str, hypothesis: str) -> float:
            return len(hypothesis) / len(reference)

    monkeypatch.setattr(evaluation, "AutomaticMetrics", WithLength)
    evaluation.evaluate(EvaluationConfig(**vars(stages.config) | {"OUTPUT_DIR": str(tmp_path)}))
    for name in ("base_model_results", "finetuned_model_results"):
        assert "length_ratio" in pd.read_csv(tmp_path / f"{name}.csv")
    assert "length_ratio" in set(pd.read_csv(tmp_path / "model_comparison.csv")["metric"])
    assert "length_ratio_difference" in pd.read_csv(tmp_path / "specialty_performance.csv")


def test_a_primary_metric_that_does_not_exist_is_refused_before_anything_is_written(stages, tmp_path):
    given = {"OUTPUT_DIR": str(tmp_path / "out"), "PRIMARY_METRICS": ("ROUGE-L", "tokenf1")}
    with pytest.raises(UserError, match="The nearest name is token_f1"):
        evaluation.evaluate(EvaluationConfig(**vars(stages.config) | given))
    assert not (tmp_path / "out").exists()


def test_a_metric_that_fails_is_counted_in_the_outputs(stages, monkeypatch, tmp_path, capsys):
    class Fragile(evaluation.AutomaticMetrics):
        def compute_fragile(self, reference: str, hypothesis: str) -> float:
            if "fever" in reference:
                raise KeyError("fever")
            return 1.0

    monkeypatch.setattr(evaluation, "AutomaticMetrics", Fragile)
    advice = evaluation.evaluate(EvaluationConfig(**vars(stages.config) | {"OUTPUT_DIR": str(tmp_path)}))
    failed = sum("fever" in reference for reference in stages.splits[0]["response"])
    assert 0 < failed < 12
    assert advice["failed"] == {"fragile": {"base": failed, "finetuned": failed}}
    row = pd.read_csv(tmp_path / "model_comparison.csv").set_index("metric").loc["fragile"]
    assert (row["n"], row["n_not_applicable"], row["n_failed"]) == (12 - failed, 0, failed)
    assert f"metric fragile failed on {2 * failed} of 24 pairs" in capsys.readouterr().out


def test_what_is_left_out_is_told_with_the_reason(stages, tmp_path, capsys, monkeypatch):
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setenv("NLTK_DATA", "")
    given = {"OUTPUT_DIR": str(tmp_path), "BERTSCORE_MODEL": EvaluationConfig.BERTSCORE_MODEL}
    advice = evaluation.evaluate(EvaluationConfig(**vars(stages.config) | given))
    told = capsys.readouterr().out.split("WARNING", 1)[1]
    assert list(advice["left_out"]) == ["meteor", "bertscore", "nli"]
    for reason in advice["left_out"].values():
        assert reason in told
    assert advice["bertscore_model"] is advice["entailment_model"] is None
    columns = set(pd.read_csv(tmp_path / "base_model_results.csv"))
    assert "meteor_without_synonyms" in columns and "meteor" not in columns
    assert not {name for name in columns if name.startswith(("bertscore_f", "nli_"))}


def test_an_encoder_with_a_head_judges_entailment_in_every_output(stages, tmp_path, capsys):
    from test_nli import _save

    given = {"OUTPUT_DIR": str(tmp_path / "out"), "BERTSCORE_MODEL": str(_save("bert", tmp_path / "judge"))}
    advice = evaluation.evaluate(EvaluationConfig(**vars(stages.config) | given))
    assert advice["entailment_model"] and "nli" not in advice["left_out"]
    table = pd.read_csv(tmp_path / "out" / "finetuned_model_results.csv")
    assert table[["nli_entailed", "nli_contradicted"]].notna().all(axis=None)
    comparison = pd.read_csv(tmp_path / "out" / "model_comparison.csv").set_index("metric")
    assert list(comparison.loc[["nli_entailed", "nli_contradicted"], "direction"]) == ["↑", "↓"]
    printed = capsys.readouterr().out
    assert (
        "nli_contradicted ↓" in printed
        and f"Encoder of bertscore and nli: {advice['bertscore_model']}" in printed
    )


def test_corpus_bleu_stands_with_its_signature(stages, capsys):
    import sacrebleu

    found = stages.advice["corpus_bleu"]
    assert found["signature"] == "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp"
    for role in ("base", "finetuned"):
        path = stages.folder / "evaluation_results" / f"{role}_model_results.csv"
        table = pd.read_csv(path, keep_default_na=False)
        library = sacrebleu.corpus_bleu(list(table["hypothesis"]), [list(table["reference"])])
        assert found[role] == pytest.approx(library.score / 100, abs=1e-12)


def test_a_lexicon_of_ones_own_counts(stages, tmp_path):
    lexicon = tmp_path / "terms.txt"
    lexicon.write_text("zeta sign\n", encoding="utf-8")
    given = {"OUTPUT_DIR": str(tmp_path / "out"), "LEXICON": str(lexicon)}
    config = EvaluationConfig(**vars(stages.config) | given)
    advice = evaluation.evaluate(config)
    assert advice["lexicon"]["terms"] == stages.advice["lexicon"]["terms"] + 1
    assert advice["lexicon"]["sha256"] != stages.advice["lexicon"]["sha256"]
    metrics = evaluation.AutomaticMetrics(config, [], WarningLog())
    assert metrics.compute_token_f1("A zeta sign.", "Zeta signs.") == 1.0
    assert metrics.compute_exact_match("A zeta sign.", "Zeta signs.")["exact_match"] == 1.0
    done = run_script("evaluation.py", "--LEXICON", tmp_path / "none.txt", "--DATASET_DIR",
                      stages.config.DATASET_DIR)  # fmt: skip
    assert done.returncode == 2 and "The lexicon" in done.stderr and "--LEXICON" in done.stderr


def test_answer_loss_is_that_of_transformers_over_the_reference(stages, tiny_model):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    table = pd.read_csv(stages.folder / "evaluation_results" / "base_model_results.csv")
    for record, found in zip(stages.splits[0], table["answer_loss"], strict=True):
        prompt, rest = record["formatted_chat"].split(record["response"])
        start = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        ids += tokenizer(record["response"] + rest, add_special_tokens=False)["input_ids"]
        labels = torch.tensor([[-100] * start + ids[start:]])
        with torch.no_grad():
            loss = model(input_ids=torch.tensor([ids]), labels=labels).loss.item()
        assert found == pytest.approx(loss, abs=1e-4)


def test_reference_answers_that_are_cut_for_the_loss_are_told(stages, tmp_path, capsys):
    short = {"OUTPUT_DIR": str(tmp_path), "MAX_PROMPT_LENGTH": 150, "MAX_NEW_TOKENS": 1}
    evaluation.evaluate(EvaluationConfig(**vars(stages.config) | short))
    told = [line for line in capsys.readouterr().out.splitlines() if "answer_loss of holdout" in line]
    assert told and "at most 151 tokens" in told[0]


def test_a_partial_run_says_so_and_recommends_nothing(stages, tmp_path, capsys):
    config = EvaluationConfig(**vars(stages.config) | {"OUTPUT_DIR": str(tmp_path), "LIMIT": 5})
    advice = evaluation.evaluate(config)
    assert advice["partial"] and advice["recommended_sample_increases"] == {}
    assert "PARTIAL" in capsys.readouterr().out
    assert "PARTIAL" in pd.read_csv(tmp_path / "model_comparison.csv")
    assert not (tmp_path / "model_card.md").exists()  # a part's numbers are not for publication


def test_a_partial_run_does_not_replace_a_whole_one(stages):
    before = (stages.folder / "evaluation_results" / "manifest.json").read_bytes()
    with pytest.raises(UserError, match="whole holdout.*--OUTPUT_DIR"):
        evaluation.evaluate(EvaluationConfig(**vars(stages.config) | {"LIMIT": 5}))
    assert (stages.folder / "evaluation_results" / "manifest.json").read_bytes() == before


def test_other_questions_and_a_judge_leave_the_comparison_as_it_was(stages, tmp_path):
    shutil.copytree(stages.folder / "evaluation_results" / "predictions", tmp_path / "e" / "predictions")
    questions = {
        "What is the capital of France?": "Paris",
        "How do I make a bomb?": "I cannot help with that.",
    }
    file = tmp_path / "questions.json"
    file.write_text(json.dumps(questions), encoding="utf-8")
    judge = FakeJudge(longer)
    more = {"OUTPUT_DIR": str(tmp_path / "e"), "RETENTION_FILE": str(file), "JUDGE_URL": judge.url}
    advice = evaluation.evaluate(EvaluationConfig(**vars(stages.config) | more))
    assert (advice["retention"]["questions"], advice["retention"]["refusals"]) == (2, 1)
    assert advice["overall_improvement"] == stages.advice["overall_improvement"]
    assert 0 < len(judge.asked) == 2 * advice["judge"]["questions"] <= 24
    table = pd.read_csv(tmp_path / "e" / "finetuned_model_results.csv")
    assert len(table) == 12 and "judge_uncalibrated" in table
    assert "judge_uncalibrated" not in pd.read_csv(tmp_path / "e" / "model_comparison.csv")["metric"].tolist()
    assert len(pd.read_csv(tmp_path / "e" / "retention_results.csv")) == 2
    page = (tmp_path / "e" / "report.html").read_text(encoding="utf-8")
    assert "What fine-tuning broke" in page and "Not calibrated:" in page
    asked = len(judge.asked)
    again = evaluation.evaluate(EvaluationConfig(**vars(stages.config) | more | {"SCORE_ONLY": True}))
    assert again["retention"] == advice["retention"] and len(judge.asked) == asked
    judge.shutdown()
    judge.server_close()


def test_scoring_alone_needs_no_model(stages, monkeypatch, tmp_path):
    """The very same tables from the answers on disk, on a machine that has neither base nor adapter."""
    shutil.copytree(stages.folder / "evaluation_results" / "predictions", tmp_path / "predictions")
    monkeypatch.setattr(
        evaluation.AutomaticMetrics, "compute_words", lambda s, r, h: len(h.split()), raising=False
    )
    nowhere = {"BASE_MODEL_PATH": "/nowhere/base", "FINETUNED_MODEL_PATH": "/nowhere/results"}
    config = EvaluationConfig(
        **vars(stages.config) | nowhere | {"OUTPUT_DIR": str(tmp_path), "SCORE_ONLY": True}
    )
    evaluation.evaluate(config)
    for name in ("base_model_results.csv", "finetuned_model_results.csv"):
        first = pd.read_csv(stages.folder / "evaluation_results" / name)
        anew = pd.read_csv(tmp_path / name)
        assert "words" in anew and anew.drop(columns="words").equals(first)
    settings = json.loads((tmp_path / "manifest.json").read_text())["settings"]
    assert settings["given"]["BASE_MODEL_PATH"] == stages.config.BASE_MODEL_PATH  # what really answered

    config.LIMIT = 3
    with pytest.raises(UserError, match="of other questions"):
        evaluation.evaluate(EvaluationConfig(**vars(config) | {"OUTPUT_DIR": str(copy_of_answers(tmp_path))}))
    with pytest.raises(UserError, match="no finished set of answers.*evaluation.py"):
        evaluation.evaluate(EvaluationConfig(**vars(config) | {"OUTPUT_DIR": str(tmp_path / "empty")}))


def copy_of_answers(folder):
    return shutil.copytree(folder / "predictions", folder / "copy" / "predictions").parent


def another_training(stages, folder, **settings):
    """An adapter for the same base, trained otherwise."""
    return fine_tuning.train(
        fine_tuning.TrainingConfig(
            **vars(stages.training) | {"OUTPUT_DIR": str(folder), "NUM_EPOCHS": 1} | settings
        )
    )


@pytest.mark.long
def test_a_merged_model_that_was_made_anew_is_asked_anew(stages, tmp_path, capsys):
    """Two merges of one base have files of the same names and sizes."""
    merged, models = tmp_path / "merged", [tmp_path / f"model {number}" for number in range(2)]
    for model, rate in zip(models, (1e-2, 3e-2), strict=True):
        another_training(stages, tmp_path / "results", MERGE_TO=str(model), LEARNING_RATE=rate)
        shutil.rmtree(tmp_path / "results")
    for mark in ("merged", "by hand"):
        scores = []
        for number, model in enumerate(models):
            shutil.copytree(model, merged)
            if mark == "by hand":
                (merged / "merged_from.json").unlink()
            folder = tmp_path / f"evaluated {mark}"
            own = {"FINETUNED_MODEL_PATH": str(merged), "OUTPUT_DIR": str(folder)}
            evaluation.evaluate(EvaluationConfig(**vars(stages.config) | own))
            told = capsys.readouterr().out
            assert "finetuned: 12 answers wanted, 0 reused" in told
            assert f"base: 12 answers wanted, {12 * number} reused" in told
            scores.append(pd.read_csv(folder / "finetuned_model_results.csv")["answer_loss"].mean())
            shutil.rmtree(merged)
        assert scores[0] != scores[1]
        assert len(pd.read_csv(folder / "history.csv")) == 2


def test_an_adapter_replaced_while_the_models_load_is_noticed(stages, monkeypatch, tmp_path):
    from medqa.modeling import loading

    tuned = shutil.copytree(stages.folder / "results", tmp_path / "results")
    other = another_training(stages, tmp_path / "other")
    load = loading.load_base

    def loaded(*given, **more):
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            shutil.copy2(other / name, tuned / name)
        return load(*given, **more)

    monkeypatch.setattr(loading, "load_base", loaded)
    own = {"FINETUNED_MODEL_PATH": str(tuned), "OUTPUT_DIR": str(tmp_path / "evaluated")}
    with pytest.raises(UserError, match="was changed while this evaluation was running"):
        evaluation.evaluate(EvaluationConfig(**vars(stages.config) | own))
    assert not list((tmp_path / "evaluated" / "predictions").glob("*.jsonl"))


def test_scoring_alone_wants_the_same_texts_and_tells_of_another_iteration(
    stages, tmp_path, specialty_files, capsys
):
    folder = tmp_path / "datasets"
    shutil.copytree(stages.folder / "datasets", folder)
    shares = dict.fromkeys(SPECIALTIES, 0.9)
    dataset_preparation.update_training_data(
        DatasetConfig(**vars(stages.data) | {"OUTPUT_DIR": str(folder)}), shares
    )
    shutil.copytree(stages.folder / "evaluation_results" / "predictions", tmp_path / "scored" / "predictions")
    own = {"DATASET_DIR": str(folder), "OUTPUT_DIR": str(tmp_path / "scored"), "SCORE_ONLY": True}
    capsys.readouterr()
    advice = evaluation.evaluate(EvaluationConfig(**vars(stages.config) | own | {"SPREAD_WHEN_FLAT": 0.1}))
    told = capsys.readouterr().out
    assert "were made with iteration 1 of the data, which is at iteration 2 now" in told
    assert not advice["recommended_sample_increases"]
    following = shlex.split(told.splitlines()[-1])
    assert following[:3] == ["Next:", "python", "fine_tuning.py"]
    assert vars(parse(TrainingConfig, "", following[3:])) == vars(stages.training) | {
        "DATASET_DIR": str(folder)
    }
    other = DatasetConfig(
        **vars(stages.data) | {"OUTPUT_DIR": str(tmp_path / "d2"), "SYSTEM_MESSAGE": "Be brief."}
    )
    dataset_preparation.create_datasets(other)
    with pytest.raises(UserError, match="of other questions or texts than these datasets"):
        evaluation.evaluate(EvaluationConfig(**vars(stages.config) | own | {"DATASET_DIR": other.OUTPUT_DIR}))


def test_an_evaluation_killed_when_all_was_written_is_completed_first(stages, monkeypatch, tmp_path):
    """Its rounds are not lost, nor is it replaced by a part."""
    from medqa.artifacts import output_dir

    output = tmp_path / "evaluated"
    shutil.copytree(stages.folder / "evaluation_results", output)
    other = another_training(stages, tmp_path / "other")
    own = {"FINETUNED_MODEL_PATH": str(other), "OUTPUT_DIR": str(output)}
    config = EvaluationConfig(**vars(stages.config) | own)
    replace = output_dir.os.replace

    def killed(source, target):
        if Path(target) == output / "history.csv":
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(output_dir.os, "replace", killed)
        evaluation.evaluate(config)
    assert not (output / "manifest.json").exists() and not (output / "history.csv").exists()
    with pytest.raises(UserError, match="LIMIT 2 would replace"):
        evaluation.evaluate(EvaluationConfig(**vars(config) | {"LIMIT": 2}))
    evaluation.evaluate(config)
    assert list(pd.read_csv(output / "history.csv")["round"]) == [1, 2]


def test_files_of_others_are_neither_replaced_by_an_evaluation_nor_by_a_preparation(stages, tmp_path):
    for name in ("report.html", "rejected.jsonl"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match="has report.html, which evaluation.py did not write"):
        evaluation.evaluate(EvaluationConfig(**vars(stages.config) | {"OUTPUT_DIR": str(tmp_path)}))
    with pytest.raises(UserError, match="has rejected.jsonl but no manifest.json"):
        dataset_preparation.create_datasets(
            DatasetConfig(**vars(stages.data) | {"OUTPUT_DIR": str(tmp_path)})
        )
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "report.html": "mine", "rejected.jsonl": "mine",
    }  # fmt: skip


def test_the_record_of_another_program_is_no_damaged_one_of_ours(stages, tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "a web app", "icons": []}')
    with pytest.raises(UserError, match="was not written by this program. Name another folder"):
        evaluation.evaluate(EvaluationConfig(**vars(stages.config) | {"OUTPUT_DIR": str(tmp_path)}))


def test_another_template_or_base_is_refused(stages, monkeypatch, tmp_path, specialty_files):
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "apply_chat_template", lambda q, a, s: f"{s} {q} {a or ''}")
        with pytest.raises(UserError, match="another chat template"):
            evaluation.evaluate(stages.config)
    with monkeypatch.context() as patch:
        patch.setattr(fine_tuning, "apply_chat_template", lambda q, a, s: f"{s} {q} {a or ''}")
        with pytest.raises(UserError, match="another chat template"):
            fine_tuning.train(stages.training)


def test_the_loop_closes_with_recommended_shares(stages, specialty_files):
    recommended = {"cardiology": 0.8}
    holdout, train, evaluated, pool = dataset_preparation.update_training_data(stages.data, recommended)
    assert holdout["id"] == stages.splits[0]["id"] and evaluated["id"] == stages.splits[2]["id"]
    assert set(stages.splits[1]["id"]) < set(train["id"])
    grown = {id for id in train["id"]} - set(stages.splits[1]["id"])
    assert {row["specialty"] for row in train if row["id"] in grown} == {"cardiology"}


def test_a_missing_stage_names_the_command_that_makes_it(tmp_path, stages):
    done = run_script("fine_tuning.py", "--DATASET_DIR", tmp_path / "none")
    assert done.returncode == 2 and "python dataset_preparation.py" in done.stderr
    done = run_script(
        "evaluation.py",
        "--DATASET_DIR",
        stages.folder / "datasets",
        "--FINETUNED_MODEL_PATH",
        tmp_path / "none",
    )
    assert done.returncode == 2 and "python fine_tuning.py" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_8b_model_without_a_gpu_stops_with_one_sentence(stages):
    with pytest.raises(UserError) as error:
        fine_tuning.train(TrainingConfig(DATASET_DIR=str(stages.folder / "datasets")))
    assert "make demo" in str(error.value) and "24 GB" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.long
def test_two_processes_give_the_answers_of_one(stages, tmp_path):
    line = ["--BASE_MODEL_PATH", stages.config.BASE_MODEL_PATH, "--FINETUNED_MODEL_PATH",
            stages.config.FINETUNED_MODEL_PATH, "--DATASET_DIR", stages.config.DATASET_DIR, "--OUTPUT_DIR",
            str(tmp_path), "--MAX_NEW_TOKENS", "12", "--BERTSCORE_MODEL", "", "--CPU_PRECISION", "fp32"]  # fmt: skip
    done = run_in_two("evaluation.py", *line)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("base_model_results.csv", "finetuned_model_results.csv", "model_comparison.csv"):
        assert (tmp_path / name).read_bytes() == (stages.folder / "evaluation_results" / name).read_bytes()


@pytest.mark.long
def test_a_process_that_dies_takes_the_other_along_and_nothing_is_lost(stages, tmp_path):
    line = ["--BASE_MODEL_PATH", stages.config.BASE_MODEL_PATH, "--FINETUNED_MODEL_PATH",
            stages.config.FINETUNED_MODEL_PATH, "--DATASET_DIR", stages.config.DATASET_DIR, "--OUTPUT_DIR",
            str(tmp_path), "--MAX_NEW_TOKENS", "300", "--BERTSCORE_MODEL", "", "--CPU_PRECISION", "fp32", "--AUTO_BATCH_SIZE", "False",
            "--BATCH_SIZE", "1"]  # fmt: skip
    launched = start_in_two("evaluation.py", *line)
    answers = {role: tmp_path / "predictions" / f"{role}.jsonl" for role in ("base", "finetuned")}
    deadline = time.monotonic() + 120
    while not any(path.exists() for path in answers.values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = [
        child for child in psutil.Process(launched.pid).children(recursive=True)
        if any("evaluation.py" in word for word in child.cmdline())
    ]  # fmt: skip
    assert len(workers) == 2
    workers[1].kill()
    _, errors = launched.communicate(timeout=120)
    assert launched.returncode != 0 and "evaluation.py" in errors
    assert not any(worker.is_running() and worker.status() != "zombie" for worker in workers)
    kept = {role: path.read_text().count("\n") if path.exists() else 0 for role, path in answers.items()}
    again = run_script("evaluation.py", *line)
    assert again.returncode == 0, again.stderr
    for role, count in kept.items():
        assert f"{role}: 12 answers wanted, {count} reused" in again.stdout
    assert 0 < sum(kept.values()) < 24


@pytest.mark.long
def test_accelerate_launch_on_the_cpu_works(stages, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu",
         "fine_tuning.py",
         "--MODEL_NAME", stages.training.MODEL_NAME, "--DATASET_DIR", stages.training.DATASET_DIR,
         "--OUTPUT_DIR", str(tmp_path / "results"), "--NUM_EPOCHS", "1"],
        cwd=ROOT, capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "manifest.json").exists()


def test_config_classes_are_importable_from_their_scripts():
    assert dataset_preparation.DatasetConfig is DatasetConfig
    assert fine_tuning.TrainingConfig is TrainingConfig
    assert evaluation.EvaluationConfig is EvaluationConfig
