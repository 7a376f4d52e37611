"""Standard errors, confidence intervals, sign-flip tests and multiple-testing corrections on arrays.

Each column of an array is one metric, each row one question. All columns are computed together: 50,000
questions and 15 metrics take seconds.
"""

import numpy as np

CONFIDENCE = 0.95
PERMUTATIONS = 9_999
# Columns with at most this many nonzero differences try all sign flips (2^12 = 4,096) instead of a sample.
EXACT_FLIPS = 12
# Array elements per block of permutations: limits the memory (32 MB) and does not change the result.
BLOCK = 4_000_000


def _collapse(strata: np.ndarray) -> np.ndarray:
    """Number the strata 0, 1, … and merge strata with one row, whose variance cannot be estimated.

    Method of collapsed strata (Cochran, Sampling Techniques, 1977, section 5A.12). The variance of the merged
    stratum includes the differences between its parts, so the standard error is overestimated rather than
    underestimated. A single one-row stratum joins the smallest other stratum.
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
    """Row count (H,), mean (H, metrics) and sum of squared deviations (H, metrics) of each stratum.

    Args:
        values: finite numbers, (n, metrics).
        codes: stratum of each row, (n,), integers that cover 0 to H − 1.
    """
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    counts = np.diff(starts, append=len(codes))
    means = np.add.reduceat(values[order], starts, axis=0) / counts[:, None]
    squares = np.add.reduceat((values - means[codes])[order] ** 2, starts, axis=0)
    return counts, means, squares


def stratified_mean(values: np.ndarray, strata: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of each column, its standard error under stratified sampling, and the degrees of freedom.

    SE² = Σ_h (n_h/n)² s_h²/n_h (Cochran 1977, equation 5.14). Degrees of freedom by Satterthwaite (5.16):
    (Σ g_h s_h²)² / Σ (g_h s_h²)²/(n_h − 1) with g_h = n_h/n².

    Args:
        values: finite numbers, (n, metrics).
        strata: stratum of each row, (n,).

    Returns:
        three arrays (metrics,). Standard error and degrees of freedom are NaN when there is only one row.
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


def t_interval(mean: np.ndarray, error: np.ndarray, freedom: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Student's 95 % interval, mean ± t·SE; NaN where the standard error is NaN."""
    from scipy.stats import t

    reach = t.ppf(0.5 + CONFIDENCE / 2, freedom) * error
    return mean - reach, mean + reach


def sign_flip_p_values(differences: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Two-sided p-value of the sign-flip test of each column.

    Null hypothesis: tuned and base are interchangeable, so each difference d_i could have the opposite sign.
    The test compares |Σ d_i| with |Σ ±d_i| (Fisher 1935; Good 2005). All flips are enumerated when at most
    `EXACT_FLIPS` differences are nonzero. Otherwise p = (1 + hits)/(1 + PERMUTATIONS) over random flips
    shared by all columns, which is never 0 (Phipson and Smyth 2010).

    Args:
        differences: (n, metrics), NaN where a metric does not apply.
        random: generator of the random flips.

    Returns:
        p-values (metrics,); 1 when every difference is 0, NaN for a column of NaN.
    """
    known = np.isfinite(differences)
    values = np.where(known, differences, 0.0)
    # The tolerance absorbs rounding of sums: flipping all signs must count as a hit.
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


def adjusted(p_values: np.ndarray, method: str) -> np.ndarray:
    """p-values corrected for testing many hypotheses; NaN stays NaN and does not count as a test.

    Args:
        p_values: one per hypothesis.
        method: of `statsmodels.stats.multitest.multipletests`. "holm" controls the probability of any false
            rejection (Holm, Scand. J. Statist. 6, 1979), "fdr_bh" the false discovery rate (Benjamini and
            Hochberg, JRSS B 57, 1995).
    """
    from statsmodels.stats.multitest import multipletests

    p_values = np.asarray(p_values, float)
    known = np.isfinite(p_values)
    corrected = np.full(len(p_values), np.nan)
    if known.any():
        corrected[known] = multipletests(p_values[known], method=method)[1]
    return corrected
