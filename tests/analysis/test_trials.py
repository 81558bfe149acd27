"""Tables of trials: what they need, what is chosen from them, and from where they may come."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from twofold.analysis import (
    AnalysisError,
    as_trials,
    by_round,
    findings,
    for_every_value,
    select,
    settings_of,
    varying_settings,
    without_unused,
)
from twofold.errors import SettingError
from twofold.results.table_file import read_csv

Made = Callable[..., pd.DataFrame]


@pytest.mark.parametrize("loaded", ["twofold.analysis", "twofold.results.table_file"])
def test_statistics_load_neither_the_engine_nor_the_plots(loaded: str) -> None:
    program = f"import sys, {loaded}; print([m for m in ('jax', 'equinox', 'matplotlib') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_table_from_csv_says_the_same(made_up: Made, tmp_path: Path) -> None:
    table = made_up(8)
    path = tmp_path / "trials.csv"
    table.to_csv(path, index=False)
    before, after = findings(table), findings(read_csv(path))
    assert before.settings == after.settings
    assert before.reasons == after.reasons
    for name, statistic in before.tables.items():
        pd.testing.assert_frame_equal(statistic, after.tables[name])


def test_an_empty_table_says_how_to_fill_it() -> None:
    with pytest.raises(AnalysisError, match="empty; run `twofold study` first"):
        as_trials(pd.DataFrame())


def test_a_column_that_lacks_is_named(made_up: Made) -> None:
    with pytest.raises(AnalysisError, match="no column `test_error`; it has data, pool"):
        findings(made_up(2).drop(columns="test_error"))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("test_error", "bad", r"`test_error` \(='bad'\) must be a number"),
        ("test_error", 12.5, r"`test_error` \(=12.5\) must be a fraction between 0 and 1; divide percents by 100"),
        ("round", "one", r"`round` \(='one'\) must be a whole number"),
    ],
)
def test_what_is_no_error_or_round_is_shown(made_up: Made, column: str, value: object, message: str) -> None:
    table = made_up(2)
    table[column] = [value, *table[column][1:]]
    with pytest.raises(AnalysisError, match=message):
        findings(table)


def test_rounds_of_different_seeds_are_different_rounds(made_up: Made) -> None:
    table = pd.concat([made_up(3), made_up(2, seed=1).assign(seed=1)])
    assert len(by_round(table)) == 5


def test_varying_settings_are_those_with_several_values(made_up: Made) -> None:
    table = pd.concat([made_up(2, optimizer="sgd"), made_up(2, optimizer="adam")])
    assert varying_settings(table) == ["optimizer"]
    assert settings_of(table)["optimizer"] == ["adam", "sgd"]
    assert settings_of(table)["aux_weight"] == [1.0]


def test_choosing_keeps_what_fits_and_networks_without_a_weight_of_losses(made_up: Made) -> None:
    light = made_up(2)
    light.loc[light.auxiliary_losses, "aux_weight"] = 0.1
    both = pd.concat([made_up(2), light[light.auxiliary_losses]])
    chosen = select(both, {"aux_weight": [0.1], "network": None})
    assert varying_settings(chosen) == []
    assert chosen.network.value_counts().to_dict() == {"NetBase": 2, "NetWS": 2, "NetAL": 2, "NetWSAL": 2}
    assert list(chosen.index) == list(range(8))


@pytest.fixture
def margins(made_up: Made) -> pd.DataFrame:
    """Two rounds of two margins of a network that gives embeddings, and of one that does not."""
    embed = pd.concat([made_up(2, networks=["Embed"], contrastive_margin=margin) for margin in (2.0, 4.0)])
    plain = made_up(2, networks=["NetBase"], contrastive_margin=1.0)
    return pd.concat([embed.assign(distance_threshold=0.7), plain], ignore_index=True)


def test_the_margin_of_a_network_without_embeddings_is_no_value_of_it(margins: pd.DataFrame) -> None:
    assert settings_of(margins)["contrastive_margin"] == [2.0, 4.0]
    assert settings_of(margins[margins.network == "NetBase"])["contrastive_margin"] == []
    every = for_every_value(margins, ["contrastive_margin"])
    assert every.groupby(["network", "contrastive_margin"]).size().to_dict() == {
        (network, margin): 2 for network in ("Embed", "NetBase") for margin in (2.0, 4.0)
    }
    pd.testing.assert_frame_equal(for_every_value(margins, ["epochs"]), margins)


def test_tables_show_no_value_of_a_setting_that_a_network_does_not_use(margins: pd.DataFrame) -> None:
    own = margins.assign(identity=np.where(margins.network == "Embed", "a" * 64, None))
    shown = without_unused(own)
    is_embed = own.network == "Embed"
    assert shown.contrastive_margin.isna().equals(~is_embed)
    assert shown.bottleneck_activation.isna().equals(is_embed)
    assert shown.aux_weight.isna().equals(~own.auxiliary_losses)
    found = findings(own)
    for name in ("summary", "collapse", "explained"):
        rows = found.tables[name]
        assert rows.contrastive_margin.isna().equals(rows.network == "NetBase")


def test_choosing_a_margin_keeps_networks_without_embeddings(margins: pd.DataFrame) -> None:
    chosen = select(margins, {"contrastive_margin": [4.0]})
    assert varying_settings(chosen) == []
    assert chosen.network.value_counts().to_dict() == {"Embed": 2, "NetBase": 2}
    with pytest.raises(SettingError, match="no trial has `contrastive_margin` 3"):
        select(margins, {"contrastive_margin": [3.0]})


def test_a_network_that_diverged_always_is_known_by_its_margin(margins: pd.DataFrame) -> None:
    assert settings_of(margins.drop(columns="distance_threshold"))["contrastive_margin"] == [2.0, 4.0]


def test_choosing_what_is_not_there_says_what_is(made_up: Made) -> None:
    with pytest.raises(SettingError, match="no trial has `optimizer` sgd or adagrad; there is adam"):
        select(made_up(2), {"optimizer": ["sgd", "adagrad"]})
    with pytest.raises(AnalysisError, match="no such column"):
        select(made_up(2).drop(columns="epochs"), {"epochs": [100]})


def test_names_with_line_breaks_are_told_of_in_one_line(made_up: Made) -> None:
    odd = made_up(2).replace({"network": {"NetBase": "Net\nBase"}, "optimizer": {"adam": "a\rdam"}})
    with pytest.raises(AnalysisError, match=r"^Net\\nBase has 2 trials in round 0, .*; choose one setting$"):
        findings(pd.concat([odd, odd]))
    with pytest.raises(SettingError, match=r"^no trial has `optimizer` sgd; there is a\\rdam$"):
        select(odd, {"optimizer": ["sgd"]})
    with pytest.raises(AnalysisError, match=r"^the table of trials has no column `network`; it has .*net\\nwork.*$"):
        findings(odd.rename(columns={"network": "net\nwork"}))


def test_several_settings_are_summed_up_but_not_paired(made_up: Made) -> None:
    found = findings(pd.concat([made_up(4), made_up(4, normalise=True)]))
    assert found.varied == ["normalise"]
    assert set(found.tables) == {"summary", "collapse", "explained"}
    assert len(found.tables["summary"]) == 8


def test_trials_that_no_setting_tells_apart_are_refused(made_up: Made) -> None:
    with pytest.raises(AnalysisError, match="NetBase has 2 trials in round 0, which differ in `validation_pairs`"):
        findings(pd.concat([made_up(2), made_up(2, validation_pairs=0)]))
    with pytest.raises(AnalysisError, match="which differ in nothing"):
        findings(pd.concat([made_up(2), made_up(2), made_up(2, normalise=True)]))


def test_reasons_stand_where_a_statistic_cannot_be_given(made_up: Made) -> None:
    found = findings(made_up(5, networks=["NetBase"], epochs=3).drop(columns=["dead_first", "dead_second"]))
    assert set(found.tables) == {"summary"}
    assert set(found.reasons) == {"collapse", "explained", "differences", "effects", "spreads", "agreement", "counting"}
    assert "no column `dead_first`" in found.reasons["collapse"]


def test_a_table_needs_no_more_than_networks_rounds_and_errors(made_up: Made) -> None:
    found = findings(made_up(5)[["network", "round", "test_error"]])
    assert set(found.reasons) == {"collapse", "explained", "counting"}


def of_images(**columns):
    trials = {"network": "NetWS", "seed": 0, "round": range(4), "test_error": 0.5, "data": "./shapes", "pool": 1}
    return pd.DataFrame({**trials, "fingerprint": ["aa", "aa", "bb", "bb"], **columns})


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ({}, [f"./shapes ({'10 classes, 0 to 9'}) #{print}" for print in ("aa", "aa", "bb", "bb")]),
        (
            {"class_names": ["a,b", "a,b", '"x,1",y', '"x,1",y']},
            ["./shapes (a, b)", "./shapes (a, b)", './shapes ("x,1", y)', './shapes ("x,1", y)'],
        ),
        ({"pool": [1, 1, 2, 2]}, ["./shapes"] * 4),
        ({"fingerprint": "aa"}, ["./shapes"] * 4),
        ({"data": ["./shapes", "./shapes", "mnist", "mnist"]}, ["./shapes", "./shapes", "mnist", "mnist"]),
    ],
)
def test_images_of_one_name_that_are_others_are_told_apart(columns, names):
    trials = as_trials(of_images(**columns))
    assert list(trials.data) == names
    assert list(as_trials(trials).data) == names
    assert varying_settings(trials) == [name for name in ("data", "pool") if trials[name].nunique() > 1]
    assert len(select(trials, {"data": [names[-1]]})) == names.count(names[-1])
    if "data_given" in trials:
        assert len(select(trials, {"data": ["./shapes"]})) == 4


def test_a_question_has_its_hash_only_beside_another_of_its_name_about_the_same_images():
    questions = ["4-aaaaaa", "4-bbbbbb", "2-cccccc", "2-dddddd"]
    relations = ["ask.py:near", "ask.py:near", "ask.py:near", "=="]
    trials = as_trials(of_images(class_names=["a,b,c,d"] * 2 + ["a,b"] * 2, relation=relations, question=questions))
    assert list(trials.relation) == ["ask.py:near #aaaaaa", "ask.py:near #bbbbbb", "ask.py:near", "=="]
    assert list(as_trials(trials).relation) == list(trials.relation)


def test_trials_are_chosen_by_the_list_of_their_classes():
    trials = of_images(class_names=["a,b", "a,b", '"x,1",y', None])
    assert list(select(trials, {"classes": ["a, b"]})["round"]) == [0, 1]
    assert list(select(trials, {"classes": ['"x,1",y']})["round"]) == [2]
    assert list(select(trials, {"classes": ["0,1,2,3,4,5,6,7,8,9"]})["round"]) == [3]
    with pytest.raises(SettingError, match=r"`classes` b,a; there is a,b, '\"x,1\",y', 0,1"):
        select(trials, {"classes": ["b,a"]})
