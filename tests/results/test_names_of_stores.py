"""Stores as they are typed: the file of exactly that name, or one line; nothing is made or changed by a look."""

import os
import sqlite3
import tempfile
from pathlib import Path

import pytest

from twofold.errors import StoreError
from twofold.results import Store, models_folder

NAMES = [
    "what?.db",
    "a?b=c&d.db",
    "50%.db",
    "a%20b.db",
    "#1.db",
    "two words.db",
    "me@home.db",
    "12:30.db",
    "back\\slash.db",
    "it's.db",
    'say "x".db',
    "two\nlines.db",
    "zwölf Ziffern.db",
    "数字.db",
    "file:x.db",
    "-x.db",
    "none",
    "~nosuchuser.db",
    "$HOME.db",
    ":memory:.db",
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(store, *, create=False):
    """The one line by which a store is refused; what the folder holds stays as it was, byte for byte."""
    before = contents()
    with pytest.raises(StoreError) as caught:
        Store(store, create=create)
    assert contents() == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def contents():
    return {path: path.read_bytes() if path.is_file() else b"" for path in Path().rglob("*")}


@pytest.mark.parametrize("name", NAMES)
def test_the_file_of_exactly_that_name_is_used(name, row):
    Store(f"./{name}").add(row)
    assert [path.name for path in Path().iterdir()] == [name]
    assert len(Store(f"./{name}", create=False).read()) == 1
    assert models_folder(f"./{name}") == Path(name).with_suffix(".models")
    shown = Store(f"./{name}", create=False).url
    assert len(Store(shown, create=False).read()) == 1
    if "?" in name:
        assert "give the path alone" in refused(f"sqlite:///{name}")
    else:
        assert len(Store(f"sqlite:///{name}", create=False).read()) == 1


def test_the_home_folder_may_be_written_with_a_tilde(tmp_path, monkeypatch, row):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    Store("~/x.db").add(row)
    assert len(Store(Path("~/x.db"), create=False).read()) == 1
    assert len(Store("sqlite:///~/x.db", create=False).read()) == 1
    assert models_folder("~/x.db") == tmp_path / "home" / "x.models"
    assert not Path("~").exists()


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("store", ["", " ", "\n", Path(), ".", "..", "folder", "folder/", "new/", "a\0b.db"])
def test_what_is_no_name_of_a_file_is_refused(store, create):
    Path("folder").mkdir()
    assert "store" in refused(store, create=create)


def test_a_name_that_is_no_text_is_refused():
    assert "no text in UTF-8" in refused(os.fsdecode(b"na\xefme.db"), create=True)


def test_a_folder_whose_name_is_no_text_is_no_hindrance(tmp_path, monkeypatch, row):
    folder = tmp_path / os.fsdecode(b"na\xefme")
    folder.mkdir()
    monkeypatch.chdir(folder)
    Store("x.db").add(row)
    assert len(Store("x.db", create=False).read()) == 1


FILES = {
    "a byte": b"x",
    "a text": b"A letter to a friend, and no database at all.\n" * 30,
    "an image": b"\x89PNG\r\n\x1a\n" + bytes(2000),
    "a header that is cut": b"SQLite format 3",
}


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_file_that_is_no_database_is_left_as_it_is(content, create):
    Path("x.db").write_bytes(content)
    assert "cannot use the store x.db (file is not a database)" in refused("x.db", create=create)


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("create", [True, False])
def test_another_programs_database_is_left_as_it_is(mode, create):
    connection = sqlite3.connect("x.db")
    connection.execute(f"pragma journal_mode={mode}")
    connection.execute("create table recipes (name text)")
    connection.close()
    assert "x.db is no store of twofold" in refused("x.db", create=create)


@pytest.mark.parametrize("create", [True, False])
def test_what_is_no_file_is_refused(create):
    os.mkfifo("pipe")
    for store in ("pipe", os.devnull):
        assert f"cannot use the store {store} (it is no file)" in refused(store, create=create)


def test_an_empty_file_is_no_store_yet():
    Path("x.db").touch()
    assert "the file is empty" in refused("x.db")


@pytest.mark.parametrize(
    ("typed", "others", "near", "option"),
    [
        ("twofod.db", ["twofold.db", "mine.db"], "twofold.db", " --store twofod.db"),
        ("folder/tow.db", ["folder/two.db", "tow.db"], "folder/two.db", " --store folder/tow.db"),
        ("twofold.db", ["mnist.sqlite"], "mnist.sqlite", ""),  # the default
    ],
)
def test_of_a_store_that_is_not_there_the_nearest_is_named(typed, others, near, option, tmp_path):
    Path("folder").mkdir()
    for other in others:
        Store(other)
    Path(f"{typed}.version-0001.bak").write_bytes(Path(others[0]).read_bytes())
    Path(f"{typed}.txt").write_text("no store")
    told = f"there is no store at {typed}; did you mean {near}? `twofold study{option}` makes one"
    assert told in refused(typed)


def test_where_there_is_no_store_at_all_the_command_is_named():
    assert refused("it's.db").startswith("there is no store at it's.db; `twofold study --store 'it'\"'\"'s.db'` makes")
    assert refused("twofold.db") == (
        "there is no store at twofold.db; `twofold study` makes one, or name another with --store"
    )


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("sqlite://x.db", "sqlite:///x.db"), ("postgres://h/x", "postgresql://"), ("sqlit:///x.db", "sqlite:///")],
)
def test_a_url_that_is_almost_one_is_told_as_it_should_be(typed, meant):
    assert f"did you mean {meant}?" in refused(typed, create=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without rights, to see what that one may do")
def test_a_store_that_may_only_be_read_is_read(monkeypatch, row):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        monkeypatch.chdir(folder)
        Store("x.db").add(row)
        before = contents()
        os.setresuid(65534, 65534, 0)
        try:
            assert len(Store("x.db", create=False).read()) == 1
            store = Store("x.db")
            assert len(store.read()) == 1
            with pytest.raises(StoreError, match=r"x\.db \(attempt to write a readonly database\)"):
                store.claim(["another"], "me")
            assert "cannot use the store new.db (the folder . cannot be written)" in refused("new.db", create=True)
        finally:
            os.setresuid(0, 0, 0)
        assert contents() == before
        monkeypatch.undo()
