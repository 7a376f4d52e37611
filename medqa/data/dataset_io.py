"""Writes records as folders for `datasets.load_from_disk`, and reads them; equal records give equal bytes."""

import contextlib
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medqa.artifacts.atomic_io import write_text
from medqa.data.cleaning import Record
from medqa.data.near_duplicates import Watch, unwatched
from medqa.data.normal_form import normal_form

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

COLUMNS = ("id", "specialty", "question", "response", "formatted_chat")
SPLITS = {
    "holdout": "holdout_dataset",
    "eval": "eval_dataset",
    "train": "train_dataset",
    "pool": "eval_pool_dataset",
}
# ROWS_IN_FILE is a multiple of ROWS_AT_ONCE, the rows that are rendered at once.
ROWS_IN_FILE, ROWS_AT_ONCE = 50_000, 5_000


def load(folder: Path) -> "Dataset":
    """Open a split; its rows are read from disk when they are used."""
    from datasets import load_from_disk

    return load_from_disk(str(folder))


def load_splits(folder: Path, limit: int = 0) -> dict[str, "Dataset"]:
    """The four splits of a finished folder by name; a `limit` reduces the holdout to a stratified sample."""
    splits = {name: load(folder / path) for name, path in SPLITS.items()}
    holdout = splits["holdout"]
    if 0 < limit < len(holdout):
        holdout = holdout.select(stratified(holdout["specialty"], holdout["id"], limit))
    return splits | {"holdout": holdout}


def first_questions(folder: Path, number: int) -> tuple[str, ...]:
    """The first questions of the train split."""
    return tuple(load(folder / SPLITS["train"])[:number]["question"])


def stratified(specialties: Sequence[str], ids: Sequence[str], number: int) -> list[int]:
    """Positions of a sample in which each specialty has its share; a larger sample contains a smaller one.

    Within a specialty, and among specialties that cannot all be in the sample, the ids, hashes, decide.
    """
    sizes, seen = Counter(specialties), Counter()
    rank: dict[int, float] = {}  # position → where it is in its specialty, 0 to 1
    for position in sorted(range(len(ids)), key=lambda position: ids[position]):
        name = specialties[position]
        rank[position] = (seen[name] + 0.5) / sizes[name]
        seen[name] += 1
    return sorted(sorted(rank, key=lambda position: (rank[position], ids[position]))[:number])


def read(folder: Path, version: int) -> list[Record]:
    """The records of a split, with normal forms of the folder's version."""
    rows = load(folder).select_columns(["id", "specialty", "question", "response"]).to_list()
    return [Record(**row, form=normal_form(row["question"], version)) for row in rows]


def ids(folder: Path) -> list[str]:
    """The ids of a split."""
    return load(folder).select_columns(["id"]).to_dict()["id"]


def specialty_by_id(folder: Path) -> dict[str, str]:
    """The specialty of each record of a split, by id."""
    columns = load(folder).select_columns(["id", "specialty"]).to_dict()
    return dict(zip(columns["id"], columns["specialty"], strict=True))


def read_held(folder: Path, version: int) -> tuple[list[Record], list[Record]]:
    """The records of holdout and eval in a prepared folder, with normal forms of its version."""
    return read(folder / SPLITS["holdout"], version), read(folder / SPLITS["eval"], version)


def write_splits(
    folder: Path,
    splits: Mapping[str, list[Record]],
    render: Callable[[str, str], str],
    unchanged_in: Path | None,
    watch: Watch,
) -> None:
    """Write all splits; holdout and eval are copied byte by byte from `unchanged_in` where that is given."""
    for name, records in splits.items():
        if unchanged_in and name in ("holdout", "eval"):
            shutil.copytree(unchanged_in / SPLITS[name], folder / SPLITS[name])
        else:
            write(folder / SPLITS[name], records, render, watch)


def write(
    folder: Path,
    records: list[Record],
    render: Callable[[str, str], str],
    watch: Watch = unwatched,
) -> None:
    """Save records as a split, with the `formatted_chat` that `render(question, response)` returns.

    Each data file is written by a separate `save_to_disk`, and one `state.json` lists them all, so that a
    split of half a million records is never in memory as a table. For the same reason the list of records is
    emptied. The fingerprint in `state.json` is a hash of the rows.
    """
    starts = range(0, max(1, len(records)), ROWS_IN_FILE)
    names = [f"data-{number:05d}-of-{len(starts):05d}.arrow" for number in range(len(starts))]
    digest = hashlib.sha256()
    part = folder / "part"
    for number, _ in enumerate(watch(starts, f"Writing {folder.name}")):
        _save(part, records, render, digest)
        (part / "data-00000-of-00001.arrow").rename(folder / names[number])
    state = json.loads((part / "state.json").read_text(encoding="utf-8"))
    state["_data_files"] = [{"filename": name} for name in names]
    state["_fingerprint"] = digest.hexdigest()[:16]
    write_text(folder / "state.json", json.dumps(state, indent=2, sort_keys=True))
    (part / "dataset_info.json").rename(folder / "dataset_info.json")
    shutil.rmtree(part)


def _save(
    folder: Path, records: list[Record], render: Callable[[str, str], str], digest: "hashlib._Hash"
) -> None:
    """Move records from the list into a dataset of one file; `digest` is updated with their bytes."""
    import pyarrow as pa
    from datasets import Dataset, Features, Value
    from datasets.table import InMemoryTable

    schema = Features({name: Value("string") for name in COLUMNS}).arrow_schema
    batches = []
    for _ in range(0, min(len(records), ROWS_IN_FILE), ROWS_AT_ONCE):
        batch = _batch(records, render, schema)
        for column in batch.columns:
            for buffer in column.buffers():
                digest.update(buffer or b"")
        batches.append(batch)
    table = InMemoryTable(pa.Table.from_batches(batches, schema=schema))
    with _no_progress_bars():
        # num_shards: without it an empty split has no file, and cannot be opened again.
        Dataset(table, fingerprint="of one file").save_to_disk(str(folder), num_shards=1)


def _batch(records: list[Record], render: Callable[[str, str], str], schema: "pa.Schema") -> "pa.RecordBatch":
    """Move the next records from the list into a batch."""
    import pyarrow as pa

    rows = records[:ROWS_AT_ONCE]
    del records[:ROWS_AT_ONCE]
    columns = [[getattr(row, name) for row in rows] for name in COLUMNS[:-1]]
    columns.append([render(row.question, row.response) for row in rows])
    # The system's allocator reuses the memory of the records.
    memory = pa.system_memory_pool()
    return pa.record_batch([pa.array(one, pa.string(), memory_pool=memory) for one in columns], schema=schema)


@contextlib.contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Suppress the bar that `datasets` draws for every file; restore its setting afterwards."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not disabled:
            enable_progress_bars()
