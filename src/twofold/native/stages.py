"""Stages of a process that compiles or compares: whoever waits for it is told where it stands, so where it ended."""

import faulthandler
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# What stands before the name of a stage on standard error.
STAGE = "stage: "

# Seconds for one stage: a hundred times what it takes on a laptop.
STAGE_SECONDS = 120


@contextmanager
def stage(name: str) -> Iterator[None]:
    """A part of the work that is named on standard error, and that ends the process where it takes too long."""
    print(f"{STAGE}{name}", file=sys.stderr, flush=True)
    # By a thread of C, which needs no lock of Python's.
    faulthandler.dump_traceback_later(STAGE_SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
