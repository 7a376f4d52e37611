"""A stage's output is all new or all old, whenever it is killed; and it ends with the promised exit code."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT

from medqa import run

OLD = {"a.txt": "old a", "kept.txt": "old kept", "sub/x.txt": "old x", "gone/deep/y.txt": "old y"}
NEW = {"a.txt": "new a", "kept.txt": "old kept", "sub/x.txt": "new x", "sub/z.txt": "new z", "b.txt": "b"}
NOTES = "notes of the user.txt"
WRITING = os.O_WRONLY | os.O_RDWR
KILLED = 9


@dataclass
class Settings(SimpleNamespace):
    STEPS: int = 3
    NAMES: tuple[str, ...] = ("a",)
    SHARES: dict[str, float] = field(default_factory=dict)


@pytest.fixture(autouse=True)
def no_git_no_gpu(monkeypatch):
    """A manifest asks both; the tests that kill a stage hundreds of times do without."""
    monkeypatch.setattr(run, "code_state", lambda: {"git_commit": None, "git_dirty": None})
    monkeypatch.setattr(run, "gpu_name", lambda: None)


@pytest.fixture
def finished(tmp_path) -> Path:
    """An output folder with the old content, and a file that belongs to nobody."""
    folder = tmp_path / "out"
    publish(folder, OLD)
    (folder / NOTES).write_text("mine")
    return folder


def publish(folder: Path, files: dict[str, str], then=lambda: None) -> None:
    """Publish files as a stage does; `then` runs after the manifest is written."""
    with run.staged(folder) as staging:
        for name, text in files.items():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            (staging / name).write_text(text)
        run.write_manifest(staging, "stage", Settings(), "now", {"input": "sha"})
        then()


def content(folder: Path) -> dict[str, str]:
    """All files of a folder but its manifest and the user's notes, with their text."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_text() for name, path in files.items() if name not in (run.MANIFEST, NOTES)}


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


def test_staged_publishes_all_and_removes_what_is_no_longer_made(finished):
    publish(finished, NEW)
    assert content(finished) == NEW
    assert not (finished / "gone").exists() and not (finished / run.STAGING).exists()
    assert (finished / NOTES).read_text() == "mine"
    manifest = run.require_finished(finished, "stage", "make it")
    assert set(manifest["outputs"]) == set(NEW)


def test_a_file_takes_the_place_of_a_folder_and_the_other_way_round(finished):
    publish(finished, {"sub": "now a file", "a.txt/inner.txt": "now a folder"})
    assert content(finished) == {"sub": "now a file", "a.txt/inner.txt": "now a folder"}
    run.require_finished(finished, "stage", "make it")


def test_nothing_changes_before_the_end(finished):
    def look():
        assert {name: text for name, text in content(finished).items() if run.STAGING not in name} == OLD
        run.require_finished(finished, "stage", "make it")

    publish(finished, NEW, look)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_content_whole(finished, error):
    def fail():
        raise error

    with pytest.raises(error):
        publish(finished, NEW, fail)
    assert content(finished) == OLD
    run.recover(finished)
    assert content(finished) == OLD
    run.require_finished(finished, "stage", "make it")


def test_a_stage_that_failed_is_never_published_even_when_its_parts_cannot_be_removed(finished, monkeypatch):
    """Killed while it clears its parts away, or not allowed to: they must not look like finished ones."""

    def fail():
        monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
        raise ValueError

    with pytest.raises(ValueError):
        publish(finished, NEW, fail)
    monkeypatch.undo()
    run.recover(finished)
    assert content(finished) == OLD
    run.require_finished(finished, "stage", "make it")


def test_killed_anywhere_it_ends_with_all_of_the_new_or_all_of_the_old(finished, tmp_path):
    ended_with = []
    for number in range(1, 1000):
        folder = tmp_path / str(number)
        shutil.copytree(finished, folder)
        died = killed_at(number, lambda folder=folder: publish(folder, NEW))
        # Until somebody recovers it, a mixture may be there, but then no manifest calls it finished.
        seen = {name: text for name, text in content(folder).items() if run.STAGING not in name}
        assert not (folder / run.MANIFEST).exists() or seen in (OLD, NEW)
        run.recover(folder)
        ended_with.append(content(folder))
        assert ended_with[-1] in (OLD, NEW), number
        assert set(run.require_finished(folder, "stage", "make it")["outputs"]) == set(ended_with[-1])
        assert (folder / NOTES).exists() and not (folder / run.STAGING).exists()
        if not died:
            break
    assert OLD in ended_with and NEW in ended_with[:-1]
    # Old up to one point, new from there on.
    assert ended_with == sorted(ended_with, key=lambda found: found == NEW)


def test_a_recovery_that_is_killed_too_is_completed_by_the_next(finished, tmp_path):
    publish(finished, NEW, lambda: shutil.copytree(finished, tmp_path / "whole"))
    for first in range(1, 1000):
        for second in range(1, 1000, 2):
            folder = tmp_path / f"{first} {second}"
            shutil.copytree(tmp_path / "whole", folder)
            died = killed_at(first, lambda folder=folder: run.recover(folder))
            died_again = killed_at(second, lambda folder=folder: run.recover(folder))
            run.recover(folder)
            assert content(folder) == NEW, (first, second)
            run.require_finished(folder, "stage", "make it")
            shutil.rmtree(folder)
            if not died_again:
                break
        if not died:
            break
    assert first > 8


def test_a_block_without_a_manifest_publishes_nothing(finished):
    with run.staged(finished) as staging:
        (staging / "a.txt").write_text("half")
    assert content(finished) == OLD


@pytest.mark.parametrize("name", ["..", "../beside", "", ".", "/", "/etc", "a/../../beside", "a\0", 5])
def test_no_manifest_leads_out_of_its_folder(finished, tmp_path, name):
    """Neither one that came with a download nor a staged one: what they list is replaced and removed."""
    beside = tmp_path / "beside"
    beside.write_text("mine")
    publish(finished, NEW, lambda: edit_manifest(finished / run.STAGING, replaces=[name, "gone"]))
    assert beside.read_text() == "mine" and content(finished) == NEW
    if isinstance(name, str):
        edit_manifest(finished, outputs={name: "0"})
        with pytest.raises(run.UserError, match="damaged"):
            run.read_manifest(finished)


def test_a_stage_does_not_publish_over_another_one_or_over_the_scripts(finished):
    with (
        pytest.raises(run.UserError, match="stage.py wrote, and other.py would replace it"),
        run.occupied(finished, "other"),
    ):
        pass
    with run.occupied(finished, "stage"):
        pass
    with pytest.raises(run.UserError, match="README.md"), run.occupied(ROOT, "stage"):
        pass
    assert content(finished) == OLD


def test_a_folder_replaced_by_a_killed_process_is_the_old_or_the_new_one(tmp_path):
    from medqa.checkpoints import put_back, replace_folder

    ended_with = []
    for number in range(1, 100):
        top = tmp_path / str(number)
        for name in ("old", "new"):
            (top / name).mkdir(parents=True)
            (top / name / "file").write_text(name)
        (top / "old").rename(top / "folder")
        died = killed_at(number, lambda top=top: replace_folder(top / "new", top / "folder"))
        put_back(top / "folder")
        ended_with.append((top / "folder" / "file").read_text())
        assert {path.name for path in top.iterdir()} - {"new"} == {"folder"}
        if not died:
            break
    assert set(ended_with) == {"old", "new"} and ended_with == sorted(ended_with, reverse=True)


def test_signals_are_given_back_after_training():
    from medqa.training import StopSoon

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    stop = StopSoon(SimpleNamespace(stop_requested=False))
    assert signal.getsignal(signal.SIGTERM) != before[1]
    stop.let_go()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


# ---- the manifest --------------------------------------------------------------------------------------


def test_manifest_tells_what_was_done(tmp_path):
    with run.staged(tmp_path) as staging:
        (staging / "a.txt").write_text("abc")
        run.write_manifest(staging, "stage", Settings(STEPS=5), "then", {"in.json": "1f"}, iteration=2)
    manifest = run.read_manifest(tmp_path)
    assert manifest["outputs"] == {
        "a.txt": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    }
    assert manifest["settings"]["given"] == {"STEPS": 5}
    assert manifest["iteration"] == 2 and manifest["inputs"] == {"in.json": "1f"}
    assert manifest["started"] == "then" and manifest["finished"] >= "2026"
    assert manifest["versions"]["python"] and manifest["versions"]["torch"]
    assert manifest.keys() >= {"stage", "gpu", "git_commit", "git_dirty"}


def break_missing_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def break_missing_manifest(folder: Path) -> None:
    (folder / run.MANIFEST).unlink()


def break_other_stage(folder: Path) -> None:
    edit_manifest(folder, stage="fine_tuning", learned={}, chat_template_sha256="", iteration=1)


def break_missing_file(folder: Path) -> None:
    (folder / "sub/x.txt").unlink()


def break_edited_file(folder: Path) -> None:
    (folder / "sub/x.txt").write_text("old X")


def break_manifest_text(folder: Path) -> None:
    (folder / run.MANIFEST).write_bytes(b'{"stage": "stage", \xff')


def break_manifest_shape(folder: Path) -> None:
    (folder / run.MANIFEST).write_text("[1]")


def break_manifest_outputs(folder: Path) -> None:
    edit_manifest(folder, outputs=["a.txt"])


def edit_manifest(folder: Path, **changes: object) -> None:
    path = folder / run.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (break_missing_folder, "does not exist"),
        (break_missing_manifest, "has not finished"),
        (break_other_stage, "was written by fine_tuning.py, not by stage.py"),
        (break_missing_file, "x.txt is missing"),
        (break_edited_file, "x.txt was changed"),
        (break_manifest_text, "manifest.json is damaged"),
        (break_manifest_shape, "manifest.json is damaged"),
        (break_manifest_outputs, "manifest.json is damaged"),
    ],
)
def test_an_input_that_cannot_be_trusted_is_refused_with_the_command_that_makes_it(finished, damage, told):
    run.require_finished(finished, "stage", "python stage.py --HARD")
    damage(finished)
    with pytest.raises(run.UserError, match=told) as refused:
        run.require_finished(finished, "stage", "python stage.py --HARD")
    assert "python stage.py --HARD" in str(refused.value)


def test_settings_tell_given_from_default():
    told = run.settings(Settings(STEPS=4, SHARES={"x": 0.5}))
    assert told == {"given": {"STEPS": 4, "SHARES": {"x": 0.5}}, "default": {"NAMES": ("a",)}}
    assert run.settings(Settings())["given"] == {}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_without_nan(tmp_path, number):
    path = tmp_path / "numbers.json"
    run.write_json(path, {"µ": 1.5})
    with pytest.raises(ValueError):
        run.write_json(path, {"µ": [number]})
    assert path.read_text(encoding="utf-8") == '{\n  "µ": 1.5\n}\n'
    assert [found.name for found in tmp_path.iterdir()] == ["numbers.json"]


# ---- one run at a time ---------------------------------------------------------------------------------

HOLD = """
import sys, time
from pathlib import Path
from medqa import run
try:
    with run.occupied(Path(sys.argv[1])):
        print("holding", flush=True)
        time.sleep(60 if sys.argv[2] == "stay" else 0)
except run.UserError as error:
    print(error, flush=True)
"""


def holder(folder: Path, stay: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, folder, stay], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def test_a_second_process_is_told_who_writes_there_and_a_killed_holder_holds_no_more(tmp_path):
    folder = tmp_path / "out"
    first = holder(folder, "stay")
    assert first.stdout.readline() == "holding\n"
    refused = holder(folder, "go").communicate()[0]
    assert f"is being written by process {first.pid} on" in refused and "--OUTPUT_DIR" in refused
    with pytest.raises(run.UserError, match="is being written"), run.occupied(folder):
        pass
    first.kill()
    first.wait()
    assert holder(folder, "go").communicate()[0] == "holding\n"
    with run.occupied(folder):
        pass


def test_occupying_leaves_nothing_behind(tmp_path):
    new, old = tmp_path / "new/deep", tmp_path / "old"
    old.mkdir()
    for folder in (new, old):
        with contextlib.suppress(ValueError), run.occupied(folder):
            raise ValueError
    assert not new.exists() and list(old.iterdir()) == []
    with run.occupied(new):
        (new / "result.txt").write_text("kept")
    assert content(new) == {"result.txt": "kept"}


# ---- how a script ends ---------------------------------------------------------------------------------

SCRIPT = """
import os, signal, sys, time
from medqa.run import Interrupted, UserError, run_script, say
def good(): say("done")
def user(): raise UserError("give a folder")
def bug(): {}["x"]
def stopped(): raise Interrupted(signal.SIGTERM)
def no_file(): open("/nowhere/file")
def full_disk(): raise OSError(28, "No space left on device")
def torch_full(): raise RuntimeError("PytorchStreamWriter failed writing file data/4: file write failed")
def rust_full(): raise ValueError("I/O error: No space left on device (os error 28)")
def memory(): bytearray(1 << 62)
def arrow(): say("base → tuned")
def prints(): print("help", flush=True)
def wait():
    print("waiting", flush=True)
    time.sleep(60)
run_script(globals()[sys.argv[1]], "Run it again.")
"""


def script(name: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, name], cwd=ROOT, text=True, capture_output=True,
        env=os.environ | environment,
    )  # fmt: skip


def test_done_is_0():
    done = script("good")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_the_users_mistake_is_2_and_one_line():
    done = script("user")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "ERROR: give a folder\n")
    silent = script("user", RANK="1")
    assert (silent.returncode, silent.stderr) == (2, "")


def test_our_mistake_is_1_with_a_traceback_and_what_to_do_next():
    done = script("bug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "KeyError: 'x'" in done.stderr and "Run it again." in done.stderr


def test_a_file_that_cannot_be_opened_is_1_and_one_line():
    done = script("no_file")
    assert done.returncode == 1
    assert done.stderr == "ERROR: /nowhere/file: No such file or directory. Run it again.\n"


def test_an_error_of_the_system_without_a_file_says_what_to_do_next():
    """A full disk is told when a file is written, and names no file."""
    done = script("full_disk")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr and "Run it again." in done.stderr


@pytest.mark.parametrize("name", ["torch_full", "rust_full"])
def test_a_full_disk_is_known_in_the_words_of_the_libraries(name):
    done = script(name)
    assert (done.returncode, done.stderr) == (1, "ERROR: No space left on device. Run it again.\n")


def test_memory_that_does_not_suffice_is_one_line():
    done = script("memory")
    assert (done.returncode, done.stderr) == (
        1,
        "ERROR: the memory of this machine does not suffice. Run it again.\n",
    )


def test_a_terminal_that_knows_ascii_alone_ends_no_stage():
    done = script("arrow", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout, done.stderr) == (0, "base ? tuned\n", "")


@pytest.mark.parametrize(("name", "value"), [("RANK", "one"), ("WORLD_SIZE", "-2")])
def test_a_launcher_that_left_no_number_is_told(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(run.UserError, match=f"{name}='{value}'"):
        run.launched(name, 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_says_how_to_go_on(number, code):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "wait"], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(number)
    errors = process.communicate(timeout=30)[1]
    assert process.returncode == code
    assert errors == "\nInterrupted. Run it again.\n"


def test_work_that_was_saved_after_a_signal_ends_like_the_signal():
    done = script("stopped")
    assert (done.returncode, done.stderr) == (143, "\nInterrupted. Run it again.\n")


def unread(code: str, *arguments: str) -> tuple[int, str]:
    """Exit code and errors of a program whose output nobody reads, as with `| head` when head has ended."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, text=True, stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    return done.returncode, done.stderr


def test_work_goes_on_when_nobody_reads_its_report():
    code = "import os; from medqa.run import say\nfor _ in range(3): say('line')\nos.write(2, b'worked')"
    assert unread(code) == (0, "worked")


def test_help_that_nobody_reads_ends_without_a_traceback():
    """`python evaluation.py --help | head` prints through tyro, not through `say`."""
    assert "Traceback" not in unread(SCRIPT, "prints")[1]


# ---- printing ------------------------------------------------------------------------------------------


def test_only_the_first_process_speaks_and_not_when_silenced(monkeypatch, capsys):
    with run.silenced():
        run.say("silenced")
    run.say("first", "second")
    monkeypatch.setenv("RANK", "1")
    run.say("other process")
    assert capsys.readouterr().out == "first\nsecond\n"


def test_warnings_come_together_and_once(capsys):
    warnings = run.Warnings()
    warnings.show()
    for text in ("one", "two", "one"):
        warnings.add(text)
    assert capsys.readouterr().out == ""
    warnings.show()
    assert capsys.readouterr().out == "\nWARNING: one\nWARNING: two\n"


def test_table_puts_names_left_and_numbers_right():
    assert run.table(("name", "n", ""), [("heart", 5, None), ("a", 12345, "low")]) == (
        "name       n\n"
        "-----  -----  ---\n"
        "heart      5\n"
        "a      12345  low"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.2, "0 s"), (48.4, "48 s"), (59.7, "1 min 00 s"), (60, "1 min 00 s"), (185, "3 min 05 s"),
     (3599.6, "1 h 00 min"), (7800, "2 h 10 min"), (7859, "2 h 10 min"), (100_000, "27 h 46 min")],
)  # fmt: skip
def test_elapsed(seconds, told):
    assert run.elapsed(seconds) == told
