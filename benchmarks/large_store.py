"""What commands take that read a store of a million trials: seconds, and the most memory.

    python -m benchmarks.large_store [--trials 1000000] [--settings 1000] [--repeats 3] [--folder FOLDER]

The store has so many settings in all of the four networks, in rounds of 100 epochs, and 20 plans; a million trials take
4.6 GB. With --folder it is made there, unless it is there, and stays; else it is deleted.
"""

import argparse
import math
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from twofold.networks import NETWORKS
from twofold.results import Plan, Store
from twofold.results.schema import trials

_PLANS = 20

# One setting of the four networks, and what is asked of it.
_ONE = ("--learning-rate", "0.001")
_COMMANDS = (
    ("results",),
    ("results", *_ONE),
    ("results", "--plans"),
    ("analyse", *_ONE),
    ("analyse", *_ONE, "--rounds", "20"),
    ("power", *_ONE, "--rounds", "20"),
    ("results", "--csv"),
    ("results", "--json"),
)


def _first_wrong(count: int) -> bytes:
    """What is kept of the answers to 1000 test pairs, of which the first are wrong."""
    return np.packbits(np.arange(1000) < count).tobytes()


def fill(path: Path, count: int, settings: int) -> None:
    """Make a store of so many trials like one that was trained. SQLite writes them by itself, for a quick start."""
    from twofold import Study

    study = Study(networks=["NetWS"], rounds=1, epochs=1)
    study.run(store=path)
    store = Store(path)
    (recorded,) = store.plans()
    numbers = f"WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count - 1})"
    each = settings // len(NETWORKS)
    network = " ".join(f"WHEN {place} THEN '{name}'" for place, name in enumerate(NETWORKS))
    losses = ", ".join(repr(math.exp(-epoch / 9)) for epoch in range(100))
    made = {
        "key": "lower(hex(randomblob(32)))",
        "network": f"CASE n % 4 {network} END",
        "auxiliary_losses": "n % 4 >= 2",
        "aux_weight": "n % 4 >= 2",
        "weight_sharing": "n % 2",
        "epochs": "100",
        "learning_rate": f"0.001 * (1 + n / 4 % {each})",
        "round": f"n / 4 / {each}",
        "weight_round": f"n / 4 / {each}",
        "test_error": "(n * 7919 % 200) / 1000.0",
        "wrong_answers": "wrong(n * 7919 % 200)",
        "train_loss": f"'[{losses}]'",
        "finished_at": "strftime('%Y-%m-%dT%H:%M:%f+00:00', 1.7e9 + n / 20.0, 'unixepoch')",
    }
    columns = [column.name for column in trials.c]
    names, values = ", ".join(columns), ", ".join(made.get(name, f"one.{name}") for name in columns)
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.connection.driver_connection.create_function("wrong", 1, _first_wrong, deterministic=True)
        connection.exec_driver_sql("CREATE TEMP TABLE one AS SELECT * FROM trials")
        connection.exec_driver_sql("DELETE FROM trials")
        connection.exec_driver_sql(f"INSERT INTO trials ({names}) {numbers} SELECT {values} FROM numbers, temp.one")
    for number in range(_PLANS):
        store.record(Plan(f"{number:064x}", "study", count // _PLANS, recorded.plan.content), [])
    with engine.begin() as connection:
        number = f"{recorded.number + 1} + rowid * {_PLANS} / {count + 1}"
        connection.exec_driver_sql(f"INSERT INTO plan_trials (plan, key) SELECT {number}, key FROM trials")
    engine.dispose()
    store.rest()


def measure(command: tuple[str, ...], store: Path) -> tuple[float, float, int]:
    """Seconds, the most memory in MB, and the bytes that are written, of a command in a process of its own."""
    began = time.perf_counter()
    code = "import sys; from twofold.cli import main; sys.exit(main())"
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen([sys.executable, "-c", code, *command, "--store", str(store)], stdout=out)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        if status:
            raise SystemExit(f"twofold {' '.join(command)} failed")
        return seconds, used.ru_maxrss / 1024, out.tell()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1_000_000)
    parser.add_argument("--settings", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    made = options.trials, options.settings
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        path = (options.folder or Path(temporary)) / f"{options.trials}-{options.settings}.db"
        if not path.exists():  # in another process, or what this one took would count as what commands take
            filling = multiprocessing.get_context("spawn").Process(target=fill, args=(path, *made))
            filling.start()
            filling.join()
            if filling.exitcode:
                raise SystemExit("the store could not be made")
        title = f"{options.trials:,} trials of {options.settings:,} settings, {path.stat().st_size / 1e9:.2f} GB"
        table = Table("command", "seconds (median, least to most)", "memory MB", "output MB", title=title)
        for command in _COMMANDS:
            repeats = 1 if command[-1] in ("--csv", "--json") else options.repeats
            seconds, memory, size = zip(*(measure(command, path) for _ in range(repeats)), strict=True)
            spread = f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
            table.add_row(f"twofold {' '.join(command)}", spread, f"{max(memory):.0f}", f"{max(size) / 1e6:.1f}")
        Console(width=120).print(table)


if __name__ == "__main__":
    main()
