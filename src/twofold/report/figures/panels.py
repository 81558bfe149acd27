"""Small multiples: a panel for each combination of settings."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from twofold.analysis import varying_settings
from twofold.report.style import Picture, new_picture
from twofold.report.tables import value_text, words

# As many panels side by side as a page is wide.
MOST_COLUMNS = 4


def panels_of(trials: pd.DataFrame, *, within: Sequence[str], always: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The settings of the panels: what varies between the trials, but for what is shown `within` a panel.

    Those named in `always` are part of a panel's setting even where they have a single value. Networks without
    auxiliary losses have no auxiliary weight of their own to be a panel of.
    """
    varied = [name for name in varying_settings(trials) if name not in (*within, *always)] if len(trials) else []
    names = [*varied, *always]
    if not names or trials.empty:
        return [{}]
    if "aux_weight" in names:
        trials = trials[trials.auxiliary_losses.astype(bool)]
    distinct = trials[names].drop_duplicates().sort_values(names)
    return [dict(zip(names, values)) for values in distinct.itertuples(index=False, name=None)]


def only(trials: pd.DataFrame, setting: Mapping[str, Any]) -> pd.DataFrame:
    """The trials that have the setting; a network without auxiliary losses has every auxiliary weight."""
    fits = pd.Series(True, index=trials.index)
    for name, value in setting.items():
        same = trials[name] == value
        fits &= same | ~trials.auxiliary_losses.astype(bool) if name == "aux_weight" else same
    return trials[fits]


def setting_text(setting: Mapping[str, Any], between: str = ", ") -> str:
    """A setting in words."""
    return between.join(f"{words(name)} {value_text(value)}" for name, value in setting.items())


def new_panels(
    count: int, size: tuple[float, float], *, columns: int = MOST_COLUMNS, **subplots: Any
) -> tuple[Picture, Any]:
    """A figure of `count` panels of the given size in inches, row by row, and its grid of axes; spare ones are off."""
    columns = min(count, columns)
    lines = -(-count // columns)
    figure, grid = new_picture(
        size[0] * columns + 0.4, size[1] * lines + 0.9, nrows=lines, ncols=columns, squeeze=False, **subplots
    )
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    return figure, grid


def filled(grid: Any, settings: Sequence[dict[str, Any]]) -> Iterator[tuple[Axes, dict[str, Any]]]:
    """Each panel's axes with its setting, which becomes its title."""
    for axes, setting in zip(itertools.islice(grid.flat, len(settings)), settings, strict=True):
        axes.set_title(setting_text(setting, "\n"))
        yield axes, setting
