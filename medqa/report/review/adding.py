"""Ratings join a finished evaluation: its files stay, the report is made anew. No model is needed."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from medqa.analysis.paired_scores import PRIMARY
from medqa.artifacts import atomic_io, output_dir, run_manifest
from medqa.report import evaluation_output
from medqa.report.html.report_page import write_report
from medqa.report.review.judgement import Review, judge
from medqa.report.review.ratings import Rating, read_ratings
from medqa.report.review.sheet import KEY
from medqa.runtime.cli import checked, given_and_default
from medqa.runtime.errors import UserError

ROWS, SUMMARY = "review_results.csv", "review_results.json"
# Settings that may differ from the evaluation's.
OWN = ("OUTPUT_DIR", "REVIEW")
# What `write_manifest` writes by itself.
WRITTEN = (
    "stage", "settings", "inputs", "outputs", "replaces", "versions", "gpu", "git_commit", "git_dirty",
    "started", "finished",
)  # fmt: skip


def add_review(config: Any) -> evaluation_output.Results:
    """Read the review files, judge, and publish the evaluation with its review.

    Args:
        config: an EvaluationConfig with REVIEW and OUTPUT_DIR; other settings are the evaluation's own.

    Raises:
        UserError: no finished evaluation, other settings than its own, or a review file that does not fit.
    """
    folder = Path(config.OUTPUT_DIR)
    if folder.is_dir():
        with output_dir.output_dir_lock(folder, "evaluation"):
            output_dir.recover(folder)  # of a run that was killed when all had been written
    manifest = run_manifest.require_finished(folder, "evaluation", "python evaluation.py")
    config = _as_evaluated(config, manifest)
    if KEY not in manifest["outputs"] or "warnings" not in manifest:
        raise UserError(
            f"{folder} was made before there were reviews. Make it again with: python evaluation.py"
        )
    key = json.loads((folder / KEY).read_text(encoding="utf-8"))
    ratings = read_ratings(config.REVIEW, key)
    review = Review(ratings, judge(ratings))
    with output_dir.output_dir_lock(folder):
        found = replace(evaluation_output.read(folder, manifest), review=review)
        if PRIMARY not in found.tables["base"]:
            raise UserError(
                f"{folder} was made by an earlier version, without the column {PRIMARY}. Make it again with: "
                "python evaluation.py --SCORE_ONLY"
            )
        _publish(config, manifest, found, review)
    return found


def _as_evaluated(config: Any, manifest: dict[str, Any]) -> Any:
    """The evaluation's own config, with the review files of this one.

    Raises:
        UserError: a setting was given that differs from the evaluation's, and so would have no effect.
    """
    known = manifest["settings"]["given"] | manifest["settings"]["default"]
    given = json.loads(json.dumps(given_and_default(config)["given"]))
    other = [name for name in given if name not in OWN and known.get(name) != given[name]]
    if other:
        told = "; ".join(f"{name} was {known.get(name)!r}, not {given[name]!r}" for name in other)
        raise UserError(
            f"--REVIEW adds to the evaluation in {config.OUTPUT_DIR} as it is: {told}. Leave out "
            f"{', '.join(f'--{name}' for name in other)}, or evaluate again first."
        )
    same = {name: value for name, value in known.items() if name in vars(config)}
    return checked(SimpleNamespace(**same | {name: getattr(config, name) for name in OWN}), type(config), {})


def _publish(config: Any, manifest: dict[str, Any], found: evaluation_output.Results, review: Review) -> None:
    """Put the old files, the new report and the review into the output folder, all or nothing."""
    import pandas as pd

    folder = Path(config.OUTPUT_DIR)
    with output_dir.atomic_publish(folder) as staging:
        for name in manifest["outputs"]:
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / name, staging / name)
        rows = pd.DataFrame([_row(rating, found) for rating in review.ratings])
        rows.to_csv(staging / ROWS, index=False, lineterminator="\n", encoding="utf-8-sig")
        atomic_io.write_json(staging / SUMMARY, review.summary)
        write_report(found, given_and_default(config), staging / "report.html")
        run_manifest.write_manifest(
            staging,
            "evaluation",
            given_and_default(config),
            manifest["started"],
            inputs=manifest["inputs"]
            | {path: atomic_io.sha256_of_file(Path(path)) for path in config.REVIEW},
            **{name: value for name, value in manifest.items() if name not in WRITTEN},
        )


def _row(rating: Rating, found: evaluation_output.Results) -> dict[str, Any]:
    """A line of review_results.csv."""
    base = found.tables["base"]
    question = base.iloc[base["id"].tolist().index(rating.id)]
    return {
        "question": question["question"],
        "specialty": question["specialty"],
        "id": rating.id,
        "reviewer": rating.reviewer,
        "preferred": rating.preferred,
        "harmful_base": rating.harmful["base"],
        "harmful_finetuned": rating.harmful["finetuned"],
        "note": rating.note,
    }
