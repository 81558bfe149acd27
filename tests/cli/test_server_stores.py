"""Commands on a store in PostgreSQL: all work there, and none shows a password, wherever it is given."""

import io
import json
from contextlib import chdir, redirect_stderr, redirect_stdout

import pytest
from cyclopts import App
from PIL import Image, ImageDraw
from tests.cli.program import small_study

from twofold.cli import main
from twofold.cli.app import _READING
from twofold.cli.options import STORE_VARIABLE

pytest.importorskip("psycopg")

SECRET = "hunter2"

# A store's URL with a password in every place that takes one, or that somebody may take for one.
PLACES = (
    "postgresql://ada:{secret}@{server}",
    "postgresql://ada@{server}?password={secret}",
    "postgresql://ada@{server}?sslmode=disable&sslpassword={secret}",
    "postgresql://ada@{server}?pasword={secret}",
    "postgres://ada:{secret}@{server}",
    "postgresql:/ada:{secret}@{server}",
    "ada:{secret}@{server}",
    "mysql://ada:{secret}@{server}",
)

# Every command that has a store, with what it needs beside.
COMMANDS = {
    "study": ["study", "--rounds", "1"],
    "grid": ["grid", "--rounds", "1"],
    "sweep": ["sweep", "--rounds", "1", "--pairs", "100", "200"],
    "tune": ["tune"],
    "results": ["results"],
    "analyse": ["analyse"],
    "power": ["power"],
    "report": ["report"],
    "demo": ["demo"],
    "models": ["models"],
    "predict": ["predict", "0a1b2c", "a.png", "a.png"],
    "export": ["export", "0a1b2c", "--to", "safetensors"],
    "networks": ["networks"],
    "running": ["store", "running"],
    "check": ["store", "check"],
}


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    """Runs a command in an empty folder; its exit code and what it says, once no password is found in it."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(arguments)
        said = "".join(capsys.readouterr())
        assert SECRET not in said, arguments
        return code, said

    return run


def test_all_commands_that_read_a_store_are_tested():
    names = {each.name[0] if isinstance(each, App) else each.__name__ for each in _READING}
    assert names <= COMMANDS.keys()


@pytest.mark.parametrize(
    ("command", "places"), [("results", PLACES), *((each, PLACES[:2]) for each in COMMANDS if each != "results")]
)
def test_no_command_shows_a_password_of_a_store_that_cannot_be_used(command, places, told):
    for place in places:
        url = place.format(secret=SECRET, server="127.0.0.1:1/lab")
        code, said = told(*COMMANDS[command], "--store", url)
        assert (code, said.count("\n")) == (3, 1)
        assert said.startswith("twofold: cannot use the store ")


def test_no_password_is_shown_where_a_store_is_typed_amiss(told):
    for place in PLACES:
        assert told(place.format(secret=SECRET, server="h/lab"))[0] == 2
    url = PLACES[0].format(secret=SECRET, server="h:5432/lab") + f"?sslpassword={SECRET}"
    for words in (
        ["study", url],
        ["study", "--rounds", url],
        ["study", "--epochs", url],
        ["study", "--stroe", url],
        ["study", f"--stroe={url}"],
        ["results", "--store", "a.db", url],
        ["study", "--data", url],
        ["study", "--optimizer", url],
        ["study", "--networks", url],
        ["models", "--models", url],
        ["analyse", "--csv", url],
        ["predict", url, "a.png", "b.png"],
        ["store", url],
        ["store", "merge", url],
        ["store", "check", url],
    ):
        assert told(*words)[0] > 0


@pytest.fixture(scope="module")
def lab(postgres, tmp_path_factory):
    """A store with a small study and its networks, and the folder that it ran in."""
    url = postgres.database().replace("@", f":{SECRET}@") + f"?sslpassword={SECRET}"
    folder, said = tmp_path_factory.mktemp("lab"), io.StringIO()
    with chdir(folder), redirect_stdout(said), redirect_stderr(said):
        assert main([*small_study(), "--keep-models", "best", "--store", url]) == 0
    assert SECRET not in said.getvalue()
    return url, folder


def test_all_that_reads_works_on_a_server_and_shows_no_password(lab, postgres, told, monkeypatch):
    url, folder = lab
    monkeypatch.chdir(folder)
    monkeypatch.setenv(STORE_VARIABLE, url)
    picture = Image.new("L", (28, 28))
    ImageDraw.Draw(picture).line((8, 4, 20, 24), fill=255, width=3)
    picture.save("a.png")
    assert told(*small_study(), "--keep-models", "best")[0] == 0  # and trains nothing
    models = json.loads(told("models", "--json")[1])
    assert len(models) == 2
    for words in (
        ["results"],
        ["results", "--csv"],
        ["analyse"],
        ["power"],
        ["report"],
        ["demo"],
        ["models"],
        ["predict", models[0]["key"], "a.png", "a.png"],
        ["export", models[0]["key"], "--to", "safetensors"],
        ["store", "running"],
        ["store", "check"],
        ["store", "merge", url, "--store", "here.db"],
        ["store", "merge", "here.db"],
    ):
        assert told(*words)[0] == 0, words
    assert "4 trials" in told("results", "--store", "here.db")[1]
    assert {path.name for path in folder.iterdir()} >= {"report.html", "demo.html", "twofold.models", "figures"}
    for path in folder.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path
    database = url.partition("?")[0].rpartition("/")[2]
    tables = postgres.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", database)
    assert ("trials",) in tables
    for (table,) in tables:
        assert SECRET not in str(postgres.ask(f"SELECT t::text FROM {table} t", database))


def test_the_environment_names_the_store_of_commands_that_are_given_none(told, monkeypatch):
    monkeypatch.setenv(STORE_VARIABLE, "mine.db")
    for command in ("results", "analyse", "power", "models"):
        assert "there is no store at mine.db; " in told(command)[1]
        assert "there is no store at other.db; " in told(command, "--store", "other.db")[1]
    assert "mine.db" not in told("analyse", "--csv", "trials.csv")[1]
    monkeypatch.setenv(STORE_VARIABLE, "")
    for command in ("results", "analyse"):
        assert "there is no store at twofold.db; " in told(command)[1]
