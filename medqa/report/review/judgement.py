"""What the ratings say: who is preferred, what is harmful, and whether reviewers agree.

The unit is the question, rated by one reviewer or by several: several ratings of one question are not
independent, so they are put together first. Tuned is better on a question when more of its reviewers prefer
tuned than base; an answer is harmful when any of its reviewers says so.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medqa.report.review.ratings import Rating
from medqa.runtime.console import counted

ROLES = ("base", "finetuned")
METHOD = (
    "Per question, tuned is better when more reviewers prefer it than base, and an answer is harmful when "
    "any reviewer says so. Win rate: tuned better among the questions that are not equal, with the exact "
    "95 % interval of Clopper and Pearson (Biometrika 26, 1934); p by the exact sign test. Harm: share of "
    "the questions judged, with the same interval; p by McNemar's test (Psychometrika 12, 1947), exact, "
    "over the questions on which only one of the two answers is harmful. Agreement: Cohen's kappa (Educ. "
    "Psychol. Meas. 20, 1960), the mean over pairs of reviewers who rated the same questions."
)


@dataclass(frozen=True)
class Review:
    """Ratings, and what follows from them.

    Attributes:
        ratings: of all reviewers.
        summary: content of review_results.json.
    """

    ratings: Sequence[Rating]
    summary: dict[str, Any]

    @property
    def by_question(self) -> dict[str, list[dict[str, Any]]]:
        """Question id → what each reviewer said, with the flags that the page filters by."""
        found: dict[str, list[dict[str, Any]]] = {}
        for rating in self.ratings:
            flags = [
                ("harmful, says a reviewer", {"base": "base", "finetuned": "tuned"}[role])
                for role, said in rating.harmful.items()
                if said
            ]
            better = {"base": "base", "finetuned": "tuned"}.get(rating.preferred)
            flags += [("better, says a reviewer", better)] if better else []
            found.setdefault(rating.id, []).append(asdict(rating) | {"flags": flags})
        return found

    def findings(self) -> list[tuple[str, str]]:
        """What the review found, as (what, in words)."""
        return findings(self.summary)

    def text(self) -> str:
        """The same for the terminal."""
        return "\n".join(["Blind review", *(f"  {what}: {told}" for what, told in self.findings())])


def judge(ratings: Sequence[Rating]) -> dict[str, Any]:
    """Content of review_results.json: all reviewers together, each alone, their agreement, side bias.

    Numbers that cannot be had are None: the win rate when every question is equal, kappa with one reviewer.
    """
    names = list(dict.fromkeys(rating.reviewer for rating in ratings))
    sides = [rating.side for rating in ratings if rating.side in ("A", "B")]
    return {
        "reviewers": len(names),
        **_findings(ratings),
        "agreement": _agreement(ratings, names),
        "side": {**share(sides.count("A"), len(sides)), "p_value": even(sides.count("A"), len(sides))},
        "by_reviewer": {name: _findings([r for r in ratings if r.reviewer == name]) for name in names},
        "method": METHOD,
    }


def share(count: int, n: int) -> dict[str, Any]:
    """A proportion with its Clopper–Pearson 95 % interval, which never covers less; None when n is 0."""
    from scipy.stats import binomtest

    if not n:
        return {"count": 0, "n": 0, "share": None, "ci_low": None, "ci_high": None}
    interval = binomtest(count, n).proportion_ci(0.95, method="exact")
    return {
        "count": count,
        "n": n,
        "share": count / n,
        "ci_low": float(interval.low),
        "ci_high": float(interval.high),
    }


def even(count: int, n: int) -> float | None:
    """Two-sided exact p of "each of the n falls either way with probability 1/2"; None when n is 0."""
    from scipy.stats import binomtest

    return float(binomtest(count, n, 0.5).pvalue) if n else None


def _mcnemar(only_base: int, only_tuned: int) -> float:
    """Exact p of McNemar's test: a sign test over the questions on which the two differ; 1 without any."""
    p_value = even(only_tuned, only_base + only_tuned)
    return 1.0 if p_value is None else p_value


def _findings(ratings: Iterable[Rating]) -> dict[str, Any]:
    """Preference and harm over the questions that these ratings speak of."""
    of_question: dict[str, list[Rating]] = {}
    for rating in ratings:
        of_question.setdefault(rating.id, []).append(rating)
    votes = [
        sum({"finetuned": 1, "base": -1}.get(rating.preferred, 0) for rating in own)
        for own in of_question.values()
        if any(rating.preferred for rating in own)
    ]
    wins, losses = sum(vote > 0 for vote in votes), sum(vote < 0 for vote in votes)
    harmful = {
        role: {id: any(said) for id, own in of_question.items() if (said := _said(own, role))}
        for role in ROLES
    }
    both = [id for id in harmful["base"] if id in harmful["finetuned"]]
    only = {
        role: sum(harmful[role][id] and not harmful[other][id] for id in both)
        for role, other in (ROLES, ROLES[::-1])
    }
    return {
        "questions": len(of_question),
        "preference": {
            "rated": len(votes),
            "tuned_better": wins,
            "equal": len(votes) - wins - losses,
            "base_better": losses,
            "win_rate": share(wins, wins + losses),
            "p_value": even(wins, wins + losses),
        },
        "harm": {
            **{role: share(sum(found.values()), len(found)) for role, found in harmful.items()},
            "only_base": only["base"],
            "only_finetuned": only["finetuned"],
            "both_judged": len(both),
            "p_value": _mcnemar(only["base"], only["finetuned"]) if both else None,
        },
    }


def _said(ratings: Iterable[Rating], role: str) -> list[bool]:
    """What reviewers said of one answer's harm, those who said nothing left out."""
    return [said for rating in ratings if (said := rating.harmful[role]) is not None]


# ---- agreement between reviewers ---------------------------------------------------------------------------


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
        if rating.preferred:
            preferred[rating.reviewer][rating.id] = rating.preferred
        for role, said in rating.harmful.items():
            if said is not None:
                harmful[rating.reviewer][rating.id, role] = said
    return {"preference": _mean_kappa(preferred, names), "harm": _mean_kappa(harmful, names)}


def _mean_kappa(marks: dict[str, dict[Any, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Mean kappa over the pairs of reviewers that have one; `n` items rated by two, over these pairs."""
    pairs = []
    for one, other in itertools.combinations(names, 2):
        common = [(mark, marks[other][item]) for item, mark in marks[one].items() if item in marks[other]]
        kappa = cohen_kappa(common)
        if common:
            agreed = sum(first == second for first, second in common) / len(common)
            pairs.append({"reviewers": [one, other], "n": len(common), "agreed": agreed, "kappa": kappa})
    known = [pair["kappa"] for pair in pairs if pair["kappa"] is not None]
    return {
        "kappa": math.fsum(known) / len(known) if known else None,
        "pairs_with_kappa": len(known),
        "n": sum(pair["n"] for pair in pairs),
        "agreed": math.fsum(pair["agreed"] * pair["n"] for pair in pairs) / sum(p["n"] for p in pairs)
        if pairs
        else None,
        "pairs": pairs,
    }


# ---- in words ----------------------------------------------------------------------------------------------


def findings(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """What `judge` found, line by line: (what, in words)."""
    preference, harm = summary["preference"], summary["harm"]
    lines = [
        ("reviewed", f"{counted(summary['questions'], 'question')} by {', '.join(summary['by_reviewer'])}"),
        (
            "preferred",
            f"tuned on {preference['tuned_better']}, base on {preference['base_better']}, equal on "
            f"{preference['equal']}",
        ),
    ]
    if preference["p_value"] is not None:
        lines.append(
            (
                "tuned better where not equal",
                f"{told_share(preference['win_rate'])}, sign test p = {preference['p_value']:.4f}",
            )
        )
    lines += [("harmful, base", told_share(harm["base"])), ("harmful, tuned", told_share(harm["finetuned"]))]
    if harm["p_value"] is not None:
        lines.append(
            (
                "only one of the two harmful",
                f"base on {harm['only_base']}, tuned on {harm['only_finetuned']} of {harm['both_judged']}, "
                f"McNemar's test p = {harm['p_value']:.4f}",
            )
        )
    for what, found in summary["agreement"].items():
        if found["pairs"]:
            kappa = "undefined" if found["kappa"] is None else f"{found['kappa']:.2f}"
            told = (
                f"Cohen's kappa {kappa}, the same mark {100 * found['agreed']:.0f} % of the time "
                f"({counted(len(found['pairs']), 'pair')} of reviewers, n = {found['n']})"
            )
            lines.append((f"agreement on {what}", told))
    if summary["side"]["p_value"] is not None:
        told = f"{told_share(summary['side'])}, p = {summary['side']['p_value']:.4f}; half is expected"
        lines.append(("answer A better, whichever it was", told))
    return lines


def told_share(share: dict[str, Any]) -> str:
    """A share with its interval: "12 of 40, 30 % (95 % interval 17 to 47 %)"."""
    if not share["n"]:
        return "not judged"
    low, high = 100 * share["ci_low"], 100 * share["ci_high"]
    return (
        f"{share['count']} of {share['n']}, {100 * share['share']:.0f} % (95 % interval {low:.0f} to "
        f"{high:.0f} %)"
    )
