"""This engine beside PyTorch, in one run, on the same pairs and all cores.

    python benchmarks/throughput.py [--repeats 5] [--torch-epochs 3] [--out throughput.json]

For each network, in turn: (a) PyTorch as the paper's program is, on all threads; (b) PyTorch as an expert would
write it, one process per core; (c) this engine, one device per core. The order alternates and everything is measured
`--repeats` times. PyTorch trains `--torch-epochs` of a training's 100 epochs, which are all alike, and is scaled up
(its evaluation is left out, in its favour); the engine trains, evaluates and reports whole trainings. "Effective"
seconds are wall-clock time per training finished.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
import torch
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from processes import Experts
from pytorch_baselines import expert_worker, papers_program
from rich.console import Console
from rich.table import Table

from twofold.data import Images, draw_pairs, load_images
from twofold.networks import NETWORKS
from twofold.study import Trial
from twofold.study.machine import device_name
from twofold.training.cohort import Job, train_cohorts
from twofold.training.devices import use_devices
from twofold.training.run import TrialData, numbers_of, program_of, trial_key

PAIRS, BATCH, EPOCHS = 1000, 25, 100
STEPS = EPOCHS * PAIRS // BATCH
WAYS = {"a": "PyTorch, the paper's way", "b": "PyTorch, an expert's way", "c": "twofold"}


def flop_per_training() -> float:
    """Floating-point operations of a training if every product is computed (no Winograd)."""
    first, second = 12 * 12 * 32 * 9, 4 * 4 * 64 * 32 * 9
    branch = first + second + 256 * 128 + 128 * 10
    pair = 2 * branch + 20 * 128 + 128 * 2
    # Each product has two gradients, but nobody needs the one of the pixels.
    return 2.0 * (3 * pair - 2 * first) * BATCH * STEPS


def matmul_speed(devices: list[jax.Device]) -> float:
    """GFLOP/s of float32 products of 1024 x 1024 matrices, one on each device at the same time."""
    sharding = NamedSharding(Mesh(np.array(devices), ("core",)), PartitionSpec("core"))
    matrices = jax.device_put(np.ones((len(devices), 1024, 1024), np.float32), sharding)

    def ten(m: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, 10, lambda _, x: x @ m * 1e-3, m)

    product = jax.jit(jax.shard_map(ten, mesh=sharding.mesh, in_specs=sharding.spec, out_specs=sharding.spec))
    product(matrices).block_until_ready()
    best = min(seconds_of(lambda: product(matrices).block_until_ready()) for _ in range(5))
    return len(devices) * 10 * 2 * 1024**3 / best / 1e9


def seconds_of(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


class Engine:
    """This project's engine on all cores."""

    def __init__(self, digits: Images, devices: list[jax.Device]) -> None:
        self.digits, self.devices = digits, devices

    def data(self, round_: int) -> TrialData:
        draw = partial(draw_pairs, self.digits, seed=0, round=round_, pairs=PAIRS)
        return TrialData(draw(split="train"), draw(split="test"))

    def train(self, network: str, epochs: int, trials: int) -> float:
        """Effective seconds per training."""
        trial = Trial(network=network, round=0, fingerprint=self.digits.fingerprint)
        structure = trial.architecture.structure()
        program, numbers = program_of(structure, self.digits.task, trial), numbers_of(structure, trial)
        jobs = [Job(r, trial_key(0, r), numbers, epochs, partial(self.data, r)) for r in range(trials)]
        return seconds_of(lambda: list(train_cohorts(program, jobs, devices=self.devices))) / trials


def measure(repeats: int, torch_epochs: int, trials: int) -> dict[str, Any]:
    """All measurements: a list of seconds per training for each network and way."""
    begin = time.perf_counter()
    devices = use_devices()
    digits = load_images("mnist5k")
    engine, experts = Engine(digits, devices), Experts(expert_worker, len(devices))
    torch.set_num_threads(len(devices))
    pairs = engine.data(0).train
    start_up = time.perf_counter() - begin
    compiling = {name: seconds_of(partial(engine.train, name, 1, len(devices))) for name in NETWORKS}
    seconds: dict[str, dict[str, list[float]]] = {name: {way: [] for way in WAYS} for name in NETWORKS}
    speeds = []
    for repeat in range(-1, repeats):  # the first time round warms up and is not counted
        epochs = 1 if repeat < 0 else torch_epochs
        speeds += [matmul_speed(devices)] if repeat >= 0 else []
        for name, architecture in NETWORKS.items():
            weight = 1.0 if architecture.auxiliary_losses else 0.0
            ways: dict[str, Callable[[], float]] = {
                "a": lambda n=name, w=weight, e=epochs: EPOCHS / e * papers_program(n, pairs, w, e),
                "b": lambda n=name, w=weight, e=epochs: EPOCHS / e * experts.train(n, pairs, w, e),
                "c": lambda n=name: engine.train(n, EPOCHS, trials),
            }
            for way in list(ways) if repeat % 2 else list(ways)[::-1]:
                taken = ways[way]()
                if repeat >= 0:
                    seconds[name][way].append(taken)
    experts.stop()
    return {
        "hardware": {"cores": len(devices), "device": device_name(devices[0]), "system": platform.platform()},
        "versions": {name: version(name) for name in ("jax", "jaxlib", "torch", "numpy")},
        "python": platform.python_version(),
        "repeats": repeats,
        "torch_epochs": torch_epochs,
        "trials_per_measurement": trials,
        "matmul_gflops": speeds,
        "start_up_seconds": start_up,
        "first_cohort_seconds": compiling,
        "seconds_per_training": seconds,
    }


def summarise(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row per network and way: medians, spreads and ratios."""
    speed, flop = statistics.median(result["matmul_gflops"]), flop_per_training() / 1e9
    rows = []
    for network, ways in result["seconds_per_training"].items():
        ours = np.array(ways["c"])
        for way, values in ways.items():
            median = statistics.median(values)
            rows.append(
                {
                    "network": network,
                    "way": WAYS[way],
                    "seconds": median,
                    "fastest": min(values),
                    "slowest": max(values),
                    "steps_per_second": STEPS / median,
                    "gflops": flop / median,
                    "percent_of_matmul": 100 * flop / median / speed,
                    "ratio": float(np.median(np.array(values) / ours)),  # of measurements next to each other
                }
            )
    return rows


def print_rows(result: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    hardware, speeds = result["hardware"], result["matmul_gflops"]
    table = Table(title="One training: 100 epochs of 40 batches of 25 pairs", title_justify="left")
    table.add_column("network")
    table.add_column("program")
    for name in ("s / training", "range", "steps / s", "GFLOP/s", "% of matmul", "twofold is faster by"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["network"] if row["way"] == WAYS["a"] else "",
            row["way"],
            f"{row['seconds']:.2f}",
            f"{row['fastest']:.2f}–{row['slowest']:.2f}",
            f"{row['steps_per_second']:,.0f}",
            f"{row['gflops']:.0f}",
            f"{row['percent_of_matmul']:.0f}",
            "" if row["way"] == WAYS["c"] else f"{row['ratio']:.1f}",
            end_section=row["way"] == WAYS["c"],
        )
    console = Console(width=None if Console().is_terminal else 130)
    console.print(table)
    first = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in result["first_cohort_seconds"].items())
    console.print(
        f"{hardware['cores']} cores, {hardware['device']}; float32 matrix products: {statistics.median(speeds):.0f} "
        f"GFLOP/s ({min(speeds):.0f}–{max(speeds):.0f}); medians of {result['repeats']} measurements; start-up "
        f"{result['start_up_seconds']:.1f} s; first cohort of one epoch, with compilation or its cache: {first}",
        highlight=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--torch-epochs", type=int, default=3)
    parser.add_argument("--trials", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("--out", type=Path, default=Path("throughput.json"))
    arguments = parser.parse_args()
    result = measure(arguments.repeats, arguments.torch_epochs, arguments.trials)
    rows = summarise(result)
    print_rows(result, rows)
    arguments.out.write_text(json.dumps({**result, "table": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
