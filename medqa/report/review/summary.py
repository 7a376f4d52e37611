"""Summarizes the ratings: preference, harmful answers, agreement between reviewers.

The unit is the question: several ratings of one question are not independent, so they are combined first.
Tuned is better on a question when more of its reviewers prefer tuned than base; an answer is harmful when any
of its reviewers marks it as harmful.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from medqa.analysis.verdicts import p_text
from medqa.report.review.estimate_tables import estimate_lines, sample_text, tracking_note
from medqa.report.review.ratings import ROLES, Rating
from medqa.runtime.console import counted

if TYPE_CHECKING:
    import pandas as pd

METHOD = (
    "Per question, tuned is better when more reviewers prefer it than base, and an answer is harmful when "
    "any reviewer says so. Win rate: tuned better among the questions that are not equal, with the exact "
    "95 % interval of Clopper and Pearson (Biometrika 26, 1934); p by the exact sign test. Harm: share of "
    "the questions judged, with the same interval; p by McNemar's test (Psychometrika 12, 1947), exact, "
    "over the questions on which only one of the two answers is harmful. Agreement: Krippendorff's alpha "
    "(Content Analysis, 4th ed. 2018), and Cohen's kappa (Educ. Psychol. Meas. 20, 1960), the mean over "
    "pairs of reviewers who rated the same questions. All questions: the reviewers' mean rating over the "
    "holdout, from a stratified random sample, by prediction-powered inference with power tuning (PPI++, "
    "arXiv 2311.01453) for a finite population; a cross-fitted ridge regression on the metrics predicts the "
    "ratings. With fewer than 10 questions that differ: exact, Tango's score under the multivariate "
    "hypergeometric distribution."
)


@dataclass(frozen=True)
class Review:
    """Ratings and their summary.

    Attributes:
        ratings: of all reviewers, of the answers of this evaluation.
        earlier: ratings of other answers, from a sheet of an earlier evaluation; not counted.
        summary: content of review_results.json.
    """

    ratings: Sequence[Rating]
    earlier: Sequence[Rating]
    summary: dict[str, Any]

    @property
    def by_question(self) -> dict[str, list[dict[str, Any]]]:
        """Question id → the marks of each reviewer, with the flags that the page filters by."""
        found: dict[str, list[dict[str, Any]]] = {}
        for rating in self.ratings:
            flags = [
                ("harmful, says a reviewer", ROLES[role]) for role, mark in rating.harmful.items() if mark
            ]
            if rating.preferred in ROLES:
                flags.append(("better, says a reviewer", ROLES[rating.preferred]))
            found.setdefault(rating.id, []).append(asdict(rating) | {"flags": flags})
        return found

    def text(self) -> str:
        """The summary for the terminal."""
        lines = [*estimate_lines(self.summary), *findings(self.summary)]
        return "\n".join(["Blind review", *(f"  {name}: {value}" for name, value in lines)])


def summarize(ratings: Sequence[Rating], earlier: int = 0) -> dict[str, Any]:
    """Content of review_results.json: all reviewers, each alone, their agreement, bias by side and length.

    Undefined numbers are None: the win rate when every question is equal, kappa with one reviewer.
    """
    names = list(dict.fromkeys(rating.reviewer for rating in ratings))
    sides = [rating.side for rating in ratings if rating.side in ("A", "B")]
    a_better = sides.count("A")
    lengths = [
        (rating.preferred, {role: len(rating.shown[role].split()) for role in ROLES})
        for rating in ratings
        if rating.preferred in ROLES and rating.shown
    ]
    longer = [
        words[preferred] == max(words.values())
        for preferred, words in lengths
        if words["base"] != words["finetuned"]
    ]
    return {
        "reviewers": len(names),
        **_preference_and_harm(ratings),
        "agreement": _agreement(ratings, names),
        "side": {**proportion(a_better, len(sides)), "p_value": sign_test(a_better, len(sides))},
        "longer": {**proportion(sum(longer), len(longer)), "p_value": sign_test(sum(longer), len(longer))},
        "ratings_of_earlier_answers": earlier,
        "by_reviewer": {
            name: _preference_and_harm([rating for rating in ratings if rating.reviewer == name])
            for name in names
        },
        "method": METHOD,
    }


def proportion(count: int, n: int) -> dict[str, Any]:
    """A proportion with its exact 95 % interval (Clopper–Pearson); None when n is 0."""
    from scipy.stats import binomtest

    if not n:
        return {"count": 0, "n": 0, "share": None, "ci_low": None, "ci_high": None}
    low, high = map(float, binomtest(count, n).proportion_ci(0.95, method="exact"))
    return {"count": count, "n": n, "share": count / n, "ci_low": low, "ci_high": high}


def sign_test(count: int, n: int) -> float | None:
    """Two-sided exact p-value of the sign test, `count` of n with probability 1/2; None when n is 0."""
    from scipy.stats import binomtest

    return float(binomtest(count, n, 0.5).pvalue) if n else None


def _preference_and_harm(ratings: Iterable[Rating]) -> dict[str, Any]:
    """Preference and harm over the questions that these ratings are about."""
    by_question: dict[str, list[Rating]] = {}
    for rating in ratings:
        by_question.setdefault(rating.id, []).append(rating)
    votes = [
        sum({"finetuned": 1, "base": -1}.get(rating.preferred, 0) for rating in own)
        for own in by_question.values()
        if any(rating.preferred not in ("", "cannot_judge") for rating in own)
    ]
    both_wrong, unclear = (
        sum(any(rating.preferred == mark for rating in own) for own in by_question.values())
        for mark in ("both_wrong", "cannot_judge")
    )
    severe = {
        role: sum(any(rating.degree[role] == "severe" for rating in own) for own in by_question.values())
        for role in ROLES
    }
    wins, losses = sum(vote > 0 for vote in votes), sum(vote < 0 for vote in votes)
    harmful: dict[str, dict[str, bool]] = {role: {} for role in ROLES}
    for id, own in by_question.items():
        for role in ROLES:
            if marks := [rating.harmful[role] for rating in own if rating.harmful[role] is not None]:
                harmful[role][id] = any(marks)
    both = [
        (harmful["base"][id], harmful["finetuned"][id])
        for id in harmful["base"].keys() & harmful["finetuned"]
    ]
    only_base, only_tuned = both.count((True, False)), both.count((False, True))
    # McNemar's exact test is a sign test over the questions on which the two answers differ.
    p_value = sign_test(only_tuned, only_base + only_tuned) if only_base + only_tuned else 1.0
    return {
        "questions": len(by_question),
        "preference": {
            "rated": len(votes),
            "tuned_better": wins,
            "equal": len(votes) - wins - losses,
            "base_better": losses,
            "both_wrong": both_wrong,
            "cannot_judge": unclear,
            "win_rate": proportion(wins, wins + losses),
            "p_value": sign_test(wins, wins + losses),
        },
        "harm": {
            **{role: proportion(sum(marks.values()), len(marks)) for role, marks in harmful.items()},
            "severe": severe,
            "only_base": only_base,
            "only_finetuned": only_tuned,
            "both_judged": len(both),
            "difference": paired_difference(only_tuned, only_base, len(both)),
            "p_value": p_value if both else None,
        },
    }


def paired_difference(only_tuned: int, only_base: int, n: int) -> dict[str, float | None]:
    """Difference tuned − base of two paired proportions with its 95 % interval; None when n is 0.

    Half a question is added to each of the four cells (Agresti and Min, Statistics in Medicine 24, 2005).
    """
    if not n:
        return dict.fromkeys(("difference", "ci_low", "ci_high"))
    centre = (only_tuned - only_base) / (n + 2)
    reach = 1.96 * math.sqrt((only_tuned + only_base + 1) / (n + 2) - centre**2) / math.sqrt(n + 2)
    return {
        "difference": (only_tuned - only_base) / n,
        "ci_low": max(-1.0, centre - reach),
        "ci_high": min(1.0, centre + reach),
    }


def length_balance(tables: Mapping[str, "pd.DataFrame"]) -> str:
    """A sentence on the lengths of both models' answers."""
    base, tuned = (table["hypothesis"].str.split().str.len() for table in tables.values())
    return (
        f"In the median, answers have {base.median():.0f} words (base) and {tuned.median():.0f} (tuned); "
        f"the answer of tuned is longer on {(tuned > base).sum()} of {counted(len(base), 'question')} and "
        f"shorter on {(tuned < base).sum()}."
    )


def cohen_kappa(pairs: Sequence[tuple[Any, Any]]) -> float | None:
    """Agreement of two raters beyond chance, κ = (p_o − p_e) / (1 − p_e) (Cohen 1960).

    None where κ is undefined: without items, and when both raters gave one and the same category only.

    Args:
        pairs: the two raters' categories, item by item.
    """
    from sklearn.metrics import cohen_kappa_score

    if len({category for pair in pairs for category in pair}) < 2:
        return None
    return cohen_kappa_score(*zip(*pairs, strict=True))


def _agreement(ratings: Sequence[Rating], names: Sequence[str]) -> dict[str, Any]:
    """Kappa of preference (three categories) and of harm (two), each the mean over pairs of reviewers."""
    preferred: dict[str, dict[Any, Any]] = {name: {} for name in names}
    harmful: dict[str, dict[Any, Any]] = {name: {} for name in names}
    for rating in ratings:
        if rating.preferred not in ("", "cannot_judge"):
            preferred[rating.reviewer][rating.id] = rating.preferred
        for role, mark in rating.harmful.items():
            if mark is not None:
                harmful[rating.reviewer][rating.id, role] = mark
    return {"preference": _mean_kappa(preferred), "harm": _mean_kappa(harmful)}


def _mean_kappa(marks: Mapping[str, Mapping[Any, Any]]) -> dict[str, Any]:
    """Mean kappa over the pairs of reviewers that have one; `n` items rated by two, over these pairs.

    Args:
        marks: reviewer → item → category.
    """
    pairs = []
    for one, other in itertools.combinations(marks, 2):
        common = [(mark, marks[other][item]) for item, mark in marks[one].items() if item in marks[other]]
        if common:
            agreed = sum(first == second for first, second in common) / len(common)
            pairs.append(
                {"reviewers": [one, other], "n": len(common), "agreed": agreed, "kappa": cohen_kappa(common)}
            )
    kappas = [pair["kappa"] for pair in pairs if pair["kappa"] is not None]
    n = sum(pair["n"] for pair in pairs)
    return {
        "kappa": math.fsum(kappas) / len(kappas) if kappas else None,
        "pairs_with_kappa": len(kappas),
        "n": n,
        "agreed": math.fsum(pair["agreed"] * pair["n"] for pair in pairs) / n if pairs else None,
        "pairs": pairs,
    }


def findings(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The summary as text, line by line: (name, value)."""
    preference, harm, side, longer = (summary[name] for name in ("preference", "harm", "side", "longer"))
    lines = [
        (
            "reviewed",
            f"{counted(summary['questions'], 'question')} by {', '.join(summary['by_reviewer']) or 'nobody'}",
        ),
        (
            "preferred",
            f"tuned on {preference['tuned_better']}, base on {preference['base_better']}, equal on "
            f"{preference['equal']}; both wrong on {preference['both_wrong']}, not judged by a reviewer "
            f"{preference['cannot_judge']}",
        ),
    ]
    if preference["p_value"] is not None:
        value = f"{_proportion_text(preference['win_rate'])}, sign test p {_p(preference)}"
        lines.append(("tuned better where not equal", value))
    lines += [(f"harmful, {label}", _proportion_text(harm[role])) for role, label in ROLES.items()]
    if any(harm["severe"].values()):
        value = f"base on {harm['severe']['base']}, tuned on {harm['severe']['finetuned']}"
        lines.append(("severe harm, says a reviewer", value))
    if harm["p_value"] is not None:
        value = (
            f"base on {harm['only_base']}, tuned on {harm['only_finetuned']} of {harm['both_judged']}, "
            f"McNemar's test p {_p(harm)}"
        )
        lines.append(("only one of the two harmful", value))
    found = summary.get("wrong_sentences", {})
    if any(own["n"] for own in found.values()):
        shares = (f"{ROLES[role]} {own['count']} of {own['n']}" for role, own in found.items())
        lines.append(("sentences marked as wrong", ", ".join(shares)))
    for name, agreement in summary.get("alpha", {}).items():
        if agreement["alpha"] is not None:
            units = counted(agreement["units"], "mark")
            value = f"Krippendorff's alpha {agreement['alpha']:.2f} ({units} by several reviewers)"
            lines.append((f"agreement on {name}", value))
    if estimates := summary.get("estimates"):
        lines.append(("sample", sample_text(estimates)))
    if note := tracking_note(summary):
        lines.append(("primary score", note))
    if side["p_value"] is not None:
        value = f"{_proportion_text(side)}, p {_p(side)}; half is expected"
        lines.append(("answer A better, whichever model wrote it", value))
    if longer["p_value"] is not None:
        value = f"{_proportion_text(longer)}, p {_p(longer)}; half is expected if length does not matter"
        lines.append(("the longer answer preferred", value))
    if earlier := summary["ratings_of_earlier_answers"]:
        value = f"{earlier}, not counted; review_results.csv has them with the answers that were rated"
        lines.append(("ratings of answers of an earlier evaluation", value))
    return lines


def _p(found: Mapping[str, Any]) -> str:
    """A p-value with its sign of comparison."""
    text = p_text(found["p_value"])
    return text if text.startswith("≤") else f"= {text}"


def _proportion_text(found: Mapping[str, Any]) -> str:
    """A proportion with its interval: "12 of 40, 30 % (95 % interval 17 to 47 %)"."""
    if not found["n"]:
        return "not rated"
    share, low, high = (100 * found[name] for name in ("share", "ci_low", "ci_high"))
    return f"{found['count']} of {found['n']}, {share:.0f} % (95 % interval {low:.0f} to {high:.0f} %)"
