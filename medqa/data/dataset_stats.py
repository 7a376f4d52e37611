"""Counts where each input pair went: dataset_stats.json, and the warnings that follow from it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medqa.artifacts.atomic_io import write_json, write_text
from medqa.data.cleaning import FILE_PATTERN, TWIN_OTHER_ANSWER, RejectedPair, Source, shared_answers
from medqa.data.source_files import listed
from medqa.data.splits import Short, Splits
from medqa.runtime.console import counted


def statistics(
    source: Source,
    splits: Splits,
    groups: np.ndarray,
    shares: Mapping[str, float],
    short: Short,
    holdout_size: int,
) -> dict[str, Any]:
    """The content of dataset_stats.json.

    Args:
        source: what was read, and every pair that is in no split.
        splits: the records of each split.
        groups: int64 [records of source, and more], equal for near-duplicates.
        shares: specialty → share.
        short: splits that near-duplicates made smaller than they should be.
        holdout_size: records of each specialty for the holdout, where it has twice as many or more.

    Raises:
        RuntimeError: a pair is neither in a split nor refused, or is in two places: an error of this program.
    """
    by_name = splits._asdict()
    count = {name: Counter(record.specialty for record in records) for name, records in by_name.items()}
    names = sorted({*shares, *(name for counter in count.values() for name in counter)})
    now = {record.id: record.response for record in source.records}
    refused_in = Counter(one.specialty for one in source.refused)
    vanished = {
        split: sorted(record.question for record in by_name[split] if record.id not in now)
        for split in ("holdout", "eval")
    }
    other_text = {
        split: sum(now.get(record.id, record.response) != record.response for record in by_name[split])
        for split in ("holdout", "eval")
    }
    number = sum(source.pairs.values())
    placed = sum(map(len, splits)) - sum(map(len, vanished.values()))
    refused = source.refused
    if placed + len(refused) != number:
        raise RuntimeError(f"{number} pairs were read, but {placed} are in splits and {len(refused)} refused")
    in_train = {record.response for record in splits.train}
    return {
        "total_specialties": len(names),
        "holdout_samples": len(splits.holdout),
        "train_samples": len(splits.train),
        "eval_samples": len(splits.eval),
        "eval_pool_samples": len(splits.pool),
        "samples_per_specialty": {name: sum(counter[name] for counter in count.values()) for name in names},
        "splits_per_specialty": {
            name: {
                "pairs": source.pairs[name],
                "refused": refused_in[name],
                **{split: counter[name] for split, counter in count.items()},
                "share": shares[name],
            }
            for name in names
        },
        "input_pairs": number,
        "rejected_pairs": len(refused),
        "questions_with_conflicting_answers": len(
            {one.like for one in refused if one.reason == TWIN_OTHER_ANSWER}
        ),
        "rejected_by_reason": dict(sorted(Counter(one.reason for one in refused).items())),
        "cleaned": dict(sorted(source.cleaned.items())),
        "near_duplicates": _group_sizes(groups[: len(source.records)]),
        "shared_answers": shared_answers(source.records),
        "holdout_answers_in_train": sum(record.response in in_train for record in splits.holdout),
        "short_of_pairs": {split: dict(sorted(missing.items())) for split, missing in short.items()},
        "holdout_per_specialty": holdout_size,
        "vanished_from_input": vanished,
        "other_answer_in_input": other_text,
        "repeated_keys": source.repeated_keys,
        "extra_fields": dict(sorted(source.extra_fields.items())),
        "files_left_out": source.left_out,
    }


def _group_sizes(groups: np.ndarray) -> dict[str, int]:
    """Number of groups of near-duplicates, of records in them, and of records in the largest."""
    sizes = Counter(np.bincount(groups).tolist())
    grouped = {size: times for size, times in sizes.items() if size > 1}
    return {
        "groups": sum(grouped.values()),
        "pairs": sum(size * times for size, times in grouped.items()),
        "largest_group": max(grouped, default=0),
    }


def write(folder: Path, stats: Mapping[str, Any], refused: Sequence[RejectedPair]) -> None:
    """Write dataset_stats.json, and rejected.jsonl in an order that does not depend on the input's."""
    write_text(folder / "rejected.jsonl", "".join(sorted(f"{pair.line()}\n" for pair in refused)))
    write_json(folder / "dataset_stats.json", stats)


def read_stats(folder: Path) -> dict[str, Any]:
    """The content of dataset_stats.json in a finished folder."""
    return json.loads((folder / "dataset_stats.json").read_text(encoding="utf-8"))


def pool_sizes(folder: Path) -> dict[str, int]:
    """Specialty → pairs in the pool of a finished folder."""
    return {name: row["pool"] for name, row in read_stats(folder)["splits_per_specialty"].items()}


def notes(stats: Mapping[str, Any]) -> list[str]:
    """Near-duplicates and cleaned texts, one line each."""
    near = stats["near_duplicates"]
    told = []
    if near["groups"]:
        told.append(
            f"Near-duplicates: {near['pairs']:,} questions in {counted(near['groups'], 'group')}, the "
            f"largest of {near['largest_group']:,}; no group lies on two sides of holdout, "
            "eval, and train with pool."
        )
    told += [
        f"Cleaned: {rule} in {counted(number, 'pair')}."
        for rule, number in stats["cleaned"].items()
        if number
    ]
    return told


def warnings(stats: Mapping[str, Any]) -> list[str]:
    """What needs a decision or a correction before training; everything else is in dataset_stats.json."""
    told = []
    rows = stats["splits_per_specialty"]
    if stats["files_left_out"]:
        told.append(f"not read, because not named {FILE_PATTERN}: {listed(stats['files_left_out'])}.")
    if stats["extra_fields"]:
        told.append(f"fields other than question and answer were ignored: {listed(stats['extra_fields'])}.")
    if stats["rejected_pairs"]:
        reasons = [f"{number:,} × {reason}" for reason, number in stats["rejected_by_reason"].items()]
        told.append(
            f"{stats['rejected_pairs']:,} of {counted(stats['input_pairs'], 'pair')} refused "
            f"({', '.join(reasons)}); each is in rejected.jsonl."
        )
    if conflicts := stats.get("questions_with_conflicting_answers"):  # version 0.1.0 did not write it
        told.append(
            f"{counted(conflicts, 'question has', 'questions have')} conflicting answers in the input; the "
            "longest was kept. A clinician should decide which is right: see rejected.jsonl."
        )
    if stats["holdout_answers_in_train"]:
        told.append(
            f"{stats['holdout_answers_in_train']:,} of {counted(stats['holdout_samples'], 'holdout answer')} "
            "also in train word for word, under other questions."
        )
    size = stats.get("holdout_per_specialty", 1)  # version 0.1.0 did not write it
    small = [
        f"{name} {row['holdout']}"
        for name, row in rows.items()
        if row["holdout"] < size and row["holdout"] + row["train"] + row["pool"]
    ]
    if small:
        told.append(
            f"fewer than {counted(size, 'holdout question')}, so that evaluation says little about: "
            f"{listed(small)}."
        )
    if idle := [name for name, row in rows.items() if not row["train"]]:
        told.append(f"no training data: {listed(idle)}.")
    moved = sum(map(len, stats["vanished_from_input"].values())) + sum(
        stats["other_answer_in_input"].values()
    )
    if moved:
        told.append(
            f"{counted(moved, 'holdout or eval pair')} no longer in the input, or with another answer there; "
            "the prepared ones stay, because holdout and eval are constant."
        )
    return told
