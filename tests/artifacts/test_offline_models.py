"""launch/fetch_models.py: what is collected, what is printed, and one line when a download fails, without the Hub."""

import os
import re
import shlex

import pytest

from medqa.artifacts import hub as model_hub, offline_models
from medqa.metrics.wordnet import collect_nltk
from medqa.runtime.errors import UserError

BASE, ENCODER = "dmis-lab/llama-3-meerkat-8b-v1.0", "microsoft/deberta-xlarge-mnli"
# What the Hub has of each.
ON_THE_HUB = {
    BASE: ["config.json", "tokenizer.json", "tokenizer_config.json", "model-00001-of-00002.safetensors",
           "model-00002-of-00002.safetensors", "original/consolidated.00.pth", "model.gguf"],
    ENCODER: ["config.json", "vocab.json", "merges.txt", "pytorch_model.bin", "tf_model.h5"],
}  # fmt: skip


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Hub and NLTK's server, in memory; returns the names of what was asked for."""
    import huggingface_hub
    import nltk
    from huggingface_hub.utils import filter_repo_objects

    asked: list[str] = []

    def snapshot_download(name, local_dir, allow_patterns, ignore_patterns):
        asked.append(name)
        for file in filter_repo_objects(
            ON_THE_HUB[name], allow_patterns=allow_patterns, ignore_patterns=ignore_patterns
        ):
            path = local_dir / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.truncate(path, 150_000_000 if "00001" in file else 2_000_000)

    def download(name, download_dir, **_):
        asked.append(name)
        path = os.path.join(download_dir, "corpora", f"{name}.zip")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"z" * 1_000_000)
        return True

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(nltk, "download", download)
    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.delenv("NLTK_DATA", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.chdir(tmp_path)
    return asked


def test_everything_is_downloaded_into_one_folder(hub, tmp_path, capsys):
    folder = tmp_path / "models"
    offline_models.collect(folder, BASE, ENCODER, collect_nltk)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    base = "llama-3-meerkat-8b-v1.0"
    assert there >= {
        f"{base}/{name}" for name in ("config.json", "tokenizer.json", "model-00002-of-00002.safetensors")
    }
    assert there >= {"deberta-xlarge-mnli/pytorch_model.bin", "nltk_data/corpora/wordnet.zip"}
    assert not {name for name in there if name.endswith((".gguf", ".pth", ".h5"))}
    printed = capsys.readouterr().out
    assert re.search(rf"models/{re.escape(base)} +0\.16 GB", printed)
    assert re.search(r"models/nltk_data +2\.0 MB", printed) and re.search(r"total +\d", printed)


def test_the_commands_for_the_other_machine_are_complete(hub, tmp_path, capsys):
    """Each line's settings exist, and each path is a folder that was collected."""
    from config import EvaluationConfig
    from medqa.runtime.cli import parse

    offline_models.collect(tmp_path / "models", BASE, ENCODER, collect_nltk)
    guide = (tmp_path / "models" / "HOW_TO_USE.txt").read_text()
    assert guide in capsys.readouterr().out
    export, _, train, evaluate = map(shlex.split, guide.splitlines())
    config = parse(EvaluationConfig, "", evaluate[2:])
    assert (tmp_path / config.BASE_MODEL_PATH / "config.json").is_file()
    assert (tmp_path / config.BERTSCORE_MODEL / "pytorch_model.bin").is_file()
    assert train[-1] == config.BASE_MODEL_PATH
    settings = dict(part.split("=") for part in export[1:])
    assert settings["HF_HUB_OFFLINE"] == "1"
    assert (tmp_path / settings["NLTK_DATA"] / "corpora" / "wordnet.zip").is_file()


def test_what_is_on_this_machine_is_copied(hub, tmp_path, monkeypatch):
    base, nltk_data = tmp_path / "my base", tmp_path / "nltk"
    base.mkdir()
    (base / "config.json").write_text("{}")
    (nltk_data / "tokenizers/punkt_tab/english").mkdir(parents=True)
    (nltk_data / "corpora/wordnet").mkdir(parents=True)
    (nltk_data / "corpora/wordnet/index.noun").write_text("dose\n")
    monkeypatch.setenv("NLTK_DATA", str(nltk_data))
    for _ in range(2):  # again after an interruption
        offline_models.collect(tmp_path / "models", str(base), "", collect_nltk)
    assert hub == []
    assert (tmp_path / "models/my base/config.json").read_text() == "{}"
    assert (tmp_path / "models/nltk_data/tokenizers/punkt_tab/english").is_dir()
    assert (tmp_path / "models/nltk_data/corpora/wordnet/index.noun").is_file()
    guide = (tmp_path / "models" / "HOW_TO_USE.txt").read_text()
    assert "--MODEL_NAME 'models/my base'" in guide and "--BERTSCORE_MODEL ''" in guide


@pytest.mark.parametrize("what", ["hub", "nltk"])
def test_a_failed_download_is_one_line(hub, tmp_path, monkeypatch, what):
    import huggingface_hub
    import nltk

    def unreachable(*_, **__):
        raise OSError("Name or service not known\nand many more lines\nof advice")

    monkeypatch.setattr(
        *{"hub": (huggingface_hub, "snapshot_download"), "nltk": (nltk, "download")}[what], unreachable
    )
    with pytest.raises(UserError) as caught:
        offline_models.collect(tmp_path, BASE, ENCODER, collect_nltk)
    message = str(caught.value)
    assert "could not be downloaded: Name or service not known" in message and "\n" not in message
    assert "type the same command again" in message


def test_a_model_without_weights_is_refused(hub, tmp_path, monkeypatch):
    monkeypatch.setitem(ON_THE_HUB, BASE, ["config.json", "README.md"])
    with pytest.raises(UserError, match=r"no weights as \*.safetensors; found: config.json"):
        offline_models.collect(tmp_path, BASE, "", collect_nltk)


def test_a_switch_that_forbids_the_internet_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="HF_HUB_OFFLINE .* forbids it. Type .* unset HF_HUB_OFFLINE"):
        offline_models.collect(tmp_path / "models", BASE, ENCODER, collect_nltk)
    assert not (tmp_path / "models").exists()


def test_a_command_without_internet_ends_with_one_line(tmp_path):
    """As typed: exit code 2, no traceback. The machine of the tests may have internet: a proxy that is none."""
    from conftest import run_script

    nowhere = {
        name: "http://127.0.0.1:9" for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy")
    }
    done = run_script(
        "launch/fetch_models.py", tmp_path / "models", HF_HUB_OFFLINE="", NLTK_DATA=str(tmp_path), **nowhere
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and "could not be downloaded" in done.stderr


def test_offline_the_next_command_asks_for_an_encoder_that_is_not_here(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert model_hub.missing_encoder("nobody/no-encoder") == {"BERTSCORE_MODEL": "ENCODER_FOLDER"}
    monkeypatch.setattr(model_hub, "in_cache", lambda name: name == "nobody/no-encoder")
    assert model_hub.missing_encoder("nobody/no-encoder") == {}
    monkeypatch.setattr(model_hub, "in_cache", lambda _name: False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    assert model_hub.missing_encoder("nobody/no-encoder") == {}
