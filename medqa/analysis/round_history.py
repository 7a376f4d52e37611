"""History of the evaluations on one holdout: the row of this evaluation, the earlier rows, a printed table.

A row describes one tuned model. Evaluating the same model again replaces its row. Another model adds a row,
also when it was trained on the same data, because it uses the holdout once more. The column `round` numbers
the models evaluated on a holdout from 1. medqa/artifacts/history_csv.py reads, merges and writes rows.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medqa.artifacts import history_csv
from medqa.artifacts.history_csv import KEY, Row, fingerprint, holdout_name
from medqa.generation.settings import GenerationSettings
from medqa.runtime.console import WarningLog, counted

if TYPE_CHECKING:
    import pandas as pd

# Columns of a metric, each with the metric's name as prefix.
PARTS = ("base", "finetuned", "difference", "ci_low", "ci_high")
HEADER = ("round", "training pairs", "primary score", "over base", "95 % interval", "eval loss")


def known_rows(
    history: str, settings: GenerationSettings, data: Mapping[str, Any], warnings: WarningLog
) -> list[Row]:
    """All rows of earlier evaluations: of the datasets, of HISTORY and of the output folder.

    Args:
        history: the setting HISTORY: a file or folder with earlier rows; "": none.
        settings: of the answers, for the output folder and the datasets.
        data: manifest of the datasets.
        warnings: gets a warning if no row of HISTORY is of this holdout.

    Raises:
        UserError: a file cannot be read, or is not a history.
    """
    output, given = Path(settings.output_dir), history_csv.read(Path(history)) if history else []
    if given and _holdout(settings) not in {row["holdout"] for row in given}:
        warnings.add(
            f"HISTORY {history} is of another holdout than that of {settings.dataset_dir}, so none of its "
            f"{counted(len(given), 'round')} counts as an earlier use of this one. Name the history of "
            "evaluations on these datasets, or leave --HISTORY out."
        )
    own = history_csv.read(output) if (output / history_csv.FILE).exists() else []
    return history_csv.merged(data.get("history", []), given, own)


def _holdout(settings: GenerationSettings) -> str:
    """Identifies the holdout of the datasets, also when only a part of it is answered."""
    from medqa.data import dataset_io

    return holdout_name(dataset_io.ids(Path(settings.dataset_dir) / dataset_io.SPLITS["holdout"]))


def this_evaluation(
    settings: GenerationSettings, data: Mapping[str, Any], metadata: Mapping[str, Any], started: str
) -> Row:
    """The columns that identify this evaluation.

    Args:
        settings: of the answers in the output folder.
        data: manifest of the datasets.
        metadata: bertscore_model, lexicon and primary_metrics of the evaluation.
        started: time at which the evaluation began.
    """
    from medqa.generation.prediction_cache import model_asked

    output = Path(settings.output_dir)
    decoding = ("max_new_tokens", "temperature", "top_p", "max_prompt_length")
    scale = {name.upper(): getattr(settings, name) for name in decoding}
    # As earlier versions wrote it, so that their rows stay comparable.
    scale["USE_4BIT"] = settings.base_precision == "nf4"
    if settings.base_precision == "fp8":
        scale["BASE_PRECISION"] = "fp8"
    scale |= {name: metadata[name] for name in ("bertscore_model", "lexicon", "primary_metrics")}
    scale |= {name: data[name] for name in ("chat_template_sha256", "system_message")}
    scale["base"] = model_asked(output, "base")
    trained = {name: sha for name, sha in data["outputs"].items() if name.startswith("train_dataset/")}
    return {
        "first_evaluated": started,
        "iteration": data["iteration"],
        "data_version": fingerprint(trained),
        "model": fingerprint(model_asked(output, "finetuned")),
        "holdout": _holdout(settings),
        "scale": fingerprint(scale),
        "train_pairs": sum(data["train_samples"].values()),
        "shares": dict(data["shares"]),
    }


def result_columns(comparison: "pd.DataFrame", advice: Mapping[str, Any], eval_loss: float | None) -> Row:
    """The columns with results: counts of the recommendations, and each metric with its interval.

    Args:
        comparison: table of `comparison.compare`.
        advice: content of training_recommendations.json.
        eval_loss: loss per token (nats) of the tuned model on the eval split; None without one.
    """
    use, near = advice["holdout_use"], advice["near_training"]
    row: Row = {
        "questions": int(comparison["n"].iloc[0] + comparison["n_not_applicable"].iloc[0]),
        "primary_metrics": advice["primary_metrics"],
        "low": len(advice["low_performance_specialties"]),
        "regressed": len(advice["regressed_specialties"]),
        "increased": len(advice["recommended_sample_increases"]),
        "eval_answer_loss": eval_loss,
        "flattery_if_best_is_reported": use["flattery_if_best_is_reported"],
        "flattery_at_most": use["flattery_at_most"],
        "near_training": near["questions"],
    }
    for result in near["comparison_without"][:1]:
        row["primary_score_difference_without_near"] = result["difference"]
    for result in comparison.to_dict("records"):
        row |= {
            f"{result['metric']}_{part}": result[part] if math.isfinite(result[part]) else None
            for part in PARTS
        }
    return row


def earlier(rows: Iterable[Row], this: Row) -> list[Row]:
    """Rows on the holdout of `this` that precede it; all of them when it is not among the rows."""
    found = []
    for row in rows:
        if all(row[name] == this[name] for name in KEY):
            break
        if row["holdout"] == this["holdout"]:
            found.append(row)
    return found


def comparable(rows: Sequence[Row]) -> list[Row]:
    """Rows with the same holdout and scale as the last one."""
    return [row for row in rows if all(row[name] == rows[-1][name] for name in ("holdout", "scale"))]


def table_rows(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """Rows as text, with the columns of `HEADER`."""

    def cell(row: Row, column: str, form: str) -> str:
        return "-" if row.get(column) is None else format(row[column], form)

    return [
        (
            str(row["round"]),
            f"{row['train_pairs']:,}",
            cell(row, "primary_score_finetuned", ".3f"),
            cell(row, "primary_score_difference", "+.3f"),
            f"{cell(row, 'primary_score_ci_low', '+.3f')}, {cell(row, 'primary_score_ci_high', '+.3f')}",
            cell(row, "eval_answer_loss", ".3f"),
        )
        for row in rows
    ]
