"""Patience with a store that went away: a database that restarts, a connection that is cut, a disk that is full."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from twofold.errors import SettingError, StoreAway

T = TypeVar("T")

# Where this is set, it is for how many seconds a run waits for its store.
VARIABLE = "TWOFOLD_STORE_PATIENCE"
_PATIENCE = 600.0

# Seconds before what failed is tried again: each time twice as long, up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 15.0


class Patience:
    """How a run bears with its store: what fails for a while is tried again, with growing pauses.

    `note` is told in a sentence when the store goes away, and when it is back. Raises `SettingError` for a patience of
    the environment that is no number of seconds.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note, self._most = note, _patience()
        self._since: float | None = None  # when the store went away
        self._next, self._pause = 0.0, _FIRST_PAUSE

    @property
    def is_answered(self) -> bool:
        """Whether the store is there, as far as is known."""
        return self._since is None

    @property
    def is_due(self) -> bool:
        """Whether something may be tried now: the store is there as far as is known, or the pause is over."""
        return self._since is None or time.monotonic() >= self._next

    def with_(self, action: Callable[[], T]) -> T:
        """What the action returns, when it succeeds. Raises its `StoreAway` where it does not for too long."""
        while True:
            if not self.is_due:
                time.sleep(max(0.0, self._next - time.monotonic()))
            try:
                done = action()
            except StoreAway as error:
                if self.failed(error):
                    raise
            else:
                self.succeeded()
                return done

    def failed(self, error: StoreAway) -> bool:
        """To be called where something failed: it is not due for a while. Whether the patience is at its end."""
        now = time.monotonic()
        if self._since is None:
            self._since, self._pause = now, _FIRST_PAUSE
            self._note(f"{error.cause}; trying again for {_told(self._most)}: what is trained waits in memory")
        self._next = now + min(self._pause, max(0.0, self._since + self._most - now))
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return now - self._since >= self._most

    def succeeded(self) -> None:
        """To be called where something succeeded."""
        if self._since is not None:
            self._since = None
            self._note("the store is back")


def _patience() -> float:
    text = os.environ.get(VARIABLE, "")
    try:
        seconds = float(text) if text else _PATIENCE
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= threading.TIMEOUT_MAX:
        raise SettingError(f"{VARIABLE} (={text}) must be a number of seconds, for example 600")
    return seconds


def _told(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
