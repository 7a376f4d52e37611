"""Runs every metric of a class over all pairs; a metric that fails on a pair loses that pair, not the run."""

import contextlib
import difflib
import itertools
import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from medqa.metrics import pairwise
from medqa.runtime.console import WarningLog, counted
from medqa.runtime.errors import UserError
from medqa.runtime.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

# Between the names in the column `failed`.
SEPARATOR = "; "
# Columns of the metrics in evaluation.py: NAME of compute_NAME or score_NAME → those that it may return. Add
# columns that you add to one of them; other methods need no entry.
BERTSCORE = ("bertscore_precision", "bertscore_recall", "bertscore_f1")
COLUMNS = {
    "bleu": ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4"),
    "rouge": ("ROUGE-1", "ROUGE-2", "ROUGE-L"),
    "meteor": ("meteor", "meteor_without_synonyms"),
    "bertscore": (*BERTSCORE, *(f"{name}_rescaled" for name in BERTSCORE)),
    "entailment": ("nli_entailed", "nli_contradicted"),
    "exact_match": (
        "exact_match", "fact_precision", "fact_recall", "fact_f1", "quantity_match", "quantity_f1",
    ),
    "token_f1": ("token_f1",),
    "dose_error": ("dose_error",),
}  # fmt: skip
LOSS = "answer_loss"
# Columns about the answer itself; the columns between `specialty` and `id` are the metrics.
NOTES = ("finish", "new_tokens", "repetition", "prompt_cut")
# Names that no metric may have, because the tables of an evaluation use them for something else; from
# `near_training` on, columns that later steps add, and "shrunken", the beginning of columns by specialty.
RESERVED = frozenset(
    (
        "question", "reference", "hypothesis", "specialty", "answer_loss", "id", *NOTES, "failed",
        "near_training", "primary_score", "judge_uncalibrated", "dose_errors", "bertscore_model", "PARTIAL",
        "metric", "direction", "shrunken",
    )
)  # fmt: skip


class Scored(NamedTuple):
    """What `score_pairs` returns.

    Attributes:
        columns: column → one number per pair, float64; NaN means "not applicable", or that the metric failed.
        failed: column → the indices of the pairs on which its metric failed; only columns with failures.
    """

    columns: dict[str, array]
    failed: dict[str, list[int]]


def require_free_names(kind: type) -> None:
    """Refuse a class of metrics with a method whose name is that of another column.

    Raises:
        UserError: with the method to rename.
    """
    for prefix in ("compute_", "score_"):
        names = {name.removeprefix(prefix) for name in dir(kind) if name.startswith(prefix)}
        for name in sorted(names & RESERVED):
            raise UserError(
                f"{prefix}{name} of {kind.__name__}: the name {name} is reserved for a column of the results "
                f"that is not a metric. Rename the method, such as {prefix}{name}_metric."
            )


def score_pairs(
    metrics: Any, references: Sequence[str], hypotheses: Sequence[str], warnings: WarningLog
) -> Scored:
    """Run every metric of an object over pairs of texts.

    Args:
        metrics: an object with methods `compute_NAME(reference, hypothesis)`, which return a number, None for
            "not applicable", or a dict of columns; and `score_NAME(references, hypotheses)`, which take all
            pairs at once and return a dict of columns. `IN_PARALLEL` (optional): see `pairwise.score_blocks`.
        references, hypotheses: texts, pair by pair.
        warnings: gets a warning for each metric that fails.

    Raises:
        UserError: two metrics return the same column, or one returns a reserved name.
    """
    scored, count = Scored({}, {}), len(references)
    names = _methods(metrics, "compute_")
    columns = {name: defaultdict(lambda: _nan_column(count)) for name in names}
    failed: dict[str, dict[int, str]] = {name: {} for name in names}
    # Pairs of one reference follow each other, so that metrics find its tokens in their caches.
    order = _by_reference(references, hypotheses)
    blocks = pairwise.score_blocks(metrics, names, [(references[i], hypotheses[i]) for i in order])
    with contextlib.closing(blocks), Progress("Lexical scores", count, "pair") as progress:
        for index, rows in zip(order, itertools.chain.from_iterable(blocks), strict=True):
            for name, row in zip(names, rows, strict=True):
                if isinstance(row, str):
                    failed[name][index] = row
                    continue
                for column, number in row.items():
                    columns[name][column][index] = number
            progress.advance()
    for name in names:
        title = name.removeprefix("compute_")
        found = columns[name] or {title: _nan_column(count)}
        _add(scored, title, found, failed[name], warnings)
    for name in _methods(metrics, "score_"):
        title, errors = name.removeprefix("score_"), {}
        try:
            found = dict(getattr(metrics, name)(references, hypotheses))
            found = {column: _checked(values, count, errors) for column, values in found.items()}
        except Exception as error:  # a user's metric may raise anything
            found = {title: _nan_column(count)}
            errors = dict.fromkeys(range(count), pairwise.describe_error(error))
        _add(scored, title, found, errors, warnings)
    return scored


def _nan_column(count: int) -> array:
    return array("d", [math.nan]) * count


def _by_reference(references: Sequence[str], hypotheses: Sequence[str]) -> list[int]:
    """The indices of all pairs, those with the same reference next to each other."""
    first: dict[str, int] = {}
    for index, (reference, _) in enumerate(zip(references, hypotheses, strict=True)):
        first.setdefault(reference, index)
    return sorted(range(len(references)), key=lambda index: first[references[index]])


def _checked(values: Sequence[Any], count: int, failed: dict[int, str]) -> array:
    """A column of a metric that takes all pairs at once; values that are not numbers go into `failed`."""
    if len(values) != count:
        raise pairwise.MetricFailed(f"it gave {len(values)} values for {count} pairs")
    column = _nan_column(count)
    for index, value in enumerate(values):
        try:
            column[index] = pairwise.to_float(value)
        except (pairwise.MetricFailed, TypeError, ValueError) as error:
            failed.setdefault(index, pairwise.describe_error(error))
    return column


def _add(
    scored: Scored, title: str, columns: Mapping[str, array], failed: Mapping[int, str], warnings: WarningLog
) -> None:
    """Add the columns of a metric, and warn with its first error.

    Raises:
        UserError: a column has the name of another one, which it would replace.
    """
    if taken := sorted(columns.keys() & (RESERVED | scored.columns.keys())):
        raise UserError(
            f"metric {title} returns the column {taken[0]}, which the results have already. Rename it in "
            "the metric; the answers are kept, so the same command only scores them again."
        )
    scored.columns.update(columns)
    if failed:
        scored.failed.update({column: sorted(failed) for column in columns})
        pairs = len(next(iter(columns.values())))
        warnings.add(
            f"metric {title} failed on {len(failed)} of {pairs} pairs, which do not count; the first: "
            f"{failed[min(failed)]}"
        )


def _methods(metrics: Any, prefix: str) -> list[str]:
    """Names of the methods with a prefix, in the order in which their classes define them."""
    scopes = [*map(vars, reversed(type(metrics).__mro__)), vars(metrics)]
    names = dict.fromkeys(name for scope in scopes for name in scope if name.startswith(prefix))
    return [name for name in names if callable(getattr(metrics, name))]


def results_tables(
    metrics: Any,
    answers: Mapping[str, Sequence[Mapping[str, Any]]],
    losses: Mapping[str, Mapping[str, Sequence[float]]],
    holdout: Any,
    warnings: WarningLog,
) -> dict[str, "pd.DataFrame"]:
    """One table per model: question, texts, specialty, every metric, `answer_loss`, and notes on the answer.

    The last column, `failed`, names the columns whose metric raised an error on the question.

    Args:
        metrics: see `score_pairs`.
        answers: role → answers in the order of the holdout.
        losses: role → example id → summed loss of the reference answer and its tokens.
        holdout: the holdout split.
        warnings: gets failures, and the numbers of empty and unfinished answers and of F1 without a mean.
    """
    import pandas as pd

    references = holdout["response"][:]
    hypotheses = [answer["hypothesis"] for own in answers.values() for answer in own]
    # Both models in one call, so that a metric processes each reference once.
    scored = score_pairs(metrics, references * len(answers), hypotheses, warnings)
    failed: list[list[str]] = [[] for _ in hypotheses]
    for name, indices in scored.failed.items():
        for index in indices:
            failed[index].append(name)
    tables = {}
    for number, (role, own) in enumerate(answers.items()):
        rows = slice(number * len(references), (number + 1) * len(references))
        table = {
            "question": holdout["question"][:],
            "reference": references,
            "hypothesis": hypotheses[rows],
            "specialty": holdout["specialty"][:],
        }
        table |= {name: values[rows] for name, values in scored.columns.items()}
        sums = [losses[role].get(id, (math.nan, 1)) for id in holdout["id"]]
        table[LOSS] = [total / count for total, count in sums]
        table["id"] = holdout["id"][:]
        table |= {name: [answer[name] for answer in own] for name in NOTES}
        table["failed"] = [SEPARATOR.join(names) for names in failed[rows]]
        tables[role] = pd.DataFrame(table)
        empty = sum(not answer["hypothesis"].strip() for answer in own)
        unfinished = sum(answer["finish"] == "length" for answer in own)
        if empty:
            warnings.add(f"{role}: {counted(empty, 'answer is', 'answers are')} empty.")
        if unfinished:
            warnings.add(f"{role}: {counted(unfinished, 'answer')} had not ended at MAX_NEW_TOKENS.")
        sides = (table.get(f"bertscore_{side}", ()) for side in ("precision", "recall"))
        if opposite := sum(precision * recall < 0 for precision, recall in zip(*sides, strict=False)):
            warnings.add(
                f"{role}: bertscore_f1 of {counted(opposite, 'answer')} is 0, because precision and recall "
                "have opposite signs. The encoder is weak; use the default of BERTSCORE_MODEL."
            )
    return tables


def require_metrics(metrics: type, wanted: Sequence[str], columns: Sequence[str] | None = None) -> None:
    """Refuse names in PRIMARY_METRICS that no metric has, and metrics with a reserved name.

    Args:
        metrics: a class with methods as in `score_pairs`.
        wanted: names of columns.
        columns: the metric columns of the results tables; None: before scoring. The columns of a user's
            metric that may return a dict are known after scoring only, so names are refused then.

    Raises:
        UserError: with the nearest name, or the method to rename.
    """
    require_free_names(metrics)
    known, dicts = [LOSS, *(columns or ())], False
    for method in (name for name in dir(metrics) if name.startswith(("compute_", "score_"))):
        name = method.partition("_")[2]
        known += COLUMNS.get(name, (name,))
        returned = str(getattr(getattr(metrics, method), "__annotations__", {}).get("return", dict))
        dicts = dicts or (name not in COLUMNS and ("dict" in returned or "Mapping" in returned))
    names = ", ".join(dict.fromkeys(known))
    if not wanted:
        raise UserError(f"PRIMARY_METRICS []: none is named. The metrics are: {names}.")
    unknown = [name for name in wanted if name not in known]
    if unknown and not (dicts and columns is None):
        letters = {name.lower(): name for name in known}
        [near] = difflib.get_close_matches(unknown[0].lower(), letters, n=1, cutoff=0)
        separate = "Separate names with spaces. " * ("," in unknown[0])
        raise UserError(
            f"PRIMARY_METRICS: no metric is called {unknown[0]!r:.80}. {separate}The nearest name is "
            f"{letters[near]}; the metrics are {names}."
        )


def metric_names(table: "pd.DataFrame") -> list[str]:
    """The metric columns of a results table."""
    columns = list(table.columns)
    return columns[columns.index("specialty") + 1 : columns.index("id")]


def metric_metadata(metrics: Any, tables: Mapping[str, "pd.DataFrame"]) -> dict[str, Any]:
    """Describes how the metrics of a run were computed, for training_recommendations.json.

    Returns:
        `bertscore_model` and `entailment_model` (None: left out), `lower_is_better` (metrics), `lexicon` (its
        size and hash), `corpus_bleu` of each model with its signature, `left_out` (what could not be computed
        here → why), `failed` (column → role → number of questions on which the metric raised an error),
        `too_long` (texts that were longer than an encoder's input).
    """
    from medqa.metrics.lexical import CORPUS_BLEU_SIGNATURE, corpus_bleu

    encoder, judge = metrics.bertscore, metrics.entailment
    failed = {
        role: Counter(name for names in table["failed"] if names for name in names.split(SEPARATOR))
        for role, table in tables.items()
    }
    return {
        "bertscore_model": None if encoder is None else f"{encoder.name}, layer {encoder.layer}",
        "entailment_model": None if judge is None else judge.name,
        "too_long": {
            "texts_cut_by_bertscore": 0 if encoder is None else len(encoder.truncated),
            "answers_read_in_parts_for_entailment": 0 if judge is None else len(judge.windowed),
        },
        "lower_is_better": list(metrics.LOWER_IS_BETTER),
        "lexicon": {"terms": len(metrics.lexicon), "sha256": metrics.lexicon.sha256},
        "corpus_bleu": {
            role: corpus_bleu(table["reference"], table["hypothesis"]) for role, table in tables.items()
        }
        | {"signature": CORPUS_BLEU_SIGNATURE},
        "left_out": dict(metrics.left_out),
        "failed": {
            name: {role: own[name] for role, own in failed.items()}
            for name in dict.fromkeys(name for own in failed.values() for name in own)
        },
    }
