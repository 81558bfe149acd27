"""Tables of what tuning found, for the terminal. Errors are shown in percent."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table

from twofold.analysis import by_round, contrast
from twofold.report.tables import interval, p_value, percent, text_table, value_text

# What is tuned, and the short name that stands above it.
_SETTINGS = {
    "optimizer": "optimizer",
    "learning_rate": "lr",
    "batch_size": "batch",
    "epochs": "epochs",
    "aux_weight": "aux weight",
}


def scope(networks: Sequence[str]) -> str:
    """The networks that a search is for, in words."""
    return networks[0] if len(networks) == 1 else f"{len(networks)} networks"


def best_settings_table(
    best: Mapping[tuple[str, ...], tuple[dict[str, Any], pd.DataFrame]],
    papers: dict[str, Any],
    rounds: int,
    *,
    confirmed: bool,
) -> Table:
    """The best setting of each search beside the paper's, with their validation errors.

    `best` has, for the networks of each search, the setting and all the proposals. The paper's has an error where the
    search tried it. Unless the settings are `confirmed`, a note says how to.
    """
    rows = []
    for networks, (setting, proposals) in best.items():
        rows.append([scope(networks), "found", *_values(setting, setting), percent(_error(proposals, setting))])
        rows.append(["", "paper", *_values(papers, setting), percent(_error(proposals, papers))])
    return text_table(
        f"Best settings by validation error over {rounds} {'round' if rounds == 1 else 'rounds'}",
        ["network", "setting", *_SETTINGS.values(), "mean %"],
        rows,
        left=3,
        caption="The best of many looks better than it is; --confirm shows by how much." if not confirmed else None,
    )


def comparison_table(found: pd.DataFrame, papers: pd.DataFrame, *, together: bool) -> Table:
    """The test errors of the settings found and of the paper's, on the same rounds: a line per network.

    The difference (found - paper's) is taken within rounds; its interval is Student's, its p-value the sign-flip one.
    Where the networks were tuned `together`, a last line has the mean over them.
    """
    ours, theirs = by_round(found), by_round(papers)
    if together:
        ours, theirs = (errors.assign(mean=errors.mean(axis=1)) for errors in (ours, theirs))
    rows = []
    for network in ours.columns:
        row = contrast(ours[network] - theirs[network])
        errors = [percent(float(np.mean(each[network]))) for each in (ours, theirs)]
        difference = f"{100 * row['difference']:+.2f}"
        rows.append([network, *errors, difference, interval(row["ci_low"], row["ci_high"]), p_value(row["p"])])
    rounds = len(ours)
    return text_table(
        f"Test error on {rounds} fresh {'round' if rounds == 1 else 'rounds'}: the setting found, and the paper's",
        ["network", "found %", "paper %", "difference", "95 % interval", "p"],
        rows,
    )


def _values(setting: Mapping[str, Any], searched: Mapping[str, Any]) -> list[str]:
    """The setting's values; those that were not searched for this network have none."""
    return [_short(setting[name]) if name in searched else "–" for name in _SETTINGS]


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else value_text(value)


def _error(proposals: pd.DataFrame, setting: Mapping[str, Any]) -> float | None:
    same = pd.Series(True, index=proposals.index)
    for name in proposals.columns.drop("validation_error"):
        same &= proposals[name] == setting[name]
    return float(proposals.validation_error[same].iloc[0]) if same.any() else None
