"""Records ↔ the folders that `datasets.load_from_disk` opens: the same bytes for the same records."""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.duplicates import normal_form
from medqa.records import Record

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
ROWS_AT_ONCE = 5_000


def load(folder: Path) -> "Dataset":
    """Open a split; its rows stay on disk until they are used."""
    from datasets import load_from_disk

    return load_from_disk(str(folder))


def read(folder: Path) -> list[Record]:
    """The records of a split."""
    rows = load(folder).select_columns(["id", "specialty", "question", "response"]).to_list()
    return [Record(**row, form=normal_form(row["question"])) for row in rows]


def ids(folder: Path) -> list[str]:
    """The ids of a split."""
    return load(folder).select_columns(["id"]).to_dict()["id"]


def write(
    folder: Path,
    records: list[Record],
    render: Callable[[str, str], str],
    watch: Callable[[Sequence[Any], str], Iterable[Any]] = lambda items, _: items,
) -> None:
    """Save records as a split, with the `formatted_chat` that `render(question, response)` gives.

    The list is empty afterwards: half a million records and the table made of them would need their memory
    twice. The fingerprint that `datasets` keeps beside the rows is made from their bytes; left to itself, it
    would pickle the whole table to make one.
    """
    import pyarrow as pa
    from datasets import Dataset, Features, Value
    from datasets.table import InMemoryTable

    schema = Features({name: Value("string") for name in COLUMNS}).arrow_schema
    starts = range(0, len(records), ROWS_AT_ONCE)
    batches = [_batch(records, render, schema) for _ in watch(starts, f"Writing {folder.name}")]
    digest = hashlib.sha256()
    for batch in batches:
        for column in batch.columns:
            for buffer in column.buffers():
                digest.update(buffer or b"")
    table = InMemoryTable(pa.Table.from_batches(batches, schema=schema))
    dataset = Dataset(table, fingerprint=digest.hexdigest()[:16])
    with _no_progress_bars():
        # By itself it saves an empty split as no file at all, which load_from_disk then fails to open.
        dataset.save_to_disk(str(folder), num_shards=None if len(dataset) else 1)


def _batch(records: list[Record], render: Callable[[str, str], str], schema: "pa.Schema") -> "pa.RecordBatch":
    """Take the next records from the list, and make a batch of them."""
    import pyarrow as pa

    rows = records[:ROWS_AT_ONCE]
    del records[:ROWS_AT_ONCE]
    columns = (
        [row.id for row in rows],
        [row.specialty for row in rows],
        [row.question for row in rows],
        [row.response for row in rows],
        [render(row.question, row.response) for row in rows],
    )
    # The system's allocator takes the memory that the records gave back.
    memory = pa.system_memory_pool()
    return pa.record_batch([pa.array(one, pa.string(), memory_pool=memory) for one in columns], schema=schema)


@contextlib.contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Keep `datasets` from drawing a bar for every file, and leave its setting as it was."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not disabled:
            enable_progress_bars()
