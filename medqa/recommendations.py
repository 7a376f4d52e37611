"""What to train on next: from the specialties' scores to the share of each one's data in the next round.

A specialty is asked for more data only when the holdout can tell specialties apart at all, when this one is
low with enough probability, when its data has not made it worse, and when it still has data to give.
Everything else is said in words, so that nobody takes noise for advice.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# Specialties count as different when the F test of "all the same" has a p-value under this.
HETEROGENEITY_LEVEL = 0.05
# The full step of a share is for an expected deficit of so many margins.
FULL_STEP_MARGINS = 3.0
ROUNDING = 1e-9
# What the table of specialties says of all of them together, copied into the recommendations.
EVIDENCE = ("primary_metrics", "specialties", "mean", "within_sd", "tau2", "reliability", "heterogeneity_p")
METHOD = (
    "The tuned model's primary score by specialty, in a normal hierarchical model: each specialty's mean is "
    "shrunk towards the mean of all, and both variances are averaged over (uniform shrinkage prior). More "
    f"data is recommended when the specialties differ (F test, p < {HETEROGENEITY_LEVEL}), for those whose "
    "P(mean < mean of all - margin) is above the level, unless fine-tuning made them worse or all their data "
    f"is used. The step grows with the expected deficit and is full at {FULL_STEP_MARGINS:g} margins."
)


@dataclass(frozen=True)
class Thresholds:
    """When a specialty is low or regressed, and how far a share may move; named as in the config."""

    LOW_MARGIN: float = 0.02
    LOW_PROBABILITY: float = 0.8
    REGRESSED_PROBABILITY: float = 0.9
    MAX_SHARE_STEP: float = 0.3
    SPREAD_WHEN_FLAT: float = 0.0


def recommend(
    performance: "pd.DataFrame",
    comparison: "pd.DataFrame",
    shares: Mapping[str, float],
    pool: Mapping[str, int],
    seed: int,
    thresholds: Thresholds | None = None,
    partial: bool = False,
    earlier_rounds: Sequence[int] = (),
) -> dict[str, Any]:
    """Content of training_recommendations.json: the three keys that people read first, then the evidence.

    Args:
        performance: table of `statistics.by_specialty`, made with `margin=thresholds.LOW_MARGIN`.
        comparison: table of `statistics.compare`.
        shares: share of its data that each specialty has in use now, 0 to 1.
        pool: pairs that each specialty still has in its pool.
        seed: the one given to `by_specialty`, to be recorded.
        thresholds: the settings of `EvaluationConfig`; None: their defaults.
        partial: the run answered only some of the holdout; then nothing is recommended.
        earlier_rounds: for each earlier evaluation on this holdout, how many specialties it called low.

    Returns:
        JSON values only. `recommended_sample_increases` holds new shares, always above the present ones.

    Raises:
        ValueError: `performance` was made with another margin, so its p_low answers another question.
    """
    limits = thresholds or Thresholds()
    spread = performance.attrs["spread"]
    if spread["margin"] != limits.LOW_MARGIN:
        raise ValueError(f"by_specialty had margin={spread['margin']}, but LOW_MARGIN is {limits.LOW_MARGIN}")
    rows = {row["specialty"]: row for row in performance.to_dict("records")}
    overall = {row["metric"]: row["difference"] for row in comparison.to_dict("records")}
    silence = _why_silent(spread, partial)
    low = [] if silence else [name for name, row in rows.items() if row["p_low"] > limits.LOW_PROBABILITY]
    low.sort(key=lambda name: -rows[name]["expected_deficit"])
    worse = [] if partial else [n for n, row in rows.items() if row["p_worse"] > limits.REGRESSED_PROBABILITY]
    worse.sort(key=lambda name: -rows[name]["p_worse"])

    reasons = {name: _why_low(rows[name], spread, rows.values()) for name in low}
    for name in worse:
        reasons[name] = (reasons.get(name, "") + _why_worse(rows[name], name in low)).strip()
    steps = {name: _step(rows[name]["expected_deficit"], limits) for name in low}
    if not low and not partial and limits.SPREAD_WHEN_FLAT > 0:
        steps = dict.fromkeys(rows, min(limits.SPREAD_WHEN_FLAT, limits.MAX_SHARE_STEP))
        reasons = dict.fromkeys(rows, "Spread evenly (SPREAD_WHEN_FLAT).") | reasons
    increases = {}
    for name, step in steps.items():
        if name not in worse:
            share, said = _grown(shares[name], pool[name], step, limits.MAX_SHARE_STEP)
            reasons[name] += said
            if share > shares[name]:
                increases[name] = share
    return {
        "low_performance_specialties": low,
        "recommended_sample_increases": increases,
        "overall_improvement": {name: value for name, value in overall.items() if math.isfinite(value)},
        "summary": _summary(low, worse, increases, silence, spread, limits),
        "reasons": reasons,
        "regressed_specialties": worse,
        "partial": partial,
        "method": METHOD,
        "seed": seed,
        "thresholds": asdict(limits),
        **{name: spread.get(name) for name in EVIDENCE},
        "metrics_without_a_value": [name for name, value in overall.items() if not math.isfinite(value)],
        "holdout_use": holdout_use(earlier_rounds, comparison, spread["specialties"], limits),
    }


def _why_silent(spread: Mapping[str, Any], partial: bool) -> str:
    """Why no specialty can be called low in this run; empty when some could."""
    if partial:
        return "Only part of the holdout was answered (LIMIT), so nothing is recommended."
    if not spread["specialties"]:
        return "No question has a primary score, so nothing is recommended."
    if spread["specialties"] == 1:
        return "There is one specialty, and none to compare it with, so nothing is recommended."
    if "heterogeneity_p" not in spread:
        return "No specialty has two questions, so no difference can be told from chance: none is called low."
    if spread["heterogeneity_p"] >= HETEROGENEITY_LEVEL:
        return (
            f"No detectable differences between the {spread['specialties']} specialties (F test, p = "
            f"{spread['heterogeneity_p']:.2g}): ranking them would follow chance, so none is called low."
        )
    return ""


def _summary(
    low: Sequence[str],
    worse: Sequence[str],
    increases: Mapping[str, float],
    silence: str,
    spread: Mapping[str, Any],
    limits: Thresholds,
) -> str:
    """What was found and what is recommended, in a few sentences."""
    if silence:
        text = silence
    elif not low:
        text = (
            f"The specialties differ (F test, p = {spread['heterogeneity_p']:.2g}), but for none is the "
            f"probability of lying {limits.LOW_MARGIN:g} under their mean above {limits.LOW_PROBABILITY:g}: "
            "none is called low."
        )
    else:
        text = (
            f"The specialties differ (F test, p = {spread['heterogeneity_p']:.2g}): {len(low)} of "
            f"{spread['specialties']} low, more data recommended for {len(increases) or 'none'} of them."
        )
    if increases and not low:
        text += f" More data for {len(increases)} specialties, evenly (SPREAD_WHEN_FLAT)."
    if worse:
        text += f" Worse than the base model: {len(worse)} of {spread['specialties']}."
    return text


def _why_low(row: Mapping[str, Any], spread: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> str:
    """Why a specialty is called low, and what the second witness says."""
    text = (
        f"Low: shrunken mean {row['shrunken_mean']:.3f} against {spread['mean']:.3f} over all specialties, "
        f"on {row['primary_score_n']} questions; P(low) = {row['p_low']:.2f}, expected deficit "
        f"{row['expected_deficit']:.3f}."
    )
    losses = [other["eval_answer_loss"] for other in rows if math.isfinite(other["eval_answer_loss"])]
    if math.isfinite(row["eval_answer_loss"]) and len(losses) > 1:
        place = sum(loss > row["eval_answer_loss"] for loss in losses) + 1
        text += (
            f" Its answer loss on the eval split is {row['eval_answer_loss']:.3f}, number {place} of "
            f"{len(losses)} from the highest."
        )
    return text


def _why_worse(row: Mapping[str, Any], low: bool) -> str:
    """Why a specialty is called regressed, which calls for another remedy than a shortage of data."""
    found = (
        f" Fine-tuning made it worse than the base model with P = {row['p_worse']:.2f} (difference "
        f"{row['primary_score_difference']:+.3f})."
    )
    if low:
        return found + " Its data may be at fault: read its training pairs before adding more of them."
    return found + " It is not short of data: read its answers and training pairs."


def _step(deficit: float, limits: Thresholds) -> float:
    """How far a share should move: in proportion to the expected deficit, up to the full step."""
    if limits.LOW_MARGIN <= 0:
        return limits.MAX_SHARE_STEP
    return limits.MAX_SHARE_STEP * min(1.0, max(0.0, deficit) / (FULL_STEP_MARGINS * limits.LOW_MARGIN))


def _grown(share: float, pool: int, step: float, most: float) -> tuple[float, str]:
    """A share raised by `step`, in whole hundredths, within what there is; and what that means in words.

    A step too small to bring one more pair becomes one pair, if `most` allows it.
    """
    if pool < 1 or share >= 1:
        return share, " All of its data is in use already: collect new pairs."
    one_pair = (1 - share) / pool
    if one_pair > most + ROUNDING:
        return share, f" One more pair would be a step of {one_pair:.2f}, above MAX_SHARE_STEP."
    # Downwards, so that no cap is passed; for a single pair upwards, so that it is reached.
    if step >= one_pair:
        grown = share + math.floor(step * 100 + ROUNDING) / 100
    else:
        grown = share + min(most, math.ceil(one_pair * 100 - ROUNDING) / 100)
    grown = min(1.0, round(grown, 4))
    pairs = round((grown - share) / one_pair)
    return grown, f" Share {share:.2f} -> {grown:.2f}: about {pairs} of the {pool} pairs in its pool."


def holdout_use(
    earlier_rounds: Sequence[int], comparison: "pd.DataFrame", specialties: int, limits: Thresholds
) -> dict[str, Any]:
    """How often the holdout has steered training, and by how much that may flatter the primary score.

    `flattery_if_best_is_reported`: the best of k rounds that are in truth equal: the expected maximum of k
    independent standard normals times the standard error of the difference; less if rounds answer alike.
    `flattery_at_most`: whatever training made of the recommendations: SE·sqrt(2·I), where I bounds the
    information (in nats) that earlier rounds gave away (Russo & Zou, AISTATS 2016): ln(S + 1) for how many
    specialties were low, ln C(S, L) for which L of S they were, and ln(possible steps) for each one's share.
    """
    errors = comparison.loc[comparison["metric"] == "primary_score", "standard_error"].tolist()
    rounds = len(earlier_rounds) + 1
    possible = math.log(max(1, round(limits.MAX_SHARE_STEP * 100)))
    told = sum(
        math.log((specialties + 1) * math.comb(specialties, min(low, specialties))) + low * possible
        for low in earlier_rounds
    )
    if rounds == 1:
        note = (
            "These recommendations make the holdout steer training: from the next round on it is no test "
            "that training has not seen."
        )
    else:
        note = (
            f"Round {rounds} on the same holdout: earlier rounds chose training data by it, so its scores "
            "may flatter the tuned model."
        )
    known = bool(errors) and math.isfinite(errors[0])
    best = errors[0] * _expected_maximum(rounds) if known else None
    most = errors[0] * math.sqrt(2 * told) if known else None
    if known and rounds > 1:
        note += (
            f" Of equal rounds the best flatters by {best:.3f} on average; steering by the recommendations "
            f"flatters the primary score by at most {most:.3f}."
        )
    return {
        "rounds": rounds,
        "note": note + " The eval split's answer loss by specialty is a second witness.",
        "flattery_if_best_is_reported": best,
        "flattery_at_most": most,
    }


def _expected_maximum(number: int) -> float:
    """Expected maximum of independent standard normals, ∫ x·k·φ(x)·Φ(x)^(k−1) dx."""
    from scipy.integrate import quad
    from scipy.stats import norm

    if number == 1:
        return 0.0
    return quad(lambda x: x * number * norm.pdf(x) * norm.cdf(x) ** (number - 1), -10, 10)[0]
