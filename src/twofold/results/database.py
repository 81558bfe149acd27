"""Databases: how a store is named, how its database is opened, and what is said when that fails."""

from __future__ import annotations

import difflib
import functools
import os
import shlex
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from twofold import shutdown
from twofold.errors import SettingError, StoreAway, StoreError, cause_of
from twofold.paths import SQLITE, typed_path
from twofold.results import server
from twofold.results.sqlite import open_sqlite, uri_of

DEFAULT_URL = "twofold.db"

# Any number of 64 bits that no other program is likely to choose: the letters of "twofold", read as one.
_SERVER_LOCK = int.from_bytes(b"twofold", "big")

# What pip calls the driver of PostgreSQL with the library of C that it needs.
_DRIVER = "psycopg[binary]"


@dataclass(frozen=True)
class Address:
    """Where a store is: for SQLAlchemy, for people (without a password), and its file where it is one."""

    url: sa.URL = field(repr=False)
    shown: str
    file: Path | None = None


def address_of(store: str | os.PathLike[str]) -> Address:
    """What a store's name means: the URL of a PostgreSQL database, or the path of an SQLite file.

    What stands in a path, or after sqlite:///, is the file's name, whatever characters it has; but a text that was
    meant as a URL is no path. Raises `StoreError` where the text is neither.
    """
    if not isinstance(store, str | os.PathLike) or not str(store).strip():
        raise StoreError(f"`store` (={store!r}) must be a URL or the path of a file, for example results.db")
    text = os.fspath(store)
    kind, colon, rest = text.partition("://")
    if isinstance(store, os.PathLike) or not colon or "/" in kind:
        if isinstance(store, str):
            _check_meant_as_file(text)
        return _memory() if text == ":memory:" else _file(text, "")
    if kind.lower() not in ("sqlite", "sqlite+pysqlite"):
        return _server(text)
    if rest in ("", "/", "/:memory:"):
        return _memory()
    if not rest.startswith("/"):
        raise unusable(text, f"did you mean {kind}:///{rest}?")
    if "?" in rest:
        raise unusable(text, f"a URL of a file takes no options; give the path alone: --store {shlex.quote(rest[1:])}")
    return _file(rest[1:], f"{kind}:///")


def open_engine(address: Address, *, create: bool = True) -> sa.Engine:
    """SQLAlchemy's engine for a database; nothing is opened until something is asked of it."""
    if address.url.get_backend_name() == "sqlite":
        return open_sqlite(address.file, create=create)
    return server.open_server(address.url)


def check_file(address: Address, *, create: bool) -> None:
    """Raise `StoreError` for a file that is no store, without touching it; with `create`, unless one can be made.

    An empty file is what SQLite begins with: it becomes a store, but is none. One of a few bytes SQLite would take for
    empty, and overwrite.
    """
    file, shown = address.file, address.shown
    if file is None:
        return
    try:
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            raise unusable(shown, f"it is a folder; a file in it would be {file / 'twofold.db'}")
        if not stat.S_ISREG(mode):
            raise unusable(shown, "it is no file")
        with file.open("rb") as content:
            head = content.read(len(SQLITE))
        if head != SQLITE and (head or not create):
            raise unusable(shown, "file is not a database" if head else "the file is empty")
    except FileNotFoundError:
        _check_absent(address, file, create=create)
    except (OSError, ValueError) as error:
        raise unusable(shown, cause_of(error)) from error


def _check_absent(address: Address, file: Path, *, create: bool) -> None:
    """Raise `StoreError` unless a store is to be made where there is none, and can be."""
    if not create:
        near = _nearest(file)
        hint = f" did you mean {near}?" if near else ""
        named = "" if address.shown == DEFAULT_URL else f" --store {shlex.quote(address.shown)}"
        raise StoreError(
            f"there is no store at {address.shown};{hint} `twofold study{named}` makes one, "
            "or name another with --store"
        )
    if not file.parent.is_dir():
        raise unusable(address.shown, f"there is no folder {file.parent}; make it first")
    if not os.access(file.parent, os.W_OK):
        raise unusable(address.shown, f"the folder {file.parent} cannot be written")


def _nearest(file: Path) -> Path | None:
    """The store in a file's folder whose name is most like the file's."""
    with suppress(OSError):
        stores = [other.name for other in file.parent.iterdir() if other.suffix != ".bak" and _is_store(other)]
        near = difflib.get_close_matches(file.name, stores, n=1, cutoff=0.0)
        return file.with_name(near[0]) if near else None
    return None


def _is_store(file: Path) -> bool:
    """Whether a file is a store, at a look that leaves it alone."""
    with suppress(OSError, sqlite3.Error, UnicodeDecodeError):
        if not file.is_file() or file.stat().st_size < len(SQLITE):
            return False
        with closing(sqlite3.connect(uri_of(file, "mode=ro&immutable=1"), uri=True)) as connection:
            found = connection.execute("SELECT count(*) FROM sqlite_master WHERE name IN ('trials', 'claims')")
            return found.fetchone() == (2,)
    return False


@contextmanager
def writing(engine: sa.Engine, *, whole: bool = True) -> Iterator[sa.Connection]:
    """A connection whose transaction is committed at the end, or rolled back.

    A signal does not cut it short; unless it is not `whole`: then it never makes the end of the program wait.
    """
    with (
        engine.execution_options(writes=True).connect() as connection,
        connection.begin() as transaction,
        # Only now: a database that is away, or is locked, may take long.
        shutdown.critical if whole else nullcontext(),
    ):
        yield connection
        transaction.commit()


def wait_for_others(connection: sa.Connection, *, patiently: bool = False) -> None:
    """Wait, within a transaction that writes, for others that have called this, until they have ended.

    Where there is a limit to the time that is waited for a lock, it is set aside `patiently`.
    """
    if connection.dialect.name == "postgresql":  # SQLite's transactions that write have begun with its lock
        if patiently:
            connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SERVER_LOCK)))


def insert_new(connection: sa.Connection, table: sa.Table) -> Any:
    """The statement that inserts rows, but none whose primary key is there."""
    return _insert(connection.dialect.name)(table).on_conflict_do_nothing()


def insert_or_replace(connection: sa.Connection, table: sa.Table, better: Callable[[Any], sa.ColumnElement]) -> Any:
    """The statement that inserts rows, each in place of the one with its primary key where `better` is true.

    `better` is a condition on the table's columns, and on those of the new row, which it is given.
    """
    return _replacing(connection.dialect.name, table, better)


@functools.cache  # it is made for every trial, and that takes longer than to insert one
def _replacing(dialect: str, table: sa.Table, better: Callable[[Any], sa.ColumnElement]) -> Any:
    insert = _insert(dialect)(table)
    keys = [column.name for column in table.primary_key]
    new = {column.name: insert.excluded[column.name] for column in table.c if column.name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=new, where=better(insert.excluded))


def _insert(dialect: str) -> Callable[[sa.Table], Any]:
    """What makes the statement: of a dialect of its own, which takes time to load."""
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert

        return insert
    from sqlalchemy.dialects.sqlite import insert as insert_of_sqlite

    return insert_of_sqlite


@contextmanager
def errors_of(address: Address) -> Iterator[None]:
    """Make `StoreError`s of what SQLAlchemy and a lacking driver raise."""
    try:
        yield
    except ImportError as error:
        raise StoreError(
            f"the store {address.shown} needs the Python package {_DRIVER}; install it with: pip install '{_DRIVER}'"
        ) from error
    except sa.exc.SQLAlchemyError as error:
        raise _told(address.shown, error) from error
    except UnicodeDecodeError as error:  # of SQLite's own words, where they quote a name that is no text
        raise unusable(address.shown, "malformed database schema") from error


def _told(shown: str, error: sa.exc.SQLAlchemyError) -> StoreError:
    """The error for what SQLAlchemy raised."""
    cause = getattr(error, "orig", None)
    if isinstance(cause, sqlite3.Error):
        passes = getattr(cause, "sqlite_errorname", "").startswith(_PASSING_IN_SQLITE)
        return (away if passes else unusable)(shown, cause_of(cause))
    if isinstance(error, sa.exc.DBAPIError) and isinstance(cause, Exception):
        told = server.cause_in(cause)
        if "password" in told:
            return unusable(shown, told, "give the right password by PGPASSWORD or in ~/.pgpass")
        return (away if server.may_pass(error) else unusable)(shown, told)
    return (away if isinstance(error, sa.exc.TimeoutError) else unusable)(shown, cause_of(error))


def unusable(shown: str, cause: str, remedy: str = "name another with --store, for example results.db") -> StoreError:
    """The error for a store that cannot be used."""
    return StoreError(f"cannot use the store {shown} ({cause}); {remedy}")


def away(shown: str, cause: str) -> StoreAway:
    """The error for a store that cannot be used now, and may be later."""
    told = _IN_WORDS.get(cause, cause)
    return StoreAway(
        f"cannot use the store {shown} ({told}); try again when that is mended, or name another with --store",
        f"the store {shown} cannot be used now ({told})",
    )


# What SQLite says, for those who do not know it.
_IN_WORDS = {
    "database is locked": "another program has locked it",
    "database or disk is full": "the disk is full",
}

# What may pass by itself.
_PASSING_IN_SQLITE = tuple(f"SQLITE_{name}" for name in ("BUSY", "LOCKED", "FULL", "IOERR", "CANTOPEN"))


def _memory() -> Address:
    return Address(sa.make_url("sqlite://"), "sqlite://")


def _file(name: str, before: str) -> Address:
    """The address of a file; `before` is what stood before the file's name."""
    try:
        file = typed_path("store", name)
    except SettingError as error:
        raise StoreError(f"{error}, for example results.db") from error
    if name.endswith("/"):
        raise unusable(name, "the name of a file does not end with /")
    if not file.name:
        raise unusable(name, f"it is a folder; a file in it would be {file / 'twofold.db'}")
    return Address(sa.URL.create("sqlite", database=str(file)), f"{before}{file}", file)


def _check_meant_as_file(text: str) -> None:
    """Raise `StoreError` for a path that was meant as a URL: it may have a password, and is no file that there is."""
    meant = server.mistyped(text)
    if meant and not os.path.exists(os.path.dirname(text) or text):
        raise unusable(meant, f"a URL is {server.FORM} or sqlite:///FILE; a file of that name in this folder is ./NAME")


def _server(text: str) -> Address:
    try:
        url = server.url_of(text)
    except ValueError as error:
        kind = text.partition("://")[0]
        raise unusable(f"{kind if kind.replace('+', '').isalnum() else ''}://***", str(error)) from None
    return Address(url, server.shown(url))
