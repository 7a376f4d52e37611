"""Counts what happened to each input pair: dataset_stats.json, and the notes and warnings based on it."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medqa.artifacts.atomic_io import write_json, write_text
from medqa.data import field_names
from medqa.data.cleaning import HAS_IDENTIFIERS, TWIN_OTHER_ANSWER, Record, shared_answers
from medqa.data.containers import SUFFIXES
from medqa.data.source_files import FILE_PATTERN, Source, extension_advice, listed
from medqa.data.splits import Short, Splits
from medqa.runtime.console import counted

DEMO_DATA = "DEMO DATA: these are the questions of demo/data. To use your own: --DATA_DIR FOLDER"


def statistics(
    source: Source,
    splits: Splits,
    groups: np.ndarray,
    shares: Mapping[str, float],
    short: Short,
    holdout_size: int,
    quality: Mapping[str, Any],
    demo_data: bool,
) -> dict[str, Any]:
    """The content of dataset_stats.json.

    Args:
        source: what was read, and every pair that is in no split.
        splits: the records of each split.
        groups: int64 [records of source, and more], equal for near-duplicates.
        shares: specialty → share.
        short: splits that have fewer records than wanted, because of near-duplicates.
        holdout_size: records of each specialty for the holdout, where it has twice as many or more.
        quality: from `text_quality.measure`.
        demo_data: whether the pairs are those of the repository's demo.

    Raises:
        RuntimeError: a pair is neither in a split nor refused, or is counted twice: a bug.
    """
    refused = source.refused
    vanished, other_text = _compared_with_input(source, splits._asdict())
    number = sum(source.pairs.values())
    placed = sum(map(len, splits)) - sum(map(len, vanished.values()))
    if placed + len(refused) != number:
        raise RuntimeError(f"{number} pairs were read, but {placed} are in splits and {len(refused)} refused")
    in_train = {record.response for record in splits.train}
    return {
        **_sizes(source, splits, shares),
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
        "removed_from_train": dict(sorted(source.removed_from_train.items())),
        "repeated_keys": source.repeated_keys,
        "odd_records": source.odd_records,
        "extra_fields": dict(sorted(source.extra_fields.items())),
        "files_left_out": source.left_out,
        "demo_data": demo_data,
        "read_as": source.read_as,
        "text_quality": {name: quality[name] for name in ("html", "mojibake", "other_language")},
        "identifiers": quality["identifiers"]
        | {"refused": sum(one.reason.startswith(HAS_IDENTIFIERS.format("")[:-1]) for one in refused)},
    }


def _sizes(source: Source, splits: Splits, shares: Mapping[str, float]) -> dict[str, Any]:
    """Number of records in each split, in all and by specialty."""
    count = {
        name: Counter(record.specialty for record in records) for name, records in splits._asdict().items()
    }
    refused = Counter(one.specialty for one in source.refused)
    names = sorted(
        name
        for name in {*shares, *(name for counter in count.values() for name in counter)}
        # A specialty whose file is gone, and which no split has ever kept, is in `shares` for ever.
        if name in source.files or any(counter[name] for counter in count.values())
    )
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
                "refused": refused[name],
                **{split: counter[name] for split, counter in count.items()},
                "share": shares[name],
            }
            for name in names
        },
    }


def _compared_with_input(
    source: Source, splits: Mapping[str, list[Record]]
) -> tuple[dict[str, list[str]], dict[str, int]]:
    """By split, holdout and eval questions that left the input, and the number with another answer there."""
    now = {record.id: record.response for record in source.records}
    vanished, other_text = {}, {}
    for split in ("holdout", "eval"):
        records = splits[split]
        vanished[split] = sorted(record.question for record in records if record.id not in now)
        other_text[split] = sum(now.get(record.id, record.response) != record.response for record in records)
    return vanished, other_text


def _group_sizes(groups: np.ndarray) -> dict[str, int]:
    """Number of groups of near-duplicates, of records in them, and of records in the largest."""
    sizes = Counter(np.bincount(groups).tolist())
    grouped = {size: times for size, times in sizes.items() if size > 1}
    return {
        "groups": sum(grouped.values()),
        "pairs": sum(size * times for size, times in grouped.items()),
        "largest_group": max(grouped, default=0),
    }


def write(folder: Path, stats: Mapping[str, Any], source: Source, masked: bool) -> None:
    """Write dataset_stats.json, and rejected.jsonl in an order that does not depend on that of the input.

    `masked`: whether identifiers in refused pairs are masked, whatever the pairs were refused for.
    """
    refused = [pair.masked() for pair in source.refused] if masked else source.refused
    lines = sorted(f"{pair.line(source.files[pair.specialty])}\n" for pair in refused)
    write_text(folder / "rejected.jsonl", "".join(lines))
    write_json(folder / "dataset_stats.json", stats)


def read_stats(folder: Path) -> dict[str, Any]:
    """The content of dataset_stats.json in a finished folder."""
    return json.loads((folder / "dataset_stats.json").read_text(encoding="utf-8"))


def pool_sizes(folder: Path) -> dict[str, int]:
    """Specialty → pairs in the pool of a finished folder."""
    return {name: row["pool"] for name, row in read_stats(folder)["splits_per_specialty"].items()}


def notes(stats: Mapping[str, Any]) -> list[str]:
    """How files were read, near-duplicates and cleaned texts, one line each."""
    files: defaultdict[str, list[str]] = defaultdict(list)
    for name, form in stats.get("read_as", {}).items():  # version 0.2.0 did not write it
        files[form].append(name)
    found = [f"Read as {form}: {listed(names, 3)}." for form, names in sorted(files.items())]
    near = stats["near_duplicates"]
    if near["groups"]:
        found.append(
            f"Near-duplicates: {near['pairs']:,} questions in {counted(near['groups'], 'group')}, the "
            f"largest of {near['largest_group']:,}; no group is on two sides of holdout, "
            "eval, and train with pool."
        )
    cleaned = stats["cleaned"].items()
    return found + [f"Cleaned: {rule} in {counted(number, 'pair')}." for rule, number in cleaned if number]


def notes_for_card(stats: Mapping[str, Any]) -> list[str]:
    """Paragraphs for the model card: demo data and identifiers; version 0.2.0 did not record them."""
    found = ["This is an adapter for **demo data**, not for use.", ""] if stats.get("demo_data") else []
    identifiers = stats.get("identifiers")
    if identifiers:
        kinds = ", ".join(f"{kind} {number:,}" for kind, number in identifiers.get("kinds", {}).items())
        found += [
            f"Identifiers of persons: rules found them in {counted(identifiers['pairs'], 'pair')}"
            f"{f' ({kinds})' if kinds else ''}; {identifiers['refused']:,} more were refused. The rules do "
            "not find names without a title.",
            "",
        ]
    return found


def warnings(stats: Mapping[str, Any], eval_share: float) -> list[str]:
    """What needs a decision or a correction before training; everything else is in dataset_stats.json.

    Args:
        stats: the content of dataset_stats.json.
        eval_share: the setting EVAL_SPLIT_SIZE, which is constant in a folder.
    """
    found = []
    rows = stats["splits_per_specialty"]
    if stats["files_left_out"]:
        pattern = f"{FILE_PATTERN} (or {', '.join(SUFFIXES[1:])})"
        advice = extension_advice(stats["files_left_out"])
        found.append(f"not read, because not named {pattern}: {listed(stats['files_left_out'])}.{advice}")
    if stats["extra_fields"]:
        names = field_names.listed(list(stats["extra_fields"]), 5)
        found.append(f"fields other than question and answer were ignored: {names}.")
    if stats["rejected_pairs"]:
        reasons = [f"{number:,} × {reason}" for reason, number in stats["rejected_by_reason"].items()]
        found.append(
            f"{stats['rejected_pairs']:,} of {counted(stats['input_pairs'], 'pair')} refused "
            f"({', '.join(reasons)}); each is in rejected.jsonl."
        )
    for file, odd in stats.get("odd_records", {}).items():  # earlier versions refused the file
        places = listed((one.partition(":")[0].removeprefix("record ") for one in odd), 10)
        found.append(
            f"{file}: {counted(len(odd), 'record')} with more than one reading refused (number {places}). "
            f"{odd[0].capitalize()}."
        )
    if conflicts := stats.get("questions_with_conflicting_answers"):  # version 0.1.0 did not write it
        found.append(
            f"{counted(conflicts, 'question has', 'questions have')} conflicting answers in the input; the "
            "longest was kept. A clinician should decide which is right: see rejected.jsonl."
        )
    found += _about_names(rows)
    found += _about_texts(stats)
    if stats["holdout_answers_in_train"]:
        found.append(
            f"{stats['holdout_answers_in_train']:,} of {counted(stats['holdout_samples'], 'holdout answer')} "
            "also in train word for word, under other questions."
        )
    found += _about_holdout(stats)
    found += _about_eval(stats, eval_share)
    if idle := [name for name, row in rows.items() if not row["train"]]:
        found.append(f"no training data: {listed(idle)}.")
    return found + _about_later_input(stats)


def _about_names(specialties: Iterable[str]) -> list[str]:
    """Warnings about names that the command line takes for options, and that differ only in letter case."""
    found = []
    if options := [name for name in specialties if name.startswith("-")]:
        found.append(
            f'the command line takes a name that begins with "-" for an option: {listed(options)}. Its share '
            f'can only be set in Python: SPECIALTY_SAMPLE_PERCENTAGES={{"{options[0]}": 0.8}}. Before the '
            "first preparation, the file can also be renamed."
        )
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name in specialties:
        alike[name.casefold()].append(name)
    return found + [
        f"{' and '.join(names)} differ only in letter case and count as {len(names)} specialties, each with "
        "its own share; a renamed file has no holdout. If they are one, rename the file back to its first "
        "name, or merge the files."
        for names in alike.values()
        if len(names) > 1
    ]


def _about_later_input(stats: Mapping[str, Any]) -> list[str]:
    """Warnings of later iterations about pairs that left the input, or changed there."""
    found = []
    if removed := stats.get("removed_from_train"):  # earlier versions did not count them
        pairs = counted(sum(removed.values()), "pair")
        by_specialty = listed(f"{name} {number:,}" for name, number in removed.items())
        found.append(
            f"{pairs} left train in this iteration, because the input no longer has a usable pair with the "
            f"same question: {by_specialty}. To train on them again, restore them in DATA_DIR."
        )
    moved = sum(map(len, stats["vanished_from_input"].values())) + sum(
        stats["other_answer_in_input"].values()
    )
    if moved:
        found.append(
            f"{counted(moved, 'holdout or eval pair')} no longer in the input, or with another answer there; "
            "the prepared ones stay, because holdout and eval are constant."
        )
    return found


def _about_holdout(stats: Mapping[str, Any]) -> list[str]:
    """A warning about a holdout that is empty, or too small for some specialties."""
    if not stats["holdout_samples"]:
        return [
            "the holdout is empty (HOLDOUT_SAMPLES_PER_SPECIALTY), so evaluation.py will have no question to "
            'answer and cannot compare the models. It can try the adapter on a question: --ASK "…". The '
            "holdout of a folder is constant; for an evaluation, prepare another folder: --OUTPUT_DIR …"
        ]
    size = stats.get("holdout_per_specialty", 1)  # version 0.1.0 did not write it
    small = [
        f"{name} {row['holdout']}"
        for name, row in stats["splits_per_specialty"].items()
        if row["holdout"] < size and row["holdout"] + row["train"] + row["pool"]
    ]
    if not small:
        return []
    return [
        f"fewer than {counted(size, 'holdout question')}, so that evaluation says little about: "
        f"{listed(small)}."
    ]


def _about_eval(stats: Mapping[str, Any], eval_share: float) -> list[str]:
    """A warning about an eval split that is empty or too small, although the settings ask for one."""
    if eval_share and not stats["eval_samples"]:
        return [
            f"the eval split is empty: EVAL_SPLIT_SIZE = {eval_share:g} of the pairs that the first "
            "preparation selected rounds to none in each specialty, or all were near-duplicates. Fine-tuning "
            "cannot choose the best adapter and saves the last one. Eval is constant in a folder "
            "and stays empty when pairs are added; with more pairs, a new folder gets one: --OUTPUT_DIR …"
        ]
    short = [
        f"{name} {number:,} of {wanted:,}"
        for name, (number, wanted) in stats["short_of_pairs"].get("eval", {}).items()
    ]
    if not short:
        return []
    return [f"fewer eval pairs than EVAL_SPLIT_SIZE asks for, because of near-duplicates: {listed(short)}."]


def _about_texts(stats: Mapping[str, Any]) -> list[str]:
    """Warnings about broken texts and identifiers; version 0.2.0 did not count them."""
    quality = stats.get("text_quality", {})
    language = quality.get("other_language", {})
    others = ", ".join(language.get("kinds", ()))
    what = {
        "html": "HTML remains",
        "mojibake": "broken characters, from a wrong encoding",
        "other_language": f"an answer in another language ({others}) than most ({language.get('main')})",
    }
    # Of many answers, only a share is judged; earlier versions judged all.
    if language.get("judged", stats["input_pairs"]) < stats["input_pairs"] - stats["rejected_pairs"]:
        what["other_language"] += f", of {language['judged']:,} judged"
    found = []
    for name, text in what.items():
        if quality and quality[name]["pairs"]:
            pairs = counted(quality[name]["pairs"], "pair has", "pairs have")
            found.append(f'{pairs} {text}, for example: "{quality[name]["example"]}"')
    identifiers = stats.get("identifiers", {})
    if identifiers.get("pairs"):
        kinds = ", ".join(f"{kind} {number:,}" for kind, number in identifiers["kinds"].items())
        found.append(
            f"{counted(identifiers['pairs'], 'pair seems', 'pairs seem')} to contain identifiers of persons "
            f'({kinds}), for example: "{identifiers["example"]}". Remove them from the data, or refuse these '
            "pairs with --REFUSE_IDENTIFIERS."
        )
    return found
