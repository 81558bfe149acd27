"""`twofold tune` as a user runs it: small searches, really trained, on the embedded digits."""

import json
import sys

import pytest
from tests.cli.watched import WATCHED, kill_when_some_are_stored, trained

TASK = ["--pairs", "50", "--test-pairs", "50", "--validation-pairs", "60"]
SPACE = ["--optimizer", "sgd", "--batch-size", "25", "--epochs", "1", "3", "--learning-rate", "0.0005", "0.01"]
SMALL = ["tune", *TASK, *SPACE, "--rounds", "2"]


def test_each_network_is_searched_for_itself_and_drawn(run, tmp_path):
    code, out, _ = run(*SMALL, "--networks", "NetWS", "NetWSAL", "--budget", "20")
    assert code == 0
    lines = [line.split() for line in out.splitlines() if " found " in line or " start " in line]
    assert [line[0] for line in lines] == ["NetWS", "start", "NetWSAL", "start"]
    assert lines[0][4] == "–"  # NetWS has no auxiliary weight to tune
    assert lines[1][1:6] == ["adam", "0.001", "–", "25", "100"]
    assert lines[1][-1] == "–"  # and the search did not try the one it started from
    assert "--confirm shows by how much" in " ".join(out.split())
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    names = ("history", "importances", "aux_weight")
    assert drawn == {f"tune_{name}.{ending}" for name in names for ending in ("png", "svg")}


def test_one_setting_for_all_networks_is_confirmed_on_fresh_rounds(run):
    arguments = (*SMALL, "--together", "--networks", "NetWS", "NetWSAL", "--budget", "8", "--confirm", "3")
    code, out, _ = run(*arguments)
    assert code == 0
    assert "2 networks found" in " ".join(out.split())
    assert "Test error on 3 fresh rounds: the setting found, and the one at the start" in " ".join(out.split())
    assert "mean" in [line.split()[0] for line in out.splitlines() if line.strip()]
    _, out, _ = run(*arguments, "--equivalence-margin", "0.5", "--quiet")
    assert "shown to differ by less than 0.5 points" in " ".join(out.split())
    _, out, _ = run(*arguments, "--json", "--quiet")
    rows = json.loads(out)
    assert len([row for row in rows if row["round"] < 2]) == 8
    fresh = [row for row in rows if row["round"] >= 1000]
    assert {row["round"] for row in fresh} == {1000, 1001, 1002}
    assert len(fresh) == 2 * 2 * 3  # two networks, the setting found and the one at the start


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learning-rate", "1", "0.1"], "`--learning-rate` (=1 0.1) must be a range"),
        (["--optimizer", "adm"], "did you mean adam?"),
        (["--batch-size", "33"], "`--batch-size` (=33) must divide `--pairs` (=1000)"),
        (["--budget", "2"], "`--budget` (=2) must be at least the 3 trainings of one proposal"),
        (["--rounds", "0"], "`--rounds` (=0) must be at least 1"),
        (["--pairs", "1250"], "needs validation pairs"),
        (["--networks", "NetFoo"], "`--networks` (='NetFoo') is unknown"),
    ],
)
def test_a_mistake_is_told_in_one_line_before_anything_is_trained(run, arguments, message):
    code, out, err = run("tune", *arguments)
    assert code == 2
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_without_optuna_the_remedy_is_told(run, monkeypatch):
    monkeypatch.delitem(sys.modules, "twofold.study.tune", raising=False)
    monkeypatch.setitem(sys.modules, "optuna", None)
    code, _, err = run("tune")
    assert code == 2
    assert err == (
        "twofold: tuning needs Optuna, which is not installed; in the folder of twofold's clone run: "
        "pip install -e '.[tune]'\n"
    )


def test_a_killed_search_goes_on_where_it_stopped(start, tmp_path):
    arguments = [*SMALL, "--networks", "NetWS", "--budget", "24", "--workers", "1"]
    before = kill_when_some_are_stored(start(*arguments, cwd=tmp_path, program=WATCHED), tmp_path)
    assert 0 < len(before) < 24
    again = start(*arguments, "--json", "--quiet", cwd=tmp_path, program=WATCHED)
    out, _ = again.communicate(timeout=300)
    assert again.returncode == 0
    after = trained(tmp_path)
    assert set(before) <= set(after)
    assert sorted(set(after)) == sorted(row["key"] for row in json.loads(out))
    assert len(set(after)) == 24
    assert len(after) <= 25  # one was under way when it was killed
