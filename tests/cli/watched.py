"""A program that notes what it trains, and what of it is stored."""

import sqlite3
import sys
from contextlib import closing

from tests.campaigns.soak import worker
from tests.processes import wait_until

LOG = "trained.log"


def watched(ahead=0.0):
    """The program, which writes the key of every trial to the log in its folder; its clock is seconds `ahead`."""
    return [sys.executable, worker.__file__, LOG, str(ahead)]


WATCHED = watched()


def trained(folder):
    """The keys of the trials that were trained in a folder, each as often as it was."""
    return (folder / LOG).read_text().split()


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
