"""Stage 1: split the pairs of the specialty files into holdout, eval, train and pool.

    python dataset_preparation.py --DATA_DIR /path/to/json/files
    python dataset_preparation.py --SPECIALTY_SAMPLE_PERCENTAGES cardiology 0.8 neurology 0.6
    python dataset_preparation.py --RECOMMENDATIONS evaluation_results/training_recommendations.json

The first run chooses holdout and eval, which stay constant. Every later run in the same OUTPUT_DIR is an
iteration: it raises shares and adds new pairs; pairs move from the pool to train, never back.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config import LIMITS, DatasetConfig, TrainingConfig
from medqa.artifacts import output_dir, run_manifest
from medqa.data.normal_form import VERSION
from medqa.modeling.chat_template import apply_chat_template
from medqa.runtime import progress
from medqa.runtime.cli import checked, given_and_default, next_command, parse
from medqa.runtime.console import WarningLog, counted, elapsed, highlighted, print_rank0
from medqa.runtime.entrypoint import run_script

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from medqa.data.iterations import Iteration
    from medqa.data.prompt_source import PromptSource
    from medqa.data.source_files import Folder, Source
    from medqa.data.splits import Short, Splits

    Datasets = tuple[Dataset, Dataset, Dataset, Dataset]

FILES = {
    "holdout_dataset/": "constant test set",
    "train_dataset/": "training data of this iteration",
    "eval_dataset/": "constant evaluation split for fine-tuning",
    "eval_pool_dataset/": "pairs that later iterations can train on",
    "dataset_stats.json": "counts by specialty and by reason",
    "rejected.jsonl": "each refused pair, with the reason",
    "manifest.json": "settings, input, iteration, what changed",
}


def create_datasets(config: DatasetConfig) -> "Datasets":
    """Prepare OUTPUT_DIR, or bring it up to date with input and settings.

    Returns:
        (holdout, train, eval, pool), each with the columns id, specialty, question, response, formatted_chat.

    Raises:
        UserError: every mistake in settings or input, one line each; OUTPUT_DIR does not change.
    """
    return prepare(config, {})


def update_training_data(config: DatasetConfig, specialty_adjustments: Mapping[str, float]) -> "Datasets":
    """Change the shares of some specialties, as in `{"cardiology": 0.8}`; the others keep theirs.

    Returns and raises the same as `create_datasets`; holdout and eval do not change.
    """
    return prepare(config, specialty_adjustments)


def prepare(config: DatasetConfig, adjustments: Mapping[str, float]) -> "Datasets":
    """Read → clean → group near-duplicates → split → format → write; stop early when nothing has changed."""
    from medqa.data import dataset_io, dataset_stats, input_checks, iterations, near_duplicates, prompt_source
    from medqa.data.requested_shares import about_recommendations, next_shares, requested_shares
    from medqa.data.source_files import find_files, sha256_of

    started, clock = run_manifest.now(), time.monotonic()
    config = checked(config, DatasetConfig, LIMITS)
    folder = Path(config.OUTPUT_DIR)
    if is_demo(config):
        print_rank0(highlighted(dataset_stats.DEMO_DATA))

    # 1. Check what can be checked before any pair is read.
    input_checks.require_settings(folder, Path(config.DATA_DIR), config.EVAL_SPLIT_SIZE)
    prompt = prompt_source.prompt_source(apply_chat_template, config.TOKENIZER, config.SYSTEM_MESSAGE)
    found = find_files(Path(config.DATA_DIR))
    requests = requested_shares(config.RECOMMENDATIONS, adjustments)

    with output_dir.output_dir_lock(folder, iterations.STAGE):
        # 2. Compare with the last iteration in this folder.
        before = iterations.read(folder, vars(DatasetConfig()))
        iterations.require_constants(vars(config), before, folder)
        prompt_source.require_tokenizer_of(before, prompt, folder)
        wanted = config.INITIAL_TRAIN_PERCENTAGE, config.SPECIALTY_SAMPLE_PERCENTAGES
        shares = next_shares(found.files, before, *wanted, requests.shares)
        remarks = about_recommendations(config.RECOMMENDATIONS, requests, before, folder)
        hashes = sha256_of(found.files)
        changes = iterations.changes(before, shares, hashes, prompt.identity)
        if before and not changes and not before.damaged and not found.problems:
            print_rank0(f"{folder} is up to date: same input, shares and prompt.")
            return report(folder, config, prompt, remarks)

        constant = f"stay as in iteration {before.number}" if before else "are chosen now"
        files = counted(len(found.files), "specialty file")
        print_rank0(f"Input: {files} in {config.DATA_DIR}; holdout and eval {constant}")

        # 3. Read and clean, group near-duplicates, and split.
        source = read(found, before, config)
        vanished = iterations.vanished_forms(source.records, before, folder, config.DATA_DIR)
        forms = [*(record.form for record in source.records), *vanished]
        groups = near_duplicates.groups(forms, progress.watch)
        splits, short = split(source, groups, before, shares, config)
        stats = count(source, splits, groups, before, shares, short, config)
        source.records.clear()  # `splits` holds the records, and writing removes them from there

        # 4. Format and write, the manifest last.
        settings = given_and_default(config)
        inputs = {str(path): hashes[specialty] for specialty, path in found.files.items()}
        given = {"DATA_DIR": config.DATA_DIR} | settings["given"]
        record = iterations.record(before, changes, shares, short, stats, given, requests.history)
        with output_dir.atomic_publish(folder) as staging:
            unchanged = folder if before and before.prompt == prompt.identity else None
            dataset_io.write_splits(staging, splits._asdict(), prompt.render, unchanged, progress.watch)
            dataset_stats.write(staging, stats, source, config.REFUSE_IDENTIFIERS)
            record |= {**prompt.identity, "chat_template_of": prompt.source}
            run_manifest.write_manifest(staging, iterations.STAGE, settings, started, inputs, **record)
        seconds = elapsed(time.monotonic() - clock)
        specialties = counted(len(found.files), "specialty", "specialties")
        print_rank0(f"Prepared {counted(stats['input_pairs'], 'pair')} of {specialties} in {seconds}.")
        return report(folder, config, prompt, remarks)


def is_demo(config: DatasetConfig) -> bool:
    """Whether the data are those of the demo, which are also used when nobody gives a DATA_DIR."""
    return Path(config.DATA_DIR).resolve() == (Path(__file__).parent / "demo" / "data").resolve()


def read(found: "Folder", before: "Iteration | None", config: DatasetConfig) -> "Source":
    """Read the files and clean their pairs."""
    from medqa.data import field_names, input_checks, source_files

    how = source_files.ReadingOptions(
        field_names.FieldNames(config.QUESTION_FIELD, config.ANSWER_FIELD),
        before.normal_form if before else VERSION,
        config.REFUSE_IDENTIFIERS,
    )
    source = source_files.read_files(found, how, progress.watch)
    input_checks.require_usable(source, config.DATA_DIR)
    return source


def split(
    source: "Source",
    groups: "np.ndarray",
    before: "Iteration | None",
    shares: Mapping[str, float],
    config: DatasetConfig,
) -> "tuple[Splits, Short]":
    """Choose holdout and eval, or keep those on disk; divide the other pairs of the input."""
    from medqa.data import dataset_io, splits

    if before is None:
        sizes = config.HOLDOUT_SAMPLES_PER_SPECIALTY, config.EVAL_SPLIT_SIZE
        return splits.first_splits(source.records, groups, shares, *sizes, config.RANDOM_SEED)
    folder = Path(config.OUTPUT_DIR)
    holdout, evals = dataset_io.read_held(folder, before.normal_form)
    others, refused = splits.without_near(holdout, evals, source.records, groups, progress.watch)
    source.refused += refused
    train_folder = dataset_io.SPLITS["train"]
    lost = any(name.startswith(train_folder) for name in before.damaged)
    trained = {} if lost else dataset_io.specialty_by_id(folder / train_folder)
    now = {record.id for record in others}
    source.removed_from_train.update(name for key, name in trained.items() if key not in now)
    later = splits.next_splits(holdout, evals, others, trained, shares, config.RANDOM_SEED)
    return later, before.short


def count(
    source: "Source", splits: "Splits", groups: "np.ndarray", before: "Iteration | None",
    shares: Mapping[str, float], short: "Short", config: DatasetConfig,
) -> dict[str, Any]:  # fmt: skip
    """Check the splits, and count what happened to each pair: the content of dataset_stats.json."""
    from medqa.data import dataset_stats, input_checks, text_quality

    size = config.HOLDOUT_SAMPLES_PER_SPECIALTY
    input_checks.require_splits(splits, groups, 0 if before else size)
    quality = text_quality.measure(source.records, progress.watch)
    return dataset_stats.statistics(source, splits, groups, shares, short, size, quality, is_demo(config))


def report(folder: Path, config: DatasetConfig, prompt: "PromptSource", remarks: list[str]) -> "Datasets":
    """Print what `folder` contains, with `remarks` among the warnings, and load it."""
    from medqa.data import dataset_io, dataset_stats, iterations, preview, prompt_source

    manifest = run_manifest.read_manifest(folder)
    stats = dataset_stats.read_stats(folder)
    datasets = {name: dataset_io.load(folder / path) for name, path in dataset_io.SPLITS.items()}
    print_rank0(f"Iteration {manifest['iteration']}: {'; '.join(manifest['changes'])}.")
    print_rank0("", preview.specialty_table(stats["splits_per_specialty"]), "", *dataset_stats.notes(stats))
    if manifest["growth"]:
        print_rank0("", "Changed in this iteration:", iterations.growth_table(manifest["growth"]))
    shown = "train" if len(datasets["train"]) else "pool"
    how = prompt.tokenizer, prompt.template, config.SYSTEM_MESSAGE, config.MAX_SEQ_LENGTH
    measured = preview.measure(datasets[shown], *how, shown)
    of_format, about_format = prompt_source.lines(manifest.get("chat_template_of"), config.TOKENIZER)
    print_rank0("", *of_format, *measured.lines)

    warnings = dataset_stats.warnings(stats, config.EVAL_SPLIT_SIZE)
    WarningLog([*remarks, *warnings, *about_format, *measured.warnings]).show()
    print_rank0("", f"In {folder}:", *(f"  {name:<20} {what}" for name, what in FILES.items()))
    following = next_command(
        "fine_tuning.py",
        TrainingConfig,
        {"MODEL_NAME": config.TOKENIZER or TrainingConfig.MODEL_NAME, "DATASET_DIR": config.OUTPUT_DIR},
    )
    print_rank0("", f"Next:  {following}")
    if stats.get("demo_data"):
        print_rank0("", highlighted(dataset_stats.DEMO_DATA))
    return tuple(datasets[name] for name in ("holdout", "train", "eval", "pool"))


if __name__ == "__main__":
    run_script(
        lambda: create_datasets(parse(DatasetConfig, __doc__)),
        "OUTPUT_DIR has no partial results; run the same command again.",
    )
