"""A store that goes away while a study trains: what is finished waits for it, or is written elsewhere."""

import sqlite3
import threading
from contextlib import closing

import jax
import pytest

from twofold.data import load_images
from twofold.errors import SettingError, StoreError
from twofold.results import ModelStore, Store, models_folder, patience, sqlite
from twofold.study import factorial
from twofold.study.conduct import conduct
from twofold.study.keep import Keeper
from twofold.study.listener import Silence

DIGITS = load_images("mnist5k")


class Locker(Silence):
    """Another program that locks the store when the first trial is in it, for `seconds`; None is for good."""

    def __init__(self, path, seconds):
        self.path, self.seconds, self.notes, self.rows, self.other = path, seconds, [], [], None

    def note(self, text):
        self.notes.append(text)

    def done(self, row):
        self.rows.append(row)
        if self.other is None:
            self.other = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self.other.execute("BEGIN EXCLUSIVE")
            if self.seconds is not None:
                threading.Timer(self.seconds, self.other.rollback).start()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(sqlite, "_BUSY", 0.05)
    monkeypatch.setenv(patience.VARIABLE, "1")


def train(tmp_path, seconds, rounds=4, keep="none"):
    path = tmp_path / "here" / "a.db"
    path.parent.mkdir()
    store = Store(path)
    trials = factorial(DIGITS, rounds=range(rounds), network="NetWS", pairs=50, test_pairs=20, epochs=1)
    keeper = Keeper(keep, ModelStore(models_folder(path)), store, trials, DIGITS)
    listener = Locker(path, seconds)
    try:
        conduct(trials, DIGITS, store, devices=lambda: jax.devices()[:1], listener=listener, keeper=keeper)
    finally:
        if listener.seconds is None:
            listener.other.rollback()
    return store, listener, trials


def test_what_is_trained_while_the_store_is_away_is_stored_when_it_is_back(tmp_path, impatient, monkeypatch):
    monkeypatch.setenv(patience.VARIABLE, "60")
    store, listener, trials = train(tmp_path, seconds=0.5)
    assert set(store.read().key) == {trial.key for trial in trials}
    assert [row["key"] for row in listener.rows] == [trial.key for trial in trials]
    away, back = listener.notes
    assert away == (
        f"the store {tmp_path}/here/a.db cannot be used now (another program has locked it); "
        "trying again for 60 seconds: what is trained waits in memory"
    )
    assert back == "the store is back"


def test_what_a_store_that_stays_away_does_not_take_is_written_as_another(tmp_path, impatient):
    told = r"another program has locked it.*; \d finished trials? kept in "
    with pytest.raises(StoreError, match=told) as error:
        train(tmp_path, seconds=None, rounds=16, keep="all")
    rescued = tmp_path / "here" / "twofold-rescued.db"
    assert f"`twofold store merge {rescued}` stores" in str(error.value)
    there, kept = Store(tmp_path / "here" / "a.db").read(), Store(rescued, create=False).read()
    assert len(there) == 1
    assert len(kept) == 3  # the other three of those that were claimed at first
    assert set(there.key).isdisjoint(kept.key)
    assert {record["key"] for record in ModelStore(models_folder(rescued)).records()} == set(kept.key)
    assert (kept.relation == "<=").all()
    with closing(sqlite3.connect(tmp_path / "here" / "a.db")) as database:
        assert database.execute("select count(*) from claims").fetchone() in [(0,), (3,)]


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_a_patience_that_is_none_is_refused(text, monkeypatch):
    monkeypatch.setenv(patience.VARIABLE, text)
    with pytest.raises(SettingError, match=rf"^TWOFOLD_STORE_PATIENCE \(={text}\) must be a number of seconds"):
        patience.Patience(print)
