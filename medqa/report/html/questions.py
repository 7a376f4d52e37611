"""The questions on the page: which ones are shown, and their texts, flags and metrics."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medqa.analysis.paired_scores import TIE
from medqa.report.html.differences import runs

if TYPE_CHECKING:
    import pandas as pd

ROLES = {"base": "base", "finetuned": "tuned"}
# Columns of the results tables that flag an answer when above 0.
ACCUSING = {"dose_error": "dose error", "nli_contradicted": "contradicts the reference"}
# Share of repeated 4-grams from which an answer is flagged.
REPETITIVE = 0.5
# A larger holdout is sampled: the extremes in both directions and an even sample of the other questions.
MOST_QUESTIONS = 1_500
EXTREMES = 250
# Characters. 512 tokens have about 2,500; marking differences in much longer texts takes gigabytes.
LONGEST_TEXT = 10_000


def chosen(gains: np.ndarray) -> list[int]:
    """Row numbers of the questions to show, in order: all, or the extremes and an even sample.

    Args:
        gains: tuned − base of the primary score, (questions,), NaN where it does not apply.
    """
    if len(gains) <= MOST_QUESTIONS:
        return list(range(len(gains)))
    known = np.flatnonzero(np.isfinite(gains))
    ordered = known[np.argsort(gains[known], kind="stable")]
    extremes = set(ordered[:EXTREMES].tolist()) | set(ordered[-EXTREMES:].tolist())
    others = [place for place in range(len(gains)) if place not in extremes]
    wanted = MOST_QUESTIONS - len(extremes)
    return sorted(extremes | {others[number * len(others) // wanted] for number in range(wanted)})


def entries(
    tables: Mapping[str, "pd.DataFrame"],
    places: Sequence[int],
    metrics: Sequence[str],
    lower_is_better: Sequence[str],
) -> list[dict[str, Any]]:
    """Content of the page for the questions in the rows `places`.

    Args:
        tables: role → results table, the same questions in the same order.
        places: row numbers.
        metrics: metric columns in the order of the page, the primary score first.
        lower_is_better: metrics for which lower is better.
    """
    whole = {name for name in metrics if all(_whole(table[name]) for table in tables.values())}
    rows = {role: table.iloc[list(places)].to_dict("records") for role, table in tables.items()}
    found = []
    for place, base, tuned in zip(places, rows["base"], rows["finetuned"], strict=True):
        pair = {"base": base, "finetuned": tuned}
        measured = [
            _metric(name, base[name], tuned[name], name in lower_is_better, name in whole) for name in metrics
        ]
        found.append(
            {
                "number": place + 1,
                **texts(pair),
                **{name: base[name] for name in ("id", "specialty", "question")},
                "metrics": measured,
                "score": measured[0],
                # Signed so that larger is better; "-" where the metric does not apply.
                "gains": " ".join(metric["gain"] for metric in measured),
                "flags": [flag for role in ROLES for flag in flags(role, pair[role])]
                + [("near the training data", "question")] * bool(base.get("near_training", False)),
                "errors": [error for role in ROLES for error in errors(role, pair[role])],
            }
        )
    return found


def texts(pair: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Reference and answers of a question, cut after `LONGEST_TEXT` characters; `rest` counts those left out.

    Answers are lists of (stretch of words, marks): mark `n` for words that are not in the reference, `o` for
    words that are not in the other answer.

    Args:
        pair: role → row of its results table.
    """
    reference, left_out = _cut(pair["base"]["reference"])
    cut = {role: _cut(row["hypothesis"].strip()) for role, row in pair.items()}
    answers = []
    for role, other in (("base", "finetuned"), ("finetuned", "base")):
        text, rest = cut[role]
        tokens = pair[role].get("new_tokens")
        answers.append(
            {
                "role": ROLES[role],
                "runs": runs(text, {"n": reference, "o": cut[other][0]}),
                "rest": rest,
                "note": "" if tokens is None else f"{tokens:,} tokens",
            }
        )
    return {"reference": {"text": reference, "rest": left_out}, "answers": answers}


def flags(role: str, row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Flags of an answer as (kind, role), from the columns that the table has."""
    kinds = [label for column, label in ACCUSING.items() if row.get(column, 0) > 0]
    if not row["hypothesis"].strip():
        kinds.append("empty answer")
    if row.get("finish") == "length":
        kinds.append("answer cut off")
    if row.get("repetition", 0) >= REPETITIVE:
        kinds.append("repeats itself")
    return [(kind, ROLES[role]) for kind in kinds]


def errors(role: str, row: Mapping[str, Any]) -> list[dict[str, str]]:
    """Quantities of an answer that contradict the reference, from the column `dose_errors`."""
    return [{"role": ROLES[role], **error} for error in json.loads(row.get("dose_errors") or "[]")]


def _cut(text: str) -> tuple[str, int]:
    """The first `LONGEST_TEXT` characters of a text, and the number of those left out."""
    return text[:LONGEST_TEXT], max(0, len(text) - LONGEST_TEXT)


def _whole(column: "pd.Series") -> bool:
    """Whether all values of a metric are integers, so that it is a count."""
    values = np.asarray(column, dtype=float)
    return bool((values[np.isfinite(values)] % 1 == 0).all())


def _metric(name: str, before: float, after: float, less_is_better: bool, whole: bool) -> dict[str, str]:
    """One metric of a question as texts; `gain` is larger when tuned is better, "-" when not applicable."""
    digits = 0 if whole else 3
    known = math.isfinite(before) and math.isfinite(after)
    change = after - before if known else 0.0
    gain = -change if less_is_better else change
    verdict = "" if abs(gain) <= TIE else "better" if gain > 0 else "worse"
    return {
        "name": name,
        "base": shown(before, digits),
        "tuned": shown(after, digits),
        "change": (shown(change, digits, signed=True) if verdict else "=") if known else "",
        "gain": f"{gain:.4g}" if known else "-",
        "verdict": verdict,
    }


def shown(value: float, digits: int = 3, signed: bool = False) -> str:
    """A number with a typographic minus sign; "n/a" when it is not finite."""
    if not math.isfinite(value):
        return "n/a"
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "−")
