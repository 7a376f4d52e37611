"""Do the intervals of a clinicians' review contain the truth? Simulated raters of a finite holdout.

    python benchmarks/prediction_powered.py    # writes prediction_powered.json, five minutes on one core
    python benchmarks/prediction_powered.py --draws 50

A draw is one review: n of a holdout's 420 questions are drawn as for the review sheet and rated. The truth is
the mean rating of all 420, so coverage is the share of intervals that contain it.

- Known predictor: ratings −1, 0, 1 and a column with a given correlation to them within strata. Theory: the
  interval of the difference estimator with the best weight, computed from all 420 ratings.
- Learned predictor: two raters who disagree (one prefers tuned more often, each with noise), and 15 columns
  of scores; the predictor is learned by cross-fitting, as in a review.
- Rare harm: exact intervals; some reviews have enough marks for PPI++.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import t

sys.path.insert(0, str(Path(__file__).parent.parent))

from medqa.analysis.prediction_powered import ALPHA, Predictions, estimate, mean_rating
from medqa.analysis.review_sample import strata_of, stratified_order

QUESTIONS, COLUMNS = 420, 15
SIZES = (30, 60, 100)
CORRELATIONS = (0.0, 0.3, 0.6, 0.8)
LEARNED = (0.0, 0.6)  # a learned predictor takes four times as long
# Probability that an answer of tuned alone, and of base alone, is harmful.
HARM = {"harm 2 % and 2 %": (0.02, 0.02), "harm 5 % and 1 %": (0.05, 0.01), "harm 25 % and 5 %": (0.25, 0.05)}

Draw = Callable[[np.ndarray], tuple[float, float, float, float]]


def reviews(strata: np.ndarray, n: int, draws: int, random: np.random.Generator, rate: Draw) -> np.ndarray:
    """Intervals of many reviews, (draws, 4): low and high of the estimate and of the ratings alone."""
    samples = (stratified_order(strata, random.random(QUESTIONS))[:n] for _ in range(draws))
    return np.array([rate(sample) for sample in samples])


def summary(intervals: np.ndarray, truth: float) -> dict[str, float]:
    """Coverage of both intervals; width of the estimate relative to the ratings alone, mean and largest."""
    low, high, plain_low, plain_high = intervals.T
    relative = (high - low) / (plain_high - plain_low)
    return {
        "coverage": np.mean((low <= truth) & (truth <= high)),
        "coverage_ratings_alone": np.mean((plain_low <= truth) & (truth <= plain_high)),
        "width": np.mean(high - low),
        "width_to_ratings_alone": np.mean(high - low) / np.mean(plain_high - plain_low),
        "largest_width_to_ratings_alone": relative.max(),
    }


def known_predictor(n: int, correlation: float, draws: int) -> dict[str, float]:
    """Reviews with one predictor, whose correlation to the ratings within strata is given."""
    random = np.random.default_rng([n, int(100 * correlation)])
    strata = strata_of(random.standard_normal(QUESTIONS), n)
    counts = np.bincount(strata)
    ratings = np.sign(np.round(random.standard_normal(QUESTIONS) + 0.2))
    centred = ratings - (np.bincount(strata, ratings) / counts)[strata]
    noise = random.standard_normal(QUESTIONS)
    noise -= (np.bincount(strata, noise) / counts)[strata]
    for stratum in range(len(counts)):  # exactly uncorrelated in this holdout
        own = strata == stratum
        noise[own] -= centred[own] * (noise[own] @ centred[own]) / (centred[own] @ centred[own])
    predictor = correlation * centred + np.sqrt(1 - correlation**2) * noise * centred.std() / noise.std()

    def rate(sample: np.ndarray) -> tuple[float, float, float, float]:
        seen, fold = np.full(QUESTIONS, np.nan), np.full(QUESTIONS, -1)
        seen[sample], fold[sample] = ratings[sample], 0
        found, plain = estimate(seen, strata, Predictions(predictor[None], fold)), estimate(seen, strata)
        return found.ci_low, found.ci_high, plain.ci_low, plain.ci_high

    intervals = reviews(strata, n, draws, random, rate)
    residual = centred - correlation * predictor  # the best weight, since both vary alike
    variances = np.bincount(strata, residual**2) / (counts - 1)
    sampled = n * counts / QUESTIONS
    parts = (counts / QUESTIONS) ** 2 * (1 - n / QUESTIONS) * variances / sampled
    theory = 2 * t.ppf(1 - ALPHA / 2, n - len(counts) - (correlation > 0)) * np.sqrt(parts.sum())
    found = summary(intervals, ratings.mean())
    return found | {"width_to_theory": found["width"] / theory}


def learned_predictor(n: int, correlation: float, draws: int) -> dict[str, float]:
    """Reviews by two raters who disagree; `correlation`: of their mean with the best sum of the columns."""
    random = np.random.default_rng([n, int(100 * correlation), 2])
    quality = random.standard_normal(QUESTIONS)
    leanings = [
        (-0.2, 0.8),
        (0.6, 0.8),
    ]  # of each rater: towards tuned, and the standard deviation of the noise
    raters = [
        np.sign(np.round(quality + lean + sd * random.standard_normal(QUESTIONS))) for lean, sd in leanings
    ]
    ratings = np.column_stack(raters)
    mean = ratings.mean(axis=1)
    signal = correlation * (mean - mean.mean()) / mean.std()
    signal = signal + np.sqrt(1 - correlation**2) * random.standard_normal(QUESTIONS)
    columns = signal[:, None] + random.standard_normal((QUESTIONS, COLUMNS))
    strata = strata_of(columns[:, 0], n)

    def rate(sample: np.ndarray) -> tuple[float, float, float, float]:
        seen = np.full(ratings.shape, np.nan)
        # Columns in the order of the sheet, on which the folds depend.
        order = np.concatenate([sample, np.setdiff1d(np.arange(QUESTIONS), sample)])
        seen[sample] = ratings[sample]
        return interval_of(mean_rating(seen[order], strata[order], columns[order]))

    found = summary(reviews(strata, n, draws, random, rate), mean.mean())
    return found | {"raters_agree": float(np.mean(raters[0] == raters[1]))}


def rare_harm(n: int, only_tuned: float, only_base: float, draws: int) -> dict[str, float]:
    """Reviews of harm, by one rater; the columns say nothing about it."""
    random = np.random.default_rng([n, int(1000 * only_tuned)])
    gained, lost = round(QUESTIONS * only_tuned), round(QUESTIONS * only_base)
    ratings = np.zeros(QUESTIONS)
    ratings[:gained], ratings[gained : gained + lost] = 1, -1
    ratings = random.permutation(ratings)
    columns = random.standard_normal((QUESTIONS, COLUMNS))
    strata = strata_of(columns[:, 0], n)
    exact = 0

    def rate(sample: np.ndarray) -> tuple[float, float, float, float]:
        nonlocal exact
        seen = np.full((QUESTIONS, 1), np.nan)
        seen[sample, 0] = ratings[sample]
        found = mean_rating(seen, strata, columns)
        exact += found["method"] == "exact"
        return interval_of(found)

    found = summary(reviews(strata, n, draws, random, rate), ratings.mean())
    return found | {"exact": exact / draws}


def interval_of(found: dict) -> tuple[float, float, float, float]:
    """Low and high of an estimate, and of the ratings alone."""
    plain = found["plain"]
    return found["ci_low"], found["ci_high"], plain["ci_low"], plain["ci_high"]


def main() -> None:
    """Run every setting, write the JSON beside this file, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=2_000, help="reviews per setting")
    draws = parser.parse_args().draws
    found = {}
    for n in SIZES:
        for correlation in CORRELATIONS:
            name = f"n = {n}, r = {correlation:g}"
            found[f"known predictor, {name}"] = known_predictor(n, correlation, draws)
        for correlation in LEARNED:
            name = f"learned predictor, two raters, n = {n}, r = {correlation:g}"
            found[name] = learned_predictor(n, correlation, draws)
        for name, shares in HARM.items():
            found[f"{name}, n = {n}"] = rare_harm(n, *shares, draws)
        print(f"n = {n}: done", file=sys.stderr)
    found = {
        name: {key: round(float(value), 4) for key, value in row.items()}
        for name, row in sorted(found.items())
    }
    if draws == parser.get_default("draws"):
        text = json.dumps({"draws": draws, **found}, indent=1, ensure_ascii=False)
        Path(__file__).with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    print("| setting | coverage | ratings alone | width / ratings alone | largest | width / theory |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, row in found.items():
        theory = f"{row['width_to_theory']:.3f}" if "width_to_theory" in row else ""
        print(
            f"| {name} | {row['coverage']:.1%} | {row['coverage_ratings_alone']:.1%} | "
            f"{row['width_to_ratings_alone']:.3f} | {row['largest_width_to_ratings_alone']:.3f} | {theory} |"
        )


if __name__ == "__main__":
    main()
