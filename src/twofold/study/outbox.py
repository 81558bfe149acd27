"""Finished trials on their way to the store: they wait in memory while it is away, and are never thrown away."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from twofold import shutdown
from twofold.data import Relation
from twofold.errors import StoreAway, StoreError, counted
from twofold.results import ModelStore, Store, models_folder
from twofold.results.patience import Patience
from twofold.study.keep import Keeper
from twofold.study.listener import Listener
from twofold.study.trial import Trial

if TYPE_CHECKING:
    from twofold.networks.protocol import Variables


class Finished(NamedTuple):
    """A trial that is trained: its row, but for the name of its question, and its network, where it may be kept."""

    trial: Trial
    row: dict[str, Any]
    variables: Variables | None
    listener: Listener


class Outbox:
    """Stores finished trials: with their networks, where a `keeper` keeps them, at once or when the store is back.

    `on_row` is called with each row that is new in the store, or that a trace of dead units is new in.
    """

    def __init__(
        self,
        store: Store,
        patience: Patience,
        keeper: Keeper | None,
        on_row: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        self._store, self._patience, self._keeper, self._on_row = store, patience, keeper, on_row
        self._waiting: deque[Finished] = deque()
        self._to_tell: deque[tuple[Listener, dict[str, Any], bool]] = deque()
        self.stored: set[str] = set()  # the keys of what was put here and is stored
        self._named: dict[Relation, str] = {}  # what the store calls relations
        self._described = {""}  # identities whose networks the store has

    def put(self, finished: Finished) -> None:
        """Store a trial, or have it wait. Raises `StoreError` where that is of no use."""
        self._waiting.append(finished)
        if self._patience.is_due:
            try:
                self._store_all()
            except StoreAway as error:
                self._patience.failed(error)
            else:
                self._patience.succeeded()
        self._tell_all()

    def empty(self) -> None:
        """Wait until all is stored. Raises `StoreError` where the store does not come back."""
        self._patience.with_(self._store_all)
        self._tell_all()

    def rescue(self) -> str:
        """Write what waits as a store of its own, where that can be, and say so; empty where nothing waits."""
        if self._waiting and self._patience.is_answered:
            with suppress(StoreError):  # what was on its way
                self._store_all()
        if not self._waiting:
            return ""
        for folder in (self._store.folder, Path.cwd(), Path(tempfile.gettempdir())):
            with suppress(StoreError, OSError):
                path = _free_name(folder)
                count = self._write(path)
                kept = f"{counted(count, 'finished trial')} kept in {path}"
                return f"{kept}; `twofold store merge {path}` stores what is there"
        return f"{counted(len(self._waiting), 'finished trial')} lost, since no folder could be written"

    def _store_all(self) -> None:
        while self._waiting:
            trial, row, variables, listener = self._waiting[0]
            if trial.asked not in self._named:
                self._named[trial.asked] = self._store.name_question(trial.fingerprint, trial.asked)
            if trial.identity not in self._described:
                self._store.describe(trial.identity, trial.architecture.description)
                self._described.add(trial.identity)
            row = row | {"relation": self._named[trial.asked]}
            if self._keeper and variables is not None:
                # Before the row, so that a trial that is stored has its network kept, whenever a run is killed.
                self._keeper.offer(trial, row, variables)
            # A training repeated for its network alone leaves its row, and any trace in it, as it was.
            is_new = self._store.add(row)
            self._sent(trial.key)
            self._to_tell.append((listener, row, is_new))

    def _tell_all(self) -> None:
        """Tell of what is stored; apart from storing, so that what a user's `on_row` raises is not taken for its."""
        while self._to_tell:
            listener, row, is_new = self._to_tell.popleft()
            listener.done(row)
            if is_new and self._on_row:
                # As tables have it: answers are for statistics.
                self._on_row({name: cell for name, cell in row.items() if name != "wrong_answers"})

    def _sent(self, key: str) -> None:
        with shutdown.critical:  # the thread that ends the program may have sent it as well
            if self._waiting and self._waiting[0].trial.key == key:
                self._waiting.popleft()
            self.stored.add(key)

    def _write(self, path: Path) -> int:
        """Write what waits as a store, with the networks beside it, and say how many. Raises `StoreError`."""
        store, models = Store(path), ModelStore(models_folder(path))
        with shutdown.critical:
            for trial, row, variables, _ in self._waiting:
                row = row | {"relation": store.name_question(trial.fingerprint, trial.asked)}
                if self._keeper and variables is not None:
                    self._keeper.copy(trial, row, variables, models)
                if trial.identity:
                    store.describe(trial.identity, trial.architecture.description)
                store.add(row)
            count = len(self._waiting)
            self._waiting.clear()
        return count


def _free_name(folder: Path) -> Path:
    number, path = 1, folder / "twofold-rescued.db"
    while path.exists():
        number += 1
        path = folder / f"twofold-rescued-{number}.db"
    return path
