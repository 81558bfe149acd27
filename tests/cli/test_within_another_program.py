"""A command run by another program, such as a notebook: what a process has once is as it was before."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from tests.cli.program import small_study

# Notes what differs after each command, of all that a process has once and libraries change. Each is run twice, and all
# in one process.
ASK = """
import csv, json, logging, os, signal, sys, tempfile, warnings
import matplotlib, numpy, optuna, pandas
from twofold.cli import main

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

def state():
    mask = os.umask(0)
    os.umask(mask)
    return {
        "variables": dict(os.environ),
        "files": [(number, os.fstat(number).st_ino, os.get_blocking(number)) for number in range(3)],
        "open": sorted(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else [],
        "streams": [id(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "signals": [repr(signal.getsignal(number)) for number in ENDING],
        "folder": os.getcwd(),
        "arguments": sys.argv,
        "mask": mask,
        "cells": csv.field_size_limit(),
        "digits": sys.get_int_max_str_digits(),
        "recursion": sys.getrecursionlimit(),
        "warnings": [repr(each) for each in warnings.filters],
        "numpy": numpy.geterr(),
        "pandas": pandas.get_option("display.max_rows"),
        "matplotlib": repr(matplotlib.rcParams),
        "optuna": optuna.logging.get_verbosity(),
        "log": [logging.getLogger().level, len(logging.getLogger().handlers), logging.root.manager.disable],
    }

csv.field_size_limit(1000)
found = {}
for command in json.loads(sys.argv[1]):
    for number in range(2):  # what libraries do when they are imported is not ours
        os.environ.update(json.loads(os.environ["SET"]))
        before = state()
        code = main(command.split())
        changed = {name: [old, state()[name]] for name, old in before.items() if state()[name] != old}
    found[command] = [code, changed]
with open("changed.json", "w") as file:
    json.dump(found, file)
"""

# Variables that the program sets aside where the process is its own.
VARIABLES = {
    "JAX_DEBUG_NANS": "1",
    "JAX_ENABLE_X64": "1",
    "MPLBACKEND": "svg",
    "COLUMNS": "0",
    "LINES": "many",
}
COMMANDS = [
    " ".join(small_study()),
    " ".join(small_study(3)),
    "results",
    "analyse --figures found",
    "analyse --csv trials.csv",
    "report",
    "networks NetWSAL",
    "doctor",
    "tune --rounds 1 --budget 2 --epochs 1 --pairs 100 --networks NetWS --learning-rate 0.001",
    "results --nonsense",
]


def changed(folder, commands, **options):
    """The exit code, and what is not as before, of each command."""
    options = {"capture_output": True, **options}
    environment = {**os.environ, "SET": json.dumps(VARIABLES)}
    done = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(commands)], cwd=folder, env=environment, timeout=300, **options
    )
    assert done.returncode in (0, 120), done.stderr  # 120: Python could not write its output
    return json.loads((folder / "changed.json").read_text())


@pytest.fixture
def folder(finished, tmp_path):
    """A folder with a store, and its trials in a file with a cell that is long."""
    shutil.copy(finished.folder / "twofold.db", tmp_path)
    rows = json.loads(finished.out)
    for row in rows:
        row["dead_first"], row["dead_second"] = row.pop("dead_units")
    lines = [[*rows[0], "note"], *([*map(str, row.values()), "n" * 2000] for row in rows)]
    (tmp_path / "trials.csv").write_text("\n".join(",".join(line) for line in lines).replace("None", ""))
    return tmp_path


def test_what_a_process_has_once_is_as_it_was(folder):
    expected = {command: [2 if "nonsense" in command else 0, {}] for command in COMMANDS}
    assert changed(folder, COMMANDS) == expected


def test_output_that_is_lost_changes_nothing_else(folder):
    reading, writing = os.pipe()
    os.close(reading)
    os.set_blocking(writing, False)
    with os.fdopen(writing, "wb"):
        options = {"capture_output": False, "stdout": writing, "stderr": subprocess.PIPE}
        assert changed(folder, ["results"], **options) == {"results": [0, {}]}
