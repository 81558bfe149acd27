"""Differences over rounds: their mean, its interval, its p-value, and corrections for having looked often.

The unit is the round, which redraws data and initial weights (Bouthillier et al. 2021, "Accounting for Variance in
Machine Learning Benchmarks"). Rounds draw from one finite pool of digits and so overlap a little; intervals take
them as independent (Dietterich 1998; Nadeau and Bengio 2003 discuss what that neglects).
"""

from typing import Any

import numpy as np
import pandas as pd
import scipy

# A p-value below this is a finding.
SIGNIFICANT = 0.05

# All 2^n sign patterns up to this many rounds, a seeded sample of patterns beyond.
_EXACT_ROUNDS = 14
_PATTERNS, _AT_ONCE = 20_000, 1000
_SIGN_SEED = 2010


def contrast(differences: pd.Series | np.ndarray, most: float = 1.0) -> dict[str, Any]:
    """What rounds say of a difference, as the columns of a row.

    These are `rounds`, `difference` (mean), `sd`, `ci_low`, `ci_high`, `p`, `left_out` and `note`. The interval is
    Student's 95 % interval of the mean, cut where no difference can be: beyond `most`, which of two errors, shares of
    test pairs, is 1. `p` is the two-sided sign-flip p-value (`sign_flip`). NaNs are rounds in which
    a network lacks: they are left out and counted.
    """
    values = np.asarray(differences, float)
    complete = values[~np.isnan(values)]
    n = len(complete)
    mean = complete.mean() if n else np.nan
    sd = complete.std(ddof=1) if n > 1 else np.nan
    low, high = np.clip(t_interval(mean, sd, n), -most, most)
    return {
        "rounds": n,
        "difference": mean,
        "sd": sd,
        "ci_low": low,
        "ci_high": high,
        "p": sign_flip(complete) if n > 1 else np.nan,
        "left_out": len(values) - n,
        "note": "" if n > 1 else f"{n} of the 2 complete rounds that are needed",
    }


def t_interval(mean: float, sd: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Student's interval of a mean from the sample standard deviation of n values; NaN for n < 2."""
    if n < 2:
        return np.nan, np.nan
    half = scipy.special.stdtrit(n - 1, (1 + confidence) / 2) * sd / np.sqrt(n)
    return mean - half, mean + half


def sign_flip(differences: np.ndarray) -> float:
    """The two-sided p-value of a mean difference of 0, were each round's sign as likely to be the other.

    Fisher 1935, "The Design of Experiments", section 21. Exact up to 14 rounds; beyond, from 20,000 seeded random
    sign patterns, counting the one observed (Phipson and Smyth 2010).
    """
    n = len(differences)
    # Only magnitudes matter once signs are free; in order, they meet the same patterns in whatever order rounds come.
    magnitudes = np.sort(np.abs(differences))
    # Errors are multiples of one pair, so many patterns have the sum observed; rounding must not part them from it.
    observed = abs(differences.sum()) - 1e-12 * magnitudes.sum()

    def extreme(negative: np.ndarray) -> int:
        sums = magnitudes.sum() - 2 * (negative.astype(float) @ magnitudes)
        return int((np.abs(sums) >= observed).sum())

    if n <= _EXACT_ROUNDS:
        return extreme((np.arange(2**n)[:, None] >> np.arange(n)) & 1) / 2**n
    generator = np.random.default_rng(_SIGN_SEED)
    found = sum(extreme(generator.integers(0, 2, (_AT_ONCE, n), np.int8)) for _ in range(_PATTERNS // _AT_ONCE))
    return (1 + found) / (1 + _PATTERNS)


def least_p(rounds: int) -> float:
    """The least p-value that `sign_flip` can give: all rounds have one sign."""
    return 2.0 ** (1 - rounds)


def holm(p: pd.Series | np.ndarray) -> np.ndarray:
    """p-values corrected for their number so that the chance of any false finding is kept (Holm 1979).

    NaNs stay NaN and do not count.
    """
    return _stepwise(np.asarray(p, float), lambda ranked: np.maximum.accumulate(ranked * np.arange(len(ranked), 0, -1)))


def benjamini_hochberg(p: pd.Series | np.ndarray) -> np.ndarray:
    """p-values corrected so that the share of false findings is kept (Benjamini and Hochberg 1995)."""

    def correct(ranked: np.ndarray) -> np.ndarray:
        n = len(ranked)
        return np.minimum.accumulate((ranked * n / np.arange(1, n + 1))[::-1])[::-1]

    return _stepwise(np.asarray(p, float), correct)


def _stepwise(p: np.ndarray, correct: Any) -> np.ndarray:
    """Correct the p-values in ascending order and put them back in place."""
    result = np.full(p.shape, np.nan)
    places = np.flatnonzero(~np.isnan(p))
    order = places[np.argsort(p[places])]
    if len(order):
        result[order] = np.minimum(correct(p[order]), 1.0)
    return result
