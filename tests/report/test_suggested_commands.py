"""A command that a message suggests can be typed as it is, also with a path that has blanks."""

import ast
import json
import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT
from evaluations import LESS, evaluation, published

from medqa.analysis import pairing
from medqa.generation.model_pair import check_tuned
from medqa.modeling.chat_template import apply_chat_template, checked_template
from medqa.report import evaluation_output, terminal
from medqa.runtime.console import WarningLog
from medqa.runtime.errors import UserError

PATHS = re.compile(r"--(?:\w+_DIR|\w+_PATH|MODEL_NAME|TOKENIZER|MERGE_TO|EXPORT_TO|COMPARE_WITH|HISTORY) $")


def option(error, name: str) -> str:
    """The value of an option in a message, read as a shell reads it."""
    words = shlex.split(str(error.value).replace("'s ", "s ").split(f"--{name} ", 1)[1])
    return words[0].rstrip(".")


def test_a_partial_evaluation_suggests_a_quoted_folder(tmp_path):
    folder = published(tmp_path / "ev 1", evaluation(12))
    with pytest.raises(UserError) as error:
        evaluation_output.require_place(folder, 2)
    assert option(error, "OUTPUT_DIR") == f"{folder}_look"


def test_another_scoring_suggests_a_quoted_folder(tmp_path):
    results = evaluation(12)
    folder = published(tmp_path / "ev 1", results)
    table = results.tables["base"]
    holdout = {
        "id": list(table["id"]),
        "question": list(table["question"]),
        "response": list(table["reference"]),
    }
    other = pairing.read_other(str(folder), holdout, "results")
    with pytest.raises(UserError) as error:
        pairing.pair(
            other,
            results.tables,
            results.advice | {"bertscore_model": "x", "entailment_model": None},
            LESS,
            0,
        )
    assert option(error, "OUTPUT_DIR") == str(folder)


def test_another_base_suggests_a_quoted_model(trained, tmp_path):
    class Base:
        name, fingerprint = "other", "other"

    manifest = json.loads((trained / "manifest.json").read_text())
    manifest["settings"]["given"]["MODEL_NAME"] = "my base"
    folder = tmp_path / "tuned"
    folder.mkdir()
    for path in trained.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    manifest["outputs"] = {
        name: sha for name, sha in manifest["outputs"].items() if (folder / name).is_file()
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError) as error:
        check_tuned(str(folder), Base, manifest, WarningLog())
    assert option(error, "BASE_MODEL_PATH") == "my base"


def test_another_template_suggests_a_quoted_tokenizer(tiny_model, tmp_path):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.name_or_path = "my base"
    with pytest.raises(UserError) as error:
        checked_template(apply_chat_template, tokenizer, "another", "datasets")
    assert option(error, "TOKENIZER") == "my base"


def test_the_report_to_open_is_quoted(tmp_path, capsys):
    results = evaluation(12)
    terminal.print_summary(tmp_path / "ev 1", results, "")
    assert f"Next:  open {shlex.quote(str(tmp_path / 'ev 1/report.html'))} in" in capsys.readouterr().out


def unquoted(path: Path) -> list[str]:
    """Options of a path in the f-strings of a file whose value is not quoted for a shell."""
    text = path.read_text(encoding="utf-8")
    quoted = set(re.findall(r"(\w+) = shlex\.quote\(", text))
    found = []
    for node in ast.walk(ast.parse(text)):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for before, value in zip(parts, parts[1:], strict=False):
            if isinstance(before, ast.Constant) and PATHS.search(before.value):
                code = ast.unparse(value.value)
                if not code.startswith("shlex.quote(") and code not in quoted:
                    found.append(f"{before.value} {code}")
    return found


def test_no_suggestion_has_an_unquoted_path():
    packages = ("report", "analysis", "generation", "metrics", "training", "export", "modeling")
    files = [path for name in packages for path in (ROOT / "medqa" / name).rglob("*.py")]
    files += [ROOT / "evaluation.py", ROOT / "fine_tuning.py"]
    assert not {path.name: found for path in files if (found := unquoted(path))}
