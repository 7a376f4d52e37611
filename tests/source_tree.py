"""The Python files of the repository and what they import, for the tests of its structure."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ("dataset_preparation", "fine_tuning", "evaluation")


def code() -> list[Path]:
    """All modules that a user runs or imports."""
    return [*ROOT.glob("*.py"), *(ROOT / "medqa").rglob("*.py")]


def imports(path: Path) -> set[str]:
    """Dotted names that a file imports, at the top, inside functions and for type checkers.

    `from medqa.data import splits` gives both `medqa.data` and `medqa.data.splits`.
    """
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def modules() -> dict[str, Path]:
    """The modules of `medqa` by their dotted names; a package has the name of its folder."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (ROOT / "medqa").rglob("*.py")
    }


def module_imports() -> dict[str, set[str]]:
    """For each module of `medqa`, the modules of `medqa` that it imports.

    A name that is imported from a package counts as the module of that name, if there is one.
    """
    known = modules()
    return {
        name: {
            one
            for one in found
            if one in known and not any(o.startswith(f"{one}.") for o in found & set(known))
        }
        for name, path in known.items()
        for found in [imports(path)]
    }
