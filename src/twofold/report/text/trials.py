"""The table of every trial, as a report has it."""

from collections.abc import Sequence
from types import SimpleNamespace

import pandas as pd

from twofold.analysis import without_unused
from twofold.report.text.chance import chance_of_table
from twofold.report.text.notes import first_rows_note
from twofold.report.text.pictures import dead_text
from twofold.report.text.statistics import class_error_column, error_column
from twofold.report.text.tables import Column, TextTable, count_column, rows_of, value_column
from twofold.settings import value_text


def trials_table(trials: pd.DataFrame, varied: Sequence[str], most: int) -> TextTable:
    """The first so many trials: their settings, as far as they vary, and what came out."""
    several_seeds = ["seed"] if trials.seed.nunique() > 1 else []
    columns = [
        *map(value_column, ("network", *varied, *several_seeds)),
        count_column("round"),
        *(error_column(kind, 1) for kind in ("test", "validation", "train")),
        class_error_column(trials),
        Column("dead units", lambda row: dead_text(SimpleNamespace(**row))),
        Column("diverged", lambda row: value_text(row["diverged"]) if row["diverged"] else ""),
        Column("seconds", lambda row: f"{row['seconds']:.2f}"),
    ]
    shown = without_unused(trials).head(most)
    below = [*first_rows_note(len(shown), len(trials)), *chance_of_table(trials)]
    return TextTable("Every trial", columns, rows_of(shown), below)
