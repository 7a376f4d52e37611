"""Where each pair of the input went: the numbers of dataset_stats.json, and what to know of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medqa.records import FILE_PATTERN, TWIN_OTHER_ANSWER, Refused, Source, shared_answers
from medqa.screen import counted
from medqa.specialty_files import listed
from medqa.splits import NEAR_EVAL, NEAR_HOLDOUT, Short, Splits

# An answer under fewer questions than this is nothing to look at.
MANY_QUESTIONS = 10


def statistics(
    source: Source,
    refused: Sequence[Refused],
    splits: Splits,
    groups: np.ndarray,
    shares: Mapping[str, float],
    short: Short,
    holdout_size: int,
) -> dict[str, Any]:
    """The content of dataset_stats.json.

    Args:
        source: what was read.
        refused: every pair that is in no split.
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
    refused_in = Counter(one.specialty for one in refused)
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
    if placed + len(refused) != number:
        raise RuntimeError(f"{number} pairs were read, but {placed} are in splits and {len(refused)} refused")
    in_train = {record.response for record in splits.train}
    sizes = Counter(np.bincount(groups[: len(source.records)]).tolist())
    grouped = {size: times for size, times in sizes.items() if size > 1}
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
        "near_duplicates": {
            "groups": sum(grouped.values()),
            "pairs": sum(size * times for size, times in grouped.items()),
            "largest_group": max(grouped, default=0),
        },
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


def notes(stats: Mapping[str, Any]) -> list[str]:
    """What was found and dealt with, in a line each."""
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
    """What a person should know before training on the splits."""
    told = []
    reasons, rows = stats["rejected_by_reason"], stats["splits_per_specialty"]
    if stats["files_left_out"]:
        told.append(f"not read, because not named {FILE_PATTERN}: {listed(stats['files_left_out'])}.")
    if stats["repeated_keys"]:
        told.append(
            f"{counted(sum(stats['repeated_keys'].values()), 'question')} more than once as a key of one "
            f"JSON object: {listed(stats['repeated_keys'])}. Most programs read the last one only."
        )
    if stats["extra_fields"]:
        told.append(f"fields other than question and answer were left out: {listed(stats['extra_fields'])}.")
    if stats["rejected_pairs"]:
        told.append(
            f"{stats['rejected_pairs']:,} of {counted(stats['input_pairs'], 'pair')} refused "
            f"({', '.join(f'{number:,} × {reason}' for reason, number in reasons.items())}); each is in "
            "rejected.jsonl."
        )
    if conflicts := stats.get("questions_with_conflicting_answers"):  # version 0.1.0 did not write it
        told.append(
            f"{counted(conflicts, 'question has', 'questions have')} conflicting answers in the input; the "
            "longest was kept. A clinician should decide which is right: see rejected.jsonl."
        )
    shared = stats["shared_answers"]
    if shared["most"] >= MANY_QUESTIONS:
        told.append(
            f"one answer is given to {shared['most']:,} questions ({shared['pairs']:,} pairs share "
            f'{counted(shared["answers"], "answer")}): "{shared["most_common"][:80]}…"'
        )
    if stats["holdout_answers_in_train"]:
        told.append(
            f"{stats['holdout_answers_in_train']:,} of {counted(stats['holdout_samples'], 'holdout answer')} "
            "word for word in train, too, under other questions."
        )
    for split, name in (("holdout", "holdout"), ("eval", "eval split")):
        missing = stats["short_of_pairs"].get(split, {})
        if missing:
            cases = [f"{specialty} {got} of {wanted}" for specialty, (got, wanted) in missing.items()]
            told.append(
                f"the {name} is smaller than it should be, because the other questions are near-duplicates "
                f"that must not be parted: {listed(cases)}."
            )
    return told + _warnings_of_size(stats, rows, reasons)


def _warnings_of_size(
    stats: Mapping[str, Any], rows: Mapping[str, Any], reasons: Mapping[str, int]
) -> list[str]:
    told = []
    size = stats.get("holdout_per_specialty", 0)  # version 0.1.0 did not write it
    parted = stats["short_of_pairs"]["holdout"]
    small = [
        f"{name} {row['holdout']}"
        for name, row in rows.items()
        if 0 < row["holdout"] < size and name not in parted
    ]
    if small:
        told.append(
            f"the holdout has fewer than {counted(size, 'question')} of a specialty that had fewer than "
            f"{2 * size:,} usable pairs, because it takes at most half of them: {listed(small)}."
        )
    untested = [name for name, row in rows.items() if not row["holdout"] and row["train"] + row["pool"]]
    if untested:
        told.append(f"no holdout, so that evaluation says nothing about it: {listed(untested)}.")
    idle = [name for name, row in rows.items() if not row["train"]]
    if idle:
        told.append(f"no training data: {listed(idle)}.")
    for split, questions in stats["vanished_from_input"].items():
        if questions:
            told.append(
                f"{counted(len(questions), f'{split} pair')} no longer in the input, but kept, because "
                f"{split} is constant: {listed(questions, 2)}"
            )
    for split, number in stats["other_answer_in_input"].items():
        if number:
            told.append(
                f"another answer in the input now for {counted(number, f'{split} pair')}; the old one stays, "
                f"because {split} is constant."
            )
    near = reasons.get(NEAR_HOLDOUT, 0) + reasons.get(NEAR_EVAL, 0)
    if near:
        told.append(
            f"{counted(near, 'new pair')} near-duplicate a holdout or eval question, and "
            "cannot be trained on."
        )
    return told
