"""Kills, stops and cuts off runs, and has many processes share a store; prints what came of it as Markdown.

    python -m tests.campaigns.soak [--seed 0] [--parts kills networks calls sqlite postgresql]

The last two parts take six minutes on two cores without other work. The exit code is 1 where a promise was broken.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests import postgres
from tests.campaigns.soak import kills, sharing

PARTS = ("kills", "networks", "calls", "sqlite", "postgresql")
RANDOM, NETWORKS, CALLS = 40, 20, 40
PROCESSES, TRIALS, EPOCHS = 10, 200, 30
GONE = 3.0  # seconds for which the server is killed


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if set(asked.parts) & {"kills", "networks", "calls"}:
            wrong += _kills(folder, asked.parts, chance)
        if set(asked.parts) & {"sqlite", "postgresql"}:
            sharing.apart(folder / "compiled", 1, 1, EPOCHS)
            apart = sharing.apart(folder / "apart", PROCESSES, TRIALS, EPOCHS)
        if "sqlite" in asked.parts:
            wrong += _sharing(folder / "sqlite", "SQLite", apart, lambda name: str(folder / f"{name}.db"), lambda: None)
        if "postgresql" in asked.parts:
            with postgres.running() as server:
                url_of, then = lambda name: server.database(), lambda: _restart(server)
                wrong += _sharing(folder / "postgresql", "PostgreSQL", apart, url_of, then)
    for line in wrong:
        print(f"wrong: {line}")
    sys.exit(1 if wrong else 0)


def _kills(folder: Path, parts: list[str], chance: random.Random) -> list[str]:
    print("| killed | kills | came after the end | studies completed | trainings done again | what is wrong |")
    print("|---|---|---|---|---|---|", flush=True)
    wrong = []
    for tally in _tallies(folder, parts, chance):
        numbers = (tally.kind, tally.kills, tally.spent, tally.studies, tally.again, len(tally.wrong) or "nothing")
        print(f"| {' | '.join(map(str, numbers))} |", flush=True)
        wrong += [f"killed {tally.kind}: {line}" for line in tally.wrong]
    print()
    return wrong


def _tallies(folder: Path, parts: list[str], chance: random.Random) -> Iterator[kills.Tally]:
    if set(parts) & {"kills", "networks"}:
        other = kills.undisturbed(folder / "undisturbed", kills.STUDY)
    if "kills" in parts:
        yield kills.at_random(folder / "random", other, RANDOM, chance)
    if "networks" in parts:
        yield kills.while_writing_networks(folder / "networks", other, NETWORKS)
    if "calls" in parts and not kills.can_trace():
        print("not killed at calls that write: strace is not here, or may not do its work", file=sys.stderr)
    elif "calls" in parts:
        yield kills.at_calls(folder / "calls", kills.undisturbed(folder / "short", kills.SHORT), CALLS)


def _restart(server: postgres.Server) -> None:
    server.kill()
    time.sleep(GONE)
    server.start()


def _sharing(
    folder: Path, kind: str, apart: tuple[float, list[str]], url_of: Callable[[str], str], then: Callable[[], None]
) -> list[str]:
    alone, stores = apart
    all_of_it = sharing.study(EPOCHS, 0, TRIALS)
    quiet, rough = (
        sharing.together(folder / name, all_of_it, url_of(name), PROCESSES, stores, disturbed=disturbed)
        for name, disturbed in (("together", None), ("disturbed", then))
    )
    rows = [("a store each", f"{alone:.1f}", TRIALS, 0, "nothing")]
    for what, came in (("one store", quiet), ("one killed, one stopped, one clock off", rough)):
        rows.append((what, f"{came.seconds:.1f}", came.rows, came.again, "; ".join(came.wrong) or "nothing"))
    print(f"| {PROCESSES} processes, {TRIALS} trials, {kind} | seconds | trials stored | done again | what is wrong |")
    print("|---|---|---|---|---|")
    print("\n".join(f"| {' | '.join(map(str, row))} |" for row in rows), flush=True)
    print()
    return [f"{kind}: {line}" for came in (quiet, rough) for line in came.wrong]


if __name__ == "__main__":
    main()
