"""The table of trials that all statistics read: from a results store, or from anyone's CSV."""

import ast
from collections.abc import Sequence
from typing import Any

import pandas as pd

from twofold.errors import TwofoldError

# The paper's networks in its order, with (weight sharing, auxiliary losses).
FOUR = {"NetBase": (False, False), "NetWS": (True, False), "NetAL": (False, True), "NetWSAL": (True, True)}

# What, beside the network, makes two trials of one round different; a table need not have all of them.
SETTINGS = (
    "data",
    "relation",
    "pairs",
    "normalise",
    "optimizer",
    "learning_rate",
    "aux_weight",
    "batch_size",
    "epochs",
    "shuffle",
    "bottleneck_activation",
)


class AnalysisError(TwofoldError):
    """A table of trials lacks what a statistic needs."""


def as_trials(table: pd.DataFrame, needs: Sequence[str] = ("network", "round", "test_error")) -> pd.DataFrame:
    """The table with what is told in more than one way told in one, checked for the columns that are needed.

    A column `dead_units` (a pair, or its text, as JSON and CSV have it) becomes `dead_first` and `dead_second`;
    `diverged` is false and `seed` is 0 where the column lacks. Raises `AnalysisError` where the table is empty or
    lacks a column.
    """
    trials = table.copy()
    if "dead_units" in trials and "dead_first" not in trials:
        pairs = [_pair(value) for value in trials.pop("dead_units")]
        trials["dead_first"], trials["dead_second"] = zip(*pairs, strict=True) if pairs else ((), ())
    for name in needs:
        if name not in trials:
            raise AnalysisError(f"the table of trials has no column `{name}`; it has {', '.join(map(str, trials))}")
    if trials.empty:
        raise AnalysisError("the table of trials is empty; run `twofold study` first")
    defaults: dict[str, Any] = {"diverged": False, "seed": 0}
    for name, value in defaults.items():
        if name not in trials:
            trials[name] = value
    return trials


def in_order(networks: Sequence[str]) -> list[str]:
    """The distinct networks: the paper's four in its order, then others as they come."""
    distinct = list(dict.fromkeys(networks))
    return [name for name in FOUR if name in distinct] + [name for name in distinct if name not in FOUR]


def by_round(table: pd.DataFrame, value: str = "test_error") -> pd.DataFrame:
    """A row per (seed, round), a column per network in order; NaN where a network lacks in a round.

    Raises `AnalysisError` where the table has several settings: then rounds do not pair up.
    """
    trials = as_trials(table, ("network", "round", value))
    twice = trials.duplicated(["network", "seed", "round"])
    if twice.any():
        varied = [name for name in varying_settings(trials) if name != "aux_weight"] or varying_settings(trials)
        raise AnalysisError(
            f"the table has more than one trial of {trials.network[twice].iloc[0]} in round "
            f"{trials['round'][twice].iloc[0]} (they differ in {', '.join(varied) or 'nothing'}); choose one setting"
        )
    wide = trials.pivot(index=["seed", "round"], columns="network", values=value)
    return wide[in_order(list(trials.network))]


def varying_settings(trials: pd.DataFrame) -> list[str]:
    """The settings that take more than one value in the table.

    An auxiliary weight of 0 for networks without auxiliary losses does not count as a second value.
    """

    def values(name: str) -> int:
        column = trials[name]
        if name == "aux_weight" and "auxiliary_losses" in trials:
            column = column[trials.auxiliary_losses.astype(bool)]
        return column.nunique()

    return [name for name in SETTINGS if name in trials and values(name) > 1]


def for_every_aux_weight(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials, with those of networks without auxiliary losses repeated for each auxiliary weight.

    Such a network is trained once, whatever the weight; where weights are compared it counts for each of them.
    """
    if "auxiliary_losses" not in trials:
        return trials
    with_losses = trials.auxiliary_losses.astype(bool)
    if not with_losses.any():
        return trials
    weights = trials.aux_weight[with_losses].drop_duplicates()
    plain = trials[~with_losses].drop(columns="aux_weight").merge(weights.to_frame(), how="cross")
    return pd.concat([trials[with_losses], plain[trials.columns]], ignore_index=True)


def _pair(value: Any) -> tuple[int, int]:
    pair = ast.literal_eval(value) if isinstance(value, str) else value
    try:
        first, second = pair
        return int(first), int(second)
    except (TypeError, ValueError) as error:
        raise AnalysisError(f"`dead_units` (={value!r}) must be a pair of counts such as [0, 10]") from error
