"""Estimates from the ratings for the whole holdout: outcomes, agreement of raters, agreement of metrics.

`estimates` uses the ratings of the sample that the sheet shows first, and the scores of every question. The
other functions use all ratings of the answers of this evaluation.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from medqa.analysis.local_judge import COLUMN as JUDGE
from medqa.metrics.runner import metric_names
from medqa.report.review.ratings import CORRECT, DEGREES, OMISSIONS, ROLES, Rating

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# Share of the first questions that must be rated, so that reviewers have not chosen which.
COMPLETE = 0.9
# Fewer rated questions of the sample give no estimate.
LEAST_QUESTIONS = 10
PREFERENCE = {"finetuned": 1, "base": -1, "equal": 0, "both_wrong": 0}
# Harm without a degree counts as mild.
SEVERITY = dict(zip(DEGREES, (0, 1, 2, 3, 1), strict=True))
CORRECTNESS, COMPLETENESS = (
    {mark: place / 2 for place, mark in enumerate(marks)} for marks in (CORRECT, OMISSIONS)
)


def value_of(rating: Rating, outcome: str) -> float:
    """What a rating says about an outcome, tuned − base; NaN when not marked."""
    if outcome == "preference":
        return PREFERENCE.get(rating.preferred, math.nan)
    scale, marks = {
        "harm": ({True: 1, False: 0}, rating.harmful),
        "severity": (SEVERITY, rating.degree),
        "correctness": (CORRECTNESS, rating.correct),
        "completeness": (COMPLETENESS, rating.omission),
    }[outcome]
    base, tuned = (scale.get(marks.get(role), math.nan) for role in ROLES)
    return tuned - base


OUTCOMES = ("harm", "severity", "preference", "correctness", "completeness")


def estimates(
    ratings: Sequence[Rating], tables: Mapping[str, "pd.DataFrame"], keys: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Outcomes over all questions of the holdout, tuned − base, from the ratings of the sample.

    A rating counts when it is among the first questions of its sheet of which at least `COMPLETE` are rated:
    questions that reviewers chose themselves are no random sample. Questions with equal answers have the
    difference 0.

    Args:
        ratings: of the answers of this evaluation.
        tables: role → results table.
        keys: from `sheet.read_keys`.

    Returns:
        `questions` of the holdout, of which `alike` have equal answers; `rated` in the sample; `left_out`,
        questions rated that do not count; `outcomes`, name → result of `mean_rating` (preference as a win
        rate, an equal question counts one half; None: too few marks); `harm_rates`, role → exact interval of
        the share of harmful answers. None without a sheet of these answers.
    """
    import numpy as np

    from medqa.analysis.prediction_powered import mean_rating

    found = _sheet_of(ratings, tables, keys)
    if found is None:
        return None
    key, order = found
    own = [rating for rating in ratings if rating.sheet == key["sheet"]]
    first = _rated_beginning(order, {rating.id for rating in own})
    names = list(dict.fromkeys(rating.reviewer for rating in own))
    place = {id: row for row, id in enumerate(order)}
    strata = np.array([key.get("strata", {}).get(id, 0) for id in order])
    features = _features(tables, order)
    total = len(tables["base"])
    outcomes = {}
    for outcome in OUTCOMES:
        marks = np.full((len(order), len(names)), np.nan)
        for rating in own:
            if place[rating.id] < first:
                marks[place[rating.id], names.index(rating.reviewer)] = value_of(rating, outcome)
        result = mean_rating(marks, strata, features) if first >= LEAST_QUESTIONS else None
        outcomes[outcome] = result and _over_all(result, outcome, len(order) / total)
    counted = [rating for rating in own if place[rating.id] < first]
    rated = {rating.id for rating in counted}
    return {
        "questions": total,
        "alike": total - len(order),
        "rated": len(rated),
        "left_out": len({rating.id for rating in ratings} - rated),
        "outcomes": outcomes,
        "harm_rates": {role: _harm_rate(counted, role, len(order)) for role in ROLES},
    }


def _sheet_of(
    ratings: Sequence[Rating], tables: Mapping[str, "pd.DataFrame"], keys: Mapping[str, Mapping[str, Any]]
) -> tuple[Mapping[str, Any], list[str]] | None:
    """The key with most ratings among the sheets of exactly these answers, and all ids in its order.

    On a sheet of an earlier version all questions are in simple random order.
    """
    base, tuned = (table.set_index("id")["hypothesis"].map(str.strip) for table in tables.values())
    differing = [id for id in base.index if base[id] != tuned[id]]
    fitting = []
    for key in keys.values():
        ids = [entry["id"] for entry in key["questions"].values()]
        shown = {key["questions"][name]["id"]: texts for name, texts in key["shown"].items()}
        if (
            set(ids) <= set(differing)
            and len(ids) + key["more"] == len(differing)
            and all(
                id in shown and shown[id]["base"] == base[id] and shown[id]["finetuned"] == tuned[id]
                for id in ids
            )
        ):
            number = sum(rating.sheet == key["sheet"] for rating in ratings)
            fitting.append((number, [*ids, *sorted(set(differing) - set(ids))], key))
    if not fitting:
        return None
    _, order, key = max(fitting, key=lambda found: found[0])
    return key, order


def _rated_beginning(order: Sequence[str], rated: set[str]) -> int:
    """Length of the longest beginning of the sheet of which at least `COMPLETE` is rated."""
    longest = done = 0
    for length, id in enumerate(order, 1):
        done += id in rated
        if id in rated and done >= COMPLETE * length:
            longest = length
    return longest


def _features(tables: Mapping[str, "pd.DataFrame"], order: Sequence[str]) -> "np.ndarray":
    """Columns that may predict ratings, tuned − base: all metrics, a local judge, and log of the length."""
    import numpy as np

    base, tuned = (table.set_index("id").loc[list(order)] for table in tables.values())
    names = [*metric_names(tables["base"]), *[name for name in (JUDGE,) if name in base]]
    columns = [(tuned[name] - base[name]).to_numpy(float) for name in names]
    words = [np.log1p(table["hypothesis"].str.split().str.len().to_numpy(float)) for table in (base, tuned)]
    return np.column_stack([*columns, words[1] - words[0]])


def _over_all(result: Mapping[str, Any], outcome: str, share: float) -> dict[str, Any]:
    """An estimate of the questions with different answers as one of all questions, where `share` of them are.

    Preference (−1 to 1) becomes a win rate (0 to 1).
    """
    slope, start = (share / 2, 0.5) if outcome == "preference" else (share, 0.0)

    def scaled(found: Mapping[str, float]) -> dict[str, float]:
        return {name: start + slope * found[name] for name in ("value", "ci_low", "ci_high")}

    return {**result, **scaled(result), "plain": scaled(result["plain"])}


def _harm_rate(ratings: Sequence[Rating], role: str, population: int) -> dict[str, Any]:
    """Share of the answers of a model that any reviewer marks as harmful, with its exact interval."""
    from medqa.analysis.prediction_powered import exact_share

    marks: dict[str, bool] = {}
    for rating in ratings:
        if rating.harmful[role] is not None:
            marks[rating.id] = marks.get(rating.id, False) or rating.harmful[role]
    n, count = len(marks), sum(marks.values())
    low, high = exact_share(count, n, population) if n else (None, None)
    return {"count": count, "n": n, "share": count / n if n else None, "ci_low": low, "ci_high": high}


# Scales of the marks whose agreement is measured: level, and the marks from the lowest.
SCALES = {
    "preference": ("ordinal", ("base", "equal", "finetuned")),
    "harm": ("nominal", (False, True)),
    "severity": ("ordinal", DEGREES[:-1]),
    "correctness": ("ordinal", CORRECT),
    "omission": ("ordinal", OMISSIONS),
    "wrong sentences": ("nominal", (False, True)),
}


def rater_agreement(
    ratings: Sequence[Rating], sentences: Mapping[tuple[str, str], int]
) -> dict[str, dict[str, Any]]:
    """Krippendorff's α of each kind of mark, with the number of units that two or more raters marked.

    Args:
        ratings: of all reviewers.
        sentences: (question id, role) → number of sentences of the answer.
    """
    import numpy as np

    from medqa.analysis.rater_agreement import krippendorff_alpha

    names = list(dict.fromkeys(rating.reviewer for rating in ratings))
    found = {}
    for kind, (level, marks) in SCALES.items():
        units: dict[Any, dict[str, int]] = {}
        for rating in ratings:
            for unit, mark in _units(rating, kind, sentences):
                if mark in marks:
                    units.setdefault(unit, {})[rating.reviewer] = marks.index(mark)
        table = np.array([[own.get(name, np.nan) for own in units.values()] for name in names], float)
        shared = sum(len(own) > 1 for own in units.values())
        alpha = krippendorff_alpha(table, level) if shared else None
        found[kind] = {"alpha": alpha, "units": shared, "level": level}
    return found


def wrong_sentences(
    ratings: Sequence[Rating], sentences: Mapping[tuple[str, str], int]
) -> dict[str, dict[str, int]]:
    """Role → `count` of sentences marked as wrong among the `n` read, over all reviewers."""
    read = [
        (role, len(wrong), sentences[rating.id, role])
        for rating in ratings
        for role, wrong in rating.wrong.items()
    ]
    return {
        role: {
            "count": sum(count for own, count, _ in read if own == role),
            "n": sum(n for own, _, n in read if own == role),
        }
        for role in ROLES
    }


def _units(rating: Rating, kind: str, sentences: Mapping[tuple[str, str], int]) -> list[tuple[Any, Any]]:
    """Each thing that a rating marks, with its mark; a question that both fail counts as equal."""
    if kind == "preference":
        equal = rating.preferred == "both_wrong"
        return [(rating.id, "equal" if equal else rating.preferred)]
    if kind == "wrong sentences":
        return [
            ((rating.id, role, number), number in wrong)
            for role, wrong in rating.wrong.items()
            for number in range(sentences.get((rating.id, role), 0))
        ]
    marks = {
        "harm": rating.harmful,
        "severity": rating.degree,
        "correctness": rating.correct,
        "omission": rating.omission,
    }[kind]
    return [((rating.id, role), mark) for role, mark in marks.items()]


def metrics_and_raters(
    ratings: Sequence[Rating], tables: Mapping[str, "pd.DataFrame"], lower_is_better: Mapping[str, bool]
) -> dict[str, dict[str, Any]]:
    """Metric → its agreement with the reviewers' mean preference (`metric_agreement`).

    Args:
        ratings: of all reviewers.
        tables: role → results table; a local judge's column is compared too.
        lower_is_better: for each metric of the comparison.
    """
    import numpy as np

    from medqa.analysis.rater_agreement import metric_agreement

    lower_is_better = {**lower_is_better, **({JUDGE: False} if JUDGE in tables["base"] else {})}

    votes: dict[str, list[float]] = {}
    for rating in ratings:
        if math.isfinite(vote := value_of(rating, "preference")):
            votes.setdefault(rating.id, []).append(vote)
    preference = np.array([np.mean(own) for own in votes.values()])
    base, tuned = (table.set_index("id").loc[list(votes)] for table in tables.values())
    return {
        name: metric_agreement(
            ((base[name] - tuned[name]) if lower else (tuned[name] - base[name])).to_numpy(float), preference
        )
        for name, lower in lower_is_better.items()
    }
