"""Figure 2: what is drawn is what the table says."""

import numpy as np
import pandas as pd
import pytest
from tests.report.made_up import made_up_trials

from twofold.analysis import summary
from twofold.networks import NETWORKS
from twofold.report.figures.catalogue import study_figures
from twofold.report.figures.looks import colour_of, marker_of
from twofold.report.figures.study import figure2
from twofold.report.text.names import on_task


def lines_of(figure):
    """The lines of the left panel, by network."""
    return {line.get_label().split()[0]: line for line in figure.axes[0].get_lines()}


@pytest.mark.parametrize("rounds", [1, 4, 100])
def test_every_round_of_every_network_is_drawn(rounds):
    table = made_up_trials(rounds)
    lines = lines_of(figure2(table))
    assert list(lines) == list(NETWORKS)
    for network, line in lines.items():
        of_network = table[table.network == network]
        np.testing.assert_array_equal(line.get_xdata(), of_network["round"])
        np.testing.assert_allclose(line.get_ydata(), 100 * of_network.test_error)
        assert line.get_color() == colour_of(network)
        assert line.get_marker() == marker_of(network)


def test_rounds_are_drawn_in_their_order_whatever_the_tables(trials):
    shuffled = trials.sample(frac=1, random_state=0)
    for network, line in lines_of(figure2(shuffled)).items():
        expected = 100 * trials.test_error[trials.network == network]
        np.testing.assert_allclose(line.get_ydata(), expected)


def test_means_and_intervals_are_those_of_the_summary(trials):
    right = figure2(trials).axes[1]
    for bar, row in zip(right.containers, summary(trials).itertuples()):
        ((low, high),) = bar[2][0].get_segments()
        assert low[1] == pytest.approx(100 * row.ci_low)
        assert high[1] == pytest.approx(100 * row.ci_high)
    assert [label.get_text() for label in right.get_xticklabels()] == list(NETWORKS)


def test_the_legend_gives_mean_and_sample_deviation(trials):
    (legend,) = figure2(trials).legends
    for network, text in zip(NETWORKS, legend.get_texts()):
        errors = trials.test_error[trials.network == network]
        assert text.get_text() == f"{network}  {100 * errors.mean():.2f} ± {100 * errors.std(ddof=1):.2f} %"


def test_of_one_round_there_is_no_deviation_and_no_interval():
    figure = figure2(made_up_trials(1))
    assert all("±" not in text.get_text() for text in figure.legends[0].get_texts())
    assert not figure.axes[1].containers


def test_axes_say_what_they_show(trials):
    left, right = figure2(trials).axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("round", "test error (%)")
    assert left.get_ylim()[0] == 0
    assert (left.get_title(loc="left"), right.get_title(loc="left")) == ("Every round", "Mean, 95 % interval")


def test_an_empty_table_says_so():
    texts = [text.get_text() for axes in figure2(pd.DataFrame()).axes for text in axes.texts]
    assert texts == ["no trials yet"]


def test_a_network_of_the_users_own_is_drawn_too(trials):
    own = trials.replace({"network": {"NetWS": "A network with quite a long name"}})
    figure = figure2(own)
    assert len(figure.axes[0].get_lines()) == 4
    figure.canvas.draw()
    legend = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= legend.x0 < legend.x1 <= figure.bbox.x1


@pytest.mark.parametrize("rounds", [2, 20])
def test_no_interval_of_a_mean_goes_on_below_the_panel(rounds):
    lines = figure2(made_up_trials(rounds)).axes[1].get_lines()
    assert not [line for line in lines if line.get_marker() == "v"]
    assert min(float(np.min(line.get_ydata())) for line in lines) >= 0


def test_the_name_of_chance_lies_over_no_other_text():
    figure = figure2(made_up_trials(5, relation="a < b + 2", true_share=0.3, one_image_error=0.1))
    figure.draw_without_rendering()
    left = figure.axes[0]
    (chance,) = left.texts
    assert not chance.get_window_extent().overlaps(left.title.get_window_extent())
    assert not chance.get_window_extent().overlaps(left._left_title.get_window_extent())
    assert chance.get_window_extent().y0 > left.bbox.y1


def test_studies_of_other_questions_or_images_have_files_of_their_own():
    asked = [{"relation": "<="}, {"relation": "<"}, {"relation": "a - b < 2"}, {"relation": "a + b < 2"}]
    asked += [{"data": "./pets/", "relation": "<="}, {"data": "mnist", "relation": "=="}]
    names = [name for each in asked for name in study_figures(made_up_trials(2, **each))]
    assert names[0] == "figure2"
    assert (names[1], names[4], names[5]) == ("figure2_lt", "figure2_pets", "figure2_mnist_eq")
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("class_names", "name", "title"),
    [
        (
            "yellow cross,red circle",
            "figure2_shapes_yellow-cross_red-circle",
            " on ./shapes (yellow cross, red circle)",
        ),
        ('a,"b,c"', "figure2_shapes_2-classes-7325db", ' on ./shapes (a, "b,c")'),
        ("a,b,c,d,e", "figure2_shapes_5-classes-", " on ./shapes (5 classes, a to e)"),
    ],
)
def test_studies_of_some_classes_have_files_and_titles_of_their_own(class_names, name, title):
    table = made_up_trials(2, data="./shapes", class_names=class_names, relation="<=")
    (chosen,) = study_figures(table, some_classes=True)
    assert chosen.startswith(name)
    assert list(study_figures(table)) == ["figure2_shapes"]
    assert on_task(table) == f"{title}, “first ≤ second”"
    assert on_task(table.assign(data="mnist5k", class_names=None)) == ""
