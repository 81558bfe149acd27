"""Which setting to take: the one "most adapted for all of our 4 models" (paper, section IV), made explicit.

The rule: the lowest error averaged over the networks studied. With it, the runners-up that are not shown to be worse,
and how much worse they may be.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy

from twofold.analysis.contrasts import SIGNIFICANT, holm
from twofold.analysis.equivalence import EQUIVALENT, NOT_DECIDED, WORSE, p_equivalent
from twofold.analysis.power import check_margin
from twofold.analysis.rates import mean_interval, wilson
from twofold.analysis.sections import sections
from twofold.analysis.simultaneous import half_widths
from twofold.analysis.trials import AnalysisError, as_trials, for_every_value, pairs_counted, varying_settings
from twofold.settings import SECTIONING

# What a setting is beside the others.
BEST, NOT_WORSE, FEWER_ROUNDS = "best", "not shown to be worse", "fewer rounds"

# Differences of errors that differ by less are equal.
_ROUNDING = 1e-12

# What a setting may be chosen by, and the column that has it.
SELECT_ON = {"validation": "validation_error", "test": "test_error"}


def choice(
    table: pd.DataFrame,
    select_on: str = "test_error",
    by: Sequence[str] | None = None,
    equivalence_margin: float | None = None,
) -> pd.DataFrame:
    """A row per setting, best first: its error averaged over networks within each round, then over rounds.

    Columns: the settings `by` (those that vary, by default), `rounds`, `mean`, `ci_low` and `ci_high` (95 % interval
    over rounds: `mean_interval`), `behind` (mean minus the best setting's), `at_most` (by how much it may be worse than
    that, 95 %), `p` (two-sided paired t test over rounds against the best one), `p_holm`, and `chosen`: "best", "worse"
    at 5 %, "not shown to be worse", or "fewer rounds" where the setting lacks some of the rounds that the others are
    compared on. With an `equivalence_margin` (a fraction) settings that are shown to differ from the best by less
    (two one-sided tests, corrected likewise) are "equivalent", and those that are not shown to be worse "not decided".

    Which setting is the best is known only after looking. So `p_holm` is Holm's correction over all pairs of settings,
    not only those with the best: then the chance of any false "worse" is at most 5 % (Holm 1979). For the same reason
    `at_most` holds for all pairs at once (`half_widths`).

    Only rounds in which all networks have the setting count, and settings are compared on rounds that they have in
    common: as many settings and rounds as together make most trials. A network that does not use a
    setting counts for every value of it. Raises `AnalysisError` where there is nothing to choose between.

    What decides how pairs are drawn (`twofold.settings.SECTIONING`) is not chosen: where the table differs in that, the
    choice is made among the settings of each section by itself, whose columns the rows have too.
    """
    check_margin(equivalence_margin)
    trials = as_trials(table, ("network", "round", select_on))
    if trials[select_on].isna().all():
        raise AnalysisError(f"no trial has a `{select_on}`; select on test_error, or draw validation pairs")
    columns = [name for name in (varying_settings(trials) if by is None else by) if name not in SECTIONING]
    if not columns:
        raise AnalysisError("the table has a single setting: there is nothing to choose between")
    alike = sections(trials, by_stage=False)
    chosen = [
        _choice(section.trials, columns, select_on, equivalence_margin).assign(**section.told) for section in alike
    ]
    told = list(alike[0].told)
    return pd.concat(chosen, ignore_index=True)[[*told, *chosen[0].columns.drop(told)]]


def _choice(trials: pd.DataFrame, columns: list[str], select_on: str, equivalence_margin: float | None) -> pd.DataFrame:
    """`choice` among the settings of one section."""
    trials = for_every_value(trials, columns)
    wide = _averages(trials, columns, select_on)
    common = _in_common(wide)
    common = common[common.mean().sort_values(kind="stable").index]
    others = wide.drop(columns=list(common))
    rows, pairs = [], pairs_counted(trials, select_on)
    for setting in [*common, *others.mean().sort_values(kind="stable").index]:
        errors = (common if setting in common else others)[setting].dropna()
        mean = errors.mean()
        rows.append((*setting, len(errors), mean, *mean_interval(mean, errors.std(ddof=1), len(errors), pairs)))
    frame = pd.DataFrame(rows, columns=[*columns, "rounds", "mean", "ci_low", "ci_high"])
    # Settings with fewer rounds, which stand last, are not compared.
    compared = _against_first(common.to_numpy(float), equivalence_margin).reindex(frame.index)
    return _ranked(frame.join(compared), len(common.columns))


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
    pairs = frame["mean"] * (1 - frame["mean"]) / frame.se**2  # that would have this standard error
    frame["ci_low"], frame["ci_high"] = zip(*map(wilson, frame["mean"], pairs), strict=True)
    means, errors = frame["mean"].to_numpy(), frame.se.to_numpy()
    distances = np.abs(means[:, None] - means) / np.hypot(errors[:, None], errors)
    p, p_holm = _first_row(2 * scipy.special.ndtr(-distances))
    pairs_of_settings = max(1, len(frame) * (len(frame) - 1) // 2)
    half = scipy.special.ndtri((1 + 0.95 ** (1 / pairs_of_settings)) / 2) * np.hypot(errors, errors[0])  # Sidak 1967
    half[:1] = np.nan
    frame = frame[[*by, "rounds", "mean", "ci_low", "ci_high"]]
    return _ranked(frame.assign(at_most=means - means[0] + half, p=p, p_holm=p_holm), len(frame))


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


def _against_first(errors: np.ndarray, equivalence_margin: float | None) -> pd.DataFrame:
    """For each column of rounds x settings what is known of it beside the first, corrected over all pairs of columns.

    Columns: `at_most`, `p`, `p_holm` and, with a margin, `equivalence_margin` and `p_equivalent`.
    """
    rounds, settings = errors.shape
    if rounds < 2:
        return pd.DataFrame({name: np.full(settings, np.nan) for name in ("at_most", "p", "p_holm")})
    differences = errors[:, :, None] - errors[:, None, :]  # rounds, settings, settings
    means, deviations = differences.mean(axis=0), differences.std(axis=0, ddof=1)
    error = np.where(np.ptp(differences, axis=0) < _ROUNDING, 0.0, deviations / np.sqrt(rounds))
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = np.abs(means) / error
    distances = np.where(error > 0, distances, np.where(np.abs(means) < _ROUNDING, 0.0, np.inf))
    p, p_holm = _first_row(2 * scipy.special.stdtr(rounds - 1, -distances))
    found = pd.DataFrame({"at_most": means[:, 0] + half_widths(errors)[0], "p": p, "p_holm": p_holm})
    if equivalence_margin is None:
        return found
    both_sides = p_equivalent(means, error, np.full(means.shape, rounds), equivalence_margin)
    return found.assign(equivalence_margin=equivalence_margin, p_equivalent=_first_row(both_sides)[1])


def _first_row(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first row of a symmetric matrix of p-values, plain and corrected over all pairs; NaN for the first itself."""
    pairs = np.triu_indices(len(p), 1)
    corrected = np.full(p.shape, np.nan)
    corrected[pairs] = holm(p[pairs])
    plain = p[0].copy()
    plain[0] = np.nan
    return plain, corrected[0]


def _ranked(frame: pd.DataFrame, compared: int) -> pd.DataFrame:
    """The settings, of which the first so many were compared, with how far they are behind and what that means."""
    place = np.arange(len(frame))
    words = np.where(frame.p_holm < SIGNIFICANT, WORSE, NOT_DECIDED if "p_equivalent" in frame else NOT_WORSE)
    if "p_equivalent" in frame:
        words = np.where(frame.p_equivalent < SIGNIFICANT, EQUIVALENT, words)
    words = np.where(place >= compared, FEWER_ROUNDS, np.where(place == 0, BEST, words))
    return frame.assign(behind=frame["mean"] - frame["mean"].iloc[0], chosen=words)
