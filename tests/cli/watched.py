"""A program that notes what it trains, and what of it is stored."""

import sqlite3
import sys
from contextlib import closing

from tests.campaigns.soak import worker
from tests.processes import wait_until

LOG = "trained.log"


def watched(ahead=0.0):
    """The program, which writes every training to the log in its folder; its clock is seconds `ahead`."""
    return [sys.executable, worker.__file__, LOG, str(ahead)]


WATCHED = watched()


def trained(folder):
    """The keys of the trials that were trained in a folder, each as often as it was."""
    return [key for key, _ in trainings(folder)]


def trainings(folder):
    """The trainings in a folder as they ended: the trial's key, and the number of the process."""
    log = folder / LOG
    lines = log.read_text().splitlines() if log.exists() else []
    return [(key, int(process)) for key, process in map(str.split, lines)]


def stored(folder):
    """The keys of the trials in the store of a folder, which may still be made."""
    path = folder / "twofold.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=60)) as database:
        there = database.execute("select 1 from sqlite_master where name = 'trials'").fetchall()
        return [key for (key,) in database.execute("select key from trials")] if there else []


def kill_when_some_are_stored(process, folder):
    """Kill the process, as a power cut would, as soon as it has stored a trial but not all; what is stored."""
    wait_until(process, lambda: stored(folder))
    process.kill()
    process.communicate()
    return stored(folder)
