"""The program `twofold`: what the console script runs. Signals are watched for before anything else is imported."""

import os
import sys
import threading
from collections.abc import Sequence

from twofold.cli.signals import leave, watch

# The commands that train, and go on where they were stopped.
_TRAINING = ("study", "grid", "sweep", "tune")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program to the end of its process, or with `arguments` one command in the process of another program.

    In another program the exit code is returned, and nothing is ours that the whole process has once: signals (Ctrl-C
    is a `KeyboardInterrupt` there), variables, files that are open.
    """
    if arguments is not None or threading.current_thread() is not threading.main_thread():
        return _run(arguments)
    watch(_sentence(sys.argv[1:]))
    _set_up()
    code = _run(arguments)
    leave(code)
    return code


def _set_up() -> None:
    """Make the process one that our work can be done in, whatever it was started from."""
    from twofold.cli.streams import set_up_streams
    from twofold.training.environment import clean_environment

    set_up_streams()
    clean_environment()
    # The shell of a notebook hands its backend on; all that is drawn here is written to files.
    os.environ.pop("MPLBACKEND", None)


def _run(arguments: Sequence[str] | None) -> int:
    from twofold.cli.app import main as run

    return run(arguments)


def _sentence(words: Sequence[str]) -> str:
    """What is said when a signal ends the program."""
    if words[:2] == ["store", "merge"]:
        return "stopped; what was taken is stored, and the same command goes on from there"
    if words and words[0] in _TRAINING:
        return "stopped; what was complete is stored, and the same command goes on from there"
    return "stopped"
