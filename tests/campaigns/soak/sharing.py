"""Processes that train one study for one store, beside as many that each have a part of it and a store of their own."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaigns.soak.compare import rows_apart, trained_again
from tests.campaigns.soak.running import finish, start
from tests.cli.watched import trainings
from tests.processes import launching

from twofold.results import Store
from twofold.results.claims import LIFETIME

_SIZES = ("--pairs", "1000", "--test-pairs", "100", "--workers", "1")


@dataclass
class Shared:
    """What came of it: seconds, trials in the store, and how many trainings were done again."""

    seconds: float
    rows: int
    again: int
    wrong: list[str] = field(default_factory=list)


def study(epochs: int, first: int, count: int) -> tuple[str, ...]:
    """The words of a study of so many trials, from the first on, of one network."""
    rounds = f"{first}-{first + count - 1}"
    return ("study", "--networks", "NetWS", *_SIZES, "--epochs", str(epochs), "--rounds", rounds)


def apart(folder: Path, processes: int, trials: int, epochs: int) -> tuple[float, list[str]]:
    """The seconds that processes take with a store each, all at the same time; and the stores."""
    each = trials // processes
    folder.mkdir(parents=True)
    stores = [str(folder / f"{number}.db") for number in range(processes)]
    before = time.monotonic()
    with launching() as launch:
        runs = [
            start(launch, folder, *study(epochs, number * each, each), "--store", store)
            for number, store in enumerate(stores)
        ]
        for run in runs:
            finish(run)
    return time.monotonic() - before, stores


def together(
    folder: Path,
    words: tuple[str, ...],
    store: str,
    processes: int,
    stores: list[str],
    *,
    disturbed: Callable[[], None] | None = None,
) -> Shared:
    """Processes that begin at the same time with one study, and what came of it beside the stores of the same trials.

    Where they are `disturbed`, one is killed, one is stopped for longer than a claim lasts, one has a clock that is two
    hours ahead, and in the middle that is called.
    """
    folder.mkdir(parents=True)
    # Before a long run each process measures how long it will take, by short trainings that no store keeps.
    keys = {key for one in stores for key in Store(one, create=False).read().key}
    before = time.monotonic()
    with launching() as launch:
        ahead = [7200.0 if disturbed and number == 2 else 0.0 for number in range(processes)]
        runs = [start(launch, folder, *words, "--store", store, ahead=each) for each in ahead]
        if disturbed:
            _disturb(runs, lambda: {process for key, process in trainings(folder) if key in keys}, disturbed)
        for number, run in enumerate(runs):
            if not (disturbed and number == 0):  # which was killed
                finish(run)
    seconds = time.monotonic() - before
    shared = Shared(seconds, Store(store, create=False).count(), trained_again(folder, keys))
    shared.wrong += rows_apart(store, *stores)
    # Of the killed one and the stopped one a training may have been under way.
    if shared.again > 2 * (disturbed is not None):
        shared.wrong.append(f"{shared.again} trainings were done again")
    return shared


def _disturb(runs: list, have_trained: Callable[[], set[int]], then: Callable[[], None]) -> None:
    """Kill the first, and stop the second, when both have trained, so that they train the next."""
    while not {run.pid for run in runs[:2]} <= have_trained():
        time.sleep(0.1)
    runs[0].kill()
    runs[0].communicate()
    runs[1].send_signal(signal.SIGSTOP)
    then()
    time.sleep(LIFETIME + 15)
    runs[1].send_signal(signal.SIGCONT)
