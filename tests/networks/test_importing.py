"""Files of users: each is imported apart, and what goes wrong there is told in one line."""

import sys

import pytest

from twofold.errors import NetworkError
from twofold.networks.importing import import_home


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
    return str(folder / "net.py")


def test_files_of_two_people_with_modules_of_the_same_name(tmp_path):
    net = (
        "import models\nclass Net:\n    layer = models.LAYER\n"
        "    def late(self):\n        import models\n        return models.LAYER\n"
    )
    homes = [write(tmp_path / name, net=net, models=f"LAYER = {name!r}\n") for name in ("ada", "bob")]
    before, path = set(sys.modules), sys.path.copy()
    imported = [import_home(home) for home in homes]
    assert [each.find("Net").layer for each in imported] == ["ada", "bob"]
    for each, name in zip(imported, ("ada", "bob")):
        with each.there():
            assert each.find("Net")().late() == name
    assert sys.path == path
    assert "models" not in set(sys.modules) - before


def test_the_hash_is_that_of_all_sources(tmp_path):
    home = write(tmp_path, net="import models\n", models="A = 1\n")
    first = import_home(home).digest()
    assert import_home(home).digest() == first
    write(tmp_path, models="A = 2\n")
    assert import_home(home).digest() != first


def test_what_a_file_prints_is_no_output_and_the_command_line_is_not_its_own(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["twofold", "study", "--rounds", "3"])
    parse = (
        "import argparse, sys\nargparse.ArgumentParser().parse_args()\nprint('hello', sys.argv[1:])\nclass Net: ...\n"
    )
    import_home(write(tmp_path, net=parse)).find("Net")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "hello []\n")
    assert sys.argv[1:] == ["study", "--rounds", "3"]


BROKEN = {
    "no module": ("import torchvisionary", r"\(net.py, line 1\): there is no module torchvisionary; install it"),
    "syntax": ("class Net\n", r"\(net.py, line 1\): SyntaxError"),
    "its own error": ("x = 1\nraise ValueError('no\\nno')", r"\(net.py, line 2\): ValueError: no"),
    "an end": ("import sys\nsys.exit(3)", r"ends the program while it is imported \(exit code 3\)"),
    "in another file": ("import models", r"\(models.py, line 2\): ZeroDivisionError"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_an_import_that_fails_is_told_in_its_own_words(kind, tmp_path):
    text, said = BROKEN[kind]
    with pytest.raises(NetworkError, match=said) as error:
        import_home(write(tmp_path, net=text, models="\n1 / 0\n"))
    assert "\n" not in str(error.value)


def test_what_is_not_there(tmp_path):
    with pytest.raises(NetworkError, match=r"there is no file nowhere\.py"):
        import_home("nowhere.py")
    with pytest.raises(NetworkError, match="there is no module nowhere"):
        import_home("nowhere.at.all")
    home = write(tmp_path, net="class Twin: ...\nclass Other: ...\n")
    with pytest.raises(NetworkError, match=r"net.py has no class Tvin; its classes are: Twin, Other"):
        import_home(home).find("Tvin")


def test_a_module_of_a_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "package", __init__="", net="class Twin: ...\n")
    assert import_home("package.net").find("Twin").__name__ == "Twin"
    assert "package" not in sys.modules
