"""One run's share in a store that others may use too: what it has claimed, its signs of life, and its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

from twofold import shutdown
from twofold.errors import StoreAway, StoreError
from twofold.results import Store, new_owner
from twofold.results.heartbeat import beating
from twofold.results.patience import Patience
from twofold.study.outbox import Outbox
from twofold.study.plan import in_short
from twofold.study.trial import Trial

# Seconds between two looks at whether what was claimed is this run's still: a training may be shorter.
_LOOK_EVERY = 1.0

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
        self._looked = 0.0  # when the store was last asked what of it this run has still
        self._over = False

    def claimed(self, keys: Sequence[str]) -> Iterator[str]:
        """Those of the trials that this run is to train: a portion is claimed after another, as its turn comes.

        What others have taken meanwhile, for this run was stopped, is theirs. Where the store stays away, what was
        claimed before is trained to its end: there is nothing more to claim. Raises `StoreError` where there is
        nothing of that either.
        """
        left = list(keys)
        while left:
            mine, left = self._claim(left)
            while mine:
                mine, lost = self._still_mine(mine)
                left = lost + left  # whoever took them may end before they are trained
                if mine:
                    yield mine.pop(0)

    def _claim(self, keys: Sequence[str]) -> tuple[list[str], list[str]]:
        """Claim a portion of the trials; what `Store.claim` returns."""
        claim = partial(self._store.claim, traced=self._traced, wanted_again=self._wanted_again)
        try:
            mine, left = self._patience.with_(lambda: claim(keys, self._owner))
        except StoreAway:
            if self._claimed <= self._outbox.stored:
                raise
            return [], []
        self._claimed.update(mine)
        self._looked = time.monotonic()
        return mine, left

    def _still_mine(self, keys: list[str]) -> tuple[list[str], list[str]]:
        """Those of the trials which this run has claimed still, and the others; as it was a moment ago."""
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY:
            return keys, []
        self._looked = now
        try:
            held = self._store.held(keys, self._owner)
        except StoreAway:
            return keys, []
        lost = [key for key in keys if key not in held]
        self._claimed.difference_update(lost)
        return [key for key in keys if key in held], lost

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
        plan = in_short(trials)
        return beating(lambda: self._beat(len(trials), stored, plan))

    def _beat(self, trials: int, before: int, plan: Mapping[str, Any]) -> None:
        if self._over:  # the run is forgotten, while the program comes to its end
            return
        stored = self._outbox.stored.copy()
        held = self._claimed.copy() - stored
        self._store.beat(self._owner, held, trials=trials, done=before + len(stored), plan=plan)

    def _end(self) -> None:
        self._over = True
        if kept := self._outbox.rescue():
            self._note(kept)
        with suppress(StoreError):  # then its beats stand still, and its claims are forgotten by others
            self._store.release_claims(self._owner)
        self._store.rest()
