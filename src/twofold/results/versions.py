"""Which version a store has, and which this twofold knows.

Alembic, which brings a store to a later version, is slow to import; nothing of it is needed to see that a store is of
the newest version, or of one that is not known.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from twofold.errors import StoreError, shown
from twofold.results.schema import metadata, trials

# A file a version, in order: 0001_first.py.
MIGRATIONS = Path(__file__).parent / "migrations"
VERSIONS = tuple(sorted(path.name.partition("_")[0] for path in MIGRATIONS.glob("[0-9]*_*.py")))
FIRST, NEWEST = VERSIONS[0], VERSIONS[-1]

# The table that has the number of a store's version. Alembic's own name for it may be another program's on a server.
STAMP = "twofold_version"
_STAMP = sa.table(STAMP, sa.column("version_num", sa.String))

# Where SQLite has what there is in a file.
_SCHEMA = sa.table("sqlite_master", *(sa.column(name, sa.String) for name in ("type", "name", "tbl_name", "sql")))


@dataclass(frozen=True)
class Standing:
    """What a database has: its tables, the columns of `trials`, and the number of its version where it has one.

    `foreign` is something in our tables that no version has put there: a trigger, or code in the place of a table.
    """

    tables: Set[str]
    columns: Set[str]
    stamped: str | None
    foreign: str = ""

    @property
    def version(self) -> str | None:
        """The store's version, None where there is no store yet. One of the first version has no number."""
        if trials.name not in self.tables:
            return None
        return FIRST if self.stamped is None else self.stamped

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to make or to migrate."""
        return self.version == NEWEST and (self.stamped is not None or self.tables >= metadata.tables.keys())

    @property
    def has_others(self) -> bool:
        """Whether there are tables of other programs, or another program's number of a version."""
        return bool(self.tables - metadata.tables.keys())


def look(connection: sa.Connection) -> Standing:
    """What there is in a database."""
    inspector = sa.inspect(connection)
    tables = set(inspector.get_table_names())
    columns = {c["name"] for c in inspector.get_columns(trials.name)} if trials.name in tables else set()
    stamped = connection.scalar(sa.select(_STAMP.c.version_num)) if _STAMP.name in tables else None
    stamped = None if stamped is None else str(stamped)  # SQLite may have anything there
    return Standing(tables, columns, stamped, _foreign(connection) if connection.dialect.name == "sqlite" else "")


def _foreign(connection: sa.Connection) -> str:
    """What SQLite would run when our tables are read or written."""
    query = sa.select(_SCHEMA.c.type, _SCHEMA.c.name).where(
        _SCHEMA.c.tbl_name.in_([*metadata.tables, STAMP]),
        _SCHEMA.c.type.in_(["trigger", "view"]) | _SCHEMA.c.sql.ilike("create virtual%"),
    )
    found = connection.execute(query).first()
    return "" if found is None else f"the {found.type} {shown(found.name)}"


def check(found: Standing, shown_url: str, *, create: bool, sharing: bool) -> None:
    """Raise `StoreError` unless the database has a store that can be used or, with `create`, made.

    A database server may be shared with other programs (`sharing`); a file that holds only tables of others is theirs.
    """
    if found.foreign:
        raise StoreError(
            f"{shown_url} is no store of twofold: {found.foreign} is none of ours; name another with --store"
        )
    if found.version is None:
        if not create or (found.has_others and not sharing) or _STAMP.name in found.tables:
            raise StoreError(f"{shown_url} is no store of twofold: it has no table `trials`; name another with --store")
        return
    if found.version not in VERSIONS:
        raise StoreError(
            f"the store {shown_url} has version {shown(found.version)}, and this twofold knows versions up to "
            f"{NEWEST}; install a newer twofold, or name another store with --store"
        )
    wanted = _columns_of(found.version)
    lacking = [c.name for c in trials.c if c.name in wanted and c.name not in found.columns]
    if lacking:
        raise StoreError(
            f"the store {shown_url} was made by another program or another version of twofold (its table `trials` "
            f"has no column `{lacking[0]}`); name another with --store"
        )


def _columns_of(version: str) -> Set[str]:
    """The columns that the table `trials` of a version has."""
    if version == NEWEST:
        return set(trials.c.keys())
    from twofold.results.migrate import columns_of  # imports Alembic

    return columns_of(version)
