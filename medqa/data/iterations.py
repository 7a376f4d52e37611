"""Compares a preparation with the last one in the same folder: constants, shares, changes."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medqa.artifacts import history_csv
from medqa.artifacts.run_manifest import MANIFEST, damaged_outputs, read_manifest
from medqa.data import dataset_io
from medqa.data.cleaning import Record
from medqa.data.dataset_io import SPLITS
from medqa.data.normal_form import VERSION
from medqa.data.source_files import listed, specialty_of
from medqa.data.splits import Short
from medqa.runtime.console import print_rank0, table
from medqa.runtime.errors import UserError

STAGE = "dataset_preparation"
# Settings that determine holdout and eval, which never change, and how pairs are read: with other fields the
# questions of the holdout could enter training under other words, and identifiers could come in again.
CONSTANT = (
    "RANDOM_SEED", "HOLDOUT_SAMPLES_PER_SPECIALTY", "EVAL_SPLIT_SIZE", "QUESTION_FIELD", "ANSWER_FIELD",
    "REFUSE_IDENTIFIERS",
)  # fmt: skip


@dataclass
class Iteration:
    """A finished preparation of a folder."""

    number: int
    shares: dict[str, float]  # by specialty
    train: dict[str, int]  # records in train, by specialty
    settings: dict[str, Any]
    inputs: dict[str, str]  # SHA-256 of the file, by specialty
    prompt: dict[str, str]  # hash of the chat template and system message of `formatted_chat`
    short: Short  # splits that the first preparation could not fill
    damaged: list[str]  # outputs that are missing or were changed
    normal_form: int  # version of the normal form of its questions
    history: list[history_csv.Row]  # evaluated iterations, from the recommendations that were applied


def read(folder: Path, defaults: Mapping[str, Any]) -> Iteration | None:
    """The last finished preparation of `folder`; None without one, or if it had no usable pair.

    Args:
        folder: OUTPUT_DIR.
        defaults: values of settings that the version which prepared the folder did not have.

    Raises:
        UserError: the folder has other content, or its holdout or eval was changed.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        names = (*SPLITS.values(), "dataset_stats.json", "rejected.jsonl")
        foreign = [name for name in names if (folder / name).exists()]
        if foreign:
            raise UserError(
                f"{folder} has {', '.join(foreign)} but no {MANIFEST}, so it was not finished by {STAGE}.py. "
                "Move it away, or give another folder: --OUTPUT_DIR …"
            )
        return None
    damaged = list(damaged_outputs(folder, manifest))
    lost = [name for name in damaged if name.startswith((SPLITS["holdout"], SPLITS["eval"]))]
    if lost:
        raise UserError(
            f"{folder / lost[0]} is missing or was changed after it was written; holdout and eval must stay "
            f"constant. Restore it, or start over: remove {folder}, or give another --OUTPUT_DIR …"
        )
    last = Iteration(
        number=manifest["iteration"],
        shares=manifest["shares"],
        train=manifest["train_samples"],
        settings={**defaults, **manifest["settings"]["default"], **manifest["settings"]["given"]},
        inputs={specialty_of(Path(path)): value for path, value in manifest["inputs"].items()},
        prompt={name: manifest[name] for name in ("chat_template_sha256", "system_message")},
        short=manifest["short_of_pairs"],
        damaged=damaged,
        normal_form=manifest.get("normal_form", 1),  # version 0.2.0 did not record it
        history=manifest.get("history", []),  # version 0.1.0 did not record it
    )
    if is_empty(last, folder):
        print_rank0(f"{folder} has an empty holdout and no train pairs, so the preparation starts over.")
        return None
    return last


def is_empty(before: Iteration, folder: Path) -> bool:
    """Whether an earlier version prepared `folder` from input without a usable pair.

    Such a folder has an empty holdout although the settings ask for one, and no training data.
    """
    wanted = before.settings["HOLDOUT_SAMPLES_PER_SPECIALTY"] > 0
    return wanted and not any(before.train.values()) and not dataset_io.ids(folder / SPLITS["holdout"])


def require_constants(settings: Mapping[str, Any], before: Iteration | None, folder: Path) -> None:
    """Refuse settings that would change the holdout or eval of `folder`.

    Raises:
        UserError: with their names, and the three ways to continue.
    """
    changed = [name for name in CONSTANT if before and settings[name] != before.settings[name]]
    if changed:
        was = ", ".join(f"{name} = {before.settings[name]!r}" for name in changed)
        given = ", ".join(f"{settings[name]!r}" for name in changed)
        again = " ".join(f"--{name} {shlex.quote(str(before.settings[name]))}" for name in changed)
        raise UserError(
            f"the holdout and eval of {folder} are constant and were chosen with {was}; now it is {given}. "
            f"Continue with {again}, or create other splits in another folder (--OUTPUT_DIR …), or remove "
            f"{folder} to start over."
        )


def vanished_forms(
    records: Sequence[Record], before: Iteration | None, folder: Path, data_dir: str
) -> list[str]:
    """Normal forms of the holdout and eval questions that left the input: new pairs must avoid them too.

    Raises:
        UserError: none of them is in the input.
    """
    if before is None:
        return []
    now = {record.id for record in records}
    held = [record for split in dataset_io.read_held(folder, before.normal_form) for record in split]
    forms = [record.form for record in held if record.id not in now]
    if held and len(forms) == len(held):
        data_before = before.settings["DATA_DIR"]
        known = f"Continue with --DATA_DIR {data_before}"
        if data_before == data_dir:
            known = "Restore the files, whose questions were replaced since"
        raise UserError(
            f"{data_dir} has none of the holdout and eval questions in {folder}, which came from "
            f"{data_before}. {known}, or give the new data another folder: --OUTPUT_DIR …"
        )
    return forms


def changes(
    before: Iteration | None,
    shares: Mapping[str, float],
    inputs: Mapping[str, str],
    prompt: Mapping[str, str],
) -> list[str]:
    """What differs from the last iteration, as phrases; empty when nothing does."""
    if before is None:
        return ["first preparation"]
    found = []
    added = sorted(set(inputs) - set(before.inputs))
    gone = sorted(set(before.inputs) - set(inputs))
    edited = sorted(name for name in inputs if before.inputs.get(name, inputs[name]) != inputs[name])
    for names, what in ((added, "new"), (gone, "removed"), (edited, "changed")):
        if names:
            found.append(f"{len(names)} data file{'s' * (len(names) > 1)} {what} ({listed(names)})")
    raised = sorted(name for name in shares if shares[name] != before.shares.get(name, shares[name]))
    if raised:
        found.append(f"share of {listed(raised)}")
    for key, what in (("chat_template_sha256", "chat template"), ("system_message", "system message")):
        if prompt[key] != before.prompt[key]:
            found.append(f"{what}: formatted_chat of all four splits is rendered again")
    return found


def record(
    before: Iteration | None,
    changed: Sequence[str],
    shares: Mapping[str, float],
    short: Short,
    stats: Mapping[str, Any],
    given: Mapping[str, Any],
    evaluated: Iterable[history_csv.Row],
) -> dict[str, Any]:
    """What the manifest records about this iteration.

    Args:
        before: the last iteration of this folder.
        changed: from `changes`.
        shares: by specialty.
        short: splits that the first preparation could not fill.
        stats: content of dataset_stats.json.
        given: DATA_DIR, and settings that differ from their defaults.
        evaluated: the history from the recommendations that are applied.
    """
    train = {name: row["train"] for name, row in stats["splits_per_specialty"].items()}
    return {
        "iteration": before.number + bool(changed) if before else 1,
        "changes": changed or [f"rewritten, because missing or edited: {', '.join(before.damaged)}"],
        "shares": shares,
        "short_of_pairs": short,
        "train_samples": train,
        "growth": growth(before, shares, train),
        "normal_form": before.normal_form if before else VERSION,
        "read_as": stats["read_as"],
        "demo_data": stats["demo_data"],
        "command": command(given),
        "history": history_csv.merged(before.history if before else [], evaluated),
    }


def growth(
    before: Iteration | None, shares: Mapping[str, float], train: Mapping[str, int]
) -> list[dict[str, Any]]:
    """The specialties whose share or number of training records has changed."""
    if before is None:
        return []
    rows = [
        {
            "specialty": name,
            "share_before": before.shares.get(name, 0.0),
            "share": shares.get(name, 0.0),
            "train_before": before.train.get(name, 0),
            "train": train.get(name, 0),
        }
        for name in sorted({*before.shares, *shares})
    ]
    return [r for r in rows if (r["share"], r["train"]) != (r["share_before"], r["train_before"])]


def growth_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of `growth` as a table: before → after."""
    return table(
        ("specialty", "share", "train"),
        [
            (
                row["specialty"],
                f"{row['share_before']:g} → {row['share']:g}",
                f"{row['train_before']:,} → {row['train']:,}",
            )
            for row in rows
        ],
    )


def command(given: Mapping[str, Any]) -> str:
    """The command line that prepares this folder again; an evaluation appends its recommendations.

    Folders of the input are absolute, because the evaluation may run in another directory.

    Args:
        given: DATA_DIR, and settings that differ from their defaults.
    """
    words = ["python", f"{STAGE}.py"]
    for name, value in given.items():
        if name in ("DATA_DIR", "TOKENIZER") and Path(value).is_dir():
            value = Path(value).absolute()
        if name not in ("RECOMMENDATIONS", "SPECIALTY_SAMPLE_PERCENTAGES"):
            words += [f"--{name}", str(value)]
    return shlex.join(words)
