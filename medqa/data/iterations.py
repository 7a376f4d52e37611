"""Compares a preparation with the last one in the same folder: constants, shares, changes."""

import difflib
import json
import math
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from medqa.artifacts import history_csv
from medqa.artifacts.atomic_io import read_whole
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
# Largest training_recommendations.json that is read, in bytes: one of 1,000 specialties has 1 MB.
LARGEST_RECOMMENDATIONS = 64_000_000
ADVICE = "training_recommendations.json"
# Longest part of its summary that is shown, in characters.
LONGEST_SUMMARY = 500
# Mistakes that are listed at once.
MOST_PROBLEMS = 20

ONLY_GROWS = "Shares are only raised in a folder, so that iterations can be compared:"


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


def require_constants(settings: Mapping[str, Any], before: Iteration, folder: Path) -> None:
    """Refuse settings that would change the holdout or eval of `folder`.

    Raises:
        UserError: with their names, and the three ways to continue.
    """
    changed = [name for name in CONSTANT if settings[name] != before.settings[name]]
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


# ---- shares --------------------------------------------------------------------------------------


class Requests(NamedTuple):
    """Shares that are requested in addition to the settings."""

    shares: dict[str, Mapping[str, Any]]  # source of a request → specialty → share
    history: list[history_csv.Row]  # comes with the recommendations
    summary: str  # of the recommendations


def read_recommendations(path: Path) -> tuple[dict[str, Any], list[history_csv.Row], str]:
    """Specialty → recommended share, the history and the summary, from a training_recommendations.json.

    Raises:
        UserError: the file does not exist, or is something else.
    """
    expected = f"{path} should be the {ADVICE} that evaluation.py wrote"
    if path.is_dir() or not os.path.lexists(path):
        inside = path / ADVICE if (path / ADVICE).is_file() else Path("evaluation_results", ADVICE)
        state = "is a folder" if path.is_dir() else "does not exist"
        raise UserError(f"{expected}, but it {state}. Type: --RECOMMENDATIONS {shlex.quote(str(inside))}")
    try:
        content = json.loads(read_whole(path, LARGEST_RECOMMENDATIONS).decode("utf-8-sig"))
    except OSError as error:
        raise UserError(f"{expected}: it cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{expected}: it is not JSON ({str(error)[:200]}).") from None
    shares = content.get("recommended_sample_increases") if isinstance(content, dict) else None
    if not isinstance(shares, dict):
        raise UserError(
            f'{expected}: it has no "recommended_sample_increases" with a share for each specialty.'
        )
    summary = " ".join(str(content.get("summary", "")).split())[:LONGEST_SUMMARY]
    return shares, history_csv.checked(content.get("history", []), path), summary


def requested_shares(recommendations: str, adjustments: Mapping[str, float]) -> Requests:
    """The shares that are requested by recommendations and in Python.

    Args:
        recommendations: path of a training_recommendations.json; "": none.
        adjustments: shares given in Python, which take precedence.
    """
    by_hand = {"specialty_adjustments": adjustments}
    if not recommendations:
        return Requests(by_hand, [], "")
    recommended, rows, summary = read_recommendations(Path(recommendations))
    return Requests({recommendations: recommended, **by_hand}, rows, summary)


def about_recommendations(
    recommendations: str, requests: Requests, before: Iteration | None, folder: Path
) -> list[str]:
    """Warnings about recommendations that change nothing, or that an evaluation of other data gave.

    Args:
        recommendations: path of a training_recommendations.json; "": none.
        requests: from `requested_shares`.
        before: the last iteration of `folder`.
        folder: OUTPUT_DIR.
    """
    if not recommendations:
        return []
    found = []
    asked = requests.shares[recommendations]
    if not asked:
        summary = f' Its summary: "{requests.summary}"' if requests.summary else ""
        found.append(f"{recommendations} recommends no share, so it changes nothing.{summary}")
    elif before and all(before.shares.get(name) == share for name, share in asked.items()):
        found.append(f"the shares that {recommendations} recommends are in use already.")
    if before and requests.history:
        here = history_csv.holdout_name(dataset_io.ids(folder / SPLITS["holdout"]))
        if all(row["holdout"] != here for row in requests.history):
            found.append(
                f"{recommendations} comes from an evaluation of another holdout than that of {folder}, so "
                "its shares may not fit these data. Check that both are of the same data."
            )
    return found


def next_shares(
    specialties: Iterable[str],
    before: Iteration | None,
    initial: float,
    own: Mapping[str, float],
    requests: Mapping[str, Mapping[str, Any]],
) -> dict[str, float]:
    """The share of each specialty in this iteration.

    A specialty keeps its share unless a changed setting or one of `requests` gives another. A specialty whose
    share was INITIAL_TRAIN_PERCENTAGE gets the new value when that setting is raised.

    Args:
        specialties: those that have a file.
        before: the last iteration of this folder.
        initial, own: INITIAL_TRAIN_PERCENTAGE and SPECIALTY_SAMPLE_PERCENTAGES.
        requests: source of the request → specialty → share; later ones take precedence.

    Raises:
        UserError: unknown specialties, shares outside 0 to 1, shares below what is in train; one line each.
    """
    shares = dict.fromkeys(sorted(specialties), initial)
    known = {**shares, **(before.shares if before else {})}
    problems = []
    if before:
        was = before.settings["INITIAL_TRAIN_PERCENTAGE"]
        shares |= {name: initial if share == was else share for name, share in before.shares.items()}
        own_before = before.settings["SPECIALTY_SAMPLE_PERCENTAGES"]
        own = {name: share for name, share in own.items() if own_before.get(name) != share}
        if initial < was:
            shares |= before.shares
            problems.append(
                f"INITIAL_TRAIN_PERCENTAGE = {initial:g} is below the {was:g} that is in train already. "
                f"{ONLY_GROWS} keep --INITIAL_TRAIN_PERCENTAGE {was:g}, or give another --OUTPUT_DIR."
            )
    for source, asked in {"SPECIALTY_SAMPLE_PERCENTAGES": own, **requests}.items():
        if not isinstance(asked, Mapping):
            problems.append(f'{source} is {asked!r}; expected shares by specialty: {{"cardiology": 0.8}}.')
            continue
        for name, share in asked.items():
            if name not in known:
                hint = _nearest(str(name)[:80], known)
                problems.append(f"{source} names the specialty {name!r:.80}, which has no file. {hint}")
            elif isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
                value = f"{share!r:.80}"
                problems.append(f"{source}: the share of {name} is {value}; expected a number from 0 to 1.")
            else:
                shares[name] = float(share)
    for name, share in (before.shares if before else {}).items():
        if shares[name] < share and not math.isclose(shares[name], share):
            problems.append(
                f"the share of {name} would become {shares[name]:g}, but {share:g} is in train already. "
                f"{ONLY_GROWS} give at least {share:g}, or another --OUTPUT_DIR."
            )
    if problems:
        more = len(problems) - MOST_PROBLEMS
        problems[MOST_PROBLEMS:] = [f"… and {more:,} more."] if more > 0 else []
        raise UserError("\n       ".join(problems))
    return shares


def _nearest(name: str, known: Iterable[str]) -> str:
    """A sentence with the known specialty whose name is nearest in any letter case, else with all of them."""
    in_any_case = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(name.casefold(), in_any_case, n=1, cutoff=0.5)
    return f"Did you mean {in_any_case[near[0]]}?" if near else f"There are: {', '.join(known)}."


# ---- what changed --------------------------------------------------------------------------------


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
