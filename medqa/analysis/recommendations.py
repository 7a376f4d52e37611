"""Recommends which specialties get more training data: the content of training_recommendations.json.

A specialty gets a larger share of its data only when the specialties differ detectably, when it is low with a
high probability, when fine-tuning has not made it worse, and when it has unused data. Otherwise the summary
explains why nothing is recommended.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from medqa.analysis.by_specialty import LEAST_FREEDOM, Spread
from medqa.analysis.paired_scores import PRIMARY
from medqa.data.source_files import listed
from medqa.runtime.console import counted

if TYPE_CHECKING:
    import pandas as pd

# The specialties differ detectably when the F test of equal means has a p-value below this.
HETEROGENEITY_LEVEL = 0.05
# A share grows by the full step when the expected deficit is this many margins.
FULL_STEP_MARGINS = 3.0
ROUNDING = 1e-9
METHOD = (
    "The tuned model's primary score by specialty, in a normal hierarchical model: each specialty's mean is "
    "shrunk towards the mean of all, averaging over both variances (uniform shrinkage prior). More data is "
    f"recommended when the specialties differ (F test, p < {HETEROGENEITY_LEVEL}), for those whose "
    "P(mean < mean of all - margin) is above the level, unless fine-tuning made them worse or all their data "
    f"is used. The step grows with the expected deficit and is full at {FULL_STEP_MARGINS:g} margins."
)
OUTDATED = (
    "The model is of another iteration of the data than the present one, so nothing new is recommended: "
    "train on the present data first."
)
# What to do when nothing is recommended; the second where it would have an effect.
MORE_QUESTIONS = (
    "hold out more questions, so that differences can be detected (HOLDOUT_SAMPLES_PER_SPECIALTY, in a new "
    "OUTPUT_DIR of the preparation)"
)
# More questions of a single specialty have nothing to be compared with.
SECOND_SPECIALTY = (
    "add the file of a second specialty to DATA_DIR, with which this one can be compared (in a new "
    "OUTPUT_DIR of the preparation, so that both are in the holdout)"
)
SPREAD_STEP = 0.1
SPREAD_EVENLY = (
    "give every specialty that has not regressed more of its data "
    f"(--SPREAD_WHEN_FLAT {SPREAD_STEP:g} with --SCORE_ONLY)"
)
OTHER_DATA = "or add other data to DATA_DIR"


@dataclass(frozen=True)
class Thresholds:
    """When a specialty counts as low or regressed, and how far a share may grow; see `EvaluationConfig`."""

    low_margin: float
    low_probability: float
    regressed_probability: float
    max_share_step: float
    spread_when_flat: float


def recommend(
    performance: "pd.DataFrame", spread: Spread, comparison: "pd.DataFrame", shares: Mapping[str, float],
    pool: Mapping[str, int], seed: int, thresholds: Thresholds, partial: bool = False,
    earlier_low: Sequence[int] = (), train_first: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Choose the new shares and give the reasons; returns JSON values.

    Args:
        performance, spread: result of `by_specialty.by_specialty` with the margin `thresholds.low_margin`.
        comparison: table of `comparison.compare`.
        shares: specialty → share of its data in use, 0 to 1.
        pool: specialty → number of unused pairs.
        seed: of the evaluation, recorded in the result.
        thresholds: settings of the evaluation.
        partial: only some questions were answered (LIMIT), so nothing is recommended.
        earlier_low: number of low specialties in each earlier evaluation on this holdout.
        train_first: command that trains on the present data, if the model is of another iteration of them.
    """
    rows = {row["specialty"]: row for row in performance.to_dict("records")}
    overall = dict(zip(comparison["metric"], comparison["difference"].tolist(), strict=True))
    blocked = partial or bool(train_first)
    obstacle = OUTDATED if train_first and not partial else _obstacle(spread, partial)
    unscored = [name for name, row in rows.items() if not row["primary_score_n"]]
    low = [] if obstacle else _above(rows, "p_low", thresholds.low_probability, "expected_deficit")
    worse = [] if partial else _above(rows, "p_worse", thresholds.regressed_probability, "p_worse")
    fit = [name for name in rows if name not in worse]  # for more data
    steps = {name: _step(rows[name]["expected_deficit"], thresholds) for name in low if name in fit}
    if not low and not blocked and thresholds.spread_when_flat > 0:
        steps = dict.fromkeys(fit, min(thresholds.spread_when_flat, thresholds.max_share_step))
    most = thresholds.max_share_step
    grown = {name: _grown(shares[name], pool[name], step, most) for name, step in steps.items()}
    increases = {name: share for name, (share, _) in grown.items() if share > shares[name]}
    reasons = _reasons(rows, spread, low, worse, {name: effect for name, (_, effect) in grown.items()})
    able = any(_grown(shares[name], pool[name], SPREAD_STEP, most)[0] > shares[name] for name in fit)
    summary = _summary(low, worse, increases, unscored, obstacle, spread)
    if thresholds.spread_when_flat > 0 and not blocked and (low or not able):
        summary += f" SPREAD_WHEN_FLAT has no effect: {_why_no_spread(low, len(worse), len(rows))}."
    return {
        "low_performance_specialties": low,
        "recommended_sample_increases": increases,
        "overall_improvement": {name: value for name, value in overall.items() if math.isfinite(value)},
        "summary": summary,
        "next_step": "" if increases or blocked else _next_step(len(rows), spreads=able and not low),
        "train_first": train_first,
        "reasons": reasons,
        "regressed_specialties": worse,
        "specialties_not_comparable": unscored,
        "partial": partial,
        "method": METHOD,
        "seed": seed,
        "thresholds": {name.upper(): value for name, value in asdict(thresholds).items()},
        **asdict(spread),
        "metrics_without_a_value": [name for name, value in overall.items() if not math.isfinite(value)],
        "holdout_use": holdout_use(earlier_low, comparison, spread.specialties, thresholds.max_share_step),
    }


def differ(advice: Mapping[str, Any]) -> bool:
    """Whether the specialties differ detectably, so that a ranking does not follow chance.

    Args:
        advice: content of training_recommendations.json.
    """
    return advice["heterogeneity_p"] is not None and advice["heterogeneity_p"] < HETEROGENEITY_LEVEL


def _reasons(
    rows: Mapping[str, Mapping[str, Any]], spread: Spread, low: Sequence[str], worse: Sequence[str],
    effects: Mapping[str, str],
) -> dict[str, str]:  # fmt: skip
    """Specialty → why it is low, regressed, or not comparable, and the effect of its new share."""
    reasons: dict[str, list[str]] = {}
    for name in low:
        reasons[name] = [_why_low(rows[name], spread, rows.values())]
    for name, effect in effects.items():
        reasons.setdefault(name, ["Spread evenly (SPREAD_WHEN_FLAT)."]).append(effect)
    for name in worse:
        reasons.setdefault(name, []).append(_why_worse(rows[name]))
    for name, row in rows.items():
        if not row["primary_score_n"]:
            reasons.setdefault(name, []).append("Not comparable: none of its questions has a primary score.")
    return {name: " ".join(sentences) for name, sentences in reasons.items()}


def _why_worse(row: Mapping[str, Any]) -> str:
    """Why a specialty gets no more data although fine-tuning lowered its score."""
    return (
        f"Fine-tuning made it worse than the base model with P = {row['p_worse']:.2f} "
        f"(difference {row['primary_score_difference']:+.3f}): read its training pairs before adding more of "
        "them."
    )


def _above(rows: Mapping[str, Mapping[str, Any]], column: str, level: float, order: str) -> list[str]:
    """Specialties with `column` above `level`, those with the largest `order` first."""
    names = [name for name, row in rows.items() if row[column] > level]
    return sorted(names, key=lambda name: -rows[name][order])


def _obstacle(spread: Spread, partial: bool) -> str:
    """Why no specialty can be called low in this evaluation; empty when some could."""
    if partial:
        return "PARTIAL: only part of the holdout was answered (LIMIT), so nothing is recommended."
    if spread.specialties > 1 and spread.within_freedom >= LEAST_FREEDOM and spread.heterogeneity_p is None:
        return (
            "All questions of a specialty have the same primary score, so the variance within specialties "
            "cannot be estimated: no test, and none is called low."
        )
    if spread.specialties < 2 or spread.heterogeneity_p is None:
        questions = counted(spread.specialties + spread.within_freedom, "question")
        return (
            f"{questions} of {counted(spread.specialties, 'specialty', 'specialties')} with a primary score. "
            f"A comparison needs two specialties, and at least {LEAST_FREEDOM} questions more than "
            "specialties to estimate the variance within them, so none is called low."
        )
    if spread.heterogeneity_p >= HETEROGENEITY_LEVEL:
        return (
            f"No detectable differences between the {spread.specialties} specialties (F test, p = "
            f"{spread.heterogeneity_p:.2g}): a ranking would follow chance, so none is called low."
        )
    return ""


def _summary(
    low: Sequence[str], worse: Sequence[str], increases: Mapping[str, float], unscored: Sequence[str],
    obstacle: str, spread: Spread,
) -> str:  # fmt: skip
    """The result and the recommendation in a few sentences."""
    number = f"{spread.specialties}{' compared' * bool(unscored)}"
    text = obstacle or (
        f"The specialties differ (F test, p = {spread.heterogeneity_p:.2g}): {len(low) or 'none'} of "
        f"{number} called low."
    )
    if unscored:
        total = spread.specialties + len(unscored)
        text += (
            f" {spread.specialties} of {counted(total, 'specialty', 'specialties')} compared; not "
            f"comparable, because none of their questions has a primary score: {listed(unscored)}."
        )
    if low or increases:
        evenly = "" if low else ", evenly (SPREAD_WHEN_FLAT)"
        text += f" More data recommended for {len(increases) or 'none'}{evenly}."
    if worse:
        text += f" Worse than the base model: {len(worse)} of {number}."
    return text


def _why_low(row: Mapping[str, Any], spread: Spread, rows: Iterable[Mapping[str, Any]]) -> str:
    """Why a specialty is called low, and its rank by the loss on the eval split."""
    text = (
        f"Low: shrunken mean {row['shrunken_mean']:.3f} against {spread.mean:.3f} over all specialties, "
        f"on {counted(row['primary_score_n'], 'question')}; P(low) = {row['p_low']:.2f}, expected deficit "
        f"{row['expected_deficit']:.3f}."
    )
    losses = [other["eval_answer_loss"] for other in rows if math.isfinite(other["eval_answer_loss"])]
    if math.isfinite(row["eval_answer_loss"]) and len(losses) > 1:
        rank = sum(loss > row["eval_answer_loss"] for loss in losses) + 1
        text += (
            f" Its answer loss on the eval split is {row['eval_answer_loss']:.3f}, number {rank} of "
            f"{len(losses)} from the highest."
        )
    return text


def _step(deficit: float, thresholds: Thresholds) -> float:
    """Step of a share, proportional to the expected deficit and at most `max_share_step`."""
    if thresholds.low_margin <= 0:
        return thresholds.max_share_step
    full = FULL_STEP_MARGINS * thresholds.low_margin
    return thresholds.max_share_step * min(1.0, max(0.0, deficit) / full)


def _next_step(specialties: int, spreads: bool) -> str:
    """What to do when nothing is recommended; `spreads`: SPREAD_WHEN_FLAT would raise a share."""
    first = MORE_QUESTIONS if specialties > 1 else SECOND_SPECIALTY
    return f"What you can do: {'; '.join([first, *[SPREAD_EVENLY] * spreads, OTHER_DATA])}."


def _why_no_spread(low: Sequence[str], worse: int, number: int) -> str:
    """Why SPREAD_WHEN_FLAT raises no share, with `worse` of `number` specialties regressed."""
    if low:
        return "it applies only if no specialty is low"
    if worse == number:
        return "all specialties have regressed, and those get no more data"
    return f"no specialty{' that has not regressed' * bool(worse)} has unused pairs within MAX_SHARE_STEP"


def _grown(share: float, pool: int, step: float, max_step: float) -> tuple[float, str]:
    """The share raised by `step`, in hundredths and at most 1, and a sentence on the effect.

    A step below one pair becomes one pair, unless that exceeds `max_step`.
    """
    if pool < 1 or share >= 1:
        return share, "All of its data is in use: collect new pairs."
    one_pair = (1 - share) / pool
    if one_pair > max_step + ROUNDING:
        return share, f"One more pair would be a step of {one_pair:.2f}, above MAX_SHARE_STEP."
    # Round down to stay within the cap; for a single pair round up, or the pair would not be reached.
    if step >= one_pair:
        grown = share + math.floor(step * 100 + ROUNDING) / 100
    else:
        grown = share + min(max_step, math.ceil(one_pair * 100 - ROUNDING) / 100)
    grown = min(1.0, round(grown, 4))
    pairs = round((grown - share) / one_pair)
    effect = f"Share {share:.2f} -> {grown:.2f}: about {pairs} of the {pool} pairs in its pool."
    if step < one_pair and grown > share:
        effect += f" The step of {step:.2f} is less than a pair, so it was rounded up to a whole one."
    return grown, effect


def holdout_use(
    earlier_low: Sequence[int], comparison: "pd.DataFrame", specialties: int, max_share_step: float
) -> dict[str, Any]:
    """Estimate how much the repeated use of the holdout can bias the primary score upwards.

    `flattery_if_best_is_reported`: expected bias of the best of k equally good models, the expected maximum
    of k independent standard normals times the standard error of the difference; smaller when the answers of
    the models are correlated. `flattery_at_most`: bound on the selection bias of any training that uses the
    recommendations, SE·√(2·I), where I bounds the information (in nats) that earlier evaluations revealed
    (Russo and Zou, AISTATS 2016): ln(S + 1) for the number L of low specialties, ln C(S, L) for which ones,
    and ln(possible steps) for the share of each one.

    Args:
        earlier_low: L of each earlier evaluation on this holdout.
        comparison: table of `comparison.compare`.
        specialties: S.
        max_share_step: the largest step of a share; steps are hundredths.
    """
    errors = comparison.loc[comparison["metric"] == PRIMARY, "standard_error"].dropna().tolist()
    models = len(earlier_low) + 1
    steps = math.log(max(1, round(max_share_step * 100)))
    nats = sum(
        math.log((specialties + 1) * math.comb(specialties, min(low, specialties))) + low * steps
        for low in earlier_low
    )
    best_of_models = errors[0] * _expected_maximum(models) if errors else None
    selection_bias_bound = errors[0] * math.sqrt(2 * nats) if errors else None
    note = "Recommended from the holdout: from the next iteration on, it is no longer an unbiased test set."
    if models > 1:
        note = f"Evaluation {models} on this holdout: earlier ones selected training data by its scores."
        if errors:
            note += (
                f" The best of {models} equally good models is overestimated by {best_of_models:.3f} on "
                "average; selecting data by the recommendations overestimates the primary score by at most "
                f"{selection_bias_bound:.3f}."
            )
    return {
        "rounds": models,
        "note": note + " The eval split's answer loss by specialty is a second check.",
        "flattery_if_best_is_reported": best_of_models,
        "flattery_at_most": selection_bias_bound,
    }


def _expected_maximum(number: int) -> float:
    """Expected maximum of independent standard normals, ∫ x·k·φ(x)·Φ(x)^(k−1) dx."""
    from scipy.integrate import quad
    from scipy.stats import norm

    if number == 1:
        return 0.0
    return quad(lambda x: x * number * norm.pdf(x) * norm.cdf(x) ** (number - 1), -10, 10)[0]
