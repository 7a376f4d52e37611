"""The results of an evaluation: written to evaluation_results/ with the manifest last, and read back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.analysis import round_history
from medqa.artifacts import atomic_io, history_csv, output_dir, run_manifest
from medqa.artifacts.csv_io import read_table, write_table
from medqa.report.long_format import ITERATION, SPECIALTY, long_format
from medqa.runtime.cli import given_and_default
from medqa.runtime.console import WarningLog, counted
from medqa.runtime.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from medqa.report.review.judgement import Review

# Text columns of the tables: an empty cell is an empty text there, not a missing number.
TEXTS = (
    "question", "reference", "hypothesis", "specialty", "id", "finish", "metric", "direction", "failed",
    "dose_errors",
)  # fmt: skip
# Columns that `publish` adds to each table.
NOTES = ("bertscore_model", "PARTIAL")
CARD = "model_card.md"
# Files that an evaluation replaces in its folder; an existing history.csv is read first and extended.
REPLACED = (
    "base_model_results.csv", "finetuned_model_results.csv", "model_comparison.*", "specialty_*", CARD,
    "training_recommendations.json", "report.html", "review_*", "iteration_progress.png",
    "history_long.csv",
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
        rounds: all rounds on this holdout, including this one unless it is partial
        (medqa/analysis/round_history.py). review: ratings by clinicians, once there are any.
    """

    tables: Mapping[str, "pd.DataFrame"]
    comparison: "pd.DataFrame"
    performance: "pd.DataFrame"
    advice: dict[str, Any]
    warnings: WarningLog = field(default_factory=WarningLog)
    rounds: Sequence[history_csv.Row] = ()
    review: "Review | None" = None

    def labelled_comparison(self) -> "pd.DataFrame":
        """The comparison with the encoder's name in the metrics that depend on it."""
        encoder = Path((self.advice["bertscore_model"] or "").split(",")[0]).name
        names = self.comparison["metric"]
        return self.comparison.assign(
            metric=[
                f"{name} ({encoder})" if name.startswith(("bertscore", "nli_")) else name for name in names
            ]
        )


def notes_on_scores(advice: Mapping[str, Any]) -> list[str]:
    """Lines below the comparison: the encoder that scores depend on, corpus BLEU with its signature."""
    encoder, bleu = advice["bertscore_model"], advice["corpus_bleu"]
    return [f"Encoder of bertscore and nli: {encoder}"] * bool(encoder) + [
        f"Corpus BLEU: base {bleu['base']:.4f}, tuned {bleu['finetuned']:.4f} ({bleu['signature']})"
    ]


def add_dose_errors(
    tables: Mapping[str, "pd.DataFrame"], errors: Mapping[tuple[str, str], Sequence[Mapping[str, str]]]
) -> None:
    """Add the column `dose_errors`: a JSON list of contradicting quantities, empty without any.

    Args:
        tables: role → results table.
        errors: (reference, hypothesis) → result of `clinical.dose_errors`.
    """
    for table in tables.values():
        pairs = zip(table["reference"], table["hypothesis"], strict=True)
        found = [errors.get(pair) for pair in pairs]
        table["dose_errors"] = [json.dumps(one, ensure_ascii=False) if one else "" for one in found]


def loss_by_specialty(records: Any, losses: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Loss per token (nats) of the reference answers of a split, by specialty.

    Args:
        records: a split with the columns `id` and `specialty`.
        losses: id → summed loss and number of tokens; questions without an entry are skipped.
    """
    sums: dict[str, list[float]] = {}
    for id, specialty in zip(records["id"], records["specialty"], strict=True):
        total, tokens = losses.get(id, (0.0, 0))
        own = sums.setdefault(specialty, [0.0, 0])
        own[0] += total
        own[1] += tokens
    return {name: total / tokens for name, (total, tokens) in sums.items() if tokens}


def card(config: Any, found: Results) -> str:
    """The tuned model's card with this evaluation added; the card in the model's folder is not changed.

    Args:
        config: an EvaluationConfig.
        found: the results.
    """
    from medqa.report.model_card import evaluated_card

    folder = Path(config.FINETUNED_MODEL_PATH)
    # Other programs' cards may describe other evaluations.
    ours = run_manifest.read_manifest(folder) is not None and (folder / "README.md").is_file()
    asked = found.tables["base"]
    sampled = f"sampled at temperature {config.TEMPERATURE:g}" if config.TEMPERATURE else "greedy decoding"
    return evaluated_card(
        (folder / "README.md").read_text(encoding="utf-8") if ours else "",
        f"{Path(config.BASE_MODEL_PATH).name}, fine-tuned",
        found.labelled_comparison(),
        found.advice["summary"],
        f"Answers of up to {config.MAX_NEW_TOKENS} tokens, {sampled}.",
        f"{counted(len(asked), 'held-out question')} of "
        f"{counted(asked['specialty'].nunique(), 'specialty', 'specialties')}, iteration "
        f"{found.advice['iteration']} of the data",
    )


def require_place(folder: Path, limit: int) -> None:
    """Refuse to overwrite files of other programs, or a complete evaluation by a partial one.

    Raises:
        UserError: naming another folder to use.
    """
    manifest = run_manifest.read_manifest(folder)
    if manifest is None and not (folder / "predictions").is_dir():
        output_dir.refuse_foreign_files(folder, "evaluation", REPLACED)
    if limit and manifest is not None and not manifest.get("partial", True):
        raise UserError(
            f"{folder} holds an evaluation of the whole holdout, which --LIMIT {limit} would replace by a "
            f"partial one. Choose another folder: --OUTPUT_DIR {folder}_look"
        )


def publish(config: Any, data: Mapping[str, Any], found: Results, started: str) -> None:
    """Write tables, figures and recommendations into the output folder atomically.

    Args:
        config: an EvaluationConfig.
        data: the manifest of the datasets.
        found: the results.
        started: start of the run, for the manifest.
    """
    from medqa.data.dataset_stats import DEMO_DATA
    from medqa.report import plots
    from medqa.report.html.report_page import write_report
    from medqa.report.review.sheet import write_sheet

    notes = {"bertscore_model": found.advice["bertscore_model"] or "none"}
    if config.LIMIT:
        notes["PARTIAL"] = counted(len(found.tables["base"]), "question")
    written = {f"{role}_model_results": table for role, table in found.tables.items()}
    written |= {"model_comparison": found.comparison, "specialty_performance": found.performance}
    written["specialty_performance_long"] = long_format(found.performance.to_dict("records"), SPECIALTY)
    if data.get("demo_data"):
        found.warnings.add(DEMO_DATA)
    with output_dir.atomic_publish(Path(config.OUTPUT_DIR)) as staging:
        for name, table in written.items():
            write_table(table.assign(**notes), staging / f"{name}.csv")
        plots.comparison_figure(found.labelled_comparison(), staging / "model_comparison.png")
        plots.specialty_figure(found.performance, staging / "specialty_analysis.png", found.advice)
        if found.rounds:
            atomic_io.write_text(staging / history_csv.FILE, history_csv.text(found.rounds))
            write_table(long_format(found.rounds, ITERATION), staging / "history_long.csv")
            plots.progress_figure(round_history.comparable(found.rounds), staging / "iteration_progress.png")
        atomic_io.write_json(staging / "training_recommendations.json", found.advice)
        if not config.LIMIT:
            atomic_io.write_text(staging / CARD, card(config, found))
        write_report(found, given_and_default(config), staging / "report.html")
        write_sheet(found.tables, config.SEED, staging, bool(config.LIMIT))
        run_manifest.write_manifest(
            staging,
            "evaluation",
            given_and_default(config),
            started,
            inputs={
                f"{folder}/{run_manifest.MANIFEST}": atomic_io.sha256_of_file(
                    Path(folder) / run_manifest.MANIFEST
                )
                for folder in (config.DATASET_DIR, config.FINETUNED_MODEL_PATH)
                if (Path(folder) / run_manifest.MANIFEST).exists()
            },
            chat_template_sha256=data["chat_template_sha256"],
            iteration=data["iteration"],
            partial=bool(config.LIMIT),
            warnings=found.warnings.texts,
        )


def read(folder: Path, manifest: Mapping[str, Any]) -> Results:
    """Read a finished evaluation back from its files, without a model.

    Args:
        folder: the evaluation's output folder.
        manifest: its manifest, from `run_manifest.require_finished`.
    """

    def table(name: str) -> "pd.DataFrame":
        found = read_table(folder / f"{name}.csv", (*TEXTS, *NOTES))
        return found.drop(columns=[note for note in NOTES if note in found])

    tables = {role: table(f"{role}_model_results") for role in ("base", "finetuned")}
    comparison, performance = table("model_comparison"), table("specialty_performance")
    advice = json.loads((folder / "training_recommendations.json").read_text(encoding="utf-8"))
    warnings = WarningLog()
    warnings.texts.extend(manifest["warnings"])
    rounds = history_csv.read(folder) if (folder / history_csv.FILE).exists() else []
    return Results(tables, comparison, performance, advice, warnings, rounds)
