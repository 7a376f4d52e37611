"""Requirements, README, documentation and citation agree with the code."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from source_tree import ROOT, SCRIPTS, code, imports

from config import DatasetConfig, EvaluationConfig, TrainingConfig

# Pinned although nothing here imports them by name.
BY_OTHERS = {
    "wandb": "transformers uses it, with USE_WANDB",
}
# Imported although not pinned.
WITH_OTHERS = {
    "triton": "torch for CUDA brings the version that it was built with; torch for the CPU has none"
}
# Packages that are imported under another name.
IMPORTED_AS = {"pillow": "PIL", "pyyaml": "yaml", "scikit_learn": "sklearn"}
# Folders whose modules import each other by their bare names.
OWN = (".", "benchmarks", "demo", "tests", "tests/bad_inputs",
       "tests/analysis", "tests/artifacts", "tests/clinical", "tests/data", "tests/end_to_end",
       "tests/faults", "tests/generation", "tests/metrics", "tests/modeling", "tests/report",
       "tests/runtime", "tests/training")  # fmt: skip


def requirements(file: str) -> list[tuple[str, str]]:
    """The lines of a requirements file, each with the name that its package is imported by."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    found = [line for line in lines if line and not line.startswith(("#", "-r"))]
    names = [re.split(r"[=<>~! ;]", line)[0].lower().replace("-", "_") for line in found]
    return [(IMPORTED_AS.get(name, name), line) for name, line in zip(names, found, strict=True)]


def pinned(file: str) -> set[str]:
    """The packages of a requirements file, as they are imported."""
    return {name for name, _ in requirements(file)}


def packages(paths: list[Path]) -> set[str]:
    """Packages that modules import, those of Python and of this repository aside."""
    own = {path.stem for folder in OWN for path in (ROOT / folder).glob("*.py")} | {"medqa"}
    return {name.split(".")[0] for path in paths for name in imports(path)} - own - sys.stdlib_module_names


def imported_by_the_pipeline() -> set[str]:
    """Packages that the pipeline and its demo import."""
    return packages([*code(), *(ROOT / "demo").glob("*.py")])


def imported_by_tests() -> set[str]:
    """Packages that the tests and the checks of CI import."""
    return packages([*(ROOT / "tests").rglob("*.py"), *(ROOT / ".ci").glob("*.py")])


def test_every_requirement_is_an_exact_pin():
    exact = r"[\w-]+==\d+(\.\d+)+( ?; python_version (>=|<) \"3\.\d+\")?( +# .+)?"
    for file in ROOT.glob("requirements*.txt"):
        for _, line in requirements(file.name):
            assert re.fullmatch(exact, line), line


def test_every_pinned_package_is_imported():
    assert pinned("requirements.txt") - imported_by_the_pipeline() == set(BY_OTHERS)
    assert pinned("requirements-dev.txt") - imported_by_tests() == {"pytest_xdist", "ruff"}  # used by make


def test_every_imported_package_is_pinned():
    assert imported_by_the_pipeline() - pinned("requirements.txt") == set(WITH_OTHERS)
    assert imported_by_tests() - pinned("requirements.txt") - pinned("requirements-dev.txt") == set()


def test_what_make_test_oldest_installs_is_older_than_the_pins():
    versions = {name: re.search(r"==([\d.]+)", line)[1] for name, line in requirements("requirements.txt")}
    for name, line in requirements("requirements-oldest.txt"):
        older, newer = (
            [int(part) for part in version.split(".")]
            for version in (re.search(r"==([\d.]+)", line)[1], versions[name])
        )
        assert older < newer, line


def readme_commands() -> list[str]:
    """Lines of the README's bash blocks that are marked as quick."""
    blocks = re.findall(
        r"<!-- runs -->\n```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S
    )
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("command", readme_commands())
def test_a_command_of_the_readme_runs_as_written(command):
    words = shlex.split(command)
    assert words[0] == "python"
    done = subprocess.run([sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


DOCS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")]


def anchors(page: Path) -> set[str]:
    """The headings of a page as the places that a link can name."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_a_page_links_only_to_what_exists(page):
    for target, _, place in (link.partition("#") for link in LINK.findall(page.read_text(encoding="utf-8"))):
        other = page.parent / target if target else page
        assert other.exists(), target
        assert not place or place in anchors(other), (target, place)


LINK = re.compile(r"\]\(((?!https?:)[^)]+)\)")


def test_the_readme_is_short_and_leads_to_every_page():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 300
    linked = {target.partition("#")[0] for target in LINK.findall(text)}
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked


def documented_lines() -> list[str]:
    """Every line in the documentation that runs one of the three scripts."""
    found = []
    for page in DOCS:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
            for line in block.replace("\\\n", " ").splitlines():
                found += [line] if re.search(rf"\b({'|'.join(SCRIPTS)})\.py", line) else []
    return found


@pytest.mark.parametrize("line", documented_lines())
def test_a_documented_command_is_understood(line):
    """All but the folders: names of settings, types, and the words of several values."""
    from medqa.runtime.cli import parse

    script, words = re.search(rf"\b({'|'.join(SCRIPTS)})\.py(.*)$", line).groups()
    kinds = {
        "dataset_preparation": DatasetConfig,
        "fine_tuning": TrainingConfig,
        "evaluation": EvaluationConfig,
    }
    if "--help" not in words:
        parse(kinds[script], "", shlex.split(words))


# ---- the project's papers ------------------------------------------------------------------------------


def test_the_citation_is_complete_and_of_the_last_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "version", "date-released", "license"} <= set(
        citation
    )
    assert citation["authors"] == [{"name": "The medqa contributors"}]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version, day = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\S+)$", changes, re.M)[0]
    assert (citation["version"], citation["date-released"]) == (version, day)
    assert "## [Unreleased]" in changes


def test_the_commit_hooks_fetch_nothing_and_run():
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        program, *rest = shlex.split(hook["entry"])
        if (ROOT / program).exists():  # as `make test` builds it
            done = subprocess.run(
                [program, *rest, "--diff", "config.py"], cwd=ROOT, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr


def test_every_manifest_key_and_column_group_of_the_design_is_written_somewhere():
    """A contract that the code no longer keeps would stay in the docs unnoticed."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8").split("## 3.")[1].split("## 4.")[0]
    source = "\n".join(path.read_text(encoding="utf-8") for path in code())
    names = set(re.findall(r"`([a-z_]+(?:\.json|\.jsonl|\.csv|\.png|\.md)?)`", text))
    missing = {name for name in names if name not in source and not name.endswith((".csv", ".png"))}
    assert missing <= FROM_LIBRARIES, missing


# Names in the contracts that libraries write.
FROM_LIBRARIES = {"question", "loss"}


def texts() -> list[set[str]]:
    """The words of every text in the code, docstrings aside."""
    found = []
    for path in code():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if id(node) in docstrings:
                continue
            if isinstance(node, ast.JoinedStr):
                found.append(" ".join(v.value for v in node.values if isinstance(v, ast.Constant)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return [words(text) for text in found]


def words(text: str) -> set[str]:
    """Words of three letters and more, names of files and settings aside."""
    return set(re.findall(r"[^\W\d_]{3,}", re.sub(r"\S*[_{}/]\S*|\w+\.(?:py|json)\b", " ", text)))


# Messages in docs/ that come from a library.
OF_LIBRARIES = ("torch.OutOfMemoryError", "The following values were not passed", "The hostname of the client socket")  # fmt: skip


def messages() -> list[str]:
    """Messages that docs/troubleshooting.md and docs/faq.md quote."""
    table = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    cells = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    faq = re.findall(r"^## .*$", (ROOT / "docs" / "faq.md").read_text(encoding="utf-8"), re.M)
    found = [message for cell in [*cells, *faq] for message in re.findall(r"`([^`]+)`", cell)]
    return [message for message in found if not message.startswith(OF_LIBRARIES) and len(words(message)) > 2]


def test_a_message_in_the_docs_is_one_that_the_programs_print():
    known, strange = texts(), []
    for message in messages():
        wanted = words(message)
        # The rest are names of the example, which are gaps in the code, or the text beside this one.
        if max(len(wanted & text) for text in known) < 0.5 * len(wanted):
            strange.append(message)
    assert len(messages()) > 40 and not strange, strange
