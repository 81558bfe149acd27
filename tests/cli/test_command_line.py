"""The words of the command line: its help, its errors, and how it ends. In this process, where it is faster."""

import gzip
import json
import os
import shlex
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from twofold.cli import main
from twofold.cli.app import app
from twofold.cli.mistakes import commands_of
from twofold.cli.options import DEFAULT_STORE
from twofold.data.download import PUBLISHED
from twofold.results import DEFAULT_URL

COMMANDS = commands_of(app)


def arguments_of(name):
    """The arguments of a command, the fields of grouped options one by one."""
    return list(COMMANDS[name].assemble_argument_collection(parse_docstring=True).filter_by(show=True))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name, capsys):
    assert main([*name.split(), "--help"]) == 0
    assert f"Example: twofold {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command_is_one(name):
    """It parses, as the shell would hand it over."""
    example = next(line for line in COMMANDS[name].help.splitlines() if "Example: " in line).split("Example: ")[1]
    words = shlex.split(example.split(">")[0])
    assert " ".join(words).startswith(f"twofold {name}")
    command, _, _ = app.parse_args(words[1:])
    assert command is COMMANDS[name].default_command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_in_the_readme(name):
    assert f"twofold {name}" in (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(name):
    arguments = arguments_of(name)
    assert arguments
    for argument in arguments:
        assert argument.parameter.help, f"twofold {name} {argument.name} has no help"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_default_or_an_example(name):
    """A flag is its own example; where there is no default to show, the help has one."""
    for argument in arguments_of(name):
        default = argument.field_info.default
        has_one = default not in (None, argument.field_info.empty) or callable(argument.parameter.show_default)
        assert has_one or "for example" in argument.parameter.help, f"twofold {name} {argument.name}"


def test_the_default_store_is_the_stores_own():
    assert DEFAULT_STORE == DEFAULT_URL


def test_without_arguments_it_shows_its_help(capsys):
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert "Usage: twofold COMMAND" in out
    assert all(name.split()[0] in out for name in COMMANDS)
    assert err == ""


def test_a_group_without_a_command_shows_its_help(capsys):
    assert main(["store"]) == 0
    out, err = capsys.readouterr()
    assert "Usage: twofold store COMMAND" in out
    assert all(name.split()[1] in out for name in COMMANDS if name.startswith("store "))
    assert err == ""


def test_it_tells_its_version(capsys):
    from twofold import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


BAD_WORDS = {
    "an unknown command": (["stduy"], "`stduy` is no command; did you mean twofold study?"),
    "help of an unknown command": (["stduy", "--help"], "`stduy` is no command; did you mean twofold study?"),
    "an unknown option": (["study", "--round", "3"], "`--round` is no option of study; did you mean --rounds?"),
    "a word for a number": (
        ["study", "--rounds", "many"],
        "`--rounds` (=many) must be a whole number such as 20, or a range such as 1000-1049",
    ),
    "an option without its value": (["study", "--rounds"], "--rounds"),
    "an option twice": (["study", "--rounds", "1", "--rounds", "2"], "`--rounds` is given twice"),
    "no rounds": (["study", "--rounds", "0"], "`--rounds` (=0) must be at least 1"),
    "a negative rate": (["study", "--learning-rate", "-0.1"], "`--learning-rate` (=-0.1) must be greater than 0"),
    "NaN": (["study", "--learning-rate", "nan"], "`--learning-rate` (=nan) must be a finite number"),
    "a network that lacks": (["study", "--networks", "NetWSLA"], "did you mean NetWSAL?"),
    "a network of no name": (["networks", "Netbase2"], "did you mean NetBase?"),
    "batches that leave a rest": (
        ["study", "--batch-size", "30"],
        "`--batch-size` (=30) must divide `--pairs` (=1000); the nearest that does is 25",
    ),
    "an unknown optimizer": (["study", "--optimizer", "adma"], "did you mean adam?"),
    "an unknown relation": (["study", "--relation", ">="], "`--relation` (='>=') is unknown"),
    "an unknown activation": (["study", "--bottleneck-activation", "elu"], "`--bottleneck-activation` (='elu')"),
    "no workers": (["study", "--workers", "0"], "`--workers` (=0) must be at least 1"),
    "too many workers": (["study", "--workers", "5000"], "`--workers` (=5000) is more than this machine has"),
    "a seed beyond all databases": (["study", "--seed", "9" * 30], "`--seed` (=" + "9" * 30 + ") must be at most"),
    "unknown data": (["study", "--data", "minst"], "did you mean mnist?"),
    "two formats": (["results", "--json", "--csv"], "`--json` and `--csv` exclude each other; give one of them"),
}


def assert_one_line(captured, says):
    out, err = captured
    assert out == ""
    assert err.startswith("twofold: ")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("case", BAD_WORDS)
def test_a_bad_value_is_one_line_and_exit_code_2(case, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, says = BAD_WORDS[case]
    assert main([*words, "--quiet"] if words[0] == "study" and words[-1] != "--help" else words) == 2
    assert_one_line(capsys.readouterr(), says)
    assert list(tmp_path.iterdir()) == []


BAD_STORES = {
    "none": (
        ["results", "--store", "none.db"],
        "no store at none.db; `twofold study --store none.db` makes one",
    ),
    "no folder": (["study", "--store", "no/where.db"], "there is no folder no; make it first"),
    "no driver": (["study", "--store", "nosuchbase://h/x"], "stores are SQLite files and PostgreSQL databases"),
    "another program's": (["study", "--store", "other.db"], "no table `trials`"),
    "another program's, to read": (["results", "--store", "other.db"], "no table `trials`"),
    "another file": (["results", "--store", "text.db"], "file is not a database"),
}


@pytest.mark.parametrize("case", BAD_STORES)
def test_a_store_that_cannot_be_used_is_one_line_and_exit_code_3(case, capsys, tmp_path, monkeypatch):
    import sqlite3

    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.db").write_text("No database, although it is as long as the header of one. " * 20)
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("create table recipes (name text)")
    connection.close()
    words, says = BAD_STORES[case]
    assert main(words) == 3
    assert_one_line(capsys.readouterr(), says)


BAD_DATA = {
    "no file": (["--data", "own/digits.npz"], "there is no file or folder own/digits.npz"),
    "a device": (
        ["--data", "/dev/null"],
        "`--data` (=/dev/null) is a pipe or a device; give the name of a file or a folder",
    ),
    "a file that is cut": (["--data", "./cut"], "cannot read cut/train-images-idx3-ubyte.gz"),
    "no .npz file": (["--data", "text.npz"], "text.npz is no .npz file; save one with"),
    "a folder without digits": (
        ["--data", "./empty"],
        "empty has neither a folder of pictures for each class nor IDX files",
    ),
    "no data folder": (["--data", "mnist", "--data-dir", "none"], "`--data-dir` (=none) is no folder"),
    "too small a pool": (["--pairs", "1300"], "`--pairs` (=1300) takes 2600 training digits, but mnist5k has 2500"),
    "too few test digits": (
        ["--test-pairs", "1300", "--pairs", "100"],
        "`--test-pairs` (=1300) takes 2600",
    ),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_data_that_do_not_suit_are_one_line_and_exit_code_4(case, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.npz").write_text("digits")
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut").mkdir()
    for name in PUBLISHED["mnist"].sha256:
        (tmp_path / "cut" / name).write_bytes(gzip.compress(struct.pack(">4I", 0x803, 1, 28, 28) + bytes(784))[:-4])
    words, says = BAD_DATA[case]
    assert main(["study", "--quiet", "--networks", "NetWS", *words]) == 4
    assert_one_line(capsys.readouterr(), says)


def test_an_empty_store_says_how_to_fill_it(capsys, tmp_path):
    from twofold.results import Store

    path = tmp_path / "empty.db"
    Store(str(path))
    assert main(["results", "--store", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "no trials in" in err
    assert "`twofold study` makes some" in err
    assert main(["results", "--store", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_figures_that_cannot_be_written_are_one_line(capsys, tmp_path):
    (tmp_path / "file").touch()
    assert main(["networks", "NetWS", "--json", "--out", str(tmp_path / "file")]) == 2
    assert "`--out`" in capsys.readouterr().err


def test_networks_are_printed_and_drawn(capsys, tmp_path):
    assert main(["networks", "--out", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "55,948" in out  # NetWSAL (paper, section III)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"figure1_{name}.{ending}" for name in ("NetBase", "NetWS", "NetAL", "NetWSAL") for ending in ("png", "svg")
    )
    assert err.count("wrote ") == 8


def test_networks_as_json_are_one_array(capsys, tmp_path):
    assert main(["networks", "NetWSAL", "--json", "--out", str(tmp_path)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert sum(row["parameters"] for row in rows) == 55_948
    assert {"network", "layer", "input_shape", "output_shape", "parameters"} == set(rows[0])


HEAVY = ["jax", "matplotlib", "pandas", "sqlalchemy", "scipy", "pooch", "equinox"]


@pytest.mark.parametrize(
    "code",
    ["import twofold", "import twofold.cli", "from twofold.cli import main; main(['--help'])"],
    ids=["the package", "the command line", "its help"],
)
def test_what_is_heavy_is_loaded_only_when_it_is_needed(code):
    ask = f"{code}; import sys; print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stderr == "[]\n"
