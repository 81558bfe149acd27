"""Each network by itself, and any two of them compared. Errors are fractions."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from twofold.analysis.chance import CHANCE, chance_of_trials
from twofold.analysis.contrasts import contrast, holm, t_interval
from twofold.analysis.trials import as_trials, by_round
from twofold.networks import in_order


def summary(table: pd.DataFrame, by: Sequence[str] = ("network",), value: str = "test_error") -> pd.DataFrame:
    """A row per network (or per combination of the columns `by`), with these columns:

    `rounds`, `mean`, `sd` (sample, n - 1), `ci_low` and `ci_high` (95 % t interval of the mean over rounds),
    `median`, `iqm` (interquartile mean: of the middle half; Agarwal et al. 2021, section 4.3), `best`, `worst`,
    `digit_error` (mean; NaN without auxiliary losses), `diverged` (a count; such trials are in all the others),
    `tested` (all test pairs; NaN where the table does not say), `class_names` as a store has them, `chance`,
    `true_share` and `one_image_error` (means of `chance_of_trials`), and `note` where a number cannot be given. Trials
    whose value is missing are in `diverged` alone.

    Raises `AnalysisError` where the table is empty or lacks a column.
    """
    trials = as_trials(table, (*by, value))
    trials = trials.assign(**chance_of_trials(trials))
    order = {name: place for place, name in enumerate(in_order(list(trials.network)))} if "network" in by else {}
    rows = []
    for group, of_group in trials.groupby(list(by), sort=False, dropna=False):
        errors = of_group[value].to_numpy(float)
        chance = {name: of_group[name].mean() for name in CHANCE}
        rows.append({**dict(zip(by, group)), **_describe(errors), **_counts(of_group), **chance})
    result = pd.DataFrame(rows)
    if order:
        places = result["network"].map(order)
        result = result.iloc[np.argsort(places, kind="stable")].reset_index(drop=True)
    return result


def paired_differences(table: pd.DataFrame) -> pd.DataFrame:
    """A row per two networks: the mean over rounds of (`second` - `first`), as `contrast` gives it.

    `p_holm` is corrected over all the pairs in the table. Rounds that lack either network are left out, and counted
    in `left_out`.
    """
    errors = by_round(table)
    rows = []
    for first, second in itertools.combinations(errors.columns, 2):
        rows.append({"first": first, "second": second, **contrast(errors[second] - errors[first])})
    result = pd.DataFrame(rows, columns=None if rows else ["first", "second", "difference", "p"])
    result["p_holm"] = holm(result["p"])
    return result


def _describe(values: np.ndarray) -> dict[str, object]:
    errors = values[~np.isnan(values)]
    n = len(errors)
    if not n:
        names = ("mean", "sd", "ci_low", "ci_high", "median", "iqm", "best", "worst")
        return {"rounds": 0, **dict.fromkeys(names, np.nan), "note": "no round has a value"}
    mean, sd = errors.mean(), errors.std(ddof=1) if n > 1 else np.nan
    low, high = t_interval(mean, sd, n)
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
