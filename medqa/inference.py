"""Arithmetic on arrays: errors and intervals of means, resampling, tests, and corrections for many tests.

All functions take the metrics as columns and do them at once, so that a run of 50,000 questions and 15
metrics takes seconds. Nothing here knows what a metric or a specialty is.
"""

import numpy as np

CONFIDENCE = 0.95
BOOTSTRAPS = 5_000
PERMUTATIONS = 9_999
# Up to so many differences that are not zero, all sign flips are tried (2^12 = 4,096) instead of a sample.
EXACT_FLIPS = 12
# Numbers that one block of resampling may hold: bounds the memory, not the result.
BLOCK = 4_000_000


def _collapse(strata: np.ndarray) -> np.ndarray:
    """Number the strata 0, 1, …; those with one row are merged, because one value has no spread.

    The method of collapsed strata (Cochran, Sampling Techniques, 1977, section 5A.12): the merged stratum's
    variance also holds the differences between its parts, so the error errs on the large side. A lone one
    joins the smallest other.
    """
    _, codes, counts = np.unique(strata, return_inverse=True, return_counts=True)
    single = np.flatnonzero(counts == 1)
    if len(single) and len(counts) > 1:
        others = np.flatnonzero(counts > 1)
        target = single[0] if len(single) > 1 else others[np.argmin(counts[others])]
        codes[np.isin(codes, single)] = target
        codes = np.unique(codes, return_inverse=True)[1]
    return codes


def moments(values: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per stratum: the number of rows (H,), the mean and the sum of squared deviations, both (H, metrics).

    Args:
        values: finite numbers, (n, metrics).
        codes: number of each row's stratum, (n,); all of 0 to H − 1 occur.
    """
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    counts = np.diff(starts, append=len(codes))
    means = np.add.reduceat(values[order], starts, axis=0) / counts[:, None]
    squares = np.add.reduceat((values - means[codes])[order] ** 2, starts, axis=0)
    return counts, means, squares


def stratified_mean(values: np.ndarray, strata: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of each column, its standard error under stratified sampling, and the degrees of freedom.

    SE² = Σ_h (n_h/n)² s_h²/n_h (Cochran 1977, 5.14). Degrees of freedom after Satterthwaite (Cochran 5.16):
    (Σ g_h s_h²)² / Σ (g_h s_h²)²/(n_h − 1) with g_h = n_h/n².

    Args:
        values: finite numbers, (n, metrics).
        strata: stratum of each row, (n,).

    Returns:
        three arrays (metrics,). With one row there is no error to estimate: SE and freedom are NaN.
    """
    mean = values.mean(axis=0)
    if len(values) < 2:
        return mean, np.full(len(mean), np.nan), np.full(len(mean), np.nan)
    counts, _, squares = moments(values, _collapse(strata))
    parts = (counts / len(values) ** 2)[:, None] * squares / (counts - 1)[:, None]
    variance = parts.sum(axis=0)
    spent = (parts**2 / (counts - 1)[:, None]).sum(axis=0)
    full = float(len(values) - len(counts))
    freedom = np.divide(variance**2, spent, out=np.full(len(mean), full), where=spent > 0)
    return mean, np.sqrt(variance), freedom


def t_interval(
    mean: np.ndarray, error: np.ndarray, freedom: np.ndarray, confidence: float = CONFIDENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Student's interval mean ± t·SE. NaN where the error is NaN."""
    from scipy.stats import t

    reach = t.ppf(0.5 + confidence / 2, freedom) * error
    return mean - reach, mean + reach


def bootstrap_interval(
    values: np.ndarray, strata: np.ndarray, random: np.random.Generator, confidence: float = CONFIDENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of each column's mean from resampling rows within strata, all columns together.

    n_h − 1 rows are drawn from the n_h of each stratum (McCarthy & Snowden 1985; Rao & Wu, JASA 83, 1988):
    with n_h the variance would be too small by (n_h − 1)/n_h, which is a tenth at ten questions.

    Args:
        values: finite numbers, (n, metrics).
        strata: stratum of each row, (n,).

    Returns:
        lower and upper ends, each (metrics,); NaN with one row.
    """
    rows, columns = values.shape
    if rows < 2:
        return np.full(columns, np.nan), np.full(columns, np.nan)
    codes = _collapse(strata)
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    drawn = np.repeat(np.arange(len(counts)), counts - 1)
    first = (np.cumsum(counts) - counts)[drawn]
    # Mean = Σ_h n_h/n · (mean of the n_h − 1 drawn), so a drawn row counts n_h/(n_h − 1)/n.
    weighted = values[order] * (counts / (counts - 1) / rows)[codes[order], None]
    means = np.empty((BOOTSTRAPS, columns))
    block = max(1, BLOCK // rows)
    for start in range(0, BOOTSTRAPS, block):
        size = min(block, BOOTSTRAPS - start)
        picks = first + (random.random((size, len(drawn))) * counts[drawn]).astype(np.int64)
        picks += np.arange(size)[:, None] * rows
        times = np.bincount(picks.ravel(), minlength=size * rows).reshape(size, rows)
        means[start : start + size] = times.astype(float) @ weighted
    low, high = np.quantile(means, [0.5 - confidence / 2, 0.5 + confidence / 2], axis=0)
    return low, high


def sign_flip_p_values(differences: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Two-sided p-value of each column for "tuned and base are interchangeable": the signs could be flipped.

    Statistic: |Σ d_i|, against |Σ ±d_i| (Fisher 1935; Good 2005). Exact over all flips when at most
    `EXACT_FLIPS` differences are not 0; else (1 + hits)/(1 + PERMUTATIONS) over random flips, the same ones
    for all columns (Phipson & Smyth 2010: never 0).

    Args:
        differences: (n, metrics), NaN where a metric does not apply.

    Returns:
        p-values (metrics,); 1 when every difference is 0, NaN for a column without any number.
    """
    known = np.isfinite(differences)
    values = np.where(known, differences, 0.0)
    # Sums that differ by rounding alone are equal: a flip of all signs must count as a hit.
    observed = np.abs(values.sum(axis=0)) - 1e-9 * np.abs(values).sum(axis=0)
    nonzero = (values != 0).sum(axis=0)
    p_values = np.ones(values.shape[1])
    for column in np.flatnonzero((nonzero > 0) & (nonzero <= EXACT_FLIPS)):
        kept = values[values[:, column] != 0, column]
        flips = 1 - 2 * (np.arange(2 ** len(kept))[:, None] >> np.arange(len(kept)) & 1)
        p_values[column] = np.mean(np.abs(flips @ kept) >= observed[column])
    sampled = np.flatnonzero(nonzero > EXACT_FLIPS)
    if len(sampled):
        p_values[sampled] = _sampled_flips(values[:, sampled], observed[sampled], random)
    return np.where(known.any(axis=0), p_values, np.nan)


def _sampled_flips(values: np.ndarray, observed: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """p-values (metrics,) over `PERMUTATIONS` random flips of the rows' signs."""
    rows = len(values)
    total, hits = values.sum(axis=0), np.zeros(values.shape[1])
    block = max(1, BLOCK // rows)
    for start in range(0, PERMUTATIONS, block):
        size = min(block, PERMUTATIONS - start)
        bits = random.integers(0, 256, (size, -(-rows // 8)), dtype=np.uint8)
        kept = np.unpackbits(bits, axis=1, count=rows)
        hits += (np.abs(2 * (kept.astype(float) @ values) - total) >= observed).sum(axis=0)
    return (1 + hits) / (1 + PERMUTATIONS)


def holm(p_values: np.ndarray) -> np.ndarray:
    """p-values adjusted for their number by Holm's step-down (Scand. J. Statist. 6, 1979). NaN stays NaN.

    The smallest of m is multiplied by m, the next by m − 1, and so on; none falls under the one before.
    """
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values, kind="stable")[: np.isfinite(p_values).sum()]
    adjusted = np.full(len(p_values), np.nan)
    times = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * times), 1.0)
    return adjusted


def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """q-values: the false discovery rate at which each would be found (JRSS B 57, 1995). NaN stays NaN."""
    from scipy.stats import false_discovery_control

    p_values = np.asarray(p_values, float)
    known = np.isfinite(p_values)
    adjusted = np.full(len(p_values), np.nan)
    if known.any():
        adjusted[known] = false_discovery_control(p_values[known])
    return adjusted
