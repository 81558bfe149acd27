"""Which setting to take: the one "most adapted for all of our 4 models" (paper, section IV), made explicit.

The rule: the lowest error averaged over the networks studied. With it, the runners-up that are not significantly
worse, for they might be as good.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy

from twofold.analysis.contrasts import holm, t_interval
from twofold.analysis.sections import sections
from twofold.analysis.trials import AnalysisError, as_trials, for_every_value, varying_settings
from twofold.settings import SECTIONING

_SIGNIFICANT = 0.05

# Differences of errors that differ by less are equal.
_ROUNDING = 1e-12

# What a setting may be chosen by, and the column that has it.
SELECT_ON = {"validation": "validation_error", "test": "test_error"}


def choice(table: pd.DataFrame, select_on: str = "test_error", by: Sequence[str] | None = None) -> pd.DataFrame:
    """A row per setting, best first: its error averaged over networks within each round, then over rounds.

    Columns: the settings `by` (those that vary, by default), `rounds`, `mean`, `ci_low` and `ci_high` (95 % t
    interval over rounds), `behind` (mean minus the best setting's), `p` (two-sided paired t test over rounds against
    the best one), `p_holm`, and `chosen`: "best", "as good" where not significantly worse at 5 %, "incomplete" where
    the setting lacks some of the rounds that the others are compared on, else "".

    Which setting is the best is known only after looking. So `p_holm` is Holm's correction over all pairs of settings,
    not only those with the best: then the chance of any false "worse" is at most 5 % (Holm 1979).

    Only rounds in which all networks have the setting count, and settings are compared on rounds that they have in
    common: as many settings and rounds as together make most trials. A network that does not use a
    setting counts for every value of it. Raises `AnalysisError` where there is nothing to choose between.

    What decides how pairs are drawn (`twofold.settings.SECTIONING`) is not chosen: where the table differs in that, the
    choice is made among the settings of each section by itself, whose columns the rows have too.
    """
    trials = as_trials(table, ("network", "round", select_on))
    if trials[select_on].isna().all():
        raise AnalysisError(f"no trial has a `{select_on}`; select on test_error, or draw validation pairs")
    columns = [name for name in (varying_settings(trials) if by is None else by) if name not in SECTIONING]
    if not columns:
        raise AnalysisError("the table has a single setting: there is nothing to choose between")
    alike = sections(trials, by_stage=False)
    chosen = [_choice(section.trials, columns, select_on).assign(**section.told) for section in alike]
    told = list(alike[0].told)
    return pd.concat(chosen, ignore_index=True)[[*told, *chosen[0].columns.drop(told)]]


def _choice(trials: pd.DataFrame, columns: list[str], select_on: str) -> pd.DataFrame:
    """`choice` among the settings of one section."""
    trials = for_every_value(trials, columns)
    wide = _averages(trials, columns, select_on)
    common = _in_common(wide)
    common = common[common.mean().sort_values(kind="stable").index]
    others = wide.drop(columns=list(common))
    p, p_holm = _against_first(common.to_numpy(float))
    missing = np.full(len(others.columns), np.nan)
    rows = []
    for setting in [*common, *others.mean().sort_values(kind="stable").index]:
        errors = (common if setting in common else others)[setting].dropna()
        rows.append((*setting, len(errors), errors.mean(), *t_interval(errors.mean(), errors.std(ddof=1), len(errors))))
    frame = pd.DataFrame(rows, columns=[*columns, "rounds", "mean", "ci_low", "ci_high"])
    return _ranked(frame.assign(p=np.append(p, missing), p_holm=np.append(p_holm, missing)), len(common.columns))


def choice_of_summaries(summaries: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """As `choice`, from published means alone: a row per network and setting with `mean`, `sd` and `rounds`.

    Networks and settings are taken as independent, since nothing says which rounds belong together: p-values and
    intervals are normal ones, from the standard errors of the averages over networks.
    """
    work = summaries.assign(variance=summaries["sd"] ** 2 / summaries["rounds"], networks=1)
    grouped = work.groupby(list(by), sort=False).agg(
        rounds=("rounds", "min"), mean=("mean", "mean"), variance=("variance", "sum"), networks=("networks", "sum")
    )
    grouped["se"] = np.sqrt(grouped.variance) / grouped.networks
    frame = grouped.sort_values("mean", kind="stable").reset_index()
    frame["ci_low"], frame["ci_high"] = frame["mean"] - 1.96 * frame.se, frame["mean"] + 1.96 * frame.se
    means, errors = frame["mean"].to_numpy(), frame.se.to_numpy()
    distances = np.abs(means[:, None] - means) / np.hypot(errors[:, None], errors)
    p, p_holm = _first_row(2 * scipy.special.ndtr(-distances))
    frame = frame[[*by, "rounds", "mean", "ci_low", "ci_high"]]
    return _ranked(frame.assign(p=p, p_holm=p_holm), len(frame))


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


def _in_common(wide: pd.DataFrame) -> pd.DataFrame:
    """The rounds and settings without gaps that hold most trials, of those with the most rounds: two settings at least.

    So neither does a long study of one setting hide a grid of few rounds, nor a setting with one lucky round win.
    """
    counts = wide.notna().sum().sort_values(ascending=False, kind="stable")
    least = min(2, len(counts))
    blocks = [wide[list(counts.index[:n])].dropna() for n in range(least, len(counts) + 1)]
    return max(blocks, key=lambda block: (block.size, len(block)))


def _against_first(errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each column of rounds x settings: p against the first, and the same corrected over all pairs of columns."""
    rounds = len(errors)
    if rounds < 2:
        return np.full(errors.shape[1], np.nan), np.full(errors.shape[1], np.nan)
    differences = errors[:, :, None] - errors[:, None, :]  # rounds, settings, settings
    means, deviations = differences.mean(axis=0), differences.std(axis=0, ddof=1)
    equal = np.ptp(differences, axis=0) < _ROUNDING  # the same difference in every round
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = np.abs(means) / (deviations / np.sqrt(rounds))
    distances = np.where(equal, np.where(np.abs(means) < _ROUNDING, 0.0, np.inf), distances)
    return _first_row(2 * scipy.special.stdtr(rounds - 1, -distances))


def _first_row(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first row of a symmetric matrix of p-values, plain and corrected over all pairs; NaN for the first itself."""
    pairs = np.triu_indices(len(p), 1)
    corrected = np.full(p.shape, np.nan)
    corrected[pairs] = holm(p[pairs])
    plain = p[0].copy()
    plain[0] = np.nan
    return plain, corrected[0]


def _ranked(frame: pd.DataFrame, complete: int) -> pd.DataFrame:
    """The settings, of which the first `complete` were compared, with how far they are behind and what that means."""
    place = np.arange(len(frame))
    words = np.where(frame.p_holm < _SIGNIFICANT, "", "as good")
    words = np.where(place >= complete, "incomplete", np.where(place == 0, "best", words))
    return frame.assign(behind=frame["mean"] - frame["mean"].iloc[0], chosen=words)
