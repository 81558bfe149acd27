"""What a cluster costs beside the same machine without one, and how much one command can take from its nodes.

    python -m benchmarks.cluster [--ways "one core" "two nodes"] [--epochs 100] [--trials 16] [--repeats 3]
    python -m benchmarks.cluster --idle 4 [--cores 1 8 32] [--trials 2000] [--out cluster.json]

The same study is conducted without a cluster on one core and on two, on the cluster of one core that `local` starts,
and on clusters of one and of two nodes of one core; in turn, `--repeats` times, each in a process of its own. Trials
per second are those after the first two of each core; a trial's overhead is what a core spends on it beside its
training. The head of a cluster trains nothing, and shares the machine with its nodes and the command. Some trials
before fill the cache of compiled programs.

With `--idle`, so many nodes give back at once what a trial came to, and train nothing: as many trials and cohorts as
one command can give out, take back and store. Nodes share the machine with it here, so elsewhere it can take more.
Bytes are those that Ray sends over the loopback device, of the cluster and of the command.
"""

import argparse
import json
import multiprocessing
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rich.console import Console
from rich.table import Table
from tests.study.ray_cluster import running

from twofold import Study
from twofold.data import load_images
from twofold.results import Store
from twofold.study import cluster as cluster_module
from twofold.study.conduct import conduct
from twofold.study.connection import LOCAL
from twofold.study.listener import Silence
from twofold.study.node import Done, Node, Work
from twofold.study.trial import Trial
from twofold.training.devices import use_devices

# Cores of each way, and what they are of: this machine, the cluster that `local` starts, or nodes with a core each.
WAYS = {
    "one core": (1, "here"), "local, one core": (1, "local"), "one node": (1, "nodes"),
    "two cores": (2, "here"), "two nodes": (2, "nodes"),
}  # fmt: skip
NETWORK, DATA, EPOCHS = "NetWSAL", "mnist5k", 100
_LOOPBACK = Path("/sys/class/net/lo/statistics/rx_bytes")


class Clock(Silence):
    """When each trial is stored, and what its training took; what this process had used, and Ray had sent, by then."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.seconds: list[float] = []
        self.processor: list[float] = []
        self.sent: list[int] = []

    def done(self, row: dict[str, Any]) -> None:
        self.at.append(time.perf_counter())
        self.seconds.append(row["seconds"])
        self.processor.append(time.process_time())
        self.sent.append(int(_LOOPBACK.read_text()))


def plan(trials: int, epochs: int) -> list[Trial]:
    return list(Study(networks=NETWORK, rounds=trials, epochs=epochs, data=DATA).trials())


def conducted(trials: Sequence[Trial], devices: Any) -> Clock:
    """Conduct the trials with a store of their own, on the disk."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        conduct(trials, load_images(DATA), Store(f"{folder}/store.db"), devices=lambda: devices, listener=clock)
    return clock


def on_this_machine(cores: int, trials: int, epochs: int) -> dict[str, float]:
    """One way without a cluster."""
    os.sched_setaffinity(0, range(cores))
    begun = time.perf_counter()
    devices = use_devices(cores)
    start = time.perf_counter() - begun
    return {"start": start, **found(conducted(plan(trials, epochs), devices), cores)}


def on_nodes(nodes: int, trials: int, epochs: int) -> dict[str, float]:
    """One way on nodes of a core each, of a cluster that is there when the command begins."""
    with cluster_of(nodes) as address:
        return on_cluster(address, nodes, trials, epochs)


def on_cluster(cluster: str, cores: int, trials: int, epochs: int) -> dict[str, float]:
    """One way with a cluster of so many cores."""
    begun = time.perf_counter()
    with cluster_module.Cluster(cluster, cores if cluster == LOCAL else None, _say) as nodes:
        while len(nodes) < cores:
            pass
        start = time.perf_counter() - begun
        return {"start": start, **found(conducted(plan(trials, epochs), nodes), cores)}


@contextmanager
def cluster_of(nodes: int) -> Iterator[str]:
    """The address of a cluster whose nodes keep to a core each."""
    everywhere = os.sched_getaffinity(0)
    with ExitStack() as ending:
        try:
            os.sched_setaffinity(0, {0})  # which what is started inherits
            cluster = ending.enter_context(running())
            for core in range(1, nodes):
                os.sched_setaffinity(0, {core})
                cluster.add()
        finally:
            os.sched_setaffinity(0, everywhere)
        yield cluster.address


def found(clock: Clock, cores: int) -> dict[str, float]:
    """Trials per second after the first two of each core, and what a core spends on each beside its training."""
    before = 2 * cores
    counted = len(clock.at) - before
    training = statistics.fmean(clock.seconds[before:])

    def of_each(values: Sequence[float]) -> float:
        return (values[-1] - values[before - 1]) / counted

    each = of_each(clock.at)
    return {
        "rate": 1 / each,
        "training": training,
        "overhead": each * cores - training,
        "processor": of_each(clock.processor),
        "sent": of_each(clock.sent),
    }


def idle(nodes: int, cores: int, trials: int) -> dict[str, float]:
    """What one command can take of nodes that train nothing."""
    with multiprocessing.get_context("spawn").Pool(1) as elsewhere:  # with JAX here, Ray could not fork well
        template = elsewhere.apply(_row)
    sizes = len(pickle.dumps(plan(1, EPOCHS)[0])), len(pickle.dumps(Done(template["key"], template, None)))
    with patch.object(cluster_module, "Node", _trains_nothing(template)), running(cores=cores) as there:
        for _ in range(1, nodes):
            there.add(cores)
        with cluster_module.Cluster(there.address, None, _say) as cluster:
            while len(cluster) < nodes * cores:
                pass
            rates = found(conducted(plan(trials, EPOCHS), cluster), nodes * cores)
    return {**rates, "cohorts": rates["rate"] / cores, "to": sizes[0], "from": sizes[1]}


def _row() -> dict[str, Any]:
    """What a node gives back of a trial."""
    node = Node({})
    node.begin(1)
    *_, done = node.train(Work(load_images(DATA), [], trace=False, kept=False), plan(1, EPOCHS), 1)
    assert isinstance(done, list)
    return done[0].row


def _trains_nothing(template: dict[str, Any]) -> type:
    """A node that says of each trial what one came to, and of its progress as often as in a training of two seconds."""

    packed = pickle.dumps(template)

    def copied(trial: Trial) -> dict[str, Any]:  # anew for each, since what is shared would be sent once
        of = {"key": trial.key, "round": trial.round, "weight_round": trial.weight_round}
        return pickle.loads(packed) | of

    class TrainsNothing(Node):
        def __init__(self, environment: Any) -> None: ...

        def begin(self, cores: int | None) -> tuple[int, list[str]]:
            return cores or 0, []

        def train(self, work: Work, trials: Sequence[Trial], most: int) -> Iterator[int | list[Done]]:
            yield 0
            yield 0
            yield len(trials)
            yield [Done(each.key, copied(each), None) for each in trials]

    return TrainsNothing


def _say(note: str) -> None:
    print(note, file=sys.stderr, flush=True)


_PLACES: dict[str, Callable[[int, int, int], dict[str, float]]] = {
    "here": on_this_machine, "local": partial(on_cluster, LOCAL), "nodes": on_nodes,
}  # fmt: skip


def measure(*what: Any) -> dict[str, float]:
    """The same in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.cluster", "--child", *map(str, what)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def child(kind: str, *numbers: str) -> dict[str, float]:
    if kind == "idle":
        return idle(*map(int, numbers))
    cores, of = WAYS[kind]
    return _PLACES[of](cores, *map(int, numbers))


# What tables show: a heading, what it is of, by how much that is multiplied, and its digits.
_OF_WAYS = (
    ("trials / s", "rate", 1, 3),
    ("training, s", "training", 1, 3),
    ("overhead, ms / trial", "overhead", 1e3, 0),
    ("command's processor, ms / trial", "processor", 1e3, 0),
    ("start, s", "start", 1, 1),
)
_OF_IDLE = (
    ("trials / s", "rate", 1, 0),
    ("cohorts / s", "cohorts", 1, 1),
    ("command's processor, ms / trial", "processor", 1e3, 1),
    ("sent, kB / trial", "sent", 1e-3, 1),
)
_Column = tuple[str, str, float, int]
_Found = dict[str, list[dict[str, float]]]


def show(title: str, found: _Found, columns: Sequence[_Column]) -> None:
    """Medians, with the range of all repeats."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for heading, *_ in columns:
        table.add_column(heading, justify="right")
    for name, rows in found.items():
        cells = []
        for _, column, by, digits in columns:
            values = [row[column] * by for row in rows]
            cells.append(
                f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
            )
        table.add_row(name, *cells)
    Console(width=None if Console().is_terminal else 140).print(table)


def compare(names: Sequence[str], trials: int, epochs: int, repeats: int) -> _Found:
    """Measure these ways in turn, and show what came out."""
    for way in ("one core", "two cores"):
        measure(way, 2 * WAYS[way][0] + 1, 1)  # which keeps the compiled programs
    ways: _Found = {way: [] for way in names}
    for _ in range(repeats):
        for way, rows in ways.items():
            rows.append(measure(way, trials, epochs))
    show(f"{trials} trials of {epochs} epochs ({NETWORK}, {DATA}), {repeats} repeats", ways, _OF_WAYS)
    return ways


def fill(nodes: int, cores: Sequence[int], trials: int, repeats: int) -> _Found:
    """Measure what one command can take, with nodes of these numbers of cores in turn, and show what came out."""
    sizes: _Found = {f"{each} cores": [] for each in cores}
    for _ in range(repeats):
        for each, rows in zip(cores, sizes.values(), strict=True):
            rows.append(measure("idle", nodes, each, trials))
    show(f"{nodes} nodes that train nothing, {trials} trials, {repeats} repeats", sizes, _OF_IDLE)
    one = next(iter(sizes.values()))[0]
    print(f"pickled, a trial takes {one['to']:.0f} bytes to a node, and {one['from']:.0f} back")
    return sizes


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(*sys.argv[2:])))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--trials", type=int)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--idle", type=int, metavar="NODES")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--out", type=Path, default=Path("cluster.json"))
    options = parser.parse_args()
    if options.idle:
        result = fill(options.idle, options.cores, options.trials or 2000, options.repeats)
    else:
        result = compare(options.ways, options.trials or 16, options.epochs, options.repeats)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
