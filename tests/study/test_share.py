"""One run's share in a store: what it is to train, whatever becomes of its claims."""

import pytest

from twofold.errors import StoreAway
from twofold.results import Store, new_owner
from twofold.results.patience import Patience
from twofold.study import share as share_module
from twofold.study.outbox import Outbox
from twofold.study.share import Share

KEYS = [f"{number:02}" for number in range(16)]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "r.db")


@pytest.fixture
def claimed(store, monkeypatch):
    """What a run is to train of the keys; it has claimed the first four, and trained the first of these."""
    monkeypatch.setattr(share_module, "_LOOK_EVERY", 0.0)
    patience = Patience(lambda note: None)
    outbox = Outbox(store, patience, keeper=None)
    share = Share(store, outbox, patience, lambda note: None, traced=False, wanted_again=lambda key: False)
    claimed = share.claimed(KEYS)
    assert next(claimed) == KEYS[0]
    return claimed


def forget(store):
    """Forget the one run that there is, as another does where it stands still."""
    with store._engine.begin() as connection:
        for table in ("runs", "claims"):
            connection.exec_driver_sql(f"delete from {table}")


def test_what_another_took_of_a_run_that_was_stopped_is_not_trained_by_both(store, claimed):
    forget(store)
    assert store.claim(KEYS[1:3], new_owner())[0] == KEYS[1:2]
    assert list(claimed) == KEYS[2:]


def test_what_nobody_took_is_trained_all_the_same(store, claimed):
    forget(store)
    assert list(claimed) == KEYS[1:]


def test_what_is_claimed_is_trained_where_the_store_is_away(store, claimed, monkeypatch):
    def away(keys, owner):
        raise StoreAway("away", "away")

    monkeypatch.setattr(store, "held", away)
    assert [next(claimed) for _ in range(3)] == KEYS[1:4]
