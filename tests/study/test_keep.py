"""Keeping networks: which ones, what is trained again for it, and that they are the networks of their trials."""

import sqlite3
from contextlib import closing

import jax
import numpy as np
import pytest

from twofold.data import load_images
from twofold.errors import SettingError, StoreError
from twofold.report.page.kept import find_mistakes
from twofold.results import ModelStore, Store
from twofold.study import factorial
from twofold.study.conduct import Silence, conduct
from twofold.study.keep import KEEP, Keeper

DIGITS = load_images("mnist5k")


class Counting(Silence):
    """Counts the trials that were trained, and keeps the notes."""

    def __init__(self):
        self.trained, self.notes = [], []

    def done(self, row):
        self.trained.append(row["key"])

    def note(self, text):
        self.notes.append(text)


class Study:
    """A small plan on a store, conducted with one way of keeping networks after another."""

    def __init__(self, folder):
        self.path = folder / "a.db"
        self.store, self.models = Store(str(self.path)), ModelStore(folder / "a.models")

    def run(self, keep, rounds=3, **options):
        settings = {"network": ["NetWS", "NetWSAL"], "validation_pairs": 60, "learning_rate": 0.001, **options}
        trace = settings.pop("trace", False)
        sizes = {"pairs": 50, "test_pairs": 60, "epochs": 1}
        trials = factorial(DIGITS, rounds=range(rounds), **sizes, **settings)
        listener, keeper = Counting(), Keeper(keep, self.models, self.store, trials, DIGITS)
        conduct(trials, DIGITS, self.store, devices=jax.devices, listener=listener, trace=trace, keeper=keeper)
        return listener

    def kept(self):
        return {record["key"] for record in self.models.records()}

    def best(self, by="validation_error"):
        table = self.store.read()
        table = table[~table.diverged].sort_values([by, "round"])
        return set(table.drop_duplicates(["network", "learning_rate"]).key)


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_none_keeps_nothing_and_makes_no_folder(study):
    study.run("none")
    assert study.kept() == set()
    assert not study.models.folder.exists()


def test_all_keeps_every_trial(study):
    study.run("all")
    assert study.kept() == set(study.store.read().key)


@pytest.mark.parametrize("validation_pairs", [60, 0])
def test_best_keeps_one_a_network_and_setting_by_validation_or_else_by_test_error(study, validation_pairs):
    study.run("best", validation_pairs=validation_pairs, learning_rate=[0.001, 0.01])
    assert study.kept() == study.best("validation_error" if validation_pairs else "test_error")
    assert len(study.kept()) == 4


def test_best_trains_again_only_the_best_of_what_was_stored_without_networks(study):
    study.run("none")
    before = study.store.read()
    again = study.run("best")
    assert set(again.trained) == study.kept() == study.best()
    assert study.store.read().equals(before)
    assert study.run("best").trained == []


def test_a_study_that_goes_on_trains_its_best_again_where_that_lies_in_the_stored_part(study):
    study.run("none", rounds=2)
    on = study.run("best", rounds=3)
    assert study.kept() == study.best()
    stored_before = {key for key in study.kept() if key not in on.trained}
    assert len(on.trained) == 2
    assert bool(stored_before) == any("once more" in note for note in on.notes)


def test_a_network_that_comes_out_otherwise_than_its_row_is_kept_all_the_same(study):
    """As on another machine, whose rounding differs: the row says better than what is trained now."""
    study.run("none")
    with closing(sqlite3.connect(study.path)) as connection, connection:
        connection.execute("UPDATE trials SET validation_error = 0.0 WHERE round = 1")
    assert set(study.run("best").trained) == study.best()
    assert study.kept() == study.best()


def test_all_trains_again_what_best_had_not_kept(study):
    study.run("best")
    missing = set(study.store.read().key) - study.kept()
    assert set(study.run("all").trained) == missing
    assert study.kept() == set(study.store.read().key)


def test_best_deletes_what_best_had_kept_and_never_what_all_had(study):
    study.run("best", rounds=1)
    first = study.kept()
    study.run("best", rounds=4)
    assert study.kept() == study.best()
    study.run("all", rounds=1)
    study.run("best", rounds=4)
    assert study.kept() == study.best() | first


def test_a_trace_that_was_stored_stays(study):
    study.run("none", trace=True)
    assert study.run("all").trained != []
    assert study.store.read(histories=True).dead_units_trace.notna().all()


def test_what_diverged_is_never_the_best(study):
    study.run("best", learning_rate=[0.001, 1e6], optimizer="sgd", network="NetWSAL")
    table = study.store.read()
    assert table[table.learning_rate == 1e6].diverged.all()
    assert study.kept() == study.best()
    assert study.run("best", learning_rate=[0.001, 1e6], optimizer="sgd", network="NetWSAL").trained == []


@pytest.mark.parametrize("options", [{}, {"normalise": True, "bottleneck_activation": "leaky_relu", "relation": "=="}])
def test_a_kept_network_makes_the_errors_of_its_trial(study, options):
    study.run("all", rounds=1, **options)
    table = study.store.read().set_index("key")
    for key in study.kept():
        model = study.models.load(key)
        mistakes = find_mistakes(model, DIGITS)
        assert mistakes["of"] == 60
        assert mistakes["wrong"] / mistakes["of"] == pytest.approx(table.test_error[key])
        row = table.loc[key]
        assert {name: model.record[name] for name in table.columns if name in ("seconds", "round", "data")} == {
            "seconds": row.seconds, "round": row["round"], "data": row.data,
        }  # fmt: skip
    if options:
        assert model.record["pixel_deviation"] > 10
        assert np.isfinite(model.record["pixel_mean"])


def test_an_unknown_way_of_keeping_is_refused(study):
    assert KEEP == ("none", "best", "all")
    with pytest.raises(SettingError, match=r"`keep_models` .*='bets'.* did you mean best"):
        study.run("bets")


def test_a_folder_that_cannot_be_made_is_found_out_before_any_training(study, tmp_path):
    (tmp_path / "file").write_text("")
    study.models = ModelStore(tmp_path / "file" / "models")
    with pytest.raises(StoreError, match="--models"):
        study.run("best")
    assert study.store.read().empty
