"""Options are spelled alike in every command, whole numbers are whole, and old spellings work for one version more."""

import json
import subprocess
import sys

import pytest
from tests.cli.program import run as run_program

from twofold.cli import main
from twofold.cli.app import app

TRAINING = ("study", "grid", "sweep", "tune")
SMALL = ["--networks", "NetWS", "--epochs", "1", "--pairs", "50", "--test-pairs", "50", "--quiet"]


def whole_options():
    """Every option of every command that takes whole numbers."""
    for command in ("study", "grid", "sweep", "tune", "results", "analyse", "power", "report"):
        for argument in app[command].assemble_argument_collection():
            if "int" in str(argument.hint) or argument.name == "--rounds":
                yield command, argument.name


NOT_WHOLE = ["2.5", "1e1", "two", "2.0", ""]


def words_that_are_not_whole():
    """Every option of every command with one word, in turn, and one option with each: all are read in one way."""
    for number, (command, option) in enumerate(whole_options()):
        yield command, option, NOT_WHOLE[number % len(NOT_WHOLE)]
    yield from (("study", "--epochs", value) for value in NOT_WHOLE)
    yield from (("study", "--rounds", value) for value in NOT_WHOLE)


@pytest.mark.parametrize(("command", "option", "value"), sorted(set(words_that_are_not_whole())))
def test_what_is_not_whole_is_refused_by_the_options_name(command, option, value, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([command, option, value]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert option.removeprefix("--") in err.replace("_", "-")
    assert list(tmp_path.iterdir()) == []


def test_every_option_is_spelled_alike():
    """In the commands that train, an option of one is an option of all but for what only one of them does."""
    names = {c: {a.name for a in app[c].assemble_argument_collection()} for c in TRAINING}
    own = {"study": {"PLAN"}, "sweep": set(), "grid": {"--confirm", "--equivalence-margin", "--select-on"}}
    own["tune"] = {"--batch", "--budget", "--confirm", "--equivalence-margin", "--together"}
    common = set.intersection(*names.values())
    for command, all_of_it in names.items():
        assert all_of_it - common == own[command]
        assert not [name for name in all_of_it if name.endswith("s") and name.removesuffix("s") in common]


def test_rounds_may_be_a_range_in_every_command(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rates = ["--learning-rate", "0.001", "0.01"]  # for which nothing more is compiled
    for command, more in (("study", []), ("grid", ["--optimizer", "adam", *rates]), ("sweep", rates)):
        assert main([command, *SMALL, *more, "--rounds", "7-8", "--json"]) == 0
        assert {row["round"] for row in json.loads(capsys.readouterr().out)} == {7, 8}
    for command in ("analyse", "results"):
        assert main([command, "--rounds", "8-8", "--pairs", "50", "--json"]) == 0
        assert '"round": 7' not in capsys.readouterr().out
    assert main(["results", "--rounds", "3"]) == 2
    assert "no trial has `round`" in capsys.readouterr().err


def test_old_spellings_work_and_say_so(tmp_path):
    old = run_program("grid", *SMALL, "--rounds", "1", "--optimizers", "adam", "--learning-rates=0.001", cwd=tmp_path)
    assert old.returncode == 0, old.stderr
    assert "--optimizers is --optimizer now, --learning-rates is --learning-rate now" in old.stderr
    new = run_program("grid", *SMALL, "--rounds", "1", "--optimizer", "adam", "--learning-rate", "0.001", cwd=tmp_path)
    assert (new.returncode, new.stdout) == (0, old.stdout)
    assert "spelling" not in new.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["study", "--networks", "NetBase", "--aux-weight", "0.5"],
        ["sweep", "--networks", "NetBase", "NetWS", "--aux-weight", "0.5", "1"],
        ["grid", "--networks", "NetBase", "--aux-weight", "2"],
        ["tune", "--networks", "NetWS", "--aux-weight", "0.5", "1"],
    ],
    ids=lambda words: words[0],
)
def test_a_setting_that_no_network_uses_is_refused_by_name(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--quiet"]) == 2
    err = capsys.readouterr().err
    assert "`--aux-weight` cannot be used by NetBase" in err or "`--aux-weight` cannot be used by NetWS" in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", TRAINING)
def test_a_folder_that_cannot_be_written_is_found_before_training(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blocked").touch()
    more = ["--pairs", "50", "100"] if command == "sweep" else []
    assert main([command, "--quiet", "--out", "blocked/figures", *more]) == 2
    err = capsys.readouterr().err
    assert "`--out` (=blocked/figures) cannot be written" in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["blocked"]


BOTH = ["NetWSAL" if word == "NetWS" else word for word in ["--networks", "NetAL", *SMALL[1:]]]
READING = {
    "results": [],
    "analyse": ["--figures", "figures"],
    "power": [],
    "report": [],
    "models": [],
    "study": ["--rounds", "2", *BOTH],
}


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studied")
    assert run_program("study", "--rounds", "2", *BOTH, cwd=folder).returncode == 0
    return folder


# One command after another in one process: what one imports would be there after it.
READ_ALL = """
import json, sys
from twofold.cli import main
for words in json.loads(sys.argv[1]):
    code = main(words)
    there = [name for name in ("jax", "numba", "alembic") if name in sys.modules]
    print("after", words[0], code, there, file=sys.stderr)
"""


def test_what_only_reads_does_not_import_jax(studied):
    """Nor does a study that has nothing to train."""
    words = json.dumps([[command, *more] for command, more in READING.items()])
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, words], cwd=studied, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("after ")]
    assert said == [f"after {command} 0 []" for command in READING]


def test_figures_of_the_same_rows_are_not_drawn_again(studied):
    figure = studied / "figures" / "figure2.png"
    before = figure.stat().st_mtime_ns
    code = f"import sys; from twofold.cli import main; code = main({['study', *READING['study']]!r}); "
    code += "print('matplotlib' in sys.modules, file=sys.stderr); sys.exit(code)"
    done = subprocess.run([sys.executable, "-c", code], cwd=studied, capture_output=True, text=True, check=False)
    assert done.stderr.endswith("False\n"), done.stderr
    assert figure.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["study", "--pairs", "50", "60"], "`--pairs 50 60`: one value is expected (grid and sweep take several)"),
        (["study", "--rounds", "1", "2"], "`--rounds 1 2`: one value is expected"),
        (["tune", "--seed", "1", "2"], "`--seed 1 2`: one value is expected"),
        (["study", "5"], "5: no such argument is expected"),
        (["study", "--rounds", "9" * 20], "`--rounds`"),
        (["study", "--rounds", "0-99999999999999"], "`--rounds`"),
        (["sweep", "--seed", "0", "1"], "`--seed` cannot be swept"),
        (["grid", "--replicates", "2"], "`--replicates` is no option of grid"),
        (["analyse", "--equivalence-margin", "0"], "`--equivalence-margin` (=0) must be points between 0 and 100"),
        (["report", "--equivalence-margin", "100"], "`--equivalence-margin` (=100) must be points between 0 and 100"),
        (["power", "--equivalence-margin", "one"], "`--equivalence-margin` (=one) must be a number"),
        (["power", "--difference", "ten"], "`--difference` (=ten) must be a number"),
        (["study", "--relation", ">="], "`--relation` (='>=') is unknown; known: <=, <, ==, same parity"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_slip_is_told_by_the_option(words, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["results", "--rounds", "0-999999"], ["results", "--aux-weight", "-1"]])
def test_what_chooses_nothing_is_told_in_one_short_line(words, studied, capsys, monkeypatch):
    monkeypatch.chdir(studied)
    code = main(words)
    err = capsys.readouterr().err
    assert code == (0 if "--rounds" in words else 2)
    assert len(err) < 200


def test_a_figure_that_cannot_be_replaced_is_found_before_training(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "figures" / "figure2.png").mkdir(parents=True)
    assert main(["study", "--rounds", "1", *SMALL]) == 2
    assert "figure2.png is a folder" in capsys.readouterr().err
    assert not (tmp_path / "twofold.db").exists()
