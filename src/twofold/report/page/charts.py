"""Charts for pages: each function takes a table of trials and returns a `Chart`, which a template draws as SVG.

Drawn in the page rather than by matplotlib, so that marks tell their values when pointed at, and colours follow the
reader's light or dark page. Errors are fractions in the tables and percent on the axes.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from twofold.analysis import (
    KINDS,
    AnalysisError,
    branch_units,
    dead_units,
    effects,
    in_order,
    is_own,
    kind_of,
    summary,
)
from twofold.analysis.designs import BETWEEN, INTERACTION
from twofold.report.figures.looks import KIND_COLOURS, KIND_MARKERS, looks_of
from twofold.report.figures.parts import chance_in
from twofold.report.page.html import css
from twofold.report.text import pictures
from twofold.report.text.names import error_label
from twofold.report.text.numbers import written

# As tables and arrays have them.
Number = float | int | np.number[Any]

NARROW, WIDE = 380, 900
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 14, 10, 42
_ROW = 54
# So high is the name of a row, and as many letters stand in it.
_NAME = 17
_ROW_LETTERS = 56

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

# Ticks are so far apart, or a power of ten times that.
_STEPS = (1, 2, 2.5, 5, 10)

# More points than this a curve cannot show.
_MOST_POINTS = 200


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic axis from `low` to `high` with (value, text) ticks."""

    label: str
    low: Number
    high: Number
    ticks: Sequence[tuple[Number, str]]
    log: bool = False

    def share(self, value: Number) -> float:
        """Where on the axis a value lies, from 0 to 1."""
        low, high, at = float(self.low), float(self.high), float(value)
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(at)
        return (at - low) / (high - low)


@dataclass(frozen=True)
class Mark:
    """A point, and what it tells when it is pointed at."""

    x: Number
    y: Number
    colour: str
    marker: str
    tip: str


@dataclass
class Chart:
    """What is to be drawn, in SVG units; `description` says for those who cannot see it what the chart shows."""

    title: str
    description: str
    x: Axis
    y: Axis | None = None
    width: int = NARROW
    height: int = 300
    rows: Sequence[str] = ()
    legend: Sequence[tuple[str, str, str]] = ()  # text, colour, marker
    marks: list[Mark] = field(default_factory=list)
    lines: list[tuple[str, str, str]] = field(default_factory=list)  # path, colour, class
    note: str = ""

    @property
    def left(self) -> int:
        """Where the plot begins: a scale stands at its side, or half of a tick's text, as on the right."""
        return _RIGHT if self.y is None else _LEFT

    @property
    def right(self) -> int:
        """Where the plot ends."""
        return self.width - _RIGHT

    @property
    def bottom(self) -> int:
        """Where the plot ends below."""
        return self.height - _BOTTOM

    @property
    def top(self) -> int:
        """Where the plot begins above."""
        return _TOP

    def at_x(self, value: Number) -> float:
        """The horizontal place of a value."""
        return round(self.left + self.x.share(value) * (self.right - self.left), 1)

    def at_y(self, value: Number) -> float:
        """The vertical place of a value."""
        if self.y is None:
            raise TypeError("a chart of rows has no vertical scale")
        return round(self.bottom - self.y.share(value) * (self.bottom - _TOP), 1)

    def row_top(self, row: int) -> int:
        """The top of a row, where its name stands."""
        return _TOP + row * _ROW

    def mark_groups(self) -> Iterable[tuple[tuple[str, str], list[Mark]]]:
        """The marks by colour and marker, which SVG gives to a group at once."""
        for look, marks in groupby(self.marks, key=lambda mark: (mark.colour, mark.marker)):
            yield look, list(marks)

    def line(self, xs: Iterable[Number], ys: Iterable[Number], colour: str, kind: str = "line") -> None:
        """A line through points given by value."""
        self.lines.append((_path([(self.at_x(x), self.at_y(y)) for x, y in zip(xs, ys)]), colour, kind))

    def band(self, xs: Iterable[Number], lows: Iterable[Number], highs: Iterable[Number], colour: str) -> None:
        """The area between two lines."""
        there = [(self.at_x(x), self.at_y(y)) for x, y in zip(xs, highs)]
        back = [(self.at_x(x), self.at_y(y)) for x, y in zip(xs, lows)][::-1]
        self.lines.append((_path(there + back) + "Z", colour, "band"))

    def across_rows(self, value: Number, kind: str) -> None:
        """An upright line at a value, which leaves out the names of rows."""
        x = self.at_x(value)
        parts = [f"M{x} {self.row_top(row) + _NAME}V{self.row_top(row + 1)}" for row in range(len(self.rows))]
        self.lines.append(("".join(parts), "currentColor", kind))

    def row_interval(self, row: int, low: Number, high: Number, mean: Number, at: int = 44) -> None:
        """A mean and its interval, if it has one, under the marks of a row."""
        y = self.row_top(row) + at
        if np.isfinite(low):
            start, end = self.at_x(low), self.at_x(high)
            self.lines.append((f"M{start} {y}H{end}M{start} {y - 4}v8M{end} {y - 4}v8", "currentColor", "line"))
        self.lines.append((f"M{self.at_x(mean)} {y - 6}v12", "currentColor", "mean"))


def rounds_chart(trials: pd.DataFrame, width: int) -> Chart:
    """The paper's Figure 2: the test error of every round."""
    low, high = int(trials["round"].min()), int(trials["round"].max())
    networks = in_order(list(trials.network))
    chance, near = chance_in(trials)
    chart = Chart(
        title=pictures.ROUNDS_TITLE,
        description=pictures.rounds_description(networks),
        x=_linear("round", low - 0.5, high + 0.5, whole=True),
        y=_percent_axis(trials.test_error, chance if near else None),
        width=width,
        legend=_network_legend(networks),
        note=_chance_note(chance, near),
    )
    _draw_chance(chart, chance, near)
    looks = looks_of(networks)
    for network in networks:
        colour, marker = css(looks[network].colour), looks[network].marker
        of_network = trials[trials.network == network].sort_values(["seed", "round"])
        for _, of_seed in of_network.groupby("seed"):
            chart.line(of_seed["round"], 100 * of_seed.test_error, colour)
        chart.marks += [
            Mark(
                chart.at_x(row.round),
                chart.at_y(100 * row.test_error),
                colour,
                marker,
                pictures.trial_tip(row),
            )
            for row in _rows(of_network)
        ]
    return chart


def strip_chart(trials: pd.DataFrame) -> Chart:
    """Every round of each network side by side, with the mean and its 95 % interval."""
    statistics = summary(trials)
    lines = [pictures.mean_line(row) for row in _rows(statistics)]
    names = [pictures.mean_line(row, _ROW_LETTERS) for row in _rows(statistics)]
    drawn = pd.concat([trials.test_error, statistics.ci_high])
    chance, near = chance_in(trials, drawn.max())
    chart = Chart(
        title=pictures.STRIP_TITLE,
        description=pictures.strip_description(lines),
        x=_percent_axis(drawn, chance if near else None),
        height=_TOP + _ROW * len(names) + _BOTTOM,
        rows=names,
        note=_chance_note(chance, near),
    )
    if chance is not None and near:
        chart.across_rows(100 * chance, "chance")
    sideways = np.random.default_rng(0)  # so that equal errors do not hide each other
    looks = looks_of(statistics.network)
    for place, row in enumerate(_rows(statistics)):
        for trial in _rows(trials[trials.network == row.network]):
            y = round(chart.row_top(place) + 26 + sideways.uniform(-7, 7), 1)
            colour, marker = css(looks[row.network].colour), looks[row.network].marker
            chart.marks.append(Mark(chart.at_x(100 * trial.test_error), y, colour, marker, pictures.trial_tip(trial)))
        chart.row_interval(place, 100 * row.ci_low, 100 * row.ci_high, 100 * row.mean)
    return chart


def effects_chart(trials: pd.DataFrame) -> Chart:
    """What each factor changes, with its interval. Raises `AnalysisError` as `effects` does."""
    table = effects(trials).dropna(subset="difference")
    own = "design" in table
    if table.empty:
        raise AnalysisError(f"no round has all {'' if own else 'four '}networks")
    ends = 100 * table[["ci_low", "ci_high", "difference"]].to_numpy(float)
    names = [pictures.effect_line(row) for row in _rows(table)]
    chart = Chart(
        title=pictures.OWN_EFFECTS_TITLE if own else pictures.EFFECTS_TITLE,
        description=pictures.effects_description(names),
        x=_linear(pictures.EFFECT_AXIS, min(0.0, np.nanmin(ends)), max(0.0, np.nanmax(ends)), pad=0.05),
        height=_TOP + _ROW * len(names) + _BOTTOM,
        rows=names,
        note=_interaction_note(table),
    )
    chart.across_rows(0, "zero")
    for place, row in enumerate(_rows(table)):
        chart.row_interval(place, 100 * row.ci_low, 100 * row.ci_high, 100 * row.difference, at=30)
        at = chart.at_x(100 * row.difference), chart.row_top(place) + 30
        chart.marks.append(Mark(*at, "currentColor", "o", pictures.effect_tip(row)))
    return chart


def _interaction_note(table: pd.DataFrame) -> str:
    notes = []
    if INTERACTION in set(table.effect):
        notes.append(pictures.INTERACTION_NOTE)
    if any(BETWEEN in effect for effect in table.effect):
        notes.append(pictures.OWN_INTERACTION_NOTE)
    return " ".join(notes)


def collapse_chart(trials: pd.DataFrame) -> Chart:
    """The test error against the number of dead bottleneck units, coloured by kind."""
    kinds, dead = kind_of(trials), dead_units(trials)
    counted = kinds.value_counts()
    there = [kind for kind in KINDS if kind in counted.index]
    own = bool(is_own(trials).any())
    chance, near = chance_in(trials)
    note = pictures.collapse_note(_all_relu(trials) and not own)
    chart = Chart(
        title=pictures.COLLAPSE_TITLE,
        description=pictures.collapse_description({kind: int(counted[kind]) for kind in there}, own=own),
        x=_dead_axis(trials, dead),
        y=_percent_axis(trials.test_error, chance if near else None),
        legend=[(kind, css(KIND_COLOURS[kind]), KIND_MARKERS[kind]) for kind in there],
        note=" ".join(filter(None, (note, _chance_note(chance, near)))),
    )
    _draw_chance(chart, chance, near)
    sideways = np.random.default_rng(0)
    for kind in there:
        for row, count in zip(_rows(trials[kinds == kind]), dead[kinds == kind]):
            x = chart.at_x(count + sideways.uniform(-0.3, 0.3))
            look = css(KIND_COLOURS[kind]), KIND_MARKERS[kind]
            chart.marks.append(Mark(x, chart.at_y(100 * row.test_error), *look, pictures.dead_tip(row, kind)))
    return chart


def _draw_chance(chart: Chart, chance: float | None, near: bool) -> None:
    """The line of chance in a chart whose errors are at its side."""
    if chance is not None and near:
        y = chart.at_y(100 * chance)
        chart.lines.append((f"M{chart.left} {y}H{chart.right}", "currentColor", "chance"))


def _dead_axis(trials: pd.DataFrame, dead: pd.Series) -> Axis:
    if not is_own(trials).any():
        both = 2 * int(branch_units(trials).max())
        return _counting_axis(pictures.DEAD_AXIS.format(both), both)
    return _counting_axis(pictures.DEAD_AXIS_OF_OWN, max(int(dead.max()), 20))


def _counting_axis(text: str, most: int) -> Axis:
    """An axis of whole numbers from 0 up."""
    ticks = sorted({int(tick) for tick in MaxNLocator(5, integer=True).tick_values(0, most) if 0 <= tick <= most})
    return Axis(text, -0.04 * most, 1.04 * most, [(tick, str(tick)) for tick in ticks])


def _all_relu(trials: pd.DataFrame) -> bool:
    return "bottleneck_activation" not in trials or bool((trials.bottleneck_activation == "relu").all())


def curves_chart(trials: pd.DataFrame) -> Chart | None:
    """The training loss after each epoch, the median of all rounds and the middle half; None where none is finite."""
    curves = {}
    for network in in_order(list(trials.network)):
        curve = _quartiles(trials[trials.network == network].train_loss)
        if curve is not None:
            curves[network] = curve
    if not curves:
        return None
    every = np.concatenate([quartiles.ravel() for _, quartiles in curves.values()])
    # A loss of 0 has no place on a logarithmic axis: it is drawn at the lower end.
    low, high = max(every[every > 0].min(initial=1.0), 1e-6), max(every.max(), 1e-5)
    y = _logarithmic("training loss", low, high)
    last = max(epochs[-1] for epochs, _ in curves.values())
    ends = {network: float(quartiles[1, -1]) for network, (_, quartiles) in curves.items()}
    chart = Chart(
        title=pictures.CURVES_TITLE,
        description=pictures.curves_description(ends),
        x=_linear("epoch", 1, max(2, last), whole=True),
        y=y,
        legend=_network_legend(list(curves)),
        note=pictures.CURVES_NOTE,
    )
    looks = looks_of(curves)
    for network, (epochs, quartiles) in curves.items():
        colour, marker = css(looks[network].colour), looks[network].marker
        lower, median, upper = np.maximum(quartiles, y.low)
        chart.band(epochs, lower, upper, colour)
        chart.line(epochs, median, colour)
        step = max(1, len(epochs) // 20)
        chart.marks += [
            Mark(chart.at_x(epoch), chart.at_y(value), colour, marker,
                 pictures.loss_tip(network, int(epoch), float(value)))
            for epoch, value in list(zip(epochs, median))[step - 1 :: step]
        ]  # fmt: skip
    return chart


def _quartiles(losses: pd.Series) -> tuple[np.ndarray, np.ndarray] | None:
    """Epochs from 1 and the quartiles (3, epochs) over trials, up to 200 of them; None where no loss is finite.

    Trials of fewer epochs, and epochs whose loss was not finite, are left out where they lack.
    """
    longest = max((len(loss) for loss in losses), default=0)
    grid = np.full((len(losses), longest), np.nan)
    for row, loss in zip(grid, losses):
        row[: len(loss)] = [np.nan if value is None else value for value in loss]
    epochs = np.flatnonzero(np.isfinite(grid).any(axis=0))
    if not len(epochs):
        return None
    epochs = epochs[np.unique(np.linspace(0, len(epochs) - 1, _MOST_POINTS).astype(int))]
    return epochs + 1, np.nanquantile(grid[:, epochs], (0.25, 0.5, 0.75), axis=0)


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    """The rows as named tuples, whose types nobody knows before."""
    yield from table.itertuples()


def _network_legend(networks: Sequence[str]) -> list[tuple[str, str, str]]:
    return [(network, css(look.colour), look.marker) for network, look in looks_of(networks).items()]


def _percent_axis(errors: pd.Series, chance: float | None = None) -> Axis:
    """The axis of what is drawn of errors, which ends above it, and above chance where that has a line, or at 100 %."""
    most = max(1.0, 100 * float(errors.max()), 100 * (chance or 0))
    return _linear(error_label(), 0, min(100.0, 1.04 * most))


def _chance_note(chance: float | None, near: bool) -> str:
    """What the line of chance is, or that it lies beyond the axis."""
    return "" if chance is None else pictures.chance_note(chance, near)


def _linear(label: str, low: Number, high: Number, *, pad: float = 0.0, whole: bool = False) -> Axis:
    """A linear axis with ticks at round numbers, and some room at its ends."""
    room = pad * ((high - low) or 1.0)
    low, high = low - room, high + room
    high = high if high > low else low + 1
    places = MaxNLocator(6, steps=_STEPS, integer=whole, min_n_ticks=1).tick_values(float(low), float(high))
    return Axis(label, low, high, [(value, written(value, ".10g")) for value in places if low <= value <= high])


def _logarithmic(label: str, low: Number, high: Number) -> Axis:
    """A logarithmic axis over whole decades."""
    first = int(np.floor(np.log10(low)))
    last = max(first + 1, int(np.ceil(np.log10(high))))
    step = max(1, (last - first) // 6)
    ticks = [(10.0**power, _power(power)) for power in range(first, last + 1, step)]
    return Axis(label, 10.0**first, 10.0**last, ticks, log=True)


def _power(power: int) -> str:
    """A power of ten: as a number where that is short."""
    return f"{10.0**power:g}" if -2 <= power <= 2 else "10" + str(power).translate(_SUPERSCRIPTS)


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points)
