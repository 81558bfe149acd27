"""Tables of a study, of what a store holds and of kept networks. Errors are shown in percent."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from twofold.analysis import (
    agreement,
    images_told_apart,
    in_order,
    is_crossed,
    summary,
    summary_of_groups,
    varying_settings,
    without_unused,
)
from twofold.report.terminal.tables import drawn
from twofold.report.text import notes, statistics
from twofold.report.text.chance import chance_notes, chance_of_table
from twofold.report.text.names import on_task
from twofold.report.text.numbers import counted
from twofold.report.text.tables import Column, TextTable, count_column, rows_of, value_column
from twofold.settings import COMPARED


def summary_table(trials: pd.DataFrame) -> Table:
    """A study's test errors: a line per network, or per network and setting where several settings were tried."""
    varied = varying_settings(trials)
    paper = None if varied else agreement(trials)
    data = sorted(set(trials.data)) if "data" in trials else []
    rows = summary(without_unused(trials), ["network", *varied])
    return drawn(statistics.summary_table(rows, varied, paper, data, on_task(trials)))


def settings_table(groups: pd.DataFrame) -> Table:
    """What a store holds, by its groups of trials (`Store.groups`): a line per network and setting."""
    crossed = is_crossed(groups)
    groups, others = groups[~crossed], groups[crossed]
    varying = {*varying_settings(groups), "data", "optimizer"}
    varied = [name for name in COMPARED if name in varying]
    columns = [
        *map(value_column, ("network", *varied)),
        Column("trials", lambda row: str(row["rounds"])),
        statistics.MEAN,
        statistics.SD,
        statistics.RANGE,
    ]
    rows = summary_of_groups(without_unused(groups), ["network", *varied])
    title = f"Test error of {counted(int(groups.trials.sum()), 'trial')}"
    below = [*notes.identities_note(groups.network), *chance_notes(rows, varied)]
    below += [notes.crossed_note(int(others.trials.sum()))] if len(others) else []
    return drawn(TextTable(title, columns, rows_of(rows), below))


def models_table(records: Sequence[Mapping[str, Any]], folder: Path) -> Table:
    """The networks that are kept: a line per network, with its file's name to the first twelve of its 64 digits.

    These two tell a line from the others: where a terminal has no room for all columns, they alone stand in each part.
    """
    kept = images_told_apart(pd.DataFrame(records))
    varied = [name for name in COMPARED if name in {*varying_settings(kept), "data"}]
    kept = without_unused(kept)
    kept["network"] = pd.Categorical(kept.network, in_order(list(kept.network)))
    columns = [
        Column("file", lambda row: f"{row['key'][:12]}…", words=True),
        value_column("network"),
        *(replace(value_column(name), words=False) for name in varied),
        count_column("round"),
        *([count_column("weight_round")] if is_crossed(kept).any() else []),
        *map(statistics.error_column, ("validation", "test")),
        statistics.class_error_column(kept),
    ]
    rows = rows_of(kept.sort_values(["network", *varied, "round"], kind="stable"))
    return drawn(TextTable(f"{counted(len(rows), 'network')} in {folder}", columns, rows, chance_of_table(kept)))
