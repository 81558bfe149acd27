"""The figure of a swept setting: what the networks and the factors are worth as it grows."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from twofold.analysis import (
    AnalysisError,
    chance_of_trials,
    chances,
    effects,
    for_every_value,
    in_order,
    main_effects,
    own_designs,
    summary,
)
from twofold.networks import PAPERS
from twofold.report.figures.lines import CHANCE_LINE, CHANCE_TEXT, draw_chance, from_0_to_at_most_100
from twofold.report.figures.looks import FAINT, Look, factor_looks, looks_of
from twofold.report.figures.panels import new_panels
from twofold.report.figures.parts import chance_in, only, panels_of
from twofold.report.figures.style import Picture, empty_panel, house_style
from twofold.report.text import pictures
from twofold.report.text.chance import chance_line
from twofold.report.text.names import cell_text, error_label, setting_text
from twofold.report.text.numbers import shortened
from twofold.report.text.told import NO_TRIALS
from twofold.settings import SETTINGS, value_text

# Values that span at least so large a factor are drawn on a logarithmic axis.
_LOGARITHMIC_FROM = 5.0

# Values that are closer than this part of the axis stand side by side, as names do.
_CLOSE = 0.04

# Labels longer than this are turned, or they would hide each other.
_LONG = 8

# Of longer ones the beginning and the end are shown.
_LONGEST = 22

# The distance between the lines of one panel at each value, as a part of the axis; and where there are no lines.
_APART, _FAR_APART = 0.012, 0.045


def sweep_figure(table: pd.DataFrame, quantity: str) -> Picture:
    """Each network's mean test error and its 95 % interval over the rounds, against the values of one setting.

    Below it, where all the networks of a design were trained, by how much its factors change the error
    (`twofold.analysis.effects`), with 95 % intervals. A column of panels per combination of the other settings
    that vary. Numbers have lines from one to the next; names and flags stand side by side.
    """
    settings = panels_of(table, within=[quantity])
    trials = for_every_value(table, [quantity])
    lines = 2 if len(table) and (set(PAPERS) <= set(table.network) or own_designs(table)) else 1
    with house_style():
        size = (5.0 if len(settings) == 1 else 3.2, 3.2)
        figure, grid = new_panels(lines * len(settings), size, columns=len(settings), sharex=True, sharey="row")
        if table.empty:
            empty_panel(grid[0, 0], NO_TRIALS)
            return figure
        values = _values(trials[quantity], quantity)
        labels = [shortened(cell_text(quantity, value), _LONGEST) for value in values]
        measured = _measured(trials[quantity])
        if not measured:  # in the order of the names, side by side
            known = chance_of_trials(trials)  # as long as they say what was asked
            trials = trials.assign(**known, **{quantity: trials[quantity].map(values.index)})
        for column, setting in enumerate(settings):
            of_setting = only(trials, setting)
            for axes in grid[:, column]:
                _scale(axes, values) if measured else _side_by_side(axes, labels)
                axes.set_xlabel(SETTINGS[quantity].axis)
                axes.label_outer()
            grid[0, column].set_title(setting_text(setting, "\n"), parse_math=False)
            _draw_errors(grid[0, column], of_setting, quantity, joined=measured)
            _draw_chance(grid[0, column], of_setting, quantity)
            if lines == 2:
                _draw_effects(grid[1, column], of_setting, quantity, joined=measured)
        _name_vertical_axes(grid)
        for axes in grid[:, -1]:
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _draw_errors(axes: Axes, trials: pd.DataFrame, quantity: str, *, joined: bool) -> None:
    rows = summary(trials, ["network", quantity])
    networks = in_order(rows.network.tolist())
    looks = looks_of(networks)
    for network, sideways in zip(networks, _apart(len(networks), joined)):
        of_network, look = rows[rows.network == network], looks[network]
        _draw_line(axes, of_network, quantity, "mean", sideways, look=look, label=network, joined=joined)


def _draw_chance(axes: Axes, trials: pd.DataFrame, quantity: str) -> None:
    """The line of chance; where the questions of the values have each their own, a piece over each value."""
    if chances(trials).chance.nunique() <= 1:
        draw_chance(axes, trials)
        return
    for place in trials[quantity].unique().astype(float):
        chance, _ = chance_in(trials[trials[quantity] == place])
        if chance is not None:
            axes.plot([place - 0.4, place + 0.4], [100 * chance] * 2, **CHANCE_LINE)
            axes.text(place, 100 * chance, chance_line(chance, "\n"), ha="center", va="bottom", **CHANCE_TEXT)


def _draw_effects(axes: Axes, trials: pd.DataFrame, quantity: str, *, joined: bool) -> None:
    rows = pd.concat(list(_main_effects(trials, quantity)) or [pd.DataFrame({"effect": []})])
    main = list(dict.fromkeys(rows.effect))
    looks = factor_looks(main)
    for factor, sideways in zip(main, _apart(len(main), joined)):
        of_factor = rows[rows.effect == factor]
        _draw_line(axes, of_factor, quantity, "difference", sideways, look=looks[factor], label=factor, joined=joined)
    axes.axhline(0, color=FAINT, linewidth=1)


def _main_effects(trials: pd.DataFrame, quantity: str) -> Iterator[pd.DataFrame]:
    """The effects of factors at each value of the setting that has the networks of a design."""
    for value, group in trials.groupby(quantity):
        with suppress(AnalysisError):
            yield main_effects(effects(group)).assign(**{quantity: value})


def _name_vertical_axes(grid: np.ndarray) -> None:
    grid[0, 0].set_ylabel(error_label())
    from_0_to_at_most_100(grid[0, 0])  # last: it ends the scaling of the shared axis to what is drawn
    if len(grid) == 2:
        grid[1, 0].set_ylabel(pictures.CHANGE_AXIS)


def _draw_line(
    axes: Axes, rows: pd.DataFrame, quantity: str, centre: str, sideways: float, *, look: Look, label: str, joined: bool
) -> None:
    rows = rows.sort_values(quantity)
    middle, low, high = (100 * rows[name].to_numpy(float) for name in (centre, "ci_low", "ci_high"))
    axes.errorbar(
        _moved(axes, rows[quantity].to_numpy(float), sideways),
        middle,
        np.nan_to_num(np.stack([middle - low, high - middle])),  # a single round has no interval
        color=look.colour,
        marker=look.marker,
        markersize=5,
        linewidth=1.3,
        linestyle="-" if joined else "",
        capsize=2.5,
        label=label,
    )


def _apart(count: int, joined: bool) -> np.ndarray:
    """How far to move each of the lines sideways, so that their intervals do not hide each other."""
    return (_APART if joined else _FAR_APART) * (np.arange(count) - (count - 1) / 2)


def _moved(axes: Axes, values: np.ndarray, sideways: float) -> np.ndarray:
    """The places of the values on the axis, moved by a part of its length."""
    to_part = axes.transData - axes.transAxes
    parts = to_part.transform(np.column_stack([values, np.zeros_like(values)]))
    return to_part.inverted().transform(parts + np.array([sideways, 0]))[:, 0]


def _measured(column: pd.Series) -> bool:
    """Whether the values have places on an axis: numbers, unless some are too close to each other for their labels."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return False
    values = np.unique(column.to_numpy(float))
    positive = values[values > 0]
    if len(positive) > 1 and positive[-1] >= _LOGARITHMIC_FROM * positive[0]:
        values = np.log10(positive)
    gaps = np.diff(values)
    return len(gaps) < 2 or bool(gaps.min() >= _CLOSE * (values[-1] - values[0]))


def _values(column: pd.Series, quantity: str) -> list[Any]:
    """The values in order: numbers as they grow, names as they are declared."""
    distinct = column.unique().tolist()
    declared = SETTINGS[quantity].choices
    return sorted(distinct, key=declared.index if set(distinct) <= set(declared) else None)


def _side_by_side(axes: Axes, labels: Sequence[str]) -> None:
    """An axis with a place for each name."""
    axes.set_xlim(-0.5, len(labels) - 0.5)
    long = max(map(len, labels)) > _LONG
    turned: dict[str, Any] = {"rotation": 25, "ha": "right"} if long else {}
    axes.set_xticks(range(len(labels)), labels, parse_math=False, **turned)


def _scale(axes: Axes, values: Sequence[int | float]) -> None:
    """An axis with a tick at each value: logarithmic where the values span much, with a place for 0 if it is one."""
    positive = [value for value in values if value > 0]
    low, high = values[0], values[-1]
    if positive and high >= _LOGARITHMIC_FROM * positive[0]:
        if low == 0:
            axes.set_xscale("symlog", linthresh=positive[0], linscale=0.6)
            axes.set_xlim(-0.5 * positive[0], high * 1.8)
        else:
            axes.set_xscale("log")
            margin = (high / low) ** 0.08
            axes.set_xlim(low / margin, high * margin)
    else:
        margin = 0.08 * (high - low) or 1.0
        axes.set_xlim(low - margin, high + margin)
    axes.set_xticks(values, [value_text(value) for value in values])
    axes.xaxis.set_minor_locator(NullLocator())
