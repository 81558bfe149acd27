"""Figures of a grid search: each function takes the trials of one network, and its name, and returns a figure."""

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from twofold.report.figures.heatmap import COLOURS, Heatmap, heatmap_of, scale_of
from twofold.report.figures.lines import draw_chance, from_0_to_at_most_100, rounds_and_errors
from twofold.report.figures.looks import OPTIMIZER_LOOKS
from twofold.report.figures.panels import MOST_COLUMNS, filled, new_panels
from twofold.report.figures.parts import only, panels_of
from twofold.report.figures.style import Picture, empty_panel, house_style
from twofold.report.text import pictures
from twofold.report.text.names import error_label
from twofold.report.text.told import NO_TRIALS
from twofold.settings import words

_DIVERGED: Any = {"color": "#D55E00", "marker": "x", "linestyle": "", "markersize": 9, "markeredgewidth": 2}

# Up to so many rounds, each has a marker.
_MARKED_ROUNDS = 40


def rounds_figure(trials: pd.DataFrame, network: str) -> Picture:
    """The paper's plots of its grid search: the test error of every round, a line per optimizer.

    A panel per learning rate, and per combination of whatever else varies. A cross marks a diverged training.
    """
    settings = panels_of(trials, within=["optimizer"], always=["learning_rate"])
    with house_style():
        columns = min(MOST_COLUMNS, max(1, trials.learning_rate.nunique()))
        figure, grid = new_panels(len(settings), (3.6, 3.0), columns=columns, sharey=True)
        figure.suptitle(pictures.GRID_FIGURE.format(network=network), x=0.01, ha="left", weight="bold")
        if trials.empty:
            empty_panel(grid[0, 0], NO_TRIALS)
            return figure
        for axes, setting in filled(grid, settings):
            _draw_rounds(axes, of_setting := only(trials, setting))
            draw_chance(axes, of_setting)
            axes.label_outer()
        # Last, for it ends the scaling of the shared axis to what is drawn; with room for the highest marker.
        from_0_to_at_most_100(grid[0, 0], 1.04)
        _add_legend(figure, trials)
    return figure


def heatmap_figure(trials: pd.DataFrame, network: str) -> Picture:
    """The mean test error of every optimizer (down) at every learning rate (across), with its standard deviation.

    A panel per combination of whatever else varies; the colours of all heatmaps of a relation mean the same.
    """
    settings = panels_of(trials, within=["optimizer", "learning_rate"])
    rates = sorted(trials.learning_rate.unique())
    with house_style():
        size = (max(3.2, 1.15 * len(rates) + 0.4), max(1.6, 0.62 * trials.optimizer.nunique() + 0.6))
        figure, grid = new_panels(len(settings), size)
        figure.suptitle(pictures.HEATMAP_FIGURE.format(network=network), x=0.01, ha="left", weight="bold")
        if trials.empty:
            empty_panel(grid[0, 0], NO_TRIALS)
            return figure
        worst = scale_of(trials)
        for axes, setting in filled(grid, settings):
            _draw_heatmap(axes, heatmap_of(only(trials, setting), "learning_rate", ["optimizer"], rates, worst=worst))
        colours = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 100 * worst), COLOURS)
        figure.colorbar(colours, ax=grid, label=pictures.HEAT_SCALE, shrink=0.9, aspect=25)
    return figure


def _draw_rounds(axes: Axes, trials: pd.DataFrame) -> None:
    for optimizer, of_optimizer in trials.groupby("optimizer", sort=False):
        colour, marker = OPTIMIZER_LOOKS[str(optimizer)]
        rounds, errors = rounds_and_errors(of_optimizer)
        few = len(rounds) <= _MARKED_ROUNDS
        axes.plot(
            rounds,
            errors,
            color=colour,
            marker=marker if few else "",
            markersize=4.5,
            linewidth=1.2 if few else 0.8,
        )
        lost = of_optimizer[of_optimizer.diverged.astype(bool)]
        axes.plot(lost["round"], 100 * lost.test_error, **_DIVERGED, zorder=3)
    axes.set(xlabel="round", ylabel=error_label())
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


def _draw_heatmap(axes: Axes, heatmap: Heatmap) -> None:
    for line, (_, cells) in enumerate(heatmap.rows):
        for column, cell in enumerate(cells):
            if cell is not None:
                axes.add_patch(Rectangle((column - 0.5, line - 0.5), 1, 1, facecolor=cell.background, linewidth=0))
                text = "\n".join(filter(None, (cell.mean, cell.sd, cell.detail)))
                axes.text(column, line, text, ha="center", va="center", color=cell.ink, fontsize=8.5)
    axes.set_xlim(-0.5, len(heatmap.columns) - 0.5)
    axes.set_ylim(len(heatmap.rows) - 0.5, -0.5)
    axes.set_xticks(range(len(heatmap.columns)), heatmap.columns)
    axes.set_yticks(range(len(heatmap.rows)), [name for name, _ in heatmap.rows])
    axes.set(xlabel=words(heatmap.across))
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
