"""Signals: Ctrl-C, SIGTERM, which systems end programs with, and SIGHUP, which says that the terminal is gone.

They are noticed by a thread of their own, which ends the process. The main thread is not interrupted: it may be
compiling for many seconds, and an exception in the midst of a library's code may be dropped there, or be more than
the library can bear. The first signal lets finish what must not be cut short; a second ends the process at once.

This is imported before anything else, and so imports nothing that takes long.
"""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from twofold.shutdown import shut_down

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # not every system has all of them

# Seconds after the first signal in which everything has to be done.
_PATIENCE = 1.5

# Seconds that standard error may take for one sentence; nobody may be reading it.
_PATIENCE_TO_SAY = 0.2

_SHOW_CURSOR = b"\x1b[?25h"

_ending = threading.Event()
_said = threading.Event()
_saying = threading.Lock()


def watch(sentence: str) -> None:
    """From now on end the process when a signal asks for it, and say the sentence; for the main thread only.

    The exit code is what a shell reports for a process that the signal ended: 128 and the signal's number. Signals that
    whoever started the program has it ignore (`nohup`, a background job) stay ignored.
    """
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    caught = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    reads, writes = _pipe()
    if os.name == "posix":
        os.set_blocking(writes, False)
    signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    for number in caught:
        signal.signal(number, _leave_it_to_the_thread)
    _in_thread(_wait, reads, caught, sentence)


def leave(code: int) -> None:
    """End the process with this exit code, unless a signal is ending it already.

    At once: Python's own way out waits for what compiles in the background, and hears of no signal meanwhile. What
    libraries have to clear away is cleared away, but not after an error, when something may still be compiling.
    """
    _flush()
    shut_down()  # of processes that we started
    if code == 0:
        atexit._run_exitfuncs()
    if _ending.is_set():
        threading.Event().wait()
    os._exit(code)


def _leave_it_to_the_thread(number: int, frame: FrameType | None) -> None:
    """Does nothing: what matters is that there is a handler, so that Python writes the number to the pipe."""


def _pipe() -> tuple[int, int]:
    """A pipe neither of whose ends has taken the number of a standard stream that is closed."""
    ends = os.pipe()
    if min(ends) > 2:
        return ends
    try:
        return _pipe()  # while those numbers are taken
    finally:
        for end in ends:
            os.close(end)


def _wait(reads: int, caught: list[int], sentence: str) -> None:
    """Wait for the first signal, and for the second."""
    code = 128 + _next(reads, caught)
    _ending.set()
    try:
        _in_thread(_end_tidily, code, sentence)
        _in_thread(_end_late, code, sentence)
    except RuntimeError:  # the system has no more threads for us
        os._exit(code)
    _end(128 + _next(reads, caught), sentence, tidy=False)


def _in_thread(function: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def _next(reads: int, caught: list[int]) -> int:
    """The number of the next signal of those caught; others come through the same pipe."""
    while (number := os.read(reads, 1)[0]) not in caught:
        pass
    return number


def _end_tidily(code: int, sentence: str) -> None:
    shut_down()
    _flush()
    _end(code, sentence, tidy=True)


def _end_late(code: int, sentence: str) -> None:
    time.sleep(_PATIENCE)
    _end(code, sentence, tidy=False)


def _end(code: int, sentence: str, *, tidy: bool) -> None:
    with suppress(RuntimeError):
        _in_thread(_say, sentence, tidy).join(_PATIENCE_TO_SAY)
    os._exit(code)


def _say(sentence: str, tidy: bool) -> None:
    """Say the sentence, once.

    Not through `sys.stderr`, which may be drawing; where it could not be stopped, the cursor is still hidden.
    """
    with _saying, suppress(OSError):
        if _said.is_set() or sys.__stderr__ is None:
            return
        _said.set()
        drawing = not tidy and os.isatty(2) and os.environ.get("TERM") not in (None, "", "dumb", "unknown")
        os.write(2, (_SHOW_CURSOR + b"\n" if drawing else b"") + f"twofold: {sentence}\n".encode())


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # there is none, nobody reads it, or it is closed
            stream.flush()
