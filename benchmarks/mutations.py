"""Ten thousand wrong files for each reader of files that may come from anybody: what comes of them, in one table.

    python -m benchmarks.mutations [--inputs 10000] [--readers "a store" "a PNG"]

Each reader is tried in a process of its own, which writes to memory where the system has a folder there. It fails where
anything else than an error of ours comes out, a file takes five seconds of the processor, or a process a gigabyte; a
file of which nothing comes is given up after ten.
"""

import argparse
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutations.readers import READERS, mutate

from twofold.errors import TwofoldError

MOST_SECONDS, MOST_BYTES = 5.0, 1e9
IN_MEMORY = Path("/dev/shm")


class TooLong(BaseException):
    """A file is given up, since nothing comes of it; no error that somebody may expect."""


@dataclass
class Outcome:
    """What came of a reader's wrong files; `faults` are tracebacks, by the seed that makes the file so."""

    came: Counter[str]
    faults: dict[int, str]
    memory: float
    seconds: float
    slowest: int


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `TooLong` after so many seconds of the processor."""

    def give_up(*_: object) -> None:
        raise TooLong

    signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def tried(name: str, inputs: int) -> Outcome:
    """Read so many wrong files, each with its number as the seed."""
    reader, came, faults, longest = READERS[name], Counter[str](), {}, (0.0, 0)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None) as folder:
        path = reader.make(Path(folder))
        content = path.read_bytes()
        reader.use(reader.read(path))
        for seed in range(inputs):
            for ending in ("-wal", "-shm", "-journal"):
                path.with_name(f"{path.name}{ending}").unlink(missing_ok=True)
            path.write_bytes(content)
            mutate(path, reader, seed)
            began = time.process_time()
            try:
                with limited(2 * MOST_SECONDS):
                    reader.use(reader.read(path))
                came["taken"] += 1
            except TwofoldError as error:
                came["refused"] += 1
                if len(str(error).splitlines()) != 1:
                    faults[seed] = f"several lines: {error}"
            except (Exception, TooLong):
                faults[seed] = traceback.format_exc()
            longest = max(longest, (time.process_time() - began, seed))
            for copy in path.parent.glob(f"{path.name}.version-*"):
                copy.unlink()
    return Outcome(came, faults, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0, *longest)


def main() -> int:
    """Try the readers, print the table, and return 1 where something is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--readers", nargs="+", default=list(READERS), choices=READERS)
    options = parser.parse_args()
    right = True
    print(
        "| reader | inputs | refused | taken | other errors | largest memory (MB) | longest time (s of the processor) |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        asked = [(name, pool.apply_async(tried, (name, options.inputs))) for name in options.readers]
        for name, result in asked:
            found = result.get()
            counts = f"{options.inputs:,} | {found.came['refused']:,} | {found.came['taken']:,} | {len(found.faults)}"
            print(f"| {name} | {counts} | {found.memory / 1e6:.0f} | {found.seconds:.2f} |", flush=True)
            for seed, fault in list(found.faults.items())[:5]:
                print(f"{name}, seed {seed}: {fault}", file=sys.stderr, flush=True)
            right &= not found.faults and found.seconds < MOST_SECONDS and found.memory < MOST_BYTES
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
