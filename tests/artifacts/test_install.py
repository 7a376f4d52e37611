"""launch/bundle.sh and launch/install.sh, with two tiny packages in place of those of requirements.txt.

`install.sh` runs without a network and with an empty HOME, where root can create a network namespace.
"""

import base64
import ensurepip
import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

OFFLINE = ["unshare", "--net"]
if subprocess.run([*OFFLINE, "true"], capture_output=True).returncode:
    OFFLINE = []
GUIDE = "    python fine_tuning.py --MODEL_NAME models/tiny\n"


def wheel(folder: Path, name: str, requires: str = "") -> None:
    """Write a package of one module that contains `NAME = name`."""
    record = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": f"NAME = {name!r}\n",
        f"{record}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}",
        f"{record}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {
        path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        for path, text in files.items()
    }
    lines = [f"{path},sha256={digest},{len(files[path])}\n" for path, digest in digests.items()]
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{record}/RECORD", "".join(lines) + f"{record}/RECORD,,\n")


def write_checksums(bundle: Path) -> None:
    """As launch/bundle.sh does."""
    files = sorted(path for path in bundle.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(bundle)}\n" for path in files
    ]
    (bundle / "SHA256SUMS").write_text("".join(lines))


@pytest.fixture
def bundle(tmp_path) -> Path:
    """A bundle of two packages, of which the second is required by the first, and of a model."""
    bundle = tmp_path / "the bundle"
    for name in ("packages", "models", "repository/launch"):
        (bundle / name).mkdir(parents=True)
    for name in ("install.sh", "python_version.py"):
        shutil.copy(ROOT / "launch" / name, bundle / "repository/launch")
    shutil.copy(ROOT / "launch/install.sh", bundle)
    [pip] = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
    shutil.copy(pip, bundle / "packages")
    wheel(bundle / "packages", "medqa_first", "Requires-Dist: medqa-second==1.0\n")
    wheel(bundle / "packages", "medqa_second")
    (bundle / "repository/requirements.txt").write_text("medqa-first==1.0\n")
    (bundle / "models/HOW_TO_USE.txt").write_text(GUIDE)
    script = bundle / "repository/launch/python_version.py"
    (bundle / "PYTHON").write_bytes(subprocess.check_output([sys.executable, script]))
    write_checksums(bundle)
    return bundle


def install(bundle: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
    """Run install.sh from an empty folder, with an empty HOME and settings of pip that lead astray."""
    empty, home = bundle.parent / "empty", bundle.parent / "home"
    empty.mkdir(exist_ok=True)
    home.mkdir(exist_ok=True)
    (bundle.parent / "pip.conf").write_text("[global]\nno-binary = :all:\nindex-url = http://127.0.0.1:9\n")
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(home), "PIP_CONFIG_FILE": str(bundle.parent / "pip.conf")}
    return subprocess.run(
        [*OFFLINE, "bash", bundle / "install.sh", *arguments], cwd=empty, env=clean | environment,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def refused(done: subprocess.CompletedProcess, bundle: Path) -> str:
    """The one line of an installation that was refused and left nothing."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["empty", "home", "pip.conf", bundle.name]
    assert list((bundle.parent / "empty").iterdir()) == []
    [line] = done.stderr.splitlines()
    return line


def test_a_bundle_is_installed_without_a_network(bundle):
    done = install(bundle, "", sys.executable, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    folder = bundle.parent / "medqa"
    code = "import medqa_first, medqa_second, pip; print(medqa_second.NAME)"
    made = subprocess.run([folder / ".venv/bin/python", "-c", code], capture_output=True, text=True)
    assert made.stdout == "medqa_second\n", made.stderr
    assert (folder / "models").resolve() == bundle / "models"
    assert f"cd {folder}" in done.stdout.replace("\\", "") and done.stdout.endswith(GUIDE)
    # make does not install again, and a second installation does not replace the first.
    newest = (folder / ".venv/installed").stat().st_mtime
    assert newest >= (folder / "requirements.txt").stat().st_mtime
    again = install(bundle, folder, sys.executable)
    assert again.returncode == 2 and f"{folder} exists already" in again.stderr


def test_damaged_and_missing_files_are_named(bundle):
    damaged, missing = bundle / "packages/medqa_first-1.0-py3-none-any.whl", bundle / "models/HOW_TO_USE.txt"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    missing.unlink()
    line = refused(install(bundle, "", sys.executable), bundle)
    assert "./packages/medqa_first-1.0-py3-none-any.whl: FAILED" in line
    assert "./models/HOW_TO_USE.txt: FAILED" in line and line.endswith("Copy the bundle again.")
    (bundle / "SHA256SUMS").unlink()
    assert "SHA256SUMS is missing" in refused(install(bundle, "", sys.executable), bundle)


def test_a_package_that_was_never_collected_is_named(bundle, whole):
    if not whole:
        pytest.skip("make faults runs pip once more")
    (bundle / "packages/medqa_second-1.0-py3-none-any.whl").unlink()
    write_checksums(bundle)
    line = refused(install(bundle, "", sys.executable), bundle)
    assert line.startswith("ERROR: the packages cannot be installed: ") and "medqa-second==1.0" in line


@pytest.mark.parametrize("python", ["python9.9", "false"])
def test_another_python_is_refused(bundle, python):
    line = refused(install(bundle, "", python), bundle)
    assert f"the bundle is for Python {sys.version_info[0]}.{sys.version_info[1]} on " in line
    assert f"{python} is not one" in line and line.endswith("/path/to/python3")
    (bundle / "PYTHON").write_text("Python 2.7 on linux-x86_64\n")
    write_checksums(bundle)
    assert f"is for Python 2.7 on linux-x86_64; {sys.executable} is" in refused(
        install(bundle, "", sys.executable), bundle
    )


@pytest.mark.skipif(not OFFLINE, reason="mounting a small disk needs root")
def test_a_full_disk_is_one_line_and_leaves_nothing(bundle, whole):
    if not whole:
        pytest.skip("make faults fills a disk")
    small = bundle.parent / "small"
    small.mkdir()
    commands = f"mount -t tmpfs -o size=300k none '{small}' && bash '{bundle}/install.sh' '{small}/medqa' {sys.executable}"
    done = subprocess.run(
        ["unshare", "--mount", "--net", "bash", "-c", f"{commands}; code=$?; ls -A '{small}'; exit $code"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and "No space left on device" in done.stderr, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1 and "medqa" not in done.stdout.splitlines()
