"""Stores in PostgreSQL, on a real server; URLs that are none of it; and passwords, which nobody gets to see."""

import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.postgres import LOCKED, OWNER
from tests.results.conftest import in_tables

from twofold import errors
from twofold.data import find_relation
from twofold.errors import StoreAway, StoreError, hidden, shown
from twofold.results import Store, models_folder, new_owner, server
from twofold.results.database import _SERVER_LOCK, address_of, errors_of, open_engine, writing
from twofold.results.migrate import run
from twofold.results.versions import NEWEST, look

psycopg = pytest.importorskip("psycopg")

SECRET = "hunter2"


def name_of(url):
    return url.rpartition("/")[2]


@pytest.fixture
def url(postgres):
    return postgres.database()


@pytest.fixture
def store(url):
    return Store(url)


REFUSED = {
    "postgres://h/x": "postgres://*** (stores are SQLite files and PostgreSQL databases; did you mean postgresql://?)",
    f"postgre://ada:{SECRET}@h/x": "did you mean postgresql://?",
    f"mysql://ada:{SECRET}@h/x": "mysql://*** (stores are SQLite files and PostgreSQL databases);",
    f"oracle+oracledb://ada:{SECRET}@h/x": "(stores are SQLite files and PostgreSQL databases);",
    f"mssql+pyodbc://ada:{SECRET}@h/x": "(stores are SQLite files and PostgreSQL databases);",
    f"mongodb+srv://ada:{SECRET}@h/x": "(stores are SQLite files and PostgreSQL databases);",
    "sqlite+aiosqlite:///x.db": "did you mean sqlite:///?",
    f"postgresql+psycopg2://ada:{SECRET}@h/x": "twofold reaches PostgreSQL by psycopg; write postgresql://",
    f"postgresql:/ada:{SECRET}@h/x": "postgresql:*** (a URL is postgresql://USER@HOST/DATABASE",
    f"postgresql//ada:{SECRET}@h/x": "postgresql//*** (a URL is postgresql://",
    f"postgresql:ada:{SECRET}@h/x": "a URL is postgresql://",
    "sqlite:/x.db": "or sqlite:///FILE",
    f"//ada:{SECRET}@h/x": "***@h/x (a URL is postgresql://",
    f"ada:{SECRET}@h/x": "a URL is postgresql://",
    f"ada:{SECRET}@postgresql://h/x": "stores are SQLite files and PostgreSQL databases",
    f"postgresql://ada:{SECRET}/x": "what follows the host's colon is no port",
    f"postgresql://ada:pass@{SECRET}@h/x": "an @ in a password or a user's name is written %40",
    f"postgresql://ada:{SECRET}@h:port/x": "what follows the host's colon is no port",
    f"postgresql://ada:{SECRET}@h/x\n": "signs that cannot be printed",
}


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("typed", REFUSED)
def test_a_url_that_is_none_of_a_store_is_refused_in_one_line(typed, create, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError) as caught:
        Store(typed, create=create)
    assert REFUSED[typed] in str(caught.value)
    assert "cannot use the store" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_may_have_the_name_of_a_url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "me:you@home").mkdir()
    for name in ("./postgresql:x.db", "me:you@home/x.db"):
        Store(name)
        assert (tmp_path / name).is_file()


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (f"postgresql://ada:{SECRET}@h/x", "postgresql://ada:***@h/x"),
        (f"POSTGRESQL+psycopg://ada:{SECRET}@h:5433/x", "postgresql://ada:***@h:5433/x"),
        (f"postgresql://h/x?user=ada&password={SECRET}", "postgresql://h/x?password=***&user=***"),
        (f"postgresql://h/x?sslmode=require&sslpassword={SECRET}", "postgresql://h/x?sslmode=require&sslpassword=***"),
        (f"postgresql://h/x?pasword={SECRET}", "postgresql://h/x?pasword=***"),
        (f"postgresql://ada:a/{SECRET}?#:%40@h/x", "postgresql://ada:***@h/x"),
        (f"postgresql://ada:{SECRET} {SECRET}@h/x", "postgresql://ada:***@h/x"),
        ("postgresql:///?service=lab", "postgresql:///?service=lab"),
    ],
)
def test_a_url_is_shown_without_what_is_secret(typed, shown):
    address = address_of(typed)
    assert address.shown == shown
    assert SECRET not in repr(address)
    assert models_folder(address.shown) == models_folder(typed)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"`postgresql://ada:{SECRET}@h/x` is no command", "`postgresql://ada:***@h/x` is no command"),
        (f"--store=ada:{SECRET}@h/x", "--store=ada:***@h/x"),
        (f"postgresql:/h?sslmode=a&pasword={SECRET} x", "postgresql:/h?sslmode=a&pasword=*** x"),
        ("file.py:Twin(share=[False, True]) at 12:30", "file.py:Twin(share=[False, True]) at 12:30"),
        ("https://x.org/a?page=2", "https://x.org/a?page=2"),
        ("(=postgresql://ada:***@h/x?password=***) is", "(=postgresql://ada:***@h/x?password=***) is"),
    ],
)
def test_no_password_of_a_url_is_quoted(text, told):
    assert hidden(text) == told


# What passwords stand between, and what is like it.
_PIECES = (":", "/", "//", "@", "?", "&", "=", "***", "a", "pw", "K", "key", "\n", " ")

# The same in one expression, which takes the square of a text's length.
_SLOW = re.compile(r"(:(?!//))\S+(?=@)|([?&]\w*(?:pas|pw|secret|token|key)\w*=)(?!\*\*\*)[^\s&]+", re.IGNORECASE)


@given(st.lists(st.sampled_from(_PIECES), max_size=16).map("".join) | st.text(max_size=16))
@settings(max_examples=2000)
def test_what_is_hidden_is_what_one_expression_says(text):
    assert hidden(text) == _SLOW.sub(lambda match: f"{match[1] or match[2]}***", text)


class Watched:
    """A regular expression, and how many characters it has passed."""

    def __init__(self, expression):
        self.expression, self.passed = expression, 0

    def search(self, text, place):
        found = self.expression.search(text, place)
        self.passed += (found.end() if found else len(text)) - place
        return found


@pytest.mark.parametrize("before", ["", "@", "?"])
@pytest.mark.parametrize("piece", ["a", "a:", "://", "a:b", "a:@", "@", "key", "password=", "?password=", "?pw=***&"])
def test_each_character_of_a_text_is_looked_at_once(piece, before, monkeypatch):
    """Each search begins where the last ended, and a possessive repeat never goes back."""
    watched = Watched(errors._BEFORE_SECRET)
    monkeypatch.setattr(errors, "_BEFORE_SECRET", watched)
    text = before + piece * 1000
    hidden(text)
    assert watched.passed <= len(text)
    repeated = re.sub(r"\\.|\*\+", "", watched.expression.pattern)
    assert not {"*", "+", "{"} & set(repeated)


def test_a_text_of_a_megabyte_is_quoted():
    """Also where a password is longer than what is shown."""
    assert shown('{"a":' * 200_000) == '{"a":' * 8 + "…"
    assert shown(f"postgresql://ada:{'x' * 1_000_000}@h/x") == "postgresql://ada:***@h/x"


def test_a_missing_driver_is_named_as_pip_calls_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)  # so that importing it fails, installed or not
    with pytest.raises(StoreError, match=r"//ada:\*\*\*@h/x needs the Python package psycopg\[binary\]") as caught:
        Store(f"postgresql://ada:{SECRET}@h/x")
    assert str(caught.value).endswith("install it with: pip install 'psycopg[binary]'")


def test_rows_come_back_as_they_were_and_are_never_replaced(store, row):
    store.add(row | {"dead_units_trace": None})
    assert store.present(["k"], traced=True) == set()
    store.add(row | {"test_error": 0.5})  # has a trace, which the first lacks
    store.add(row | {"test_error": 0.75})
    assert store.read(["k"], histories=True).to_dict("records") == [in_tables(row) | {"test_error": 0.5}]
    store.describe("i", {"units": {"a": 3}})
    store.describe("i", {})
    store.append_journal([{"a": 1}, {"b": [2, None]}])
    store.append_journal([{"c": "zwölf"}])
    assert store.read_journal() == [{"a": 1}, {"b": [2, None]}, {"c": "zwölf"}]
    with pytest.raises(StoreError, match=r'null value in column "test_error".* violates') as caught:
        store.add(row | {"key": "l", "test_error": None})
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, StoreAway)


def test_a_trial_is_claimed_once_and_by_the_same_run_again(store, url, row):
    first, second, other = new_owner(), new_owner(), Store(url)
    assert store.claim(["k"], first) == (["k"], [])
    assert other.claim(["k"], second) == ([], [])
    # A connection was cut when the transaction ended: it was claimed, and the run has not heard of it.
    assert store.claim(["k"], first) == (["k"], [])
    store.beat(first, ["k"], trials=1, done=0)
    store.release_claims(first)
    assert other.claim(["k"], second) == (["k"], [])
    other.add(row)
    assert store.claim(["k"], first) == ([], [])


def test_a_store_of_an_earlier_version_is_brought_to_this_one(url, row, postgres):
    engine = open_engine(address_of(url))
    with engine.begin() as connection:
        run(connection, "base", "0010")
    engine.dispose()
    assert Store(url, create=False).read().empty
    assert Store(url).notes == [f"the store was brought to version {NEWEST}"]
    again = Store(url)
    again.add(row)
    assert again.notes == []
    assert again.read(histories=True).to_dict("records") == [in_tables(row)]


def test_a_store_of_a_later_version_is_refused(store, url, postgres):
    postgres.ask("UPDATE twofold_version SET version_num = '0999'", name_of(url))
    for create in (True, False):
        with pytest.raises(
            StoreError, match=rf"{name_of(url)} has version 0999, and this twofold knows versions up to"
        ):
            Store(url, create=create)


def test_tables_of_other_programs_may_be_beside_a_store(url, postgres, row):
    postgres.ask("CREATE TABLE alembic_version (version_num text)", name_of(url))
    postgres.ask("CREATE TABLE recipes (name text)", name_of(url))
    with pytest.raises(StoreError, match="is no store of twofold"):
        Store(url, create=False)
    Store(url).add(row)
    assert len(Store(url, create=False).read()) == 1


# Starts processes that all begin at the same moment with a store, of which each prints a line, or what went wrong.
AT_ONCE = """
import os, sys, time
import psycopg, twofold.results.migrate
from twofold.results import Store, new_owner

def open_it(url):
    Store(url)
    return "open"

def train(url):
    owner, keys, left, store = new_owner(), [], [f"{number:03}" for number in range(100)], Store(url)
    while left:
        mine, left = store.claim(left, owner)
        for key in mine:
            time.sleep(0.01)
            store.add(ROW | {"key": key})
        keys += mine
    store.release_claims(owner)
    return " ".join(keys)

def in_a_process(work, url, told):
    os.read(told, 1)  # until the parent closes its end, for all of them at once
    try:
        line = work(url)
    except BaseException as error:
        line = f"{type(error).__name__}: {error}"
    os.write(1, f"{line}\\n".encode())
    os._exit(0)

WORK, COUNT, ROW, *URLS = eval(sys.stdin.read())
for url in URLS:
    told, tell = os.pipe()
    children = []
    for _ in range(COUNT):
        if (child := os.fork()) == 0:
            os.close(tell)
            in_a_process(globals()[WORK], url, told)
        children.append(child)
    os.close(tell)
    os.close(told)
    for child in children:
        os.waitpid(child, 0)
"""


def at_once(work, count, row, *urls):
    """The lines that so many processes at a time print, which do this work on a store after the other."""
    given = repr((work, count, row, *urls))
    done = subprocess.run([sys.executable, "-c", AT_ONCE], input=given, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_processes_that_start_together_share_the_making_of_the_tables(postgres, tmp_path):
    """Eight at a time, of each kind of database."""
    urls = [postgres.database(), postgres.database(), f"{tmp_path}/1.db", f"{tmp_path}/2.db"]
    assert at_once("open_it", 8, {}, *urls) == 32 * ["open"]
    for each in urls:
        engine = open_engine(address_of(each))
        with engine.connect() as connection:
            assert look(connection).is_current
        engine.dispose()


def test_ten_runs_share_the_trials_and_train_nothing_twice(store, url, row, postgres):
    """All begin at once, and each takes a moment for a trial."""
    trained = [line.split() for line in at_once("train", 10, row, url)]
    assert Counter(key for keys in trained for key in keys) == Counter(f"{number:03}" for number in range(100))
    assert store.count() == 100
    assert postgres.ask("SELECT count(*) FROM claims", name_of(url)) == [(0,)]
    assert postgres.ask("SELECT count(*) FROM runs", name_of(url)) == [(0,)]


def test_runs_that_begin_at_once_name_a_question_in_turn(url, store):
    """The second waits for the first, and then knows its name."""
    relation = find_relation("<=")
    with ThreadPoolExecutor(1) as runs, psycopg.connect(url) as first:
        first.execute("SELECT pg_advisory_xact_lock(%s)", [_SERVER_LOCK])
        second = runs.submit(store.name_question, "f", relation)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.3)
        first.execute("INSERT INTO questions VALUES (%s, 'f', 'as the first has it', '')", [relation.identity])
        first.commit()
        assert second.result() == "as the first has it"


def refused(action):
    """What is said where the server refuses, and whether it may do so only for now."""
    with pytest.raises(StoreError) as caught:
        action()
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)
    return str(caught.value), isinstance(caught.value, StoreAway)


@pytest.fixture
def locked(postgres, url):
    """The URL of a role that has to give its password."""
    postgres.ask(f"DROP ROLE IF EXISTS {LOCKED}")
    postgres.ask(f"CREATE ROLE {LOCKED} LOGIN PASSWORD '{SECRET}'")
    postgres.ask(f"ALTER DATABASE {name_of(url)} OWNER TO {LOCKED}")
    yield postgres.url(name_of(url), LOCKED)
    postgres.ask(f"ALTER DATABASE {name_of(url)} OWNER TO {OWNER}")
    postgres.ask(f"DROP OWNED BY {LOCKED}", name_of(url))


def test_where_waiting_is_of_no_use_one_line_says_so(postgres, url, locked, monkeypatch):
    monkeypatch.setenv("PGPASSFILE", "/nowhere")
    wrong = locked.replace("@", f":no{SECRET}@")
    remedy = "; give the right password by PGPASSWORD or in ~/.pgpass"
    for typed, says in {
        wrong: f'FATAL: password authentication failed for user "{LOCKED}"){remedy}',
        locked: f"no password supplied){remedy}",
        postgres.url("nosuch"): 'FATAL: database "nosuch" does not exist); name another',
        postgres.url(name_of(url), "nobody"): 'FATAL: role "nobody" does not exist); name another',
        f"{url}?sslmode=require": "server does not support SSL, but SSL was required); name another",
        f"{url}?pasword={SECRET}": "pasword",
        "postgresql:///?service=nosuch": 'definition of service "nosuch" not found); name another',
    }.items():
        told, away = refused(lambda typed=typed: Store(typed))
        assert says in told
        assert not away


def test_who_has_no_rights_is_told_so(postgres, url, row):
    postgres.ask("DROP ROLE IF EXISTS reader")
    postgres.ask("CREATE ROLE reader LOGIN")
    reader = postgres.url(name_of(url), "reader")
    assert refused(lambda: Store(reader)) == (
        f"cannot use the store {reader} (permission denied for schema public); "
        "name another with --store, for example results.db",
        False,
    )
    Store(url).add(row)
    postgres.ask("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", name_of(url))
    assert len(Store(reader, create=False).read()) == 1
    store = Store(reader)
    told, away = refused(lambda: store.claim(["another"], new_owner()))
    assert "(permission denied for table runs)" in told
    assert not away


# What an administrator may do to a database or its owner, what is said then, and how it is taken back.
AWAY = {
    "it may only be read, as a standby": (
        "ALTER DATABASE {name} SET default_transaction_read_only = on",
        "cannot execute INSERT in a read-only transaction",
        "ALTER DATABASE {name} RESET default_transaction_read_only",
    ),
    "too many are connected": (
        "ALTER ROLE few CONNECTION LIMIT 0",
        'FATAL: too many connections for role "few"',
        "ALTER ROLE few CONNECTION LIMIT -1",
    ),
    "it takes no connections": (
        "ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        "is not currently accepting connections",
        "ALTER DATABASE {name} ALLOW_CONNECTIONS true",
    ),
    "statements may take no time": (
        "ALTER DATABASE {name} SET statement_timeout = '1ms'",
        "canceling statement due to statement timeout",
        "ALTER DATABASE {name} RESET statement_timeout",
    ),
}


@pytest.fixture
def few(postgres, url):
    """The URL of an ordinary role that has a database to itself."""
    with suppress(psycopg.errors.DuplicateObject):
        postgres.ask("CREATE ROLE few LOGIN")
    postgres.ask(f"ALTER DATABASE {name_of(url)} OWNER TO few")
    return postgres.url(name_of(url), "few")


@pytest.mark.parametrize("case", AWAY)
def test_a_store_that_is_away_is_told_from_one_that_is_none(case, postgres, few):
    done, says, taken_back = (text.format(name=name_of(few)) for text in AWAY[case])
    store, owner, keys = Store(few), new_owner(), [str(number) for number in range(500)]
    assert postgres.cut(name_of(few)) > 0
    assert store.count() == 0  # a connection that was cut is made anew
    postgres.ask(done)
    postgres.cut(name_of(few))
    told, away = refused(lambda: [store.claim(keys, owner) for _ in range(20)])
    assert f"{says}" in told
    assert told.endswith("; try again when that is mended, or name another with --store")
    assert away
    postgres.ask(taken_back)
    postgres.cut(name_of(few))
    assert store.claim(keys, owner)[0]


def test_a_transaction_that_is_cut_or_waits_too_long_is_tried_again(postgres, url, row, monkeypatch):
    store, name = Store(url), name_of(url)
    for limit in server._LIMITS:
        monkeypatch.setitem(server._LIMITS, limit, 50)

    def cut_short(break_off):
        with errors_of(store._address), writing(store._engine) as connection:
            connection.execute(sa.text("SELECT 1"))
            break_off()
            connection.execute(sa.text("SELECT 1"))

    told, away = refused(lambda: cut_short(lambda: postgres.cut(name)))
    assert re.search("terminating connection due to administrator command|server closed the connection", told)
    assert away
    told, away = refused(lambda: cut_short(lambda: time.sleep(0.3)))
    assert re.search("terminating connection due to idle-in-transaction timeout|server closed the connection", told)
    assert away
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE trials")
        told, away = refused(lambda: store.add(row))
        assert "canceling statement due to lock timeout" in told
        assert away
    monkeypatch.undo()
    postgres.cut(name)
    store.add(row)
    assert store.count() == 1


@pytest.mark.parametrize(
    "says",
    [
        "the database system is starting up",
        "the database system is shutting down",
        "the database system is not yet accepting connections",
        "sorry, too many clients already",
    ],
)
def test_a_server_that_is_not_ready_yet_is_away(says):
    """A connection that is refused has nothing but this text."""
    refused = psycopg.OperationalError(
        f'connection failed: connection to server at "h", port 5432 failed: FATAL:  {says}'
    )
    assert server.may_pass(sa.exc.OperationalError("", {}, refused))


def test_what_was_undone_for_anothers_sake_is_tried_again(postgres, url):
    """And it is seldom, whatever the server's own default is: who waits sees what others have done."""
    for error in (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
        assert server.may_pass(sa.exc.OperationalError("", {}, error("")))
    postgres.ask(f"ALTER DATABASE {name_of(url)} SET default_transaction_isolation = 'serializable'")
    store = Store(url)
    with store._engine.connect() as connection:
        assert connection.scalar(sa.text("SHOW transaction_isolation")) == "read committed"


def test_a_server_that_is_killed_is_away_until_it_is_back(postgres, store, row):
    store.add(row)
    postgres.kill()
    for action in (store.count, lambda: store.claim(["l"], "me"), lambda: Store(store.url)):
        told, away = refused(action)
        assert re.search("Connection refused|server closed the connection unexpectedly|terminating connection", told)
        assert away
    postgres.start()
    assert store.claim(["k", "l"], "me") == (["l"], [])


@pytest.mark.parametrize("place", ["PGPASSWORD", "PGPASSFILE", "~/.pgpass", "service", "PGSERVICE", "query", "URL"])
def test_a_password_may_be_given_as_postgresql_takes_it(place, locked, postgres, tmp_path, monkeypatch):
    name, url = name_of(locked), locked
    entry = tmp_path / ".pgpass"
    entry.write_text(f"127.0.0.1:{postgres.port}:*:{LOCKED}:{SECRET}\n")
    entry.chmod(0o600)
    service = f"[lab]\nhost=127.0.0.1\nport={postgres.port}\ndbname={name}\nuser={LOCKED}\npassword={SECRET}\n"
    (tmp_path / "services").write_text(service)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGPASSFILE", str(entry if place == "PGPASSFILE" else "/nowhere"))
    if place == "PGPASSWORD":
        monkeypatch.setenv("PGPASSWORD", SECRET)
    elif place == "~/.pgpass":
        monkeypatch.delenv("PGPASSFILE")
        monkeypatch.setenv("HOME", str(tmp_path))
    elif place == "service":
        url = "postgresql:///?service=lab"
    elif place == "PGSERVICE":
        monkeypatch.setenv("PGSERVICE", "lab")
        url = "postgresql://"
    elif place == "query":
        url = f"{locked}?password={SECRET}"
    elif place == "URL":
        url = locked.replace("@", f":{SECRET}@")
    store = Store(url)
    assert store.count() == 0
    assert store.is_shared
    assert SECRET not in store.url
