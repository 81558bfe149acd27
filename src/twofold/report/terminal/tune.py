"""Tables of what tuning found. Errors are shown in percent."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.table import Table

from twofold.analysis import by_round, contrast, holm, summary, with_verdicts
from twofold.report.terminal.tables import drawn, rich_table
from twofold.report.text import notes, statistics
from twofold.report.text.chance import chance_notes
from twofold.report.text.equivalence import verdict_notes
from twofold.report.text.names import heading, scope
from twofold.report.text.numbers import MISSING, counted, percent
from twofold.report.text.tables import Column, TextTable, rows_of, value_column
from twofold.settings import SETTINGS, value_text

# What can be tuned.
_TUNED = [name for name, declared in SETTINGS.items() if declared.search]


def best_settings_table(
    best: Mapping[tuple[str, ...], tuple[dict[str, Any], pd.DataFrame]],
    start: dict[str, Any],
    rounds: int,
    *,
    confirmed: bool,
    chance: Sequence[str] = (),
) -> Table:
    """The best setting of each search beside the one that it started from, with their validation errors.

    `best` has, for the networks of each search, the setting and all the proposals. The `start` has an error where the
    search tried it. Unless the settings are `confirmed`, a note says how to; `chance` is what
    `twofold.report.text.chance` says of what was asked.
    """
    names = [name for name in _TUNED if any(name in setting for setting, _ in best.values())]
    rows = []
    for networks, (setting, proposals) in best.items():
        for who, values in (("found", setting), ("start", start)):
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


def comparison_table(
    found: pd.DataFrame, start: pd.DataFrame, *, together: bool, equivalence_margin: float | None = None
) -> Table:
    """The test errors of the settings found and of the one at the start, on the same rounds: a line per network.

    The difference (found - start) is taken within rounds; its interval is Student's, its p-value the sign-flip one.
    Where the networks were tuned `together`, a last line has the mean over them. With an `equivalence_margin` (a
    fraction) there are verdicts.
    """
    ours, theirs = by_round(found), by_round(start)
    if together:
        ours, theirs = (errors.assign(mean=errors.mean(axis=1)) for errors in (ours, theirs))
    rows = pd.DataFrame([{"network": name, **contrast(ours[name] - theirs[name])} for name in ours.columns])
    rows = rows.assign(found=ours.mean().to_numpy(), start=theirs[ours.columns].mean().to_numpy())
    rows = with_verdicts(rows.assign(p_holm=holm(rows.p)), equivalence_margin)
    columns = [
        value_column("network"),
        Column("found %", lambda row: percent(row["found"])),
        Column("start %", lambda row: percent(row["start"])),
        statistics.DIFFERENCE,
        statistics.DIFFERENCE_INTERVAL,
        *statistics.tests_columns(rows),
    ]
    title = notes.COMPARISON.format(rounds=counted(len(ours), "fresh round"))
    below = [*verdict_notes(rows), *chance_notes(summary(found))]
    return drawn(TextTable(title, columns, rows_of(rows), below))


def _error(proposals: pd.DataFrame, setting: Mapping[str, Any]) -> float | None:
    same = pd.Series(True, index=proposals.index)
    for name in proposals.columns.drop("validation_error"):
        same &= proposals[name] == setting[name]
    return float(proposals.validation_error[same].iloc[0]) if same.any() else None
