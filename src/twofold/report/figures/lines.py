"""Parts of figures that are read line by line, or panel by panel."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, NullLocator

from twofold.report.figures.looks import FAINT, INK
from twofold.report.figures.parts import chance_in
from twofold.report.figures.style import Picture
from twofold.report.text.chance import chance_beyond, chance_line

# How chance is drawn, and its name, which may stand over other lines; so much room is left above.
CHANCE_LINE: Any = {"color": FAINT, "linewidth": 1.2, "linestyle": (0, (5, 3)), "zorder": 1}
CHANCE_TEXT: Any = {"fontsize": 8, "path_effects": [withStroke(linewidth=2.5, foreground="white")]}
_ROOM = 1.1

# As many letters of a title stand in one line of a panel, or of the name of a line.
_PANEL_LETTERS = 24


def draw_interval(axes: Axes, place: int, middle: float, low: float, high: float) -> None:
    """A mean and its interval on a line."""
    if np.isfinite(low):
        axes.errorbar(middle, place, xerr=[[middle - low], [high - middle]], color=INK, capsize=4, linewidth=1.4)
    if np.isfinite(middle):
        axes.plot(middle, place, marker="o", markersize=6, color=INK)


def from_0_to_at_most_100(axes: Axes, room: float = 1.0) -> None:
    """End the scaling of an axis of errors in percent to what is drawn, with `room` times that, within 0 and 100."""
    axes.set_ylim(0, min(100.0, room * axes.get_ylim()[1]))


def draw_chance(axes: Axes, trials: pd.DataFrame, *others: Axes) -> None:
    """The line of chance in a panel of test errors, and in others beside it; above the panel where it is far off."""
    chance, near = chance_in(trials, axes.get_ylim()[1] / 100)
    if chance is None:
        return
    name = chance_line(chance) if near else chance_beyond(chance)
    # Above the panel, with the title a line higher: in the panel is no place that is free of lines and of names.
    axes.text(1, 1.01, name, transform=axes.transAxes, ha="right", va="bottom", **CHANCE_TEXT)
    for each in (axes, *others):  # titles side by side stay on one height
        each.set_title(f"{title}\n" if (title := each.get_title(loc="left").rstrip("\n")) else "", loc="left")
    if not near:
        return
    for each in (axes, *others):
        each.axhline(100 * chance, **CHANCE_LINE)
    axes.set_ylim(0, max(axes.get_ylim()[1], _ROOM * 100 * chance))


def label(axes: Axes, x: float, place: int, text: str) -> None:
    """Write over a line's interval what it says."""
    axes.annotate(text, (x, place), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=9)


def headline(figure: Picture, text: str) -> None:
    """The title of a figure of several panels."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=11)


def logarithmic(axes: Axes, ticks: Sequence[float | int]) -> None:
    """Make the horizontal axis logarithmic, with these ticks alone."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")


def name_lines(axes: Axes, names: Sequence[str]) -> None:
    """Name the lines of a figure that is read from top to bottom."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")


def wrapped(text: str, width: int = 60) -> str:
    """The text in short lines, for the middle of a figure."""
    return textwrap.fill(text, width)


def panel_name(network: str) -> str:
    """A network's name as the title of a narrow panel."""
    return wrapped(network, _PANEL_LETTERS)


def rounds_and_errors(trials: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The rounds and the test errors in percent, in order, with a gap from one seed to the next."""
    numbers: list[float] = []
    errors: list[float] = []
    for _, of_seed in trials.sort_values("round").groupby("seed" if "seed" in trials else np.zeros(len(trials))):
        numbers += [*of_seed["round"].tolist(), np.nan]
        errors += [*(100 * of_seed.test_error).tolist(), np.nan]
    return np.array(numbers[:-1], float), np.array(errors[:-1], float)
