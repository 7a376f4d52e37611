"""Divides an evaluation into shards, which machines answer independently, and merges what they stored.

Each shard or machine has a folder in `predictions/shards/`, so that no file is written by two machines. An
answer is stored under a key of everything that determines it: who made it, and how often, does not matter.
"""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from medqa.artifacts import output_dir
from medqa.artifacts.lease import lease
from medqa.generation.prediction_cache import Losses, LossFile, Predictions, cut_half_line
from medqa.runtime.console import counted, print_rank0
from medqa.runtime.distributed import launched, rank, several_machines
from medqa.runtime.errors import UserError

MOST = 10_000  # shards: far above the number of cards that any site has
# Seconds until a machine sees what another one has written: NFS caches folders for up to 60 s (acdirmax).
LONGEST_DELAY = 120
MACHINE = "machine_"  # start of the folder names of machines
Item = TypeVar("Item")


class Shard(NamedTuple):
    """Part `number` (from 1) of `count` parts of an evaluation."""

    number: int
    count: int

    def part(self, items: Sequence[Item], position: int, lists: int) -> Sequence[Item]:
        """What this shard has of list `position` of several equally long lists, which are divided as one.

        With an even count each shard has items of one list only, so it loads one model.
        """
        first, last = (lists * len(items) * end // self.count for end in (self.number - 1, self.number))
        start = position * len(items)
        return items[max(first - start, 0) : max(last - start, 0)]


WHOLE = Shard(1, 1)


def parse(text: str) -> Shard:
    """The shard that the setting SHARD names; `WHOLE` if it is empty.

    Raises:
        UserError: it is not of the form 3/8.
    """
    if not text:
        return WHOLE
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    shard = Shard(*map(int, match.groups())) if match else Shard(0, 0)
    if not 1 <= shard.number <= shard.count <= MOST:
        raise UserError(
            f"SHARD {text!r} is not a part of a whole; expected part/parts, with parts counted from 1 and at "
            f"most {MOST:,} of them. Try: --SHARD 3/8"
        )
    return shard


def writer_folder(predictions: Path, shard: Shard) -> Path:
    """Where this process stores answers and losses: `predictions`, or the folder of its shard or machine."""
    if shard != WHOLE:
        return predictions / "shards" / f"{shard.number}_of_{shard.count}"
    if several_machines():
        return predictions / "shards" / f"{MACHINE}{launched('GROUP_RANK', 0)}"
    return predictions


@contextlib.contextmanager
def writer_lock(output: Path, shard: Shard) -> Iterator[None]:
    """Lock what this process writes: the output folder, or one shard's folder.

    On several machines, the first process of each machine also locks the folder of its machine.

    Raises:
        UserError: another process is writing there, or another stage wrote there.
    """
    with contextlib.ExitStack() as locks:
        if rank() == 0 and shard == WHOLE:
            locks.enter_context(output_dir.output_dir_lock(output, "evaluation"))
        elif rank() == 0:
            output_dir.require_creatable(output)
            output_dir.require_own(output, "evaluation")
        folder = writer_folder(output / "predictions", shard)
        if folder.parent.name == "shards" and launched("LOCAL_RANK", 0) == 0:
            locks.enter_context(lock_of(folder))
        yield


def lock_of(folder: Path) -> contextlib.AbstractContextManager[None]:
    """The lock of a shard's or machine's folder. It lies beside the folder, which `merge` removes."""
    return lease(
        folder.with_name(f"{folder.name}.lock"), f"{folder.parent.name}/{folder.name} of {folder.parents[2]}"
    )


def folders(predictions: Path) -> list[Path]:
    """The folders of shards and machines that are not merged."""
    return sorted(path for path in (predictions / "shards").glob("*") if path.is_dir())


def read_answers(predictions: Path, role: str) -> dict[str, dict[str, Any]]:
    """All answers of a role by key, those of unmerged shards included."""
    answers: dict[str, dict[str, Any]] = {}
    for folder in (predictions, *folders(predictions)):
        answers = Predictions(folder / f"{role}.jsonl").read() | answers
    return answers


def read_wanted(predictions: Path, wanted: Mapping[str, Iterable[str]]) -> dict[str, list[dict[str, Any]]]:
    """The answers of each role with the keys `wanted`, in order, when all parts are answered and merged.

    Waits for, and merges, what another machine has stored and this one does not see yet.

    Raises:
        UserError: an answer is still missing after `LONGEST_DELAY` seconds.
    """
    began = time.monotonic()
    while True:
        stored = {role: read_answers(predictions, role) for role in wanted}
        missing = sum(key not in stored[role] for role, keys in wanted.items() for key in keys)
        if not missing:
            return {role: [stored[role][key] for key in keys] for role, keys in wanted.items()}
        if time.monotonic() - began > LONGEST_DELAY:
            raise UserError(
                f"{counted(missing, 'answer')} of another machine cannot be seen here in {predictions}. "
                "All machines need the same OUTPUT_DIR on a shared file system. Finished answers are kept."
            )
        time.sleep(1)
        merge(predictions)


def read_losses(predictions: Path, role: str, key: str) -> Losses:
    """The losses of a role that are stored under `key`, those of interrupted and unmerged runs included."""
    found: Losses = {}
    for folder in (predictions, *folders(predictions)):
        file = LossFile(folder / f"{role}_losses.json")
        found |= file.read(key) or file.read_partial(key)
    return found


def merge(predictions: Path) -> None:
    """Append what shards and other machines stored to the files of `predictions`, and remove theirs.

    A merge that is killed leaves some answers twice, of which the first counts.

    Raises:
        UserError: a shard is still being answered.
    """
    held = several_machines()  # the processes of this run have locked the folders of its machines
    merged = []
    for folder in folders(predictions):
        ours = held and folder.name.startswith(MACHINE)
        with contextlib.nullcontext() if ours else lock_of(folder):
            found = [_move_lines(path, predictions / path.name) for path in sorted(folder.glob("*.jsonl"))]
            merged += [folder.name] * any(found)
            if not ours:
                shutil.rmtree(folder)
    if merged:
        print_rank0(f"Merged the answers of {counted(len(merged), 'part')}: {', '.join(merged)}")


def _move_lines(source: Path, target: Path) -> bool:
    """Append the complete lines of a file to another and remove it; whether there were any."""
    cut_half_line(source)
    cut_half_line(target)
    with open(source, "rb") as lines, open(target, "ab") as file:
        shutil.copyfileobj(lines, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())
        moved = lines.tell() > 0
    source.unlink()
    return moved
