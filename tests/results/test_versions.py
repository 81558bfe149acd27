"""Stores of every version: read as they are, brought to the newest, and refused where they are of a later one.

test_later_version.py runs these tests once more, with a twofold that has two more versions than this one.
"""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from twofold.errors import StoreError
from twofold.results import ModelStore, Store, models_folder, new_owner
from twofold.results.migrate import run
from twofold.results.schema import metadata, trials
from twofold.results.versions import FIRST, NEWEST, VERSIONS
from twofold.settings import SETTINGS

# Which is said where these tests ask SQLAlchemy what a store has.
pytestmark = pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")

STORES = Path(__file__).parents[1] / "stores"
# The store that the first version made itself, and one as the scripts make it for every version.
KINDS = {"first": FIRST} | {version: version for version in VERSIONS}


def sql(path, statement, *values):
    """What a statement gives in the database file, past the store."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def make(kind, folder, row):
    """Make a store of this kind that has rows, and give its path."""
    folder.mkdir()
    path = folder / "old.db"
    if kind == "first":
        return Path(shutil.copyfile(STORES / "first" / "twofold.db", path))
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        run(connection, "base", kind)
        tables = sa.MetaData()
        tables.reflect(connection)
        for key in ("k", "l"):
            connection.execute(sa.insert(tables.tables["trials"]), row | {"key": key})
        connection.execute(sa.insert(tables.tables["search_journal"]), {"number": 0, "entry": {"a": 1}})
        claim = {"key": "m", "owner": "o"}
        dated = {"renewed_at": 1.5} if "renewed_at" in tables.tables["claims"].c else {}
        connection.execute(sa.insert(tables.tables["claims"]), claim | dated)
    engine.dispose()
    return path


@pytest.fixture(params=KINDS)
def old(request, tmp_path, row):
    """The path of a store of an earlier version, or of the newest, and its version."""
    return make(request.param, tmp_path / "stores", row), KINDS[request.param]


def contents(path):
    """All rows of all tables of a store, each as a dict."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        there = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        return {
            name: [dict(row) for row in connection.execute(f"select * from {name} order by 1")]
            for name in metadata.tables
            if name in there
        }


def schema(path):
    """The tables of a store with all that SQLAlchemy knows of them, in no order of columns."""
    engine = sa.create_engine(f"sqlite:///{path}")
    inspector = sa.inspect(engine)
    found = {
        name: (
            {c["name"]: (str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(name)},
            inspector.get_pk_constraint(name),
            inspector.get_indexes(name),
            inspector.get_unique_constraints(name),
        )
        for name in inspector.get_table_names()
    }
    engine.dispose()
    return found


def files(folder):
    """The names and contents of the files in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def default_of(name, trial):
    """What a setting is in a trial of a version that did not have it."""
    return trial[SETTINGS[name].follows] if SETTINGS[name].follows else SETTINGS[name].default


def test_reading_leaves_a_store_as_it_is(old):
    path, _ = old
    path.chmod(0o444)
    path.parent.chmod(0o555)
    before = files(path.parent)
    store = Store(str(path), create=False)
    table = store.read(histories=True)
    keys = [row["key"] for row in contents(path)["trials"]]
    assert store.present(keys) == set(keys) == set(table.key)
    assert store.read(keys).key.tolist() == keys
    assert set(store.members(list(store.groups().key))[0]) == set(keys)
    assert store.read_journal()
    assert store.notes == []
    path.parent.chmod(0o755)
    assert files(path.parent) == before


def test_a_column_that_a_store_lacks_is_read_as_the_default(old):
    path, _ = old
    there = set(contents(path)["trials"][0])
    table = Store(str(path), create=False).read(histories=True)
    assert table.columns.tolist() == [each.name for each in trials.c if each.name != "wrong_answers"]
    for name in set(SETTINGS) - there:
        assert table[name].tolist() == [default_of(name, each) for each in table.to_dict("records")]
    assert "wrong_answers" in there or Store(str(path), create=False).wrong_answers(table.key) == {}


def test_reading_gives_the_same_before_and_after(old):
    path, _ = old
    before = Store(str(path), create=False).read(histories=True)
    after = Store(str(path)).read(histories=True)
    pd.testing.assert_frame_equal(before, after)


def test_writing_brings_a_store_to_the_newest_version(old, tmp_path, row):
    path, _ = old
    before = contents(path)
    Store(str(path))
    after = contents(path)
    if "runs" not in before:
        before.pop("claims")  # which earlier versions made otherwise
        assert after["claims"] == []
    for name, rows in before.items():
        assert [{column: new[column] for column in rows[0]} for new in after[name]] == rows if rows else not after[name]
    for name in set(SETTINGS) - set(before["trials"][0]):
        assert all(trial[name] == default_of(name, trial) for trial in after["trials"])
    Store(str(tmp_path / "fresh.db"))
    wanted = schema(tmp_path / "fresh.db")
    if "twofold_version" not in schema(path):
        wanted.pop("twofold_version")  # the first version's own store, as long as that version is the newest
    assert schema(path) == wanted
    defaults = {name: SETTINGS[name].default for name in SETTINGS if name not in row}
    Store(str(path)).add(row | defaults | {"key": "new"})
    assert Store(str(path)).present(["new"]) == {"new"}


def test_the_file_as_it_was_is_kept(old):
    path, version = old
    before = files(path.parent)
    was = contents(path) if version == NEWEST else None
    path.chmod(0o640)
    store = Store(str(path))
    if version == NEWEST:
        assert store.notes == []
        assert contents(path) == was
        assert files(path.parent) == before
        return
    copy = path.with_name(f"old.db.version-{version}.bak")
    assert store.notes == [
        f"the store was brought to version {NEWEST}; the file as it was is kept as old.db.version-{version}.bak"
    ]
    assert set(files(path.parent)) == {path.name, copy.name}
    assert sql(copy, "select * from trials") == sql(make_again(copy, before[path.name]), "select * from trials")
    assert copy.stat().st_mode & 0o777 == 0o640
    assert Store(str(path)).notes == []


def make_again(beside, content):
    """A file of its own with this content."""
    path = beside.with_name("before.db")
    path.write_bytes(content)
    return path


def test_a_fresh_store_has_the_newest_version_and_its_columns(tmp_path):
    store = Store(str(tmp_path / "fresh.db"))
    assert store.notes == []
    assert sql(tmp_path / "fresh.db", "select version_num from twofold_version") == [(NEWEST,)]
    made = schema(tmp_path / "fresh.db")
    for name, table in metadata.tables.items():
        columns, keys, *_ = made[name]
        assert {c.name: (str(c.type), c.nullable) for c in table.c} == {n: found[:2] for n, found in columns.items()}
        assert keys["constrained_columns"] == [c.name for c in table.primary_key]


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("version", ["9999", "another"])
def test_a_store_of_a_later_version_is_refused(tmp_path, version, create):
    path = tmp_path / "later.db"
    Store(str(path))
    sql(path, "update twofold_version set version_num = ?", version)
    before = files(tmp_path)
    with pytest.raises(
        StoreError, match=rf"later\.db has version {version}, .* up to {NEWEST}; install a newer twofold, .*--store"
    ) as refusal:
        Store(str(path), create=create)
    assert "\n" not in str(refusal.value)
    assert files(tmp_path) == before


@pytest.mark.parametrize("create", [True, False])
def test_a_store_without_a_column_of_its_version_is_refused(old, create):
    path, _ = old
    last = list(contents(path)["trials"][0])[-1]
    sql(path, f"alter table trials drop column {last}")
    before = files(path.parent)
    with pytest.raises(StoreError, match=f"made by another program .* has no column `{last}`.*--store"):
        Store(str(path), create=create)
    assert files(path.parent) == before


@pytest.mark.parametrize("create", [True, False])
def test_a_number_of_another_programs_version_makes_no_store(tmp_path, create):
    path = tmp_path / "theirs.db"
    sql(path, "create table twofold_version (version_num varchar(32))")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="no store of twofold"):
        Store(str(path), create=create)
    assert path.read_bytes() == before


def test_a_store_of_the_first_version_that_lacks_a_table_is_made_whole(tmp_path, row):
    path = make("first", tmp_path / "stores", row)
    sql(path, "drop table search_journal")
    Store(str(path)).append_journal([{"a": 1}])
    assert Store(str(path), create=False).read_journal() == [{"a": 1}]
    assert len(Store(str(path)).read()) == 86


def test_a_store_up_to_date_is_opened_without_alembic(tmp_path):
    Store(str(tmp_path / "fresh.db"))
    program = f"""
import sys
from twofold.results import Store
for create in (True, False):
    store = Store({str(tmp_path / "fresh.db")!r}, create=create)
    assert store.present(["k"]) == set() and store.read().empty
assert not [name for name in sys.modules if name.startswith("alembic")]
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_script_touches_a_key(version, tmp_path, row):
    path = make(version, tmp_path / "stores", row)
    engine = sa.create_engine(f"sqlite:///{path}")
    for later in VERSIONS[VERSIONS.index(version) + 1 :]:
        before = schema(path)["trials"][0]["key"], sql(path, "select rowid, key from trials order by rowid")
        with engine.begin() as connection:
            run(connection, VERSIONS[VERSIONS.index(later) - 1], later)
        assert (schema(path)["trials"][0]["key"], sql(path, "select rowid, key from trials order by rowid")) == before
    engine.dispose()


def test_the_first_versions_trials_are_there_under_their_keys(tmp_path):
    path = shutil.copyfile(STORES / "first" / "twofold.db", tmp_path / "twofold.db")
    keys = [key for (key,) in sql(path, "select key from trials order by key")]
    assert len(keys) == 86
    store = Store(str(path))
    assert store.present(keys) == set(keys)
    assert store.claim(keys, new_owner()) == ([], [])
    assert len(store.read_journal()) == 16
    assert len(store.read(histories=True)) == 86


def test_the_first_versions_networks_load_with_their_records(tmp_path):
    path = shutil.copyfile(STORES / "first" / "twofold.db", tmp_path / "twofold.db")
    kept = ModelStore(STORES / "first" / models_folder(str(path)).name)
    records = kept.records()
    rows = Store(str(path), create=False).read([record["key"] for record in records]).to_dict("records")
    assert len(rows) == 4
    for record, row in zip(records, rows, strict=True):
        assert kept.load(record["key"]).record == record
        assert {name: record[name] for name in ("key", "network", "round", "test_error", "seed")} == {
            name: row[name] for name in ("key", "network", "round", "test_error", "seed")
        }
