"""Charts for pages: what is drawn lies where its value says."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.synthetic import fill

from twofold.analysis import AnalysisError, kind_of, summary
from twofold.report.figures.looks import KIND_COLOURS, colour_of
from twofold.report.page.charts import (
    NARROW,
    WIDE,
    Axis,
    collapse_chart,
    curves_chart,
    effects_chart,
    rounds_chart,
    strip_chart,
)
from twofold.report.page.html import css


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    return fill(str(tmp_path_factory.mktemp("charts") / "a.db"), rounds=8).read(histories=True)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(0, 1))
def test_a_linear_axis_gives_each_value_its_share(low, span, share):
    axis = Axis("", low, low + span, [])
    assert axis.share(low + share * span) == pytest.approx(share, abs=1e-6)


@given(st.integers(-8, 3), st.integers(1, 6), st.floats(0, 1))
def test_a_logarithmic_axis_gives_each_power_its_share(first, decades, share):
    axis = Axis("", 10.0**first, 10.0 ** (first + decades), [], log=True)
    assert axis.share(10.0 ** (first + share * decades)) == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_every_round_stands_at_its_error_in_its_networks_colour(trials, width):
    chart = rounds_chart(trials, width)
    by_tip = {mark.tip: mark for mark in chart.marks}
    assert len(by_tip) == len(trials)
    for row in trials.itertuples():
        mark = by_tip[f"{row.network}, round {row.round}: {100 * row.test_error:.2f} %"]
        assert (mark.x, mark.y) == (chart.at_x(row.round), chart.at_y(100 * row.test_error))
        assert mark.colour == colour_of(row.network)
    assert [kind for _, _, kind in chart.lines].count("line") == trials.network.nunique()


def test_seeds_are_lines_of_their_own(trials):
    twice = pd.concat([trials, trials.assign(seed=1)])
    kinds = [kind for _, _, kind in rounds_chart(twice, WIDE).lines]
    assert kinds.count("line") == 2 * trials.network.nunique()


def assert_inside(chart):
    for mark in chart.marks:
        assert chart.left <= mark.x <= chart.right
        assert chart.top <= mark.y <= chart.bottom


@pytest.mark.parametrize("draw", [strip_chart, effects_chart, collapse_chart, curves_chart])
def test_marks_lie_inside_the_plot_and_ticks_on_the_axes(trials, draw):
    chart = draw(trials)
    assert chart.marks
    assert_inside(chart)
    for axis in filter(None, (chart.x, chart.y)):
        assert len(axis.ticks) >= 2
        assert all(-1e-9 <= axis.share(value) <= 1 + 1e-9 for value, _ in axis.ticks)
        assert axis.label


def test_the_strip_has_every_round_and_names_means_and_intervals(trials):
    chart = strip_chart(trials)
    assert len(chart.marks) == len(trials)
    row = summary(trials).iloc[0]
    assert chart.rows[0] == (
        f"{row.network}: {100 * row['mean']:.2f} % ({100 * row.ci_low:.2f} to {100 * row.ci_high:.2f} %)"
    )
    assert all(name in chart.description for name in chart.rows)


def test_the_widest_interval_lies_within_the_axis_and_no_line_runs_through_names(trials):
    chance = {"true_share": 0.3, "one_image_error": 0.2, "question": "10-a", "fingerprint": "f", "relation": "a < b"}
    two = trials[trials["round"] < 2].assign(test_error=lambda rows: 0.1 + 0.8 * rows["round"], **chance)
    chart = strip_chart(two)
    assert chart.x.high <= 100
    for path in (path for path, _, kind in chart.lines if kind == "line"):
        assert all(chart.left <= x <= chart.right for x in map(float, re.findall(r"[MH]([\d.]+)", path)))
    (line,) = (path for path, _, kind in chart.lines if kind == "chance")
    parts = [tuple(map(float, part.split(" ")[1].split("V"))) for part in line[1:].split("M")]
    assert [(low - chart.row_top(row), high) for row, (low, high) in enumerate(parts)] == [
        (17, chart.row_top(row + 1)) for row in range(len(chart.rows))
    ]


def test_an_interval_that_goes_beyond_all_errors_is_drawn_whole_and_chance_where_it_reaches_that(trials):
    chance = {"true_share": 0.5, "one_image_error": 0.2, "question": "10-a", "fingerprint": "f", "relation": "a < b"}
    two = trials[trials["round"] < 2].assign(test_error=lambda rows: 0.02 + 0.2 * rows["round"], **chance)
    highest = summary(two).ci_high.max()
    assert 2 * two.test_error.max() < 0.5 < highest < 1
    chart = strip_chart(two)
    assert chart.x.high >= 100 * highest
    end = max(float(x) for path, _, kind in chart.lines if kind == "line" for x in re.findall(r"H([\d.]+)", path))
    assert end == chart.at_x(100 * highest)
    assert "chance" in {kind for _, _, kind in chart.lines}
    assert "Dashed: chance (50.0 %)" in chart.note
    assert "Chance (50.0 %) is beyond the axis." in rounds_chart(two, WIDE).note


def test_errors_and_dead_units_have_the_line_of_chance(trials):
    chance = {"true_share": 0.3, "one_image_error": 0.2}
    chart = collapse_chart(trials.assign(test_error=trials.test_error + 0.1, **chance))
    assert [kind for _, _, kind in chart.lines] == ["chance"]
    assert "Dashed: chance (30.0 %)" in chart.note


def test_effects_are_not_drawn_of_rounds_that_are_not_whole(trials):
    with pytest.raises(AnalysisError, match="no round has all four"):
        effects_chart(trials[(trials.network == "NetBase") == (trials["round"] < 4)])
    with pytest.raises(AnalysisError, match="no trial of NetAL"):
        effects_chart(trials[trials.network != "NetAL"])


def test_dead_units_are_coloured_by_kind(trials):
    chart = collapse_chart(trials)
    kinds = kind_of(trials).value_counts()
    assert kinds["one branch dead"] > 0
    for kind, count in kinds.items():
        marks = [mark for mark in chart.marks if mark.tip.endswith(f": {kind}")]
        assert len(marks) == count
        assert {mark.colour for mark in marks} == {css(KIND_COLOURS[kind])}
        assert f"{kind}: {count}" in chart.description


def test_curves_are_the_median_of_the_trials_that_have_the_epoch(trials):
    table = trials[trials.network == "NetWS"].reset_index(drop=True)
    losses = [loss[: 3 + place] for place, loss in enumerate(table.train_loss)]
    losses[0][1] = None  # was not finite
    chart = curves_chart(table.assign(train_loss=losses))
    second = [loss[1] for loss in losses[1:]]
    mark = next(mark for mark in chart.marks if "epoch 2:" in mark.tip)
    assert mark.tip == f"NetWS, epoch 2: median loss {np.median(second):.3g}"
    assert mark.y == chart.at_y(np.median(second))


def test_curves_of_no_number_are_none_and_a_loss_of_0_has_a_place(trials):
    assert curves_chart(trials.assign(train_loss=[[None, None]] * len(trials))) is None
    assert_inside(curves_chart(trials.assign(train_loss=[[1.0, 0.0]] * len(trials))))


def test_a_long_training_is_drawn_with_few_points(trials):
    chart = curves_chart(trials.assign(train_loss=[list(np.linspace(2, 1, 5000))] * len(trials)))
    assert max(len(path) for path, _, _ in chart.lines) < 10_000
    assert chart.x.high == pytest.approx(5000)
