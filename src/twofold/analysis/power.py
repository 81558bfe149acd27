"""How many rounds are enough to tell two networks apart, or to show that they differ by less than a margin?"""

import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import scipy

from twofold.analysis.sections import Section, sections
from twofold.analysis.trials import AnalysisError, as_trials, by_round, require_drawn_alike, telling_sections
from twofold.errors import SettingError, in_one_line

_MOST_ROUNDS = 10_000_000


def power(sd: float, difference: float, rounds: int, alpha: float = 0.05) -> float:
    """The chance that a two-sided paired t test finds a true mean difference, given the sd of the differences.

    Exact for normal differences, by the noncentral t distribution (Cohen 1988, section 2.2); NaN for fewer than 2
    rounds.
    """
    if rounds < 2:
        return float("nan")
    if sd == 0:
        return 1.0 if difference else alpha
    critical = scipy.stats.t.ppf(1 - alpha / 2, rounds - 1)
    shift = abs(difference) / sd * np.sqrt(rounds)
    # SciPy gives NaN where a shift is too great for floating point: then all lies above, and nothing below.
    above = np.nan_to_num(scipy.stats.nct.sf(critical, rounds - 1, shift), nan=1.0)
    below = np.nan_to_num(scipy.stats.nct.cdf(-critical, rounds - 1, shift), nan=0.0)
    return float(above + below)


def power_of_equivalence(sd: float, difference: float, rounds: int, margin: float, alpha: float = 0.05) -> float:
    """The chance that two one-sided t tests at `alpha` show a true mean difference to lie within (-margin, margin).

    Exact for normal differences: given the sample's standard deviation, its mean is normal and has to lie in what that
    leaves of the margin; the average over standard deviations is taken numerically (Phillips 1990, "Power of the two
    one-sided tests procedure in bioequivalence"). NaN for fewer than 2 rounds.
    """
    if rounds < 2:
        return float("nan")
    if sd == 0:
        return float(abs(difference) < margin)
    nodes, weights = _nodes_and_weights()
    shares = (1 + nodes) / 2
    error = sd / np.sqrt(rounds)  # of the mean
    seen = error * np.sqrt(scipy.special.chdtri(rounds - 1, 1 - shares) / (rounds - 1))
    room = margin - scipy.special.stdtrit(rounds - 1, 1 - alpha) * seen
    within = scipy.special.ndtr((room - difference) / error) - scipy.special.ndtr((-room - difference) / error)
    return float((weights * np.maximum(within, 0)).sum() / 2)


@functools.cache  # when it is first used: for a moment it takes all cores, which others may be using
def _nodes_and_weights() -> tuple[np.ndarray, np.ndarray]:
    """Gauss and Legendre's, for the average over standard deviations."""
    return np.polynomial.legendre.leggauss(400)


def rounds_needed(
    sd: float, difference: float, wanted: float, alpha: float = 0.05, equivalence_margin: float | None = None
) -> int:
    """The fewest rounds whose `power` is at least `wanted`; with a margin, or whose `power_of_equivalence` is.

    Raises `SettingError` for a power outside (0, 1) or, without a margin, a difference of 0, and `AnalysisError` where
    more than ten million rounds are needed.
    """
    if not 0 < wanted < 1:
        raise SettingError(f"`power` (={wanted}) must lie between 0 and 1")
    if difference == 0 and equivalence_margin is None:
        raise SettingError("`difference` (=0) must not be 0: no number of rounds finds what is not there")

    def enough(rounds: int) -> bool:
        if power(sd, difference, rounds, alpha) >= wanted:
            return True
        margin = equivalence_margin
        return margin is not None and power_of_equivalence(sd, difference, rounds, margin, alpha) >= wanted

    found = _fewest(enough)
    if found is None:
        raise AnalysisError(
            f"`difference` (={difference:g}) needs more than {_MOST_ROUNDS:,} rounds; ask for a larger one"
        )
    return found


def _fewest(enough: Callable[[int], bool]) -> int | None:
    """The fewest rounds that are enough, where more always are; None for more than ten million."""
    high = 2
    while not enough(high):
        high *= 2
        if high > _MOST_ROUNDS:
            return None
    low = max(1, high // 2)  # too few, or below the least number of rounds
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def power_table(
    table: pd.DataFrame, difference: float | None = None, equivalence_margin: float | None = None
) -> pd.DataFrame:
    """A row per two networks: how many rounds separate them by `difference` (a fraction), at 80 % and at 90 % power.

    Without a `difference`, by the one that the table shows (`observed`), which flatters: a pilot's largest differences
    are partly luck. `sd` is that of the paired differences in the table, the pilot; `power_now` is the power with as
    many rounds as it has, in one test at 5 %. `note` says why a number is missing. With an `equivalence_margin` (a
    fraction) the rounds are those that separate the two or show them to be equivalent, whichever are fewer.

    Raises `SettingError` for a difference or a margin outside (0, 1), `AnalysisError` where the table has one network,
    several settings, or several sections (`twofold.analysis.sections`).
    """
    check_margin(equivalence_margin)
    if difference is not None and not 0 < difference < 1:
        raise SettingError(f"`difference` (={difference:g}) must be a fraction between 0 and 1, as 0.01 for one point")
    errors = by_round(table)
    require_drawn_alike(telling_sections(as_trials(table, ("network", "round"))))
    if errors.shape[1] < 2:
        raise AnalysisError(
            f"the table has one network, {in_one_line(str(errors.columns[0]))}: power is about telling two apart"
        )
    rows = []
    for first, second in itertools.combinations(errors.columns, 2):
        differences = (errors[second] - errors[first]).dropna().to_numpy(float)
        rows.append(
            {
                "first": first,
                "second": second,
                "rounds": len(differences),
                **_plan(differences, difference, equivalence_margin),
            }
        )
    return pd.DataFrame(rows)


def check_margin(equivalence_margin: float | None) -> None:
    """Raise `SettingError` for a margin that is no fraction between 0 and 1; None is no margin."""
    if equivalence_margin is not None and not 0 < equivalence_margin < 1:
        raise SettingError(
            f"`equivalence_margin` (={equivalence_margin:g}) must be a fraction between 0 and 1, as 0.01 for one point"
        )


def power_by_section(
    table: pd.DataFrame, difference: float | None = None, equivalence_margin: float | None = None
) -> list[tuple[Section, pd.DataFrame | str]]:
    """The sections of a table, each with its `power_table`, or why it has none.

    Raises `SettingError` as that does, and `AnalysisError` where no section has one.
    """
    found: list[tuple[Section, pd.DataFrame | str]] = []
    for section in sections(table):
        try:
            found.append((section, power_table(section.trials, difference, equivalence_margin)))
        except AnalysisError as error:
            found.append((section, str(error)))
    reasons = [plan for _, plan in found if isinstance(plan, str)]
    if len(reasons) == len(found):
        raise AnalysisError(reasons[0])
    return found


def power_rows(found: Sequence[tuple[Section, pd.DataFrame | str]]) -> pd.DataFrame:
    """What `power_by_section` gives as one table, with columns for what tells the sections from each other.

    A section without a plan has one row, whose `note` says why.
    """
    plans = [
        (pd.DataFrame([{"note": plan}]) if isinstance(plan, str) else plan).assign(**section.told)
        for section, plan in found
    ]
    told = list(found[0][0].told)
    columns = next(plan.columns for _, plan in found if not isinstance(plan, str))
    return pd.concat(plans, ignore_index=True)[[*told, *columns]]


def _plan(differences: np.ndarray, wanted: float | None, margin: float | None) -> dict[str, object]:
    n = len(differences)
    sd = differences.std(ddof=1) if n > 1 else np.nan
    observed = differences.mean() if n else np.nan
    difference = observed if wanted is None else wanted
    plan = {"sd": sd, "observed": observed, "difference": abs(difference)}
    nothing = {"power_now": np.nan, "rounds_80": pd.NA, "rounds_90": pd.NA}
    if n < 2:
        return {**plan, **nothing, "note": f"{n} of the 2 rounds that are needed have both networks"}
    if difference == 0 and margin is None:
        return {**plan, **nothing, "note": "no difference to find"}
    try:
        needed = {
            f"rounds_{share}": rounds_needed(sd, difference, share / 100, equivalence_margin=margin)
            for share in (80, 90)
        }
    except AnalysisError as error:
        return {**plan, **nothing, "note": str(error)}
    return {**plan, "power_now": _power_now(sd, difference, n, margin), **needed, "note": ""}


def _power_now(sd: float, difference: float, rounds: int, margin: float | None) -> float:
    """The chance that so many rounds decide: that they tell two networks apart or, by a margin, show equivalence."""
    found = power(sd, difference, rounds)
    return found if margin is None else max(found, power_of_equivalence(sd, difference, rounds, margin))
