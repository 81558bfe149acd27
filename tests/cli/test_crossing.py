"""Pairs and initial weights crossed, as users do it: study, analyse, and what other commands leave out and say so."""

import csv
import io
import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from twofold import Study
from twofold.cli import main
from twofold.results import Store
from twofold.results.answers import unpacked

SIZES = ["--epochs", "2", "--pairs", "50", "--test-pairs", "40", "--validation-pairs", "0", "--quiet"]
CROSSED = ["study", "--networks", "NetWS", "NetWSAL", "--rounds", "3", "--weight-rounds", "0-2", *SIZES]
LEFT_OUT = "12 trials with the initial weights of another round"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a store in which two networks are crossed, 3 x 3, and what the study printed."""
    return tmp_path_factory.mktemp("crossed")


@pytest.fixture(scope="module")
def said(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        printed = io.StringIO()
        patch.setattr("sys.stdout", printed)
        assert main(CROSSED) == 0
    return printed.getvalue()


@pytest.fixture(name="run")
def run_there(folder, said, monkeypatch, capsys):
    """Runs `twofold` in the folder and returns its exit code, standard output and standard error."""
    monkeypatch.chdir(folder)

    def run_it(*arguments):
        code = main(arguments)
        return code, *capsys.readouterr()

    return run_it


def test_a_study_shows_rounds_with_their_own_weights_and_what_decides_them(said):
    assert "3 rounds" in said.splitlines()[0]
    assert "What decides a round, in points of test error, 3 rounds x 3 weight rounds" in said
    for network in ("NetWS", "NetWSAL", "NetWSAL − NetWS"):
        for part in ("pairs", "weights", "both together", "all"):
            assert any(line.startswith(network) and part in line for line in said.splitlines()), (network, part)


def test_the_same_again_trains_nothing(run, folder):
    before = Store(folder / "twofold.db").count()
    assert before == 18
    assert run(*CROSSED)[0] == 0
    assert Store(folder / "twofold.db").count() == before


def test_in_python_it_is_the_same_study(folder, said):
    settings = {"epochs": 2, "pairs": 50, "test_pairs": 40, "validation_pairs": 0}
    study = Study(networks=["NetWS", "NetWSAL"], rounds=3, weight_round=range(3), **settings)
    result = study.run(store=folder / "twofold.db", progress=False)
    assert Store(folder / "twofold.db").count() == len(result.table) == 18
    for row in result.answers.to_dict("records"):
        assert unpacked(row["wrong_answers"], 40).mean() == row["test_error"]
    errors = result.table.pivot(index=["network", "round"], columns="weight_round", values="test_error")
    found = result.ensembles(3).set_index("network")
    assert found.single.to_dict() == pytest.approx(errors.mean(axis=1).groupby("network").mean().to_dict())
    assert result.components.part.value_counts().to_dict() == dict.fromkeys(("pairs", "weights", "both", "all"), 3)
    assert result.summary.rounds.tolist() == [3, 3]


def test_analyse_says_what_decides_a_round_and_what_an_ensemble_is_worth(run):
    code, out, _ = run("analyse", "--ensemble", "3")
    assert code == 0
    assert "What decides a round" in out
    assert "What counting the test pairs does to the error, in points, 3 rounds" in out
    assert "Ensembles of 3 networks, 3 rounds" in out
    code, out, _ = run("analyse", "--ensemble", "3", "--json")
    found = json.loads(out)
    assert {row["first"] for row in found["components"]} == {"NetWS", "NetWSAL"}
    assert [row["size"] for row in found["ensembles"]] == [3, 3]
    assert [row["rounds"] for row in found["counting"]] == [3, 3, 3]
    assert [row["rounds"] for row in found["summary"]] == [3, 3]


@pytest.mark.parametrize(
    ("size", "says"), [("1", "`--ensemble` (=1) must be at least 2"), ("x", "must be a whole number")]
)
def test_what_is_no_ensemble_is_refused(run, size, says):
    code, _, err = run("analyse", "--ensemble", size)
    assert (code, says in err) == (2, True), err


def test_an_ensemble_larger_than_what_there_is_says_what_to_train(run):
    code, out, _ = run("analyse", "--ensemble", "4")
    assert code == 0
    assert "No ensembles: no round has 4 trials of one network that kept their answers; `twofold study" in out


def test_other_commands_leave_crossed_rounds_out_and_say_so(run, folder):
    code, out, _ = run("results")
    assert (code, LEFT_OUT in " ".join(out.split())) == (0, True), out
    assert "Test error of 6 trials" in out
    assert run("report", "-o", "report.html")[0] == 0
    assert LEFT_OUT in " ".join((folder / "report.html").read_text(encoding="utf-8").split())
    code, _, err = run("power", "--difference", "0.1")
    assert (code, LEFT_OUT in err) == (0, True), err


def test_rows_have_all_trials_and_no_answers(run):
    rows = json.loads(run("results", "--json")[1])
    table = list(csv.DictReader(io.StringIO(run("results", "--csv")[1])))
    assert sorted((row["round"], row["weight_round"]) for row in rows) == sorted(
        (int(row["round"]), int(row["weight_round"])) for row in table
    )
    assert len(rows) == 18
    assert not any("wrong_answers" in row for row in [*rows, *table])


def test_weights_are_chosen_among_trials(run):
    rows = json.loads(run("results", "--weight-rounds", "1-2", "--rounds", "1", "--json")[1])
    assert {(row["round"], row["weight_round"]) for row in rows} == {(0, 1), (0, 2)}
    code, _, err = run("analyse", "--weight-rounds", "7-9")
    assert (code, "no trial has `weight_round` 7 or 8 or 9; there is 0, 1, 2" in err) == (2, True), err


@pytest.mark.parametrize("text", ["3-1", "x", "0", "-2"])
def test_weight_rounds_that_are_none(run, text):
    code, _, err = run("study", f"--weight-rounds={text}")
    assert (code, "`--weight-rounds`" in err) == (2, True), err


def test_check_finds_an_answer_that_was_changed(run, folder, tmp_path):
    assert run("store", "check")[0] == 0
    with closing(sqlite3.connect(folder / "twofold.db")) as source, closing(sqlite3.connect(tmp_path / "a.db")) as copy:
        source.backup(copy)
        (cell,) = copy.execute("select wrong_answers from trials order by key").fetchone()
        flipped = np.frombuffer(cell, np.uint8) ^ np.array([1, *[0] * (len(cell) - 1)], np.uint8)
        copy.execute(
            "update trials set wrong_answers = ? where key = (select min(key) from trials)", [flipped.tobytes()]
        )
        copy.commit()
    code, out, err = run("store", "check", "--store", str(tmp_path / "a.db"))
    assert (code, "`wrong_answers` has" in out + err) == (3, True), (code, out, err)
    code, _, err = run("analyse", "--store", str(tmp_path / "a.db"))
    assert (code, "is damaged" in err) == (3, True), (code, err)


def test_a_training_again_gives_the_same_answers(run):
    code, out, err = run("store", "check", "--replay", "2", "--quiet")
    assert code == 0, out + err


def test_all_weights_of_another_round_make_no_rounds(run, folder):
    code, out, _ = run(
        "study", "--networks", "NetWS", "--rounds", "3", "--weight-rounds", "1-1", *SIZES, "--store", "b.db"
    )
    assert code == 0
    code, out, err = run(
        "study", "--networks", "NetWS", "--rounds", "2", "--weight-rounds", "9-9", *SIZES, "--store", "c.db"
    )
    assert (code, "2 trials with the initial weights of another round" in out) == (0, True), (code, out, err)
    code, out, err = run("results", "--store", "c.db")
    assert (code, out.startswith("Left out of all tables over rounds: 2 trials")) == (0, True), (code, out, err)
