"""Two processes train and answer as one does. They are forks; the long tests start them by accelerate's launcher."""

import os
import socket
import time
from pathlib import Path

from conftest import adapter, close, without_hostname_warning
from stages import EVALUATE, TRAIN, Ended, copy, start, wait


def run_in_two(folder: Path, line: tuple[str, ...]) -> list[Ended]:
    """Run a stage as two processes of one group, which end well and print no warnings."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    other = folder.with_name(f"{folder.name} of the second")  # what each prints lies beside its folder
    other.unlink(missing_ok=True)
    other.symlink_to(folder)
    group = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}

    def join(rank: int) -> None:
        os.environ.update(group, RANK=str(rank), LOCAL_RANK=str(rank), ACCELERATE_MIXED_PRECISION="no")

    began = time.monotonic()
    places = (folder, other)
    running = [start(place, line, lambda rank=rank: join(rank)) for rank, place in enumerate(places)]
    ended = [wait(child, place, began) for child, place in zip(running, places, strict=True)]
    assert not any(one.code or without_hostname_warning(one.err) for one in ended), ended
    return ended


def test_two_processes_train_the_same_adapter_as_one(undisturbed):
    folder = copy(undisturbed.states["prepare"], undisturbed.top / "two")
    first, second = run_in_two(folder, (*TRAIN, "--BATCH_SIZE", "2"))
    assert "Trained: " in first.out and not second.out  # only the first process prints
    assert "in all, 16 sequences each\n" in first.out
    alone = undisturbed.states["train"]
    assert close(adapter(alone / "results"), adapter(folder / "results"), 1e-3)


def test_two_processes_give_the_answers_of_one(undisturbed):
    folder = copy(undisturbed.states["train"], undisturbed.top / "two")
    run_in_two(folder, EVALUATE)
    for name in ("base_model_results.csv", "finetuned_model_results.csv", "model_comparison.csv"):
        made, alone = (top / "evaluation_results" / name for top in (folder, undisturbed.states["evaluate"]))
        assert made.read_bytes() == alone.read_bytes(), name
