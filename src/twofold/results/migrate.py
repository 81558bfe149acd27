"""How a store is made, and brought to the newest version: by the scripts in migrations/, in one transaction.

This file imports Alembic, so it is imported only where a store is not of the newest version.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Set
from contextlib import closing
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from twofold.errors import StoreError, cause_of
from twofold.files import put_in_place
from twofold.results.database import wait_for_others, writing
from twofold.results.versions import MIGRATIONS, NEWEST, STAMP, Standing, look

# The operations that scripts import (`from alembic import op`) are those of one migration at a time.
_one_at_a_time = threading.Lock()


def upgrade(engine: sa.Engine, check: Callable[[Standing], None], file: Path | None = None) -> list[str]:
    """Make the store or bring it to the newest version, and say in sentences what was done to one that was there.

    Of processes that do so at once one does, and the others wait. `check` is asked again after waiting: it raises
    where the store cannot be used. A `file` is first copied beside itself. Whatever fails, the store is as it was.

    Raises `StoreError` where the copy cannot be written, and what SQLAlchemy raises.
    """
    copy = None
    try:
        with writing(engine) as connection:
            wait_for_others(connection, patiently=True)  # migrating a large store takes long
            found = look(connection)
            check(found)
            if found.is_current:
                return []
            if found.version and file:
                copy = _copy(file.resolve(), found.version)
            try:
                run(connection, found.stamped or "base", "head")
            except (AssertionError, LookupError, CommandError) as error:  # of Alembic, about what it finds
                raise StoreError(
                    f"the store{f' {file}' if file else ''} has not what its version {found.version} has "
                    f"({cause_of(error)}); name another with --store"
                ) from error
    except BaseException:
        if copy:
            copy.unlink()
        raise
    if not found.version:
        return []
    kept = f"; the file as it was is kept as {copy.name}" if copy else ""
    return [f"the store was brought to version {NEWEST}{kept}"]


def run(connection: sa.Connection, after: str, upto: str) -> None:
    """Run the scripts after one version ("base": all) up to another ("head": the newest) and note the number."""
    scripts = ScriptDirectory(str(MIGRATIONS), version_locations=[str(MIGRATIONS)])
    context = MigrationContext.configure(connection, opts={"version_table": STAMP})
    with _one_at_a_time, Operations.context(context):
        for script in reversed(list(scripts.iterate_revisions(upto, after))):
            script.module.upgrade()
            context.stamp(scripts, script.revision)


@cache
def columns_of(version: str) -> Set[str]:
    """The columns that the scripts up to a version give the table `trials`."""
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        run(connection, "base", version)
        columns = look(connection).columns
    engine.dispose()
    return columns


def _copy(file: Path, version: str) -> Path:
    """Copy a database that is in use whole, beside itself, and return the copy; earlier copies stay.

    Called while this process may write and no other, so that names are not taken by two.
    """
    partial = file.with_name(f"{file.name}.version-{version}.partial")
    try:
        partial.unlink(missing_ok=True)  # of a run that was killed
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(partial)) as target:
            source.backup(target)
        shutil.copymode(file, partial)
        copy = _free_name(file, version)
        put_in_place(partial, copy)
        return copy
    except (OSError, sqlite3.Error) as error:
        if partial.is_file():
            partial.unlink()
        raise StoreError(
            f"cannot copy the store {file} beside itself before it is brought to version {NEWEST} "
            f"({cause_of(error)}); free space on the disk or make the folder writable, "
            "or name another store with --store"
        ) from error


def _free_name(file: Path, version: str) -> Path:
    name, number = file.with_name(f"{file.name}.version-{version}.bak"), 1
    while name.exists():
        number += 1
        name = file.with_name(f"{file.name}.version-{version}.{number}.bak")
    return name
