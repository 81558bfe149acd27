"""Tables of what tuning found. Errors are shown in percent."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table

from twofold.analysis import by_round, contrast, summary
from twofold.report.terminal.tables import rich_table
from twofold.report.text import notes
from twofold.report.text.chance import chance_notes
from twofold.report.text.names import heading, scope
from twofold.report.text.numbers import MISSING, counted, p_value, percent, points, points_interval
from twofold.settings import SETTINGS, value_text

# What can be tuned.
_TUNED = [name for name, declared in SETTINGS.items() if declared.search]


def best_settings_table(
    best: Mapping[tuple[str, ...], tuple[dict[str, Any], pd.DataFrame]],
    papers: dict[str, Any],
    rounds: int,
    *,
    confirmed: bool,
    chance: Sequence[str] = (),
) -> Table:
    """The best setting of each search beside the paper's, with their validation errors.

    `best` has, for the networks of each search, the setting and all the proposals. The paper's has an error where the
    search tried it. Unless the settings are `confirmed`, a note says how to; `chance` is what
    `twofold.report.text.chance` says of what was asked.
    """
    names = [name for name in _TUNED if any(name in setting for setting, _ in best.values())]
    rows = []
    for networks, (setting, proposals) in best.items():
        for who, values in (("found", setting), ("paper", papers)):
            # Of those that were not searched for this network there is no value.
            cells = [value_text(values[name]) if name in setting else MISSING for name in names]
            rows.append([scope(networks) if who == "found" else "", who, *cells, percent(_error(proposals, values))])
    return rich_table(
        f"Best settings by validation error over {counted(rounds, 'round')}",
        ["network", "setting", *map(heading, names), "mean %"],
        rows,
        left=2,
        caption=" ".join([*([] if confirmed else [notes.UNCONFIRMED]), *chance]) or None,
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
        span = points_interval(row["ci_low"], row["ci_high"])
        rows.append([network, *errors, points(row["difference"]), span, p_value(row["p"])])
    return rich_table(
        notes.COMPARISON.format(rounds=counted(len(ours), "fresh round")),
        ["network", "found %", "paper %", "difference", "95 % interval", "p"],
        rows,
        caption=" ".join(chance_notes(summary(found))) or None,
    )


def _error(proposals: pd.DataFrame, setting: Mapping[str, Any]) -> float | None:
    same = pd.Series(True, index=proposals.index)
    for name in proposals.columns.drop("validation_error"):
        same &= proposals[name] == setting[name]
    return float(proposals.validation_error[same].iloc[0]) if same.any() else None
