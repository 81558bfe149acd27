"""The figure of a question: for each two classes, whether the relation holds."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from twofold.data import Relation
from twofold.report.figures.looks import INK
from twofold.report.figures.style import Picture, house_style, new_picture
from twofold.report.text import pictures
from twofold.report.text.names import statement
from twofold.report.text.numbers import shortened

# A dark and a light fill: apart for every kind of colour vision, and on paper without colours.
_NO, _YES = "#F3EBD8", "#0072B2"

# Up to so many classes, each has its name on both axes; up to so many, a line between it and the next.
_MOST_NAMED, _MOST_APART = 30, 60

# As many letters of a class's name, and of the question, stand in the figure.
_NAME_LETTERS, _TITLE_LETTERS = 18, 44

# The side of the table, in inches: so much for each class, within these ends.
_PER_CLASS, _LEAST, _MOST = 0.3, 1.9, 5.2


def answers_figure(relation: Relation) -> Picture:
    """The table of answers: the first image's class down, the second's across; filled where the relation holds."""
    count = len(relation.answers)
    side = float(np.clip(_PER_CLASS * count, _LEAST, _MOST))
    names = [shortened(name, _NAME_LETTERS) for name in relation.class_names]
    room = 0.09 * max(map(len, names)) if count <= _MOST_NAMED else 0.3
    with house_style():
        figure, axes = new_picture(max(side + room + 0.8, 3.9), side + room + 1.3)
        axes.imshow(relation.answers, cmap=ListedColormap([_NO, _YES]), vmin=0, vmax=1, interpolation="nearest")
        axes.set(xlabel=pictures.SECOND_CLASS, ylabel=pictures.FIRST_CLASS)
        figure.suptitle(shortened(statement(relation.text), _TITLE_LETTERS), fontsize=10, parse_math=False)
        _name_classes(axes, names)
        fills = [
            Patch(facecolor=_YES, edgecolor=INK, label=pictures.YES),
            Patch(facecolor=_NO, edgecolor=INK, label=pictures.NO),
        ]
        figure.legend(handles=fills, loc="outside lower center", ncols=2)
    return figure


def _name_classes(axes: Axes, names: list[str]) -> None:
    count = len(names)
    axes.grid(visible=False)
    axes.spines[:].set_visible(True)
    if count <= _MOST_NAMED:
        turned = max(map(len, names)) > 2
        axes.set_xticks(range(count), names, rotation=90 if turned else 0, fontsize=8, parse_math=False)
        axes.set_yticks(range(count), names, fontsize=8, parse_math=False)
        axes.tick_params(length=0)
    if count <= _MOST_APART:
        axes.set_xticks(np.arange(0.5, count - 1), minor=True)
        axes.set_yticks(np.arange(0.5, count - 1), minor=True)
        axes.grid(which="minor", color="white", linewidth=1.0)
        axes.tick_params(which="minor", length=0)
