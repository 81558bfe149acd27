"""Intervals of shares: of rounds of a kind, and of the mean of errors, which are shares of test pairs."""

import numpy as np
import scipy

# Of an interval of 95 %, both ends together.
_UPPER = 0.975


def wilson(rate: float, n: int | float, quantile: float | None = None) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate of n (Wilson 1927, p. 209); `quantile` is the normal one by default.

    Written here since `scipy.stats` takes half a second.
    """
    z2 = float(scipy.special.ndtri(_UPPER) if quantile is None else quantile) ** 2
    middle = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (rate * (1 - rate) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # At the ends the interval is closed: rounding must not open it.
    return (0.0 if rate == 0 else middle - half), (1.0 if rate == 1 else middle + half)


def mean_interval(mean: float, sd: float, rounds: int, pairs: float = np.nan) -> tuple[float, float]:
    """The 95 % interval of a mean of errors over rounds, which lies between 0 and 1; NaN for fewer than 2 rounds.

    Rounds are clusters of test pairs, whose errors vary more than single pairs would. So it is Wilson's interval of as
    many pairs as would have the mean's standard error, the effective sample size, with Student's quantile of rounds - 1
    degrees of freedom (Franco, Little, Louis and Slud 2019, "Comparative study of confidence intervals for proportions
    in complex sample surveys", section 2; Korn and Graubard 1998). `sd` is the sample standard deviation over rounds;
    it is taken to be that of counting `pairs` test pairs a round, where these are known, if it is less: rounds cannot
    vary less than that, and five rounds without an error would else have no doubt left.

    How often it covers the mean stands in docs/statistics.md: 95 % within 1 % where errors are about normal, from 5
    rounds on, and where they are near 0; less where a few rounds collapse, of which few rounds may show none.
    """
    if rounds < 2:
        return np.nan, np.nan
    of_pair = mean * (1 - mean)
    # For a mean of 0 or 1 the rate of the variances, 1 / pairs, is what is left of them.
    effect = sd**2 / of_pair if of_pair > 0 else 0.0
    effect = effect if np.isnan(pairs) else max(effect, 1 / pairs)
    if effect == 0:
        return mean, mean
    return wilson(mean, rounds / effect, scipy.special.stdtrit(rounds - 1, _UPPER))
