"""What is wrong with a store, beside one that nobody disturbed; and what was trained more than once."""

from __future__ import annotations

import sqlite3
from collections.abc import Set
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
from tests.cli.watched import trained

from twofold.results import ModelStore, Store, models_folder

# What two trainings of one trial may differ by.
_OF_THE_MOMENT = ["seconds", "finished_at"]


def faults(store: Path, other: Path) -> list[str]:
    """In a sentence each, what a store lacks or has too much, where its study is complete. Empty is well."""
    found = rows_apart(str(store), str(other))
    found += [f"{path.name} is left" for path in store.parent.rglob("*.partial*")]
    found += [f"{path.name} is beside the store" for path in store.parent.glob(f"{store.name}-*")]
    with closing(sqlite3.connect(store)) as database:
        for table in ("claims", "runs"):
            if left := database.execute(f"select count(*) from {table}").fetchone()[0]:
                found.append(f"{left} rows are left in {table}")
        if (said := database.execute("pragma integrity_check").fetchone()[0]) != "ok":
            found.append(f"SQLite says: {said}")
    return found + _models_apart(models_folder(store), models_folder(other))


def rows_apart(store: str, *others: str) -> list[str]:
    """What differs between the rows of a store and those of others together, however they are named."""
    rows, expected = _rows(store), pd.concat([_rows(each) for each in others]).sort_index()
    if list(rows.index) != list(expected.index):
        lacking, more = expected.index.difference(rows.index), rows.index.difference(expected.index)
        twice = rows.index.duplicated().sum()
        return [f"{len(lacking)} trials lack, {len(more)} are too many, {twice} are there twice"]
    apart = [name for name in expected if not rows[name].equals(expected[name])]
    return [f"the column {name} differs" for name in apart]


def trained_again(folder: Path, keys: Set[str] | None = None) -> int:
    """How many trainings in a folder were of a trial that had been trained before, of those of `keys`, or of all."""
    done = [key for key in trained(folder) if keys is None or key in keys]
    return len(done) - len(set(done))


def _rows(store: str) -> pd.DataFrame:
    rows = Store(store, create=False).read().drop(columns=_OF_THE_MOMENT)
    return rows.set_index("key").sort_index().map(repr)  # lists are no numbers, and NaN is NaN


def _models_apart(folder: Path, other: Path) -> list[str]:
    if not other.exists():
        return []
    models, expected = ModelStore(folder), ModelStore(other)
    keys = sorted(record["key"] for record in expected.records())
    if sorted(record["key"] for record in models.records()) != keys:
        return ["other networks are kept"]
    return [f"the network {key} differs" for key in keys if not _same(models.load(key), expected.load(key))]


def _same(model, expected) -> bool:
    import jax

    ours, theirs = (jax.tree.leaves(each.variables) for each in (model, expected))
    return len(ours) == len(theirs) and all(np.array_equal(one, two, equal_nan=True) for one, two in zip(ours, theirs))
