"""A study on PostgreSQL goes on by itself when its connection is cut, and when the server is killed and comes back."""

import threading
import time

import jax
import pytest

from twofold.data import load_images
from twofold.results import ModelStore, Store
from twofold.study import factorial
from twofold.study.conduct import conduct
from twofold.study.keep import Keeper
from twofold.study.listener import Silence

pytest.importorskip("psycopg")

DIGITS = load_images("mnist5k")

# Seconds for which the server is gone: longer than the first pauses.
GONE = 1.0


class Troublemaker(Silence):
    """Cuts the connections when the first trial is stored, and kills the server when the second is."""

    def __init__(self, postgres, database):
        self.postgres, self.database = postgres, database
        self.notes, self.rows, self.epochs, self.cut = [], [], 0, 0
        self.restarting = threading.Thread(target=self.restart)

    def advance(self, epochs):
        self.epochs += epochs

    def note(self, text):
        self.notes.append(text)

    def done(self, row):
        self.rows.append(row)
        if len(self.rows) == 1:
            self.cut = self.postgres.cut(self.database)
        if len(self.rows) == 2:
            self.postgres.kill()
            self.restarting.start()

    def restart(self):
        time.sleep(GONE)
        self.postgres.start()


def test_a_study_goes_on_where_its_server_is_killed_and_started_again(postgres, tmp_path):
    url = postgres.database()
    database = url.rpartition("/")[2]
    store, models = Store(url), ModelStore(tmp_path)
    trials = factorial(DIGITS, rounds=range(5), network="NetWS", pairs=50, test_pairs=20, epochs=1)
    trouble = Troublemaker(postgres, database)
    try:
        keeper = Keeper("all", models, store, trials, DIGITS)
        conduct(trials, DIGITS, store, devices=lambda: jax.devices()[:1], listener=trouble, keeper=keeper)
    finally:
        trouble.restarting.join()
    assert trouble.cut > 0
    assert [row["key"] for row in trouble.rows] == [trial.key for trial in trials]
    assert trouble.epochs == len(trials)  # none was trained twice
    assert set(store.read().key) == {trial.key for trial in trials} == models.present(trial.key for trial in trials)
    away, back = trouble.notes
    assert away.startswith(f"the store {url} cannot be used now (")
    assert away.endswith("; trying again for 10 minutes: what is trained waits in memory")
    assert back == "the store is back"
    assert postgres.ask("SELECT count(*) FROM claims", database) == [(0,)]
