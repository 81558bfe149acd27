"""Paths as they are typed: `~` after an equals sign, odd characters, bytes that are no text, nothing at all."""

import os
import pwd
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from twofold import Study
from twofold.cli import main
from twofold.cli.app import app
from twofold.cli.mistakes import commands_of
from twofold.errors import SettingError, StoreError, TwofoldError

SIZES = ["--networks", "NetWSAL", "--rounds", "1", "--epochs", "1", "--pairs", "25", "--test-pairs", "20"]
STUDY = ["study", *SIZES, "--validation-pairs", "20", "--quiet"]
STORE = ["--store", "twofold.db"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder, beside the folder in which the test runs."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(platformdirs.user_cache_path()))  # the compiled programs are there
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def digits(file):
    rng = np.random.default_rng(0)
    np.savez(file, images=rng.integers(0, 256, (400, 20, 20)), labels=np.arange(400) % 10)


def path_options():
    """Every option of every command that names a file or a folder; stores and data are text."""
    for command, its in commands_of(app).items():
        for argument in its.assemble_argument_collection():
            if "Path" in str(argument.hint) or argument.name in ("--store", "--data"):
                yield command, argument.name


def words_of(command, option, value):
    """A command with a value of one of its options, and what it needs beside that."""
    needs = {
        **{"study": STUDY[1:], "check": ["net.py:Net"], "sweep": ["--pairs", "25", "50"], "demo": [], "networks": []},
        **{"predict": ["0a1b", "a.png", "b.png"], "export": ["0a1b", "--to", "onnx"]},
        "store merge": ["other.db"],
        **{"store delete": ["--epochs", "1"], "models delete": ["--epochs", "1"]},
    }
    lacks_data = command in ("report", "demo", "store check")
    data = ["--data", "mnist"] if option == "--data-dir" and not lacks_data else []
    return [*command.split(), *needs.get(command, []), *data, f"{option}={value}"]


@pytest.mark.parametrize(("command", "option"), list(path_options()))
@pytest.mark.parametrize("value", ["", os.fsdecode(b"na\xefme")], ids=["nothing", "no text"])
def test_what_is_no_path_is_refused_in_one_line(command, option, value, home, capsys):
    chooses = ("results", "analyse", "power", "report", "demo", "models", "models delete", "store delete")
    if command in chooses and (option, value) == ("--data", ""):
        pytest.skip("here it chooses among the names that are stored, and none is empty")
    assert main(words_of(command, option, value)) in (2, 3)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert option.removeprefix("--").replace("-", "_") in err.replace("-", "_") or "no text in UTF-8" in err
    assert list(Path().iterdir()) == []


def test_a_tilde_after_an_equals_sign_is_the_home_folder(home, capsys):
    digits(home / "own.npz")
    where = ["--store=~/x.db", "--out=~/drawings", "--models=~/kept", "--data=~/own.npz"]
    assert main([*STUDY, *where, "--keep-models", "all"]) == 0
    assert main(["report", "--store=sqlite:///~/x.db", "--out=~/page.html", "--models=~/kept"]) == 0
    assert main(["demo", "--store=~/x.db", "-o=~/pages/demo.html", "--models=~/kept"]) == 0
    assert main(["analyse", "--store=~/x.db", "--figures=~/found"]) == 0
    capsys.readouterr()
    assert main(["results", "--store=~/x.db", "--csv"]) == 0
    (home / "trials.csv").write_text(capsys.readouterr().out)
    assert main(["analyse", "--csv=~/trials.csv"]) == 0
    assert main(["networks", "NetWS", "--out=~/architecture"]) == 0
    assert main([*STUDY, "--data", "mnist", "--data-dir=~/none"]) == 4
    assert f"(={home / 'none'}) is no folder" in capsys.readouterr().err
    # Other programs keep their settings in hidden folders, as matplotlib does when it is first imported.
    assert {path.name for path in home.iterdir() if not path.name.startswith(".")} == {
        *("x.db", "drawings", "kept", "own.npz", "page.html", "pages", "found", "trials.csv", "architecture")
    }
    assert list(Path().iterdir()) == []


def test_a_notebook_may_write_a_tilde_too(home, monkeypatch):
    digits(home / "own.npz")
    sizes = {"rounds": 1, "epochs": 1, "pairs": 25, "test_pairs": 20, "validation_pairs": 20}
    study = Study(networks="NetWSAL", data="~/own.npz", **sizes)
    study.run(store="~/x.db", models=Path("~/kept"), keep_models="all", progress=False)
    assert {path.name for path in home.iterdir()} == {"x.db", "kept", "own.npz"}
    for origin in ("argument", "variable"):
        folder = f"~/{origin}"
        monkeypatch.setenv("TWOFOLD_DATA_DIR", folder)
        with pytest.raises(TwofoldError, match=rf"\(={home / origin}\) is no folder"):
            Study(data="mnist", data_dir=folder if origin == "argument" else None).trials()
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", ["~nosuchuser", "~nosuchuser/deep", "what? 50% #1 &c, it's zwölf\nb", "-x"])
def test_any_other_name_is_a_name(name, home, capsys):
    assert main([*STUDY, f"--out={name}", f"--models={name}", "--keep-models=all"]) == 0
    assert main(["report", f"--out={name}.html", f"--models={name}", "--title=it's 50 % <b>"]) == 0
    assert {path.suffix for path in Path(name).iterdir()} == {".png", ".svg", ".safetensors"}
    assert Path(f"{name}.html").is_file()


def test_without_a_home_folder_a_tilde_is_refused(home, monkeypatch, capsys):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does where nothing is known of the user
    for option, code in (("--out", 2), ("--store", 3), ("--models", 2), ("--data", 2)):
        assert main([*STUDY, f"{option}=~/x"]) == code
        assert "no home folder is known; give the whole path" in capsys.readouterr().err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("value", ["", " ", "a\0b", os.fsdecode(b"na\xefme")])
@pytest.mark.parametrize("argument", ["store", "models", "data_dir", "data"])
def test_a_notebook_is_told_before_anything_is_trained(argument, value, home):
    settings = {"data": "mnist", argument: value} if argument.startswith("data") else {}
    where = {} if settings else {argument: value}
    with pytest.raises((SettingError, StoreError), match=argument):
        Study(networks="NetWS", rounds=1, **settings).run(**where, keep_models="all", progress=False)
    assert [path.name for path in Path().iterdir()] in ([], ["twofold.db"])


@pytest.mark.parametrize("command", ["report", "demo"])
def test_a_page_is_not_named_as_a_folder(command, home, capsys):
    assert main([command, "-o", "pages/"]) == 2
    assert "(=pages/) is a folder's name; give a file's" in capsys.readouterr().err


@pytest.fixture
def nobody(tmp_path, monkeypatch):
    """A user whom the system does not know, as in a container that is started with --user, and no variable helps."""

    def unknown(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "USER", "LOGNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)


def test_an_unknown_user_without_a_home_folder_trains_and_keeps_nothing(nobody, tmp_path, capsys):
    assert main([*STUDY, *STORE]) == 0
    _, err = capsys.readouterr()
    assert err == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures", "twofold.db"]


def test_an_unknown_user_is_told_where_downloads_could_go(nobody, monkeypatch, capsys):
    monkeypatch.delenv("TWOFOLD_DATA_DIR", raising=False)
    assert main([*STUDY, *STORE, "--data", "kmnist"]) == 4
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "no place for downloads" in err
    assert "XDG_CACHE_HOME" in err


def test_the_doctor_sees_an_unknown_user(nobody, capsys):
    assert main(["doctor"]) == 0
    assert "this user has no home folder" in " ".join(capsys.readouterr().out.split())
