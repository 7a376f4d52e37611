"""Two processes train and answer as one does.

They are forks that get the environment of accelerate's launcher; the long tests start them by the launcher itself.
"""

import os
import socket
import time
from pathlib import Path

from conftest import IN_TWO, LAUNCHER, ROOT, adapter, close, run_in_two, without_hostname_warning
from stages import EVALUATE, TRAIN, Ended, copy, run, start, wait


def launched_environment(launch: tuple[str, ...]) -> dict[str, str]:
    """What `accelerate launch` with these options puts into the environment, and where the processes meet."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_multi_gpu_env

    line = launch_command_parser().parse_args([*launch, *LAUNCHER, "--num_machines", "1", "fine_tuning.py"])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    return prepare_multi_gpu_env(_validate_launch_command(line)[0]) | place


def forked_in_two(folder: Path, line: tuple[str, ...], launch: tuple[str, ...] = IN_TWO) -> list[Ended]:
    """Run a stage as two processes of one group, which end well and print no warnings."""
    other = folder.with_name(f"{folder.name} of the second")  # what each prints lies beside its folder
    other.unlink(missing_ok=True)
    other.symlink_to(folder)
    environment = launched_environment(launch)

    def join(rank: int) -> None:
        os.environ.update(environment, RANK=str(rank), LOCAL_RANK=str(rank))

    began = time.monotonic()
    places = (folder, other)
    running = [start(place, line, lambda rank=rank: join(rank)) for rank, place in enumerate(places)]
    ended = [wait(child, place, began) for child, place in zip(running, places, strict=True)]
    assert not any(one.code or without_hostname_warning(one.err) for one in ended), ended
    return ended


def test_two_processes_train_the_same_adapter_as_one(undisturbed):
    folder = copy(undisturbed.states["prepare"], undisturbed.top / "two")
    first, second = forked_in_two(folder, (*TRAIN, "--BATCH_SIZE", "2"))
    assert "Trained: " in first.out and not second.out  # only the first process prints
    assert "in all, 16 sequences each\n" in first.out
    alone = undisturbed.states["train"]
    assert close(adapter(alone / "results"), adapter(folder / "results"), 1e-3)


def test_a_sharded_base_on_two_ranks_trains_the_same_adapter_as_one(undisturbed):
    line = (*TRAIN, "--BASE_PRECISION", "nf4", "--GRADIENT_CHECKPOINTING", "on", "--TOKENS_PER_BATCH", "300")
    alone, two = (copy(undisturbed.states["prepare"], undisturbed.top / name) for name in ("one", "two"))
    assert run(alone, line).code == 0
    launch = ("--config_file", str(ROOT / "launch/fsdp_qlora.yaml"))
    first, _ = forked_in_two(two, (*line, "--BATCH_SIZE", "2"), launch)
    assert "FSDP: each of 2 processes holds a shard" in first.out
    assert close(adapter(alone / "results"), adapter(two / "results"), 1e-3)


def test_two_processes_give_the_answers_of_one(undisturbed):
    folder = copy(undisturbed.states["train"], undisturbed.top / "two")
    forked_in_two(folder, EVALUATE)
    for name in ("base_model_results.csv", "finetuned_model_results.csv", "model_comparison.csv"):
        made, alone = (top / "evaluation_results" / name for top in (folder, undisturbed.states["evaluate"]))
        assert made.read_bytes() == alone.read_bytes(), name


def test_the_launcher_starts_two_processes_of_which_one_says_what_is_wrong(tmp_path):
    done = run_in_two("fine_tuning.py", "--DATASET_DIR", str(tmp_path / "none"))
    assert done.returncode != 0
    assert done.stderr.count("ERROR: ") == done.stderr.count("python dataset_preparation.py") == 1
