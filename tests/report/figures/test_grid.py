"""The figures and tables of grids, sweeps and searches, drawn from made-up tables of trials."""

import itertools

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from twofold.analysis import choice, grid_reference
from twofold.networks import NETWORKS
from twofold.report.figures.grid import heatmap_figure, rounds_figure
from twofold.report.figures.looks import OPTIMIZER_LOOKS
from twofold.report.figures.parts import only, panels_of
from twofold.report.figures.sweep import sweep_figure
from twofold.report.figures.tune import history_figure, importances_figure, slice_figure
from twofold.report.terminal.grid import choice_table, confirmation_table, grid_tables
from twofold.training.optimizers import OPTIMIZERS


def made_up(rounds=3, first_round=0, **axes):
    """Trials of all four networks with every combination of the settings, one of which diverged."""
    settings = {
        "optimizer": ["adam", "sgd"],
        "learning_rate": [0.001, 0.01],
        "aux_weight": [1.0],
        "pairs": [1000],
        "data": ["mnist5k"],
        **axes,
    }
    noise = np.random.default_rng(0)
    rows = {}
    for network, *values in itertools.product(NETWORKS.values(), *settings.values()):
        setting = dict(zip(settings, values, strict=True))
        if not network.auxiliary_losses:
            setting["aux_weight"] = 0.0
        for round_ in range(first_round, first_round + rounds):
            error = float(noise.uniform(0.05, 0.45))
            rows[(network.name, *setting.values(), round_)] = {
                "network": network.name,
                "auxiliary_losses": network.auxiliary_losses,
                **setting,
                "round": round_,
                "seed": 0,
                "test_error": error,
                "validation_error": error + 0.01,
                "diverged": setting["optimizer"] == "sgd" and setting["learning_rate"] == 0.01 and round_ == 0,
            }
    return pd.DataFrame(list(rows.values()))


def text_of(table):
    console = Console(width=200)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def visible(figure):
    """The panels that are no spare ones."""
    return [axes for axes in figure.axes if axes.axison]


def test_every_optimizer_has_a_look_of_its_own():
    assert OPTIMIZER_LOOKS.keys() == OPTIMIZERS.keys()
    for place in (0, 1):
        assert len({look[place] for look in OPTIMIZER_LOOKS.values()}) == len(OPTIMIZERS)


@pytest.mark.parametrize("network", NETWORKS)
def test_rounds_have_a_panel_per_learning_rate_and_a_line_per_optimizer(network):
    table = made_up()
    figure = rounds_figure(table[table.network == network], network)
    assert [axes.get_title(loc="left") for axes in visible(figure)] == ["learning rate 0.001", "learning rate 0.01"]
    trials = table[(table.network == network) & (table.learning_rate == 0.001) & (table.optimizer == "adam")]
    assert visible(figure)[0].get_lines()[0].get_ydata() == pytest.approx(100 * trials.test_error)
    assert "diverged" in [text.get_text() for text in figure.legends[0].get_texts()]
    highest = visible(figure)[0].get_ylim()[1]
    assert highest > 100 * table[table.network == network].test_error.max()


def test_what_else_varies_has_panels_too():
    table = made_up(aux_weight=[0.1, 1.0])
    assert len(visible(rounds_figure(table[table.network == "NetWSAL"], "NetWSAL"))) == 4
    assert len(visible(rounds_figure(table[table.network == "NetBase"], "NetBase"))) == 2
    titles = [
        axes.get_title(loc="left") for axes in visible(heatmap_figure(table[table.network == "NetWSAL"], "NetWSAL"))
    ]
    assert titles[:2] == ["aux weight 0.1", "aux weight 1"]


def test_a_heatmap_shows_every_mean_and_what_diverged():
    table = made_up()
    figure = heatmap_figure(table[table.network == "NetAL"], "NetAL")
    texts = [text.get_text() for text in figure.axes[0].texts]
    means = table[table.network == "NetAL"].groupby(["optimizer", "learning_rate"]).test_error.mean()
    assert {text.split("\n")[0] for text in texts} == {f"{100 * mean:.2f}" for mean in means}
    assert [text for text in texts if "1 diverged" in text]


def test_a_cell_that_is_not_there_is_empty():
    table = made_up()
    table = table[(table.optimizer != "sgd") | (table.learning_rate != 0.01)]
    assert len(heatmap_figure(table[table.network == "NetAL"], "NetAL").axes[0].texts) == 3
    assert " – " in text_of(grid_tables(table)[0])


@pytest.mark.parametrize("draw", [rounds_figure, heatmap_figure])
def test_without_trials_a_figure_says_so(draw):
    figure = draw(made_up().iloc[:0], "NetBase")
    assert [text.get_text() for text in figure.axes[0].texts] == ["no trials yet"]


def test_tables_name_the_papers_cells_and_those_that_disagree():
    papers = grid_reference()
    rows = []
    for cell in papers.to_dict("records"):
        mean = cell["paper_mean"] + (0.2 if cell["optimizer"] == "sgd" and cell["learning_rate"] == 0.01 else 0)
        for round_, sign in enumerate([-1, 1] * 5):
            error = mean + sign * 0.01
            rows.append({**cell, "auxiliary_losses": "AL" in cell["network"], "round": round_, "test_error": error})
    table = pd.DataFrame(rows).assign(data="mnist", aux_weight=1.0, diverged=False)
    first = " ".join(text_of(grid_tables(table)[0]).split())
    assert "NetBase: test error %, mean ± sd of 10 rounds" in first
    assert "20.86 ± 10.17" in first
    assert "14 of 15 cells agree with the paper within 3 standard errors; not: sgd 0.01 (z = +5.4)" in first
    assert "these are" not in first
    assert "these are mnist5k" in text_of(grid_tables(table.assign(data="mnist5k"))[0])


def test_the_choice_and_its_confirmation_show_what_they_are_made_of():
    table = made_up(rounds=6)
    chosen = choice(table, "validation_error")
    text = text_of(choice_table(chosen, "validation", table))
    assert "Best of 4 settings by validation error, averaged over 4 networks" in text
    asked = table.assign(relation="<", true_share=0.45, one_image_error=0.2)
    assert "errs on 45.0 %" in " ".join(text_of(choice_table(chosen, "validation", asked)).split())
    assert f"{100 * chosen['mean'][0]:.2f}" in text
    setting = {name: chosen[name].tolist()[0] for name in ("optimizer", "learning_rate")}
    search, fresh = only(table, setting), only(made_up(rounds=5, first_round=1000), setting)
    last = text_of(confirmation_table(search, fresh, "validation")).split(" mean ")[-1].split()
    seen, new = 100 * search.validation_error.mean(), 100 * fresh.validation_error.mean()
    assert last[:3] == [f"{seen:.2f}", f"{new:.2f}", f"{new - seen:+.2f}".replace("-", "−")]


def test_panels_are_the_settings_that_vary():
    table = made_up(aux_weight=[0.1, 1.0])
    assert panels_of(table, within=["optimizer", "learning_rate"]) == [{"aux_weight": 0.1}, {"aux_weight": 1.0}]
    assert set(only(table, {"aux_weight": 0.1}).network) == set(NETWORKS)  # those without auxiliary losses, too
    assert set(only(table, {"aux_weight": 0.1}).aux_weight) == {0.0, 0.1}


@pytest.mark.parametrize(
    ("quantity", "values", "scale"),
    [
        ("pairs", [100, 300, 1000], "log"),
        ("pairs", [900, 1000], "linear"),
        ("aux_weight", [0.0, 0.1, 1.0], "symlog"),
        ("aux_weight", [0.1, 1.0, 10.0], "log"),
    ],
)
def test_a_sweep_shows_networks_and_priors_against_the_values(quantity, values, scale):
    table = made_up(optimizer=["adam"], learning_rate=[0.001], **{quantity: values})
    figure = sweep_figure(table, quantity)
    errors, priors = figure.axes
    assert errors.get_xscale() == priors.get_xscale() == scale
    assert [text.get_text() for text in errors.get_legend().get_texts()] == list(NETWORKS)
    assert [text.get_text() for text in priors.get_legend().get_texts()] == ["weight sharing", "auxiliary losses"]
    assert list(errors.get_xticks()) == values
    for network, drawn in zip(NETWORKS, errors.containers, strict=True):
        of_network = table[table.network == network]
        means = of_network.groupby(quantity).test_error.mean().to_numpy()
        assert drawn.lines[0].get_ydata() == pytest.approx(100 * np.broadcast_to(means, len(values)))
        low, high = errors.get_xlim()
        assert ((drawn.lines[0].get_xdata() > low) & (drawn.lines[0].get_xdata() < high)).all()


def test_a_sweep_of_two_quantities_has_a_column_per_value_of_the_other():
    table = made_up(optimizer=["adam"], learning_rate=[0.001], pairs=[100, 1000], aux_weight=[0.0, 1.0, 10.0])
    assert [axes.get_title(loc="left") for axes in sweep_figure(table, "pairs").axes[:3]] == [
        "aux weight 0",
        "aux weight 1",
        "aux weight 10",
    ]
    assert len(sweep_figure(table, "aux_weight").axes) == 2 * 2


def test_a_sweep_of_one_network_in_one_round_has_neither_priors_nor_intervals():
    table = made_up(rounds=1, optimizer=["adam"], learning_rate=[0.001], pairs=[100, 1000])
    assert len(sweep_figure(table[table.network == "NetWS"], "pairs").axes) == 1
    assert sweep_figure(table.iloc[:0], "pairs").axes[0].texts[0].get_text() == "no trials yet"


def proposals(count=12, **more):
    numbers = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "optimizer": numbers.choice(["adam", "sgd"], count),
            "learning_rate": 10 ** numbers.uniform(-4, 0, count),
            **more,
            "validation_error": numbers.uniform(0.05, 0.4, count),
        }
    )


def test_the_history_falls_to_the_lowest_error():
    searches = {"NetBase": proposals(), "4 networks": proposals(5)}
    figure = history_figure(searches)
    assert [axes.get_title(loc="left") for axes in visible(figure)] == list(searches)
    lowest = visible(figure)[0].get_lines()[0].get_ydata()
    assert (np.diff(lowest) <= 0).all()
    assert lowest[-1] == pytest.approx(100 * searches["NetBase"].validation_error.min())


def test_importances_are_bars_or_a_word_why_there_are_none():
    figure = importances_figure({"NetBase": {"optimizer": 0.25, "learning_rate": 0.75}, "NetWS": {}})
    bars, reason = figure.axes
    assert [patch.get_width() for patch in bars.patches] == [25, 75]
    assert [label.get_text() for label in bars.get_yticklabels()] == ["optimizer", "learning rate"]
    assert [text.get_text() for text in reason.texts] == ["too few proposals to tell"]


def test_the_slice_leaves_out_searches_without_the_setting():
    searches = {"NetBase": proposals(), "NetAL": proposals(aux_weight=np.geomspace(0.01, 10, 12))}
    figure = slice_figure(searches)
    assert [axes.get_title(loc="left") for axes in visible(figure)] == ["NetAL"]
    assert sum(len(dots.get_offsets()) for dots in visible(figure)[0].collections) == 12
    nothing = slice_figure({"NetBase": proposals()})
    assert [text.get_text() for text in nothing.axes[0].texts] == ["no search looked at the aux weight"]
