"""Figures of findings: what they show, and that they are readable and honest where there is little to show."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from twofold.analysis import BOTH_DEAD, DIVERGED, HEALTHY, ONE_DEAD, effects, sections, spread
from twofold.report.figures.catalogue import findings_figures
from twofold.report.figures.collapse import collapse_figure, rates_figure, trace_figure
from twofold.report.figures.effects import effects_figure, spread_figure
from twofold.report.figures.style import house_style

Made = Callable[..., pd.DataFrame]


def traced(table: pd.DataFrame, epochs: int = 30) -> pd.DataFrame:
    """The table with traces that grow to the dead units at the end."""
    grow = np.linspace(0, 1, epochs)[:, None] if epochs > 1 else np.ones((1, 1))
    ends = table[["dead_first", "dead_second"]].to_numpy()
    return table.assign(dead_units_trace=[np.round(grow * end).astype(int).tolist() for end in ends])


def words(figure: Figure) -> list[str]:
    """Every visible text of a figure after it was drawn."""
    with house_style():
        figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


def cut_off(figure: Figure) -> list[str]:
    """The texts that reach beyond the edge of the figure."""
    with house_style():
        figure.draw_without_rendering()
    outside = [text.get_text() for text in figure.texts if text.get_window_extent().x1 > figure.bbox.x1 + 1]
    for axes in figure.axes:
        if not axes.axison:
            continue
        x_low, x_high = sorted(axes.get_xlim())
        for text in [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts, *axes.get_yticklabels()]:
            box = text.get_window_extent()
            if text.get_text() and not (figure.bbox.x0 - 1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1):
                outside.append(text.get_text())
        for place, tick in zip(axes.get_xticks(), axes.get_xticklabels()):
            if x_low <= place <= x_high and tick.get_window_extent().x1 > figure.bbox.x1 + 1:
                outside.append(tick.get_text())
    return outside


TABLES: dict[str, Callable[[Made], pd.DataFrame]] = {
    "100 rounds": lambda made: traced(made(100)),
    "20 rounds": lambda made: traced(made(20)),
    "one round": lambda made: traced(made(1)),
    "one epoch": lambda made: traced(made(5), epochs=1),
    "no trace": lambda made: made(20),
    "a network missing": lambda made: traced(made(20, networks=["NetBase", "NetWSAL"])),
    "one network": lambda made: traced(made(20, networks=["NetWS"])),
    "networks of a user's own": lambda made: traced(
        made(20, networks=["NetBase", "A network with a rather long name"])
    ),
    "six networks": lambda made: traced(made(4, networks=["NetBase", "NetWS", "NetAL", "NetWSAL", "Fifth", "Sixth"])),
    "identical errors": lambda made: traced(made(5).assign(test_error=0.2)),
    "all diverged": lambda made: traced(made(5).assign(diverged=True)),
    "only errors": lambda made: made(20)[["network", "round", "seed", "test_error"]],
    "gaps": lambda made: traced(made(20)).drop(index=[0, 5, 7, 22]).reset_index(drop=True),
    "missing errors": lambda made: traced(made(9).assign(test_error=[np.nan, *made(9).test_error[1:]])),
    "no error of a network": lambda made: traced(
        made(9).assign(test_error=lambda table: table.test_error.where(table.network != "NetAL"))
    ),
    "several settings": lambda made: pd.concat([made(9), made(9, seed=1, optimizer="sgd")], ignore_index=True),
    "one network in several settings": lambda made: pd.concat(
        [made(9, networks=["NetWS"]), made(12, networks=["NetWS"], bottleneck_activation="leaky_relu")],
        ignore_index=True,
    ),
    "many settings": lambda made: pd.concat(
        [made(9, seed=seed, optimizer=name, learning_rate=0.01 * (seed + 1)) for seed, name in enumerate("abcdefghij")],
        ignore_index=True,
    ),
}


@pytest.mark.parametrize("table", TABLES)
def test_figures_are_drawn_of_whatever_there_is(made_up: Made, tmp_path: object, table: str) -> None:
    for name, drawing in findings_figures(sections(TABLES[table](made_up))).items():
        figure = drawing.figure()
        assert words(figure), name
        assert not cut_off(figure), name


def test_one_setting_gives_four_figures_and_several_give_rates(made_up: Made) -> None:
    assert list(findings_figures(sections(made_up(3)))) == ["effects", "collapse", "dead_units", "spread"]
    assert list(findings_figures(sections(TABLES["several settings"](made_up)))) == ["collapse_rates"]


def test_effects_stand_where_the_statistics_say(made_up: Made) -> None:
    table = made_up(20)
    figure = effects_figure(table)
    drawn = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert drawn == pytest.approx(100 * effects(table).difference)
    dots = [len(points.get_offsets()) for points in figure.axes[0].collections if points.get_offsets().shape[0] > 1]
    assert dots == [20, 20, 20]
    assert any("points" in word for word in words(figure))
    row = effects(table).iloc[1]
    label = f"{100 * row.difference:+.2f} ({100 * row.ci_low:+.2f} to {100 * row.ci_high:+.2f})".replace("-", "−")
    assert label in words(figure)


def test_effects_of_fewer_networks_say_what_is_missing(made_up: Made) -> None:
    text = " ".join(words(effects_figure(made_up(3, networks=["NetBase", "NetWS", "NetAL"])))).replace("\n", " ")
    assert "no trial of NetWSAL" in text


def test_collapse_shows_every_trial_once_in_the_colour_of_its_kind(made_up: Made) -> None:
    table = made_up(50)
    figure = collapse_figure(table)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["NetBase", "NetWS", "NetAL", "NetWSAL"]
    for axes in figure.axes:
        assert sum(len(points.get_offsets()) for points in axes.collections) == 50
    assert {HEALTHY, ONE_DEAD, BOTH_DEAD} <= set(words(figure))
    assert DIVERGED not in words(figure)


def test_traces_end_at_the_dead_units(made_up: Made) -> None:
    table = traced(made_up(6, networks=["NetBase"]))
    figure = trace_figure(table)
    ends = sorted(round(float(line.get_ydata()[-1])) for line in figure.axes[0].lines if len(line.get_ydata()))
    assert ends == sorted([*table.dead_first, *table.dead_second])
    assert "epoch" in words(figure)


def test_trials_without_a_trace_say_how_to_get_one(made_up: Made) -> None:
    assert "twofold study --trace" in " ".join(words(trace_figure(made_up(3)))).replace("\n", " ")
    some = traced(made_up(3))
    some.loc[some.network == "NetAL", "dead_units_trace"] = None
    assert "no trial has a trace" in words(trace_figure(some))


def test_spread_stands_where_the_statistics_say(made_up: Made) -> None:
    table = made_up(20)
    figure = spread_figure(table)
    drawn = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert drawn == pytest.approx(np.exp(spread(table).log_ratio))
    assert "NetWSAL / NetAL" in words(figure)


def test_spread_of_one_round_says_why_there_is_none(made_up: Made) -> None:
    assert "3 rounds that are needed" in " ".join(words(spread_figure(made_up(1)))).replace("\n", " ")


def test_rates_name_their_settings(made_up: Made) -> None:
    table = pd.concat(
        [made_up(9, bottleneck_activation="relu"), made_up(9, bottleneck_activation="leaky_relu", normalise=True)]
    )
    text = words(rates_figure(table))
    assert "normalise no, bottleneck activation\nrelu" in text
    assert "normalise yes, bottleneck activation\nleaky_relu" in text


def test_a_figure_is_the_same_every_time(made_up: Made) -> None:
    table = made_up(6, networks=["NetBase", "NetWS"])
    assert collapse_figure(table)._repr_png_() == collapse_figure(table)._repr_png_()
