"""What `twofold store check` finds wrong with a store, and that it changes nothing."""

import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from tests.study.stores import copy_of_first, in_round, rows_of, store_of

from twofold.results import ModelStore, Store, models_folder, new_owner
from twofold.results.processes import this_process
from twofold.study.audit import audit


def sql(path, statement, *values):
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


@pytest.fixture(scope="module")
def some(tmp_path_factory):
    """The path of a store of three trials without kept networks, one of them traced."""
    rows = list(rows_of(copy_of_first(tmp_path_factory.mktemp("some") / "first", kept=False)).values())
    traced = next(row for row in rows if row["dead_units_trace"])
    return store_of(tmp_path_factory.mktemp("three") / "three.db", [traced, *rows[:2]])


@pytest.fixture
def path(some, tmp_path):
    return shutil.copyfile(some, tmp_path / "three.db")


def faults(path):
    """What is wrong with a store, in words."""
    return [fault.wrong for fault in audit(Store(path, create=False), ModelStore(models_folder(path))).faults]


def test_the_first_versions_store_is_whole_and_stays_as_it_is(tmp_path):
    path = copy_of_first(tmp_path / "first")
    before = {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}
    found = audit(Store(path, create=False), ModelStore(models_folder(path)))
    assert (found.trials, found.kept, found.faults, len(found.sound)) == (86, 4, [], 86)
    assert {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()} == before


CELLS = {
    "a text for a number": ("test_error", "abc", "`test_error` (='abc') must be a number"),
    "a percentage": ("test_error", 6.5, "`test_error` (=6.5) must be a fraction between 0 and 1"),
    "bytes for a text": ("device", b"\xff", "`device` (=b'\\xff') must be a text"),
    "no moment": ("finished_at", "yesterday", "`finished_at` (=yesterday) must be a moment"),
    "no truth": ("diverged", 7, "`diverged` (=7) must be True or False"),
    "a negative duration": ("seconds", -1.0, "`seconds` (=-1.0) must be at least 0"),
    "half a list": ("train_loss", "[1.0,", "`train_loss` (=[1.0,) must be JSON"),
    "names for a list": ("train_loss", "{}", "`train_loss` (={}) must be a list of numbers"),
    "a loss that is a text": ("train_loss", '["1", 2]', "`train_loss` (=['1', 2]) must be a list of numbers"),
    "a loss that is no number": (
        "train_loss",
        "[NaN, 0.5]",
        "`train_loss` (=[NaN, 0.5]) must be a list of finite numbers",
    ),
    "epochs that are not those of the losses": ("train_loss", "[0.5]", "`train_loss` has 1 epochs, and `epochs` is"),
    "an unknown network": ("network", "NetXX", "its network NetXX is none that this twofold knows"),
    "an unknown setting": ("optimizer", "adamx", "`optimizer` (='adamx') is unknown"),
    "another setting": ("learning_rate", 0.123, "its settings give another key"),
    "another round": ("round", 12345, "its settings give another key"),
    "an unknown relation": ("relation", "a > b", "its relation a > b has no table of answers"),
    "a table that is not there": ("question", "10-" + "a" * 32, "the table of answers of its relation"),
}


@pytest.mark.parametrize("case", CELLS)
def test_a_cell_that_is_wrong_is_one_fault(case, path):
    column, value, wrong = CELLS[case]
    key = sql(path, "select key from trials order by key")[0][0]
    sql(path, f"update trials set {column} = ? where key = ?", value, key)
    found = audit(Store(path, create=False), ModelStore(models_folder(path)))
    (fault,) = found.faults
    assert fault.wrong.startswith(wrong)
    assert (fault.what, fault.name) == ("trial", key)
    assert key not in found.sound
    assert len(found.sound) == 2


def test_a_table_of_answers_that_is_another_is_a_fault_of_itself_and_of_its_trials(path):
    sql(path, "insert into questions values (?, 'f', '<=', 'AAAA')", "10-" + "a" * 32)
    (wrong,) = faults(path)
    assert wrong == "the answers of the relation <= are not those of its hash"


def test_a_network_of_ones_own_without_description(path):
    row = in_round(next(iter(rows_of(path).values())), 1, identity="1" * 64, network="Twin()", source="f.py:Twin")
    store_of(path, [row])
    assert faults(path) == ["what is known of its network is not in the store"]


def test_pages_of_the_file_that_are_damaged(path):
    ((root, size),) = sql(
        path, "select rootpage, (select * from pragma_page_size) from sqlite_master where name = 'trials'"
    )
    content = bytearray(path.read_bytes())
    content[(root - 1) * size + 8 : (root - 1) * size + 400] = b"\xff" * 392
    path.write_bytes(content)
    *damaged, last = faults(path)
    assert damaged
    assert all(wrong.startswith("the file is damaged: ") for wrong in damaged)
    assert last.startswith("nothing more can be read: cannot use the store ")


def test_what_killed_runs_left(path):
    ended, lost = new_owner(), new_owner()
    store = Store(path)
    assert store.claim(["k"], ended)[0] == ["k"]
    assert store.claim(["l"], lost)[0] == ["l"]
    assert faults(path) == []  # both may live
    here = this_process().partition(":")[0]
    sql(path, "update runs set process = ? where owner = ?", f"{here}:999999999:1", ended)
    sql(path, "delete from runs where owner = ?", lost)
    models = models_folder(path)
    models.mkdir()
    (models / "k.17.partial").touch()
    path.with_name(f"{path.name}.version-0001.partial").touch()
    found = audit(Store(path, create=False), ModelStore(models)).faults
    assert [fault.what for fault in found] == ["file", "file", "run", "store"]
    assert found[2].wrong.startswith("it has ended and claims 1 trial")
    assert found[3].wrong == "1 trial claimed by a run that is not there"


def test_kept_networks_that_are_wrong(tmp_path):
    path = copy_of_first(tmp_path / "first")
    cut, exchanged, no_number, no_trial = sorted((path.parent / "twofold.models").iterdir())
    cut.write_bytes(cut.read_bytes()[:1000])
    shutil.copyfile(no_trial, exchanged)
    sql(path, "delete from trials where key = ?", no_trial.stem)
    with safe_open(no_number, "np") as file:
        metadata = file.metadata()
    tensors = {name: np.copy(array) for name, array in load_file(no_number).items()}
    next(iter(tensors.values())).flat[0] = np.nan
    save_file(tensors, no_number, metadata)
    found = audit(Store(path, create=False), ModelStore(path.parent / "twofold.models")).faults
    assert [fault.name for fault in found] == [cut.stem, exchanged.stem, no_number.stem, no_trial.stem]
    says = [
        "is no model",
        "is the network of the trial",
        "its weights are not finite",
        "no trial of the store has its key",
    ]
    assert all(each in fault.wrong for each, fault in zip(says, found, strict=True)), [f.wrong for f in found]
