"""Adds ratings to a finished evaluation and rewrites the files that show its verdict. Needs no model."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.analysis.verdicts import judge
from medqa.artifacts import atomic_io, output_dir, run_manifest
from medqa.artifacts.csv_io import write_table
from medqa.report import evaluation_output, terminal
from medqa.report.review.estimates import (
    estimates,
    metrics_and_raters,
    rater_agreement,
    wrong_sentences,
)
from medqa.report.review.ratings import ROLES, Rating, read_ratings
from medqa.report.review.sheet import KEY, read_keys
from medqa.report.review.summary import Review, summarize
from medqa.runtime.console import counted, print_rank0
from medqa.runtime.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

ROWS, SUMMARY = "review_results.csv", "review_results.json"
# Settings that may differ from those of the evaluation.
OWN = ("OUTPUT_DIR", "REVIEW")
# What an evaluation adds to its manifest (`evaluation_output.publish`).
ADDED = ("chat_template_sha256", "system_message", "iteration", "partial", "warnings")
EARLIER = "was written by an earlier version, whose results cannot be combined with a review"


def add_review(
    folder: Path, files: Sequence[str], settings: Mapping[str, Mapping[str, Any]]
) -> evaluation_output.Results:
    """Read the review files, summarize the ratings, and publish and print the evaluation with its review.

    Args:
        folder: output folder of the evaluation.
        files: review files, saved from the review sheet.
        settings: of this run, from `runtime.cli.given_and_default`.

    Raises:
        UserError: the evaluation is unfinished or had other settings, or a review file does not fit.
    """
    manifest = evaluation_output.finished(folder)
    settings = _evaluated_settings(folder, manifest["settings"], settings)
    if KEY not in manifest["outputs"] or "warnings" not in manifest:
        raise UserError(f"{folder} {EARLIER}. Evaluate again with: python evaluation.py")
    keys = read_keys(folder)
    ratings = read_ratings(files, keys)
    with output_dir.output_dir_lock(folder):
        results = evaluation_output.read(folder, manifest)
        if "verdict" not in results.advice:
            raise UserError(f"{folder} {EARLIER}. Score again with: python evaluation.py --SCORE_ONLY")
        review = _review(ratings, results.tables, keys, results.comparison)
        verdict = asdict(judge(results.comparison, review.summary))
        results = replace(results, review=review, advice=results.advice | {"verdict": verdict})
        _publish(folder, files, settings, manifest, results)
    print_rank0("", f"Added {counted(len(files), 'review file')} to {folder}.")
    terminal.print_summary(folder, results, "")
    return results


def _review(
    ratings: Sequence[Rating],
    tables: Mapping[str, "pd.DataFrame"],
    keys: Mapping[str, Mapping[str, Any]],
    comparison: "pd.DataFrame",
) -> Review:
    """Separate the ratings of the present answers from those of earlier answers, and summarize the former."""
    from medqa.metrics.nli import statements

    present = {
        role: dict(zip(table["id"], table["hypothesis"].map(str.strip), strict=True))
        for role, table in tables.items()
    }
    found: dict[bool, dict[tuple[str, str], Rating]] = {True: {}, False: {}}
    for rating in ratings:
        of_these = all(rating.shown.get(role) == own.get(rating.id, "") for role, own in present.items())
        found[of_these][rating.reviewer, rating.id] = rating  # the last file of a reviewer counts
    counted, earlier = (list(own.values()) for own in found.values())
    sentences = {
        (rating.id, role): len(statements(present[role][rating.id]))
        for rating in counted
        for role in rating.wrong
    }
    lower = dict(zip(comparison["metric"], comparison["direction"] == "↓", strict=True))
    summary = summarize(counted, len(earlier)) | {
        "estimates": estimates(counted, tables, keys),
        "alpha": rater_agreement(counted, sentences),
        "wrong_sentences": wrong_sentences(counted, sentences),
        "metrics": metrics_and_raters(counted, tables, lower),
    }
    return Review(counted, earlier, summary)


def _evaluated_settings(
    folder: Path, recorded: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The recorded settings of the evaluation, with `OWN` of this run.

    Raises:
        UserError: a setting was given that differs from the evaluation's, and so would have no effect.
    """
    evaluation_output.evaluated_values(folder, recorded, settings, OWN, "REVIEW")
    return {
        kind: {name: value for name, value in recorded[kind].items() if name not in OWN}
        | {name: settings[kind][name] for name in OWN if name in settings[kind]}
        for kind in ("given", "default")
    }


def _publish(
    folder: Path,
    files: Sequence[str],
    settings: Mapping[str, Mapping[str, Any]],
    manifest: Mapping[str, Any],
    results: evaluation_output.Results,
) -> None:
    """Write the existing files, the new report and the review into the output folder atomically."""
    import pandas as pd

    with output_dir.atomic_publish(folder) as staging:
        for name in manifest["outputs"]:
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / name, staging / name)
        rows = [_row(rating, True) for rating in results.review.ratings]
        rows += [_row(rating, False) for rating in results.review.earlier]
        write_table(pd.DataFrame(rows), staging / ROWS)
        atomic_io.write_json(staging / SUMMARY, results.review.summary)
        evaluation_output.write_verdict(results, settings, staging)
        run_manifest.write_manifest(
            staging,
            "evaluation",
            settings,
            manifest["started"],
            inputs=manifest["inputs"] | {path: atomic_io.sha256_of_file(Path(path)) for path in files},
            **{name: manifest[name] for name in ADDED if name in manifest},
        )


def _row(rating: Rating, is_counted: bool) -> dict[str, Any]:
    """A line of review_results.csv; ratings of earlier answers are not counted in the summary."""
    return {
        "question": rating.shown.get("question", ""),
        "specialty": rating.shown.get("specialty", ""),
        "id": rating.id,
        "reviewer": rating.reviewer,
        "preferred": rating.preferred,
        "harmful_base": rating.harmful["base"],
        "harmful_finetuned": rating.harmful["finetuned"],
        "degree_base": rating.degree["base"],
        "degree_finetuned": rating.degree["finetuned"],
        **{f"correct_{role}": rating.correct.get(role, "") for role in ROLES},
        **{f"omission_{role}": rating.omission.get(role, "") for role in ROLES},
        **{
            f"wrong_sentences_{role}": " ".join(map(str, rating.wrong[role]))
            if role in rating.wrong
            else None
            for role in ROLES
        },
        "note": rating.note,
        "counted": is_counted,
        "base_answer": rating.shown.get("base", ""),
        "finetuned_answer": rating.shown.get("finetuned", ""),
    }
