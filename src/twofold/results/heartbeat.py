"""The signs of life of a run, given by a thread of its own: whatever the run does meanwhile, and however long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from twofold.errors import StoreError
from twofold.results.claims import BEAT_EVERY


@contextmanager
def beating(beat: Callable[[], None]) -> Iterator[None]:
    """Call `beat` at once and every few seconds. A store that is away hears of the next one."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.is_set():
            with suppress(StoreError):
                beat()
            ended.wait(BEAT_EVERY)

    thread = threading.Thread(target=go_on, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
