"""A class of metrics → one column per metric; a metric that fails on a pair costs that pair, not the run."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from medqa.run import Warnings

if TYPE_CHECKING:
    import pandas as pd

# What is kept of an answer beside its text; everything between the texts and these columns is a metric.
NOTES = ("finish", "new_tokens", "repetition", "prompt_cut")


def score_pairs(
    metrics: Any, references: Sequence[str], hypotheses: Sequence[str], warnings: Warnings
) -> dict[str, list[float]]:
    """Run every metric of an object over pairs of texts.

    Args:
        metrics: an object with methods `compute_NAME(reference, hypothesis)`, which return a number, None for
            "not applicable", or a dict of columns; and `score_NAME(references, hypotheses)`, which take all
            pairs at once and return a dict of columns.
        references, hypotheses: texts, pair by pair.
        warnings: where failures are told.

    Returns:
        column → one value a pair; NaN stands for "not applicable" and for a pair on which the metric failed.
    """
    columns: dict[str, list[float]] = {}
    for name in _methods(metrics, "compute_"):
        compute, title = getattr(metrics, name), name.removeprefix("compute_")
        rows: list[Mapping[str, Any]] = []
        failed: list[str] = []
        for reference, hypothesis in zip(references, hypotheses, strict=True):
            try:
                value = compute(reference, hypothesis)
                row = value if isinstance(value, Mapping) else {title: value}
                rows.append({column: _number(one) for column, one in row.items()})
            except Exception as error:  # a user's metric may raise anything
                rows.append({})
                failed.append(f"{type(error).__name__}: {error}")
        if failed:
            warnings.add(
                f"metric {title} failed on {len(failed)} of {len(rows)} pairs; the first: {failed[0]}"
            )
        names = list(dict.fromkeys(column for row in rows for column in row)) or [title]
        columns |= {column: [row.get(column, math.nan) for row in rows] for column in names}
    for name in _methods(metrics, "score_"):
        scored = getattr(metrics, name)(references, hypotheses)
        columns |= {column: [_number(value) for value in values] for column, values in scored.items()}
    return columns


def _methods(metrics: Any, prefix: str) -> list[str]:
    """Names of the public methods with a prefix, in the order in which their classes define them."""
    found: dict[str, None] = {}
    for kind in reversed(type(metrics).__mro__):
        found |= {
            name: None for name in vars(kind) if name.startswith(prefix) and callable(getattr(kind, name))
        }
    found |= {
        name: None for name in vars(metrics) if name.startswith(prefix) and callable(vars(metrics)[name])
    }
    return list(found)


def _number(value: Any) -> float:
    """A metric's value as a float; None, and what is not finite, become NaN."""
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else math.nan


def results_tables(
    metrics: Any,
    answers: Mapping[str, Sequence[Mapping[str, Any]]],
    losses: Mapping[str, Mapping[str, Sequence[float]]],
    holdout: Any,
    warnings: Warnings,
) -> dict[str, "pd.DataFrame"]:
    """One table per model: question, texts, specialty, every metric, `answer_loss`, and notes on the answer.

    Args:
        metrics: see `score_pairs`.
        answers: role → answers in the order of the holdout.
        losses: role → example id → summed loss of the reference answer and its tokens.
        holdout: the holdout split.
        warnings: told of failures, and of empty or unfinished answers.
    """
    import pandas as pd

    references = holdout["response"][:]
    hypotheses = [answer["hypothesis"] for found in answers.values() for answer in found]
    # Both models in one call, so that a metric can share what it knows of a reference.
    columns = score_pairs(metrics, references * len(answers), hypotheses, warnings)
    tables = {}
    for number, (role, found) in enumerate(answers.items()):
        rows = slice(number * len(references), (number + 1) * len(references))
        table = {
            "question": holdout["question"][:],
            "reference": references,
            "hypothesis": hypotheses[rows],
            "specialty": holdout["specialty"][:],
        }
        table |= {name: values[rows] for name, values in columns.items()}
        sums = [losses[role].get(id, (math.nan, 1)) for id in holdout["id"]]
        table["answer_loss"] = [total / count for total, count in sums]
        table["id"] = holdout["id"][:]
        table |= {name: [answer[name] for answer in found] for name in NOTES}
        tables[role] = pd.DataFrame(table)
        empty = sum(not answer["hypothesis"].strip() for answer in found)
        endless = sum(answer["finish"] == "length" for answer in found)
        if empty or endless:
            warnings.add(f"{role}: {empty} answers are empty, {endless} had not ended at MAX_NEW_TOKENS.")
    return tables


def metric_names(table: "pd.DataFrame") -> list[str]:
    """The metric columns of a results table."""
    columns = list(table.columns)
    return columns[columns.index("specialty") + 1 : columns.index("id")]
