"""Tables of a study, of what a store holds and of kept networks. Errors are shown in percent."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from twofold.analysis import agreement, in_order, summary, varying_settings
from twofold.report.terminal.tables import drawn
from twofold.report.text import notes, statistics
from twofold.report.text.numbers import counted
from twofold.report.text.tables import Column, TextTable, count_column, rows_of, value_column
from twofold.settings import COMPARED


def summary_table(trials: pd.DataFrame) -> Table:
    """A study's test errors: a line per network, or per network and setting where several settings were tried."""
    varied = varying_settings(trials)
    paper = None if varied else agreement(trials)
    data = sorted(set(trials.data)) if "data" in trials else []
    return drawn(statistics.summary_table(summary(trials, ["network", *varied]), varied, paper, data))


def settings_table(trials: pd.DataFrame) -> Table:
    """What a store holds: a line per network and setting."""
    varying = {*varying_settings(trials), "data", "optimizer"}
    varied = [name for name in COMPARED if name in varying]
    columns = [
        *map(value_column, ("network", *varied)),
        Column("trials", lambda row: str(row["rounds"])),
        statistics.MEAN,
        statistics.SD,
        statistics.RANGE,
    ]
    rows = rows_of(summary(trials, ["network", *varied]))
    title = f"Test error of {counted(len(trials), 'trial')}"
    return drawn(TextTable(title, columns, rows, notes.identities_note(trials.network)))


def models_table(records: Sequence[Mapping[str, Any]], folder: Path) -> Table:
    """The networks that are kept: a line per network, with its file's name to the first twelve of its 64 digits."""
    kept = pd.DataFrame(records)
    kept["network"] = pd.Categorical(kept.network, in_order(list(kept.network)))
    varied = [name for name in COMPARED if name in {*varying_settings(kept), "data"}]
    columns = [
        *map(value_column, ("network", *varied)),
        count_column("round"),
        *map(statistics.error_column, ("validation", "test")),
        statistics.class_error_column(kept),
        Column("file", lambda row: f"{row['key'][:12]}…"),
    ]
    rows = rows_of(kept.sort_values(["network", *varied, "round"], kind="stable"))
    return drawn(TextTable(f"{counted(len(rows), 'network')} in {folder}", columns, rows))
