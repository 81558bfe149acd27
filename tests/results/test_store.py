"""The store: what comes back, who may train what, and databases that are not ours."""

import os
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.results.conftest import in_tables
from tests.study.stores import journal_of, runs_in

from twofold.errors import StoreError
from twofold.results import Store, new_owner
from twofold.results import claims as claims_module
from twofold.results.claims import LIFETIME, portion


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.db"


@pytest.fixture
def store(path):
    return Store(str(path))


def sql(path, statement, *values):
    """Run a statement on the database file, past the store."""
    connection = sqlite3.connect(path)
    with connection:
        found = connection.execute(statement, values).fetchall()
    connection.close()
    return found


def claimed(store, owner, key="k", **options):
    """Whether the owner may train the trial."""
    return store.claim([key], owner, **options) == ([key], [])


def test_a_row_comes_back_as_it_was(store, row):
    store.add(row)
    table = store.read(["k"], histories=True)
    assert table.to_dict("records") == [in_tables(row)]


def test_types_come_back(store, row):
    store.add(row)
    store.add(row | {"key": "l", "digit_error": None, "validation_error": None, "dead_units_trace": None})
    table = store.read(histories=True)
    for name in ("weight_sharing", "auxiliary_losses", "shuffle", "normalise", "diverged"):
        assert table[name].dtype == bool
    for name in ("round", "epochs", "seed", "dead_first"):
        assert table[name].dtype == "int64"
    for name in ("test_error", "validation_error", "digit_error", "learning_rate", "seconds"):
        assert table[name].dtype == "float64"
    assert table.digit_error.isna().tolist() == [False, True]
    assert table.validation_error.isna().tolist() == [False, True]
    assert table.dead_units_trace[1] is None


def test_columns_of_nothing_but_none_are_numbers_all_the_same(store, row):
    nothing = ["digit_error", "validation_error", "distance_threshold"]
    store.add(row | dict.fromkeys(nothing))
    assert (store.read()[nothing].dtypes == "float64").all()


def test_a_diverged_loss_comes_back_as_none(store, row):
    store.add(row | {"train_loss": [1.5, None], "diverged": True})
    assert store.read(histories=True).train_loss[0] == [1.5, None]


def test_an_empty_store_has_all_columns_and_no_rows(store, row):
    assert store.read().empty
    assert set(store.read(histories=True).columns) == set(in_tables(row))
    assert store.read(["k"]).empty


def test_rows_come_in_the_order_asked_for(store, row):
    keys = [f"{n:04}" for n in range(1200)]  # more than one query takes
    for key in keys[:3]:
        store.add(row | {"key": key})
    assert store.read([*reversed(keys), "absent"]).key.tolist() == ["0002", "0001", "0000"]
    assert store.present(keys) == {"0000", "0001", "0002"}


def test_all_rows_come_as_they_finished(store, row):
    for key, second in (("a", 9), ("b", 1), ("c", 5)):
        store.add(row | {"key": key, "finished_at": f"2026-01-02T03:04:0{second}.000+00:00"})
    assert store.read().key.tolist() == ["b", "c", "a"]


def test_long_columns_come_only_with_histories(store, row):
    store.add(row)
    assert {"train_loss", "dead_units_trace"}.isdisjoint(store.read().columns)


def test_a_row_is_written_whole_or_not_at_all(store, row, path):
    """A row that the database refuses leaves neither itself nor a gap where an earlier one was."""
    store.add(row)
    assert claimed(store, new_owner(), "other")
    with pytest.raises(StoreError, match=r"NOT NULL.*test_error"):
        store.add(row | {"test_error": None})
    with pytest.raises(StoreError, match="NOT NULL"):
        store.add(row | {"key": "other", "test_error": None})
    assert store.read(histories=True).to_dict("records") == [in_tables(row)]
    assert sql(path, "select key from claims") == [("other",)]


def test_a_row_takes_the_place_of_the_earlier_one(store, row):
    store.add(row | {"dead_units_trace": None})
    assert store.present(["k"]) == {"k"}
    assert store.present(["k"], traced=True) == set()
    store.add(row)
    assert store.present(["k"], traced=True) == {"k"}
    assert len(store.read()) == 1


def test_a_trial_is_claimed_once(store):
    first, second = new_owner(), new_owner()
    assert claimed(store, first)
    assert not claimed(store, second)
    store.release_claims(second)
    assert not claimed(store, second)
    store.release_claims(first)
    assert claimed(store, second)


def test_what_is_stored_is_not_claimed(store, row, path):
    store.add(row | {"dead_units_trace": None})
    assert not claimed(store, new_owner())
    assert sql(path, "select * from claims") == []
    assert claimed(store, new_owner(), traced=True)


def test_storing_a_trial_gives_up_its_claim(store, row, path):
    claimed(store, new_owner())
    store.add(row)
    assert sql(path, "select * from claims") == []


CLAIM_ONE = """
import sys
from twofold.results import Store, new_owner
assert Store(sys.argv[1]).claim(["k"], new_owner()) == (["k"], [])
print("claimed", flush=True)
sys.stdin.readline()
"""


def test_the_claim_of_a_dead_process_does_not_count(store, path, launch):
    """Also where nobody has waited for it yet; of one that lives it does, whatever the number of another machine's."""
    pipe = subprocess.PIPE
    process = launch([sys.executable, "-c", CLAIM_ONE, str(path)], stdin=pipe, stdout=pipe, text=True)
    assert process.stdout.readline() == "claimed\n"
    assert not claimed(store, new_owner())
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is not waited for
    assert claimed(store, new_owner())


def test_what_others_write_now_is_left_to_them(store, path):
    """Their runs, and the journal by which SQLite undoes what they have not written in full."""
    assert claimed(store, new_owner())
    store.rest()
    with closing(sqlite3.connect(path)) as other:
        other.execute("delete from claims")
        before = journal_of(path).read_bytes()
        store.tidy()
        assert journal_of(path).read_bytes() == before
        other.rollback()
    assert (runs_in(path), sql(path, "select count(*) from claims")) == (1, [(1,)])


@pytest.mark.parametrize("process", ["", "another-start/1:1:1", "not of ours", ":::"])
def test_a_process_that_is_not_known_here_is_not_taken_for_dead(process, store, path):
    assert claimed(store, "elsewhere")
    sql(path, "update runs set process = ?", process)
    assert not claimed(store, new_owner())


class Clock:
    """A clock that does not go by itself."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(claims_module, "time", clock)
    return clock


def looks(store, owner, clock, seconds, every=5.0):
    """Looks for so many seconds whether the trial is free, and says whether it is, and so taken, at last."""
    for _ in range(int(seconds / every)):
        assert not claimed(store, owner)
        clock.now += every
    return claimed(store, owner)


def test_a_claim_holds_as_long_as_its_run_beats(store, path, clock):
    """The first has a clock that is two hours off, and nobody asks it."""
    first, second = new_owner(), new_owner()
    assert claimed(store, first)
    sql(path, "update runs set process = 'elsewhere/1:1:1'")
    for _ in range(5):
        assert not looks(store, second, clock, LIFETIME - 10)
        store.beat(first, ["k"], trials=1, done=0)
    assert looks(store, second, clock, LIFETIME)


def test_who_was_stopped_has_not_seen_that_another_stood_still(store, path, clock):
    """A laptop that slept: its clock has gone on, and both runs go on."""
    first, second = new_owner(), new_owner()
    assert claimed(store, first)
    assert not claimed(store, second)
    clock.now += 7200
    assert not claimed(store, second)


def test_a_run_that_was_forgotten_claims_anew_what_it_trains_and_nobody_else_has_taken(store, clock, path):
    stopped, other, third = new_owner(), new_owner(), new_owner()
    assert all(claimed(store, stopped, key) for key in "kl")
    assert looks(store, other, clock, LIFETIME)  # and so takes k
    store.beat(stopped, ["k", "l"], trials=2, done=0)
    assert dict(sql(path, "select key, owner from claims")) == {"k": other, "l": stopped}
    assert not claimed(store, third, "l")


def test_a_run_that_lost_its_claim_overwrites_nothing(store, row):
    store.add(row)
    store.add(row | {"test_error": 0.99})
    assert store.read(histories=True).to_dict("records") == [in_tables(row)]


@given(left=st.integers(1, 10_000), runs=st.integers(1, 50))
def test_portions_bring_all_runs_to_their_end_together(left, runs):
    """None claims more than half of its part of what is left."""
    while left:
        size = portion(left, runs)
        assert 1 <= size <= max(1, left / runs / 2)
        left -= size


def test_runs_that_begin_at_once_end_together(row):
    """Ten runs that take equally long for each of 200 trials, and know of each other only when all have begun."""
    store, owners = Store("sqlite://"), [new_owner() for _ in range(10)]
    mine, done = {owner: [] for owner in owners}, Counter()
    left = {owner: [str(number) for number in range(200)] for owner in owners}
    while any(left.values()) or any(mine.values()):
        for owner in owners:
            if not mine[owner]:
                mine[owner], left[owner] = store.claim(left[owner], owner)
            if mine[owner]:
                store.add(row | {"key": mine[owner].pop()})
                done[owner] += 1
    assert set(done.values()) <= {19, 20, 21}


CLAIM_ALL = """
import sys
from twofold.results import Store, new_owner
store, owner = Store(sys.argv[1]), new_owner()
print("ready", flush=True)
sys.stdin.readline()
left, mine = [str(n) for n in range(60)], []
while left:
    claimed, left = store.claim(left, owner)
    mine += claimed
print(*mine)
sys.stdin.readline()
"""


def test_processes_share_the_trials_out_between_them(launch, path):
    """Three processes begin at once on one SQLite file; no trial is claimed twice, and none by nobody."""
    Store(str(path))
    command = [sys.executable, "-c", CLAIM_ALL, str(path)]
    pipe = subprocess.PIPE
    processes = [launch(command, stdin=pipe, stdout=pipe, text=True, bufsize=1) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
    claimed = [process.stdout.readline().split() for process in processes]
    for process in processes:  # only now may they end: a dead process's claims would be free
        process.communicate("end\n", timeout=60)
    assert sorted(int(key) for keys in claimed for key in keys) == list(range(60))


def test_a_path_is_an_sqlite_file(path, row):
    Store(str(path)).add(row)
    assert Store(f"sqlite:///{path}").present(["k"]) == {"k"}


def test_a_store_in_memory_works(row):
    store = Store("sqlite://")
    assert claimed(store, new_owner())
    store.add(row)
    assert store.present(["k"]) == {"k"}


def test_a_store_that_is_not_there_is_not_made_by_reading(path):
    with pytest.raises(StoreError, match=r"no store at .*results\.db; `twofold study --store .*results\.db` makes one"):
        Store(str(path), create=False)
    assert not path.exists()


def test_reading_adds_nothing_to_a_store(path, row):
    Store(str(path)).add(row)
    os.chmod(path, 0o444)
    before = path.read_bytes()
    assert len(Store(str(path), create=False).read()) == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("table", ["trials (trial_id integer, value real)", "recipes (name text)"])
def test_the_database_of_another_program_is_left_alone(table, create, path):
    sql(path, f"create table {table}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"(another program|no store of twofold).*name another with --store"):
        Store(str(path), create=create)
    assert path.read_bytes() == before


def test_a_store_half_made_is_made_whole(path, row):
    """As another process leaves it for a moment, or for good where it is killed."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE claims (key TEXT PRIMARY KEY, owner TEXT, renewed_at REAL)")
    Store(str(path)).add(row)
    assert len(Store(str(path)).read()) == 1


def test_an_empty_file_becomes_a_store_but_is_none(path):
    path.touch()
    with pytest.raises(StoreError, match="the file is empty"):
        Store(str(path), create=False)
    assert Store(str(path)).read().empty


UNUSABLE = {
    "no folder": ("sqlite:///{folder}/no/where.db", "there is no folder .*no; make it first"),
    "a folder": ("{folder}", "it is a folder"),
    "another file": ("{folder}/text.db", "file is not a database"),
    "no such database": ("nosuchbase://h/x", "stores are SQLite files and PostgreSQL databases"),
    "no URL": ("://", "stores are SQLite files and PostgreSQL databases"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_cannot_be_opened_is_named(case, tmp_path):
    (tmp_path / "text.db").write_text("No database, although it is as long as the header of one. " * 20)
    url, says = UNUSABLE[case]
    with pytest.raises(StoreError, match=f"cannot use the store .*{says}.*name another with --store") as caught:
        Store(url.format(folder=tmp_path))
    assert "\n" not in str(caught.value)
