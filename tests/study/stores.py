"""Stores of trials that nobody trained: those of the first version, and more of them in other rounds."""

import shutil
from pathlib import Path

from twofold.results import Store
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
