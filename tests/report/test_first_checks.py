"""What would be noticed only after all answers is refused before a model is loaded."""

import shlex
import shutil
import sys
from pathlib import Path

import pytest
from fake_judge import FakeJudge, Handler, longer, nobody

import evaluation
from config import DatasetConfig, EvaluationConfig
from dataset_preparation import create_datasets
from medqa.generation.model_pair import Models
from medqa.report import first_checks
from medqa.runtime.errors import UserError


@pytest.fixture
def answering(tmp_path, prepared, trained, tiny_model, monkeypatch) -> EvaluationConfig:
    """An evaluation that may load no model."""

    def load(*_):
        raise AssertionError("a model is loaded")

    monkeypatch.setattr(Models, "using", load)
    return EvaluationConfig(
        BASE_MODEL_PATH=str(tiny_model), FINETUNED_MODEL_PATH=str(trained), DATASET_DIR=str(prepared),
        OUTPUT_DIR=str(tmp_path / "out"), BERTSCORE_MODEL="",
    )  # fmt: skip


def refused(config: EvaluationConfig, **given: object) -> str:
    """The message with which an evaluation is refused; it writes nothing."""
    with pytest.raises(UserError) as error:
        evaluation.evaluate(EvaluationConfig(**vars(config) | given))
    assert not Path(config.OUTPUT_DIR).exists()
    return str(error.value)


@pytest.mark.parametrize("given", [{}, {"LIMIT": 2}, {"RETENTION_FILE": "demo/retention_questions.json"}])
def test_an_empty_holdout_names_the_command_that_prepares_one(given, answering, specialty_files, tmp_path):
    data = DatasetConfig(
        DATA_DIR=str(specialty_files),
        OUTPUT_DIR=str(tmp_path / "no holdout"),
        HOLDOUT_SAMPLES_PER_SPECIALTY=0,
    )
    create_datasets(data)
    told = refused(answering, DATASET_DIR=data.OUTPUT_DIR, **given)
    words = shlex.split(told.split("train on that: ")[1])
    assert words[words.index("--OUTPUT_DIR") + 1] == f"{data.OUTPUT_DIR}_with_holdout"
    assert words[words.index("--DATA_DIR") + 1] == data.DATA_DIR
    assert words[-2:] == ["--HOLDOUT_SAMPLES_PER_SPECIALTY", "10"] and words.count(words[-2]) == 1
    # A question of one's own needs no holdout.
    with pytest.raises(AssertionError, match="a model is loaded"):
        evaluation.evaluate(
            EvaluationConfig(**vars(answering) | {"DATASET_DIR": data.OUTPUT_DIR, "ASK": "Why?"})
        )


def encoder_folder(folder: Path, **changed: object) -> str:
    """A folder with config and tokenizer of a small BERT, without weights."""
    from transformers import BertConfig, BertTokenizerFast

    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    BertConfig(
        vocab_size=6, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, **changed
    ).save_pretrained(folder)
    return str(folder)


def test_a_layer_that_the_encoder_does_not_have_is_refused(answering, tmp_path):
    folder = encoder_folder(tmp_path / "encoder")
    told = refused(answering, BERTSCORE_MODEL=folder, BERTSCORE_LAYER=3)
    assert told == "BERTSCORE_LAYER is 3, but the encoder has the layers 1 to 2 (0: the tuned one)"
    for layer in (0, 1, 2):
        with pytest.raises(AssertionError, match="a model is loaded"):
            evaluation.evaluate(
                EvaluationConfig(**vars(answering) | {"BERTSCORE_MODEL": folder, "BERTSCORE_LAYER": layer})
            )


@pytest.mark.parametrize("name", ["/no/such/encoder", "./enc", "models/a/b", "microsoft/deberta-xlarge-mnIi"])
def test_an_encoder_that_was_typed_and_does_not_exist_is_refused(name, answering):
    told = refused(answering, BERTSCORE_MODEL=name)
    assert name in told and '--BERTSCORE_MODEL ""' in told


def test_a_folder_without_an_encoder_and_a_decoder_are_refused(answering, tmp_path, tiny_model):
    (tmp_path / "empty").mkdir()
    assert "holds none that can be loaded" in refused(answering, BERTSCORE_MODEL=str(tmp_path / "empty"))
    assert "no [CLS] token" in refused(answering, BERTSCORE_MODEL=str(tiny_model))


def test_without_the_default_encoder_the_evaluation_goes_on(answering):
    default = {"BERTSCORE_MODEL": EvaluationConfig.BERTSCORE_MODEL}
    with pytest.raises(AssertionError, match="a model is loaded"):
        evaluation.evaluate(EvaluationConfig(**vars(answering) | default))


class OtherPage(Handler):
    """A server without a chat interface."""

    def do_GET(self) -> None:
        self.respond(404, b"", {})


class Loading(Handler):
    """A server that does not have its model yet."""

    def do_GET(self) -> None:
        self.respond(503, b"", {})


def test_a_judge_that_nobody_answers_for_is_refused(answering):
    judge = FakeJudge(longer)
    url = {"JUDGE_URL": judge.url}
    judge.RequestHandlerClass = OtherPage
    told = refused(answering, **url)
    assert "status 404. Start the judge's server" in told and "leave out --JUDGE_URL" in told
    for handler, given in ((Handler, url), (Loading, url), (OtherPage, url | {"JUDGE_MODEL": "m"})):
        judge.RequestHandlerClass = handler
        with pytest.raises(AssertionError, match="a model is loaded"):
            evaluation.evaluate(EvaluationConfig(**vars(answering) | given))
    shutil.rmtree(answering.OUTPUT_DIR)
    judge.shutdown()
    judge.server_close()
    with nobody() as silent:
        told = refused(answering, JUDGE_URL=silent, JUDGE_MODEL="m")
    assert "nobody answers there (Connection refused)" in told


def test_stored_verdicts_need_no_judge(answering):
    settings = vars(answering) | {
        "JUDGE_URL": "http://127.0.0.1:9/v1",
        "JUDGE_MODEL": "m",
        "SCORE_ONLY": True,
    }
    first_checks.check(EvaluationConfig(**settings), evaluation.AutomaticMetrics, {"command": ""}, "")


def test_a_shard_needs_neither_encoder_nor_judge(answering):
    given = {"SHARD": "1/2", "BERTSCORE_MODEL": "/no/such/encoder", "JUDGE_URL": "http://127.0.0.1:9/v1"}
    with pytest.raises(AssertionError, match="a model is loaded"):
        evaluation.evaluate(EvaluationConfig(**vars(answering) | given))


def test_primary_metrics_need_a_name_and_spaces_between_names(answering):
    assert "PRIMARY_METRICS []: none is named. The metrics are: " in refused(answering, PRIMARY_METRICS=())
    told = refused(answering, PRIMARY_METRICS=("ROUGE-L,token_f1",))
    assert "Separate names with spaces." in told
    assert "Separate" not in refused(answering, PRIMARY_METRICS=("ROUGEL",))


@pytest.mark.parametrize("line", [["--ASK", ""], ["--ASK="], ["--LIMIT", "2", "--ASK", "", "--SEED", "1"]])
def test_an_empty_question_evaluates_nothing(line, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["evaluation.py", *line])
    with pytest.raises(UserError, match="ASK got no question"):
        first_checks.arguments()


def test_blank_questions_are_refused_and_others_are_not(answering, monkeypatch):
    assert "ASK got no question" in refused(answering, ASK=" \t ")
    monkeypatch.setattr(sys, "argv", ["evaluation.py", "--ASK", "Why?", "--BERTSCORE_MODEL", ""])
    assert first_checks.arguments() == ["--ASK", "Why?", "--BERTSCORE_MODEL", ""]


@pytest.mark.parametrize("place", ["DATASET_DIR", "FINETUNED_MODEL_PATH", "data"])
def test_an_evaluation_writes_beside_nothing_else(place, answering, specialty_files):
    folder = {"data": specialty_files}.get(place) or getattr(answering, place)
    before = sorted(Path(folder).iterdir())
    told = refused(answering, OUTPUT_DIR=str(folder))
    assert f"--OUTPUT_DIR {folder}_evaluation" in told and sorted(Path(folder).iterdir()) == before


def test_an_encoder_as_tuned_model_is_refused_before_the_base_has_answered(answering, tiny_model, tmp_path):
    tuned = shutil.copytree(tiny_model, tmp_path / "tuned")
    (tuned / "config.json").write_text('{"model_type": "modernbert"}')
    with pytest.raises(UserError, match="is not a causal language model"):
        evaluation.evaluate(EvaluationConfig(**vars(answering) | {"FINETUNED_MODEL_PATH": str(tuned)}))


def test_a_lexicon_that_is_missing_is_told_in_words(answering):
    told = refused(answering, LEXICON="/no/such/terms")
    assert "cannot be read (/no/such/terms does not exist)" in told
