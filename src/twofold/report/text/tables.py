"""A table before it is drawn: what stands above its columns and how each cell is written.

Terminal and report draw the same description, each in its own way. A heading may have several lines.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from twofold.report.text.names import cell_text, heading
from twofold.report.text.numbers import MISSING, counted

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """What stands above a column, how a row's cell is written, and whether it holds words rather than numbers."""

    heading: str
    cell: Callable[[Row], str]
    words: bool = False


@dataclass(frozen=True)
class TextTable:
    """A table of which the columns of words come first, with the sentences that say what it means."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    notes: Sequence[str] = ()

    @property
    def headings(self) -> list[str]:
        """What stands above the columns."""
        return [column.heading for column in self.columns]

    @property
    def cells(self) -> list[list[str]]:
        """The text of every cell, row by row."""
        return [[column.cell(row) for column in self.columns] for row in self.rows]

    @property
    def left(self) -> int:
        """How many columns hold words."""
        return sum(column.words for column in self.columns)


def value_column(name: str) -> Column:
    """The column of a network's name, or of a setting's values."""
    return Column(heading(name), lambda row: MISSING if pd.isna(row[name]) else cell_text(name, row[name]), words=True)


def count_column(name: str) -> Column:
    """A column of counts."""
    return Column(heading(name), lambda row: str(row[name]))


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table of statistics, each by the names of its columns."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def over_rounds(
    title: str, columns: Sequence[Column], frame: pd.DataFrame, notes: Sequence[str] = (), rounds: str = "rounds"
) -> TextTable:
    """The table of some statistics over rounds.

    How many rounds there are stands in the title, or in a column where the rows differ in it. So lines are kept within
    80 characters for the statistics of one setting.
    """
    if frame[rounds].nunique() == 1:
        return TextTable(f"{title}, {counted(int(frame[rounds].iloc[0]), 'round')}", columns, rows_of(frame), notes)
    left = sum(column.words for column in columns)
    return TextTable(title, [*columns[:left], count_column(rounds), *columns[left:]], rows_of(frame), notes)
