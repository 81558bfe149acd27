"""`twofold grid` as a user runs it: small grids, really trained, on the embedded digits."""

import json

import pytest
from tests.cli.watched import WATCHED, kill_when_some_are_stored, stored, trained

SMALL = ["--pairs", "50", "--test-pairs", "50", "--validation-pairs", "60", "--epochs", "1", "--optimizer", "sgd"]
# Steps so large that the loss of every network leaves the floating-point numbers.
RATES = ["--learning-rate", "0.001", "1e6"]
CELLS = ["--networks", "NetWS", "NetWSAL", "--rounds", "2", *RATES]


def test_a_grid_prints_its_tables_and_choice_and_draws_each_network(run, tmp_path):
    code, out, err = run("grid", *SMALL, *CELLS, "--confirm", "2")
    assert code == 0
    assert "NetWS: test error %, mean ± sd of 2 rounds" in out
    assert "Best of 2 settings by validation error, averaged over 2 networks" in out
    assert "The best setting on 2 fresh rounds" in out
    _, out, _ = run("grid", *SMALL, *CELLS, "--equivalence-margin", "40")
    assert "Equivalent: shown to be less than 40 points from the best" in " ".join(out.split())
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    names = {f"grid_{kind}_{network}" for kind in ("rounds", "heatmap") for network in ("NetWS", "NetWSAL")}
    assert drawn == {f"{name}.{ending}" for name in names for ending in ("png", "svg")}
    assert all(f"wrote figures/{name}" in err for name in drawn)


def test_a_training_that_diverges_is_a_result(run):
    _, out, _ = run("grid", *SMALL, *CELLS)
    assert "†2" in out
    assert "so many trainings diverged" in " ".join(out.split())
    _, out, _ = run("grid", *SMALL, *CELLS, "--json")
    rows = json.loads(out)
    diverged = [row for row in rows if row["diverged"]]
    assert {row["learning_rate"] for row in diverged} == {1e6}
    assert len(diverged) == 4
    assert all(0 <= row["test_error"] <= 1 for row in diverged)


def test_json_has_a_row_for_every_training_with_its_validation_error(run):
    _, out, _ = run("grid", *SMALL, *CELLS, "--json", "--quiet", "--confirm", "1")
    rows = json.loads(out)
    search = [row for row in rows if row["round"] < 1000]
    fresh = [row for row in rows if row["round"] >= 1000]
    assert len(search) == 2 * 2 * 2
    assert [row["network"] for row in fresh] == ["NetWS", "NetWSAL"]
    assert len({row["learning_rate"] for row in fresh}) == 1
    assert all(0 <= row["validation_error"] <= 1 for row in rows)


def test_the_choice_follows_the_error_that_it_selects_on(run):
    _, out, _ = run("grid", *SMALL, *CELLS, "--select-on", "test")
    assert "Best of 2 settings by test error" in out


def test_a_single_cell_is_a_grid(run):
    code, out, _ = run("grid", *SMALL, "--networks", "NetWS", "--rounds", "1", "--learning-rate", "0.001")
    assert code == 0
    assert "Best of 1 setting by" in out
    assert "One round says nothing of chance" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--optimizer", "adm"], 2, "did you mean adam?"),
        (["--batch-size", "33"], 2, "`--batch-size` (=33) must divide `--pairs` (=1000)"),
        (["--learning-rate", "0"], 2, "`--learning-rate` (=0.0) must be greater than 0"),
        (["--select-on", "train"], 2, "--select-on"),
        (["--pairs", "1250"], 2, "needs validation pairs"),
        (["--pairs", "1300"], 4, "`--pairs` (=1300) takes 2600 training digits, but mnist5k has 2500"),
        (["--confirm", "0"], 2, "`--confirm` (=0) must be at least 1"),
        (["--confirm", "3", "--rounds", "1001"], 2, "kept for confirmation"),
    ],
)
def test_a_mistake_is_told_in_one_line_before_anything_is_trained(run, arguments, code, message):
    ended, out, err = run("grid", *arguments)
    assert ended == code
    assert out == ""
    assert err.startswith("twofold: ")
    assert message in err
    assert err.count("\n") == 1


def test_a_killed_grid_goes_on_where_it_stopped(start, tmp_path):
    arguments = ["grid", *SMALL, "--networks", "NetWS", "--rounds", "20", "--learning-rate", "0.001", "--workers", "1"]
    before = kill_when_some_are_stored(start(*arguments, cwd=tmp_path, program=WATCHED), tmp_path)
    assert 0 < len(before) < 20
    again = start(*arguments, cwd=tmp_path, program=WATCHED)
    _, err = again.communicate(timeout=300)
    assert again.returncode == 0
    assert f"{len(before)} of 20 trials are in the store already" in err
    assert len(stored(tmp_path)) == len(set(trained(tmp_path))) == 20
    assert len(trained(tmp_path)) <= 21  # one was under way when it was killed


def test_two_runs_at_once_share_the_cells(start, tmp_path):
    arguments = ["grid", *SMALL, "--networks", "NetWS", "--rounds", "8", *RATES, "--json", "--quiet", "--workers", "1"]
    both = [start(*arguments, "--out", f"figures{number}", cwd=tmp_path, program=WATCHED) for number in range(2)]
    answers = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    keys = [[row["key"] for row in json.loads(out)] for out, _ in answers]
    assert keys[0] == keys[1]
    assert sorted(trained(tmp_path)) == sorted(keys[0])
