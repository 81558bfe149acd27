"""SQLite: how a store in a file is opened, so that what is committed stays and several processes write in turn."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

# Seconds that a process waits for another that writes, instead of failing.
_BUSY = 20

# The most bytes of a cell, and of a row: the losses of a million epochs take 20 MB.
_LONGEST_CELL = 32 * 1024**2

# File systems over a network, which give processes on several machines no memory to share.
_OVER_A_NETWORK = ("nfs", "cifs", "smb", "fuse.sshfs", "9p", "lustre", "gpfs", "beegfs", "ceph", "afs", "glusterfs")


def open_sqlite(file: Path | None, *, create: bool) -> sa.Engine:
    """SQLAlchemy's engine for a file, made if it is to be, or for a database in memory."""
    if file is None:
        # One connection for all threads: each would have an empty database of its own.
        options = {"poolclass": sa.StaticPool, "creator": partial(_connect, "file::memory:")}
    else:
        options = {"creator": partial(_connect, uri_of(file, _mode(file, create=create)))}
    engine = sa.create_engine("sqlite://" if file is None else sa.URL.create("sqlite", database=str(file)), **options)
    sa.event.listen(engine, "begin", _begin)
    return engine


def write_ahead(engine: sa.Engine, file: Path) -> bool:
    """Let those who read a store and the one who writes not wait for each other (WAL mode); say whether that can be.

    It needs memory that processes share, which a file system over a network does not give.
    """
    if file_system_of(file).startswith(_OVER_A_NETWORK):
        return False
    raw = engine.raw_connection()
    try:
        return _is_wal(raw.cursor().execute("PRAGMA journal_mode=WAL"))
    except sqlite3.OperationalError:  # others have it open, or it may only be read
        return True
    finally:
        raw.close()


def fold(engine: sa.Engine) -> None:
    """Close what is open, and bring what is beside a store's file into it, so that the file alone can be copied.

    Where others use it they do that when they end.
    """
    engine.dispose()
    with suppress(sqlite3.Error, sa.exc.SQLAlchemyError):
        raw = engine.raw_connection()
        try:
            cursor = raw.cursor()
            cursor.execute("PRAGMA busy_timeout=0")
            # The last deletes an empty journal too, which a killed run may leave: SQLite looks for it only when the
            # mode was another.
            for mode in ("DELETE", "PERSIST", "DELETE"):
                cursor.execute(f"PRAGMA journal_mode={mode}")
        finally:
            raw.invalidate()


def vacuum(engine: sa.Engine, file: Path) -> int:
    """Write a file anew without the room that nothing takes, and return how many bytes smaller it is.

    It stays as it is where others use it, or the disk has no room for it once more.
    """
    before = file.stat().st_size
    if shutil.disk_usage(file.parent).free < 2 * before:  # the new one, and what SQLite writes to undo it
        return 0
    engine.dispose()
    with suppress(sqlite3.Error, sa.exc.SQLAlchemyError):
        raw = engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA busy_timeout=0")
            raw.cursor().execute("VACUUM")
        finally:
            raw.invalidate()
    fold(engine)
    return max(0, before - file.stat().st_size)


def file_system_of(file: Path) -> str:
    """The kind of file system that a file is on, such as ext4 or nfs4; empty where the system does not say."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return ""
    place, best, kind = str(file.resolve().parent), -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        mounted = before.split()[4].replace("\\040", " ")
        inside = place == mounted or place.startswith(f"{mounted.rstrip('/')}/")
        if inside and len(mounted) >= best:
            best, kind = len(mounted), after.split()[0]
    return kind


def uri_of(file: Path, options: str) -> str:
    """A file's name for SQLite, with options: percent signs keep every character of the name from meaning anything."""
    return f"file:{quote(os.fsencode(os.path.abspath(file)))}?{options}"


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY, check_same_thread=False, isolation_level=None)
    # A file may be anybody's (https://sqlite.org/security.html): what stands in its schema is not run, and no cell is
    # larger than ours may be. Bytes that are no text are told from texts by who reads the cell.
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_CELL)
    connection.text_factory = _text
    connection.execute("PRAGMA synchronous=FULL")  # what is committed is there after a loss of power
    return connection


def _text(content: bytes) -> str:
    return content.decode(errors="surrogateescape")


def _mode(file: Path, *, create: bool) -> str:
    """How SQLite is to open a file."""
    # In WAL mode it cannot be read where no file can be made beside it, unless SQLite is told that nobody writes.
    if file.exists() and not os.access(file.parent, os.W_OK) and not file.with_name(f"{file.name}-wal").exists():
        return "mode=ro&immutable=1"
    return "mode=rwc" if create else "mode=rw"


def _begin(connection: sa.Connection) -> None:
    """Begin a transaction as it is meant, and not when Python's module thinks that it must.

    One that writes takes the lock at once: after it has read, SQLite may refuse to let it write, without waiting.
    """
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_wal(cursor: sqlite3.Cursor) -> bool:
    return bool(cursor.fetchone() == ("wal",))
