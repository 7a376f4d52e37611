"""Writes the results of an evaluation to evaluation_results/, the manifest last, and reads them back."""

import json
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.analysis import round_history
from medqa.artifacts import atomic_io, history_csv, output_dir, run_manifest
from medqa.artifacts.csv_io import read_table, write_table
from medqa.report.long_format import ITERATION, SPECIALTY, long_format
from medqa.runtime.console import WarningLog, counted, table
from medqa.runtime.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from medqa.report.review.summary import Review

# Text columns of the tables: an empty cell is an empty string, not a missing number.
TEXTS = (
    "question", "reference", "hypothesis", "specialty", "id", "finish", "metric", "direction", "failed",
    "dose_errors",
)  # fmt: skip
# Columns that `publish` adds to each table.
NOTES = ("bertscore_model", "PARTIAL")
CARD, CHECKLIST = "model_card.md", "reporting_checklist.md"
# Files that an evaluation replaces in its folder; an existing history.csv is read first and extended.
REPLACED = (
    "base_model_results.csv", "finetuned_model_results.csv", "model_comparison.*", "specialty_*", CARD,
    "training_recommendations.json", "report.html", "review_*", "iteration_progress.png",
    "history_long.csv", CHECKLIST, "retention_results.csv", "paired_comparison.csv",
)  # fmt: skip


@dataclass(frozen=True)
class Results:
    """The results of an evaluation.

    Attributes:
        tables: role ("base", "finetuned") → results table, one row per question.
        comparison: one row per metric (`comparison.compare`).
        performance: one row per specialty (`by_specialty.by_specialty`).
        advice: content of training_recommendations.json.
        warnings: of the run.
        history: rows of history.csv, with this evaluation unless it is partial.
        review: ratings by clinicians; None before a review was added.
        retention: both models' answers to the questions of RETENTION_FILE; None without one.
    """

    tables: Mapping[str, "pd.DataFrame"]
    comparison: "pd.DataFrame"
    performance: "pd.DataFrame"
    advice: dict[str, Any]
    warnings: WarningLog
    history: Sequence[history_csv.Row] = ()
    review: "Review | None" = None
    retention: "pd.DataFrame | None" = None

    def labelled_comparison(self) -> "pd.DataFrame":
        """The comparison with the encoder's name in the metrics that depend on it."""
        encoder = Path((self.advice["bertscore_model"] or "").split(",")[0]).name
        names = [
            f"{name} ({encoder})" if name.startswith(("bertscore", "nli_")) else name
            for name in self.comparison["metric"]
        ]
        return self.comparison.assign(metric=names)


def notes(results: Results) -> list[str]:
    """Lines below the comparison: p-values, encoder, corpus BLEU, recommendations, earlier evaluations."""
    from medqa.analysis.paired_scores import primary_terms
    from medqa.analysis.precision_gap import gap_text
    from medqa.analysis.verdicts import NOTE_ON_P  # which loads numpy

    advice, rows = results.advice, round_history.comparable(results.history)
    encoder, bleu = advice["bertscore_model"], advice["corpus_bleu"]
    terms = primary_terms(advice)
    negated = terms != advice["primary_metrics"]
    mean = f"Primary score: mean of {', '.join(terms)}; −: negated, because lower is better; can be below 0"
    earlier = table(round_history.HEADER, round_history.table_rows(rows)) if len(rows) > 1 else ""
    return [
        NOTE_ON_P,
        *[mean] * negated,
        *[f"Encoder of bertscore and nli: {encoder}"] * bool(encoder),
        f"Corpus BLEU: base {bleu['base']:.4f}, tuned {bleu['finetuned']:.4f} ({bleu['signature']})",
        "",
        advice["summary"],
        *[advice["next_step"]] * bool(advice["next_step"]),
        *[gap_text(gap) for gap in [advice.get("precision_gap")] if gap],
        *["", earlier] * bool(earlier),
    ]


def add_dose_errors(
    tables: Mapping[str, "pd.DataFrame"], errors: Mapping[tuple[str, str], Sequence[Mapping[str, str]]]
) -> None:
    """Add the column `dose_errors`: a JSON list of contradicting quantities and statements, or empty.

    Args:
        tables: role → results table.
        errors: (reference, hypothesis) → results of `clinical.dose_errors` and `negation_errors`.
    """
    for answers in tables.values():
        pairs = zip(answers["reference"], answers["hypothesis"], strict=True)
        answers["dose_errors"] = [
            json.dumps(errors[pair], ensure_ascii=False) if pair in errors else "" for pair in pairs
        ]


def require_place(folder: Path, limit: int) -> None:
    """Refuse to overwrite files of other programs, or a complete evaluation by a partial one.

    Raises:
        UserError: naming another folder to use.
    """
    manifest = run_manifest.read_manifest(folder)
    if manifest is None and not (folder / "predictions").is_dir():
        output_dir.refuse_foreign_files(folder, "evaluation", REPLACED)
    if limit and manifest is not None and not manifest.get("partial", True):
        look = shlex.quote(f"{folder}_look")
        raise UserError(
            f"{folder} contains an evaluation of the whole holdout, which --LIMIT {limit} would replace by a "
            f"partial one. Choose another folder: --OUTPUT_DIR {look}"
        )


def publish(
    results: Results, settings: Mapping[str, Mapping[str, Any]], data: Mapping[str, Any], started: str
) -> None:
    """Write tables, figures, recommendations, report and review sheet into the output folder atomically.

    Args:
        results: to write.
        settings: all settings of the evaluation, from `runtime.cli.given_and_default`.
        data: the manifest of the datasets.
        started: time at which the evaluation began.
    """
    from medqa.data.dataset_stats import DEMO_DATA
    from medqa.report import plots
    from medqa.report.latex import comparison_table
    from medqa.report.review.sheet import write_sheet

    value_of, advice = settings["given"] | settings["default"], results.advice
    notes = {"bertscore_model": advice["bertscore_model"] or "none"}
    if advice["partial"]:
        notes["PARTIAL"] = counted(len(results.tables["base"]), "question")
    if data.get("demo_data"):
        results.warnings.add(DEMO_DATA)
    tuned = value_of["FINETUNED_MODEL_PATH"]
    records = [f"{folder}/{run_manifest.MANIFEST}" for folder in (value_of["DATASET_DIR"], tuned)]
    records.append(f"{tuned}/{output_dir.MERGED}")
    folder = Path(value_of["OUTPUT_DIR"])
    with output_dir.atomic_publish(folder) as staging:
        for name, table in csv_tables(results).items():
            write_table(table.assign(**notes), staging / f"{name}.csv")
        write_verdict(results, settings, staging)
        plots.specialty_figure(results.performance, staging / "specialty_analysis.png", advice)
        atomic_io.write_text(
            staging / "model_comparison.tex", comparison_table(results.labelled_comparison())
        )
        if results.history:
            atomic_io.write_text(staging / history_csv.FILE, history_csv.text(results.history))
            write_table(long_format(results.history, ITERATION), staging / "history_long.csv")
            rows = round_history.comparable(results.history)
            plots.progress_figure(rows, staging / "iteration_progress.png")
        sheet = value_of["SEED"], value_of["REVIEW_SAMPLE"]
        write_sheet(results.tables, *sheet, staging, advice["partial"], folder)
        run_manifest.write_manifest(
            staging,
            "evaluation",
            settings,
            started,
            inputs={path: atomic_io.sha256_of_file(Path(path)) for path in records if Path(path).exists()},
            chat_template_sha256=data["chat_template_sha256"],
            system_message=data.get("system_message"),  # earlier versions did not record it here
            iteration=data["iteration"],
            partial=advice["partial"],
            warnings=results.warnings.texts,
        )


def csv_tables(results: Results) -> dict[str, "pd.DataFrame"]:
    """The tables that become CSV files, by the name of the file without its extension."""
    import pandas as pd

    tables = {f"{role}_model_results": table for role, table in results.tables.items()}
    tables |= {"model_comparison": results.comparison, "specialty_performance": results.performance}
    tables["specialty_performance_long"] = long_format(results.performance.to_dict("records"), SPECIALTY)
    if results.retention is not None:
        tables["retention_results"] = results.retention
    if paired := results.advice.get("paired"):
        tables["paired_comparison"] = pd.DataFrame(paired["metrics"]).assign(
            **{name: paired[name] for name in ("with", "model", "equal_answers", "answers")}
        )
    return tables


def write_verdict(results: Results, settings: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Write the files that show the verdict: figure, recommendations, model card, checklist, report."""
    from medqa.report import plots
    from medqa.report.checklist import checklist
    from medqa.report.html.report_page import report_html

    headline = results.advice["verdict"]["headline"]
    plots.comparison_figure(results.labelled_comparison(), folder / "model_comparison.png", headline)
    atomic_io.write_json(folder / "training_recommendations.json", results.advice)
    if not results.advice["partial"]:
        value_of, count = settings["given"] | settings["default"], len(results.tables["base"])
        atomic_io.write_text(folder / CARD, _card(value_of, results))
        review = results.review.summary if results.review else None
        atomic_io.write_text(folder / CHECKLIST, checklist(results.advice, value_of, count, review))
    atomic_io.write_text(folder / "report.html", report_html(results, settings))


def _card(value_of: Mapping[str, Any], results: Results) -> str:
    """The tuned model's card with this evaluation added; the card in the model's folder does not change."""
    from medqa.report.model_card import evaluated_card

    folder = Path(value_of["FINETUNED_MODEL_PATH"])
    # Cards of other programs may describe other evaluations.
    finished = (folder / output_dir.MERGED).is_file() or run_manifest.read_manifest(folder) is not None
    ours = finished and (folder / "README.md").is_file()
    base = results.tables["base"]
    return evaluated_card(
        (folder / "README.md").read_text(encoding="utf-8") if ours else "",
        f"{Path(value_of['BASE_MODEL_PATH']).name}, fine-tuned",
        results.labelled_comparison(),
        results.advice,
        f"{counted(len(base), 'held-out question')} of "
        f"{counted(base['specialty'].nunique(), 'specialty', 'specialties')}, iteration "
        f"{results.advice['iteration']} of the data",
    )


def finished(folder: Path) -> dict[str, Any]:
    """The manifest of a finished evaluation; completes its publication if that was interrupted.

    Raises:
        UserError: the evaluation has not finished, or a file was changed.
    """
    if folder.is_dir():
        with output_dir.output_dir_lock(folder, "evaluation"):
            pass  # which completes a publication that was interrupted
    return run_manifest.require_finished(folder, "evaluation", "python evaluation.py")


def evaluated_values(
    folder: Path,
    recorded: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Mapping[str, Any]],
    own: Collection[str],
    action: str,
) -> dict[str, Any]:
    """The settings of a finished evaluation, for an action that uses it without repeating it.

    Args:
        folder: of the evaluation.
        recorded: its settings, from its manifest.
        settings: of this run, from `runtime.cli.given_and_default`.
        own: settings of the action, which may differ.
        action: the setting that asks for it.

    Raises:
        UserError: a setting was given that differs from the evaluation's, and so would have no effect.
    """
    values = run_manifest.with_present_names(recorded["given"] | recorded["default"])
    given = json.loads(json.dumps(settings["given"]))
    if other := [name for name in given if name not in own and values.get(name) != given[name]]:
        differences = "; ".join(f"{name} was {values.get(name)!r}, not {given[name]!r}" for name in other)
        raise UserError(
            f"--{action} does not change the evaluation in {folder}: {differences}. Leave out "
            f"{', '.join(f'--{name}' for name in other)}, or evaluate again first."
        )
    return values


def read(folder: Path, manifest: Mapping[str, Any]) -> Results:
    """Read a finished evaluation back from its files, without a model.

    Args:
        folder: the evaluation's output folder.
        manifest: its manifest, from `run_manifest.require_finished`.
    """

    def read_csv(name: str) -> "pd.DataFrame":
        return read_table(folder / f"{name}.csv", (*TEXTS, *NOTES)).drop(columns=list(NOTES), errors="ignore")

    return Results(
        {role: read_csv(f"{role}_model_results") for role in ("base", "finetuned")},
        read_csv("model_comparison"),
        read_csv("specialty_performance"),
        json.loads((folder / "training_recommendations.json").read_text(encoding="utf-8")),
        WarningLog(manifest["warnings"]),
        history_csv.read(folder) if (folder / history_csv.FILE).exists() else [],
    )
