"""A PostgreSQL server of the tests' own, on a free port of this machine, for as long as they run."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.processes import PATIENCE, Launch, launching

# Where Debian keeps the programs of a server, which are not on the path.
_DEBIAN = Path("/usr/lib/postgresql")

# Where this is set, there has to be a server.
_REQUIRED = "TWOFOLD_TEST_POSTGRES"

# The server's first role, which may do anything; `LOCKED` has to give its password, and all others need none.
OWNER, LOCKED = "ada", "locked"

# No server runs as root: then it is run by one who has no rights.
_ORDINARY = "nobody"

_HBA = f"""
local all all trust
host all {LOCKED} 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""

# Bytes that the databases of all tests are far from.
_ROOM = 2**30

# What is written need not outlast a loss of power.
_QUICK = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "16MB", "max_connections": "40"}


class Server:
    """A running server; `database` makes one in it, for each who asks."""

    def __init__(self, binaries: Path, folder: Path, start: Launch) -> None:
        self._binaries, self._folder, self._start, self._numbers = binaries, folder, start, count(1)
        self._log = folder / "log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        data = folder / "data"
        made = ["initdb", "--pgdata", data, "--username", OWNER, "--auth", "trust", "--encoding", "UTF8"]
        done = self._launch([*made, "--locale", "C", "--no-sync", "--no-instructions"])
        assert done.wait(PATIENCE) == 0, self._log.read_text()
        (data / "pg_hba.conf").write_text(_HBA)
        self.start()

    def start(self) -> None:
        """Start it, where it does not run, and wait until it answers."""
        options = [f"--{name}={value}" for name, value in _QUICK.items()]
        place = ["-D", self._folder / "data", "-p", str(self.port), "-k", self._folder, "-h", "127.0.0.1"]
        end = time.monotonic() + PATIENCE
        self._process = self._launch(["postgres", *place, *options])
        while not self._answers():
            assert time.monotonic() < end, self._log.read_text()
            if self._process.poll() is not None:  # what is left of the one that was killed is still ending
                self._process = self._launch(["postgres", *place, *options])
            time.sleep(0.05)

    def kill(self) -> None:
        """End it by signal 9, as a loss of power would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it at once, without damage."""
        self._end(signal.SIGQUIT)

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"d{next(self._numbers)}"
        self.ask(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str, user: str = OWNER) -> str:
        """The URL of a database for a role."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def ask(self, query: str, database: str = "postgres") -> Sequence[tuple[Any, ...]]:
        """What the server answers its first role; a transaction of its own, or none where that cannot be."""
        import psycopg

        place = {"host": "127.0.0.1", "port": self.port, "user": OWNER, "dbname": database}
        with psycopg.connect(**place, autocommit=True) as connection:
            answered = connection.execute(query)
            return answered.fetchall() if answered.description else []

    def cut(self, database: str) -> int:
        """End all connections to a database, as an administrator or a network does, and say how many there were."""
        query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        return len(self.ask(query))

    def _answers(self) -> bool:
        import psycopg

        with suppress(psycopg.OperationalError):
            self.ask("SELECT 1")
            return True
        return False

    def _end(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        self._process.wait(PATIENCE)

    def _launch(self, command: Sequence[str | Path]) -> subprocess.Popen:
        program, *arguments = command
        user = {"user": _ORDINARY, "extra_groups": []} if os.geteuid() == 0 else {}
        with self._log.open("ab") as log:
            output = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            return self._start([self._binaries / program, *arguments], cwd=self._folder, **output, **user)


@contextmanager
def running() -> Iterator[Server]:
    """A server while this lasts; skips where there is none on this machine."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'psycopg[binary]'")
    # Not in the folder of the tests, which only its owner may enter; and no longer than a socket's name may be.
    folder = Path(tempfile.mkdtemp(prefix="twofold-postgres-", dir=_memory()))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _ORDINARY)
        with launching() as start:
            server = Server(_binaries(), folder, start)
            try:
                yield server
            finally:
                server.stop()
    finally:
        shutil.rmtree(folder)


def _memory() -> Path | None:
    """A folder in memory, where there is one with room for some databases: their files are many."""
    place = Path("/dev/shm")
    return place if place.is_dir() and shutil.disk_usage(place).free > _ROOM else None


def _binaries() -> Path:
    """The folder of a server's programs, the newest that there is; skips where there is none and none has to be."""
    named = shutil.which("initdb")
    folders = [Path(named).parent] if named else []
    folders += sorted(_DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    for folder in folders:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    lacking = "there is no PostgreSQL server on this machine; on Debian: apt-get install postgresql"
    assert _REQUIRED not in os.environ, lacking
    pytest.skip(lacking)
