"""Which setting to take: the one "most adapted for all of our 4 models" (paper, section IV), made explicit.

The rule: the lowest error averaged over the networks studied. With it, the runners-up that are not significantly
worse, for they might be as good.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from twofold.analysis.contrasts import holm, t_interval
from twofold.analysis.trials import AnalysisError, as_trials, for_every_aux_weight, varying_settings

_SIGNIFICANT = 0.05

# Differences of errors that differ by less are equal.
_ROUNDING = 1e-12

# What a setting may be chosen by, and the column that has it.
SELECT_ON = {"validation": "validation_error", "test": "test_error"}


def choice(table: pd.DataFrame, select_on: str = "test_error", by: Sequence[str] | None = None) -> pd.DataFrame:
    """A row per setting, best first: its error averaged over networks within each round, then over rounds.

    Columns: the settings `by` (those that vary, by default), `rounds`, `mean`, `ci_low` and `ci_high` (95 % t
    interval over rounds), `behind` (mean minus the best setting's), `p` (one-sided paired t test over rounds that
    the setting is worse than the best one), `p_holm` over all the runners-up, and `chosen`: "best", "as good" where
    not significantly worse at 5 %, else "".

    Only rounds in which all networks have the setting count. A network without auxiliary losses counts for every
    auxiliary weight. Raises `AnalysisError` where there is nothing to choose between.
    """
    trials = as_trials(table, ("network", "round", select_on))
    if trials[select_on].isna().all():
        raise AnalysisError(f"no trial has a `{select_on}`; select on test_error, or draw validation pairs")
    columns = list(by) if by is not None else varying_settings(trials)
    if not columns:
        raise AnalysisError("the table has a single setting: there is nothing to choose between")
    if "aux_weight" in columns:
        trials = for_every_aux_weight(trials)
    wide = _averages(trials, columns, select_on)
    means = wide.mean().sort_values(kind="stable")
    best = wide[means.index[0]]
    rows = []
    for setting in means.index:
        errors = wide[setting].dropna()
        low, high = t_interval(errors.mean(), errors.std(ddof=1), len(errors))
        rows.append((*setting, len(errors), errors.mean(), low, high, _worse(wide[setting] - best)))
    frame = pd.DataFrame(rows, columns=[*columns, "rounds", "mean", "ci_low", "ci_high", "p"])
    return _ranked(frame)


def choice_of_summaries(summaries: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """As `choice`, from published means alone: a row per network and setting with `mean`, `sd` and `rounds`.

    Rounds are taken as independent, since nothing says which belong together: the p-value is Welch's, from the
    standard errors of the averages over networks (Welch 1947), and intervals are normal ones.
    """
    work = summaries.assign(variance=summaries["sd"] ** 2 / summaries["rounds"], networks=1)
    grouped = work.groupby(list(by), sort=False).agg(
        rounds=("rounds", "min"), mean=("mean", "mean"), variance=("variance", "sum"), networks=("networks", "sum")
    )
    grouped["se"] = np.sqrt(grouped.variance) / grouped.networks
    frame = grouped.sort_values("mean", kind="stable").reset_index()
    best = frame.iloc[0]
    frame["ci_low"], frame["ci_high"] = frame["mean"] - 1.96 * frame.se, frame["mean"] + 1.96 * frame.se
    distance = (frame["mean"] - best["mean"]) / np.hypot(frame.se, best.se)
    frame["p"] = np.where(frame.index == 0, np.nan, stats.norm.sf(distance))
    return _ranked(frame[[*by, "rounds", "mean", "ci_low", "ci_high", "p"]])


def _averages(trials: pd.DataFrame, columns: list[str], value: str) -> pd.DataFrame:
    """A row per round, a column per setting (a tuple): the mean over networks, NaN where one lacks."""
    wide = trials.pivot_table(index=["seed", "round"], columns=[*columns, "network"], values=value, dropna=False)
    networks = trials.network.nunique()
    settings = trials[columns].drop_duplicates().itertuples(index=False, name=None)
    averages = {}
    for setting in settings:
        of_setting = wide.loc[:, [column for column in wide.columns if tuple(column[:-1]) == setting]]
        averages[setting] = of_setting.mean(axis=1).where(of_setting.notna().sum(axis=1) == networks)
    as_tuples = pd.Index(list(averages), tupleize_cols=False)
    return pd.DataFrame(np.column_stack(list(averages.values())), index=wide.index, columns=as_tuples)


def _worse(differences: pd.Series) -> float:
    complete = differences.dropna().to_numpy(float)
    if len(complete) < 2 or not complete.any():
        return np.nan
    if np.ptp(complete) < _ROUNDING:
        return 0.0 if complete[0] > 0 else 1.0
    return float(stats.ttest_1samp(complete, 0, alternative="greater").pvalue)


def _ranked(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.assign(behind=frame["mean"] - frame["mean"].iloc[0], p_holm=holm(frame.p))
    as_good = np.where(frame.p_holm < _SIGNIFICANT, "", "as good")
    return frame.assign(chosen=np.where(np.arange(len(frame)) == 0, "best", as_good))
