"""twofold models, report and demo, as users run them, with nothing kept, with something, and by mistake."""

import json
import shutil
from pathlib import Path

import pytest

from twofold.cli import main
from twofold.results import Store

SMALL = ["--rounds", "2", "--epochs", "1", "--pairs", "50", "--test-pairs", "50", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder where a small study has kept its best networks."""
    folder = tmp_path_factory.mktemp("kept")
    where = ["--store", str(folder / "twofold.db"), "--out", str(folder)]
    assert main(["study", *SMALL, *where, "--keep-models", "best"]) == 0
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def in_kept(folder, command, *arguments):
    return main([command, "--store", str(folder / "twofold.db"), *arguments])


def test_models_lists_what_is_kept(folder, capsys):
    assert in_kept(folder, "models") == 0
    table = capsys.readouterr().out
    assert f"4 networks in {folder / 'twofold.models'}" in table
    assert [line.split()[1] for line in table.splitlines()[5:9]] == ["NetBase", "NetWS", "NetAL", "NetWSAL"]
    assert in_kept(folder, "models", "--json") == 0
    for record in json.loads(capsys.readouterr().out):
        assert Path(record["file"]).is_file()
        assert Path(record["file"]).stem == record["key"]
        assert record["optimizer"] == "adam"
        assert record["kept"] == "best"


def test_networks_may_be_kept_elsewhere(capsys):
    study = ["study", "--networks", "NetWS", *SMALL, "--keep-models", "all", "--models", "elsewhere"]
    assert main(study) == 0
    assert len(list(Path("elsewhere").glob("*.safetensors"))) == 2
    assert main(["models", "--models", "elsewhere", "--json"]) == 0
    assert main(["demo", "--models", "elsewhere"]) == 0
    assert "NetWS" in Path("demo.html").read_text()


def test_a_bad_file_among_the_networks_is_told_of_and_the_others_are_listed_and_shown(folder, tmp_path, capsys):
    good, bad, *_ = (folder / "twofold.models").iterdir()
    (tmp_path / "some").mkdir()
    shutil.copy(good, tmp_path / "some")
    (tmp_path / "some" / bad.name).write_bytes(bad.read_bytes()[:-1])
    (tmp_path / "some" / "k.pickle.safetensors").write_bytes(b"\x80\x04N.")
    for command, shows in (("models", f"1 network in {tmp_path / 'some'}"), ("report", "")):
        assert in_kept(folder, command, "--models", str(tmp_path / "some")) == 0
        out, err = capsys.readouterr()
        assert shows in out
        (told,) = [line for line in err.splitlines() if bad.name in line]
        assert "is no model that this twofold can read" in told
        assert "delete it, or name another --models" in told
    assert 'href="#demo"' in Path("report.html").read_text()


def test_models_says_how_to_keep_some(capsys):
    Store()
    assert main(["models"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "twofold study --keep-models best" in captured.err
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_report_writes_one_page_with_the_demo(folder, capsys):
    assert in_kept(folder, "report", "-o", "pages/report.html", "--title", "Two <rounds>") == 0
    assert capsys.readouterr().err.strip() == "wrote pages/report.html"
    page = Path("pages/report.html").read_text()
    assert "<h1>Two &lt;rounds&gt;</h1>" in page
    assert 'id="demo-data"' in page
    assert len(page) < 5_000_000


def test_report_without_networks_says_how_to_have_a_demo(folder):
    Path("nothing").mkdir()
    assert in_kept(folder, "report", "--models", "nothing") == 0
    page = Path("report.html").read_text()
    assert 'id="demo-data"' not in page
    assert "twofold study --keep-models best keeps some" in page


def test_demo_writes_one_page(folder, capsys):
    assert in_kept(folder, "demo", "-o", "demo.html") == 0
    assert 'id="demo-data"' in Path("demo.html").read_text()


def fails(arguments, code, capsys):
    """Fails with this exit code and one line on standard error, which is returned."""
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_mistakes_are_told_in_one_line(folder, capsys):
    store = ["--store", str(folder / "twofold.db")]
    for command in ("report", "demo", "models"):
        assert "there is no store at" in fails([command], 3, capsys)
    assert "`--models` (=nowhere) is no folder" in fails(["models", "--models", "nowhere"], 2, capsys)
    Store()
    assert "twofold study --keep-models best" in fails(["demo"], 2, capsys)
    assert "`--relation` (='<') names no networks kept, or those of several; type --relation '<='" in fails(
        ["demo", *store, "--relation", "<"], 2, capsys
    )
    Path("a-folder").mkdir()
    assert "`--out` (=a-folder) cannot be written" in fails(["report", *store, "-o", "a-folder"], 2, capsys)
    assert "did you mean best?" in fails(["study", "--keep-models", "bets"], 2, capsys)
    Path("file").write_text("")
    assert "cannot make file/m" in fails(["study", "--keep-models", "all", "--models", "file/m"], 3, capsys)
