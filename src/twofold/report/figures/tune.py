"""Figures of a search for settings: each takes the proposals of every search and returns a figure.

A search is given by its networks, in words, and a table with a row per proposal in the order in which they were made:
its settings and `validation_error` (a fraction; it is drawn in percent).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from twofold.report.figures.looks import FAINT, INK, OPTIMIZER_LOOKS, colour_of
from twofold.report.figures.panels import new_panels
from twofold.report.figures.style import Picture, empty_panel, house_style
from twofold.report.text import pictures
from twofold.report.text.names import error_label
from twofold.settings import words

_PANEL = (3.6, 3.0)


def history_figure(proposals: Mapping[str, pd.DataFrame]) -> Picture:
    """The validation error of every proposal in turn, and the lowest so far: a panel per search."""
    with house_style():
        figure, grid = new_panels(max(1, len(proposals)), _PANEL, sharey=True)
        if not proposals:
            empty_panel(grid[0, 0], pictures.NO_SEARCHES)
        for axes, (networks, table) in zip(grid.flat, proposals.items()):
            errors = 100 * table.validation_error.to_numpy(float)
            number = np.arange(1, len(errors) + 1)
            axes.scatter(number, errors, s=14, color=FAINT, linewidths=0)
            axes.step(number, np.minimum.accumulate(errors), where="post", color=colour_of(networks))
            axes.set(title=networks, xlabel="proposal", ylabel=error_label("validation"))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.label_outer()
        figure.legend(
            handles=[
                Line2D([], [], color=FAINT, marker="o", markersize=4, linestyle="", label=pictures.PROPOSAL),
                Line2D([], [], color=INK, label=pictures.LOWEST),
            ],
            loc="outside lower center",
            ncols=2,
        )
    return figure


def importances_figure(importances: Mapping[str, Mapping[str, float]]) -> Picture:
    """Which part each setting has in a proposal's being among the best: a panel per search, bars from 0 to 100 %."""
    with house_style():
        figure, grid = new_panels(max(1, len(importances)), (3.6, 2.4))
        if not importances:
            empty_panel(grid[0, 0], pictures.NO_SEARCHES)
        for axes, (networks, parts) in zip(grid.flat, importances.items()):
            axes.set_title(networks)
            if parts:
                _draw_bars(axes, parts, colour_of(networks))
            else:
                empty_panel(axes, pictures.FEW_PROPOSALS)
    return figure


def slice_figure(proposals: Mapping[str, pd.DataFrame], quantity: str = "aux_weight") -> Picture:
    """The validation error of every proposal against one setting: a panel per search, a marker per optimizer.

    Searches that did not look at the setting (the auxiliary weight of a network without auxiliary losses) are left out.
    """
    tables = {networks: table for networks, table in proposals.items() if quantity in table}
    optimizers = [name for name in OPTIMIZER_LOOKS if any((table.optimizer == name).any() for table in tables.values())]
    with house_style():
        figure, grid = new_panels(max(1, len(tables)), _PANEL, sharey=True)
        if not tables:
            empty_panel(grid[0, 0], pictures.not_searched(quantity))
            return figure
        for axes, (networks, table) in zip(grid.flat, tables.items()):
            for optimizer in optimizers:
                colour, marker = OPTIMIZER_LOOKS[optimizer]
                of_optimizer = table[table.optimizer == optimizer]
                errors = 100 * of_optimizer.validation_error
                axes.scatter(of_optimizer[quantity], errors, s=22, color=colour, marker=marker, label=optimizer)
            axes.set(title=networks, xlabel=words(quantity), ylabel=error_label("validation"), xscale="log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.label_outer()
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(3, max(1, len(labels))))
    return figure


def _draw_bars(axes: Axes, parts: Mapping[str, float], colour: str) -> None:
    ranked = sorted(parts.items(), key=lambda item: item[1])
    places = range(len(ranked))
    bars = axes.barh(places, [100 * part for _, part in ranked], color=colour, height=0.65)
    axes.bar_label(bars, fmt="%.0f", padding=3, color=INK, fontsize=9)
    axes.set_yticks(places, [words(name) for name, _ in ranked])
    axes.set(xlabel="importance (%)", xlim=(0, 110), xticks=range(0, 101, 25))
    axes.tick_params(axis="y", length=0)
    axes.grid(False)
