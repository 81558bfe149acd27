"""Figures of a grid search: each function takes a table of trials and one network's name, and returns a figure."""

import itertools
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from twofold.analysis import summary
from twofold.report.panels import MOST_COLUMNS, filled, new_panels, only, panels_of
from twofold.report.style import INK, OPTIMIZER_LOOKS, Picture, empty_panel, house_style

_DIVERGED: Any = {"color": "#D55E00", "marker": "x", "linestyle": "", "markersize": 9, "markeredgewidth": 2}

# Up to so many rounds, each has a marker.
_MARKED_ROUNDS = 40

# All heatmaps have one scale, so that they compare: from no error to a guess's.
_GUESS = 50.0
# Darker is worse; made for all kinds of colour vision (Nunez, Anderton and Renslow 2018).
_HEAT = "cividis_r"


def rounds_figure(table: pd.DataFrame, network: str) -> Picture:
    """The paper's plots of its grid search: the test error of every round, a line per optimizer.

    A panel per learning rate, and per combination of whatever else varies. A cross marks a diverged training.
    """
    trials = table[table.network == network]
    settings = panels_of(trials, within=["optimizer"], always=["learning_rate"])
    with house_style():
        columns = min(MOST_COLUMNS, max(1, trials.learning_rate.nunique()))
        figure, grid = new_panels(len(settings), (3.6, 3.0), columns=columns, sharey=True)
        figure.suptitle(f"{network}: every round of the grid", x=0.01, ha="left", weight="bold")
        if trials.empty:
            empty_panel(grid[0, 0], "no trials yet")
            return figure
        for axes, setting in filled(grid, settings):
            _draw_rounds(axes, only(trials, setting))
            axes.label_outer()
        # Last, for it ends the scaling of the shared axis to what is drawn; with room for the highest marker.
        grid[0, 0].set_ylim(0, 1.04 * grid[0, 0].get_ylim()[1])
        _add_legend(figure, trials)
    return figure


def heatmap(table: pd.DataFrame, network: str) -> Picture:
    """The mean test error of every optimizer (down) at every learning rate (across), with its standard deviation.

    A panel per combination of whatever else varies; the colours of all heatmaps mean the same.
    """
    trials = table[table.network == network]
    settings = panels_of(trials, within=["optimizer", "learning_rate"])
    optimizers, rates = list(dict.fromkeys(trials.optimizer)), sorted(trials.learning_rate.unique())
    with house_style():
        size = (max(3.2, 1.15 * len(rates) + 0.4), max(1.6, 0.62 * len(optimizers) + 0.6))
        figure, grid = new_panels(len(settings), size, sharey=True)
        figure.suptitle(f"{network}: test error (%), mean ± sd", x=0.01, ha="left", weight="bold")
        if trials.empty:
            empty_panel(grid[0, 0], "no trials yet")
            return figure
        for axes, setting in filled(grid, settings):
            _draw_heatmap(axes, only(trials, setting), optimizers, rates)
        colours = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, _GUESS), _HEAT)
        figure.colorbar(colours, ax=grid, label="mean test error (%)", shrink=0.9, aspect=25)
    return figure


def _draw_rounds(axes: Axes, trials: pd.DataFrame) -> None:
    for optimizer, of_optimizer in trials.groupby("optimizer", sort=False):
        colour, marker = OPTIMIZER_LOOKS[str(optimizer)]
        lines = of_optimizer.sort_values("round")
        few = len(lines) <= _MARKED_ROUNDS
        axes.plot(
            lines["round"],
            100 * lines.test_error,
            color=colour,
            marker=marker if few else "",
            markersize=4.5,
            linewidth=1.2 if few else 0.8,
        )
        lost = lines[lines.diverged.astype(bool)]
        axes.plot(lost["round"], 100 * lost.test_error, **_DIVERGED, zorder=3)
    axes.set(xlabel="round", ylabel="test error (%)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _add_legend(figure: Picture, trials: pd.DataFrame) -> None:
    """One legend for all panels: the optimizers, and what the crosses mean where there are any."""
    handles = [
        Line2D([], [], color=OPTIMIZER_LOOKS[name][0], marker=OPTIMIZER_LOOKS[name][1], label=name)
        for name in dict.fromkeys(trials.optimizer)
    ]
    if trials.diverged.astype(bool).any():
        handles.append(Line2D([], [], label="diverged", **_DIVERGED))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _draw_heatmap(axes: Axes, trials: pd.DataFrame, optimizers: Sequence[str], rates: Sequence[float]) -> None:
    rows = summary(trials, ["optimizer", "learning_rate"]).to_dict("records")
    cells = {(row["optimizer"], row["learning_rate"]): row for row in rows}
    means = np.full((len(optimizers), len(rates)), np.nan)
    for (line, optimizer), (column, rate) in itertools.product(enumerate(optimizers), enumerate(rates)):
        if cell := cells.get((optimizer, rate)):
            means[line, column] = 100 * cell["mean"]
            colour = "white" if means[line, column] > _GUESS / 2 else INK
            axes.text(column, line, _cell_text(cell), ha="center", va="center", color=colour, fontsize=8.5)
    axes.imshow(means, cmap=_HEAT, vmin=0, vmax=_GUESS, aspect="auto")
    axes.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    axes.set_yticks(range(len(optimizers)), optimizers)
    axes.set(xlabel="learning rate")
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _cell_text(cell: dict[Any, Any]) -> str:
    spread = "" if pd.isna(cell["sd"]) else f"± {100 * cell['sd']:.2f}"
    lost = f"{cell['diverged']} diverged" if cell["diverged"] else ""
    return "\n".join(line for line in (f"{100 * cell['mean']:.2f}", spread, lost) if line)
