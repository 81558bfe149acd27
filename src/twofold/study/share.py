"""One run's share in a store that others may use too: what it has claimed, its signs of life, and its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

from twofold import shutdown
from twofold.errors import StoreAway, StoreError
from twofold.results import Store, new_owner
from twofold.results.claims import LIFETIME
from twofold.results.heartbeat import beating
from twofold.results.patience import Patience
from twofold.study.outbox import Outbox
from twofold.study.plan import in_short
from twofold.study.trial import Trial

_TAKES_TURNS = (
    "the store is on a file system over a network: runs that share it take turns, and a reader waits for them; "
    "PostgreSQL is made for that"
)


class Share:
    """What one run does of a study.

    `traced` and `wanted_again` are as in `Store.claim`, `note` as in `Listener`.
    """

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        patience: Patience,
        note: Callable[[str], None],
        *,
        traced: bool,
        wanted_again: Callable[[str], bool],
    ) -> None:
        self._store, self._outbox, self._patience, self._note = store, outbox, patience, note
        self._traced, self._wanted_again = traced, wanted_again
        self._owner = new_owner()
        self._claimed: set[str] = set()
        self._over = False
        self._told: dict[str, Any] = {}  # what a beat tells beside what is done
        self._before = 0
        self._beaten = time.monotonic()
        self._forgotten = 0  # how often this run was, as far as it knows

    def claimed(self, keys: Sequence[str]) -> Iterator[str]:
        """Those of the trials that this run is to train: claimed a portion after another, as their turn comes.

        A run that was stopped may have been forgotten, and others train the rest of its portion: that is left to them.
        Raises `StoreError` where the store fails.
        """
        left = list(keys)
        while left:
            before = self._forgotten
            mine, left = self._claim(left)
            for key in mine:
                if self._still_holds(key, before):
                    yield key

    def _claim(self, keys: Sequence[str]) -> tuple[list[str], list[str]]:
        """Claim a portion of the trials; what `Store.claim` returns.

        Where the store stays away, what was claimed before is trained to its end: there is nothing more to claim.
        Raises `StoreError` where there is nothing of that either.
        """
        claim = partial(self._store.claim, traced=self._traced, wanted_again=self._wanted_again)
        try:
            mine, left = self._patience.with_(lambda: claim(keys, self._owner))
        except StoreAway:
            if self._claimed <= self._outbox.stored:
                raise
            return [], []
        self._claimed.update(mine)
        return mine, left

    @contextmanager
    def going_on(self, trials: Sequence[Trial], stored: int) -> Iterator[None]:
        """While this lasts the run gives signs of life; at the end it gives up its claims, however it ends.

        `trials` are those that the run is to see stored, of which some are `stored` when it begins. Where a
        `StoreError` comes, what was finished and is not stored is written as a store of its own, and the error says so.
        """
        shutdown.register(self._end)
        if not self._store.share():
            self._note(_TAKES_TURNS)
        try:
            with self._signs_of_life(trials, stored):
                yield
        except StoreError as error:
            if kept := self._outbox.rescue():
                raise StoreError(f"{error}; {kept}") from error
            raise
        finally:
            shutdown.unregister(self._end)
            self._end()

    def _signs_of_life(self, trials: Sequence[Trial], stored: int) -> AbstractContextManager[None]:
        if not self._store.is_shared:
            return nullcontext()
        self._before, self._told = stored, {"trials": len(trials), "plan": in_short(trials)}
        return beating(self._beat)

    def _beat(self) -> None:
        if self._over:  # the run is forgotten, while the program comes to its end
            return
        begun = time.monotonic()
        stored = self._outbox.stored.copy()
        held = self._claimed.copy() - stored
        forgotten = self._store.beat(self._owner, held, done=self._before + len(stored), **self._told)
        self._forgotten += forgotten
        self._beaten = begun

    def _still_holds(self, key: str, before: int) -> bool:
        """Whether no other run has taken a claimed trial, or trained it, where this one was forgotten since `before`.

        Several portions may be under way at the same time, as on a cluster.
        """
        if self._told and time.monotonic() - self._beaten > LIFETIME / 2:
            with suppress(StoreError):  # where it is away, others cannot take it either
                self._beat()
        return self._forgotten == before or key in self._claim([key])[0]

    def _end(self) -> None:
        self._over = True
        if kept := self._outbox.rescue():
            self._note(kept)
        with suppress(StoreError):  # then its beats stand still, and its claims are forgotten by others
            self._store.release_claims(self._owner)
        self._store.rest()
