"""Selects the questions of the page, and formats their texts, flags and metrics."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medqa.analysis.paired_scores import TIE
from medqa.report.html.differences import runs
from medqa.report.review.ratings import ROLES

if TYPE_CHECKING:
    import pandas as pd

# Columns of the results tables that flag an answer when above 0 → the flag.
ERRORS = {"dose_error": "dose error", "nli_contradicted": "contradicts the reference"}
# Share of repeated 4-grams above which an answer is flagged.
REPETITIVE = 0.5
# Of more questions the page shows the extremes in both directions and an even sample of the others.
MOST_QUESTIONS = 1_500
EXTREMES = 250
# Characters. 512 tokens have about 2,500; marking differences in much longer texts takes gigabytes.
LONGEST_TEXT = 10_000


def chosen(gains: np.ndarray) -> list[int]:
    """Row numbers of the questions to show, in order: all, or the extremes and an even sample of the others.

    Args:
        gains: tuned − base of the primary score, (questions,), NaN where it does not apply.
    """
    if len(gains) <= MOST_QUESTIONS:
        return list(range(len(gains)))
    known = np.flatnonzero(np.isfinite(gains))
    ordered = known[np.argsort(gains[known], kind="stable")]
    extremes = set(ordered[:EXTREMES].tolist()) | set(ordered[-EXTREMES:].tolist())
    others = [row for row in range(len(gains)) if row not in extremes]
    wanted = MOST_QUESTIONS - len(extremes)
    return sorted(extremes | {others[number * len(others) // wanted] for number in range(wanted)})


def entries(
    tables: Mapping[str, "pd.DataFrame"],
    positions: Sequence[int],
    metrics: Sequence[str],
    lower_is_better: Sequence[str],
) -> list[dict[str, Any]]:
    """Content of the page for the questions in some rows of the tables.

    Args:
        tables: role → results table, the same questions in the same order.
        positions: row numbers.
        metrics: metric columns in the order of the page, the primary score first.
        lower_is_better: metrics for which lower is better.
    """
    counts = {name for name in metrics if all(_is_count(table[name]) for table in tables.values())}
    rows = {role: table.iloc[list(positions)].to_dict("records") for role, table in tables.items()}
    found = []
    for position, base, tuned in zip(positions, rows["base"], rows["finetuned"], strict=True):
        pair = {"base": base, "finetuned": tuned}
        cells = [
            _metric(name, base[name], tuned[name], name in lower_is_better, name in counts)
            for name in metrics
        ]
        near = [("near the training data", "question")] if base.get("near_training", False) else []
        found.append(
            {
                "number": position + 1,
                **texts(pair),
                **{name: base[name] for name in ("id", "specialty", "question")},
                "metrics": cells,
                "score": cells[0],
                # Larger is better; "-" where the metric does not apply.
                "gains": " ".join(cell["gain"] for cell in cells),
                "flags": [(kind, ROLES[role]) for role in ROLES for kind in flags(pair[role])] + near,
                "errors": [
                    {"role": ROLES[role], **error}
                    for role in ROLES
                    for error in json.loads(pair[role].get("dose_errors") or "[]")
                ],
            }
        )
    return found


def texts(pair: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Reference and answers of a question, cut after `LONGEST_TEXT` characters; `rest` counts the others.

    Answers are lists of (run of words, marks): mark `n` for words that are not in the reference, `o` for
    words that are not in the other answer.

    Args:
        pair: role → row of its results table.
    """
    whole = {role: row["hypothesis"].strip() for role, row in pair.items()}
    whole["reference"] = pair["base"]["reference"]
    cut = {name: text[:LONGEST_TEXT] for name, text in whole.items()}
    rest = {name: len(text) - len(cut[name]) for name, text in whole.items()}
    return {
        "reference": {"text": cut["reference"], "rest": rest["reference"]},
        "answers": [
            {
                "role": ROLES[role],
                "runs": runs(cut[role], {"n": cut["reference"], "o": cut[other]}),
                "rest": rest[role],
                "note": f"{pair[role]['new_tokens']:,} tokens" if "new_tokens" in pair[role] else "",
            }
            for role, other in (("base", "finetuned"), ("finetuned", "base"))
        ],
    }


def flags(row: Mapping[str, Any]) -> list[str]:
    """Flags of an answer, from the columns that the results table has."""
    conditions = {label: row.get(column, 0) > 0 for column, label in ERRORS.items()} | {
        "empty answer": not row["hypothesis"].strip(),
        "answer cut off": row.get("finish") == "length",
        "repeats itself": row.get("repetition", 0) >= REPETITIVE,
    }
    return [label for label, holds in conditions.items() if holds]


def _is_count(column: "pd.Series") -> bool:
    """Whether all values of a metric are integers, so that it is a count."""
    values = np.asarray(column, dtype=float)
    return bool((values[np.isfinite(values)] % 1 == 0).all())


def _metric(name: str, before: float, after: float, lower_is_better: bool, is_count: bool) -> dict[str, str]:
    """One metric of a question as text; `gain` is larger when tuned is better, "-" when not applicable."""
    digits = 0 if is_count else 3
    cells = {"name": name, "base": shown(before, digits), "tuned": shown(after, digits)}
    if not (math.isfinite(before) and math.isfinite(after)):
        return cells | {"change": "", "gain": "-", "verdict": ""}
    change = after - before
    gain = -change if lower_is_better else change
    change_text = "=" if abs(gain) <= TIE else shown(change, digits, signed=True)
    verdict = "" if not round(change, digits) else "better" if gain > 0 else "worse"
    return cells | {"change": change_text, "gain": f"{gain:.4g}", "verdict": verdict}


def shown(value: float, digits: int = 3, signed: bool = False) -> str:
    """A number with a typographic minus sign; "n/a" when it is not finite."""
    if not math.isfinite(value):
        return "n/a"
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "−")
