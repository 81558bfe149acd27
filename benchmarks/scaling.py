"""What a study costs as it grows, and how long it takes to begin.

    python benchmarks/scaling.py [--trials 8 80 600] [--epochs 2] [--repeats 3] [--out scaling.json]

Each measurement is a process of its own that conducts a study of the four networks. Seconds per trial and peak memory
are those of studies of different size with short trainings; the seconds are those from the end of the first cohort of
each of the two programs to the end of its last. The start-up is the time from the start of the process to the end of
the first chunk of epochs, with an empty and with a full cache of compiled programs.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from twofold.networks import NETWORKS


def conduct_one(trials: int, epochs: int, data: str, began: float) -> dict[str, float]:
    """Conduct a study in this process; `began` is the time of day at which the process was started."""
    from twofold import Study
    from twofold.data import load_images
    from twofold.results import Store
    from twofold.study.conduct import conduct
    from twofold.study.listener import Silence
    from twofold.training.devices import use_devices

    class Clock(Silence):
        first: float | None = None

        def __init__(self) -> None:
            self.done_at: dict[bool, list[float]] = {}  # by program

        def advance(self, epochs: int) -> None:
            self.first = self.first or time.time()

        def done(self, row: dict[str, Any]) -> None:
            self.done_at.setdefault(row["weight_sharing"], []).append(time.time())

    devices = use_devices()
    study = Study(rounds=trials // len(NETWORKS), epochs=epochs, data=data)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        conduct(study.trials(), load_images(data), Store(f"{folder}/store.db"), devices=lambda: devices, listener=clock)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    spans = [times[-1] - times[len(devices) - 1] for times in clock.done_at.values()]
    trained = trials - len(devices) * len(spans)
    each = sum(spans) / trained if trained else float("nan")
    return {"first_step": clock.first - began, "all": time.time() - began, "each": each, "memory": memory}


def measure(trials: int, epochs: int, data: str, cache: str) -> dict[str, float]:
    """The same in a fresh process, whose compiled programs are kept in the folder `cache`."""
    command = [sys.executable, __file__, "--child", str(trials), str(epochs), data, repr(time.time())]
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": cache,
        "JAX_COMPILATION_CACHE_DIR": cache,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",  # as the project has it in its own folder
    }
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def measure_all(sizes: list[int], epochs: int, repeats: int, data: str) -> dict[str, Any]:
    """All measurements; those of different sizes alternate."""
    result: dict[str, Any] = {"epochs": epochs, "data": data, "cold": [], "warm": [], "trials": {n: [] for n in sizes}}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            result["cold"].append(measure(4, 1, data, cache))
            result["warm"].append(measure(4, 1, data, cache))
            for trials in sizes:
                result["trials"][trials].append(measure(trials, epochs, data, cache))
    return result


def print_tables(result: dict[str, Any]) -> None:
    def median(rows: list[dict[str, float]], name: str) -> float:
        return statistics.median(row[name] for row in rows)

    console = Console(width=None if Console().is_terminal else 100)
    table = Table(title=f"Trainings of {result['epochs']} epochs, {result['data']}", title_justify="left")
    for name in ("trials", "s / trial", "peak memory, MiB"):
        table.add_column(name, justify="right")
    for trials, rows in result["trials"].items():
        table.add_row(str(trials), f"{median(rows, 'each'):.3f}", f"{median(rows, 'memory') / 2**20:.0f}")
    console.print(table)
    for state, words in (("cold", "an empty"), ("warm", "a full")):
        first, whole = [row["first_step"] for row in result[state]], median(result[state], "all")
        console.print(
            f"start to first step with {words} cache of compiled programs: {statistics.median(first):.1f} s "
            f"({min(first):.1f}–{max(first):.1f}); whole study of 4 trials of 1 epoch: {whole:.1f} s",
            highlight=False,
        )


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        trials, epochs, data, began = sys.argv[2:]
        print(json.dumps(conduct_one(int(trials), int(epochs), data, float(began))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[8, 80, 600])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--data", default="mnist5k")
    parser.add_argument("--out", type=Path, default=Path("scaling.json"))
    arguments = parser.parse_args()
    result = measure_all(arguments.trials, arguments.epochs, arguments.repeats, arguments.data)
    print_tables(result)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
