"""Outliers: rounds that err too much for the others of their network."""

import numpy as np
import scipy

# The chance that rounds of which none went wrong have an outlier among them.
FALSE_ALARM = 0.01

# An outlier has gone at least so much of the way from the network's other rounds to chance.
LEAST_WAY = 0.25

# As many rounds as are needed to tell one of them from the others.
_FEWEST = 3


def outlier_limit(errors: np.ndarray, chance: float = np.nan) -> float:
    """The error beyond which a round is an outlier: a fraction; NaN for fewer than 3 rounds.

    It is the upper limit of prediction for one round more, given the rounds that are no outliers, at a chance of a
    false alarm of 1 % in all rounds together: the generalised extreme Studentized deviate test (Rosner 1983,
    "Percentage points for a generalized ESD many-outlier procedure"), on one side, for up to half of the rounds. Errors
    are taken on the scale of arcsin(sqrt(error)), on which rounds near 0 vary as much as others (Anscombe 1948). And
    an outlier has gone a quarter of the way, or more, from the median of the other rounds to `chance`, the error of the
    best constant answer (NaN where it is not known): of rounds that all err on a few pairs none has gone wrong.

    In simulations 0.0-0.1 % of studies of healthy rounds have an outlier, and 0.7-1.4 % of those whose errors spread
    over a quarter of the way to chance. Of collapsed rounds it finds 93-100 % from 10 rounds on; with 5, of which a
    fifth collapse, 41 % (docs/statistics.md). Where more than half of the rounds went wrong, it is the others that are
    rare, and none is an outlier.
    """
    rounds = len(errors)
    if rounds < _FEWEST:
        return np.nan
    ranked = np.sort(np.arcsin(np.sqrt(errors)))
    kept = next((kept for kept in range(-(-rounds // 2), rounds) if ranked[kept] > _limit(ranked[:kept])), rounds)
    limit = np.sin(min(_limit(ranked[:kept]), np.pi / 2)) ** 2
    middle = np.median(np.sort(errors)[:kept])
    return float(limit if np.isnan(chance) else max(limit, middle + LEAST_WAY * max(chance - middle, 0.0)))


def _limit(others: np.ndarray) -> float:
    """What one round more exceeds by chance alone in `FALSE_ALARM` of studies, divided among their rounds."""
    n = len(others)
    quantile = scipy.special.stdtrit(n - 1, 1 - FALSE_ALARM / (n + 1))
    return float(others.mean() + quantile * others.std(ddof=1) * np.sqrt(1 + 1 / n))
