"""`twofold store`: what its commands say, and how they end, run as users run them."""

import json
import shutil
import signal
import sqlite3
from contextlib import closing

import pytest
from tests.cli.program import long_study
from tests.processes import wait_until

from twofold.results import Store


def sql(path, statement, *values):
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


@pytest.fixture
def study(finished, tmp_path):
    """A copy of the store of a small study: four trials."""
    return shutil.copyfile(finished.folder / "twofold.db", tmp_path / "study.db")


def test_what_another_store_has_is_taken_once(run, study):
    assert run("store", "merge", "study.db") == (0, "", "study.db: 4 trials taken, 0 here already, 1 plan taken\n")
    assert run("store", "merge", "study.db", "study.db", "--store", "twofold.db") == (
        0,
        "",
        "study.db: 0 trials taken, 4 here already\n" * 2,
    )
    assert [run("results", "--csv", "--store", each)[1] for each in ("study.db", "twofold.db")].count("") == 0
    assert run("results", "--csv", "--store", "study.db")[1] == run("results", "--csv", "--store", "twofold.db")[1]


def test_what_contradicts_is_a_line_and_exit_code_3(run, study):
    assert run("store", "merge", "study.db")[0] == 0
    ((key, network, number, error),) = sql(study, "select key, network, round, test_error from trials limit 1")
    sql(
        study,
        "update trials set test_error = 0.96875, wrong_answers = null, device = 'cpu: another' where key = ?",
        key,
    )
    code, out, err = run("store", "merge", "study.db")
    assert (code, err) == (3, "study.db: 0 trials taken, 3 here already, 1 with other numbers here, and not taken\n")
    assert out.splitlines() == [
        f"{key[:12]} ({network}, round {number}, pairs 100, test pairs 50, epochs 1): "
        f"test error {100 * error:.2f} % here, 96.88 % there",
        "Other processors, versions or operations round in another way, which changes errors by a point.",
    ]
    code, out, _ = run("store", "merge", "study.db", "--json")
    (told,) = json.loads(out)
    assert (code, told["taken"], told["there"]) == (3, 0, 3)
    assert [(each["key"], each["contradicts"]) for each in told["refused"]] == [(key, True)]


def test_a_store_is_checked_and_trials_of_it_are_trained_again(run, study):
    code, out, err = run("store", "check", "--store", "study.db", "--replay", "1", "--replay-seed", "7", "--quiet")
    assert (code, out) == (0, "")
    assert err.splitlines() == [
        "1 trial trained again, drawn with --replay-seed 7: 1 compared to the last bit",
        "all is well: 4 trials and 0 kept networks",
    ]
    key, _ = (each for (each,) in sql(study, "select key from trials order by key limit 2"))
    sql(study, "update trials set test_error = 'abc' where key = ?", key)
    code, out, err = run("store", "check", "--store", "study.db")
    assert (code, err) == (3, "1 fault in 4 trials and 0 kept networks; nothing was changed\n")
    assert out.startswith(f"trial {key[:12]} (Net")
    assert out.endswith(", round 0, pairs 100, test pairs 50, epochs 1): `test_error` (='abc') must be a number\n") or (
        out.endswith(", round 1, pairs 100, test pairs 50, epochs 1): `test_error` (='abc') must be a number\n")
    )
    code, out, _ = run("store", "check", "--store", "study.db", "--json")
    assert code == 3
    assert json.loads(out)["faults"] == [
        {"of": "trial", "name": key, "wrong": "`test_error` (='abc') must be a number"}
    ]


def test_who_trains_is_shown_and_that_a_killed_run_has_ended(run, start, tmp_path):
    Store(tmp_path / "twofold.db")
    assert run("store", "running") == (0, "", "nobody trains for twofold.db now\n")
    process = start(*long_study(), "--quiet", cwd=tmp_path)
    found = []

    def told():
        found[:] = json.loads(run("store", "running", "--json")[1])
        return found and found[0]["plan"]

    wait_until(process, told)
    (one,) = found
    assert (one["process"], one["trials"], one["stands_still"]) == (process.pid, 40, False)
    assert one["plan"] == {
        "network": ["NetWS"],
        "data": ["mnist5k"],
        "round": [0, 39],
        "pairs": [100],
        "test_pairs": [50],
    }
    wait_until(process, lambda: json.loads(run("store", "running", "--json")[1])[0]["claimed"])
    process.send_signal(signal.SIGKILL)
    process.wait()
    code, out, _ = run("store", "running")
    assert code == 0
    assert f"({process.pid}) has ended: what it has claimed (" in out
    assert "goes to the next run that wants it." in out
    code, out, _ = run("store", "check")
    assert code == 3
    assert "it has ended and claims" in out
