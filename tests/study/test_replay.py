"""Trials trained again: the same to the last bit where they were made, near it elsewhere."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from tests.study.stores import in_round, rows_of, store_of

from twofold import Study
from twofold.data import find_relation
from twofold.errors import SettingError
from twofold.results import ModelStore, Store, models_folder
from twofold.study.replay import Replay, check_store


def sql(path, statement, *values):
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The path of a store of two trials."""
    path = tmp_path_factory.mktemp("trained") / "small.db"
    sizes = {"epochs": 1, "pairs": 100, "test_pairs": 50, "validation_pairs": 20}
    Study(networks="NetWS", rounds=2, **sizes).run(store=path, progress=False)
    return path


@pytest.fixture
def path(trained, tmp_path):
    return shutil.copyfile(trained, tmp_path / "small.db")


def checked(path, count=2, **how):
    return check_store(Store(path, create=False), ModelStore(models_folder(path)), Replay(count, **how))


def test_what_was_trained_here_is_the_same_to_the_last_bit_and_another_number_is_found(path):
    row, other = rows_of(path).values()
    sql(path, "update trials set test_error = 0.96875, wrong_answers = null where key = ?", row["key"])
    sql(path, "update trials set device = 'cpu: another' where key = ?", other["key"])
    found = checked(path)
    again = {each.row["key"]: each for each in found.again}
    assert (again[row["key"]].wrong, again[row["key"]].to_the_bit) == (("test_error",), True)
    assert again[row["key"]].new["test_error"] == row["test_error"]
    assert (again[other["key"]].wrong, again[other["key"]].to_the_bit) == ((), False)
    assert (found.faults, found.left_out) == (1, 0)


def test_elsewhere_the_first_loss_is_compared_within_a_tolerance(path):
    near, far = rows_of(path).values()
    for row, factor in ((near, 1.005), (far, 1.02)):
        losses = json.dumps([row["train_loss"][0] * factor])
        sql(path, "update trials set jax_version = '0.1', train_loss = ? where key = ?", losses, row["key"])
    assert {each.row["key"]: each.wrong for each in checked(path).again} == {
        near["key"]: (),
        far["key"]: ("train_loss",),
    }


def test_a_seed_draws_the_same_trials(path):
    keys = [[each.row["key"] for each in checked(path, 1, seed=5, data_dir=None).again] for _ in range(2)]
    assert keys[0] == keys[1]
    assert len(keys[0]) == 1


def test_what_cannot_be_trained_again_is_told(tmp_path, trained):
    row = next(iter(rows_of(trained).values()))
    lacking = in_round(row, 0, data="nowhere.npz", fingerprint="f" * 32)
    other = in_round(row, 1, fingerprint="e" * 32)
    own = in_round(row, 2, identity="1" * 64, network="Twin()", source="file.py:Twin", arguments={})
    path = store_of(tmp_path / "strange.db", [lacking, other, own])
    store = Store(path)
    store.describe("1" * 64, {"parameters": {}, "buffers": {}})
    for each in (lacking, other, own):
        store.name_question(each["fingerprint"], find_relation("<="))
    found = checked(path, 9)
    skipped = {each.row["key"]: each.skipped for each in found.again}
    assert "there is no file or folder nowhere.npz" in skipped[lacking["key"]]
    assert skipped[other["key"]] == "the images of mnist5k here are others than those that it was trained on"
    assert (len(skipped), found.left_out, found.faults) == (2, 1, 0)


@pytest.mark.parametrize("how", [{"count": -1}, {"count": 1, "seed": -1}])
def test_numbers_that_cannot_be_are_refused(path, how):
    with pytest.raises(SettingError, match="must be at least 0"):
        checked(path, **how)


PLAIN = """
import jax


def plain(width=8, sizes=(1, 2)):
    def init(key):
        return {"w": jax.random.normal(key, (392, width)) / 20}

    def apply(parameters, pairs):
        return jax.nn.sigmoid((pairs.reshape(len(pairs), -1) @ parameters["w"]).sum(1))

    return init, apply
"""


def test_networks_of_ones_own_are_trained_again_by_the_class_that_is_named(tmp_path):
    (tmp_path / "net.py").write_text(PLAIN)
    (tmp_path / "other.py").write_text(PLAIN.replace("sum(1)", "mean(1)"))
    typed, path = f"{tmp_path}/net.py:plain(width=[4], sizes=(2, 3))", tmp_path / "own.db"
    Study(networks=typed, rounds=1, epochs=1, pairs=50, test_pairs=20, validation_pairs=0).run(
        store=path, progress=False, keep_models="all"
    )
    assert (checked(path).left_out, checked(path).faults) == (1, 0)
    (again,) = checked(path, networks=[f"{tmp_path}/net.py:plain"]).again
    assert (again.skipped, again.wrong, again.to_the_bit) == ("", (), True)
    (changed,) = checked(path, networks=[f"{tmp_path}/other.py:plain"]).again
    assert changed.skipped == f"{tmp_path}/other.py:plain computes something else now than what was trained"
