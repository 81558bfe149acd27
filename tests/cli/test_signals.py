"""The program, ended by signals: wherever it is, with what is complete kept, a sentence, and the shell's exit code."""

import fcntl
import http.server
import inspect
import os
import pty
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.cli.program import PROGRAM, long_study, small_study, start

import twofold
from twofold.cli import main
from twofold.cli.app import app
from twofold.cli.program import _TRAINING
from twofold.results import Store

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
STOPPED = "twofold: stopped\n"
GOES_ON = "twofold: stopped; what was complete is stored, and the same command goes on from there\n"
ENDING = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)


def wait_until(process: subprocess.Popen, condition) -> None:
    """Until the condition is true; fails where the program ends first."""
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def sql(path: Path, statement: str) -> list[tuple]:
    """What a statement finds in a store; nothing where its tables are not made yet."""
    with closing(sqlite3.connect(path, timeout=60)) as database:
        try:
            return database.execute(statement).fetchall()
        except sqlite3.OperationalError:
            return []


def watches(process: subprocess.Popen) -> bool:
    """Whether the program is so far that it looks after signals itself: what Linux says that it catches."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (caught,) = (line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) & 1 << signal.SIGTERM - 1)


def has_opened(process: subprocess.Popen, path: Path) -> bool:
    """Whether the program has a file open."""
    return str(path) in map(os.path.realpath, Path(f"/proc/{process.pid}/fd").iterdir())


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what a process is at")


@contextmanager
def locked(path: Path):
    """A store in which another program is writing something long."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("begin exclusive")
        yield


def ended(process: subprocess.Popen, number: signal.Signals) -> tuple[int, str]:
    """Send the signal; the exit code, less what a shell adds for it, and standard error."""
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    return process.returncode - 128, err


@LINUX
@ENDING
def test_while_it_starts(number, tmp_path):
    process = start(*small_study(), cwd=tmp_path)
    wait_until(process, lambda: watches(process))
    assert ended(process, number) == (number, GOES_ON)
    assert list(tmp_path.iterdir()) == []


@ENDING
def test_while_it_compiles(number, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = tmp_path / "twofold.db"
    process = start(*small_study(), "--quiet", cwd=tmp_path)
    wait_until(process, lambda: sql(store, "select 1 from claims"))
    time.sleep(number / 10)  # in the midst of it, each time in another place
    assert ended(process, number) == (number, GOES_ON)
    assert sql(store, "select * from claims") == []


@ENDING
def test_while_it_trains_what_is_complete_is_kept(number, tmp_path):
    """And the claims of the rest are given up."""
    store = tmp_path / "twofold.db"
    process = start(*small_study(rounds=500), "--quiet", cwd=tmp_path)
    wait_until(process, lambda: sql(store, "select 1 from trials"))
    assert ended(process, number) == (number, GOES_ON)
    assert 1 <= len(sql(store, "select * from trials")) < 1000
    assert sql(store, "select * from claims") == []
    assert [path.name for path in tmp_path.iterdir()] == ["twofold.db"]


@ENDING
def test_while_it_waits_for_another_run(number, tmp_path):
    store = Store(str(tmp_path / "twofold.db"))
    (trial,) = twofold.Study(networks="NetWS", rounds=1, epochs=100, pairs=100, test_pairs=50).trials()
    assert store.claim(trial.key, "elsewhere:1:another")
    process = start(*long_study(rounds=1), cwd=tmp_path)
    assert "waiting for another run" in process.stderr.readline()
    assert ended(process, number) == (number, GOES_ON)
    assert sql(tmp_path / "twofold.db", "select owner from claims") == [("elsewhere:1:another",)]


@LINUX
@ENDING
@pytest.mark.parametrize("command", ["results", "report"])
def test_while_a_database_keeps_it_waiting(number, command, finished, tmp_path):
    """The main thread is in code that is not Python's, and would hear of a signal only in a minute."""
    shutil.copy(finished.folder / "twofold.db", tmp_path)
    with locked(tmp_path / "twofold.db"):
        process = start(command, cwd=tmp_path)
        wait_until(process, lambda: has_opened(process, tmp_path / "twofold.db"))
        assert ended(process, number) == (number, STOPPED)
    assert [path.name for path in tmp_path.iterdir()] == ["twofold.db"]


@LINUX
def test_while_a_page_is_written_that_nobody_reads(finished, tmp_path):
    page = tmp_path / "page"
    os.mkfifo(page)
    with open(os.open(page, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as reader:
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        process = start("report", "--out", str(page), cwd=finished.folder)
        wait_until(process, lambda: select.select([reader], [], [], 0)[0] and reader.read(1))
        assert ended(process, signal.SIGHUP) == (signal.SIGHUP, STOPPED)


@ENDING
def test_a_terminal_shows_its_cursor_again_and_ends_with_the_sentence(number, tmp_path):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"}
    arguments = [*PROGRAM, *long_study()]
    process = subprocess.Popen(arguments, cwd=tmp_path, stderr=theirs, stdout=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while b"compiling" not in shown:
        shown += os.read(ours, 4096)
    process.send_signal(number)
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # how Linux says that nobody is at the other end any more
        pass
    os.close(ours)
    assert process.wait(timeout=60) == 128 + number
    assert shown.decode().replace("\r", "").endswith(f"\n\x1b[?25h{GOES_ON}")


@LINUX
@ENDING
def test_what_is_to_be_ignored_stays_ignored(number, finished, tmp_path):
    """`nohup` does so with SIGHUP, a shell with the SIGINT of a job in the background."""
    shutil.copy(finished.folder / "twofold.db", tmp_path)
    ignoring = f"import signal; signal.signal({number:d}, signal.SIG_IGN); from twofold.cli import main; main()"
    with locked(tmp_path / "twofold.db"):
        process = subprocess.Popen(
            [sys.executable, "-c", ignoring, "results"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        wait_until(process, lambda: has_opened(process, tmp_path / "twofold.db"))
        process.send_signal(number)
        time.sleep(0.2)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert b"Test error of 4 trials" in out


def watching(body: str) -> subprocess.Popen:
    """A process that watches for signals as the program does, and is in the midst of something."""
    lines = [
        "import signal, sys, time; from twofold import shutdown; from twofold.cli import signals",
        "signal.signal(signal.SIGINT, signal.default_int_handler)",
        "signals.watch('stopped')",
        body,
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", "\n".join(lines)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


@ENDING
def test_what_is_critical_is_finished_first(number):
    finishing = "with shutdown.critical: print('ready', flush=True); time.sleep(0.5); print('finished')\ntime.sleep(60)"
    process = watching(finishing)
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("finished\n", STOPPED)
    assert process.returncode == 128 + number


@ENDING
def test_nothing_critical_begins_any_more(number):
    beginning = (
        "shutdown.register(lambda: time.sleep(0.5))\nprint('ready', flush=True); time.sleep(0.2)\n"
        "with shutdown.critical: print('begun', flush=True); time.sleep(60)"
    )
    process = watching(beginning)
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("", STOPPED)


@ENDING
def test_what_takes_too_long_is_not_waited_for(number):
    process = watching("with shutdown.critical: print('ready', flush=True); time.sleep(600)")
    assert ended(process, number) == (number, STOPPED)


class Stalling(http.server.BaseHTTPRequestHandler):
    """Sends the beginning of a file, and then nothing more."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"beginning" * 10000)
        self.rfile.read(1)  # until the other side is gone

    def log_message(self, *arguments) -> None: ...


@ENDING
def test_a_download_leaves_no_part_of_a_file(number, tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stalling) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        mirror = f"http://127.0.0.1:{server.server_port}/"
        process = watching(
            "from twofold.data.download import PUBLISHED, Publication, download; from pathlib import Path\n"
            f"publication = Publication('mnist', 'MNIST', ({mirror!r},), PUBLISHED['mnist'].sha256)\n"
            f"print('ready', flush=True); download(publication, Path({str(tmp_path)!r}))"
        )
        wait_until(process, lambda: any(path.is_file() and path.stat().st_size for path in tmp_path.rglob("*")))
        code, err = ended(process, number)
        server.shutdown()
        thread.join()
    assert code == number
    assert err.endswith(STOPPED)  # after the bar of the download
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_ends_it_at_once():
    process = watching("with shutdown.critical: print('ready', flush=True); time.sleep(600)")
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)  # of two that come together, either may be the first
    assert ended(process, signal.SIGTERM) == (signal.SIGTERM, STOPPED)


def test_what_has_to_be_done_first_is_done_even_where_some_of_it_fails():
    doing = (
        "shutdown.register(lambda: 1 / 0); shutdown.register(lambda: print('done'))\n"
        "shutdown.register(print); shutdown.unregister(print); print('ready', flush=True); time.sleep(60)"
    )
    process = watching(doing)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("done\n", STOPPED)


def test_a_command_run_by_another_program_leaves_its_signals_alone(capsys):
    before = [signal.getsignal(number) for number in SIGNALS]
    assert main(["--version"]) == 0
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_every_command_that_trains_says_how_to_go_on():
    commands = {name: app[name].default_command for name in app if not name.startswith("-")}
    training = {name for name, command in commands.items() if "run" in inspect.signature(command).parameters}
    assert training == set(_TRAINING)
