"""Figures of effects and of spreads: a line for each, with its 95 % interval."""

import numpy as np
import pandas as pd

from twofold.analysis import AnalysisError, effects, effects_by_round, spread
from twofold.report.figures.lines import draw_interval, label, logarithmic, name_lines, wrapped
from twofold.report.figures.looks import FAINT, INK
from twofold.report.figures.style import Picture, empty_panel, house_style, new_picture
from twofold.report.text import pictures
from twofold.report.text.effects import effect_title
from twofold.report.text.names import pair_text
from twofold.report.text.numbers import counted
from twofold.report.text.tables import Row, rows_of

# Where logarithmic axes have their ticks; close by for ratios that span less than a factor of 5.
_RATIOS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_MOST_LETTERS = 40
_CLOSE_RATIOS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5)


def pair_name(row: Row) -> str:
    """Two networks whose spreads are compared; long names in two lines."""
    text = pair_text(row, " / ")
    return text if len(text) <= _MOST_LETTERS else pair_text(row, " /\n")


def effects_figure(table: pd.DataFrame) -> Picture:
    """The effect of each factor and the interactions: every round, mean and 95 % interval."""
    with house_style():
        try:
            statistics = effects(table)
        except AnalysisError as error:
            figure, axes = new_picture(8.0, 3.4)
            empty_panel(axes, wrapped(str(error)))
            return figure
        figure, axes = new_picture(8.0, 1.0 + 0.8 * max(2, len(statistics)))
        rounds = effects_by_round(table)
        for place, row in enumerate(rows_of(statistics)):
            each = 100 * rounds[row["effect"]].dropna().to_numpy()
            sideways = np.random.default_rng(0).uniform(0.12, 0.36, len(each))
            axes.scatter(each, place + sideways, s=10, color=FAINT, alpha=0.5, linewidths=0)
            middle, low, high = (100 * row[name] for name in ("difference", "ci_low", "ci_high"))
            draw_interval(axes, place, middle, low, high)
            label(axes, middle, place, pictures.effect_label(row))
        axes.axvline(0, color=INK, linewidth=0.8, zorder=0)
        name_lines(axes, [effect_title(effect) for effect in statistics.effect])
        axes.set_xlabel(pictures.EFFECT_AXIS)
        axes.set_title(pictures.EFFECTS_FIGURE.format(rounds=counted(len(rounds.dropna()), "round")))
    return figure


def spread_figure(table: pd.DataFrame) -> Picture:
    """How many times larger one network's standard deviation over rounds is than another's, with 95 % intervals."""
    with house_style():
        statistics = spread(table)
        names = [pair_name(row) for row in rows_of(statistics)]
        lines = max(2, sum(1 + name.count("\n") for name in names))
        figure, axes = new_picture(8.0, 1.5 + (0.45 if lines <= max(2, len(names)) else 0.25) * lines)
        known = statistics[statistics.log_ratio.notna()] if len(statistics) else statistics
        if known.empty:
            empty_panel(axes, wrapped(pictures.no_spreads(statistics.note.tolist() if len(statistics) else [])))
            return figure
        for place, row in enumerate(rows_of(statistics)):
            draw_interval(axes, place, *(np.exp(row[name]) for name in ("log_ratio", "ci_low", "ci_high")))
        axes.axvline(1, color=INK, linewidth=0.8, zorder=0)
        low, high = min(np.exp(known.ci_low.min()), 1) / 1.1, max(np.exp(known.ci_high.max()), 1) * 1.1
        axes.set_xlim(low, high)
        logarithmic(axes, _CLOSE_RATIOS if high < 5 * low else _RATIOS)
        name_lines(axes, names)
        axes.set_xlabel(pictures.RATIO_AXIS)
        axes.set_title(pictures.SPREAD_FIGURE.format(rounds=counted(int(statistics.rounds.max()), "round")))
    return figure
