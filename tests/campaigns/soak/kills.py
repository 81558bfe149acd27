"""One study, killed again and again: at random moments, while it writes a network, and at each call that writes."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaigns.soak.compare import faults, trained_again
from tests.campaigns.soak.running import finish, start
from tests.cli.watched import LOG
from tests.processes import launching

STORE = "a.db"
SIZES = ("--epochs", "2", "--pairs", "100", "--test-pairs", "50", "--keep-models", "all", "--workers", "1")
STUDY = ("study", "--rounds", "2", *SIZES, "--store", STORE)
# Less to do, where the same is done for every call.
SHORT = ("study", "--networks", "NetWS", "--rounds", "2", *SIZES, "--store", STORE)

# Calls that write, or make, rename and delete what was written.
CALLS = "write,pwrite64,writev,fsync,fdatasync,ftruncate,rename,renameat,renameat2,link,unlink,unlinkat,mkdir"


@dataclass
class Tally:
    """What came of a kind of kill. A kill is `spent` that came after the end of the command."""

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
        again = trained_again(folder / LOG)
        self.again += again
        if again > kills:  # one worker: one training was under way at each
            self.wrong.append(f"{again} trainings were done again after {kills} kills")


def undisturbed(folder: Path, study: tuple[str, ...]) -> tuple[Path, float]:
    """The store of a study that nobody disturbs, and how many seconds it took when programs had been compiled."""
    for _ in range(2):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        before = time.monotonic()
        _complete(folder, study)
    return folder / STORE, time.monotonic() - before


def at_random(folder: Path, other: Path, seconds: float, count: int, chance: random.Random) -> Tally:
    """Kill a study `count` times, each at a moment within the seconds that it takes."""
    tally = Tally("at a random moment")
    while tally.kills < count:
        place, kills = _empty(folder), 0
        while tally.kills < count:
            with launching() as launch:
                process = start(launch, place, *STUDY)
                try:
                    process.wait(chance.uniform(0, seconds))
                    break
                except subprocess.TimeoutExpired:
                    process.kill()
            tally.kills, kills = tally.kills + 1, kills + 1
        _complete(place, STUDY)
        tally.count(place, other, kills)
    return tally


def while_writing_networks(folder: Path, other: Path, count: int) -> Tally:
    """Kill a study `count` times while a file of a network is half written."""
    tally = Tally("while a network is written")
    while tally.kills < count:
        place, kills = _empty(folder), 0
        while tally.kills < count and _killed_writing(place):
            tally.kills, kills = tally.kills + 1, kills + 1
        _complete(place, STUDY)
        tally.count(place, other, kills)
    return tally


def _killed_writing(place: Path) -> bool:
    """Whether a run was killed while a file was half written: what is so is there when it has ended."""
    models = place / "a.models"
    with launching() as launch:
        process = start(launch, place, *STUDY)
        before = set(models.glob("*.partial*"))
        while process.poll() is None:
            if set(models.glob("*.partial*")) - before:
                process.kill()
                process.wait()
                return bool(set(models.glob("*.partial*")))
            time.sleep(0.0002)
    return False


def at_calls(folder: Path, other: Path, most: int, chance: random.Random) -> Tally:
    """Kill a study at each of its calls that write, or at `most` of them."""
    place = _empty(folder)
    report = place / "calls"
    with launching() as launch:
        finish(start(launch, place, *SHORT, before=("strace", "-f", "-qq", "-o", str(report), "-e", f"trace={CALLS}")))
    threads = Counter(re.findall(r"^(\d+) +\w+\(", report.read_text(errors="replace"), flags=re.MULTILINE))
    there = max(threads.values())  # strace counts the calls of each thread apart; one of them stores
    chosen = sorted(chance.sample(range(1, there + 1), min(most, there)))
    tally = Tally(f"at {len(chosen)} of {there} calls that write")
    for number in chosen:
        place = _empty(folder)
        inject = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={CALLS}:signal=KILL:when={number}")
        with launching() as launch:
            process = start(launch, place, *SHORT, before=inject)
            process.communicate(timeout=120)
        killed = process.returncode != 0
        tally.kills, tally.spent = tally.kills + killed, tally.spent + (not killed)
        _complete(place, SHORT)
        tally.count(place, other, int(killed))
    return tally


def _complete(place: Path, study: tuple[str, ...]) -> None:
    with launching() as launch:
        finish(start(launch, place, *study))


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
