"""Taking what other stores have: trials with traces, what relations and networks are, kept networks, and plans.

The other store is only read. A trial is taken whole, a few in one transaction, their kept networks before: whenever
this is killed, the same again goes on.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from twofold.data import Relation
from twofold.data.relations import unmarked
from twofold.errors import SettingError, StoreAway, StoreError
from twofold.results import ModelStore, Store, models_folder
from twofold.results.raw_cells import row_of
from twofold.study.rows import Tables, differing, examined, has_more, made_alike, tables_of

# Trials that are stored in one transaction: others who write wait for it, and for the kept networks of so many.
_AT_ONCE = 50


class Refused(NamedTuple):
    """A trial of another store that was not taken, or, where it is `kept_only`, whose kept network was not.

    Where two rows contradict each other, `ours` and `theirs` are these, and `wrong` is empty.
    """

    theirs: Mapping[str, Any]
    wrong: str = ""
    ours: Mapping[str, Any] | None = None
    kept_only: bool = False

    @property
    def made_alike(self) -> bool:
        """Whether rows that contradict each other say that they were made alike."""
        return self.ours is not None and made_alike(self.ours, self.theirs)


@dataclass
class Merged:
    """What came of merging another store: how many trials were taken, and how many were there already.

    Of the latter so many got a trace or answers from it (`added`). `kept` is the number of kept networks that were
    taken, `plans` that of plans that were not here.
    """

    store: str
    taken: int = 0
    there: int = 0
    added: int = 0
    kept: int = 0
    plans: int = 0
    refused: list[Refused] = field(default_factory=list)

    @property
    def contradicting(self) -> int:
        """How many trials have other outcomes here and there."""
        return sum(each.ours is not None for each in self.refused)

    @property
    def damaged(self) -> int:
        """How many trials are not whole and right, here or there."""
        return sum(each.ours is None and not each.kept_only for each in self.refused)


def merge(
    others: Sequence[str | Path],
    into: str | Path,
    models: str | Path | None = None,
    *,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Merged]:
    """Take of other stores, one after another, what a store does not have; it is made where it is not there.

    Kept networks are taken from the folders beside the others into `models`, by default the folder beside the store.
    `tell` is told what was done to a store of an earlier version.

    Raises `SettingError` for a store that is to be merged into itself, `StoreError` where one cannot be used: nothing
    has been written where that is known before.
    """
    opened = [_opened(other) for other in others]
    store, kept = Store(into), ModelStore(models_folder(into) if models is None else models)
    for other in opened:
        if store.is_same(other):
            raise SettingError(f"`others` (={other.url}) is the store itself; name another to take trials from")
    for note in store.notes:
        tell(note)
    store.share()
    return [_Merging(store, kept, other, ModelStore(models_folder(name))).done() for name, other in zip(others, opened)]


def _opened(other: str | Path) -> Store:
    """A store to take trials from. Raises `StoreError` where it is none that can be read."""
    if "://" not in str(other) and str(other).lower().endswith(".csv"):
        raise StoreError(f"{other} is a table, which lacks the losses of epochs; merge the store that it was made from")
    try:
        return Store(other, create=False)
    except StoreError as error:  # which knows of one store only
        remedy = "name another to take trials from"
        raise StoreError(re.sub("name another( store)? with --store", remedy, str(error))) from error


class _Merging:
    def __init__(self, store: Store, kept: ModelStore, other: Store, their_kept: ModelStore) -> None:
        self._store, self._kept, self._other, self._their_kept = store, kept, other, their_kept
        self._tables: Tables = tables_of(other)[0]
        self._named: dict[tuple[str, str], str] = {}  # what the store calls relations
        self._networks = other.descriptions()
        self._described: set[str] = set()  # those of them that the store has
        self._told = Merged(other.url)

    def done(self) -> Merged:
        """Take all of the other store, and tell what came of it."""
        rows = self._other.cells()
        while some := list(itertools.islice(rows, _AT_ONCE)):
            sound = [row for row in map(self._sound, some) if row is not None]
            if sound:
                self._store.take(sound, self._is_new)
        # Last, so that a plan that is here has all that the other store has of it.
        for plan in self._other.plans(counted=False):
            self._told.plans += self._store.take_plan(plan, self._other.keys_of_plan(plan.number))
        return self._told

    def _sound(self, cells: Mapping[str, Any]) -> dict[str, Any] | None:
        """The row as this store would have it, once it knows its relation and network; None where it is refused."""
        row, wrong = examined(cells, self._tables)
        identity = row.get("identity")
        if not wrong and identity is not None and identity not in self._networks:
            wrong = ["what is known of its network is not in the store"]
        if wrong:
            self._told.refused.append(Refused(cells, wrong[0]))
            return None
        if identity is not None and identity not in self._described:
            self._store.describe(identity, self._networks[identity])
            self._described.add(identity)
        return row | {"relation": self._called(row)}

    def _called(self, row: Mapping[str, Any]) -> str:
        """What this store calls the relation of a row."""
        if row["question"] is None:
            return row["relation"]
        place = row["question"], row["fingerprint"]
        if place not in self._named:
            table = self._tables[place]
            # Marked for another relation of its text, which may not be here.
            alone = Relation(unmarked(table.text), table.answers, table.class_names)
            self._named[place] = self._store.name_question(row["fingerprint"], alone)
        return self._named[place]

    def _is_new(self, cells: Mapping[str, Any] | None, row: Mapping[str, Any]) -> bool:
        """Whether a row is to be written; whatever comes of it is told, and its kept network taken."""
        if cells is None:
            self._told.taken += 1
            self._take_kept(row)
            return True
        ours, wrong = row_of(cells)
        if wrong:
            self._told.refused.append(Refused(row, f"this store's own row is damaged: {wrong[0]}"))
            return False
        if differing(ours, row):
            self._told.refused.append(Refused(row, ours=ours))
            return False
        self._told.there += 1
        self._take_kept(row)
        gets_more = has_more(ours, row)
        self._told.added += gets_more
        return gets_more

    def _take_kept(self, row: Mapping[str, Any]) -> None:
        key = row["key"]
        if not self._their_kept.path(key).is_file() or self._kept.present([key]):
            return
        try:
            self._kept.take(key, self._their_kept, {"relation": row["relation"]})
            self._told.kept += 1
        except StoreAway:
            raise
        except StoreError as error:
            wrong = f"its kept network was not taken: {error}"
            self._told.refused.append(Refused(row, wrong, kept_only=True))
