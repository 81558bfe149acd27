"""Stops commands by signals at random moments, many times, and counts how they end.

    python -m tests.campaigns.signals [--tries 100] [--seed 0] [--commands study report results]

Of each command as many tries as are asked for, with SIGINT (Ctrl-C), SIGTERM and SIGHUP in turn; every second one has
a terminal for its standard error. Every fourth try of `study` has an empty cache, so that most of its time is
compiling. All tries of `study` are on one store: each has to go on from what the others left. In the end the study is
run to its end, and its rows are compared with those of a study that nobody stopped. Takes about ten minutes on two
cores, and prints a Markdown table. The exit code is 1 where a promise was broken.
"""

import argparse
import math
import os
import pty
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.cli.program import PROGRAM, run
from tests.processes import launching

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPED = "twofold: stopped"
GOES_ON = f"{STOPPED}; what was complete is stored, and the same command goes on from there"
SIZES = ("--epochs", "40", "--pairs", "100", "--test-pairs", "50")
STUDY = ("study", "--networks", "NetWS", *SIZES)
# More rounds than all tries together can train.
ROUNDS = 3000
# Seconds: what is promised of the slowest of 20 tries, and of every one.
MOSTLY, NEVER_OVER = 2.0, 5.0
# Seconds for which an empty cache makes a study compile; a signal comes in these, too.
COMPILING_SECONDS = 8.0


@dataclass(frozen=True)
class Command:
    """A command to stop: its arguments, what it says, and how long it takes, or the time in which to stop it."""

    arguments: tuple[str, ...]
    sentence: str
    seconds: float


@dataclass(frozen=True)
class Try:
    """One try: how long after the signal the process ended, with which code, and what it wrote to standard error."""

    number: signal.Signals
    moment: float
    seconds: float
    code: int
    said: str
    healthy: bool

    @property
    def done_before(self) -> bool:
        """Whether the command was complete when the signal came."""
        return self.code == 0 and "Traceback" not in self.said

    @property
    def too_early(self) -> bool:
        """Whether Python itself was still starting: the system ends it, and a shell reports the same code."""
        return self.code == -self.number

    @property
    def right_code(self) -> bool:
        """Whether a shell would report 130, 143 or 129."""
        return self.too_early or self.code == 128 + self.number

    def right_words(self, sentence: str) -> bool:
        """Whether it said the sentence last, nothing of an error, and left the cursor to be seen."""
        lines = self.said.replace("\r", "").splitlines()
        wrong = ("Traceback", "Exception ignored", "Fatal", "terminate called")
        cursor = self.said.rfind("\x1b[?25h") >= self.said.rfind("\x1b[?25l")
        return bool(lines) and lines[-1].endswith(sentence) and cursor and not any(w in self.said for w in wrong)


def main() -> None:
    """Run the campaign and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", default=["study", "report", "results"])
    asked = parser.parse_args()
    for number in SIGNALS:  # what is ignored here, as by nohup, would be ignored by the commands too, and rightly
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    with tempfile.TemporaryDirectory() as folder:
        broken = campaign(Path(folder), asked.commands, asked.tries, random.Random(asked.seed))
    sys.exit(1 if broken else 0)


def campaign(folder: Path, names: list[str], count: int, chance: random.Random) -> bool:
    """Try every command, print the table, and say whether a promise was broken."""
    print("| command | signal | tries | right code | right words | before Python ran us | complete before", end="")
    print(" | store healthy | 95th percentile (s) | slowest (s) |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    broken = False
    made = folder / "made"
    made.mkdir()
    finish(made, "study", "--rounds", "20", *SIZES, "--keep-models", "best")
    for name in names:
        place = folder / name
        place.mkdir()
        command = study(place) if name == "study" else reading(name, made, place)
        tries = list(tries_of(command, place, count, chance))
        for number in SIGNALS:
            broken |= row(name, command.sentence, number.name, [t for t in tries if t.number == number])
        broken |= row(name, command.sentence, "all", tries)
        if name == "study":
            broken |= not goes_on(place, folder / "unstopped")
    return broken


def study(place: Path) -> Command:
    """A study that never comes to its end; it is stopped in twice the time that one of two trials takes."""
    short = (*STUDY, "--rounds", "2", "--store", "sqlite://", "--out", str(place / "figures"))
    finish(place, *short)  # compiles
    return Command((*STUDY, "--rounds", str(ROUNDS)), GOES_ON, 2 * finish(place, *short))


def reading(name: str, made: Path, place: Path) -> Command:
    """A command that reads a store, and how long it takes when nobody stops it."""
    shutil.copytree(made, place, dirs_exist_ok=True)
    finish(place, name)
    return Command((name,), STOPPED, finish(place, name))


def finish(place: Path, *arguments: str) -> float:
    """Run the program to its end, and say how many seconds that took."""
    begin = time.monotonic()
    done = run(*arguments, cwd=place)
    if done.returncode:
        raise SystemExit(f"twofold {' '.join(arguments)}: {done.stderr}")
    return time.monotonic() - begin


def tries_of(command: Command, place: Path, count: int, chance: random.Random) -> Iterator[Try]:
    """The tries, one after another; one whose command ended before the signal is done again."""
    done = 0
    while done < count:
        cold = command.sentence == GOES_ON and done % 4 == 3
        moment = chance.uniform(0, command.seconds + (COMPILING_SECONDS if cold else 0))
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, "XDG_CACHE_HOME": cache} if cold else dict(os.environ)
            one = attempt(command, place, SIGNALS[done % 3], moment, environment, terminal=done // 3 % 2 == 1)
        if one is None:
            continue
        done += 1
        wrong = not one.done_before and not (one.right_code and (one.too_early or one.right_words(command.sentence)))
        if wrong or not one.healthy or one.seconds > MOSTLY:
            print(f"{command.arguments[0]}: {one}", file=sys.stderr, flush=True)
        yield one


def attempt(
    command: Command, place: Path, number: signal.Signals, moment: float, environment: dict[str, str], *, terminal: bool
) -> Try | None:
    """Start the command and send it the signal after so many seconds; None where it had ended by then."""
    before = trials_in(place)
    ours, theirs = pty.openpty() if terminal else os.pipe()
    null = subprocess.DEVNULL
    with launching() as launch:
        process = launch(
            [*PROGRAM, *command.arguments], cwd=place, env=environment, stdin=null, stdout=null, stderr=theirs
        )
        os.close(theirs)
        reader = ThreadPoolExecutor(1).submit(all_from, ours)  # a terminal that nobody reads makes programs wait
        time.sleep(moment)
        ended_before = process.poll() is not None
        begin = time.monotonic()
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
    seconds = time.monotonic() - begin
    said = reader.result()
    if ended_before and process.returncode == 0:
        return None
    return Try(number, moment, seconds, process.returncode, said, healthy=is_healthy(place, before))


def all_from(end: int) -> str:
    """What was written to the other end of a pipe or terminal."""
    parts = []
    with open(end, "rb", buffering=0) as stream:
        try:
            while part := stream.read(65536):
                parts.append(part)
        except OSError:  # how a terminal says that nobody is there any more
            pass
    return b"".join(parts).decode(errors="replace")


def trials_in(place: Path) -> int:
    """How many trials the store has."""
    store = place / "twofold.db"
    if not store.exists():
        return 0
    with closing(sqlite3.connect(store, timeout=10)) as database:
        there = database.execute("select 1 from sqlite_master where name = 'trials'").fetchall()
        return database.execute("select count(*) from trials").fetchone()[0] if there else 0


def is_healthy(place: Path, before: int) -> bool:
    """Whether the store is whole, no trial is lost, no claim is left, nor half a file."""
    halves = [path for path in place.rglob("*") if path.suffix in (".part", ".partial") or "journal" in path.name]
    if not (place / "twofold.db").exists():
        return not halves
    with closing(sqlite3.connect(place / "twofold.db", timeout=10)) as database:
        whole = database.execute("pragma integrity_check").fetchall() == [("ok",)]
        made = database.execute("select 1 from sqlite_master where name = 'claims'").fetchall()
        claims = database.execute("select count(*) from claims").fetchone()[0] if made else 0
    return whole and not claims and not halves and trials_in(place) >= before


def goes_on(place: Path, other: Path) -> bool:
    """Whether the study that was stopped so often can be finished, with the rows of one that nobody stopped."""
    other.mkdir()
    stored = trials_in(place)
    rounds = max(20, stored + 4)
    finish(place, *STUDY, "--rounds", str(rounds))
    finish(other, *STUDY, "--rounds", "20")
    query = "select key, test_error, train_error from trials where round < 20 order by round"
    rows = []
    for store in (place, other):
        with closing(sqlite3.connect(store / "twofold.db")) as database:
            rows.append(database.execute(query).fetchall())
    same = rows[0] == rows[1] and trials_in(place) == rounds
    print(f"\n{stored} trials were stored in these tries; the study went on to {rounds}, ", end="")
    print(f"and its first 20 rounds are {'' if same else 'NOT '}those of a study that nobody stopped.\n", flush=True)
    return same


def row(name: str, sentence: str, number: str, tries: list[Try]) -> bool:
    """Print a row of the table, and say whether a promise was broken."""
    stopped = [one for one in tries if not one.done_before]
    moments = [one.moment for one in stopped if one.too_early]
    early = len(moments)
    latest = f" (until {max(moments):.2f} s)" if moments else ""
    codes = sum(one.right_code for one in stopped)
    words = sum(one.right_words(sentence) for one in stopped)
    healthy = sum(one.healthy for one in tries)
    times = sorted(one.seconds for one in tries)
    most = times[max(0, math.ceil(0.95 * len(times)) - 1)] if times else 0.0
    slowest = times[-1] if times else 0.0
    cells = [name, number, len(tries), codes, words, f"{early}{latest}", len(tries) - len(stopped), healthy]
    print(f"| {' | '.join(map(str, cells))} | {most:.2f} | {slowest:.2f} |", flush=True)
    right = codes == len(stopped) and words == len(stopped) - early and healthy == len(tries)
    return not right or most > MOSTLY or slowest > NEVER_OVER


if __name__ == "__main__":
    main()
