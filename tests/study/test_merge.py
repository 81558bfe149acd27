"""What one store takes of another: all that it lacks, once, bit for bit, and nothing that contradicts what it has."""

import hashlib
import os
import sqlite3
import sys
from contextlib import closing

import pytest
from safetensors.numpy import load_file
from tests.processes import wait_until
from tests.study.stores import copy_of_first, in_round, rows_of, store_of

from twofold.data import find_relation
from twofold.data.relations import Relation, unpacked_table
from twofold.errors import SettingError, StoreError
from twofold.results import ModelStore, Store, models_folder
from twofold.study.merge import merge


def sql(path, statement, *values):
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def bytes_of(folder):
    """What is in a folder, file by file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The rows of the first version's store."""
    return list(rows_of(copy_of_first(tmp_path_factory.mktemp("rows") / "first")).values())


@pytest.fixture
def here(tmp_path):
    return tmp_path / "here" / "mine.db"


@pytest.fixture(autouse=True)
def folder(here):
    here.parent.mkdir()


def told(merged):
    return (merged.taken, merged.there, merged.added, merged.kept, len(merged.refused))


def test_all_of_an_older_store_is_taken_once_and_that_store_stays_as_it_was(tmp_path, here):
    other = copy_of_first(tmp_path / "other")
    before = bytes_of(other.parent)
    for path in (other, other.parent):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        (first,), (again,) = merge([other], here), merge([other], here)
    finally:
        other.parent.chmod(0o755)
    assert told(first) == (86, 0, 0, 4, 0)
    assert told(again) == (0, 86, 0, 0, 0)
    assert rows_of(here) == rows_of(other)
    ours, theirs = (ModelStore(models_folder(path)) for path in (here, other))
    assert ours.records() == theirs.records()
    for one, two in zip(ours.files(), theirs.files(), strict=True):
        assert {name: array.tobytes() for name, array in load_file(one).items()} == {
            name: array.tobytes() for name, array in load_file(two).items()
        }
    assert bytes_of(other.parent) == before


def test_trials_that_contradict_are_refused_and_others_taken(tmp_path, here, rows):
    one, two, three = rows[:3]
    store_of(here, [one, two])
    elsewhere = {"seconds": 99.0, "device": "cpu: another", "finished_at": "2030-01-01T00:00:00+00:00"}
    other = store_of(tmp_path / "other.db", [one | {"test_error": 0.875} | elsewhere, two | elsewhere, three])
    (merged,) = merge([other], here)
    assert told(merged) == (1, 1, 0, 0, 1)
    (refused,) = merged.refused
    assert (refused.ours["test_error"], refused.theirs["test_error"]) == (one["test_error"], 0.875)
    assert not refused.made_alike
    assert rows_of(here) == {row["key"]: row for row in (one, two, three)}


def test_a_trace_that_lacks_is_taken(tmp_path, here, rows):
    traced = next(row for row in rows if row["dead_units_trace"] is not None)
    store_of(here, [traced | {"dead_units_trace": None}])
    other = store_of(tmp_path / "other.db", [traced])
    assert [told(each) for each in merge([other, other], here)] == [(0, 1, 1, 0, 0), (0, 1, 0, 0, 0)]
    assert rows_of(here) == {traced["key"]: traced}
    assert [told(each) for each in merge([here], other)] == [(0, 1, 0, 0, 0)]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"test_error": "abc"}, "`test_error` (='abc') must be a number"),
        ({"learning_rate": 0.5}, "its settings give another key"),
        ({"relation": "a > b"}, "its relation a > b has no table of answers"),
    ],
)
def test_a_damaged_trial_is_not_taken(tmp_path, here, rows, change, wrong):
    other = store_of(tmp_path / "other.db", rows[:2])
    ((column, value),) = change.items()
    sql(other, f"update trials set {column} = ? where key = ?", value, rows[0]["key"])
    (merged,) = merge([other], here)
    assert told(merged) == (1, 0, 0, 0, 1)
    assert merged.refused[0].wrong.startswith(wrong)
    assert set(rows_of(here)) == {rows[1]["key"]}


def asking(path, row, relation):
    """Store a trial that asks this relation, as the store calls it; its key."""
    text = Store(path).name_question(row["fingerprint"], relation)
    row = in_round(row, 7, relation=text, question=relation.identity, true_share=0.5, one_image_error=0.25)
    store_of(path, [row])
    return row["key"]


def test_relations_are_told_by_their_answers_whatever_they_are_called(tmp_path, here, rows):
    """`near` is a function that was changed: here it asks one table, there another, and a third had two texts."""
    close, far = find_relation("abs(a - b) <= 1"), find_relation("abs(a - b) > 2")
    named = [
        Relation(text, each.answers, each.class_names) for text, each in (("f.py:near", close), ("f.py:near", far))
    ]
    other = tmp_path / "other.db"
    mine = [asking(here, rows[0], named[0]), asking(here, rows[0], find_relation("a + b == 9"))]
    theirs = [asking(other, rows[1], each) for each in (named[1], named[0], find_relation("9 == a + b"))]
    (merged,) = merge([other], here)
    assert told(merged) == (3, 0, 0, 0, 0)
    found = rows_of(here)
    assert [found[key]["relation"] for key in mine] == ["f.py:near", "a + b == 9"]
    assert [found[key]["relation"] for key in theirs] == [
        f"f.py:near #{far.identity.partition('-')[2][:6]}",
        "f.py:near",
        "a + b == 9",
    ]
    tables = {
        each.question: unpacked_table(each.relation, each.question, each.answers) for each in Store(here).questions()
    }
    assert {tables[found[key]["question"]] for key in theirs} == {close, far, find_relation("a + b == 9")}
    assert told(merge([other], here)[0]) == (0, 3, 0, 0, 0)


def test_networks_of_ones_own_come_with_what_is_known_of_them(tmp_path, here, rows):
    identity, known = "1" * 64, {"layers": ["one"], "parameters": {}}
    own = {"identity": identity, "network": "Twin()", "source": "file.py:Twin", "arguments": {"share": True}}
    own |= {"weight_sharing": None, "dead_first": None, "dead_second": None, "dead_layers": {"relu": [1, 2]}}
    row = in_round(rows[0], 0, **own)
    other = store_of(tmp_path / "other.db", [row])
    assert merge([other], here)[0].refused[0].wrong == "what is known of its network is not in the store"
    Store(other).describe(identity, known)
    assert told(merge([other], here)[0]) == (1, 0, 0, 0, 0)
    assert (rows_of(here)[row["key"]], Store(here).descriptions()) == (row, {identity: known})


def test_a_kept_network_that_is_damaged_is_not_taken_and_its_trial_is(tmp_path, here):
    other = copy_of_first(tmp_path / "other")
    damaged = min((other.parent / "twofold.models").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:1000])
    (merged,) = merge([other], here)
    assert told(merged) == (86, 0, 0, 3, 1)
    assert merged.refused[0].wrong.startswith(f"its kept network was not taken: {damaged} is no model")


def test_what_cannot_be_merged_is_refused_before_anything_is_written(tmp_path, here, rows):
    later = store_of(tmp_path / "later.db", rows[:1])
    sql(later, "update twofold_version set version_num = '9999'")
    sound, text = store_of(tmp_path / "sound.db", rows[:1]), tmp_path / "trials.csv"
    text.write_text("network,round\n")
    for other, says in (
        (later, "has version 9999, and this twofold knows versions up to"),
        (text, "is a table, which lacks the losses of epochs"),
        (tmp_path / "none.db", "there is no store at .*name another to take trials from"),
    ):
        with pytest.raises(StoreError, match=says):
            merge([sound, other], here)
        assert not here.exists()
    with pytest.raises(SettingError, match="is the store itself"):
        merge([sound], sound.parent / "." / "sound.db")


MERGE = "import sys; from twofold.study.merge import merge; merge(sys.argv[2:], sys.argv[1])"


def test_killed_and_run_by_two_at_once_each_trial_is_there_once(tmp_path, here, rows, launch):
    many = [in_round(row, 100 * time + row["round"]) for row in rows for time in range(1, 6)]
    half = len(many) // 2
    others = [store_of(tmp_path / "1.db", many[: half + 100]), store_of(tmp_path / "2.db", many[half - 100 :])]
    command = [sys.executable, "-c", MERGE, str(here)]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    killed = launch([*command, str(others[0])], env=environment)
    wait_until(killed, lambda: here.exists() and count(here))
    killed.kill()
    killed.wait()
    taken = rows_of(here)
    assert all(row in many for row in taken.values())
    both = [launch([*command, *map(str, some)], env=environment) for some in (others, others[::-1])]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert rows_of(here) == {row["key"]: row for row in many}


def count(path):
    try:
        return sql(path, "select count(*) from trials")[0][0]
    except sqlite3.OperationalError:  # no tables yet
        return 0
