"""Networks of one's own beside PyTorch, in one run, on the same pairs and all cores.

    python benchmarks/own_networks.py [--repeats 5] [--only NAME ...] [--of-tests] [--out own_networks.json]

For each kind of network, in turn: PyTorch eager on all threads; PyTorch as an expert would write it, one process per
core; this engine, one training on each core. A step is 25 pairs, forward and backward, and Adam; what it costs is the
difference between many steps and few. "Effective" milliseconds are wall-clock time per step of one training. The limit
is what the step's products would take at the speed of large products here; where there is Winograd's algorithm, fewer
are computed. The loss is the mean of all outputs, whatever they are. `--of-tests` measures every network of the tests
as well, which have no expert's program.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from own_kinds import IMAGE, OWN_KINDS, users
from own_pytorch import BATCH, BATCHES, expert_worker, images_of, megaflops, seconds_of_epochs
from processes import Experts
from rich.console import Console
from rich.table import Table
from throughput import matmul_speed
from torch import nn

from twofold.data import PairSet, Task
from twofold.networks import NETWORKS
from twofold.networks.graphs.exported import Exported
from twofold.networks.graphs.graph import Graph
from twofold.networks.graphs.interpret import run
from twofold.networks.graphs.structure import first_that_draws
from twofold.networks.protocol import EVALUATED_AT_ONCE, Outputs, Variables
from twofold.networks.pytorch.export import export
from twofold.networks.pytorch.weights import fresh
from twofold.settings import Settings
from twofold.study.machine import device_name
from twofold.training.cohort import Job, train_cohorts
from twofold.training.devices import use_devices
from twofold.training.run import TrialData, numbers_of, program_of, trial_key

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the networks of the tests
from tests.networks.pytorch.zoo import KINDS

# The network of the paper that has its layout, by its own structure.
BUILT_IN = "built-in NetWSAL"


@dataclass(frozen=True)
class Measured:
    """A structure whose logits are the mean of all outputs."""

    training: Graph
    evaluation: Graph
    exported: Exported
    make: Callable[[], nn.Module]

    def __hash__(self) -> int:
        return id(self.exported)

    @property
    def draws(self) -> bool:
        return first_that_draws(self.training) is not None

    def initial(self, seed: int, round: int) -> Variables:
        parameters, buffers = fresh(self.make, self.exported, seed=seed, round=round)
        return Variables(*([a.astype(_shorter(a.dtype)) for a in each] for each in (parameters, buffers)))

    def arrange(self, images: Any) -> Any:
        return images

    def numbers(self, settings: Settings) -> dict[str, float]:
        return {}

    def apply(
        self, variables: Variables, images: Any, numbers: Any, *, training: bool = False, key: Any = None
    ) -> tuple[Outputs, Any]:
        graph = self.training if training else self.evaluation
        outputs, buffers = run(graph, variables.parameters, variables.buffers, images, key)
        total = sum(each.astype(jnp.float32).mean() for each in jax.tree.leaves(outputs))
        return Outputs(total * jnp.ones((len(images), 2)) * jnp.arange(2.0), None, {}), buffers


def _shorter(dtype: np.dtype) -> Any:
    return {"int64": np.int32, "float64": np.float32}.get(dtype.name, dtype)


def structure_of(make: Callable[[], nn.Module], image: tuple[int, ...]) -> Measured:
    torch.manual_seed(0)
    exported = export(make(), image, training=[BATCH], evaluation=[EVALUATED_AT_ONCE])
    graphs = {mode: graph for mode, _, graph in exported.graphs}
    training, evaluation = graphs.values()
    return Measured(training, evaluation, exported, make)


def pairs_of(image: tuple[int, ...]) -> PairSet:
    images, targets = images_of(image)
    classes = np.random.default_rng(1).integers(0, 10, (len(images), 2)).astype(np.int32)
    return PairSet(images, targets, classes)


class Engine:
    """This project's engine, one training on each device."""

    def __init__(self, structure: Any, image: tuple[int, ...], devices: list[jax.Device]) -> None:
        channels, height, width = image if len(image) == 3 else (1, *image)
        self.devices, self.structure = devices, structure
        settings = Settings(batch_size=BATCH, optimizer="adam")
        self.program = program_of(structure, Task(height, width, channels=channels, classes=10), settings)
        self.numbers = numbers_of(structure, settings)
        self.pairs = pairs_of(image)

    def seconds(self, epochs: int) -> float:
        """Effective seconds of so many epochs."""
        jobs = [self.job(number, epochs) for number in range(len(self.devices))]
        begin = time.perf_counter()
        list(train_cohorts(self.program, jobs, devices=self.devices))
        return (time.perf_counter() - begin) / len(jobs)

    def job(self, number: int, epochs: int) -> Job:
        job = Job(number, trial_key(0, number), self.numbers, epochs, self.load)
        own = isinstance(self.structure, Measured)  # else the program makes the weights
        return replace(job, initial=partial(self.structure.initial, 0, number)) if own else job

    def load(self) -> TrialData:
        return TrialData(self.pairs, self.pairs)


class Eager:
    """PyTorch as it comes, with all its threads."""

    def __init__(self, structure: Measured, image: tuple[int, ...]) -> None:
        torch.manual_seed(0)
        self.module = structure.make().train()
        images, targets = map(torch.from_numpy, images_of(image))
        rows = [slice(first, first + BATCH) for first in range(0, len(images), BATCH)]
        self.batches = [(self.called_with(structure, images[each], image), targets[each].long()) for each in rows]
        self.module(*self.batches[0][0])  # lazy parameters are made
        self.optimizer = torch.optim.Adam([p for p in self.module.parameters() if p.requires_grad], lr=0.001)

    def called_with(
        self, structure: Measured, images: torch.Tensor, image: tuple[int, ...]
    ) -> tuple[torch.Tensor, ...]:
        convention, n, image = (
            structure.exported.convention.name,
            len(images),
            image if len(image) == 3 else (1, *image),
        )
        if convention == "two images":
            return images[:, 0].reshape(n, *image), images[:, 1].reshape(n, *image)
        shapes = {"pairs with channels": (n, 2, *image), "rows": (2 * n, *image)}
        return (images.reshape(shapes.get(convention, images.shape)),)

    def seconds(self, epochs: int) -> float:
        return seconds_of_epochs(self.module, self.optimizer, self.batches, epochs)


def step_of(seconds: Callable[[int], float], least: float = 0.4) -> float:
    """Milliseconds a step: of as many epochs as take `least` seconds, less what one takes."""
    more = 5
    while True:
        one, many = seconds(1), seconds(1 + more)
        if many - one > least or more >= 20_000:
            return 1000 * (many - one) / (more * BATCHES)
        more *= 4


def measure(names: Sequence[str], repeats: int) -> dict[str, dict[str, Any]]:
    """Of each network, the milliseconds a step of each way, repeat by repeat, and what its first cohort takes."""
    devices = use_devices()
    torch.set_num_threads(len(devices))
    pool = Experts(expert_worker, len(devices))
    measured: dict[str, dict[str, Any]] = {}
    for name in names:
        ways = _ways(name, devices, pool)
        begin = time.perf_counter()
        ways["twofold"](1)
        first = time.perf_counter() - begin
        found: dict[str, Any] = {way: [] for way in ways}
        for repeat in range(repeats):
            for way in list(ways) if repeat % 2 else list(ways)[::-1]:
                found[way].append(step_of(ways[way]))
        measured[name] = {**found, "first": first, "speed": matmul_speed(devices)}
        if name in OWN_KINDS:
            measured[name]["mflop"] = megaflops(users(name))
        print(name, *(f"{way} {statistics.median(each):.3f}" for way, each in found.items()), flush=True)
    pool.stop()
    return measured


def _ways(name: str, devices: list[jax.Device], pool: Experts) -> dict[str, Callable[[int], float]]:
    if name == BUILT_IN:
        return {"twofold": Engine(NETWORKS["NetWSAL"].structure(), IMAGE, devices).seconds}
    image = IMAGE if name in OWN_KINDS else ((3, 12, 10) if name == "colour" else (12, 10))
    structure = structure_of(partial(users, name) if name in OWN_KINDS else KINDS[name], image)
    ways = {"twofold": Engine(structure, image, devices).seconds, "eager": Eager(structure, image).seconds}
    return {**ways, "expert": partial(pool.train, name)} if name in OWN_KINDS else ways


def row_of(each: dict[str, Any]) -> list[str]:
    """A line of the table: medians, and the medians of ratios of what was measured side by side."""
    ours = np.array(each["twofold"])
    cells = [
        f"{each['mflop']:.1f}" if "mflop" in each else "",
        f"{np.median(ours):.3f}",
        f"{min(ours):.3f}–{max(ours):.3f}",
    ]
    cells += [f"{np.median(each[way]):.3f}" if way in each else "" for way in ("eager", "expert")]
    limit = each["mflop"] / each["speed"] if "mflop" in each else None  # of all cores, so effective
    cells.append("" if limit is None else f"{limit:.3f}")
    cells += [f"{np.median(np.array(each[way]) / ours):.1f}" if way in each else "" for way in ("eager", "expert")]
    return [*cells, "" if limit is None else f"{np.median(ours) / limit:.1f}"]


def print_table(measured: dict[str, dict[str, Any]]) -> None:
    table = Table(title="Milliseconds a step of 25 pairs, effective", title_justify="left")
    columns = ("MFLOP", "twofold", "range", "eager", "expert", "limit", "eager / twofold", "expert / twofold")
    for name in ("network", *columns, "twofold / limit"):
        table.add_column(name, justify="left" if name == "network" else "right")
    for name, each in measured.items():
        table.add_row(name, *row_of(each))
    Console(width=None if Console().is_terminal else 150).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--of-tests", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("own_networks.json"))
    arguments = parser.parse_args()
    names = arguments.only or [*OWN_KINDS, BUILT_IN, *(KINDS if arguments.of_tests else ())]
    measured = measure(names, arguments.repeats)
    print_table(measured)
    versions = {name: version(name) for name in ("jax", "torch", "numpy")}
    machine = {"system": platform.platform(), "device": device_name(jax.devices()[0]), "cores": len(jax.devices())}
    machine |= {"python": platform.python_version(), "versions": versions}
    arguments.out.write_text(json.dumps({**machine, "milliseconds": measured}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
