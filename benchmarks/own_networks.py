"""Networks of one's own beside PyTorch, in one run, on the same pairs: every network of the tests, and larger ones.

    python benchmarks/own_networks.py [--repeats 5] [--only NAME ...] [--out own_networks.json]

For each network, in turn: PyTorch eager on all threads, and this engine, one training on each core. A step is 25
pairs, forward and backward, and Adam; what it costs is the difference between many steps and few. The loss is the mean
of all outputs, whatever they are, so that networks without an answer are measured too. "Effective" milliseconds are
wall-clock time per step of one training.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.nn import functional as F

from twofold.data import PairSet, Task
from twofold.networks.protocol import EVALUATED_AT_ONCE, Outputs, Variables
from twofold.networks.pytorch.export import Exported, export
from twofold.networks.pytorch.graph import Graph
from twofold.networks.pytorch.interpret import run
from twofold.networks.pytorch.structure import first_that_draws
from twofold.networks.pytorch.weights import fresh
from twofold.settings import Settings
from twofold.training.cohort import Job, TrialData, train_cohorts
from twofold.training.devices import use_devices
from twofold.training.run import numbers_of, program_of, trial_key

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the networks of the tests
from tests.networks.pytorch.zoo import KINDS

BATCH, BATCHES = 25, 8


def convolution(inputs: int, outputs: int, size: int = 3, padding: int = 0) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, size, padding=padding), nn.ReLU()]


class PapersLayout(nn.Module):
    """The paper's NetWSAL, as its program has it."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *convolution(1, 32), nn.MaxPool2d(2), *convolution(32, 64), nn.MaxPool2d(2), nn.Flatten()
        )
        self.digits = nn.Sequential(nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))
        self.head = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 2))

    def forward(self, pairs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        left, right = (self.digits(self.branch(pairs[:, i : i + 1])) for i in (0, 1))
        return self.head(F.relu(torch.cat([left, right], 1))), left, right


class Residual(nn.Module):
    """24 channels with batch normalisation and two skips, on whole images."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(24, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(),
                nn.Conv2d(24, 24, 3, padding=1), nn.BatchNorm2d(24),
            )
            for _ in range(2)
        )  # fmt: skip
        self.head = nn.Linear(48, 2)

    def branch(self, image: torch.Tensor) -> torch.Tensor:
        x = self.first(image)
        for block in self.blocks:
            x = F.relu(x + block(x))
        return F.adaptive_avg_pool2d(x, 1).flatten(1)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([self.branch(left), self.branch(right)], 1))


class Deep(nn.Module):
    """Three convolutions with batch normalisation and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.1),
            nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.1),
            nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.Flatten(),
            nn.Dropout(0.5), nn.Linear(576, 64), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(128, 2)

    def forward(self, pairs: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([self.branch(pairs[:, :1]), self.branch(pairs[:, 1:])], 1))


LARGER = {"the paper's layout": PapersLayout, "residual, 24 channels": Residual, "deep, batch normalisation": Deep}


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


def pairs_of(image: tuple[int, ...], seed: int) -> PairSet:
    rng = np.random.default_rng(seed)
    n = BATCH * BATCHES
    images = rng.uniform(size=(n, 2, *image)).astype(np.float32)
    return PairSet(images, rng.integers(0, 2, n).astype(np.int32), rng.integers(0, 10, (n, 2)).astype(np.int32))


class Engine:
    """This project's engine, one training on each device."""

    def __init__(self, structure: Measured, image: tuple[int, ...], devices: list[jax.Device]) -> None:
        channels, height, width = image if len(image) == 3 else (1, *image)
        self.devices, self.structure = devices, structure
        settings = Settings(batch_size=BATCH, optimizer="adam")
        self.program = program_of(structure, Task(height, width, channels=channels, classes=10), settings)
        self.numbers = numbers_of(structure, settings)
        self.pairs = pairs_of(image, 0)

    def seconds(self, epochs: int) -> float:
        jobs = [
            Job(r, trial_key(0, r), self.numbers, epochs, self.load, partial(self.structure.initial, 0, r))
            for r in range(len(self.devices))
        ]
        begin = time.perf_counter()
        list(train_cohorts(self.program, jobs, devices=self.devices))
        return (time.perf_counter() - begin) / len(jobs)

    def load(self) -> TrialData:
        return TrialData(self.pairs, self.pairs)


class Eager:
    """PyTorch as it comes, with all its threads."""

    def __init__(self, structure: Measured, image: tuple[int, ...]) -> None:
        torch.manual_seed(0)
        self.module = structure.make().train()
        self.convention = structure.exported.convention.name
        self.image = image if len(image) == 3 else (1, *image)
        pairs = pairs_of(image, 0)
        self.images, self.targets = torch.from_numpy(pairs.images), torch.from_numpy(pairs.targets.astype(np.int64))
        self.module(*self.called_with(slice(0, BATCH)))  # lazy parameters are made
        self.optimizer = torch.optim.Adam([p for p in self.module.parameters() if p.requires_grad], lr=0.001)

    def called_with(self, rows: slice) -> tuple[torch.Tensor, ...]:
        images = self.images[rows]
        n, channels = len(images), self.image
        if self.convention == "two images":
            return images[:, 0].reshape(n, *channels), images[:, 1].reshape(n, *channels)
        shapes = {"pairs with channels": (n, 2, *channels), "rows": (2 * n, *channels)}
        return (images.reshape(shapes.get(self.convention, images.shape)),)

    def seconds(self, epochs: int) -> float:
        begin = time.perf_counter()
        for _ in range(epochs):
            for first in range(0, BATCH * BATCHES, BATCH):
                rows = slice(first, first + BATCH)
                outputs = torch.utils._pytree.tree_leaves(self.module(*self.called_with(rows)))
                total = sum(each.float().mean() for each in outputs if isinstance(each, torch.Tensor))
                logits = total * torch.ones(BATCH, 2) * torch.arange(2.0)
                loss = F.cross_entropy(logits, self.targets[rows])
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
        return time.perf_counter() - begin


def step_of(seconds: Callable[[int], float], least: float = 0.4) -> float:
    """Milliseconds a step: of as many epochs as take `least` seconds, less what one takes."""
    more = 5
    while True:
        one, many = seconds(1), seconds(1 + more)
        if many - one > least or more >= 20_000:
            return 1000 * (many - one) / (more * BATCHES)
        more *= 4


def measure(makes: dict[str, Callable[[], nn.Module]], repeats: int) -> dict[str, dict[str, Any]]:
    devices = use_devices()
    torch.set_num_threads(len(devices))
    measured = {}
    for name, make in makes.items():
        image = (14, 14) if name in LARGER else ((3, 12, 10) if name == "colour" else (12, 10))
        structure = structure_of(make, image)
        engine, eager = Engine(structure, image, devices), Eager(structure, image)
        begin = time.perf_counter()
        engine.seconds(1)
        first = time.perf_counter() - begin
        eager.seconds(3)
        ours, theirs = [], []
        for _ in range(repeats):
            ours.append(step_of(engine.seconds))
            theirs.append(step_of(eager.seconds))
        measured[name] = {"twofold": ours, "eager": theirs, "first": first}
        ratio = statistics.median(np.array(ours) / np.array(theirs))
        print(f"{name}: {statistics.median(ours):.3f} {statistics.median(theirs):.3f} {ratio:.2f}", flush=True)
    return measured


def print_table(measured: dict[str, dict[str, Any]], networks: Sequence[str]) -> None:
    table = Table(title="Milliseconds a step of 25 pairs, effective", title_justify="left")
    for name in ("network", "twofold", "range", "PyTorch eager", "range", "twofold / PyTorch", "first cohort, s"):
        table.add_column(name, justify="left" if name == "network" else "right")
    for name in networks:
        ours, theirs = (measured[name][way] for way in ("twofold", "eager"))
        ratio = statistics.median(np.array(ours) / np.array(theirs))
        spans = [f"{min(each):.3f} to {max(each):.3f}" for each in (ours, theirs)]
        medians = [f"{statistics.median(each):.3f}" for each in (ours, theirs)]
        row = [medians[0], spans[0], medians[1], spans[1], f"{ratio:.2f}", f"{measured[name]['first']:.1f}"]
        table.add_row(name, *row)
    Console(width=None if Console().is_terminal else 130).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--out", type=Path, default=Path("own_networks.json"))
    arguments = parser.parse_args()
    makes = {**LARGER, **KINDS}
    wanted = arguments.only or list(makes)
    measured = measure({name: makes[name] for name in wanted}, arguments.repeats)
    print_table(measured, wanted)
    versions = {name: version(name) for name in ("jax", "torch", "numpy")}
    machine = {"system": platform.platform(), "python": platform.python_version(), "versions": versions}
    arguments.out.write_text(json.dumps({**machine, "milliseconds": measured}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
