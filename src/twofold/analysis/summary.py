"""Each network by itself, and any two of them compared. Errors are fractions."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from twofold.analysis.chance import CHANCE, chance_of_trials
from twofold.analysis.collapse import collapsed
from twofold.analysis.contrasts import contrast, holm
from twofold.analysis.equivalence import with_verdicts
from twofold.analysis.rates import mean_interval
from twofold.analysis.simultaneous import half_widths
from twofold.analysis.trials import as_trials, by_round, pairs_counted
from twofold.networks import in_order


def summary(table: pd.DataFrame, by: Sequence[str] = ("network",), value: str = "test_error") -> pd.DataFrame:
    """A row per network (or per combination of the columns `by`), with these columns:

    `rounds`, `mean`, `sd` (sample, n - 1), `ci_low` and `ci_high` (95 % interval of the mean over rounds, between 0 and
    1: `mean_interval`), `median`, `iqm` (interquartile mean: of the middle half; Agarwal et al. 2021, section 4.3),
    `best`, `worst`, `collapsed` (a count of rounds; missing where the table does not tell) and `mean_of_others` (the
    mean of the rounds that did not collapse), `digit_error` (mean; NaN without auxiliary losses), `diverged` (a count;
    such trials are in all the others), `tested` (all test pairs; NaN where the table does not say), `class_names` as a
    store has them, `chance`, `true_share` and `one_image_error` (means of `chance_of_trials`), and `note` where a
    number cannot be given. Trials whose value is missing are in `diverged` alone.

    Raises `AnalysisError` where the table is empty or lacks a column.
    """
    trials = as_trials(table, (*by, value))
    trials = trials.assign(**chance_of_trials(trials), collapsed=collapsed(trials))
    rows = []
    for group, of_group in trials.groupby(list(by), sort=False, dropna=False):
        errors = of_group[value].to_numpy(float)
        chance = {name: of_group[name].mean() for name in CHANCE}
        numbers = {**_describe(errors, pairs_counted(of_group, value)), **_others(errors, of_group.collapsed)}
        rows.append({**dict(zip(by, group)), **numbers, **_counts(of_group), **chance})
    return _in_order(pd.DataFrame(rows))


def summary_of_groups(groups: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """What `summary` gives of the test errors, of groups of trials as a store counts them (`Store.groups`).

    Without the columns that need each trial: `rounds`, `mean`, `sd`, `ci_low`, `ci_high`, `best`, `worst`, `tested`,
    `chance`, `true_share` and `one_image_error`.
    """
    lines = _counted(groups, by)
    n, mean = lines.trials, lines.total / lines.trials
    sd = np.sqrt(np.maximum(0.0, lines.squares - n * mean**2) / (n - 1).where(n > 1))
    ends = [mean_interval(*line) for line in zip(mean, sd, n, lines.fewest, strict=True)]
    intervals = pd.DataFrame(ends, columns=["ci_low", "ci_high"])
    return _in_order(lines.assign(rounds=n, mean=mean, sd=sd, **intervals))


def _counted(groups: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """What is counted of groups, of those together that are alike in some columns; chance is the mean of what is known.

    `fewest` are the test pairs of the trial that has the fewest.
    """
    pairs = groups.test_pairs.astype(float)
    groups = groups.assign(**chance_of_trials(groups), fewest=pairs, tested=pairs * groups.trials)
    weights = groups[list(CHANCE)].notna().mul(groups.trials, axis=0)
    groups[list(CHANCE)] *= weights
    of_line = groups.join(weights.add_prefix("known ")).groupby(list(by), sort=False, dropna=False)
    known = [f"known {name}" for name in CHANCE]
    lines = of_line[["trials", "total", "squares", "tested", *CHANCE, *known]].sum()
    lines[list(CHANCE)] /= lines[known].where(lines[known] > 0).to_numpy()
    return lines.join(of_line[["best", "fewest"]].min()).join(of_line.worst.max()).drop(columns=known).reset_index()


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the networks in order, where they tell of networks."""
    if "network" not in rows:
        return rows
    places = rows.network.map({name: place for place, name in enumerate(in_order(list(rows.network)))})
    return rows.iloc[np.argsort(places, kind="stable")].reset_index(drop=True)


def paired_differences(table: pd.DataFrame, equivalence_margin: float | None = None) -> pd.DataFrame:
    """A row per two networks: the mean over rounds of (`second` - `first`), as `contrast` gives it.

    `p_holm` is corrected over all the pairs in the table; `all_low` and `all_high` are the ends of a 95 % interval for
    all of them at once (`half_widths`), where `ci_low` and `ci_high` are for each by itself. Rounds that lack either
    network are left out, and counted in `left_out`. With an `equivalence_margin` (a fraction) there are the columns of
    `with_verdicts` too: `second` is better or worse than `first`.
    """
    errors = by_round(table)
    half = half_widths(errors.to_numpy(float))
    rows = []
    for (a, first), (b, second) in itertools.combinations(enumerate(errors.columns), 2):
        row = {"first": first, "second": second, **contrast(errors[second] - errors[first])}
        low, high = np.clip((row["difference"] - half[a, b], row["difference"] + half[a, b]), -1, 1)
        rows.append({**row, "all_low": low, "all_high": high})
    result = pd.DataFrame(rows, columns=None if rows else ["first", "second", "difference", "p"])
    return with_verdicts(result.assign(p_holm=holm(result["p"])), equivalence_margin)


def _others(errors: np.ndarray, dead: pd.Series) -> dict[str, object]:
    """How many rounds collapsed, and the mean of those that did not."""
    here = ~np.isnan(errors)
    if dead.isna().any():
        return {"collapsed": pd.NA, "mean_of_others": np.nan}
    gone = dead.to_numpy(bool)
    others = errors[here & ~gone]
    return {"collapsed": int((here & gone).sum()), "mean_of_others": others.mean() if len(others) else np.nan}


def _describe(values: np.ndarray, pairs: float) -> dict[str, object]:
    errors = values[~np.isnan(values)]
    n = len(errors)
    if not n:
        names = ("mean", "sd", "ci_low", "ci_high", "median", "iqm", "best", "worst")
        return {"rounds": 0, **dict.fromkeys(names, np.nan), "note": "no round has a value"}
    mean, sd = errors.mean(), errors.std(ddof=1) if n > 1 else np.nan
    low, high = mean_interval(mean, sd, n, pairs)
    return {
        "rounds": n,
        "mean": mean,
        "sd": sd,
        "ci_low": low,
        "ci_high": high,
        "median": np.median(errors),
        "iqm": _interquartile_mean(errors),
        "best": errors.min(),
        "worst": errors.max(),
        "note": "one round has no spread" if n == 1 else "",
    }


def _interquartile_mean(values: np.ndarray) -> float:
    """The mean without the least and the largest quarter, each rounded down to whole values."""
    cut = len(values) // 4
    return float(np.sort(values)[cut : len(values) - cut].mean())


def _counts(trials: pd.DataFrame) -> dict[str, object]:
    digits = trials.digit_error.astype(float) if "digit_error" in trials else pd.Series(dtype=float)
    return {
        "digit_error": digits.mean() if digits.notna().any() else np.nan,
        "diverged": int(trials.diverged.astype(bool).sum()),
        "tested": trials.test_pairs.sum() if "test_pairs" in trials else np.nan,
        "class_names": trials.class_names.iloc[0] if "class_names" in trials else None,
    }
