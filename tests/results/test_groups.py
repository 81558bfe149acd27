"""Groups as the database counts them are those of the rows that it has, and no rows are read to tell them."""

from contextlib import contextmanager

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.errors import StoreError
from twofold.results import Store
from twofold.results.groups import COUNTED, DRAWN, TELLING, Where, networks_of
from twofold.settings import is_fresh

# What rows of the tests differ in, beside what is drawn.
_TOLD = ["network", "identity", "epochs", "class_names", "question"]

_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "network": st.sampled_from(["NetWS", "NetAL"]),
            "identity": st.sampled_from([None, "a" * 64, "b" * 64]),
            "epochs": st.sampled_from([2, 3]),
            "class_names": st.sampled_from([None, "cat,dog"]),
            "question": st.sampled_from([None, "10-" + "7" * 32]),
            "round": st.sampled_from([0, 1, 999, 1000, 1001]),
            "weight_round": st.sampled_from([0, 1, 1000]),
            "seed": st.sampled_from([0, 1]),
            "test_error": st.integers(0, 50).map(lambda wrong: wrong / 50),
            "distance_threshold": st.sampled_from([None, 0.5]),
        }
    ),
    max_size=12,
)


@contextmanager
def statements(store, verb="SELECT"):
    """The statements of a verb that are executed within it, each with its values."""
    told = []

    def tell(connection, cursor, statement, values, context, executemany):
        told.extend([(statement, values)] * statement.startswith(verb))

    sa.event.listen(store._engine, "before_cursor_execute", tell)
    yield told
    sa.event.remove(store._engine, "before_cursor_execute", tell)


def plan_of(store, statement, values):
    """How SQLite goes about a statement, step by step."""
    with store._engine.connect() as connection:
        return [step[3] for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]


def groups_in(table):
    """The groups of a table of rows, as pandas tells them, by the least key of each."""
    stage = {"fresh": is_fresh(table["round"]), "crossed": table["round"] != table.weight_round}
    alike = table.assign(**stage).groupby([*_TOLD, *stage], dropna=False, sort=False)
    return {of.key.min(): of for _, of in alike} if len(table) else {}


@settings(deadline=None, max_examples=40)
@given(rows=_ROWS, some=st.lists(st.booleans(), min_size=12, max_size=12))
def test_groups_are_those_of_the_rows(rows, some, row):
    store = Store(":memory:")
    for number, each in enumerate(rows):
        store.add(row | each | {"key": f"k{number:02}", "finished_at": f"2026-01-02T03:04:{59 - number}.000+00:00"})
    table, groups = store.read(), store.groups()
    expected = groups_in(table)
    assert list(groups.key) == sorted(expected, key=lambda key: (expected[key].finished_at.min(), key))
    for group in groups.itertuples():
        of = expected[group.key]
        assert (group.trials, group.first_round, group.last_round) == (len(of), of["round"].min(), of["round"].max())
        assert (group.best, group.worst) == (of.test_error.min(), of.test_error.max())
        assert [group.total, group.squares] == pytest.approx([of.test_error.sum(), (of.test_error**2).sum()])
        assert pd.isna(group.distance_threshold) == of.distance_threshold.isna().all()
        first = of[of.key == group.key].iloc[0]
        assert all(getattr(group, name) == first[name] or pd.isna(first[name]) for name in (*DRAWN, *TELLING))
    chosen = [key for key, is_chosen in zip(groups.key, some) if is_chosen]
    keys, places = store.members(chosen)
    assert keys == [key for key in table.key if any(key in set(expected[one].key) for one in chosen)]
    assert all(key in set(expected[chosen[place]].key) for key, place in zip(keys, places, strict=True))


@pytest.mark.parametrize("rounds", [range(2), range(1, 1001, 333), range(4, 0, -2), [1, 1000]])
def test_rounds_are_chosen_in_any_way_that_names_them(store, row, rounds):
    there = [0, 1, 2, 4, 667, 1000]
    for number in there:
        store.add(row | {"key": f"k{number}", "round": number, "weight_round": number, "seed": number % 2})
    where = Where(drawn={"round": rounds, "seed": [1]})
    odd = {number for number in there if number in rounds and number % 2}
    groups = store.groups(where)
    assert len(groups) == 2
    assert set(store.members(list(groups.key), where)[0]) == {f"k{number}" for number in odd}
    assert groups.trials.sum() == len(odd)
    assert store.drawn("round", list(groups.key), Where(drawn={"seed": [1]})) == [1, 667]


def test_the_database_counts_from_its_index_alone(tmp_path, row):
    """A setting that is new has to be in the index, or a store of a million trials is read whole to be listed."""
    store = Store(tmp_path / "some.db")
    store.add(row)
    with statements(store) as told:
        groups = store.groups(Where(drawn={"round": range(3), "seed": [0], "weight_round": [0]}))
        store.members(list(groups.key))
    counting, _, joining = (plan_of(store, *each) for each in told)
    assert counting[0] == "SCAN trials USING COVERING INDEX ix_trials_groups"
    assert not any("GROUP BY" in step for step in counting)  # in the order of the index, no trial is sorted
    joined = "SEARCH trials USING COVERING INDEX ix_trials_groups (network=? AND"
    assert any(step.startswith(joined) for step in joining)


@pytest.mark.parametrize("readers", [1, 2, 3, 7])
def test_readers_share_the_networks_of_a_file(tmp_path, row, monkeypatch, readers):
    """Each reads a part of the index that nobody else does, whatever networks are called, and all is counted once."""
    monkeypatch.setattr("twofold.results.store._READERS", readers)
    names = ["NetWS", "NetAL", "größe.py:Twin(share=True)", "zwei.py:Twin", "a.py:Twin"]
    alone, file = Store(":memory:"), Store(tmp_path / "some.db")
    for number, (name, epochs) in enumerate([(name, epochs) for name in names for epochs in (1, 2)] * 3):
        each = row | {"key": f"k{number:02}", "network": name, "epochs": epochs, "round": number}
        for store in (alone, file):
            store.add(each | {"finished_at": f"2026-01-02T03:04:{number * 7 % 60:02}.000+00:00"})
    with statements(file) as told:
        found = file.groups()
    pd.testing.assert_frame_equal(found, alone.groups())
    counting = [each for each in told if "GROUP BY" in each[0]]
    assert len(counting) == min(readers, len(names) - 1)  # one that has letters beyond ASCII goes with another
    for steps in (plan_of(file, *each) for each in counting):
        assert not any("GROUP BY" in step for step in steps)


def test_the_networks_of_a_store_are_looked_up(tmp_path, row):
    store = Store(tmp_path / "some.db")
    for number, name in enumerate(["NetWS", "NetAL", "NetWS"]):
        store.add(row | {"key": f"k{number}", "network": name, "round": number})
    with statements(store, "WITH") as told, store._engine.connect() as connection:
        assert networks_of(connection) == ["NetAL", "NetWS"]
        (steps,) = (plan_of(store, *each) for each in told)
        connection.exec_driver_sql("DROP INDEX ix_trials_groups")
        assert networks_of(connection) == []
    assert not any("ix_trials_groups" in step and step.startswith("SCAN") for step in steps)
    assert any(step.startswith("SEARCH trials USING COVERING INDEX ix_trials_groups (network>?") for step in steps)


def test_a_thousand_keys_are_told_in_one_statement(store, row):
    for number in range(40):
        store.add(row | {"key": f"k{number}", "epochs": number + 1})
    groups = list(store.groups().key)
    with statements(store) as told:
        assert len(store.members([*groups, *(f"none{number}" for number in range(40_000))])[0]) == 40
    assert len(told) == 1


@pytest.mark.parametrize(
    "name", ["network", "finished_at", "test_error", "round", "epochs", "true_share", "distance_threshold", "key"]
)
@pytest.mark.parametrize("cell", ["x", b"x"])
def test_a_cell_that_no_trial_can_have_is_named(tmp_path, row, name, cell):
    store = Store(tmp_path / "some.db")
    for number in range(3):
        store.add(row | {"key": f"k{number}", "round": number, "weight_round": number})
    with store._engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE trials SET {name} = ? WHERE key = 'k1'", (cell,))
    if name in ("key", "network", "finished_at") and cell == "x":  # which may be one
        assert store.groups().trials.sum() == 3
        return
    with pytest.raises(StoreError, match=f"trial .*`{name}`"):
        store.read(store.members(list(store.groups().key))[0])


def test_counts_of_nothing(store):
    assert store.groups().empty
    assert set(COUNTED) <= set(store.groups())
    assert store.members([]) == ([], [])
