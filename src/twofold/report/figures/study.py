"""The figure of a study: every round, and beside it the means."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from twofold.analysis import summary
from twofold.report.figures.lines import draw_chance, from_0_to_at_most_100, rounds_and_errors
from twofold.report.figures.looks import FAINT, INK, Look, looks_of
from twofold.report.figures.style import Picture, empty_panel, house_style, new_picture
from twofold.report.text import pictures
from twofold.report.text.names import error_label
from twofold.report.text.told import NO_TRIALS

# Names of more letters would hide each other below the means: there the networks' markers stand.
_TICK_LETTERS = 12

# As many letters as labels in one line of the legend may have together.
_LEGEND_LETTERS = 100


def figure2(table: pd.DataFrame) -> Picture:
    """The paper's Figure 2: the test error of every round, and beside it each network's mean and 95 % interval.

    `table` has a row per trial with `network`, `round` and `test_error` (a fraction); it is drawn in percent.
    """
    with house_style():
        figure, (left, right) = new_picture(10.0, 4.4, ncols=2, width_ratios=(2.6, 1), sharey=True)
        if table.empty:
            empty_panel(left, NO_TRIALS)
            right.set_axis_off()
            return figure
        looks = looks_of(table["network"])
        for network, trials in table.groupby("network", sort=False):
            _draw_rounds(left, str(network), trials, looks[str(network)])
        left.set(xlabel="round", ylabel=error_label(), title=pictures.EVERY_ROUND)
        left.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        letters = sum(len(str(line.get_label())) for line in left.get_lines())
        columns = table.network.nunique() if letters <= _LEGEND_LETTERS else 2
        figure.legend(loc="outside lower center", ncols=columns)
        _draw_means(right, table)
        from_0_to_at_most_100(left)
        draw_chance(left, table, right)
    return figure


def _draw_rounds(axes: Axes, network: str, trials: pd.DataFrame, look: Look) -> None:
    dense = len(trials) > 40
    axes.plot(
        *rounds_and_errors(trials),
        color=look.colour,
        marker=look.marker,
        markersize=3 if dense else 5,
        linewidth=0.8 if dense else 1.3,
        label=pictures.legend_text(network, trials.test_error),
    )


def _draw_means(axes: Axes, table: pd.DataFrame) -> None:
    """A strip of every round's error for each network, its mean and the 95 % interval of the mean."""
    networks = list(dict.fromkeys(table.network))
    looks = looks_of(networks)
    statistics = summary(table).set_index("network")
    spread = np.random.default_rng(0)  # sideways only, so that equal errors do not hide each other
    for place, network in enumerate(networks):
        errors = 100 * table.test_error[table.network == network].to_numpy()
        sideways = place + spread.uniform(-0.22, 0.22, len(errors))
        axes.scatter(sideways, errors, s=9, color=looks[network].colour, alpha=0.45, linewidths=0)
        row = statistics.loc[network]
        mean, low, high = (100 * row[name] for name in ("mean", "ci_low", "ci_high"))
        if np.isfinite(low):
            axes.errorbar(place, mean, [[mean - low], [high - mean]], color=INK, capsize=4, linewidth=1.4)
        axes.plot(place, mean, marker="_", markersize=16, markeredgewidth=2, color=INK)
    if max(map(len, networks)) <= _TICK_LETTERS:
        axes.set_xticks(range(len(networks)), networks, rotation=30, ha="right", rotation_mode="anchor")
    else:  # the legend has their names
        axes.set_xticks([])
        for place, network in enumerate(networks):
            axes.plot(
                place, -0.05, transform=axes.get_xaxis_transform(), clip_on=False, color=looks[network].colour,
                marker=looks[network].marker, markersize=7,
            )  # fmt: skip
    axes.set_xlim(-0.6, len(networks) - 0.4)
    axes.set_title(pictures.MEAN_INTERVAL)
    axes.tick_params(axis="x", length=0)
    axes.spines["left"].set_color(FAINT)
