"""Figures of what the numbers mean: effects, collapse, dead units over epochs, spread. Tables in, figures out."""

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from twofold.analysis import (
    BOTH_DEAD,
    BRANCH_UNITS,
    HEALTHY,
    KINDS,
    ONE_DEAD,
    OUTLIER,
    AnalysisError,
    collapse,
    effects,
    effects_by_round,
    in_order,
    kind_of,
    spread,
    varying_settings,
)
from twofold.report.style import FAINT, INK, KIND_COLOURS, KIND_MARKERS, Picture, empty_panel, house_style, new_picture

# Where logarithmic axes have their ticks; close by for ratios that span less than a factor of 5.
_RATIOS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_EPOCHS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_CLOSE_RATIOS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5)


def findings_figures(table: pd.DataFrame) -> dict[str, Picture]:
    """All the figures that the table allows, by the names of their files.

    For one setting these are effects, collapse, dead units over epochs and spread; for several, the collapse rates of
    each, since rounds pair up within one setting only.
    """
    if varying_settings(table):
        return {"collapse_rates": rates_figure(table)}
    return {
        "effects": effects_figure(table),
        "collapse": collapse_figure(table),
        "dead_units": trace_figure(table),
        "spread": spread_figure(table),
    }


def effects_figure(table: pd.DataFrame) -> Picture:
    """The effect of weight sharing, of auxiliary losses, and their interaction: every round, mean and 95 % interval."""
    with house_style():
        figure, axes = new_picture(8.0, 3.4)
        try:
            statistics = effects(table)
        except AnalysisError as error:
            empty_panel(axes, _wrapped(str(error)))
            return figure
        rounds = effects_by_round(table)
        for place, row in enumerate(statistics.to_dict("records")):
            each = 100 * rounds[row["effect"]].dropna().to_numpy()
            sideways = np.random.default_rng(0).uniform(0.12, 0.36, len(each))
            axes.scatter(each, place + sideways, s=10, color=FAINT, alpha=0.5, linewidths=0)
            middle, low, high = (100 * row[name] for name in ("difference", "ci_low", "ci_high"))
            _draw_interval(axes, place, middle, low, high)
            span = f" ({low:+.2f} to {high:+.2f})" if np.isfinite(low) else ""
            _label(axes, middle, place, f"{middle:+.2f}{span}".replace("-", "−"))
        axes.axvline(0, color=INK, linewidth=0.8, zorder=0)
        _name_lines(axes, [row.capitalize() for row in statistics.effect])
        axes.set_xlabel("change of the test error (points); left of 0: fewer errors")
        axes.set_title(f"Effects: mean and 95 % interval, {_rounds(rounds.dropna())} (dots)")
    return figure


def collapse_figure(table: pd.DataFrame) -> Picture:
    """The test error of every trial against its dead bottleneck units, a panel per network, coloured by kind."""
    with house_style():
        networks = in_order(list(table.network))
        figure, panels = _panels(networks)
        try:
            kinds = kind_of(table)
        except AnalysisError as error:
            return _nothing(figure, panels, str(error))
        dead = (table.dead_first + table.dead_second).to_numpy()
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
            axes.axhline(100 * OUTLIER, color=FAINT, linewidth=0.8, linestyle="--")
            axes.set(title=network, xlabel="dead units, of 20", xlim=(-1.2, 21.2))
            axes.xaxis.set_major_locator(FixedLocator([0, 5, 10, 15, 20]))
        panels[0].set(ylabel="test error (%)", ylim=(0, max(1.3 * OUTLIER, 1.08 * table.test_error.max()) * 100))
        _headline(figure, f"Test error and dead bottleneck units, {_rounds(table.drop_duplicates(['seed', 'round']))}")
        panels[-1].annotate(
            f"outliers: beyond {100 * OUTLIER:.0f} %", (0.98, 100 * OUTLIER), xycoords=("axes fraction", "data"),
            xytext=(0, 3), textcoords="offset points", ha="right", color=FAINT, fontsize=8,
        )  # fmt: skip
        _kind_legend(figure, panels[0], kinds, lines=False)
    return figure


def trace_figure(table: pd.DataFrame) -> Picture:
    """The dead units of each branch after every epoch, a panel per network, coloured by how the trial ended.

    Trials without a trace (`twofold study --trace` keeps it) are left out.
    """
    with house_style():
        networks = in_order(list(table.network))
        figure, panels = _panels(networks)
        traced = table[table.dead_units_trace.notna()] if "dead_units_trace" in table else table[:0]
        if traced.empty:
            return _nothing(figure, panels, "no trial has a trace of its dead units; twofold study --trace keeps it")
        kinds = kind_of(traced)
        for axes, network in zip(panels, networks):
            of_network = traced[traced.network == network]
            if of_network.empty:
                empty_panel(axes, "no trial has a trace")
            # Healthy ones first, so that the few others are drawn over them.
            for kind in KINDS:
                for trace in of_network.dead_units_trace[kinds[of_network.index] == kind]:
                    _draw_trace(axes, np.asarray(trace), kind, faint=kind == HEALTHY and len(of_network) > 10)
            axes.set(title=network, xlabel="epoch")
        panels[0].set(ylabel="dead units of a branch, of 10", ylim=(-0.5, BRANCH_UNITS + 0.5))
        panels[0].set_xlim(0.9, 1.1 * max(len(trace) for trace in traced.dead_units_trace))
        _logarithmic(panels[0], _EPOCHS)  # most branches that die do so in the first epochs
        panels[0].yaxis.set_major_locator(FixedLocator(range(0, BRANCH_UNITS + 1, 2)))
        _headline(
            figure, f"Dead bottleneck units after every epoch, {_rounds(traced.drop_duplicates(['seed', 'round']))}"
        )
        _kind_legend(figure, panels[0], kinds, lines=True)
    return figure


def spread_figure(table: pd.DataFrame) -> Picture:
    """How many times larger one network's standard deviation over rounds is than another's, with 95 % intervals."""
    with house_style():
        statistics = spread(table)
        figure, axes = new_picture(8.0, 1.5 + 0.45 * max(2, len(statistics)))
        known = statistics[statistics.log_ratio.notna()] if len(statistics) else statistics
        if known.empty:
            notes = list(dict.fromkeys(statistics.note)) if len(statistics) else ["there is but one network"]
            empty_panel(axes, _wrapped(f"no spreads to compare: {'; '.join(notes)}"))
            return figure
        for place, row in enumerate(statistics.to_dict("records")):
            _draw_interval(axes, place, *(np.exp(row[name]) for name in ("log_ratio", "ci_low", "ci_high")))
        axes.axvline(1, color=INK, linewidth=0.8, zorder=0)
        low, high = min(np.exp(known.ci_low.min()), 1) / 1.1, max(np.exp(known.ci_high.max()), 1) * 1.1
        axes.set_xlim(low, high)
        _logarithmic(axes, _CLOSE_RATIOS if high < 5 * low else _RATIOS)
        _name_lines(axes, [f"{row.second} / {row.first}" for row in statistics.itertuples()])
        axes.set_xlabel("ratio of standard deviations\nleft of 1: the network named first varies less")
        axes.set_title(f"Spread over {statistics.rounds.max()} rounds: ratios and 95 % intervals")
    return figure


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
        names = rates[varied].apply(lambda row: _setting_name(varied, row), axis=1)
        settings = list(dict.fromkeys(names))
        figure, panels = _panels(networks, height=1.7 + 0.5 * len(settings))
        for axes, network in zip(panels, networks):
            for offset, kind in ((-0.13, ONE_DEAD), (0.13, BOTH_DEAD)):
                rows = rates[(rates.network == network) & (rates.kind == kind)]
                for row, name in zip(rows.to_dict("records"), names[rows.index]):
                    middle, low, high = (100 * row[column] for column in ("rate", "ci_low", "ci_high"))
                    axes.plot([low, high], [settings.index(name) + offset] * 2, color=KIND_COLOURS[kind], linewidth=1.6)
                    axes.plot(
                        middle, settings.index(name) + offset, KIND_MARKERS[kind], color=KIND_COLOURS[kind],
                        clip_on=False, zorder=3,
                    )  # fmt: skip
            axes.set(title=network, xlabel="% of rounds")
            _name_lines(axes, settings)
        shown = rates[rates.kind.isin([ONE_DEAD, BOTH_DEAD])]
        panels[0].set_xlim(0, min(100, 105 * shown.ci_high.max()))
        _headline(figure, f"Rounds in which branches died, of {_range(rates.rounds)}, with 95 % intervals")
        _kind_legend(figure, panels[0], pd.Series([ONE_DEAD, BOTH_DEAD]), lines=False)
    return figure


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
    figure.text(0.5, 0.5, _wrapped(why), ha="center", va="center", color=FAINT)
    return figure


def _draw_interval(axes: Axes, place: int, middle: float, low: float, high: float) -> None:
    if np.isfinite(low):
        axes.errorbar(middle, place, xerr=[[middle - low], [high - middle]], color=INK, capsize=4, linewidth=1.4)
    if np.isfinite(middle):
        axes.plot(middle, place, marker="o", markersize=6, color=INK)


def _label(axes: Axes, x: float, place: int, text: str) -> None:
    """Write over a line's interval what it says."""
    axes.annotate(text, (x, place), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=9)


def _headline(figure: Picture, text: str) -> None:
    """The title of a figure of several panels."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=11)


def _rounds(rounds: pd.DataFrame) -> str:
    return "1 round" if len(rounds) == 1 else f"{len(rounds)} rounds"


def _range(numbers: pd.Series) -> str:
    return f"{numbers.min()}" if numbers.nunique() == 1 else f"{numbers.min()} to {numbers.max()}"


def _logarithmic(axes: Axes, ticks: Sequence[float | int]) -> None:
    """Make the horizontal axis logarithmic, with these ticks alone."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")


def _name_lines(axes: Axes, names: Sequence[str]) -> None:
    """Name the lines of a figure that is read from top to bottom."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")


def _draw_trace(axes: Axes, trace: np.ndarray, kind: str, *, faint: bool) -> None:
    """A line for each branch; a little apart, so that both are seen where they have equally many dead units."""
    epochs = np.arange(1, len(trace) + 1)
    for branch, offset in ((0, -0.1), (1, 0.1)):
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


def _setting_name(varied: Sequence[str], row: pd.Series) -> str:
    """The setting in a line for the eye: words as they are, flags and numbers after their names."""
    parts = []
    for name in varied:
        value = row[name]
        if isinstance(value, bool | np.bool_):
            parts.append(f"{name} {'on' if value else 'off'}")
        elif isinstance(value, str):
            parts.append(value)
        else:
            parts.append(f"{name.replace('_', ' ')} {value:g}")
    return ", ".join(parts)


def _wrapped(text: str, width: int = 60) -> str:
    return textwrap.fill(text, width)
