"""The upload to the Hub: what is sent, byte for byte, and what is refused before anything is sent."""

import importlib.util
import json
import shutil
import unicodedata
import zlib
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
from medqa.report import evaluation_output, hub_files, hub_search, hub_upload
from medqa.report.model_card import model_card
from medqa.runtime.cli import given_and_default
from medqa.runtime.errors import Failed, UserError

NAME = "clinic/meerkat-tuned"
IMAGE = [(b"IHDR", bytes(13)), (b"IDAT", b"pixels"), (b"IEND", b"")]
CARD = "../evaluation_results/model_card.md"
SENT = {
    "adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "chat_template.jinja",
    "generation_config.json", "training_config.json", "training_metrics.jsonl", "training_curves.png",
}  # fmt: skip


def png(parts: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG file of these parts."""
    image = hub_files.PNG
    for kind, data in parts:
        image += len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    return image


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
    (model / "training_curves.png").write_bytes(png(IMAGE))
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
        results = evaluation()
        for table in results.tables.values():
            table["question"] = list(dataset_io.load(Path("datasets/holdout_dataset"))["question"])
        evaluation_output.publish(results, given_and_default(EvaluationConfig()), data, "now")
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
    with pytest.raises(Failed, match="The same command finishes the upload"):
        push()
    assert not server.repositories[NAME].files  # no half-written repository
    assert not (folder / "evaluation_results" / hub_upload.UPLOADS).read_text()
    server.fails = lambda _method, _path: 0
    push()
    assert server.repositories[NAME].files.keys() == SENT | {"README.md"}
    # Weights and tokenizer arrive once each.
    assert sum(method == "PUT" for method, _ in server.requests) == sent


def merge(model: Path) -> None:
    """Write the record of a merge, for the files that are there now."""
    record = {"adapter_sha256": "ab", "files": atomic_io.sha256_of_files(model)}
    atomic_io.write_json(model / "merged_from.json", record)


def to_merged(folder: Path) -> Path:
    """Put a merged model in place of the adapter, and return its weights."""
    model = folder / "results"
    for name in ("adapter_model.safetensors", "adapter_config.json", "manifest.json"):
        (model / name).unlink()
    save_file({"weight": np.ones(64, dtype=np.float32)}, model / "model.safetensors")
    merge(model)
    record_again(folder, "merged_from.json")
    return model / "model.safetensors"


def test_a_merged_model_replaces_the_adapter_that_was_there(folder, server):
    push()
    server.repositories[NAME].files["LICENSE"] = b"ours"
    model = to_merged(folder).parent
    push()
    files = server.repositories[NAME].files
    assert files["model.safetensors"] == (model / "model.safetensors").read_bytes()
    assert files["LICENSE"] == b"ours" and "merged_from.json" in files
    assert not {"adapter_model.safetensors", "adapter_config.json"} & files.keys()
    assert len((folder / "evaluation_results" / hub_upload.UPLOADS).read_text().splitlines()) == 2
    atomic_io.write_json(model / "merged_from.json", {"adapter_sha256": "cd"})
    with pytest.raises(UserError, match="is not the model that the evaluation"):
        push()


def test_a_merged_model_that_changed_after_the_merge_is_refused(folder, server, capsys):
    weights = to_merged(folder)
    save_file({"weight": np.zeros(64, dtype=np.float32)}, weights)
    assert "model.safetensors was changed or added after" in refused(server)
    # An earlier version recorded no hashes.
    atomic_io.write_json(weights.parent / "merged_from.json", {"adapter_sha256": "ab"})
    record_again(folder, "merged_from.json")
    push()
    assert "did not record its files" in capsys.readouterr().out
    server.requests.clear()
    (folder / "evaluation_results" / hub_upload.UPLOADS).unlink()
    weights.unlink()
    assert "has no weights" in refused(server)


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "model-of a patient-of-1.safetensors",
        "rejected.jsonl",
        "predictions/base.jsonl",
        "pytorch_model.bin",
    ],
)
def test_a_file_that_belongs_to_no_model_is_refused(folder, server, name):
    (folder / "results" / name).parent.mkdir(exist_ok=True)
    (folder / "results" / name).write_text("anything")
    message = refused(server)
    assert f"results has {name.split('/')[0]!r}, which belongs to no model" in message


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
    assert hub_search.find_text(files, ["x one two three four five six seven eight y"])[0] == "card"
    assert hub_search.find_text(files, ["x one two three four five six seven y"]) is None
    assert hub_search.find_text(files, ["Two three, four five six?"]) == ("card", "two three four five six")
    assert hub_search.find_text(files, ["two three four five", "", "unlike all that went before"]) is None


QUESTION = "What are the early symptoms of unstable angina?"
GERMAN = "Nächtliche Übelkeit nötigt ältere Männer häufig früh überstürzt aufzustehen"
CHINESE = "患者出现胸痛时应立即舌下含服硝酸甘油并呼叫急救"


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        (QUESTION, "{{ " + json.dumps(f"Example:\n\n{QUESTION}\n\n") + " }}"),
        (QUESTION, json.dumps("{{ " + json.dumps(f"x\n{QUESTION}\tx") + " }}")),
        (GERMAN, "{{ " + json.dumps(GERMAN) + " }}"),
        (GERMAN, json.dumps(json.dumps(GERMAN))),
        (GERMAN, GERMAN.replace("ä", "&auml;")),
        (GERMAN, unicodedata.normalize("NFD", GERMAN)),
        (QUESTION, QUESTION.replace(" ", "_")),
        (QUESTION, QUESTION.replace("symptoms", "symp\u00adtoms")),
        (QUESTION, QUESTION.replace(" ", "\u200b")),
        (QUESTION, "".join(chr(ord(sign) + 0xFEE0) if sign.isalpha() else sign for sign in QUESTION)),
        (CHINESE, f"例如{CHINESE[:16]}。"),
        (CHINESE[:10], CHINESE),
    ],
)
def test_a_text_is_found_however_its_characters_are_written(text, piece):
    assert hub_search.find_text({"file": [piece]}, [text])


def test_the_search_has_limits():
    def found(piece: str, text: str, **more: object) -> object:
        return hub_search.find_text({"file": [piece]}, [text], **more)

    assert not found(CHINESE[:15], CHINESE) and not found(CHINESE, CHINESE[:9])
    assert found("", QUESTION) is None and hub_search.find_text({f"{QUESTION}.txt": []}, [QUESTION])
    system = "You are a helpful medical assistant who answers briefly."
    assert not found(system, "", answers=[f"{system} Sure."], allowed=system)
    assert found(system, system, allowed=system)
    assert found(QUESTION, "", answers=[QUESTION], allowed=system)


def header(text: str) -> bytes:
    """A weight file whose header has one key twice."""
    notes = f'{{"__metadata__": {{"note": {json.dumps(text)}, "note": ""}}}}'.encode()
    return len(notes).to_bytes(8, "little") + notes


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "generation_config.json",
            lambda text: f'{{"a": {json.dumps(text)}, "a": 1}}'.encode(),
            "holds words",
        ),
        ("adapter_model.safetensors", header, "holds words"),
        ("vocab.txt", lambda text: text.replace(" ", "\n").encode(), "holds words"),
        ("vocab.json", lambda text: b"[" * 100_000 + text.encode(), "holds words"),
        ("vocab.json", lambda text: b"[" * 900 + json.dumps(text).encode() + b"]" * 900, "holds words"),
        ("chat_template.jinja", lambda text: text.encode("utf-16"), "is not text in UTF-8"),
        ("chat_template.jinja", lambda text: text.encode("utf-16-le"), "is not text in UTF-8"),
        ("training_curves.png", lambda text: text.encode(), "is not an image without text"),
        ("training_curves.png", lambda text: png(IMAGE) + text.encode(), "is not an image without text"),
        (
            "training_curves.png",
            lambda text: png([IMAGE[0], (b"tEXt", text.encode()), *IMAGE[1:]]),
            "is not an image without text",
        ),
        ("adapter_config.json", lambda _text: b"[1]", "adapter_config.json cannot be read"),
    ],
)
def test_a_file_in_an_unusual_form_is_refused(folder, server, name, content, message):
    text = dataset_io.load(folder / "datasets" / "train_dataset")[0]["response"]
    (folder / "results" / name).write_bytes(content(text))
    record_again(folder)
    assert message in refused(server)


@pytest.mark.parametrize("base", [None, "x" * 5000])
def test_any_name_of_the_base_is_uploaded(folder, server, base):
    atomic_io.write_json(folder / "results" / "adapter_config.json", {"base_model_name_or_path": base})
    record_again(folder)
    push()


def test_a_file_added_after_the_training_or_linked_from_elsewhere_is_refused(folder, server, tmp_path):
    (folder / "results" / "vocab.json").write_text("{}")
    assert "vocab.json was changed or added" in refused(server)
    (tmp_path / "key").write_text("private")
    (folder / "results" / "vocab.txt").symlink_to(tmp_path / "key")
    assert "vocab.txt is a link to" in refused(server)
    (folder / "results" / "a\nb\x1b[2J").write_text("x")
    assert "'a\\nb\\x1b[2J'" in refused(server)


def test_data_of_another_holdout_are_refused(folder, server, tmp_path):
    data = {f"What is item {i} about stone {i * 7}?": f"Stone {i} passes after {i} days." for i in range(40)}
    (tmp_path / "other").mkdir()
    atomic_io.write_json(tmp_path / "other" / "dataset_with_answers_urology.json", data)
    shutil.rmtree(folder / "datasets")
    create_datasets(DatasetConfig(DATA_DIR=str(tmp_path / "other"), HOLDOUT_SAMPLES_PER_SPECIALTY=4))
    assert "does not have the questions of the evaluation" in refused(server)


@pytest.mark.parametrize("where", ["rejected", "retention question", "retention answer"])
def test_other_texts_of_the_folders_are_searched(folder, server, where):
    text = "Mrs Anna Berger of Linden Street twelve had which stone?"
    if where == "rejected":
        record = folder / "datasets" / "manifest.json"
        path = folder / "datasets" / "rejected.jsonl"
        path.write_text(json.dumps({"question": f"To:\n{text}", "answer": {"a": None}}) + "\n")
    else:
        record = folder / "evaluation_results" / "manifest.json"
        path = folder / "evaluation_results" / "retention_results.csv"
        column = "question" if where == "retention question" else "hypothesis_base"
        path.write_text(f"{column}\n{text}\n")
    manifest = json.loads(record.read_text())
    manifest["outputs"][path.name] = atomic_io.sha256_of_file(path)
    atomic_io.write_json(record, manifest)
    (folder / "results" / "chat_template.jinja").write_text(text)
    record_again(folder)
    assert "chat_template.jinja holds words" in refused(server)


def test_what_was_checked_is_what_is_sent(folder, server, monkeypatch):
    template = folder / "results" / "chat_template.jinja"
    check = hub_upload._warn_of_local_base
    monkeypatch.setattr(hub_upload, "_warn_of_local_base", lambda model: (check(model), template.unlink()))
    push()
    assert server.repositories[NAME].files[template.name] == b"{{ messages }}"


def test_weights_that_change_after_the_check_are_not_published(folder, server, monkeypatch):
    weights = folder / "results" / "adapter_model.safetensors"
    other = weights.read_bytes()[::-1]
    monkeypatch.setattr(hub_upload, "_warn_of_local_base", lambda _model: weights.write_bytes(other))
    with pytest.raises(Failed, match="did not finish"):
        push()
    assert not server.repositories[NAME].files


def test_an_upload_that_could_not_be_recorded_is_refused(folder, server):
    (folder / "evaluation_results" / hub_upload.UPLOADS).mkdir()
    with pytest.raises(UserError, match="could not be recorded"):
        push()
    assert not server.requests


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "has to go online, and HF_HUB_OFFLINE"),
        ({"HF_TOKEN": "", "HF_TOKEN_PATH": "nowhere"}, "needs a token that may write"),
        ({"HF_TOKEN": "hf_\u201cSECRET"}, "the token has characters that no token has"),
        ({"HF_TOKEN": "hf_SECRET x"}, "the token has characters that no token has"),
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


@pytest.mark.parametrize("kind", ["datasets", "models", "spaces"])
def test_a_kind_of_repository_is_not_an_owner(folder, server, kind):
    assert "names no owner" in refused(server, f"{kind}/tuned")


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


@pytest.mark.parametrize("part", ["/commit/", "/large/"])
def test_a_refusal_after_files_were_sent_is_no_wrong_input(folder, server, part):
    server.fails = lambda _method, path: 403 * (part in path)
    with pytest.raises(Failed, match="is there storage left") as error:
        push()
    assert vars(error.value)["hint"] == hub_upload.HINT and "?X" not in str(error.value)
