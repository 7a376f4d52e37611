"""Stage 1: specialty files → holdout, eval, train and pool.

    python dataset_preparation.py --DATA_DIR /path/to/json/files
    python dataset_preparation.py --SPECIALTY_SAMPLE_PERCENTAGES cardiology 0.8 neurology 0.6
    python dataset_preparation.py --RECOMMENDATIONS evaluation_results/training_recommendations.json

The first run chooses holdout and eval, which stay constant. Every later run in the same OUTPUT_DIR is an
iteration: it raises shares and takes in new pairs; pairs move from the pool to train, never back.
"""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config import LIMITS, DatasetConfig, TrainingConfig
from medqa.artifacts import atomic_io, history_csv, output_dir, run_manifest
from medqa.modeling.chat_template import apply_chat_template, render, require_prefix, template_sha256
from medqa.runtime import library_warnings, progress
from medqa.runtime.cli import checked, next_command, parse
from medqa.runtime.console import WarningLog, counted, elapsed, print_rank0
from medqa.runtime.entrypoint import run_script
from medqa.runtime.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from medqa.data.cleaning import RejectedPair, Source
    from medqa.data.iterations import Iteration
    from medqa.data.splits import Short, Splits

    Datasets = tuple[Dataset, Dataset, Dataset, Dataset]

FILES = {
    "holdout_dataset/": "constant test set",
    "train_dataset/": "training data of this iteration",
    "eval_dataset/": "constant evaluation split for fine-tuning",
    "eval_pool_dataset/": "what later iterations can take from",
    "dataset_stats.json": "numbers by specialty and by reason",
    "rejected.jsonl": "each refused pair, with the reason",
    "manifest.json": "settings, input, iteration, what changed",
}


def create_datasets(config: DatasetConfig) -> "Datasets":
    """Prepare OUTPUT_DIR, or bring it up to date with input and settings.

    Returns:
        (holdout, train, eval, pool), each with the columns id, specialty, question, response, formatted_chat.

    Raises:
        UserError: what is wrong with settings or input, one line each; OUTPUT_DIR is left as it was.
    """
    return prepare(config, {})


def update_training_data(config: DatasetConfig, specialty_adjustments: Mapping[str, float]) -> "Datasets":
    """Give specialties another share of their data: `{"cardiology": 0.8}`. The others keep theirs.

    Returns and raises what `create_datasets` does; holdout and eval stay what they are.
    """
    return prepare(config, specialty_adjustments)


def prepare(config: DatasetConfig, adjustments: Mapping[str, float]) -> "Datasets":
    """Read → clean → group duplicates → split → format → write; or find that there is nothing to do."""
    from medqa.data import cleaning, dataset_stats, iterations, near_duplicates, source_files

    started, clock = run_manifest.now(), time.monotonic()
    config = checked(config, DatasetConfig, LIMITS)
    folder = Path(config.OUTPUT_DIR)

    # 1. Check what can be checked before anything is read.
    require_prefix(apply_chat_template)
    prompt = {
        "chat_template_sha256": template_sha256(apply_chat_template),
        "system_message": config.SYSTEM_MESSAGE,
    }
    found = source_files.find_files(Path(config.DATA_DIR))
    requests, rounds = {"specialty_adjustments": adjustments}, []
    if config.RECOMMENDATIONS:
        recommended, rounds = iterations.read_recommendations(Path(config.RECOMMENDATIONS))
        requests = {config.RECOMMENDATIONS: recommended, **requests}
    tokenizer = load_tokenizer(config)

    with output_dir.output_dir_lock(folder, iterations.STAGE):
        # 2. Compare with the last iteration in this folder.
        output_dir.recover(folder)
        before = iterations.read(folder)
        if before:
            iterations.require_constants(config, before, folder)
        shares = iterations.next_shares(found.files, before, config, requests)
        hashes = source_files.sha256_of(found.files)
        changes = iterations.changes(before, shares, hashes, prompt)
        if before and not changes and not before.damaged and not found.problems:
            print_rank0(f"{folder} is up to date: same input, shares and prompt.")
            return report(folder, config, tokenizer)

        constant = f"stay as in iteration {before.number}" if before else "are chosen now"
        files = counted(len(found.files), "specialty file")
        print_rank0(f"Input: {files} in {config.DATA_DIR}; holdout and eval {constant}")

        # 3. Read and clean, and group questions that ask nearly the same.
        source = source_files.read_files(found, progress.watch)
        cleaning.require_usable(source, config.DATA_DIR)
        texts = [*(record.form for record in source.records), *vanished_from(source, before, config)]
        groups = near_duplicates.groups(texts, progress.watch)

        # 4. Split: holdout and eval once for the life of the folder, the rest into train and pool.
        splits, refused, short = split(source, groups, before, shares, config)
        size = config.HOLDOUT_SAMPLES_PER_SPECIALTY
        stats = dataset_stats.statistics(source, refused, splits, groups, shares, short, size)
        train_samples = {name: row["train"] for name, row in stats["splits_per_specialty"].items()}
        source.records.clear()  # the splits hold the records, and writing takes them from there

        # 5. Format and write, the manifest last.
        with output_dir.atomic_publish(folder) as staging:
            same_prompt = before is not None and before.prompt == prompt
            write_splits(staging, splits, config.SYSTEM_MESSAGE, folder if same_prompt else None)
            lines = sorted(f"{one.line()}\n" for one in refused)
            atomic_io.write_text(staging / "rejected.jsonl", "".join(lines))
            atomic_io.write_json(staging / "dataset_stats.json", stats)
            run_manifest.write_manifest(
                staging,
                iterations.STAGE,
                config,
                started,
                {str(path): hashes[specialty] for specialty, path in found.files.items()},
                iteration=before.number + bool(changes) if before else 1,
                changes=changes or [f"made anew, because missing or edited: {', '.join(before.damaged)}"],
                shares=shares,
                short_of_pairs=short,
                train_samples=train_samples,
                growth=iterations.growth(before, shares, train_samples),
                command=iterations.command(config),
                history=history_csv.merged(before.history if before else [], rounds),
                **prompt,
            )
        seconds = elapsed(time.monotonic() - clock)
        print_rank0(
            f"Prepared {counted(stats['input_pairs'], 'pair')} of "
            f"{counted(len(found.files), 'specialty', 'specialties')} in {seconds}."
        )
        return report(folder, config, tokenizer)


def load_tokenizer(config: DatasetConfig) -> Any:
    """The tokenizer to count tokens with; None without one, and lengths are told in words."""
    if not config.TOKENIZER:
        return None
    from medqa.modeling.base_model import BaseModel

    library_warnings.quiet()
    return BaseModel(config.TOKENIZER, "TOKENIZER").tokenizer


def vanished_from(source: "Source", before: "Iteration | None", config: DatasetConfig) -> list[str]:
    """Normal forms of the holdout and eval questions that have left the input: new pairs avoid them, too."""
    from medqa.data import dataset_io

    if before is None:
        return []
    now = {record.id for record in source.records}
    forms: list[str] = []
    number = 0
    for name in ("holdout", "eval"):
        split = Path(config.OUTPUT_DIR) / dataset_io.SPLITS[name]
        ids = dataset_io.ids(split)
        forms += dataset_io.forms(split, [position for position, key in enumerate(ids) if key not in now])
        number += len(ids)
    data_before = before.settings["DATA_DIR"]
    if number and len(forms) == number and data_before != config.DATA_DIR:
        raise UserError(
            f"{config.DATA_DIR} has none of the holdout and eval questions in {config.OUTPUT_DIR}, which "
            f"came from {data_before}. Go on with --DATA_DIR {data_before}, or give the new data a folder of "
            "its own: --OUTPUT_DIR …"
        )
    return forms


def split(
    source: "Source",
    groups: "np.ndarray",
    before: "Iteration | None",
    shares: Mapping[str, float],
    config: DatasetConfig,
) -> "tuple[Splits, list[RejectedPair], Short]":
    """Choose holdout and eval, or keep them as they are on disk; divide the other pairs of the input."""
    from medqa.data import dataset_io, splits

    if before is None:
        sizes = config.HOLDOUT_SAMPLES_PER_SPECIALTY, config.EVAL_SPLIT_SIZE
        first, short = splits.first_splits(source.records, groups, shares, *sizes, config.RANDOM_SEED)
        return first, source.refused, short
    folder = Path(config.OUTPUT_DIR)
    holdout, evals = (dataset_io.read(folder / dataset_io.SPLITS[name]) for name in ("holdout", "eval"))
    others, refused = splits.without_near(holdout, evals, source.records, groups, progress.watch)
    train_folder = dataset_io.SPLITS["train"]
    lost = any(name.startswith(train_folder) for name in before.damaged)
    trained = set() if lost else set(dataset_io.ids(folder / train_folder))
    later = splits.next_splits(holdout, evals, others, trained, shares, config.RANDOM_SEED)
    return later, source.refused + refused, before.short


def write_splits(staging: Path, splits: "Splits", system_message: str, unchanged_in: Path | None) -> None:
    """Write the four splits; holdout and eval are copied byte by byte from where they are unchanged."""
    from medqa.data import dataset_io

    def chat(question: str, response: str) -> str:
        return render(apply_chat_template, question, response, system_message)

    for name, records in splits._asdict().items():
        target = staging / dataset_io.SPLITS[name]
        if unchanged_in and name in ("holdout", "eval"):
            shutil.copytree(unchanged_in / dataset_io.SPLITS[name], target)
        else:
            dataset_io.write(target, records, chat, progress.watch)


def report(folder: Path, config: DatasetConfig, tokenizer: Any) -> "Datasets":
    """Show what `folder` holds, and open it."""
    from medqa.data import dataset_io, dataset_stats, iterations, preview

    manifest = run_manifest.read_manifest(folder)
    stats = dataset_stats.read_stats(folder)
    datasets = {name: dataset_io.load(folder / path) for name, path in dataset_io.SPLITS.items()}
    print_rank0(f"Iteration {manifest['iteration']}: {'; '.join(manifest['changes'])}.")
    print_rank0("", preview.specialty_table(stats["splits_per_specialty"]), "", *dataset_stats.notes(stats))
    if manifest["growth"]:
        print_rank0("", "Changed in this iteration:", iterations.growth_table(manifest["growth"]))
    shown = datasets["train"] if len(datasets["train"]) else datasets["pool"]
    measured = preview.measure(
        shown, tokenizer, apply_chat_template, config.SYSTEM_MESSAGE, config.MAX_SEQ_LENGTH
    )
    print_rank0("", *measured.lines)

    WarningLog([*dataset_stats.warnings(stats), *measured.warnings]).show()
    print_rank0("", f"In {folder}:", *(f"  {name:<20} {what}" for name, what in FILES.items()))
    following = next_command("fine_tuning.py", TrainingConfig, {"DATASET_DIR": config.OUTPUT_DIR})
    print_rank0("", f"Next:  {following}")
    return tuple(datasets[name] for name in ("holdout", "train", "eval", "pool"))


if __name__ == "__main__":
    run_script(
        lambda: create_datasets(parse(DatasetConfig, __doc__)),
        "The old content of OUTPUT_DIR is in place; run the same command again.",
    )
