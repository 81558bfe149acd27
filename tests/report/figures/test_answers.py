"""The figure of a question has its table, and names that can be read; the line of chance stands where chance is."""

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from tests.report.made_up import made_up_trials

from twofold.data import find_relation
from twofold.data.relations import numbered
from twofold.report.figures.answers import answers_figure
from twofold.report.figures.catalogue import question_figures
from twofold.report.figures.files import file_of
from twofold.report.figures.study import figure2
from twofold.report.figures.sweep import sweep_figure

HOSTILE = ("$x^2$", "<b>&amp;", "a" * 300, "猫")


@pytest.mark.parametrize("classes", [2, 4, 26, 1000])
def test_the_table_is_drawn_with_as_many_names_as_can_be_read(classes):
    asked = find_relation("a < b", numbered(classes))
    axes = answers_figure(asked).axes[0]
    np.testing.assert_array_equal(axes.get_images()[0].get_array(), asked.answers)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == list(asked.class_names) if classes <= 30 else len(names) < 30


@pytest.mark.filterwarnings("ignore:Glyph")
def test_names_are_drawn_as_they_are_and_cut():
    asked = find_relation("a == '$x^2$' or b == '<b>&amp;' or a > b and a - b < 7 and b * 2 != a", HOSTILE)
    figure = answers_figure(asked)
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert names[:2] == ["$x^2$", "<b>&amp;"]
    assert max(map(len, [*names, figure.axes[0].get_title(loc="center")])) <= 44
    ElementTree.fromstring(file_of(figure, "svg", "digest"))


def test_questions_of_one_beginning_have_files_of_their_own():
    drawings = question_figures([find_relation("a < b + 2"), find_relation("a < b - 2"), find_relation("<=")])
    assert len(drawings) == 3
    assert len({drawing.digest for drawing in drawings.values()}) == 3
    again = question_figures([find_relation("a < b + 2")])
    assert next(iter(again.values())).digest == next(iter(drawings.values())).digest


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_chance_is_a_line_of_the_study(share):
    figure = figure2(made_up_trials(5, relation="a < b + 2", true_share=share, one_image_error=0.1))
    chance = 100 * min(share, 1 - share)
    for axes in figure.axes[:2]:
        assert any(np.allclose(line.get_ydata(), chance) for line in axes.get_lines())
    assert figure.axes[0].get_ylim()[1] > chance
    assert f"chance: {chance:.1f} %" in [text.get_text() for text in figure.axes[0].texts]


def test_far_above_the_errors_chance_is_written():
    table = made_up_trials(5, relation="<=")
    figure = figure2(table.assign(test_error=table.test_error / 10))
    assert "↑ chance: 45.0 %" in [text.get_text() for text in figure.axes[0].texts]
    assert figure.axes[0].get_ylim()[1] < 10


def test_each_question_of_a_sweep_has_its_line():
    """Whatever stands in it: what lies between two dollars is no formula."""
    tables = [made_up_trials(3, relation=relation) for relation in ("<=", "==", r"a == '$\frac$'")]
    figure = sweep_figure(pd.concat(tables, ignore_index=True), "relation")
    file_of(figure, "png", "digest")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["chance:\n45.0 %", "chance:\n10.0 %"]
