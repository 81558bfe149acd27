"""Slips of the keyboard: one line each, exit code 2, with the nearest right thing in full; nothing is made."""

import json

import pytest

from twofold.cli import main
from twofold.errors import SettingError
from twofold.settings import SETTINGS, round_numbers

SLIPS = {
    "a letter too many": (["study", "--roundss", "3"], "`--roundss` is no option of study; did you mean --rounds?"),
    "a hyphen too few": (["study", "--learningrate", "1"], "did you mean --learning-rate?"),
    "the beginning of an option": (["study", "--learn", "1"], "did you mean --learning-rate?"),
    "the initials of an option": (["grid", "--lr=0.1"], "`--lr` is no option of grid; did you mean --learning-rate?"),
    "a negation": (["study", "--no-shufle"], "did you mean --no-shuffle?"),
    "one dash": (["study", "-rounds", "3"], "`-rounds` is no option of study; did you mean --rounds?"),
    "three dashes": (["study", "---rounds", "3"], "did you mean --rounds?"),
    "capitals": (["study", "--ROUNDS=3"], "`--ROUNDS` is no option of study; did you mean --rounds?"),
    "an en dash": (["study", "–rounds", "3"], "`–rounds` is no option of study; did you mean --rounds?"),
    "an em dash": (["study", "—learning_rate=3"], "did you mean --learning-rate?"),
    "a minus sign": (["results", "−json"], "did you mean --json?"),
    "an option of others": (
        ["study", "--csv"],
        "it is one of results, analyse, power and predict",
    ),
    "an option of others, with a value": (["models", "--workers=3"], "study, grid, sweep, tune and store check"),
    "a short option of others": (["study", "-o", "x"], "it is one of report, demo and export"),
    "an option of nobody": (["study", "--xyzzy"], "`--xyzzy` is no option of study; see twofold study --help"),
    "an option before the command": (["--rounds", "3", "study"], "`--rounds` is an option of study, grid, "),
    "options after two dashes": (["study", "--", "--rounds", "3"], "after -- no options are read; leave -- out"),
    "no value": (["study", "--rounds"], "`--rounds` needs a value"),
    "no value before an option": (["study", "--rounds", "--quiet"], "`--rounds` needs a value"),
    "two values": (["study", "--rounds", "2", "5"], "`--rounds 2 5`: one value is expected (grid and sweep"),
    "a value for a flag": (["study", "--shuffle", "yes"], "`--shuffle yes`: --shuffle takes no value"),
    "no truth for a flag": (["study", "--quiet=2"], "`--quiet=2`: this option takes no value"),
    "an option twice": (["study", "--epochs", "1", "--epochs", "2"], "`--epochs` is given twice; give it once"),
    "an option both ways": (["study", "--shuffle", "--no-shuffle"], "`--no-shuffle` is given twice; give it once"),
    "an empty value": (["study", "--rounds="], "`--rounds` (=) must be a whole number such as 20"),
    "a command of a group": (
        ["store", "mrege", "x.db"],
        "`mrege` is no command of store; did you mean twofold store merge?",
    ),
    "no command of a group": (["store", "clean"], "the commands of store are merge, running, check and delete"),
    "an option of a command of a group": (["store", "check", "--replya", "1"], "did you mean --replay?"),
    "an option before the command of a group": (["store", "--replay", "1"], "first: twofold store check --replay"),
    "a command without its group": (["merge", "x.db"], "`merge` is no command; did you mean twofold store merge?"),
    "help of a group as a word": (["store", "help", "merge"], "did you mean twofold store merge --help?"),
    "nothing to merge": (["store", "merge"], "`OTHERS` needs a value; see twofold store merge --help"),
    "half a replay": (["store", "check", "--replay", "0.5"], "`--replay` (=0.5) must be a whole number"),
    "a word too many": (["results", "all"], "all: no such argument is expected"),
    "an empty word": (["results", ""], "'': no such argument is expected"),
    "help after a command": (["study", "help"], "did you mean twofold study --help?"),
    "help": (["help"], "`help` is no command; did you mean twofold --help?"),
    "help of a command": (["help", "study"], "did you mean twofold study --help?"),
    "help with one dash": (["-help"], "did you mean twofold --help?"),
    "letters of a command": (["stduy"], "`stduy` is no command; did you mean twofold study?"),
    "capitals of a command": (["Study", "--rounds", "3"], "did you mean twofold study?"),
    "the program twice": (["twofold", "study"], "`twofold` is no command; did you mean twofold study?"),
    "an old word": (["train"], "`train` is no command; the commands are study, grid, "),
    "no command": ([""], "`''` is no command; the commands are study, grid, "),
    "letters of the version": (["--verison"], "did you mean twofold --version?"),
    "a short version": (["-V"], "did you mean twofold --version?"),
    "a network": (["study", "--networks", "NetWSLA"], "`--networks` (='NetWSLA') is unknown; did you mean NetWSAL?"),
    "networks in one word": (["study", "--networks", "NetWS,NetAL"], "separate them: NetWS NetAL"),
    "an optimizer": (["study", "--optimizer", "Adm"], "`--optimizer` (='Adm') is unknown; did you mean adam?"),
    "data": (["study", "--data", "mnits"], "`--data` (='mnits') is unknown; did you mean mnist?"),
    "a choice": (["grid", "--select-on", "tets"], 'Did you mean "test"?'),
    "a decimal comma": (
        ["study", "--learning-rate", "0,001"],
        "(=0,001) must be a number; write 0.001",
    ),
    "a decimal comma of a difference": (["power", "--difference", "0,01"], "must be a number; write 0.01"),
    "a power of ten": (["study", "--epochs", "1e3"], "`--epochs` (=1e3) must be a whole number; write 1000"),
    "commas between thousands": (["study", "--pairs", "1,000"], "must be a whole number; write 1000"),
    "a list with commas": (["sweep", "--pairs", "100,300"], "separate several by blanks: 100 300"),
    "rates with commas": (["grid", "--learning-rate", "0.1,0.01,1"], "separate several by blanks: 0.1 0.01 1.0"),
    "half a number": (["study", "--epochs", "2.5"], "`--epochs` (=2.5) must be a whole number\n"),
    "no number": (["study", "--learning-rate", "fast"], "`--learning-rate` (=fast) must be a number\n"),
    "not a number": (["study", "--aux-weight", "nan"], "`--aux-weight` (=nan) must be a finite number"),
    "infinity": (["study", "--learning-rate", "1e999"], "`--learning-rate` (=inf) must be a finite number"),
    "bytes that are no text": (["report", "--title", "na\udcefme"], "`na\\xefme` is no text in UTF-8"),
}


@pytest.mark.parametrize("case", SLIPS)
def test_a_slip_is_one_line_with_what_was_meant(case, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, says = SLIPS[case]
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("twofold: ")
    assert says in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


HUGE = ["1" + "0" * 20, "1" + "0" * 400, "1" + "0" * 5000]
WHOLE = [declared.option for declared in SETTINGS.values() if declared.type is int]


@pytest.mark.parametrize("value", HUGE, ids=["10^20", "10^400", "10^5000"])
@pytest.mark.parametrize("option", [*WHOLE, "--learning-rate", "--rounds", "--workers", "--pairs=25 --batch-size"])
def test_what_is_huge_is_refused_at_once_and_not_quoted_whole(option, value, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    *before, option = option.split()
    if (option, value) == ("--learning-rate", HUGE[0]):
        pytest.skip("a number that single precision holds")
    assert main(["study", *before, option, value]) in (2, 4)
    err = capsys.readouterr().err
    assert f"`{option}` (=" in err
    assert err.count("\n") == 1
    assert len(err) < 250
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["study", "grid", "tune"])
def test_more_trials_than_fit_are_refused_before_they_are_made(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    more = ["--budget", "1000000"] if command == "tune" else []
    assert main([command, "--rounds", "999999", *more]) == 2
    assert "give fewer `--rounds` or fewer values" in capsys.readouterr().err
    assert main([command, "--rounds", "1000000000", *more]) == 2
    assert "`--rounds` (=1000000000) must be below 1000000" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


NO_ROUNDS = [10**5000, -(10**5000), f"0-{10**400}", range(10**400), "1-2-3", "-", "–5"]


@pytest.mark.parametrize("value", [*HUGE, "100001"], ids=["10^20", "10^400", "10^5000", "100001"])
@pytest.mark.parametrize("command", ["grid", "tune"])
def test_more_rounds_than_can_be_confirmed_are_refused_before_the_search(command, value, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([command, "--rounds", "1", "--confirm", value]) == 2
    err = capsys.readouterr().err
    assert "`--confirm` (=" in err
    assert err.count("\n") == 1
    assert len(err) < 150
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rounds", NO_ROUNDS, ids=range(len(NO_ROUNDS)))
def test_a_notebook_is_told_of_rounds_that_are_none(rounds):
    with pytest.raises(SettingError, match=r"`rounds` \(=.{,90}\) must be"):
        round_numbers(rounds)


def test_several_values_of_an_option_that_takes_them_are_no_slip(capsys, made_store):
    assert main(["results", "--learning-rate", "0.001", "5", "--json"]) == 0
    assert {row["learning_rate"] for row in json.loads(capsys.readouterr().out)} == {0.001}


@pytest.fixture
def made_store(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
