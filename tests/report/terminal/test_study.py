"""Tables for the terminal: their numbers, and that no terminal cuts them."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from tests.report.groups import groups_of
from tests.report.made_up import made_up_trials

from twofold.analysis import findings, study_reference, summary
from twofold.data import Task
from twofold.networks import NETWORKS
from twofold.report.terminal.study import models_table, settings_table, summary_table
from twofold.report.terminal.tables import drawn, turned
from twofold.report.text.networks import NetworkFacts, layers_table
from twofold.report.text.numbers import interval, p_value, percent
from twofold.report.text.statistics import rates_table

PAPERS = {"test_pairs": 1000, "batch_size": 25, "epochs": 100, "shuffle": False, "normalise": False, "relation": "<="}
PAPERS |= {"bottleneck_activation": "relu", "pairs": 1000, "data": "mnist"}


def text_of(table, width=200) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()


def cells_of(table) -> dict[str, dict[str, str]]:
    """The cells by network, or what else stands first, and header."""
    columns = {str(column.header): list(map(str, column.cells)) for column in table.columns}
    names = columns.get("network", next(iter(columns.values())))
    return {name: {header: cells[row] for header, cells in columns.items()} for row, name in enumerate(names)}


@pytest.mark.parametrize(
    ("value", "says"), [(0.12345, "12.35"), (0.0, "0.00"), (1.0, "100.00"), (None, "–"), (np.nan, "–")]
)
def test_percent(value, says):
    assert percent(value) == says


def test_interval_and_p_value():
    assert interval(0.1, 0.2) == "10.00 to 20.00"
    assert interval(float("nan"), float("nan")) == "–"
    assert [p_value(p) for p in (0.0, 0.0009, 0.001, 0.05, 1.0, float("nan"))] == [
        "< 0.001",
        "< 0.001",
        "0.001",
        "0.050",
        "1.000",
        "–",
    ]


def test_the_summary_table_has_the_summarys_numbers(trials):
    table = summary_table(trials)
    cells = cells_of(table)
    assert str(table.title) == "Test error, 5 rounds"
    assert list(cells) == list(NETWORKS)
    for row in summary(trials).itertuples():
        found = cells[row.network]
        assert found["mean %"] == f"{100 * row.mean:.2f}"
        assert found["sd\npoints"] == f"{100 * row.sd:.2f}"
        assert found["95 %\ninterval %"] == f"{100 * row.ci_low:.2f} to {100 * row.ci_high:.2f}"
        assert (found["median\n%"], found["IQM\n%"]) == (f"{100 * row.median:.1f}", f"{100 * row.iqm:.1f}")
        assert found["min to\nmax %"] == f"{100 * row.best:.1f} to {100 * row.worst:.1f}"
        assert found["digit\nerror %"] == ("4.00" if NETWORKS[row.network].auxiliary_losses else "–")
        assert "paper %" not in found
        assert "diverged" not in found


def test_one_round_has_no_spread():
    found = cells_of(summary_table(made_up_trials(1)))["NetBase"]
    assert (found["sd\npoints"], found["95 %\ninterval %"]) == ("–", "–")


def test_diverged_trials_are_counted(trials):
    trials["diverged"] = trials.network.eq("NetWS") & trials["round"].ge(3)
    assert {name: row["diverged"] for name, row in cells_of(summary_table(trials)).items()} == {
        "NetBase": "0",
        "NetWS": "2",
        "NetAL": "0",
        "NetWSAL": "0",
    }


def test_the_papers_numbers_stand_beside_the_papers_settings():
    table = summary_table(made_up_trials(5, **PAPERS))
    cells = cells_of(table)
    for row in study_reference().itertuples():
        assert cells[row.network]["paper %"] == f"{100 * row.paper_mean:.2f} ± {100 * row.paper_sd:.2f}"
    assert "these are" not in str(table.caption)


def test_on_other_digits_the_table_says_so():
    table = summary_table(made_up_trials(5, **PAPERS | {"data": "mnist5k"}))
    assert "paper %" in cells_of(table)["NetBase"]
    assert "(--data mnist); these are mnist5k" in str(table.caption)


@pytest.mark.parametrize("change", [{"epochs": 99}, {"learning_rate": 0.002}, {"optimizer": "sgd"}, {"relation": "<"}])
def test_other_settings_have_no_paper_beside_them(change):
    assert "paper %" not in cells_of(summary_table(made_up_trials(5, **PAPERS | change)))["NetBase"]


def test_settings_that_vary_have_columns():
    both = pd.concat([made_up_trials(2), made_up_trials(3, learning_rate=0.01)])
    text = text_of(summary_table(both))
    assert re.search(r"learning .*\n *network +rate +rounds ", text)
    for rate, rounds in (("0.001", 2), ("0.01", 3)):
        for name in NETWORKS:
            assert re.search(rf"{name} +{re.escape(rate)} +{rounds} ", text)
    assert "Test error of 20 trials" in text_of(settings_table(groups_of(both)))


def test_a_setting_that_a_network_does_not_use_is_shown_as_missing(made_up, tmp_path):
    embed = pd.concat([made_up(2, networks=["Embed"], contrastive_margin=margin) for margin in (2.0, 4.0)])
    both = pd.concat([embed.assign(distance_threshold=0.7), made_up(2, networks=["NetBase"])], ignore_index=True)
    records = [{**row, "key": "ab" * 32} for row in both.to_dict("records")]
    collapse = findings(both).tables["collapse"]
    rates = drawn(rates_table(collapse, ["contrastive_margin"], leaky=False))
    for table in (summary_table(both), settings_table(groups_of(both)), models_table(records, tmp_path), rates):
        cells = cells_of(table)
        assert cells["NetBase"]["contrastive\nmargin"] == "–"
        assert cells["Embed"]["contrastive\nmargin"] == "4"
    assert "(" in cells_of(rates)["NetBase"]["one branch\ndead %"]


def test_names_in_brackets_are_no_markup():
    assert "/data/[old]/own.npz" in text_of(settings_table(groups_of(made_up_trials(1, data="/data/[old]/own.npz"))))


@pytest.mark.parametrize("width", [60, 80])
def test_no_number_is_cut_on_a_narrow_terminal(width):
    """Turned by 90 degrees, all the numbers are there, whole, and no line is longer than the terminal is wide."""
    table = summary_table(made_up_trials(20, **PAPERS | {"data": "mnist5k"}))
    text = text_of(turned(table), width)
    assert "…" not in text
    assert all(len(line) <= width for line in text.splitlines())
    words = text.split()
    for row in cells_of(table).values():
        for cell in row.values():
            assert set(cell.split()) <= set(words)


def test_a_table_turned_twice_is_itself_but_for_headings_in_one_line(trials):
    table = summary_table(trials)
    twice = {
        name: {heading.replace("\n", " "): cell for heading, cell in row.items()}
        for name, row in cells_of(table).items()
    }
    assert cells_of(turned(turned(table))) == twice


def test_collapsed_rounds_are_said_below_the_table(made_up):
    table = made_up(20, collapsing=0.0)
    assert "Collapsed" not in str(summary_table(table).caption)
    gone = (table.network == "NetWS") & (table["round"] < 3)
    table.loc[gone, ["test_error", "dead_first", "dead_second"]] = [0.46, 10, 10]
    others = 100 * table.test_error[(table.network == "NetWS") & ~gone].mean()
    told = f"Collapsed rounds are in the means: NetWS 3 of 20 (mean of the others {others:.2f} %)."
    assert str(summary_table(table).caption).startswith(told)


def test_many_lines_with_collapsed_rounds_are_counted(made_up):
    both = pd.concat([made_up(20, collapsing=0.5, learning_rate=rate) for rate in (0.001, 0.01, 0.1)])
    told = "Collapsed rounds are in the means of 6 of 12 lines; medians leave them out."
    assert str(summary_table(both).caption).startswith(told)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_layers_add_up(name):
    layers = NETWORKS[name].structure().layers(Task(14, 14, channels=1, classes=10))
    cells = cells_of(drawn(layers_table(NetworkFacts(name, True, True, layers))))
    counts = [int(row["parameters"].replace(",", "")) for row in cells.values()]
    assert counts[-1] == sum(counts[:-1]) == sum(row.parameters for row in layers)
