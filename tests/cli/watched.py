"""A results store that counts how often each trial is stored."""

import sqlite3
from contextlib import closing

from tests.processes import wait_until

from twofold.results import Store


def watched_store(path):
    """An empty store in the file `path` in which the database itself notes every row that is written."""
    Store(str(path))
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("create table watched (key text)")
        database.execute("create trigger watch after insert on trials begin insert into watched values (new.key); end")


def trained(path):
    """The keys of the trials that were stored, each as often as it was."""
    with closing(sqlite3.connect(path)) as database, database:
        return [key for (key,) in database.execute("select key from watched")]


def kill_when_some_are_trained(process, path):
    """Kill the process, as a power cut would, as soon as it has stored a trial but not all."""
    wait_until(process, lambda: trained(path))
    process.kill()
    process.communicate()
    return trained(path)
