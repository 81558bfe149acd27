"""Single flipped bits in what is kept between runs: machine code of our own, compiled programs, facts of images.

    python -m tests.campaigns.flipped_bits [--flips 200] [--seed 1] [--at-once 2]

Each time one bit of one file in a copy of the cache folder is flipped (a file is chosen with a chance in proportion to
its size), and a small study is run. It has to end well, with the rows of an undamaged run, and leave a cache that the
next run can use. Prints a table in Markdown, and exits with 1 where something else happened.
"""

import argparse
import collections
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from tests.cli.program import run

STUDY = ["study", "--networks", "NetWSAL", "--rounds", "1", "--epochs", "2", "--pairs", "100", "--test-pairs", "100"]
NUMBERS = ("key", "train_error", "validation_error", "test_error", "digit_error", "train_loss", "engine")


def study(folder: Path, cache: Path) -> tuple[int, str, str]:
    """Run the study with a cache folder: its exit code, the numbers of its row, and what it said."""
    options = ["--workers", "1", "--quiet", "--store", "own.db"]
    process = run(*STUDY, *options, cwd=folder, timeout=600, XDG_CACHE_HOME=str(cache))
    return process.returncode, stored(folder / "own.db"), process.stderr


def stored(store: Path) -> str:
    """The numbers of the rows of a store, to the last bit; empty where there are none."""
    if not store.exists():
        return ""
    with closing(sqlite3.connect(store)) as database:
        return repr(database.execute(f"select {', '.join(NUMBERS)} from trials").fetchall())


def flip(cache: Path, chance: random.Random) -> tuple[Path, int]:
    """Flip one bit of a file in the cache folder: the file and the bit's number."""
    files = sorted(file for file in (cache / "twofold").rglob("*") if file.is_file())  # not those of matplotlib
    file = chance.choices(files, [file.stat().st_size for file in files])[0]
    content = bytearray(file.read_bytes())
    bit = chance.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)
    return file, bit


def attempt(number: int, seed: int, whole: Path, right: str) -> tuple[str, str]:
    """One flipped bit: the kind of file, and what came of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = folder / "cache"
        shutil.copytree(whole, cache)
        file, bit = flip(cache, random.Random(f"{seed} {number}"))
        kind = file.relative_to(cache / "twofold").parts[0]
        damaged = file.read_bytes()
        code, numbers, said = study(folder, cache)
        if code < 0 or code > 128:
            result = f"crash ({code})"
        elif code or said.strip():
            result = f"exit code {code}: {said.strip().splitlines()[-1] if said.strip() else 'nothing said'}"
        elif numbers != right:
            result = f"another number: {numbers}"
        elif file.is_file() and file.read_bytes() == damaged:
            result = "right numbers, but the damaged file is left"
        else:
            result = "right numbers, file made anew"
        if "file made anew" not in result:
            print(f"{number}: bit {bit} of {file.name}: {result}", file=sys.stderr)
    return kind, result


def main() -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=2)
    arguments = parser.parse_args()
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        whole = Path(name) / "whole"
        study(Path(name), whole)  # fills the cache
        (Path(name) / "own.db").unlink()
        code, right, said = study(Path(name), whole)
        if code or said:
            print(f"the study fails without any damage: {said}", file=sys.stderr)
            return 1
        with ThreadPoolExecutor(arguments.at_once) as pool:
            jobs = [pool.submit(attempt, n, arguments.seed, whole, right) for n in range(arguments.flips)]
            counts = collections.Counter(job.result() for job in jobs)
    print("| file | what came of it | times |\n|---|---|---:|")
    for (kind, result), times in sorted(counts.items()):
        print(f"| {kind} | {result} | {times} |")
    print(f"\n{arguments.flips} flips, seed {arguments.seed}, {(time.perf_counter() - begin) / 60:.0f} minutes")
    return int(any("file made anew" not in result for _, result in counts))


if __name__ == "__main__":
    sys.exit(main())
