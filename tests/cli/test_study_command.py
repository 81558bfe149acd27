"""`twofold study` and `twofold results`, from the shell."""

import csv
import io
import json
import operator
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.program import PROGRAM, long_study, run, small_study
from tests.cli.watched import WATCHED, trained
from tests.processes import wait_until

from twofold.cli import main

# What the issue that asked for this command promises of a row.
PROMISED = {
    "network",
    "round",
    "optimizer",
    "learning_rate",
    "aux_weight",
    "batch_size",
    "epochs",
    "data",
    "seed",
    "train_error",
    "test_error",
    "digit_error",
    "dead_units",
    "seconds",
}


def sql(path: Path, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(path, timeout=60)) as connection, connection:
        return connection.execute(statement).fetchall()


def has_a_trial(path: Path) -> bool:
    """Whether a trial is stored, in a store that is being made."""
    made = path.exists() and sql(path, "select 1 from sqlite_master where name = 'trials'")
    return bool(made and sql(path, "select 1 from trials"))


def test_json_is_one_array_and_all_that_standard_output_has(finished):
    rows = json.loads(finished.out)
    assert [(row["round"], row["network"]) for row in rows] == [
        (0, "NetWS"),
        (0, "NetWSAL"),
        (1, "NetWS"),
        (1, "NetWSAL"),
    ]
    for row in rows:
        assert row.keys() >= PROMISED
        assert (row["optimizer"], row["learning_rate"], row["batch_size"]) == ("adam", 0.001, 25)
        assert (row["epochs"], row["data"], row["seed"]) == (1, "mnist5k", 0)
        assert row["aux_weight"] == (1.0 if row["network"] == "NetWSAL" else 0.0)
        for name in ("train_error", "test_error"):
            assert 0 <= row[name] <= 1
        assert (row["digit_error"] is None) == (row["network"] == "NetWS")
        first, second = row["dead_units"]
        assert 0 <= first <= 10
        assert 0 <= second <= 10
        assert row["seconds"] > 0


def test_the_figure_is_written_and_named_on_standard_error(finished):
    for ending in ("png", "svg"):
        assert (finished.folder / "figures" / f"figure2.{ending}").stat().st_size > 1000
        assert f"wrote figures/figure2.{ending}" in finished.err


def test_a_study_that_is_done_trains_nothing_and_says_so(finished):
    again = run(*small_study(), "--json", cwd=finished.folder)
    assert again.returncode == 0
    assert again.stdout == finished.out
    assert "4 of 4 trials are in the store already; nothing is left to train" in again.stderr


def test_more_rounds_train_only_what_is_missing(finished, tmp_path):
    shutil.copy(finished.folder / "twofold.db", tmp_path)
    more = run(*small_study(rounds=3), "--quiet", cwd=tmp_path)
    assert more.returncode == 0
    assert more.stderr == ""  # quiet
    assert "Test error, 3 rounds" in more.stdout
    assert [line.split()[0] for line in more.stdout.splitlines() if line.startswith(" Net")] == ["NetWS", "NetWSAL"]
    assert len(sql(tmp_path / "twofold.db", "select * from trials")) == 6


@pytest.fixture
def results(finished, capsys, monkeypatch):
    """A function that gives what `twofold results` prints of the finished study, in this process."""
    monkeypatch.chdir(finished.folder)

    def results_of(*arguments: str) -> str:
        assert main(["results", *arguments]) == 0
        return capsys.readouterr().out

    return results_of


def test_results_lists_the_settings(results):
    listed = results()
    assert "Test error of 4 trials" in listed
    assert [line.split()[:4] for line in listed.splitlines() if line.startswith(" Net")] == [
        ["NetWS", "mnist5k", "adam", "2"],
        ["NetWSAL", "mnist5k", "adam", "2"],
    ]


def test_results_as_json_and_csv_are_the_studys_rows(finished, results):
    as_json = json.loads(results("--json"))
    by_key = operator.itemgetter("key")
    assert sorted(as_json, key=by_key) == sorted(json.loads(finished.out), key=by_key)
    as_csv = list(csv.DictReader(io.StringIO(results("--csv"))))
    assert [row["key"] for row in as_csv] == [row["key"] for row in as_json]
    assert [float(row["test_error"]) for row in as_csv] == [row["test_error"] for row in as_json]
    assert [row["digit_error"] == "" for row in as_csv] == [row["digit_error"] is None for row in as_json]


def test_a_reader_that_has_seen_enough_is_no_error(finished, start):
    process = start("results", "--csv", cwd=finished.folder)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=300) == 0


def test_a_killed_run_is_gone_on_with_at_once(start, tmp_path):
    """Its claims are left in the store, but nobody waits for a process that is no more."""
    store = tmp_path / "twofold.db"
    process = start(*long_study(), "--quiet", cwd=tmp_path)
    wait_until(process, lambda: has_a_trial(store))
    process.kill()
    process.communicate(timeout=60)
    there = len(sql(store, "select * from trials"))
    again = run(*long_study(rounds=there + 2), "--json", cwd=tmp_path, program=WATCHED)
    assert again.returncode == 0
    assert f"{there} of {there + 2} trials are in the store already; training the other 2" in again.stderr
    assert "waiting" not in again.stderr
    assert [row["round"] for row in json.loads(again.stdout)] == list(range(there + 2))
    assert len(trained(tmp_path)) == 2
    assert sql(store, "select * from claims") == []


def test_two_runs_on_one_store_train_no_trial_twice(start, tmp_path):
    """They begin together, on the same trials; both end with all the results."""
    sizes = ["--epochs", "1", "--pairs", "100", "--test-pairs", "50", "--workers", "1"]
    arguments = ["study", "--networks", "NetWS", "--rounds", "8", *sizes, "--json", "--quiet", "--out"]
    both = [start(*arguments, f"figures{number}", cwd=tmp_path, program=WATCHED) for number in (1, 2)]
    outputs = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert outputs[0] == outputs[1]
    assert len(json.loads(outputs[0][0])) == 8
    assert sorted(trained(tmp_path)) == sorted(row["key"] for row in json.loads(outputs[0][0]))


def test_the_program_is_what_the_console_script_runs():
    """So that the tests above speak of what is installed."""
    from importlib.metadata import entry_points

    (script,) = entry_points(group="console_scripts", name="twofold")
    assert script.value == "twofold.cli:main"
    assert "from twofold.cli import main" in PROGRAM[-1]
