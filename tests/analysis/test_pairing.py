"""Two tuned models on the same questions: the paired table, and when a merged model is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from evaluations import LESS, PRIMARY, evaluation, published

from config import EvaluationConfig
from medqa.analysis import pairing
from medqa.artifacts.atomic_io import sha256_of_file
from medqa.runtime.errors import Failed, UserError


def holdout(results) -> dict[str, list[str]]:
    """The questions of a made-up evaluation as the split has them."""
    table = results.tables["base"]
    return {
        "id": list(table["id"]),
        "question": list(table["question"]),
        "response": list(table["reference"]),
    }


def paired(results, other) -> dict:
    """The entry of training_recommendations.json."""
    advice = {"entailment_model": None} | results.advice
    return json.loads(json.dumps(pairing.pair(other, results.tables, advice, LESS, 0), allow_nan=False))


@pytest.fixture
def other(tmp_path) -> tuple:
    """An evaluation, and the same one read from its folder."""
    results = evaluation(30)
    folder = published(tmp_path / "earlier", results, FINETUNED_MODEL_PATH="other_results")
    return results, pairing.read_other(str(folder), holdout(results), "results")


def test_the_same_evaluation_twice_is_equal(other):
    found = paired(*other)
    assert (found["equal_answers"], found["answers"], found["model"]) == (30, 30, "other_results")
    assert not found["is_its_adapter"]
    rows = {row["metric"]: row for row in found["metrics"]}
    assert list(rows) == ["primary_score", "dose_error", "answer_loss"]
    for name, row in rows.items():
        assert row["difference"] == row["ci_low"] == row["ci_high"] == 0
        table = other[0].tables["finetuned"]
        assert row["finetuned"] == row["other"] == pytest.approx(table[name].mean())
    assert "30 of 30 answers are equal (100%)" in pairing.paired_text(found)
    pairing.require_equivalent(found)


def test_differences_are_tuned_minus_other(other):
    results, before = other
    tuned = results.tables["finetuned"]
    tuned.loc[0, "hypothesis"] = "Another answer."
    step = np.linspace(0.05, 0.15, len(tuned))
    for name in ("primary_score", "answer_loss"):
        tuned[name] += step
    found = paired(results, before)
    assert found["equal_answers"] == 29
    rows = {row["metric"]: row for row in found["metrics"]}
    assert rows["primary_score"]["difference"] == pytest.approx(0.1)
    assert rows["primary_score"]["ci_low"] > 0.05 and rows["primary_score"]["wins"] == 30
    assert rows["answer_loss"]["losses"] == 30
    assert rows["primary_score"]["base"] == pytest.approx(results.tables["base"]["primary_score"].mean())


@pytest.mark.parametrize(
    ("lower", "adapter", "fails"), [(0.1, True, True), (0.1, False, False), (0.005, True, False)]
)
def test_only_a_merged_model_that_is_clearly_worse_fails(lower, adapter, fails, other):
    results, before = other
    results.tables["finetuned"]["primary_score"] -= lower
    before = pairing.Other(**vars(before) | {"is_adapter": adapter})
    found = paired(results, before)
    if fails:
        with pytest.raises(Failed, match="worse than its adapter"):
            pairing.require_equivalent(found)
    else:
        pairing.require_equivalent(found)


def test_other_questions_and_another_scoring_are_refused(other, tmp_path):
    results, before = other
    folder = str(tmp_path / "earlier")
    fewer = {name: values[:-1] for name, values in holdout(results).items()}
    with pytest.raises(UserError, match="29 of its 30 are among the 29"):
        pairing.read_other(folder, fewer, "results")
    with pytest.raises(UserError, match="does not exist"):
        pairing.read_other(str(tmp_path / "none"), fewer, "results")
    scored = pairing.Other(**vars(before) | {"scale": before.scale | {"bertscore_model": "x, layer 1"}})
    with pytest.raises(UserError, match=r"\(bertscore_model\).*--SCORE_ONLY"):
        paired(results, scored)
    without = pairing.Other(**vars(before) | {"answers": before.answers.drop(columns=PRIMARY[0])})
    with pytest.raises(UserError, match=PRIMARY[0]):
        paired(results, without)
    assert pairing.read_other("", fewer, "results") is None


def test_a_merged_model_knows_its_adapter_until_that_is_trained_again(tmp_path):
    adapter, merged = tmp_path / "results", tmp_path / "merged"
    merged.mkdir()
    adapter.mkdir()
    manifest = {"stage": "fine_tuning", "outputs": {"adapter_model.safetensors": "ab"}, "settings": {}}
    manifest |= {"learned": {}, "chat_template_sha256": "", "iteration": 1}
    (adapter / "manifest.json").write_text(json.dumps(manifest))
    (merged / "merged_from.json").write_text(json.dumps({"base": "b", "adapter_sha256": "ab"}))
    recorded = {f"{adapter}/manifest.json": sha256_of_file(adapter / "manifest.json")}
    assert pairing._is_merged_from(merged, adapter, recorded)
    typed = {f"{adapter}/./manifest.json": sha for sha in recorded.values()}
    assert pairing._is_merged_from(merged, adapter, typed)
    assert not pairing._is_merged_from(adapter, adapter, recorded)
    assert not pairing._is_merged_from(merged, Path("none"), recorded)
    (merged / "merged_from.json").write_text(json.dumps({"base": "b", "adapter_sha256": "cd"}))
    assert not pairing._is_merged_from(merged, adapter, recorded)
    (merged / "merged_from.json").write_text(json.dumps({"base": "b", "adapter_sha256": "ab"}))
    (adapter / "manifest.json").write_text(json.dumps(manifest | {"iteration": 2}))
    assert not pairing._is_merged_from(merged, adapter, recorded)


SAME = vars(EvaluationConfig()) | {"chat_template_sha256": "c" * 64, "system_message": "Be brief."}


@pytest.mark.parametrize(
    ("there", "here", "named"),
    [
        ({}, {}, []),
        ({"MAX_NEW_TOKENS": 4}, {"MAX_NEW_TOKENS": 24}, [("MAX_NEW_TOKENS", "4", "24")]),
        ({"TEMPERATURE": 0.0}, {}, [("TEMPERATURE", "0.0", "0.1")]),
        ({"SEED": 1, "TOP_P": 0.5}, {}, [("TOP_P", "0.5", "0.9"), ("SEED", "1", "42")]),
        # Without an effect on greedy decoding.
        ({"SEED": 1, "TOP_P": 0.5, "TEMPERATURE": 0.0}, {"TEMPERATURE": 0.0}, []),
        ({"BASE_MODEL_PATH": "a/b"}, {"BASE_MODEL_PATH": "a/c"}, [("BASE_MODEL_PATH", "a/b", "a/c")]),
        ({"BASE_PRECISION": "fp8"}, {},
         [("BASE_PRECISION (weights and key-value cache)", "fp8", "bf16")]),
        ({"CPU_PRECISION": "fp32"}, {"CPU_PRECISION": "bf16"}, [("CPU_PRECISION", "fp32", "bf16")]),
        ({"MAX_PROMPT_LENGTH": 99}, {}, [("MAX_PROMPT_LENGTH", "99", "1536")]),
        ({"chat_template_sha256": "d" * 64}, {}, [("chat template", "d" * 64, "c" * 64)]),
        ({"system_message": "Be long."}, {}, [("system message", "Be long.", "Be brief.")]),
        # Earlier versions did not record it; and what does not determine an answer.
        ({"system_message": None}, {}, []),
        ({"FINETUNED_MODEL_PATH": "x", "BATCH_SIZE": 1, "LOW_MARGIN": 0.5}, {}, []),
    ],
)  # fmt: skip
def test_what_determines_answers_and_differs_is_named_with_both_values(there, here, named):
    found = pairing.different_settings(SAME | there, SAME | here)
    assert found == [{"name": name, "other": one, "tuned": other} for name, one, other in named]


def test_one_base_model_at_two_paths_is_the_same(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    here, there = ({"BASE_MODEL_PATH": str(tmp_path / name)} for name in ("one", "two"))
    assert not pairing.different_settings(SAME | there, SAME | here)
    (tmp_path / "two" / "model.safetensors").write_bytes(b"other weights")
    [found] = pairing.different_settings(SAME | there, SAME | here)
    assert found["name"] == "BASE_MODEL_PATH"


def test_long_values_are_shortened_to_where_they_differ():
    long = "Answer as an experienced pharmacist of a children's ward would. " * 5
    [found] = pairing.different_settings(
        SAME | {"system_message": f"{long}Be brief."}, SAME | {"system_message": f"{long}Be long."}
    )
    assert found["other"].endswith("Be brief.") and found["tuned"].endswith("Be long.")
    assert max(map(len, found.values())) < 100


def test_other_settings_are_told_in_the_terminal_the_report_the_warnings_and_the_json(tmp_path):
    results = evaluation(30)
    folder = published(tmp_path / "earlier", results, MAX_NEW_TOKENS=4)
    other = pairing.read_other(str(folder), holdout(results), "results")
    results.advice["entailment_model"] = None
    pairing.add(other, SAME | {"MAX_NEW_TOKENS": 24}, results, LESS)
    told = "(MAX_NEW_TOKENS: 4 there, 24 here)"
    assert results.advice["paired"]["settings_that_differ"][0]["other"] == "4"
    assert told in pairing.paired_text(results.advice["paired"]) and told in results.warnings.texts[-1]
    here = published(tmp_path / "here", results)
    assert told in json.loads((here / "manifest.json").read_text())["warnings"][-1]
    assert (here / "report.html").read_text(encoding="utf-8").count(told) == 2


def test_a_merged_model_that_is_worse_with_other_settings_is_told_so(other):
    results, before = other
    results.tables["finetuned"]["primary_score"] -= 0.1
    found = paired(results, pairing.Other(**vars(before) | {"is_adapter": True}))
    found["settings_that_differ"] = [{"name": "SEED", "other": "1", "tuned": "2"}]
    with pytest.raises(Failed, match="worse than its adapter.*SEED: 1 there, 2 here"):
        pairing.require_equivalent(found)
