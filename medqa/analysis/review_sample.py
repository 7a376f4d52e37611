"""Chooses which questions clinicians rate first: a stratified random sample of the holdout.

Strata are groups of questions with similar differences between the two models' primary scores, because these
differences predict ratings. Every beginning of the order is a stratified random sample with nearly
proportional allocation, so a reviewer may stop early and the estimate stays valid.
"""

from collections.abc import Sequence

import numpy as np

# Rated questions per stratum to plan for: with fewer, the variance within a stratum is poorly estimated.
PER_STRATUM = 15
MOST_STRATA = 6


def strata_of(gains: np.ndarray, size: int) -> np.ndarray:
    """Stratum of each question, (questions,): groups of equal size by the gain, 0 has the lowest gains.

    Args:
        gains: tuned − base of the primary score, (questions,); NaN counts as the median.
        size: number of questions that will be rated.
    """
    if not len(gains):
        return np.zeros(0, int)
    known = gains[np.isfinite(gains)]
    filled = np.where(np.isfinite(gains), gains, np.median(known) if len(known) else 0.0)
    number = min(MOST_STRATA, max(1, min(size, len(gains)) // PER_STRATUM))
    ranks = np.argsort(np.argsort(filled, kind="stable"))
    return ranks * number // len(gains)


def stratified_order(strata: np.ndarray, draws: Sequence[float]) -> np.ndarray:
    """An order of the questions, (questions,), in which every beginning holds its part of each stratum.

    Question of rank r in the random order of its stratum of N_h questions gets the place (r + u)/N_h with u
    uniform on [0, 1). Given how many questions of a stratum are in a beginning, they are a simple random
    sample of the stratum.

    Args:
        strata: stratum of each question, (questions,).
        draws: a uniform random number on [0, 1) per question, which decides the rank; its later digits give
            u.
    """
    draws = np.asarray(draws, float)
    places = np.empty(len(strata))
    for stratum in np.unique(strata):
        own = np.flatnonzero(strata == stratum)
        ranks = np.argsort(np.argsort(draws[own], kind="stable"))
        places[own] = (ranks + draws[own] * 2**20 % 1) / len(own)
    return np.argsort(places, kind="stable")


def inclusion_probabilities(strata: Sequence[int], size: int) -> np.ndarray:
    """Probability that a question is in the sample, (strata,): the sampled share of its stratum.

    Args:
        strata: stratum of each question, in the order of the sample.
        size: number of questions in the sample, which are the first.
    """
    sizes, sampled = (np.bincount(own, minlength=1) for own in (strata, strata[:size]))
    return sampled / np.maximum(sizes, 1)
