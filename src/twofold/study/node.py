"""What runs on a node of a cluster: it trains the cohorts that it is given, and says how far it is."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from twofold.data import Images
from twofold.errors import NetworkError
from twofold.networks.own import Sent, received
from twofold.study.trial import Trial

if TYPE_CHECKING:
    import jax

    from twofold.networks.protocol import Variables
    from twofold.study.machine import Machine


# Classes of networks of one's own, with the identities of those that are trained.
OwnNetworks: TypeAlias = Sequence[tuple[Sent, frozenset[str]]]


@dataclass(frozen=True)
class Work:
    """What all trials of a plan have in common: their images, and networks of one's own, with their identities.

    `trace` is as in `conduct`. Where networks are not `kept`, they are not sent back.
    """

    images: Images
    networks: OwnNetworks
    trace: bool
    kept: bool
    name: str = field(default_factory=lambda: uuid.uuid4().hex)


class Done(NamedTuple):
    """A trial that was trained: its key, what its row says of the training, and its network where it is kept."""

    key: str
    row: dict[str, Any]
    variables: Variables | None


class Node:
    """A process on a node that trains, on all the devices that are its share."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` are variables that decide there how is trained, as they are where the study was started."""
        from twofold.training.environment import clean_environment

        clean_environment()
        os.environ.update(environment)
        self._work: str | None = None
        self._machine: Machine | None = None
        self._devices: Sequence[jax.Device] = ()
        self._folder = tempfile.TemporaryDirectory(prefix="twofold-", ignore_cleanup_errors=True)

    def begin(self, cores: int | None) -> tuple[int, list[str]]:
        """Set up so many cores, or all GPUs; how many devices there are then, and what the user should know of them."""
        from twofold.training.devices import usable_cores, use_devices, wait_for_operations

        notes: list[str] = []
        self._devices = use_devices(cores and min(cores, usable_cores()), notes.append)
        wait_for_operations(self._devices[0], notes.append)
        return len(self._devices), notes

    def train(self, work: Work, trials: Sequence[Trial], most: int) -> Iterator[int | list[Done]]:
        """Train trials of one program, at most so many at once: tell the epochs done meanwhile, and last what came out.

        Raises what the training raises; `NetworkError` where a network comes out as another here.
        """
        from twofold.study.machine import Group, program_for

        machine = self._machine_for(work)
        machine.prepare(trials, lambda _: None)
        group = Group(program_for(trials[0], work.images.task, trace=work.trace), iter(trials), most)
        told: SimpleQueue[int | None] = SimpleQueue()
        with ThreadPoolExecutor(1) as training:
            trained = training.submit(lambda: list(machine.train([group], told.put)))
            trained.add_done_callback(lambda _: told.put(None))
            while (epochs := told.get()) is not None:
                yield epochs
        yield [Done(each.trial.key, each.row, each.variables if work.kept else None) for each in trained.result()]

    def _machine_for(self, work: Work) -> Machine:
        from twofold.study.machine import Machine

        if self._machine is not None and self._work == work.name:
            return self._machine
        for sent, identities in work.networks:
            folder = Path(tempfile.mkdtemp(dir=self._folder.name))
            if not identities <= {network.identity for network in received(sent, work.images.task, folder)}:
                raise NetworkError(
                    f"{sent.typed.text} computes something else there; give all nodes the same versions of its packages"
                )
        self._machine, self._work = Machine(work.images, self._devices, trace=work.trace), work.name
        return self._machine
