"""What one training step takes, by part.

    taskset -c 0 python benchmarks/step.py [--network NetWSAL] [--repeats 3] [--out step.json]

XLA's profiler times each operation of 160 steps on one device. Of each operation the 20th percentile counts, since
other work on the machine only ever adds, and of the repeats the median.
"""

import argparse
import gzip
import json
import re
import statistics
import tempfile
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from twofold.data import draw_pairs, load_images
from twofold.networks import NETWORKS
from twofold.study import Trial
from twofold.training.devices import use_devices
from twofold.training.run import Arguments, numbers_of, program_of, start, train_epochs, trial_key

EPOCHS, BATCHES, BATCH = 4, 40, 25
STEPS = EPOCHS * BATCHES

# The first pattern found in an operation's line of the compiled program names its part. (ynn is XLA's library of
# products, which also does some sums.)
PARTS = {
    "convolutions and pooling, forward": "twofold_forward",
    "convolutions and pooling, gradients": "twofold_backward",
    "products of the dense layers": (
        r"twofold_weight_gradient|dot_general|transpose\(jvp\(\)\)/transpose|^ynn(?!.*reduce_sum)"
    ),
    "bias, activations, loss, and their gradients": r"jvp",
    "optimizer, next batch": "",
}


def compile_training(network: str) -> tuple[Any, tuple]:
    """The compiled function that trains for some epochs, and its arguments."""
    digits = load_images("mnist5k")
    trial = Trial(network=network, round=0, fingerprint=digits.fingerprint)
    structure = trial.architecture.structure()
    program = program_of(structure, digits.task, trial)
    numbers = {name: np.float32(value) for name, value in numbers_of(structure, trial).items()}
    settings = Arguments(trial_key(0, 0), numbers, np.int32(100))
    train, test = (draw_pairs(digits, seed=0, round=0, split=s, pairs=BATCHES * BATCH) for s in ("train", "test"))
    state, batches = jax.jit(partial(start, program))(settings, train)
    arguments = (state, settings, train, batches, test, np.int32(EPOCHS))
    return jax.jit(partial(train_epochs, program)).lower(*arguments).compile(), arguments


def operation_times(compiled: Any, arguments: tuple) -> dict[str, float]:
    """Microseconds a step of each operation."""
    jax.block_until_ready(compiled(*arguments))
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            jax.block_until_ready(compiled(*arguments))
        (path,) = Path(folder).rglob("*.trace.json.gz")
        events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    taken = defaultdict(list)
    for event in events:
        if event.get("ph") == "X":
            taken[event["name"]].append(event["dur"])
    return {name: float(np.percentile(t, 20)) * len(t) / STEPS for name, t in taken.items() if len(t) >= 0.9 * STEPS}


def by_part(compiled: Any, times: dict[str, float]) -> dict[str, float]:
    """Microseconds a step of each part; operations that contain others are left out."""
    lines = dict(re.findall(r"^ *(?:ROOT )?%([\w.\-]+) = (.*)$", compiled.as_text(), re.MULTILINE))
    parts = dict.fromkeys(PARTS, 0.0)
    for name, taken in times.items():
        line = f"{name} = {lines.get(name)}"
        if name in lines and not re.search(r" (while|conditional|call)\(", line):
            parts[next(part for part, pattern in PARTS.items() if re.search(pattern, line))] += taken
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="NetWSAL", choices=list(NETWORKS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("step.json"))
    arguments = parser.parse_args()
    use_devices(1)
    compiled, inputs = compile_training(arguments.network)
    runs = [by_part(compiled, operation_times(compiled, inputs)) for _ in range(arguments.repeats)]
    medians = {part: statistics.median(run[part] for run in runs) for part in PARTS}
    total = sum(medians.values())
    table = Table(title=f"A step of {arguments.network}, {BATCH} pairs, Adam, one core", title_justify="left")
    table.add_column("part")
    table.add_column("us", justify="right")
    table.add_column("share", justify="right")
    for part, taken in {**medians, "all": total}.items():
        table.add_row(part, f"{taken:.0f}", f"{100 * taken / total:.0f} %")
    Console(width=None if Console().is_terminal else 100).print(table)
    arguments.out.write_text(json.dumps({"network": arguments.network, "us": medians}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
