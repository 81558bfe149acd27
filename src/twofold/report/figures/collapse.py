"""Figures of collapse: errors and dead units, dead units over epochs, and how often branches die."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from twofold.analysis import (
    BOTH_DEAD,
    HEALTHY,
    KINDS,
    LAYER_DEAD,
    ONE_DEAD,
    AnalysisError,
    branch_units,
    collapse,
    dead_units,
    explained,
    in_order,
    is_own,
    kind_of,
    varying_settings,
)
from twofold.report.figures.lines import headline, logarithmic, name_lines, panel_name, wrapped
from twofold.report.figures.looks import FAINT, KIND_COLOURS, KIND_MARKERS
from twofold.report.figures.style import Picture, empty_panel, house_style, new_picture
from twofold.report.text import pictures
from twofold.report.text.names import error_label, setting_text
from twofold.report.text.tables import Row, rows_of

# Where the logarithmic axis of epochs has its ticks.
_EPOCHS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

# Kinds whose rates are drawn, and how far each is beside the line of its setting.
_DEAD = {ONE_DEAD: -0.13, BOTH_DEAD: 0.13, LAYER_DEAD: 0.0}

# As many letters of a setting's name stand in one line.
_LETTERS = 36


def collapse_figure(table: pd.DataFrame) -> Picture:
    """The test error of every trial against its dead bottleneck units, a panel per network, coloured by kind."""
    with house_style():
        networks = in_order(list(table.network))
        figure, panels = _panels(networks)
        try:
            kinds = kind_of(table)
        except AnalysisError as error:
            return _nothing(figure, panels, str(error))
        dead, own = dead_units(table).to_numpy(), is_own(table)
        limits = explained(table).set_index("network").limit
        sideways = np.random.default_rng(0).uniform(
            -0.3, 0.3, len(table)
        )  # so that equal trials do not hide each other
        for axes, network in zip(panels, networks):
            for kind in KINDS:
                chosen = ((table.network == network) & (kinds == kind)).to_numpy()
                axes.scatter(
                    (dead + sideways)[chosen], 100 * table.test_error[chosen], s=24, alpha=0.7, linewidths=0,
                    color=KIND_COLOURS[kind], marker=KIND_MARKERS[kind],
                )  # fmt: skip
            _draw_limit(axes, float(limits.get(network, np.nan)))
            axes.set(title=panel_name(network))
            _dead_axis(axes, dead if own.any() else None, int(branch_units(table).max()))
        panels[0].set(ylabel=error_label(), ylim=(0, 108 * max(table.test_error.max(), limits.fillna(0).max())))
        title = pictures.OWN_COLLAPSE_FIGURE if own.any() else pictures.COLLAPSE_FIGURE
        headline(figure, title.format(rounds=pictures.rounds_of(table)))
        _kind_legend(figure, panels[0], kinds, lines=False)
    return figure


def _draw_limit(axes: Axes, limit: float) -> None:
    """The line beyond which a network's rounds are outliers, if that can be told."""
    if np.isnan(limit):
        return
    axes.axhline(100 * limit, color=FAINT, linewidth=0.8, linestyle="--")
    axes.annotate(
        pictures.outliers_text(limit), (0.98, 100 * limit), xycoords=("axes fraction", "data"),
        xytext=(0, 3), textcoords="offset points", ha="right", color=FAINT, fontsize=8,
    )  # fmt: skip


def _dead_axis(axes: Axes, dead: np.ndarray | None, of_branch: int) -> None:
    """The axis of dead units: of the paper's networks all those of both branches, of others as many as there are."""
    if dead is None:
        both = 2 * of_branch
        axes.set(xlabel=pictures.DEAD_AXIS.format(both), xlim=(-0.06 * both, 1.06 * both))
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        return
    most = max(int(dead.max(initial=0)), 20)
    axes.set(xlabel=pictures.DEAD_AXIS_OF_OWN, xlim=(-0.06 * most, 1.06 * most))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def trace_figure(table: pd.DataFrame) -> Picture:
    """The dead units of each branch after every epoch, a panel per network, coloured by how the trial ended.

    Where there are networks of one's own they are percents: of a branch's units, or of those of the layer that has most
    of them dead. Trials without a trace (`twofold study --trace` keeps it) are left out.
    """
    with house_style():
        networks = in_order(list(table.network))
        figure, panels = _panels(networks)
        traced = table[table.dead_units_trace.map(bool)] if "dead_units_trace" in table else table[:0]
        if traced.empty:
            return _nothing(figure, panels, pictures.NO_TRACE)
        traced = traced.assign(of_branch=branch_units(traced))
        kinds, own = kind_of(traced), bool(is_own(traced).any())
        traces = pd.Series(
            [_share(row) if own else np.asarray(row.dead_units_trace) for row in traced.itertuples()], traced.index
        )
        for axes, network in zip(panels, networks):
            of_network = traced[traced.network == network]
            if of_network.empty:
                empty_panel(axes, pictures.NO_TRACE_OF_NETWORK)
            # Healthy ones first, so that the few others are drawn over them.
            for kind in KINDS:
                for trace in traces[of_network.index][kinds[of_network.index] == kind]:
                    _draw_trace(axes, trace, kind, faint=kind == HEALTHY and len(of_network) > 10)
            axes.set(title=panel_name(network), xlabel="epoch")
        _trace_axis(panels[0], int(branch_units(traced).max()), own=own)
        panels[0].set_xlim(0.9, 1.1 * max(len(trace) for trace in traced.dead_units_trace))
        logarithmic(panels[0], _EPOCHS)  # most branches that die do so in the first epochs
        title = pictures.OWN_TRACE_FIGURE if own else pictures.TRACE_FIGURE
        headline(figure, title.format(rounds=pictures.rounds_of(traced)))
        _kind_legend(figure, panels[0], kinds, lines=True)
    return figure


def _share(row: Any) -> np.ndarray:
    """The dead units of a trial after every epoch in percent: of each branch, or of the layer that has most."""
    dead = np.asarray(row.dead_units_trace, float)
    if not isinstance(row.dead_layers, dict):
        return 100 * dead / row.of_branch
    units = np.array([units for _, units in row.dead_layers.values()], float)
    return 100 * (dead / units).max(axis=1, keepdims=True) if len(units) else np.zeros((len(dead), 1))


def _trace_axis(axes: Axes, of_branch: int, *, own: bool) -> None:
    """The axis of dead units: all those of a branch, or percents where there are networks of one's own."""
    most, text = (100, pictures.LAYER_AXIS) if own else (of_branch, pictures.BRANCH_AXIS.format(of_branch))
    axes.set(ylabel=text, ylim=(-0.05 * most, 1.05 * most))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))


def rates_figure(table: pd.DataFrame) -> Picture:
    """How often branches die in each setting, with Wilson's 95 % intervals, a panel per network."""
    varied = varying_settings(table)
    with house_style():
        networks = in_order(list(table.network))
        try:
            rates = collapse(table, varied)
        except AnalysisError as error:
            figure, panels = _panels(networks)
            return _nothing(figure, panels, str(error))
        rates["setting"] = [setting_text({name: row[name] for name in varied}) for row in rows_of(rates)]
        settings = [wrapped(name, _LETTERS) for name in dict.fromkeys(rates.setting)]
        lines = sum(name.count("\n") + 1 for name in settings)
        figure, panels = _panels(networks, height=1.7 + max(0.5 * len(settings), 0.18 * lines + 0.12 * len(settings)))
        places = {name: place for place, name in enumerate(dict.fromkeys(rates.setting))}
        for axes, network in zip(panels, networks):
            for row in rows_of(rates[(rates.network == network) & rates.kind.isin(_DEAD)]):
                _draw_rate(axes, row, places[row["setting"]] + _DEAD[row["kind"]])
            axes.set(title=panel_name(network), xlabel=pictures.RATE_AXIS)
            name_lines(axes, settings)
        shown = rates[rates.kind.isin(_DEAD)]
        panels[0].set_xlim(0, min(100, 105 * shown.ci_high.max()))
        headline(figure, pictures.rates_title(rates.rounds, own=bool(is_own(table).any())))
        _kind_legend(figure, panels[0], shown.kind, lines=False)
    return figure


def _draw_rate(axes: Axes, row: Row, place: float) -> None:
    middle, low, high = (100 * row[column] for column in ("rate", "ci_low", "ci_high"))
    colour = KIND_COLOURS[row["kind"]]
    axes.plot([low, high], [place, place], color=colour, linewidth=1.6)
    axes.plot(middle, place, KIND_MARKERS[row["kind"]], color=colour, clip_on=False, zorder=3)


def _panels(networks: Sequence[str], height: float = 3.6) -> tuple[Picture, list[Axes]]:
    """A panel per network in one row, or two rows of two and more where there are more than four."""
    columns = min(len(networks), 4)
    rows = -(-len(networks) // columns)
    figure, axes = new_picture(
        max(5.4, 2.7 * columns), height * rows, nrows=rows, ncols=columns, sharex=True, sharey=True, squeeze=False
    )
    panels = list(axes.flat)
    for unused in panels[len(networks) :]:
        unused.set_axis_off()
    return figure, panels[: len(networks)]


def _nothing(figure: Picture, panels: list[Axes], why: str) -> Picture:
    """The figure with the reason why it is empty in place of its panels."""
    for axes in panels:
        axes.set_axis_off()
    figure.text(0.5, 0.5, wrapped(why), ha="center", va="center", color=FAINT)
    return figure


def _draw_trace(axes: Axes, trace: np.ndarray, kind: str, *, faint: bool) -> None:
    """A line for each branch; a little apart, so that both are seen where they have equally many dead units."""
    epochs = np.arange(1, len(trace) + 1)
    for branch, offset in zip(range(trace.shape[1]), (-0.1, 0.1)):
        axes.plot(
            epochs, trace[:, branch] + offset, color=KIND_COLOURS[kind], linewidth=0.6 if faint else 1.1,
            alpha=0.35 if faint else 0.9, marker="." if len(trace) == 1 else "",
        )  # fmt: skip


def _kind_legend(figure: Picture, axes: Axes, kinds: pd.Series, *, lines: bool) -> None:
    """A legend of the kinds that occur, with its handles drawn outside of any panel's data."""
    present = [kind for kind in KINDS if (kinds == kind).any()]
    handles = [
        axes.plot([], [], color=KIND_COLOURS[kind], marker="" if lines else KIND_MARKERS[kind],
                  linestyle="-" if lines else "", linewidth=2, label=kind)[0]
        for kind in present
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
