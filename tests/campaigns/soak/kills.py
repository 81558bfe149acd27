"""One study, killed again and again: at random moments, while it writes a network, and before calls that write."""

from __future__ import annotations

import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.campaigns.soak.compare import faults, trained_again
from tests.campaigns.soak.running import finish, start
from tests.cli.watched import LOG
from tests.processes import Launch, launching

STORE = "a.db"
SIZES = ("--epochs", "2", "--pairs", "100", "--test-pairs", "50", "--keep-models", "all", "--workers", "1")
STUDY = ("study", "--rounds", "2", *SIZES)
# Less to do, where the same is done for every call.
SHORT = ("study", "--networks", "NetWS", "--rounds", "2", *SIZES)

# Calls that write, or make, rename and delete what was written.
CALLS = (
    "?open,openat,?creat,write,pwrite64,writev,fsync,fdatasync,truncate,ftruncate,?link,linkat,?rename,renameat,renameat2,"
    "?unlink,unlinkat,?mkdir,mkdirat,?rmdir"
)

# How many studies are killed at the same time.
_SIDE_BY_SIDE = 2


class Undisturbed(NamedTuple):
    """A study, its store where nobody disturbed it, and the seconds that it took at last."""

    study: tuple[str, ...]
    store: Path
    seconds: float


class Call(NamedTuple):
    """A call of the thread that stores, as strace counts: by its name."""

    name: str
    number: int


@dataclass
class Tally:
    """What came of a kind of kill. A kill is `spent` that came after the end of the command, or at another call."""

    kind: str
    kills: int = 0
    spent: int = 0
    again: int = 0
    studies: int = 0
    wrong: list[str] = field(default_factory=list)

    def count(self, folder: Path, other: Path, kills: int) -> None:
        """Note what came of a study that is complete after so many kills."""
        self.studies += 1
        self.wrong += faults(folder / STORE, other)
        again = trained_again(folder)
        self.again += again
        if again > kills:  # one worker: one training was under way at each
            self.wrong.append(f"{again} trainings were done again after {kills} kills")

    def add(self, other: Tally) -> None:
        """Count what came of more kills of the kind."""
        self.kills += other.kills
        self.spent += other.spent
        self.again += other.again
        self.studies += other.studies
        self.wrong += other.wrong


def together(kind: str, jobs: Iterable[Callable[[], Tally]]) -> Tally:
    """What comes of several parts of a kind of kill, some at the same time."""
    tally = Tally(kind)
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        for part in pool.map(lambda job: job(), jobs):
            tally.add(part)
    return tally


def undisturbed(folder: Path, study: tuple[str, ...], *, times: int = 2) -> Undisturbed:
    """What comes of a study that nobody disturbs; done twice, the second time with programs that were compiled."""
    for _ in range(times):
        before = time.monotonic()
        _complete(_empty(folder), study)
    return Undisturbed(study, folder / STORE, time.monotonic() - before)


def at_random(folder: Path, other: Undisturbed, count: int, chance: random.Random) -> Tally:
    """Kill a study `count` times, each at a moment within the seconds that it takes."""
    tally = Tally("at a random moment")
    while tally.kills < count:
        place, kills = _empty(folder), 0
        while tally.kills < count:
            with launching() as launch:
                process = _start(launch, place, other.study)
                try:
                    process.wait(chance.uniform(0, other.seconds))
                    break
                except subprocess.TimeoutExpired:
                    process.kill()
            tally.kills, kills = tally.kills + 1, kills + 1
        _complete(place, other.study)
        tally.count(place, other.store, kills)
    return tally


def while_writing_networks(folder: Path, other: Undisturbed, count: int) -> Tally:
    """Kill a study `count` times while a file of a network is half written."""
    tally = Tally("while a network is written")
    while tally.kills < count:
        place, kills = _empty(folder), 0
        while tally.kills < count and _killed_writing(place, other.study):
            tally.kills, kills = tally.kills + 1, kills + 1
        _complete(place, other.study)
        tally.count(place, other.store, kills)
    return tally


def _killed_writing(place: Path, study: tuple[str, ...]) -> bool:
    """Whether a run was killed while a file was half written: what is so is there when it has ended."""
    models = place / "a.models"
    with launching() as launch:
        process = _start(launch, place, study)
        before = set(models.glob("*.partial*"))
        while process.poll() is None:
            if set(models.glob("*.partial*")) - before:
                process.kill()
                process.wait()
                return bool(set(models.glob("*.partial*")))
            time.sleep(0.0002)
    return False


def can_trace() -> bool:
    """Whether strace is here, and may do its work: not every container lets it."""
    return bool(shutil.which("strace")) and not subprocess.run(["strace", "-o", "/dev/null", "true"]).returncode


def calls_of(folder: Path, study: tuple[str, ...]) -> dict[str, list[Call]]:
    """The calls by which a study that nobody disturbs writes in its folder, by their names, in their order."""
    place = _empty(folder)
    with launching() as launch:
        finish(_start(launch, place, study, *_traced(CALLS)))
    counts, calls = Counter[str](), dict[str, list[Call]]()
    for line in _report(place):
        if match := re.match(r"(\w+)\(", line):
            name = match[1]
            counts[name] += 1
            if LOG not in line and _writes_in(place, line):
                calls.setdefault(name, []).append(Call(name, counts[name]))
    return calls


def evenly(calls: list[Call], most: int) -> list[Call]:
    """All of the calls, or `most` of them that lie evenly."""
    count = min(most, len(calls))
    return [calls[(2 * number + 1) * len(calls) // (2 * count)] for number in range(count)]


def before_call(folder: Path, other: Undisturbed, call: Call) -> Tally:
    """Kill a study before a call, which it has not made then."""
    place, tally = _empty(folder), Tally(f"before {call.name}")
    with launching() as launch:
        inject = f"inject={call.name}:signal=KILL:when={call.number}"
        process = _start(launch, place, other.study, *_traced(call.name), "-e", inject)
        process.communicate(timeout=600)
    killed = process.returncode == -signal.SIGKILL
    *_, last = ["", *(line for line in _report(place) if line.startswith(f"{call.name}("))]
    there = killed and _writes_in(place, last)
    tally.kills, tally.spent = int(there), int(not there)
    _complete(place, other.study)
    tally.count(place, other.store, int(killed))
    shutil.rmtree(place)
    return tally


def _traced(calls: str) -> tuple[str, ...]:
    """The options of strace that show these calls, and of which files they are."""
    return "-y", "-s", "0", "-e", f"trace={calls}"


def _start(launch: Launch, place: Path, study: tuple[str, ...], *options: str) -> subprocess.Popen:
    """Start a study; with options of strace, which sees the calls of its first thread: that is the one that stores."""
    before = ("strace", "-qq", "-o", str(_told(place)), *options) if options else ()
    return start(launch, place, *study, "--store", STORE, before=before)


def _told(place: Path) -> Path:
    return place.with_name(f"{place.name}.calls")


def _report(place: Path) -> Iterator[str]:
    """The lines that strace wrote of a run, which are deleted."""
    lines = _told(place).read_text(errors="replace").splitlines()
    _told(place).unlink()
    return iter(lines)


def _writes_in(place: Path, line: str) -> bool:
    """Whether a call that strace shows writes in a folder, which is the program's, too."""
    if line.startswith("open") and not re.search("O_WRONLY|O_RDWR", line):
        return False
    paths = re.findall(r'\d<(/[^>]*)>|"([^"]+)"', line)
    return any(Path(place, opened or named).is_relative_to(place) for opened, named in paths)


def _complete(place: Path, study: tuple[str, ...]) -> None:
    with launching() as launch:
        finish(_start(launch, place, study))


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
