"""The work of compiling and comparing: its parts, each for two processes of its own at the same time as the others; and
the stages of such a process: whoever waits for it is told where it stands, so where it ended."""

import faulthandler
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# The operations of the paper's networks and the optimizers' steps; those that any network may have; and of these the
# convolutions by tiles, which take as long to compile as all that the paper's networks need.
PARTS = PAPERS, ANY, TILES = "papers", "any", "tiles"

# What stands before the name of a stage on standard error.
STAGE = "stage: "

# How faulthandler begins where a stage took too long.
TIMEOUT = "Timeout ("

# Seconds for one stage: a hundred times what it takes on a laptop.
STAGE_SECONDS = 120

# The exit code of a process that lacked memory, files or packages: what another time may go well.
LACKED = os.EX_TEMPFAIL


def give_way() -> None:
    """Leave a core to whoever waits for this process, and has other things to do until then."""
    if hasattr(os, "nice"):
        os.nice(5)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """A part of the work that is named on standard error, and that ends the process where it takes too long.

    Where this machine lacks something just now, the process ends with `LACKED`.
    """
    print(f"{STAGE}{name}", file=sys.stderr, flush=True)
    # By a thread of C, which needs no lock of Python's.
    faulthandler.dump_traceback_later(STAGE_SECONDS, exit=True)
    try:
        yield
    except (ImportError, MemoryError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(LACKED)
    faulthandler.cancel_dump_traceback_later()
