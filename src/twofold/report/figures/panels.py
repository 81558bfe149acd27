"""Small multiples: a panel for each combination of settings."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes

from twofold.report.figures.style import Picture, new_picture
from twofold.report.text.names import setting_text

# As many panels side by side as a page is wide.
MOST_COLUMNS = 4


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
        axes.set_title(setting_text(setting, "\n"), parse_math=False)
        yield axes, setting
