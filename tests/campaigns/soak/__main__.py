"""Kills, stops and cuts off runs, and has many processes share a store; prints what came of it as Markdown.

    python -m tests.campaigns.soak [--seed 0] [--parts kills networks calls sqlite postgresql]

The exit code is 1 where a promise was broken.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from tests import postgres
from tests.campaigns.soak import kills, sharing

PARTS = ("kills", "networks", "calls", "sqlite", "postgresql")
RANDOM, NETWORKS = 20, 20
RANDOM_ALONE = 80  # where strace is not here
CALLS = 12  # of each name
PROCESSES, TRIALS, EPOCHS = 10, 200, 30
GONE = 3.0  # seconds for which the server is killed


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    asked = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wrong = _kills(folder, asked.parts, asked.seed) if set(asked.parts) & {"kills", "networks", "calls"} else []
        if shared := [part for part in asked.parts if part in ("sqlite", "postgresql")]:
            wrong += _sharing(folder, shared)
    print(f"{time.monotonic() - begun:.0f} seconds in all")
    for line in wrong:
        print(f"wrong: {line}")
    sys.exit(1 if wrong else 0)


def _kills(folder: Path, parts: list[str], seed: int) -> list[str]:
    print("| killed | kills | missed | studies completed | trainings done again | what is wrong |")
    print("|---|---:|---:|---:|---:|---|", flush=True)
    wrong = []
    for tally in _tallies(folder, parts, seed):
        numbers = (tally.kind, tally.kills, tally.spent, tally.studies, tally.again, len(tally.wrong) or "nothing")
        print(f"| {' | '.join(map(str, numbers))} |", flush=True)
        wrong += [f"killed {tally.kind}: {line}" for line in tally.wrong]
    print()
    return wrong


def _tallies(folder: Path, parts: list[str], seed: int) -> Iterator[kills.Tally]:
    traced = kills.can_trace()
    if set(parts) & {"kills", "networks"}:
        other = kills.undisturbed(folder / "undisturbed", kills.STUDY)
    if "kills" in parts:
        count = (RANDOM if traced else RANDOM_ALONE) // 2
        chances = [random.Random(f"{seed}/{half}") for half in range(2)]
        jobs = [partial(kills.at_random, folder / f"random{n}", other, count, it) for n, it in enumerate(chances)]
        yield kills.together("at a random moment", jobs)
    if "networks" in parts:
        jobs = [partial(kills.while_writing_networks, folder / f"writing{n}", other, NETWORKS // 2) for n in range(2)]
        yield kills.together("while a network is written", jobs)
    if "calls" in parts and traced:
        yield from _at_calls(folder)
    elif "calls" in parts:
        print("not killed before calls that write: strace is not here, or may not do its work", file=sys.stderr)


def _at_calls(folder: Path) -> Iterator[kills.Tally]:
    other = kills.undisturbed(folder / "short", kills.SHORT)
    for name, calls in kills.calls_of(folder / "calls", kills.SHORT).items():
        chosen = kills.evenly(calls, CALLS)
        jobs = [partial(kills.before_call, folder / f"{name}{call.number}", other, call) for call in chosen]
        yield kills.together(f"before `{name}` ({len(chosen)} of {len(calls)})", jobs)


def _sharing(folder: Path, parts: list[str]) -> list[str]:
    """Share a store between processes: each part by itself, then all parts, disturbed, at the same time."""
    with ExitStack() as ending:
        places, disturbing = {"sqlite": lambda name: str(folder / f"{name}.db")}, {"sqlite": lambda: None}
        if "postgresql" in parts and (server := _server(ending)):
            places["postgresql"], disturbing["postgresql"] = lambda name: server.database(), partial(_restart, server)
        parts = [part for part in parts if part in places]
        if not parts:
            return []
        sharing.apart(folder / "compiled", 1, 1, EPOCHS)
        alone, stores = sharing.apart(folder / "apart", PROCESSES, TRIALS, EPOCHS)

        def share(part: str, disturbed: Callable[[], None] | None = None) -> sharing.Shared:
            name = f"{part}-{'disturbed' if disturbed else 'shared'}"
            words, store = sharing.study(EPOCHS, 0, TRIALS), places[part](name)
            return sharing.together(folder / name, words, store, PROCESSES, stores, disturbed=disturbed)

        quiet = [share(part) for part in parts]
        with ThreadPoolExecutor(len(parts)) as pool:
            rough = list(pool.map(lambda part: share(part, disturbing[part]), parts))
    heads = (
        f"{PROCESSES} processes, {TRIALS} trials",
        "seconds",
        "times a store each",
        "stored",
        "done again",
        "wrong",
    )
    print(f"| {' | '.join(heads)} |")
    print("|---|---:|---:|---:|---:|---|")
    print(f"| a store each | {alone:.1f} | | {TRIALS} | 0 | nothing |")
    for part, *came in zip(parts, quiet, rough):
        for how, shared in zip(("shared", "disturbed"), came):
            ratio = f"{shared.seconds / alone:.2f}" if how == "shared" else ""
            numbers = (f"{part}, {how}", f"{shared.seconds:.1f}", ratio, shared.rows, shared.again)
            print(f"| {' | '.join(map(str, numbers))} | {'; '.join(shared.wrong) or 'nothing'} |", flush=True)
    print()
    return [f"{part}: {line}" for part, *came in zip(parts, quiet, rough) for each in came for line in each.wrong]


def _server(ending: ExitStack) -> postgres.Server | None:
    """A PostgreSQL server until the end; None where none is on this machine, which is said."""
    try:
        return ending.enter_context(postgres.running())
    except pytest.skip.Exception as reason:
        print(f"not shared on PostgreSQL: {reason}", file=sys.stderr)
        return None


def _restart(server: postgres.Server) -> None:
    server.kill()
    time.sleep(GONE)
    server.start()


if __name__ == "__main__":
    main()
