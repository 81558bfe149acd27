"""Plans in a store: the same plan is found again, on both databases, and what no run has recorded is refused."""

import json
import sqlite3
from contextlib import closing

import pytest

from twofold.errors import StoreError
from twofold.results import Plan, Store, new_owner
from twofold.results.groups import Where
from twofold.settings import moment

CONTENT = {
    "studies": [{"networks": ["NetWSAL"], "rounds": "0-1", "settings": {"epochs": 2}}],
    "identities": {"mnist": "f" * 32},
}
SEARCH = CONTENT | {"search": {"budget": 6, "together": True, "space": {"learning_rate": [0.1, 1.0]}, "names": ["s"]}}


def plan(letter, trials=2, content=CONTENT, command="study"):
    return Plan(letter * 64, command, trials, content)


def told(store):
    return [(each.number, each.plan.command, each.plan.trials, each.done) for each in store.plans()]


def test_a_plan_run_again_is_the_same_plan(store, row):
    assert store.plans() == []
    assert store.without_plan() == 0
    assert not store.has_plan(plan("a"), ["k", "l"])
    assert [store.record(plan(each), ["k", "l"]) for each in "aba"] == [1, 2, 1]
    first, second = store.plans()
    assert first.plan == plan("a")
    assert first.first_at <= second.first_at <= first.last_at
    store.add(row)
    store.add(row | {"key": "m"})
    assert told(store) == [(1, "study", 2, 1), (2, "study", 2, 1)]
    assert store.keys_of_plan(1) == ["k", "l"]
    assert store.without_plan() == 1
    assert store.has_plan(plan("a"), ["k", "l"])
    (group,) = store.groups().key
    finished = row["finished_at"]
    later = finished.replace("678", "679")
    for chosen, keys in ({"plan": 1}, "k"), ({"plan": 3}, ""), ({"since": finished}, "km"), ({"since": later}, ""):
        where = Where(**chosen)
        assert store.groups(where).trials.sum() == len(keys)
        assert store.members([group], where) == (list(keys), [0] * len(keys))


def test_a_search_comes_to_its_trials_and_may_be_given_more(store):
    def search(trials):
        return plan("c", trials, SEARCH, "tune")

    assert [store.record(search(6), keys) for keys in ([], ["k", "l"], ["m", "n"], ["k"])] == [1] * 4
    assert store.keys_of_plan(1) == ["k", "l", "m", "n"]
    assert not store.has_plan(search(12), ["k"])
    store.record(search(12), [])
    assert told(store) == [(1, "tune", 12, 0)]


def test_a_number_is_never_given_twice(store, row):
    store.add(row)
    assert [store.record(plan(each), ["k"]) for each in "ab"] == [1, 2]
    store.delete(["k"], plan=2)
    assert told(store) == [(1, "study", 2, 0)]
    assert store.count() == 0
    assert store.record(plan("b"), ["k"]) == 3
    store.append_journal([{"a": 1}])
    store.delete([], whole=True)
    assert (store.plans(), store.keys_of_plan(1), store.read_journal()) == ([], [], [])


def test_trials_of_other_plans_are_told(store):
    store.record(plan("a"), ["k", "l"])
    store.record(plan("b"), ["l", "m"])
    assert store.in_other_plans(["k", "l", "m"], 1) == {"l", "m"}
    assert store.in_other_plans(["k", "l", "m"], 2) == {"k", "l"}


def test_what_a_run_trains_is_not_deleted(store, row):
    store.add(row)
    store.record(plan("a"), ["k", "l"])
    store.record(plan("b"), ["m"])
    owner = new_owner()
    store.beat(owner, [], trials=2, done=1)
    assert store.claim(["l"], owner) == (["l"], [])
    gone = []
    for keys, number, whole in ((["k"], None, False), ([], 1, False), (["l"], None, False), ([], None, True)):
        with pytest.raises(StoreError, match=r"trains (plan 1|for this store) now; wait until it has ended"):
            store.delete(keys, plan=number, whole=whole, before=lambda: gone.append(1))
    assert (store.count(), gone) == (1, [])
    store.check_idle(["m"], plan=2)
    store.release_claims(owner)
    store.delete(["k"], plan=1, before=lambda: gone.append(1))
    assert (store.count(), gone, [each.number for each in store.plans()]) == (0, [1], [2])


def test_what_fails_before_deletes_nothing(store, row):
    store.add(row)

    def fail():
        raise StoreError("a file cannot be deleted")

    with pytest.raises(StoreError, match="a file"):
        store.delete(["k"], before=fail)
    assert store.count() == 1


def test_a_file_gives_room_back(tmp_path, row):
    path = tmp_path / "t.db"
    store = Store(path)
    for number in range(40):
        store.add(row | {"key": f"{number}", "train_loss": [1.5] * 2000})
    before = path.stat().st_size
    assert before <= store.size() < before + 8192
    store.delete([f"{number}" for number in range(39)])
    assert path.stat().st_size == before
    assert store.shrink() == before - path.stat().st_size > before // 2
    assert store.read(histories=True).key.tolist() == ["39"]
    store.delete(["39"])
    with closing(sqlite3.connect(path)) as other:  # reads it now
        other.execute("begin")
        other.execute("select * from trials").fetchall()
        assert store.shrink() == 0
    assert store.count() == 0


WRONG = [
    ("content", "[1]"),
    ("content", json.dumps(CONTENT | {"more": 1})),
    ("content", json.dumps(CONTENT | {"studies": []})),
    ("content", json.dumps(CONTENT | {"studies": [{"networks": "NetWS", "rounds": "1"}]})),
    ("content", json.dumps(CONTENT | {"studies": [{"networks": ["NetWS"], "rounds": 1}]})),
    ("content", json.dumps(CONTENT | {"studies": [{"networks": ["NetWS"], "rounds": "1", "settings": {"a": {}}}]})),
    ("content", json.dumps(CONTENT | {"search": {"budget": 0}})),
    ("content", json.dumps(CONTENT | {"search": {"budget": 1, "together": 2}})),
    ("content", json.dumps(CONTENT | {"identities": {"a": 1}})),
    ("command", "rm"),
    ("identity", "abc"),
    ("trials", -1),
    ("first_at", "yesterday"),
    ("last_at", "2026-01-01"),
    ("version", b"\xff"),
]


@pytest.mark.parametrize(("column", "value"), WRONG)
def test_what_no_run_has_recorded_is_named(tmp_path, column, value):
    store = Store(tmp_path / "t.db")
    store.record(plan("a"), ["k"])
    with closing(sqlite3.connect(tmp_path / "t.db")) as connection, connection:
        connection.execute(f"update plans set {column} = ?", [value])
    with pytest.raises(StoreError, match=r"t\.db is damaged: of the plan 1 .*; restore") as error:
        Store(tmp_path / "t.db", create=False).plans()
    assert len(str(error.value).splitlines()) == 1


def test_moments_are_in_the_order_of_their_texts():
    from datetime import UTC, datetime, timedelta, timezone

    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    east = noon.astimezone(timezone(timedelta(hours=5)))
    assert moment(east) == moment(noon) == "2026-11-01T12:00:00.000+00:00" < moment(noon + timedelta(milliseconds=1))
