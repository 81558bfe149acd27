"""Processes that a test starts, none of which outlives it."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

# Seconds after which what is waited for will not come, on the slowest machine.
PATIENCE = 120

Launch = Callable[..., subprocess.Popen]


@contextmanager
def launching() -> Iterator[Launch]:
    """A function that starts processes as `Popen` does; those that still run at the end are killed, and all reaped."""
    with ExitStack() as stack:

        def launch(*arguments, **options) -> subprocess.Popen:
            process = stack.enter_context(subprocess.Popen(*arguments, **options))
            stack.callback(process.kill)  # before it is waited for
            return process

        yield launch


def wait_until(process: subprocess.Popen, condition: Callable[[], object]) -> None:
    """Until the condition is true; fails where the process ends first, or where it never becomes true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)
