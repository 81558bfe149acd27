"""Stores that somebody else has written: what no run of ours would write is named, and nothing in them is run."""

import re
import shutil
import sqlite3
from contextlib import closing

import pytest
from tests.mutations.readers import READERS, row_of

from twofold.errors import StoreError
from twofold.results import Store

MADE = READERS["a store"]
KEY = row_of(1)["key"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return MADE.make(tmp_path_factory.mktemp("made"))


@pytest.fixture
def path(made, tmp_path):
    return shutil.copy(made, tmp_path / "t.db")


def change(path, statement, *values):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement, values)


CELLS = [
    ("test_error", "abc", r"\(='abc'\) must be a number"),
    ("test_error", 1.5, r"\(=1.5\) must be a fraction between 0 and 1"),
    ("seconds", float("inf"), r"\(=inf\) must be a finite number"),
    ("round", 2.5, r"\(=2.5\) must be a whole number"),
    ("round", "7" * 400, r"\(=inf\) must be a whole number"),
    ("epochs", -1, r"\(=-1\) must be at least 1"),
    ("diverged", "no", r"\(='no'\) must be True or False"),
    ("diverged", 2, r"\(=2\) must be True or False"),
    ("optimizer", "sgdd", r"\(='sgdd'\) is unknown"),
    ("network", b"\x00\xff", r"\(=b'\\x00\\xff'\) must be a text"),
    ("question", "ten", r"\(='ten'\) must be what tells a relation"),
    ("class_names", "a\nb", r"\(='a\\nb'\) must be names separated by commas"),
    ("train_loss", "[1, 2", r"\(=\[1, 2\) must be JSON"),
    ("train_loss", "[" * 100_000, r"\(=\[+…\) must be JSON"),
    ("train_loss", '{"a": 1}', r".* must be a list of numbers"),
    ("dead_layers", '{"a": 1}', r".* must be a pair of counts for each layer"),
    ("dead_units_trace", "[1]", r".* must be a pair of counts for each epoch"),
]


@pytest.mark.parametrize(("column", "value", "told"), CELLS, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(CELLS)])
def test_a_bad_cell_is_named_by_its_trial_and_its_column(path, column, value, told):
    change(path, f"UPDATE trials SET {column} = ? WHERE key = ?", value, KEY)
    with pytest.raises(StoreError, match=f"t.db is damaged: in the trial {KEY}, `{column}` {told}") as error:
        Store(path, create=False).read(histories=True)
    assert len(str(error.value).splitlines()) == 1
    others = [row_of(number)["key"] for number in (0, 2, 3)]
    assert list(Store(path, create=False).read(others, histories=True).key) == others


def test_a_cell_that_is_no_text_is_named(path):
    change(path, "UPDATE trials SET device = CAST(x'ff41' AS TEXT) WHERE key = ?", KEY)
    with pytest.raises(StoreError, match=rf"in the trial {KEY}, `device` \(='\\udcffA'\) must be a text"):
        Store(path, create=False).read()


def test_a_cell_beyond_all_bounds_is_not_read(path):
    change(path, "UPDATE trials SET device = zeroblob(40000000) WHERE key = ?", KEY)
    with pytest.raises(StoreError, match=r"t.db \(string or blob too big\); name another"):
        Store(path, create=False).read()


RUN = {
    "the trigger t": "CREATE TRIGGER t AFTER INSERT ON trials BEGIN DELETE FROM trials; END",
    "the view questions": "CREATE VIEW questions AS SELECT * FROM trials",
    "the table claims": "CREATE VIRTUAL TABLE claims USING fts5(key, owner)",
}


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("what", RUN)
def test_what_sqlite_would_run_is_refused(path, what, create):
    if not what.startswith("the trigger"):
        change(path, f"DROP TABLE {what.split()[-1]}")
    try:
        change(path, RUN[what])
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no such tables")
    with pytest.raises(StoreError, match=rf"is no store of twofold: {what} is none of ours; name another with --store"):
        Store(path, create=create)


def test_a_schema_with_bytes_that_are_no_text_is_refused(path):
    """SQLite quotes them in what it says, which Python cannot read."""
    content = path.read_bytes()
    path.write_bytes(content.replace(b"iindexix_claims_owner", b"iindexix_claims\xdfowner"))
    with pytest.raises(StoreError, match=r"^cannot use the store .*t.db \(malformed database schema\); name another"):
        Store(path, create=False)
    with pytest.raises(StoreError, match=r"^there is no store at .*u.db; `twofold study"):
        Store(path.with_name("u.db"), create=False)


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("version", ["9999", "abc", "", b"\x00", 7, "0001\n"])
def test_a_version_that_is_none_of_ours_is_refused(path, version, create):
    change(path, "UPDATE twofold_version SET version_num = ?", version)
    with pytest.raises(
        StoreError, match=r"has version .*, and this twofold knows versions up to \d+; install"
    ) as error:
        Store(path, create=create)
    assert len(str(error.value).splitlines()) == 1


def test_a_store_that_has_lost_its_version_is_left_as_it_is(path):
    change(path, "DELETE FROM twofold_version")
    before = Store(path, create=False).read(histories=True)
    with pytest.raises(StoreError, match=r"t\.db"):
        Store(path)
    assert Store(path, create=False).read(histories=True).equals(before)


def test_a_journal_that_is_numbered_to_the_end_is_refused(path):
    change(path, "UPDATE search_journal SET number = ?", 2**63 - 1)
    with pytest.raises(StoreError, match=r"^cannot use the store .*t.db \(datatype mismatch\); name another"):
        Store(path).append_journal([{"op_code": 1}])


@pytest.mark.parametrize("entry", ["[1]", "7", "{", '{"op_code": 0}', '{"op_code": 99, "worker_id": 1}'])
def test_a_journal_that_nobody_wrote_so_is_refused(path, entry):
    optuna = pytest.importorskip("optuna")
    from twofold.results.patience import Patience
    from twofold.study.tune import _Journal, _studies

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    change(path, "UPDATE search_journal SET entry = ?", entry)
    with pytest.raises(StoreError, match=r"t.db is damaged: .*journal of searches"):
        _studies(_Journal(Store(path), Patience(print)), ["a"])


def test_a_description_that_is_none_is_refused(path):
    change(
        path, """UPDATE networks SET description = '{"calls": [], "outputs": [3], "classes": null, "answer": "x"}'"""
    )
    with pytest.raises(StoreError, match=re.escape("of the network " + "a" * 64)):
        Store(path, create=False).described()
