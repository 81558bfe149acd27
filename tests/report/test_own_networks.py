"""Networks of one's own wherever results are shown: alone, beside the paper's, changed, and only some of a design."""

import io
import itertools
import re
import shlex

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from rich.console import Console
from tests.report.figures.test_findings import cut_off, words
from tests.report.groups import listed
from tests.report.page.test_report import page_of
from tests.report.synthetic import add_own, fill

from twofold.analysis import DIVERGED, LAYER_DEAD, findings, told_apart
from twofold.networks.typed import parse
from twofold.report.figures.collapse import collapse_figure, rates_figure, trace_figure
from twofold.report.figures.effects import effects_figure, spread_figure
from twofold.report.figures.study import figure2
from twofold.report.figures.sweep import sweep_figure
from twofold.report.page.commands import commands
from twofold.report.terminal.findings import findings_sections
from twofold.report.terminal.fitting import fitted
from twofold.report.terminal.study import summary_table
from twofold.results import Store

FLAGS = {"share": (False, True), "aux": (False, True)}
WORTH = {"share": -0.01, "aux": -0.05}
THREE = {**FLAGS, "norm": ("batch", None)}


def _changed(store, like):
    add_own(store, factors=FLAGS, worth=WORTH, alike=like, rounds=9)
    add_own(store, factors={"share": (False, True)}, constant={"aux": True}, identity="abcdef", day=2, alike=like)


def _two_classes(store, like):
    add_own(store, factors={"depth": (1, 2, 3)}, source="net.py:Deep", worth={"depth": -0.01}, alike=like, rounds=9)
    add_own(store, factors=FLAGS, alike=like, rounds=8, day=2)


STORES = {
    "two flags": lambda store, like: add_own(store, factors=FLAGS, worth=WORTH, alike=like, rounds=9),
    "three factors": lambda store, like: add_own(store, factors=THREE, worth=WORTH, alike=like, rounds=9, trace=True),
    "two classes": _two_classes,
    "changed": _changed,
    "one network": lambda store, like: add_own(store, factors={}, alike=like),
    "one round": lambda store, like: add_own(store, factors=FLAGS, alike=like, rounds=1),
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The table of each store, and of each with the paper's networks."""
    folder = tmp_path_factory.mktemp("own")
    papers = fill(str(folder / "papers.db"), rounds=9).read(histories=True)
    like = papers.iloc[0].to_dict()
    found = {}
    for name, add in STORES.items():
        store = Store(str(folder / f"{name}.db"))
        add(store, like)
        found[name] = told_apart(store.read(histories=True))
        found[f"{name}, papers"] = told_apart(pd.concat([papers, found[name]], ignore_index=True))
    three = found["three factors"]
    found["incomplete"] = three[three.network != three.network.iloc[-1]]
    found["incomplete, papers"] = pd.concat([papers, found["incomplete"]], ignore_index=True)
    return found


EVERY = [name + beside for name in (*STORES, "incomplete") for beside in ("", ", papers")]


def sentences_of(table):
    return [line for section in findings_sections(findings(table)) for line in section.sentences]


def text_of(table, width=1000):
    console = Console(width=width, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()


@pytest.mark.parametrize("name", EVERY)
def test_everything_is_shown_and_names_no_branches_where_there_are_none(name, tables):
    table = tables[name]
    sections = findings_sections(findings(table))
    tables_text = "".join(text_of(section.table) for section in sections if section.table is not None)
    text = tables_text + "\n".join(line for section in sections for line in section.sentences)
    page = page_of(table)
    for network in table.network.unique():
        assert network in tables_text
        assert network in page.text
    for shown in (text, page.text, " ".join(page.having("aria-label"))):
        assert ("branch" in re.sub("two-branch|A study of", "", shown)) == ("papers" in name)
        assert "nan" not in re.split(r"[\s(),]", shown)
    assert LAYER_DEAD in text


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("draw", [effects_figure, spread_figure, collapse_figure, trace_figure, figure2])
def test_figures_are_readable(name, draw, tables):
    figure = draw(tables[name])
    assert words(figure)
    assert cut_off(figure) == []
    for axes in figure.axes:
        low, high = sorted(axes.get_xlim())
        for marks in [each for each in axes.collections if isinstance(each, PathCollection)]:
            assert all(low <= x <= high for x, _ in np.asarray(marks.get_offsets()))


def test_panels_have_titles_that_do_not_touch(tables):
    figure = collapse_figure(tables["three factors"])
    words(figure)
    boxes = [axes._left_title.get_window_extent() for axes in figure.axes[:8]]
    for row in (boxes[:4], boxes[4:]):
        assert all(left.x1 < right.x0 for left, right in itertools.pairwise(row))


def test_a_traced_layer_is_drawn_to_the_end_of_its_dying(tables):
    table = tables["three factors"]
    ends = [line.get_ydata()[-1] for line in trace_figure(table).axes[0].lines if len(line.get_ydata()) == 8]
    first = table[table.network == table.network.iloc[0]]
    shares = first.dead_units_trace.map(lambda trace: 100 * max(trace[-1][0] / 32, trace[-1][1] / 20))
    assert sorted(ends) == pytest.approx(sorted(shares), abs=0.2)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "two flags",
            ["aux lowers the test error by", r"No interaction is shown \(.* 95 %\): share x aux\."],
        ),
        ("two flags, papers", ["Twin: aux lowers", "Auxiliary losses lower", "Weight sharing changes"]),
        ("three factors", ["norm: None against batch is not shown to change", "share x aux x norm"]),
        ("two classes", ["Deep: depth: 2 against 1", "Twin: share"]),
        ("changed", [r"Networks of one name that compute different things are told apart"]),
        (
            "one network",
            ["No effects: the effects need a factor, such as share", "nothing to compare it with"],
        ),
        (
            "incomplete",
            [r"all combinations of the levels of share, aux, norm, .* of Twin\(share=True, aux=True, norm=N"],
        ),
        (
            "incomplete, papers",
            [r"No effects of share, aux and norm of Twin: .* norm=None\)\."],
        ),
    ],
)
def test_sentences_say_what_the_factors_are_worth(name, said, tables):
    text = "\n".join(sentences_of(tables[name])) + "\n".join(summary_notes(tables[name]))
    for each in said:
        assert re.search(each, text), each


def summary_notes(table):
    return [str(summary_table(table).caption)]


def test_an_interaction_that_is_there_is_said(tables):
    table = tables["two flags"]
    both = table.arguments.map(lambda given: given["share"] and given["aux"])
    draws = np.random.default_rng(0).normal(0, 0.01, len(table))
    text = "\n".join(sentences_of(table.assign(test_error=0.1 + 0.1 * both + draws)))
    assert re.search(r"The change that share makes differs between the levels of aux by \+\d+\.\d\d points", text)


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("two flags", "What are share and aux worth?"),
        ("two flags, papers", "What are weight sharing, auxiliary losses, share and aux worth?"),
        ("two classes", "What are depth, share and aux worth?"),
        ("one network", "How often does the network err?"),
    ],
)
def test_the_page_asks_what_the_trials_can_answer(name, question, tables):
    assert question in page_of(tables[name]).text


@pytest.mark.parametrize("name", EVERY)
def test_commands_make_the_same_networks(name, tables):
    table = tables[name]
    for command in commands(table):
        given = shlex.split(command)
        texts = given[given.index("--networks") + 1 : given.index("--rounds")]
        typed = [text for text in texts if ":" in text]
        labels = [parse(text).label(each) for text in typed for each in parse(text).combinations()]
        plain = table.network.str.replace(r" #\w{6}$", "", regex=True)
        assert {*labels, *(text for text in texts if ":" not in text)} <= set(plain)


def test_settings_that_vary_have_rates_and_sweeps(tables):
    table = tables["two flags"]
    both = pd.concat([table, table.assign(learning_rate=0.01)], ignore_index=True)
    assert "layers died" in "".join(words(rates_figure(both)))
    figure = sweep_figure(both, "learning_rate")
    labels = [text.get_text() for axes in figure.axes for text in axes.get_legend().get_texts()]
    assert {"share", "aux", *table.network} == set(labels)
    assert "Twin(share=True, aux=True)" in page_of(both).text
    assert "branch" not in "\n".join(sentences_of(both))


@pytest.mark.parametrize("make", [summary_table, listed])
@pytest.mark.parametrize("width", [80, 100])
def test_long_names_break_between_their_arguments_on_a_narrow_terminal(make, width, tables):
    table = make(tables["three factors"])
    text = "".join(text_of(part, width) for part in fitted(table, Console(width=width)))
    assert all(len(line) <= width for line in text.splitlines())
    for part in ("Twin(share=False,", "aux=False,", "norm='batch')"):
        assert part in text
    assert "…" not in text


def test_a_diverged_trial_is_no_collapse(tables):
    table = tables["two flags"]
    found = findings(table.assign(diverged=True)).tables["collapse"]
    assert found.groupby("kind")["count"].sum()[DIVERGED] == len(table)
