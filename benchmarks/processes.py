"""Work that a process on each core does at the same time."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class Experts:
    """One process per core, in which `worker` does what it is sent, until that is None."""

    def __init__(self, worker: Callable[[Connection], None], cores: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connections = []
        for _ in range(cores):
            ours, theirs = context.Pipe()
            context.Process(target=worker, args=(theirs,), daemon=True).start()
            self.connections.append(ours)

    def train(self, *work: Any) -> float:
        """Effective seconds per run of the work, which every process does at the same time."""
        for connection in self.connections:
            connection.send(work)
        return max([connection.recv() for connection in self.connections]) / len(self.connections)

    def stop(self) -> None:
        for connection in self.connections:
            connection.send(None)
