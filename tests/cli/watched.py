"""A results store that counts how often each trial is stored, and twofold as a process of its own."""

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from twofold.results import Store


def watched_store(path):
    """An empty store in the file `path` in which the database itself notes every row that is written."""
    Store(str(path))
    with sqlite3.connect(path) as database:
        database.execute("create table watched (key text)")
        database.execute("create trigger watch after insert on trials begin insert into watched values (new.key); end")


def trained(path):
    """The keys of the trials that were stored, each as often as it was."""
    with sqlite3.connect(path) as database:
        return [key for (key,) in database.execute("select key from watched")]


def start(*arguments):
    """Start `twofold` with the arguments as a process of its own, on one device."""
    source = Path(__file__).parents[2] / "src"
    program = "from twofold.cli import main; raise SystemExit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments, "--workers", "1"],
        env={**os.environ, "PYTHONPATH": str(source)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_when_some_are_trained(process, path):
    """Kill the process, as a power cut would, as soon as it has stored a trial but not all."""
    while not trained(path) and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    return trained(path)
