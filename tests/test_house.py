"""The house stays as docs/design.md draws it, and the README's quick commands run as written."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

SCRIPTS = ("dataset_preparation", "fine_tuning", "evaluation")
# Pinned although nothing here imports them by name.
BY_OTHERS = {
    "safetensors": "transformers and peft save with it",
    "wandb": "transformers uses it, with USE_WANDB",
}


def imports(path: Path) -> set[str]:
    """Top-level and inner imports of a module, with their dots."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_rooms_know_neither_the_config_nor_a_script():
    for path in (ROOT / "medqa").rglob("*.py"):
        assert not {name.split(".")[0] for name in imports(path)} & {"config", *SCRIPTS}, path


def test_scripts_do_not_import_each_other():
    for script in SCRIPTS:
        found = {name.split(".")[0] for name in imports(ROOT / f"{script}.py")}
        assert not found & (set(SCRIPTS) - {script}), script


def test_rooms_import_in_no_circle():
    rooms = {path: f"medqa.{'.'.join(path.relative_to(ROOT / 'medqa').with_suffix('').parts)}"
             for path in (ROOT / "medqa").rglob("*.py") if path.name != "__init__.py"}  # fmt: skip
    arrows = {name: imports(path) & set(rooms.values()) for path, name in rooms.items()}

    def walk(room: str, way: tuple[str, ...]) -> None:
        assert room not in way, " -> ".join([*way, room])
        for other in arrows[room]:
            walk(other, (*way, room))

    for room in arrows:
        walk(room, ())


def test_scripts_can_be_read_in_one_go():
    for script in SCRIPTS:
        assert len((ROOT / f"{script}.py").read_text(encoding="utf-8").splitlines()) <= 255


def test_the_data_folder_is_no_package():
    assert not (ROOT / "datasets" / "__init__.py").exists()


def test_every_pinned_package_is_used():
    used = set()
    for path in [*ROOT.glob("*.py"), *(ROOT / "medqa").rglob("*.py"), *(ROOT / "demo").glob("*.py")]:
        used |= {name.split(".")[0] for name in imports(path)}
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0] for line in lines if line and not line.startswith("#")}
    unused = {name for name in pinned if name.replace("-", "_") not in used}
    assert unused <= set(BY_OTHERS), unused - set(BY_OTHERS)


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


def test_the_readme_names_only_files_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / target).exists(), target
