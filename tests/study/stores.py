"""Stores of trials that nobody trained: those of the first version, and more of them in other rounds."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from twofold.results import Store, new_owner
from twofold.results.processes import this_process
from twofold.results.raw_cells import row_of
from twofold.study.trial import key_of_row

FIRST = Path(__file__).parents[1] / "stores" / "first"


def copy_of_first(folder: Path, *, kept: bool = True) -> Path:
    """A copy of the first version's store, with its kept networks, and its path."""
    folder.mkdir(parents=True)
    if kept:
        shutil.copytree(FIRST / "twofold.models", folder / "twofold.models")
    return Path(shutil.copyfile(FIRST / "twofold.db", folder / "twofold.db"))


def rows_of(path: Path) -> dict[str, dict]:
    """The rows of a store by their keys, with histories."""
    found = [row_of(cells) for cells in Store(path, create=False).cells()]
    return {row["key"]: row for row, wrong in found if not wrong}


def in_round(row: dict, round: int, **changes) -> dict:
    """A row as one of another round, with the key that it has then."""
    row = {**row, "round": round, **changes}
    return {**row, "key": key_of_row(row)}


def store_of(path: Path, rows: list[dict]) -> Path:
    """A store of these rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Store(path).take(rows, lambda here, row: True)
    return path


def killed_at_its_end(path: Path) -> None:
    """Leave in a store, and beside it, what a run that was killed after its last trial may leave."""
    owner = new_owner()
    Store(path).claim(["a trial that nobody asks for"], owner)
    with closing(sqlite3.connect(path)) as database, database:
        here = this_process().partition(":")[0]
        database.execute("update runs set process = ? where owner = ?", (f"{here}:999999999:1", owner))
    journal_of(path).touch()


def journal_of(path: Path) -> Path:
    """SQLite's journal of a store, which is there while something is written."""
    return path.with_name(f"{path.name}-journal")


def runs_in(path: Path) -> int:
    """How many runs a store knows of."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute("select count(*) from runs").fetchone()[0]
