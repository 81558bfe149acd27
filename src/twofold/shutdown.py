"""Shutting the program down: what must not be cut short, and what has to be done before it ends.

A signal ends the program from a thread of its own (`twofold.cli.signals`), wherever the main thread is. In a notebook
nobody calls `shut_down`, and none of this has an effect.
"""

import threading
from collections.abc import Callable
from contextlib import suppress

# Held for a short time, by whoever does what must not be cut short: storing a trial, putting a file in its place.
critical = threading.RLock()

_actions: list[Callable[[], object]] = []


def register(action: Callable[[], object]) -> None:
    """Have something done before the program is shut down; it is called in another thread.

    What is to be undone is best begun and registered within `critical`: no signal comes between the two.
    """
    with critical:  # what came later would not be done
        _actions.append(action)


def unregister(action: Callable[[], object]) -> None:
    """Take back what was registered."""
    _actions.remove(action)


def shut_down() -> None:
    """Wait until nothing critical is under way, and do what was registered, the last first.

    Nothing critical begins any more: who comes to it waits for the end of the process.
    """
    critical.acquire()
    for action in reversed(_actions.copy()):
        with suppress(Exception):  # an end that is not quite tidy is better than none
            action()
