"""A class of metrics → one column per metric; a metric that fails on a pair costs that pair, not the run."""

import contextlib
import itertools
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from medqa.metrics import pairwise
from medqa.runtime.console import WarningLog, counted
from medqa.runtime.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

# Between the names in the column `failed`.
SEPARATOR = "; "
# What is kept of an answer beside its text; everything between the texts and these columns is a metric.
NOTES = ("finish", "new_tokens", "repetition", "prompt_cut")


class Scored(NamedTuple):
    """What `score_pairs` found.

    Attributes:
        columns: column → one number a pair, float64; NaN stands for "not applicable", and for a pair on
            which the metric failed.
        failed: column → the places of the pairs on which it failed; columns without a failure are not there.
    """

    columns: dict[str, array]
    failed: dict[str, list[int]]


class _Rows:
    """What a metric gives pair by pair, in whichever order, kept as columns: 8 bytes a number."""

    def __init__(self, pairs: int) -> None:
        self.pairs = pairs
        self.failed: dict[int, str] = {}
        self._numbers: dict[str, array] = {}
        self._first: dict[str, tuple[int, int]] = {}  # of each column: first pair that has it, place in there

    def add(self, pair: int, row: pairwise.Row) -> None:
        """Take in what the metric gave for a pair."""
        if isinstance(row, str):
            self.failed[pair] = row
            return
        for place, (column, number) in enumerate(row.items()):
            if column not in self._numbers:
                self._numbers[column] = _blank(self.pairs)
            self._numbers[column][pair] = number
            self._first[column] = min(self._first.get(column, (pair, place)), (pair, place))

    def columns(self, title: str) -> dict[str, array]:
        """The columns in the order of the pairs; without any, one without a number that is called `title`."""
        names = sorted(self._first, key=self._first.__getitem__)
        return {name: self._numbers[name] for name in names} or {title: _blank(self.pairs)}


def _blank(pairs: int) -> array:
    """A column without a number."""
    return array("d", [math.nan]) * pairs


def score_pairs(
    metrics: Any, references: Sequence[str], hypotheses: Sequence[str], warnings: WarningLog
) -> Scored:
    """Run every metric of an object over pairs of texts.

    Args:
        metrics: an object with methods `compute_NAME(reference, hypothesis)`, which return a number, None for
            "not applicable", or a dict of columns; and `score_NAME(references, hypotheses)`, which take all
            pairs at once and return a dict of columns. `IN_PARALLEL` (optional): see `pairwise.rows`.
        references, hypotheses: texts, pair by pair.
        warnings: where failures are told.
    """
    scored = Scored({}, {})
    names = _methods(metrics, "compute_")
    kept = {name: _Rows(len(references)) for name in names}
    # Pairs of one reference together, so that what a metric has read of it is still at hand.
    places = _by_reference(references, hypotheses)
    blocks = pairwise.rows(metrics, names, [(references[place], hypotheses[place]) for place in places])
    with contextlib.closing(blocks), Progress("Lexical scores", len(places), "pair") as progress:
        for place, found in zip(places, itertools.chain.from_iterable(blocks), strict=True):
            for name, row in zip(names, found, strict=True):
                kept[name].add(place, row)
            progress.advance()
    for name in names:
        title = name.removeprefix("compute_")
        columns = kept[name].columns(title)
        scored.columns.update(columns)
        _tell_failures(scored, title, columns, kept[name].failed, len(references), warnings)
    for name in _methods(metrics, "score_"):
        title = name.removeprefix("score_")
        failed = {}
        try:
            found = dict(getattr(metrics, name)(references, hypotheses))
            columns = {key: _checked(values, len(references), failed) for key, values in found.items()}
        except Exception as error:  # a user's metric may raise anything
            columns = {title: _blank(len(references))}
            failed = dict.fromkeys(range(len(references)), pairwise.described(error))
        scored.columns.update(columns)
        _tell_failures(scored, title, columns, failed, len(references), warnings)
    return scored


def _by_reference(references: Sequence[str], hypotheses: Sequence[str]) -> list[int]:
    """The places of all pairs, those of one reference next to each other."""
    first: dict[str, int] = {}
    for place, (reference, _) in enumerate(zip(references, hypotheses, strict=True)):
        first.setdefault(reference, place)
    return sorted(range(len(references)), key=lambda place: first[references[place]])


def _checked(values: Sequence[Any], pairs: int, failed: dict[int, str]) -> array:
    """A column of a metric that takes all pairs at once; what is no number is noted in `failed`."""
    if len(values) != pairs:
        raise pairwise.MetricFailed(f"it gave {len(values)} values for {pairs} pairs")
    numbers = array("d")
    for place, value in enumerate(values):
        try:
            numbers.append(pairwise.number(value))
        except (pairwise.MetricFailed, TypeError, ValueError) as error:
            numbers.append(math.nan)
            failed.setdefault(place, pairwise.described(error))
    return numbers


def _tell_failures(
    scored: Scored,
    title: str,
    columns: Iterable[str],
    failed: Mapping[int, str],
    pairs: int,
    warnings: WarningLog,
) -> None:
    """Note on which pairs a metric failed, and tell the first error."""
    if failed:
        scored.failed.update({column: sorted(failed) for column in columns})
        warnings.add(
            f"metric {title} failed on {len(failed)} of {pairs} pairs, which do not count; the first: "
            f"{failed[min(failed)]}"
        )


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
        warnings: told of failures, and of empty or unfinished answers.
    """
    import pandas as pd

    references = holdout["response"][:]
    hypotheses = [answer["hypothesis"] for found in answers.values() for answer in found]
    # Both models in one call, so that a metric can share what it knows of a reference.
    scored = score_pairs(metrics, references * len(answers), hypotheses, warnings)
    failed: list[list[str]] = [[] for _ in hypotheses]
    for name, places in scored.failed.items():
        for place in places:
            failed[place].append(name)
    tables = {}
    for number, (role, found) in enumerate(answers.items()):
        rows = slice(number * len(references), (number + 1) * len(references))
        table = {
            "question": holdout["question"][:],
            "reference": references,
            "hypothesis": hypotheses[rows],
            "specialty": holdout["specialty"][:],
        }
        table |= {name: values[rows] for name, values in scored.columns.items()}
        sums = [losses[role].get(id, (math.nan, 1)) for id in holdout["id"]]
        table["answer_loss"] = [total / count for total, count in sums]
        table["id"] = holdout["id"][:]
        table |= {name: [answer[name] for answer in found] for name in NOTES}
        table["failed"] = [SEPARATOR.join(names) for names in failed[rows]]
        tables[role] = pd.DataFrame(table)
        empty = sum(not answer["hypothesis"].strip() for answer in found)
        endless = sum(answer["finish"] == "length" for answer in found)
        if empty:
            warnings.add(f"{role}: {counted(empty, 'answer is', 'answers are')} empty.")
        if endless:
            warnings.add(f"{role}: {counted(endless, 'answer')} had not ended at MAX_NEW_TOKENS.")
    return tables


def metric_names(table: "pd.DataFrame") -> list[str]:
    """The metric columns of a results table."""
    columns = list(table.columns)
    return columns[columns.index("specialty") + 1 : columns.index("id")]


def metric_metadata(metrics: Any, tables: Mapping[str, "pd.DataFrame"]) -> dict[str, Any]:
    """What a reader must know of the metrics of a run, for training_recommendations.json.

    Returns:
        `bertscore_model` and `entailment_model` (None: left out), `lexicon` (its size and hash),
        `corpus_bleu` of each model with its signature, `left_out` (what could not be computed here → why),
        `failed` (column → role → number of questions on which the metric raised an error), `too_long` (texts
        that were longer than an encoder's input).
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
            "texts_cut_by_bertscore": 0 if encoder is None else encoder.truncated,
            "answers_read_in_parts_for_entailment": 0 if judge is None else judge.windowed,
        },
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
