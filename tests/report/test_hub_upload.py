"""The upload to the Hub: what is sent, byte for byte, and what is refused before anything is sent."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from evaluations import evaluation
from fake_hub import TOKEN, FakeHub, Repository
from safetensors.numpy import save_file
from test_model_card import DATA, RECORDS, SETTINGS

from config import DatasetConfig, EvaluationConfig
from dataset_preparation import create_datasets
from evaluation import evaluate
from medqa.artifacts import atomic_io, run_manifest
from medqa.data import dataset_io
from medqa.report import evaluation_output, hub_files, hub_upload
from medqa.report.model_card import model_card
from medqa.runtime.cli import given_and_default
from medqa.runtime.errors import Failed, UserError

NAME = "clinic/meerkat-tuned"
CARD = "../evaluation_results/model_card.md"
SENT = {
    "adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "chat_template.jinja",
    "generation_config.json", "training_config.json", "training_metrics.jsonl", "training_curves.png",
}  # fmt: skip


def write_record(model: Path) -> None:
    """The manifest of a training, for the files that are there now."""
    (model / "manifest.json").unlink(missing_ok=True)
    more = {"learned": {}, "chat_template_sha256": "c" * 64, "iteration": 1}
    run_manifest.write_manifest(model, "fine_tuning", {"given": SETTINGS, "default": {}}, "now", {}, **more)


def write_model(model: Path) -> None:
    """What a training leaves, with weights of a few bytes."""
    model.mkdir()
    save_file({"lora_A": np.arange(64, dtype=np.float32)}, model / "adapter_model.safetensors")
    contents = {
        "adapter_config.json": {"base_model_name_or_path": "dmis-lab/llama", "r": 8},
        "tokenizer.json": {"model": {"vocab": {"a": 0, "Ġb": 1}, "merges": ["Ġ b"]}},
        "generation_config.json": {"eos_token_id": [1, 2]},
        "training_config.json": SETTINGS,
    }
    for name, content in contents.items():
        atomic_io.write_json(model / name, content)
    (model / "chat_template.jinja").write_text("{{ messages }}")
    (model / "training_metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in RECORDS))
    (model / "training_curves.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    (model / "README.md").write_text(model_card(SETTINGS, DATA, RECORDS, has_template=True))
    write_record(model)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, specialty_files) -> Path:
    """The folders of all three stages, with a made-up evaluation."""
    top = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(top)
        create_datasets(DatasetConfig(DATA_DIR=str(specialty_files), HOLDOUT_SAMPLES_PER_SPECIALTY=4))
        write_model(Path("results"))
        data = {"chat_template_sha256": "c" * 64, "iteration": 1}
        evaluation_output.publish(evaluation(), given_and_default(EvaluationConfig()), data, "now")
    (top / "results" / "checkpoint-3").mkdir()
    return top


@pytest.fixture
def folder(finished, tmp_path, monkeypatch) -> Path:
    """The current folder, with a copy of the finished stages."""
    shutil.copytree(finished, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def server(monkeypatch):
    """A stand-in for the Hub, to which huggingface_hub is directed."""
    from huggingface_hub import constants

    server = FakeHub()
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield server
    server.shutdown()
    server.server_close()


def push(name: str = NAME, **settings: object) -> dict:
    return evaluate(EvaluationConfig(PUSH_TO_HUB=name, **settings))


def refused(server: FakeHub, name: str = NAME, **settings: object) -> str:
    """The message of an upload that ends before it sends anything."""
    with pytest.raises(UserError) as error:
        push(name, **settings)
    assert not server.requests and not Path("evaluation_results", hub_upload.UPLOADS).exists()
    return str(error.value)


def record_again(folder: Path, record: str = "manifest.json") -> None:
    """Change the records of training and evaluation as if they had made the files that are there now."""
    if record == "manifest.json":
        write_record(folder / "results")
    path = folder / "evaluation_results" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["inputs"][f"results/{record}"] = atomic_io.sha256_of_file(folder / "results" / record)
    for name in manifest["outputs"]:
        manifest["outputs"][name] = atomic_io.sha256_of_file(path.parent / name)
    atomic_io.write_json(path, manifest)


def test_the_model_is_uploaded_byte_for_byte_with_the_evaluated_card(folder, server, capsys):
    card = (folder / "evaluation_results" / "model_card.md").read_text()
    advice = push()
    repository = server.repositories[NAME]
    assert repository.private and len(repository.commits) == 2
    files = dict(repository.files)
    text = files.pop("README.md").decode()
    assert files == {name: (folder / "results" / name).read_bytes() for name in SENT}
    # The card is that of the evaluation; its commands name the repository.
    assert text == card.replace('"results"', f'"{NAME}"').replace("=results ", f"={NAME} ").replace(
        "--tokenizer results --generation-config results", f"--tokenizer {NAME} --generation-config {NAME}"
    )
    assert advice["verdict"]["headline"] in text and f'from_pretrained(model, "{NAME}")' in text
    # No request had a question or an answer in it.
    sent = b"\n".join(server.bodies)
    for split in dataset_io.load_splits(folder / "datasets").values():
        for column in ("question", "response"):
            assert not [one for one in split[column] if one.encode() in sent]
    [line] = (folder / "evaluation_results" / hub_upload.UPLOADS).read_text().splitlines()
    record = json.loads(line)
    assert (record["repository"], record["commit"]) == (NAME, repository.commits[-1])
    hashes = {name: atomic_io.sha256_of_file(folder / "results" / name) for name in SENT}
    assert record["files"].items() >= hashes.items() and record["files"].keys() == SENT | {"README.md"}
    assert repository.commits[-1] in capsys.readouterr().out
    run_manifest.require_finished(folder / "evaluation_results", "evaluation", "")
    # Once more: the Hub has everything.
    server.requests.clear()
    push()
    assert len(repository.commits) == 2
    assert not [path for _, path in server.requests if "/commit/" in path or path.startswith("/large/")]


def test_a_folder_may_have_been_typed_in_another_way(folder, server):
    path = folder / "evaluation_results" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["inputs"] = {f"./{name}": sha256 for name, sha256 in manifest["inputs"].items()}
    manifest["settings"]["given"] |= {"FINETUNED_MODEL_PATH": "./results", "DATASET_DIR": "./datasets/"}
    del (
        manifest["settings"]["default"]["FINETUNED_MODEL_PATH"],
        manifest["settings"]["default"]["DATASET_DIR"],
    )
    atomic_io.write_json(path, manifest)
    push(FINETUNED_MODEL_PATH="./results")
    assert server.repositories[NAME].files.keys() == SENT | {"README.md"}


@pytest.mark.parametrize(("broken", "sent"), [("commit", 2), ("tokenizer.json", 3)])
def test_an_interrupted_upload_is_finished_by_the_same_command(folder, server, broken, sent):
    part = "/commit/" if broken == "commit" else atomic_io.sha256_of_file(folder / "results" / broken)
    server.fails = lambda _method, path: 400 * (part in path)
    with pytest.raises(Failed, match="The same command finishes it"):
        push()
    assert not server.repositories[NAME].files  # no half-written repository
    assert not (folder / "evaluation_results" / hub_upload.UPLOADS).exists()
    server.fails = lambda _method, _path: 0
    push()
    assert server.repositories[NAME].files.keys() == SENT | {"README.md"}
    # Weights and tokenizer arrive once each.
    assert sum(method == "PUT" for method, _ in server.requests) == sent


def test_a_merged_model_replaces_the_adapter_that_was_there(folder, server):
    push()
    server.repositories[NAME].files["LICENSE"] = b"ours"
    model = folder / "results"
    for name in ("adapter_model.safetensors", "adapter_config.json", "manifest.json"):
        (model / name).unlink()
    save_file({"weight": np.ones(64, dtype=np.float32)}, model / "model.safetensors")
    atomic_io.write_json(model / "config.json", {"model_type": "llama"})
    atomic_io.write_json(model / "merged_from.json", {"adapter_sha256": "ab"})
    record_again(folder, "merged_from.json")
    push()
    files = server.repositories[NAME].files
    assert files["model.safetensors"] == (model / "model.safetensors").read_bytes()
    assert files["LICENSE"] == b"ours" and "merged_from.json" in files
    assert not {"adapter_model.safetensors", "adapter_config.json"} & files.keys()
    assert len((folder / "evaluation_results" / hub_upload.UPLOADS).read_text().splitlines()) == 2
    atomic_io.write_json(model / "merged_from.json", {"adapter_sha256": "cd"})
    with pytest.raises(UserError, match="is not the model that the evaluation"):
        push()


@pytest.mark.parametrize(
    "name", ["notes.txt", "rejected.jsonl", "predictions/base.jsonl", "pytorch_model.bin"]
)
def test_a_file_that_belongs_to_no_model_is_refused(folder, server, name):
    (folder / "results" / name).parent.mkdir(exist_ok=True)
    (folder / "results" / name).write_text("anything")
    message = refused(server)
    assert f"results has {name.split('/')[0]}, which belongs to no model" in message


def with_metadata(path: Path, text: str) -> None:
    save_file({"lora_A": np.ones(4, dtype=np.float32)}, path, metadata={"note": text})


def as_json(path: Path, text: str) -> None:
    atomic_io.write_json(path, {"r": [8, {"note": text.upper()}]})


@pytest.mark.parametrize(
    ("name", "column", "write"),
    [
        ("adapter_model.safetensors", "response", with_metadata),
        ("adapter_config.json", "question", as_json),
        ("training_metrics.jsonl", "response", lambda path, text: path.write_text(json.dumps({"a": text}))),
        ("chat_template.jinja", "question", lambda path, text: path.write_text(f"{{{{ a }}}}\nSo: {text}")),
        ("vocab.txt", "response", lambda path, text: path.write_text(f"a\n{text}\nb\n")),
        ("tokenizer.model", "question", lambda path, text: path.write_bytes(b"\xff\0" + text.encode())),
        (CARD, "response", lambda path, text: path.write_text(f"# Card\n\n{text}\n")),
    ],
)
def test_a_file_that_holds_a_question_or_an_answer_is_refused(folder, server, name, column, write):
    text = dataset_io.load(folder / "datasets" / "train_dataset")[0][column]
    write(folder / "results" / name, text)
    record_again(folder)
    message = refused(server)
    assert message.startswith("README.md" if name == CARD else name)
    assert "holds words of a question or an answer" in message


def test_a_file_with_the_name_of_another_kind_is_read_as_text(folder, server):
    text = dataset_io.load(folder / "datasets" / "train_dataset")[0]["response"]
    (folder / "results" / "vocab.json").write_text(text)
    record_again(folder)
    assert "vocab.json holds words" in refused(server)
    (folder / "results" / "vocab.json").unlink()
    (folder / "results" / "adapter_model.safetensors").write_text(text)
    record_again(folder)
    assert "adapter_model.safetensors is damaged" in refused(server)


def test_answers_of_the_models_count_as_text_of_the_data(folder, server):
    rows = evaluation().tables["finetuned"]["hypothesis"]
    text = next(row for row in rows if len(row.split()) > 8)
    (folder / "results" / "chat_template.jinja").write_text(text)
    record_again(folder)
    assert "chat_template.jinja holds words" in refused(server)


def test_a_text_is_found_by_eight_words_in_a_row_and_a_short_one_by_all_its_words():
    files = {"card": ["Before: give one two three four, five SIX seven (eight) daily."]}
    assert hub_files.find_text(files, ["x one two three four five six seven eight y"])[0] == "card"
    assert hub_files.find_text(files, ["x one two three four five six seven y"]) is None
    assert hub_files.find_text(files, ["Two three, four five six?"]) == ("card", "two three four five six")
    assert hub_files.find_text(files, ["two three four five", "", "unlike all that went before"]) is None


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "has to go online, and HF_HUB_OFFLINE"),
        ({"HF_TOKEN": "", "HF_TOKEN_PATH": "nowhere"}, "needs a token that may write"),
    ],
)
def test_no_access_is_one_line(folder, server, monkeypatch, environment, message):
    from huggingface_hub import constants

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "nowhere")
    assert message in refused(server)


def test_a_missing_package_is_one_line(folder, server, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "huggingface_hub is not installed" in refused(server)


@pytest.mark.parametrize("name", ["tuned", "a/b/c", "../x", "clinic/", "clinic/ü", "https://hub/clinic/x"])
def test_a_name_that_is_no_repository_is_refused(folder, server, name):
    assert "should be the name of a repository: owner/name" in refused(server, name)


def test_only_a_complete_evaluation_of_this_model_is_uploaded(folder, server):
    assert "MAX_NEW_TOKENS was 512, not 9" in refused(server, MAX_NEW_TOKENS=9)
    assert "does not exist" in refused(server, OUTPUT_DIR="elsewhere")
    manifest = folder / "evaluation_results" / "manifest.json"
    whole = json.loads(manifest.read_text())
    outputs = {name: sha for name, sha in whole["outputs"].items() if name != "model_card.md"}
    atomic_io.write_json(manifest, whole | {"outputs": outputs})
    assert "has no model card" in refused(server)
    atomic_io.write_json(manifest, whole)
    atomic_io.write_json(folder / "results" / "generation_config.json", {"eos_token_id": [3]})
    assert "was changed after fine_tuning wrote it" in refused(server)
    write_record(folder / "results")  # trained again
    assert "is not the model that the evaluation in evaluation_results recorded" in refused(server)


def test_a_merged_model_that_is_worse_than_its_adapter_is_not_uploaded(folder, server):
    path = folder / "evaluation_results" / "training_recommendations.json"
    primary = {"metric": "primary_score", "difference": -0.1, "ci_low": -0.2, "ci_high": -0.05}
    paired = {"is_its_adapter": True, "metrics": [primary]}
    atomic_io.write_json(path, json.loads(path.read_text()) | {"paired": paired})
    record_again(folder)
    with pytest.raises(Failed, match="Do not ship"):
        push()
    assert not server.requests


def test_a_public_repository_is_refused(folder, server):
    server.repositories[NAME] = Repository(private=False)
    with pytest.raises(UserError, match="is a public repository"):
        push()
    assert not server.repositories[NAME].files and not server.large


def test_a_token_that_the_hub_refuses_is_one_line(folder, server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    with pytest.raises(UserError, match="the Hub refuses the token") as error:
        push()
    assert "\n" not in str(error.value) and "hf_another" not in str(error.value)
