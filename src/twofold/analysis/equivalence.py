"""Better, worse, equivalent, or not decided: what a difference is shown to be, given the margin that does not matter.

Two networks are equivalent where two one-sided t tests both reject: that their difference is below -margin, and that it
is above margin (Schuirmann 1987, "A comparison of the two one-sided tests procedure and the power approach for
assessing the equivalence of average bioavailability"). That is to say that the 90 % interval lies within the margin.

In simulations networks that differ by the margin are called equivalent in 3-5 % of studies, where differences are
normal. Where 5 % of the rounds of one of the two collapse, they are in 36-54 % with 5 to 20 rounds, which may show no
collapse, and in 8-12 % with 50 and 100 (docs/statistics.md).
"""

import itertools

import numpy as np
import pandas as pd
import scipy

from twofold.analysis.contrasts import SIGNIFICANT, holm, least_p
from twofold.analysis.power import check_margin, rounds_needed
from twofold.analysis.trials import AnalysisError

BETTER, WORSE, EQUIVALENT, NOT_DECIDED = "better", "worse", "equivalent", "not decided"

# The power that the rounds which would decide have.
DECIDING_POWER = 0.8


def p_equivalent(mean: np.ndarray, error: np.ndarray, rounds: np.ndarray, margin: float) -> np.ndarray:
    """The p-value of two one-sided t tests: the larger of both. NaN for fewer than 2 rounds.

    `mean` and its standard `error` are those of the differences; where these do not vary, p is 0 or 1.
    """
    room = margin - np.abs(mean)  # from the nearer end of the margin
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(error > 0, room / error, np.where(room > 0, np.inf, -np.inf))
    return np.where(rounds > 1, scipy.special.stdtr(np.maximum(rounds - 1, 1), -distance), np.nan)


def with_verdicts(rows: pd.DataFrame, equivalence_margin: float | None) -> pd.DataFrame:
    """Rows of `contrast` with `p_holm`, and where there is a margin (a fraction) with four columns more.

    `equivalence_margin` is the margin, `p_equivalent` the p-value of two one-sided tests, corrected over the rows (Holm
    1979). `verdict` is "equivalent" where that is below 5 %; else, where `p_holm` is, "better" (negative: fewer errors)
    or "worse"; else "not decided", or "" with fewer than 2 rounds. So "equivalent" on the one hand, "better" or "worse"
    on the other, is said of any row by mistake in 5 of 100 studies at most. `rounds_to_decide` are the rounds that
    would decide an undecided row at 80 % power, were the true difference and its standard deviation those observed, in
    a test at 5 % over the number of rows; more than there are, and enough for a sign-flip test. It is missing for the
    others, and where it would take more than ten million.

    Raises `SettingError` for a margin outside (0, 1).
    """
    check_margin(equivalence_margin)
    if equivalence_margin is None or rows.empty:
        return rows
    difference, sd, rounds = (rows[name].to_numpy(float) for name in ("difference", "sd", "rounds"))
    p = holm(p_equivalent(difference, sd / np.sqrt(np.maximum(rounds, 1)), rounds, equivalence_margin))
    told_apart = np.where(difference < 0, BETTER, WORSE)
    verdict = np.where(p < SIGNIFICANT, EQUIVALENT, np.where(rows.p_holm < SIGNIFICANT, told_apart, NOT_DECIDED))
    verdict = np.where(rounds > 1, verdict, "")
    tests = int((rounds > 1).sum())
    needed = [
        _needed(mean, deviation, n, tests, equivalence_margin) if word == NOT_DECIDED else pd.NA
        for mean, deviation, n, word in zip(difference, sd, rounds, verdict, strict=True)
    ]
    return rows.assign(
        equivalence_margin=equivalence_margin,
        p_equivalent=p,
        verdict=verdict,
        rounds_to_decide=pd.array(needed, "Int64"),
    )


def _needed(difference: float, sd: float, rounds: float, tests: int, margin: float) -> int | pd.api.typing.NAType:
    try:
        needed = rounds_needed(sd, difference, DECIDING_POWER, SIGNIFICANT / tests, equivalence_margin=margin)
    except AnalysisError:
        return pd.NA
    least = next(n for n in itertools.count(2) if least_p(n) * tests < SIGNIFICANT)
    return max(needed, least, int(rounds) + 1)
