"""The parts of an evaluation, and merging what they stored."""

import pytest

from medqa.generation import shards
from medqa.generation.prediction_cache import ROLES, LossFile, Predictions
from medqa.generation.shards import Shard
from medqa.runtime.errors import UserError

ANSWER = {
    "id": "a",
    "hypothesis": "x",
    "finish": "stop",
    "new_tokens": 1,
    "repetition": 0.0,
    "prompt_cut": False,
}


def test_a_shard_is_named_by_part_and_parts():
    assert shards.parse("") == shards.WHOLE
    assert shards.parse("3/8") == shards.parse(" 03/08 ") == Shard(3, 8)


@pytest.mark.parametrize(
    "text", ["0/8", "9/8", "3", "3/", "-1/8", "3/8/2", "1/20000", "a/b", "1.5/2", "٣/٨x"]
)
def test_another_form_is_refused(text):
    with pytest.raises(UserError, match="Try: --SHARD 3/8"):
        shards.parse(text)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 100])
@pytest.mark.parametrize("length", [0, 1, 12, 41])
def test_every_item_of_both_lists_is_in_exactly_one_shard(count, length):
    lists = [[(position, item) for item in range(length)] for position in range(2)]
    parts = [
        [list(Shard(number, count).part(lists[position], position, 2)) for position in range(2)]
        for number in range(1, count + 1)
    ]
    assert sum((part for both in parts for part in both), []) == sum(lists, [])
    sizes = [len(first) + len(second) for first, second in parts]
    assert max(sizes) - min(sizes) <= 1
    if count % 2 == 0:  # one model a shard
        assert all(not first or not second for first, second in parts)


def store(folder, role, key, **losses):
    """Store one answer and the losses of one pass, as a writer does."""
    Predictions(folder / f"{role}.jsonl").add(ANSWER | {"key": key})
    LossFile(folder / f"{role}_losses.json").add("k", {name: (value, 1) for name, value in losses.items()})


def test_what_shards_stored_is_read_and_merged(tmp_path):
    store(tmp_path, "base", "own", one=1.0)
    first, second = (shards.writer_folder(tmp_path, Shard(number, 2)) for number in (1, 2))
    store(first, "base", "a", two=2.0)
    store(second, "finetuned", "b", two=2.0)
    store(second, "finetuned", "c", three=3.0)
    with open(second / "finetuned.jsonl", "a") as file:
        file.write('{"key": "half')  # killed while it wrote
    for _ in range(2):  # before and after merging
        found = {role: sorted(shards.read_answers(tmp_path, role)) for role in ROLES}
        assert found == {"base": ["a", "own"], "finetuned": ["b", "c"]}
        assert shards.read_losses(tmp_path, "base", "k") == {"one": [1.0, 1], "two": [2.0, 1]}
        assert shards.read_losses(tmp_path, "base", "another") == {}
        shards.merge(tmp_path)
        assert shards.folders(tmp_path) == []
    assert (tmp_path / "finetuned.jsonl").read_text().count("\n") == 2


def test_a_shard_that_is_being_answered_is_not_merged(tmp_path, monkeypatch):
    from medqa.artifacts import lease

    monkeypatch.setattr(lease, "RENEWAL", 0.1)
    output, shard = tmp_path / "evaluation", Shard(1, 2)
    with shards.writer_lock(output, shard):
        folder = shards.writer_folder(output / "predictions", shard)
        store(folder, "base", "a", one=1.0)
        with pytest.raises(UserError, match="shards/1_of_2 of .*evaluation is being made by process"):
            shards.merge(output / "predictions")
        with pytest.raises(UserError, match="is being made"), shards.writer_lock(output, shard):
            pass
        with shards.writer_lock(output, Shard(2, 2)):
            pass
    shards.merge(output / "predictions")
    assert list(shards.read_answers(output / "predictions", "base")) == ["a"]


def test_the_machines_of_one_run_write_apart_and_are_merged_by_the_first(tmp_path, monkeypatch):
    for name, value in {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "RANK": "2", "GROUP_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOCAL_RANK", "0")
    folder = shards.writer_folder(tmp_path / "predictions", shards.WHOLE)
    assert folder == tmp_path / "predictions" / "shards" / "machine_1"
    with shards.writer_lock(tmp_path, shards.WHOLE):
        store(folder, "base", "a", one=1.0)
        shards.merge(tmp_path / "predictions")  # as the first process does, while the machine holds its lock
        assert (tmp_path / "predictions" / "base.jsonl").read_text().count("\n") == 1
        store(folder, "base", "b", one=1.0)
    assert sorted(shards.read_answers(tmp_path / "predictions", "base")) == ["a", "b"]


def test_answers_that_this_machine_sees_late_are_waited_for(tmp_path, monkeypatch):
    """The listing of a folder may be old for a minute, on NFS."""
    store(tmp_path / "shards" / "machine_1", "base", "a", one=1.0)
    late, listings = shards.folders, []

    def folders(predictions):
        listings.append(predictions)
        return late(predictions) if len(listings) > 3 else []

    monkeypatch.setattr(shards, "folders", folders)
    monkeypatch.setattr(shards.time, "sleep", lambda seconds: None)
    assert shards.read_wanted(tmp_path, {"base": ["a"]}) == {"base": [ANSWER | {"key": "a"}]}
    assert len(listings) > 3
    monkeypatch.setattr(shards, "LONGEST_DELAY", 0)
    with pytest.raises(UserError, match="1 answer of another machine cannot be seen here"):
        shards.read_wanted(tmp_path, {"base": ["a", "never made"]})
