"""The structure of the code is the one in docs/design.md: packages, import order, sizes."""

import ast
import re

import pytest
from source_tree import ROOT, SCRIPTS, imports, module_imports, modules

# From the bottom up. A package imports those of the rows below it, and none of its own row or above.
LAYERS = (
    ("runtime",),
    ("artifacts",),
    ("modeling",),
    ("data", "clinical"),
    ("training", "generation", "metrics"),
    ("analysis", "export"),
    ("report",),
)
# The packages of `medqa.clinical`, from the bottom up: each imports only itself and those before it.
CLINICAL = ("words", "notation", "terms", "quantities", "claims", "conflicts", "statements")
BUILDER = ("medqa.clinical.words.build",)  # writes the lists, and knows the forms of words for that
LEVEL = {package: level for level, row in enumerate(LAYERS) for package in row}

# Imports that the layers forbid and that exist: (importer, imported). An import that is gone must be removed
# from this list.
EXCEPTIONS: set[tuple[str, str]] = set()


def package_of(module: str) -> str:
    """`medqa.report.html.template` is in the package `report`."""
    return module.split(".")[1]


def arrows() -> set[tuple[str, str]]:
    """(importer, imported) for each import of a module of another package."""
    return {
        (name, other)
        for name, found in module_imports().items()
        for other in found
        if "." in name and "." in other and package_of(name) != package_of(other)
    }


def test_every_module_is_in_a_package_of_the_design():
    assert {package_of(name) for name in modules() if "." in name} == set(LEVEL)
    assert [path.name for path in (ROOT / "medqa").glob("*.py")] == ["__init__.py"]


def test_packages_import_only_packages_of_lower_layers():
    upwards = {arrow for arrow in arrows() if LEVEL[package_of(arrow[1])] >= LEVEL[package_of(arrow[0])]}
    assert upwards - EXCEPTIONS == set()
    assert EXCEPTIONS - upwards == set(), "these are gone: remove them from EXCEPTIONS"


def test_clinical_packages_import_only_those_before_them():
    found = module_imports()
    inside = [name for name in found if name.startswith("medqa.clinical.") and name not in BUILDER]
    assert {name.split(".")[2] for name in inside} == set(CLINICAL)
    for name in inside:
        others = {other for other in found[name] if other.startswith("medqa.clinical.")}
        for other in others:
            assert CLINICAL.index(other.split(".")[2]) <= CLINICAL.index(name.split(".")[2]), (name, other)


@pytest.mark.parametrize("package", CLINICAL[1:])
def test_a_clinical_package_names_its_modules(package):
    folder = ROOT / "medqa" / "clinical" / package
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    for module in re.findall(r"`([a-z_]+)`", text):
        assert (folder / f"{module}.py").exists(), module
    assert "Start with" in text


def test_modules_import_in_no_circle():
    found = {name: others for name, others in module_imports().items() if name != "medqa"}

    def walk(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join([*way, module])
        for other in found.get(module, ()):
            walk(other, (*way, module))

    for module in found:
        walk(module, ())


def test_packages_know_neither_the_config_nor_a_script():
    for path in modules().values():
        assert not {name.split(".")[0] for name in imports(path)} & {"config", *SCRIPTS}, path


def test_scripts_do_not_import_each_other():
    for script in SCRIPTS:
        found = {name.split(".")[0] for name in imports(ROOT / f"{script}.py")}
        assert not found & (set(SCRIPTS) - {script}), script


@pytest.mark.parametrize("package", LEVEL)
def test_a_package_says_what_comes_in_and_out_and_exports_nothing(package):
    body = ast.parse((ROOT / "medqa" / package / "__init__.py").read_text(encoding="utf-8")).body
    text = ast.literal_eval(body[0].value)
    assert len(text.splitlines()) >= 3
    for name in re.findall(r"Start with ([^.]+)\.", text):
        for module in re.findall(r"`(\w+)`", name):
            assert (ROOT / "medqa" / package / f"{module}.py").exists(), module
    if package != "clinical":  # which is used as one module: `clinical.dose_error`
        assert len(body) == 1


def test_scripts_can_be_read_in_one_go():
    for script in SCRIPTS:
        assert len((ROOT / f"{script}.py").read_text(encoding="utf-8").splitlines()) <= 255


def test_a_function_is_read_without_scrolling():
    for path in [*ROOT.glob("*.py"), *(ROOT / "medqa").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno + 1 <= 60, f"{path}: {node.name}"


def test_the_data_folder_is_no_package():
    assert not (ROOT / "datasets" / "__init__.py").exists()


# ---- docs/design.md ------------------------------------------------------------------------------------


def design() -> str:
    """Section 2 of docs/design.md."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    return text.split("\n## 2.")[1].split("\n## 3.")[0]


def test_the_design_has_one_row_for_each_package_and_script():
    assert re.findall(r"^\| `medqa/(\w+)/` \|", design(), re.M) == list(LEVEL)[::-1]
    assert set(re.findall(r"^\| `(\w+)\.py` \|", design(), re.M)) == {path.stem for path in ROOT.glob("*.py")}


def test_the_modules_that_the_design_names_exist():
    for package, row in re.findall(r"^\| `medqa/(\w+)/` \|(.*)$", design(), re.M):
        for module in re.findall(r"`(\w+(?:/\w+)*)`", row):
            assert (ROOT / "medqa" / package / f"{module}.py").exists(), (package, module)


def test_the_diagram_of_the_design_is_the_import_graph():
    """Each line of the diagram is a package and what it imports, exceptions aside, from the top down."""
    rows = re.findall(r"^    (\w+) +→ (.+)$", design(), re.M)
    drawn = [(package, re.findall(r"\w+", others)) for package, others in rows]
    order = list(LEVEL)
    real = {(package_of(name), package_of(other)) for name, other in arrows() - EXCEPTIONS}
    expected = [
        (package, [other for other in order if (package, other) in real])
        for package in reversed(order)
        if LEVEL[package]
    ]
    assert drawn == expected
