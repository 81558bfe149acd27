"""A heatmap before it is drawn: its cells, what stands in each, and its colour. Figures and pages draw it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import pandas as pd

from twofold.analysis import chances, summary
from twofold.report.figures.looks import INK
from twofold.report.text.names import cell_text
from twofold.report.text.numbers import percent
from twofold.report.text.tables import rows_of
from twofold.settings import words

# Darker is worse; made for all kinds of colour vision (Nunez, Anderton and Renslow 2018).
COLOURS = "cividis_r"


@dataclass(frozen=True)
class Cell:
    """A mean error, its standard deviation, and what else there is to know: fewer rounds, diverged trainings."""

    mean: str
    sd: str
    detail: str
    background: str
    ink: str


@dataclass(frozen=True)
class Heatmap:
    """The mean test error of one network: one setting across, the others down; None where there is no trial."""

    network: str
    across: str
    down: Sequence[str]
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell | None]]]

    @property
    def corner(self) -> str:
        """What is across and what is down."""
        return f"{words(self.across)} →" + "".join(f"\n{words(name)} ↓" for name in self.down)


def heatmap_of(
    trials: pd.DataFrame, across: str, down: Sequence[str], values: Sequence[Any] | None = None, *, worst: float
) -> Heatmap:
    """The heatmap of one network's trials; `values` are those across, by default all that there are.

    Lines come in the order of the trials, columns in that of their values. Colours go from no error to `worst`: that of
    `scale_of` for all the trials that are shown together, so that their heatmaps compare.
    """
    statistics = summary(trials, [*down, across])
    rounds = int(statistics["rounds"].max())
    cells = {tuple(row[name] for name in (*down, across)): _cell(row, rounds, worst) for row in rows_of(statistics)}
    columns = sorted(trials[across].unique()) if values is None else values
    sides = list(dict.fromkeys(key[:-1] for key in cells))
    return Heatmap(
        network=str(trials.network.iloc[0]),
        across=across,
        down=down,
        columns=[cell_text(across, column) for column in columns],
        rows=[
            (", ".join(map(cell_text, down, side)), [cells.get((*side, column)) for column in columns])
            for side in sides
        ],
    )


def scale_of(trials: pd.DataFrame) -> float:
    """The error that is darkest: that of a constant answer, which is one half where the relation is not known."""
    return max(chances(trials).chance, default=0.5)


def _cell(row: Mapping[str, Any], rounds: int, worst: float) -> Cell:
    few = f"{row['rounds']} of {rounds} rounds" if row["rounds"] < rounds else ""
    diverged = f"{row['diverged']} diverged" if row["diverged"] else ""
    red, green, blue, _ = colour = mpl.colormaps[COLOURS](float(row["mean"]) / worst)
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return Cell(
        mean=percent(row["mean"]),
        sd="" if pd.isna(row["sd"]) else f"± {percent(row['sd'])}",
        detail=", ".join(filter(None, (few, diverged))),
        background=mpl.colors.to_hex(colour),
        ink=INK if luminance > 0.18 else "#ffffff",
    )
