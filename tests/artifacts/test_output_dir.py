"""The output of a stage is all new or all old, whenever it is killed; its manifest records what was done."""

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT

from medqa.artifacts import atomic_io, output_dir, run_manifest
from medqa.artifacts.lease import lease
from medqa.generation import shards
from medqa.runtime.errors import UserError

OLD = {"a.txt": "old a", "kept.txt": "old kept", "sub/x.txt": "old x", "gone/deep/y.txt": "old y"}
NEW = {"a.txt": "new a", "kept.txt": "old kept", "sub/x.txt": "new x", "sub/z.txt": "new z", "b.txt": "b"}
NOTES = "notes of the user.txt"
WRITING = os.O_WRONLY | os.O_RDWR
KILLED = 9


@pytest.fixture(autouse=True)
def no_git_no_gpu(monkeypatch):
    """A manifest queries both, which is too slow for tests that kill a stage hundreds of times."""
    monkeypatch.setattr(run_manifest, "code_state", lambda: {"git_commit": None, "git_dirty": None})
    monkeypatch.setattr(run_manifest, "gpu_name", lambda: None)


@pytest.fixture
def finished(tmp_path) -> Path:
    """An output folder with the old content, and a file of the user."""
    folder = tmp_path / "out"
    publish(folder, OLD)
    (folder / NOTES).write_text("mine")
    return folder


def publish(folder: Path, files: dict[str, str], then=lambda: None) -> None:
    """Publish files as a stage does; `then` runs after the manifest is written."""
    with output_dir.atomic_publish(folder) as staging:
        for name, text in files.items():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            (staging / name).write_text(text)
        run_manifest.write_manifest(staging, "stage", {"given": {}}, "now", {"input": "sha"})
        then()


def content(folder: Path) -> dict[str, str]:
    """All files of a folder but its manifest and the user's notes, with their text."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path.read_text() for name, path in files.items() if name not in (run_manifest.MANIFEST, NOTES)
    }


@pytest.mark.parametrize("below", ["", "deeper/still"])
@pytest.mark.parametrize("stage", ["", "dataset_preparation"])
def test_a_file_in_the_place_of_the_folder_is_refused_and_kept(tmp_path, below, stage):
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    with (
        pytest.raises(UserError, match="cannot be created: .*notes.txt is a file. Give another"),
        output_dir.output_dir_lock(file / below, stage),
    ):
        pass
    part = shards.parse("1/2")
    with pytest.raises(UserError, match="notes.txt is a file"), shards.writer_lock(file / below, part):
        pass
    assert file.read_text() == "mine"


@pytest.mark.parametrize("stage", ["", "dataset_preparation"])
def test_a_folder_that_cannot_be_written_is_refused_with_the_reason(tmp_path, stage, monkeypatch):
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "file").write_text("")
    places = {
        "/proc/x": "/proc/x cannot be written .No such file or directory.. Give another folder: --OUTPUT_DIR",
        "/proc/self/x/y": "cannot be written",
        str(tmp_path / ("n" * 300)): "cannot be written .File name too long",
        str(tmp_path / "link"): "link is a broken link .to nowhere.. Give another",
        str(tmp_path / "link" / "below"): "link is a broken link .to nowhere.. Give another",
    }
    for place, message in places.items():
        with pytest.raises(UserError, match=message), output_dir.output_dir_lock(Path(place), stage):
            pass
    with pytest.raises(UserError, match="cannot be written"), lease(Path("/proc/x/lock"), "it"):
        pass

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(output_dir, "write_text", refuse)
    with (
        pytest.raises(UserError, match="new cannot be written .Read-only file system"),
        output_dir.output_dir_lock(tmp_path / "new", stage),
    ):
        pass
    assert not (tmp_path / "new").exists()


def test_a_full_disk_is_no_mistake_of_the_user(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(output_dir, "write_text", full)
    with pytest.raises(OSError, match="No space"), output_dir.output_dir_lock(tmp_path / "new"):
        pass


def killed_at(number: int, work) -> bool:
    """Run `work` in a process that dies just before its change number `number` of the file system.

    Returns whether it died; False when it came to its end first.
    """
    child = os.fork()
    if child == 0:
        changes = 0

        def count(event: str, arguments: tuple) -> None:
            nonlocal changes
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
            if writes or event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir"):
                changes += 1
                if changes == number:
                    os._exit(KILLED)

        sys.addaudithook(count)
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, KILLED)
    return code == KILLED


# ---- publishing ----------------------------------------------------------------------------------------


def test_publishing_replaces_all_and_removes_what_is_no_longer_written(finished):
    publish(finished, NEW)
    assert content(finished) == NEW
    assert not (finished / "gone").exists() and not (finished / output_dir.STAGING).exists()
    assert (finished / NOTES).read_text() == "mine"
    manifest = run_manifest.require_finished(finished, "stage", "make it")
    assert set(manifest["outputs"]) == set(NEW)


def test_a_file_replaces_a_folder_and_vice_versa(finished):
    publish(finished, {"sub": "now a file", "a.txt/inner.txt": "now a folder"})
    assert content(finished) == {"sub": "now a file", "a.txt/inner.txt": "now a folder"}
    run_manifest.require_finished(finished, "stage", "make it")


def test_nothing_changes_before_the_end(finished):
    def look():
        assert {
            name: text for name, text in content(finished).items() if output_dir.STAGING not in name
        } == OLD
        run_manifest.require_finished(finished, "stage", "make it")

    publish(finished, NEW, look)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_content(finished, error):
    def fail():
        raise error

    with pytest.raises(error):
        publish(finished, NEW, fail)
    assert content(finished) == OLD
    output_dir.recover(finished)
    assert content(finished) == OLD
    run_manifest.require_finished(finished, "stage", "make it")


def test_a_stage_that_failed_is_never_published_even_when_its_parts_cannot_be_removed(finished, monkeypatch):
    """Killed while it clears its parts away, or not allowed to: they must not look like finished ones."""

    def fail():
        monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
        raise ValueError

    with pytest.raises(ValueError):
        publish(finished, NEW, fail)
    monkeypatch.undo()
    output_dir.recover(finished)
    assert content(finished) == OLD
    run_manifest.require_finished(finished, "stage", "make it")


def test_killed_anywhere_it_ends_with_all_of_the_new_or_all_of_the_old(finished, tmp_path):
    ended_with = []
    for number in range(1, 1000):
        folder = tmp_path / str(number)
        shutil.copytree(finished, folder)
        died = killed_at(number, lambda folder=folder: publish(folder, NEW))
        # Until somebody recovers it, a mixture may be there, but then no manifest calls it finished.
        seen = {name: text for name, text in content(folder).items() if output_dir.STAGING not in name}
        assert not (folder / run_manifest.MANIFEST).exists() or seen in (OLD, NEW)
        output_dir.recover(folder)
        ended_with.append(content(folder))
        assert ended_with[-1] in (OLD, NEW), number
        assert set(run_manifest.require_finished(folder, "stage", "make it")["outputs"]) == set(
            ended_with[-1]
        )
        assert (folder / NOTES).exists() and not (folder / output_dir.STAGING).exists()
        if not died:
            break
    assert OLD in ended_with and NEW in ended_with[:-1]
    # Old up to one point, new from there on.
    assert ended_with == sorted(ended_with, key=lambda found: found == NEW)


@pytest.mark.long
@pytest.mark.parametrize("step", [3, 1])
def test_a_recovery_that_is_killed_too_is_completed_by_the_next(finished, tmp_path, step):
    publish(finished, NEW, lambda: shutil.copytree(finished, tmp_path / "whole"))
    for first in range(1, 1000, step):
        for second in range(1, 1000, 2):
            folder = tmp_path / f"{first} {second}"
            shutil.copytree(tmp_path / "whole", folder)
            died = killed_at(first, lambda folder=folder: output_dir.recover(folder))
            died_again = killed_at(second, lambda folder=folder: output_dir.recover(folder))
            output_dir.recover(folder)
            assert content(folder) == NEW, (first, second)
            run_manifest.require_finished(folder, "stage", "make it")
            shutil.rmtree(folder)
            if not died_again:
                break
        if not died:
            break
    assert first > 8


def test_a_block_without_a_manifest_publishes_nothing(finished):
    with output_dir.atomic_publish(finished) as staging:
        (staging / "a.txt").write_text("half")
    assert content(finished) == OLD


@pytest.mark.parametrize("name", ["..", "../beside", "", ".", "/", "/etc", "a/../../beside", "a\0", 5])
def test_no_manifest_leads_out_of_its_folder(finished, tmp_path, name):
    """Neither one that came with a download nor a staged one: what they list is replaced and removed."""
    beside = tmp_path / "beside"
    beside.write_text("mine")
    publish(finished, NEW, lambda: edit_manifest(finished / output_dir.STAGING, replaces=[name, "gone"]))
    assert beside.read_text() == "mine" and content(finished) == NEW
    if isinstance(name, str):
        edit_manifest(finished, outputs={name: "0"})
        with pytest.raises(UserError, match="damaged"):
            run_manifest.read_manifest(finished)


def test_a_stage_does_not_publish_over_another_one_or_over_the_scripts(finished):
    with (
        pytest.raises(UserError, match="output of stage.py, which other.py would replace"),
        output_dir.output_dir_lock(finished, "other"),
    ):
        pass
    with output_dir.output_dir_lock(finished, "stage"):
        pass
    with pytest.raises(UserError, match="README.md"), output_dir.output_dir_lock(ROOT, "stage"):
        pass
    assert content(finished) == OLD


def test_a_folder_replaced_by_a_killed_process_is_the_old_or_the_new_one(tmp_path):
    from medqa.training.checkpointing import replace_folder, rollback

    ended_with = []
    for number in range(1, 100):
        top = tmp_path / str(number)
        for name in ("old", "new"):
            (top / name).mkdir(parents=True)
            (top / name / "file").write_text(name)
        (top / "old").rename(top / "folder")
        died = killed_at(number, lambda top=top: replace_folder(top / "new", top / "folder"))
        rollback(top / "folder")
        ended_with.append((top / "folder" / "file").read_text())
        assert {path.name for path in top.iterdir()} - {"new"} == {"folder"}
        if not died:
            break
    assert set(ended_with) == {"old", "new"} and ended_with == sorted(ended_with, reverse=True)


def test_signals_are_given_back_after_training():
    from medqa.training.callbacks import graceful_stop

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    trainer = SimpleNamespace(stop_requested=False)
    with graceful_stop(trainer):
        assert signal.getsignal(signal.SIGTERM) != before[1]
        os.kill(os.getpid(), signal.SIGTERM)
        assert trainer.stop_requested and trainer.stop_signal == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


# ---- the manifest --------------------------------------------------------------------------------------


def test_the_manifest_records_what_was_done(tmp_path):
    with output_dir.atomic_publish(tmp_path) as staging:
        (staging / "a.txt").write_text("abc")
        run_manifest.write_manifest(
            staging, "stage", {"given": {"STEPS": 5}}, "then", {"in.json": "1f"}, iteration=2
        )
    manifest = run_manifest.read_manifest(tmp_path)
    assert manifest["outputs"] == {
        "a.txt": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    }
    assert manifest["settings"]["given"] == {"STEPS": 5}
    assert manifest["iteration"] == 2 and manifest["inputs"] == {"in.json": "1f"}
    assert manifest["started"] == "then" and manifest["finished"] >= "2026"
    assert manifest["versions"]["python"] and manifest["versions"]["torch"]
    assert manifest.keys() >= {"stage", "gpu", "git_commit", "git_dirty"}


def edit_manifest(folder: Path, **changes: object) -> None:
    path = folder / run_manifest.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "does not exist"),
        (lambda folder: (folder / "manifest.json").unlink(), "has not finished"),
        (
            lambda folder: edit_manifest(
                folder, stage="fine_tuning", learned={}, chat_template_sha256="", iteration=1
            ),
            "was written by fine_tuning.py, not by stage.py",
        ),
        (lambda folder: (folder / "sub/x.txt").unlink(), "x.txt is missing"),
        (lambda folder: (folder / "sub/x.txt").write_text("old X"), "x.txt was changed"),
        (
            lambda folder: (folder / "manifest.json").write_bytes(b'{"stage": "stage", \xff'),
            "manifest.json is damaged",
        ),
        (lambda folder: (folder / "manifest.json").write_text("[1]"), "manifest.json is damaged"),
        (lambda folder: edit_manifest(folder, outputs=["a.txt"]), "manifest.json is damaged"),
    ],
)
def test_a_damaged_input_is_refused_with_the_command_that_creates_it(finished, damage, message):
    run_manifest.require_finished(finished, "stage", "python stage.py --HARD")
    damage(finished)
    with pytest.raises(UserError, match=message) as refused:
        run_manifest.require_finished(finished, "stage", "python stage.py --HARD")
    assert "python stage.py --HARD" in str(refused.value)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_without_nan(tmp_path, number):
    path = tmp_path / "numbers.json"
    atomic_io.write_json(path, {"µ": 1.5})
    with pytest.raises(ValueError):
        atomic_io.write_json(path, {"µ": [number]})
    assert path.read_text(encoding="utf-8") == '{\n  "µ": 1.5\n}\n'
    assert [found.name for found in tmp_path.iterdir()] == ["numbers.json"]


# ---- one run at a time ---------------------------------------------------------------------------------

HOLD = """
import sys, time
from pathlib import Path
from medqa.artifacts import output_dir
from medqa.runtime.errors import UserError
try:
    with output_dir.output_dir_lock(Path(sys.argv[1])):
        print("holding", flush=True)
        time.sleep(60 if sys.argv[2] == "stay" else 0)
except UserError as error:
    print(error, flush=True)
"""


def holder(folder: Path, stay: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, folder, stay], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def test_a_second_process_learns_who_holds_the_lock_and_a_killed_holder_releases_it(tmp_path):
    folder = tmp_path / "out"
    first = holder(folder, "stay")
    assert first.stdout.readline() == "holding\n"
    refused = holder(folder, "go").communicate()[0]
    assert f"is being written by process {first.pid} on" in refused and "--OUTPUT_DIR" in refused
    with pytest.raises(UserError, match="is being written"), output_dir.output_dir_lock(folder):
        pass
    first.kill()
    first.wait()
    assert holder(folder, "go").communicate()[0] == "holding\n"
    with output_dir.output_dir_lock(folder):
        pass


def test_the_lock_leaves_no_files(tmp_path):
    new, old = tmp_path / "new/deep", tmp_path / "old"
    old.mkdir()
    for folder in (new, old):
        with contextlib.suppress(ValueError), output_dir.output_dir_lock(folder):
            raise ValueError
    assert not new.exists() and list(old.iterdir()) == []
    with output_dir.output_dir_lock(new):
        (new / "result.txt").write_text("kept")
    assert content(new) == {"result.txt": "kept"}


def test_a_file_system_without_flock_gets_a_lock_file(tmp_path, monkeypatch):
    """As Lustre is by default: `flock` raises "Function not implemented"."""
    from medqa.artifacts import lease

    def unsupported(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(output_dir.fcntl, "flock", unsupported)
    monkeypatch.setattr(lease, "RENEWAL", 0.1)
    folder = tmp_path / "out"
    with output_dir.output_dir_lock(folder):
        assert (tmp_path / "out.lock").exists()
        with (
            pytest.raises(UserError, match="out is being made by process"),
            output_dir.output_dir_lock(folder),
        ):
            pass
        (folder / "file").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in folder.iterdir()] == ["file"]


GGUF = ("model-F16.gguf", "model-Q8_0.gguf", "Modelfile", "README.md", output_dir.MERGED)
WHOLE = ("model-00001-of-00002.safetensors", "config.json", "tokenizer.json", "README.md", output_dir.MERGED)


def refused_exports(folder: Path, place: str, *settings: str) -> list[str]:
    """Why each setting may not name a place in `folder`; "" if it may. Nothing is left in the folder."""
    before, reasons = sorted(folder.rglob("*")), []
    for setting in settings or ("merge_to", "export_to"):
        names = {"output_dir": folder / "results", "dataset_dir": folder / "datasets", "model_name": "o/name"}
        exports = {"merge_to": "", "export_to": "", setting: folder / place}
        folders = output_dir.TrainingFolders(
            **{name: str(value) for name, value in (names | exports).items()}
        )
        try:
            output_dir.require_place_for_exports(folders)
            reasons.append("")
        except UserError as error:
            assert str(error).startswith(f"{setting.upper()} {folder / place} ") and "\n" not in str(error)
            reasons.append(str(error))
    assert sorted(folder.rglob("*")) == before
    return reasons


@pytest.mark.parametrize(
    "names, merge, export",
    [
        (GGUF, "has Modelfile, model-F16.gguf, model-Q8_0.gguf, which", ""),
        (WHOLE, "", "has config.json, model-00001-of-00002.safetensors, tokenizer.json, which"),
        ((*WHOLE, "thesis.txt"), "has thesis.txt, which this export does not write", "thesis.txt"),
        ((*GGUF, ".git"), ".git, Modelfile, model-F16.gguf …", "has .git, which this export does not write"),
        ((), "", ""),
        (("thesis.txt",), "exists and is not a merged model", "exists and is not a merged model"),
    ],
)
def test_an_export_replaces_only_an_export_of_its_kind(names, merge, export, tmp_path):
    (tmp_path / "place").mkdir()
    for name in names:
        (tmp_path / "place" / name).write_text("")
    for expected, reason in zip((merge, export), refused_exports(tmp_path, "place"), strict=True):
        assert expected in reason and bool(expected) == bool(reason)


@pytest.mark.parametrize(
    "name",
    [
        "adapter_model.safetensors", "README.md", "manifest.json", "checkpoint-7", "best_adapter", ".incomplete",
        ".running", "training_metrics.jsonl", "tokenizer.json", "chat_template.jinja", "README.md/merged",
    ],
)  # fmt: skip
def test_an_export_takes_no_place_of_the_training(name, tmp_path):
    for reason in refused_exports(tmp_path, f"results/{name}"):
        assert f"is in the place of {name.split('/')[0]}, which training replaces or removes" in reason


@pytest.mark.parametrize(
    "place, why",
    [
        ("/proc", "is a mount point, which cannot be replaced"),
        ("/proc/x", "cannot be created: No such file or directory"),
        ("/dev/null", "exists and is not a folder"),
        ("/dev/null/x", "cannot be created: Not a directory"),
        ("x" * 250, "cannot be created: File name too long"),
        ("x" * 300, "cannot be created: File name too long"),
        ("new/" + "x" * 250, "cannot be created: File name too long"),
        ("loop", "exists and is not a folder"),
        ("loop/x", "cannot be created: "),
        ("pipe", "exists and is not a folder"),
        ("pipe/x", "cannot be created: Not a directory"),
        ("results/merged", ""),
        ("new/deep/place", ""),
        ("dangling", ""),
    ],
    ids=lambda value: value[:20],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_training(place, why, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("new")
    os.mkfifo(tmp_path / "pipe")
    for reason in refused_exports(tmp_path, place):
        assert why in reason and bool(why) == bool(reason)


def test_a_killed_export_is_not_lost_by_the_check(tmp_path):
    (tmp_path / ".place.replaced").mkdir()
    assert refused_exports(tmp_path, "place") == ["", ""]
