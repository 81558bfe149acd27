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
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import sleep

import pytest
from tests.cli.program import PROGRAM, long_study, small_study
from tests.processes import wait_until

import twofold
from twofold.cli import main
from twofold.cli.app import app
from twofold.cli.mistakes import commands_of
from twofold.cli.program import _TRAINING
from twofold.native import handlers
from twofold.results import Store

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
STOPPED = "twofold: stopped\n"
GOES_ON = "twofold: stopped; what was complete is stored, and the same command goes on from there\n"
ENDING = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)


def sql(path: Path, statement: str) -> list[tuple]:
    """What a statement finds in a store; nothing where its tables are not made yet."""
    with closing(sqlite3.connect(path, timeout=60)) as database:
        try:
            return database.execute(statement).fetchall()
        except sqlite3.OperationalError:
            return []


def catches(process: subprocess.Popen, number: signal.Signals = signal.SIGTERM) -> bool:
    """Whether the program is so far that it looks after signals itself: what Linux says that it catches."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (caught,) = (line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) & 1 << number - 1)


def has_opened(process: subprocess.Popen, path: Path) -> bool:
    """Whether the program has a file open; it may close others while we look."""
    with suppress(OSError):  # it has ended
        for name in os.listdir(folder := f"/proc/{process.pid}/fd"):
            with suppress(FileNotFoundError):
                if os.readlink(f"{folder}/{name}") == str(path.resolve()):
                    return True
    return False


def has_content(folder: Path) -> bool:
    """Whether a file in the folder, or below it, has any; files and folders may vanish while we look."""
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):
                if os.path.getsize(os.path.join(place, name)):
                    return True
    return False


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
def test_while_it_starts(number, start, tmp_path):
    process = start(*small_study(), cwd=tmp_path)
    wait_until(process, lambda: catches(process))
    assert ended(process, number) == (number, GOES_ON)
    assert list(tmp_path.iterdir()) == []


@ENDING
def test_while_it_compiles(number, start, tmp_path, monkeypatch):
    # With our machine code, which is there before a trial is claimed, but no compiled program.
    shutil.copytree(handlers.verdict_file().parent, tmp_path / "cache" / "twofold" / "native")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = tmp_path / "twofold.db"
    process = start(*small_study(), "--quiet", cwd=tmp_path)
    wait_until(process, lambda: sql(store, "select 1 from claims"))
    sleep(number / 10)  # in the midst of it, each time in another place
    assert ended(process, number) == (number, GOES_ON)
    assert sql(store, "select * from claims") == []


@ENDING
def test_while_it_trains_what_is_complete_is_kept(number, start, tmp_path):
    """And the claims of the rest are given up."""
    store = tmp_path / "twofold.db"
    process = start(*small_study(rounds=500), "--quiet", cwd=tmp_path)
    wait_until(process, lambda: sql(store, "select 1 from trials"))
    assert ended(process, number) == (number, GOES_ON)
    assert 1 <= len(sql(store, "select * from trials")) < 1000
    assert sql(store, "select * from claims") == []
    assert [path.name for path in tmp_path.iterdir()] == ["twofold.db"]


@ENDING
def test_while_it_waits_for_another_run(number, start, tmp_path):
    store = Store(str(tmp_path / "twofold.db"))
    (trial,) = twofold.Study(networks="NetWS", rounds=1, epochs=100, pairs=100, test_pairs=50).trials()
    assert store.claim([trial.key], "another") == ([trial.key], [])
    process = start(*long_study(rounds=1), cwd=tmp_path)
    assert "1 trial to train" in process.stderr.readline()
    assert "waiting for another run" in process.stderr.readline()
    assert ended(process, number) == (number, GOES_ON)
    assert sql(tmp_path / "twofold.db", "select owner from claims") == [("another",)]


@LINUX
@ENDING
@pytest.mark.parametrize("command", ["results", "report"])
def test_while_a_database_keeps_it_waiting(number, command, start, finished, tmp_path):
    """The main thread is in code that is not Python's, and would hear of a signal only in a minute."""
    shutil.copy(finished.folder / "twofold.db", tmp_path)
    with locked(tmp_path / "twofold.db"):
        process = start(command, cwd=tmp_path)
        wait_until(process, lambda: has_opened(process, tmp_path / "twofold.db"))
        assert ended(process, number) == (number, STOPPED)
    assert [path.name for path in tmp_path.iterdir()] == ["twofold.db"]


@LINUX
def test_while_a_page_is_written_that_nobody_reads(start, finished, tmp_path):
    page = tmp_path / "page"
    os.mkfifo(page)
    with open(os.open(page, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as reader:
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        process = start("report", "--out", str(page), cwd=finished.folder)
        wait_until(process, lambda: select.select([reader], [], [], 0)[0] and reader.read(1))
        assert ended(process, signal.SIGHUP) == (signal.SIGHUP, STOPPED)


@ENDING
def test_a_terminal_shows_its_cursor_again_and_ends_with_the_sentence(number, launch, tmp_path):
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as terminal:
        with open(theirs, "wb", buffering=0):
            environment = {**os.environ, "TERM": "xterm-256color"}
            arguments = [*PROGRAM, *long_study()]
            process = launch(arguments, cwd=tmp_path, stderr=theirs, stdout=theirs, env=environment)
        shown = b""
        while b"time left" not in shown:
            shown += terminal.read(4096)
        process.send_signal(number)
        with suppress(OSError):  # how Linux says that nobody is at the other end any more
            while part := terminal.read(4096):
                shown += part
    assert process.wait(timeout=60) == 128 + number
    assert shown.decode().replace("\r", "").endswith(f"\n\x1b[?25h{GOES_ON}")


@LINUX
@ENDING
def test_what_is_to_be_ignored_stays_ignored(number, launch, finished, tmp_path):
    """`nohup` does so with SIGHUP, a shell with the SIGINT of a job in the background."""
    shutil.copy(finished.folder / "twofold.db", tmp_path)
    # Whoever runs the tests may ignore some as well.
    dispositions = [f"signal.signal({each:d}, signal.SIG_{'IGN' if each == number else 'DFL'})" for each in SIGNALS]
    ignoring = "; ".join(["import signal", *dispositions, "from twofold.cli import main", "main()"])
    with locked(tmp_path / "twofold.db"):
        process = launch(
            [sys.executable, "-c", ignoring, "results"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        wait_until(process, lambda: has_opened(process, tmp_path / "twofold.db"))
        assert [catches(process, each) for each in SIGNALS] == [each != number for each in SIGNALS]
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert b"Test error of 4 trials" in out


@pytest.fixture
def watching(launch):
    """Starts a process that watches for signals as the program does, and is in the midst of something.

    Only where it is told not to be `patient` does it end after the time in which the program has to.
    """

    def start_it(*body: str, patient: bool = True) -> subprocess.Popen:
        lines = [
            "import signal, sys, threading, time; from twofold import shutdown; from twofold.cli import signals",
            "signal.signal(signal.SIGINT, signal.default_int_handler)",
            *(["signals._PATIENCE = 600"] if patient else []),
            "signals.watch('stopped')",
            "def say(word): print(word, flush=True)",
            *body,
        ]
        pipe = subprocess.PIPE
        process = launch([sys.executable, "-c", "\n".join(lines)], stdout=pipe, stderr=pipe, text=True)
        assert process.stdout.readline() == "ready\n"
        return process

    return start_it


@ENDING
def test_what_is_critical_is_finished_first(number, watching):
    finishing = "with shutdown.critical: say('ready'); signals._ending.wait(); say('finished')"
    process = watching(finishing, "time.sleep(600)")
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("finished\n", STOPPED)
    assert process.returncode == 128 + number


@pytest.mark.parametrize("beginning", ["shutdown.critical.acquire()", "shutdown.register(say)"])
@ENDING
def test_nothing_critical_begins_any_more(number, beginning, watching):
    process = watching(
        "ending, tried = threading.Event(), threading.Event()",
        "shutdown.register(lambda: (ending.set(), tried.wait()))",
        "say('ready'); ending.wait()",
        "say('ours' if shutdown.critical.acquire(blocking=False) else 'not ours'); tried.set()",
        f"{beginning}; say('begun')",
    )
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("not ours\n", STOPPED)


@ENDING
def test_what_takes_too_long_is_not_waited_for(number, watching):
    process = watching("with shutdown.critical: say('ready'); time.sleep(600)", patient=False)
    assert ended(process, number) == (number, STOPPED)


def test_what_was_begun_last_is_undone_first(watching):
    registering = [f"shutdown.register(lambda: say({word!r}))" for word in ("display", "claims", "compiler")]
    process = watching(*registering, "say('ready'); time.sleep(600)")
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60) == ("compiler\nclaims\ndisplay\n", STOPPED)


class Stalling(http.server.BaseHTTPRequestHandler):
    """Sends the beginning of a file, and then nothing more."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"beginning" * 10000)
        self.rfile.read(1)  # until the other side is gone

    def log_message(self, *arguments) -> None: ...


@pytest.fixture
def mirror():
    """The address of a server of files that never come to their end."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stalling) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


DOWNLOADING = """
from pathlib import Path
from twofold.data import download
publication = download.Publication('mnist', 'MNIST', ({mirror!r},), download.PUBLISHED['mnist'].sha256)
{first}
say('ready'); download.download(publication, Path({folder!r}))
"""


@ENDING
def test_a_download_leaves_no_part_of_a_file(number, mirror, watching, tmp_path):
    process = watching(DOWNLOADING.format(mirror=mirror, folder=str(tmp_path), first=""))
    wait_until(process, lambda: has_content(tmp_path))
    code, err = ended(process, number)
    assert code == number
    assert err.endswith(STOPPED)  # after the bar of the download
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_has_only_made_its_file_leaves_none(mirror, watching, tmp_path):
    """A signal comes when the file was made, and before anything else is done."""
    making = (
        "def wait(made): say(made.name); signals._ending.wait(); return made\n"
        "from twofold import files\n"
        "make = files._new_partial\n"
        "files._new_partial = lambda folder: wait(make(folder))"
    )
    process = watching(DOWNLOADING.format(mirror=mirror, folder=str(tmp_path), first=making))
    assert Path(process.stdout.readline().strip()).is_file()
    assert ended(process, signal.SIGTERM) == (signal.SIGTERM, STOPPED)
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_ends_it_at_once(watching):
    process = watching("with shutdown.critical: say('ready'); signals._ending.wait(); say('ending'); time.sleep(600)")
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "ending\n"  # of two that come together, either may be the first
    assert ended(process, signal.SIGTERM) == (signal.SIGTERM, STOPPED)


def test_what_has_to_be_done_first_is_done_even_where_some_of_it_fails(watching):
    process = watching(
        "shutdown.register(lambda: say('done')); shutdown.register(lambda: 1 / 0)",
        "shutdown.register(print); shutdown.unregister(print); say('ready'); time.sleep(600)",
    )
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("done\n", STOPPED)


def test_a_command_run_by_another_program_leaves_its_signals_alone(capsys):
    before = [signal.getsignal(number) for number in SIGNALS]
    assert main(["--version"]) == 0
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_every_command_that_trains_says_how_to_go_on():
    commands = {name: command.default_command for name, command in commands_of(app).items()}
    training = {name for name, command in commands.items() if "run" in inspect.signature(command).parameters}
    assert training == set(_TRAINING)
