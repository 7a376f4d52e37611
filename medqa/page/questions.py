"""What the page says of each question, and which questions it shows when there are too many."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medqa.page.differences import runs

if TYPE_CHECKING:
    import pandas as pd

ROLES = {"base": "base", "finetuned": "tuned"}
# Columns of the results tables that accuse an answer when above 0.
ACCUSING = {"dose_error": "dose error", "nli_contradicted": "contradicts the reference"}
# An answer repeats itself when this share of its 4-grams had occurred before.
REPETITIVE = 0.5
# Of more questions than this the page shows a choice: the extremes, and an even sample of the others.
MOST_QUESTIONS = 1_500
EXTREMES = 250
# A smaller change of a score is rounding.
UNCHANGED = 1e-6


def chosen(gains: np.ndarray) -> list[int]:
    """Places of the questions that the page shows, in order: all, or the extremes and an even sample.

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
    scores: Mapping[str, np.ndarray],
) -> list[dict[str, Any]]:
    """What the page says of the questions at `places`, but for the texts (`texts` gives these).

    Args:
        tables: role → results table, the same questions in the same order.
        metrics: metric columns, in the order of the page.
        lower_is_better: those for which less is better.
        scores: role → primary score of every question.
    """
    whole = {name for name in metrics if all(_whole(table[name]) for table in tables.values())}
    rows = {role: table.iloc[list(places)].to_dict("records") for role, table in tables.items()}
    found = []
    for place, base, tuned in zip(places, rows["base"], rows["finetuned"], strict=True):
        pair = {"base": base, "finetuned": tuned}
        columns = [("primary_score", *(float(scores[role][place]) for role in ROLES))]
        columns += [(name, base[name], tuned[name]) for name in metrics]
        measured = [
            _metric(name, before, after, name in lower_is_better, name in whole)
            for name, before, after in columns
        ]
        found.append(
            {
                "number": place + 1,
                "pair": pair,
                **{name: base[name] for name in ("id", "specialty", "question")},
                "metrics": measured,
                "score": measured[0],
                # Larger is better, whatever the metric; "-" where it does not apply.
                "gains": " ".join(metric["gain"] for metric in measured),
                "flags": [flag for role in ROLES for flag in flags(role, pair[role])]
                + [("near the training data", "question")] * bool(base.get("near_training", False)),
                "errors": [error for role in ROLES for error in errors(role, pair[role])],
            }
        )
    return found


def texts(pair: Mapping[str, Mapping[str, Any]], longest: int | None) -> dict[str, Any]:
    """Reference and answers of a question, the answers as stretches of words with marks.

    The mark `n` is for words not in the reference, `o` for words only in this one of the two answers.

    Args:
        pair: role → row of its results table.
        longest: characters after which a text is cut; None: never.
    """
    reference, left_out = _cut(pair["base"]["reference"], longest)
    cut = {role: _cut(row["hypothesis"].strip(), longest) for role, row in pair.items()}
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
    """What is suspicious about an answer: (kind, role) each, of the columns that this run has."""
    kinds = [label for column, label in ACCUSING.items() if row.get(column, 0) > 0]
    if not row["hypothesis"].strip():
        kinds.append("empty answer")
    if row.get("finish") == "length":
        kinds.append("answer cut off")
    if row.get("repetition", 0) >= REPETITIVE:
        kinds.append("repeats itself")
    return [(kind, ROLES[role]) for kind in kinds]


def errors(role: str, row: Mapping[str, Any]) -> list[dict[str, str]]:
    """Which quantity of an answer contradicts which of the reference."""
    from medqa.clinical import dose_errors

    if not row.get("dose_error", 0) > 0:
        return []
    return [{"role": ROLES[role], **error} for error in dose_errors(row["reference"], row["hypothesis"])]


def _cut(text: str, longest: int | None) -> tuple[str, int]:
    """The beginning of a text, and how many characters are left out."""
    if longest is None or len(text) <= longest:
        return text, 0
    return text[:longest], len(text) - longest


def _whole(column: "pd.Series") -> bool:
    """Whether a metric counts: all its values are whole numbers."""
    values = np.asarray(column, dtype=float)
    return bool((values[np.isfinite(values)] % 1 == 0).all())


def _metric(name: str, before: float, after: float, less_is_better: bool, whole: bool) -> dict[str, str]:
    """One metric of a question as texts; `gain` is larger when tuned is better, "" when not applicable."""
    digits = 0 if whole else 3
    known = math.isfinite(before) and math.isfinite(after)
    change = after - before if known else 0.0
    gain = -change if less_is_better else change
    verdict = "" if abs(gain) <= UNCHANGED else "better" if gain > 0 else "worse"
    return {
        "name": name,
        "base": shown(before, digits),
        "tuned": shown(after, digits),
        "change": (shown(change, digits, signed=True) if verdict else "=") if known else "",
        "gain": f"{gain:.4g}" if known else "-",
        "verdict": verdict,
    }


def shown(value: float, digits: int = 3, signed: bool = False) -> str:
    """A number for people, with a real minus sign; "n/a" when it is none."""
    if not math.isfinite(value):
        return "n/a"
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "−")
