"""Standard output and standard error as the program finds them: few signs, a reader who leaves, a full disk."""

import contextlib
import errno
import functools
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO, cast

from twofold.errors import cause_of
from twofold.report.streams import SafeStream

Main = Callable[[Sequence[str] | None], int]

# Columns that tables and help are laid out for.
_NARROWEST, _WIDEST = 20, 1000

# Where output could not be written, though the reader wanted it.
_NOT_WRITTEN = 1

# What tells that the reader of our output (head, say) has seen enough; Windows says EINVAL.
_SEEN_ENOUGH = {errno.EPIPE, errno.EINVAL} if os.name == "nt" else {errno.EPIPE}


def set_up_streams() -> None:
    """Make the standard streams of our own process such that all of our output gets through.

    Not where we are called within another program, whose streams and variables these are.
    """
    _open_what_is_closed()
    _wait_for_readers()
    _keep_width_usable()


def with_safe_streams(main: Main) -> Main:
    """A main program whose work no output can stop: it goes on to its end, and the exit code tells.

    Of a reader who has seen enough nothing is said. Anything else that standard output fails with is said in a line on
    standard error, and makes the exit code 1 where there was no other fault.
    """

    @functools.wraps(main)
    def run(arguments: Sequence[str] | None = None) -> int:
        with _safe("stdout") as out, _safe("stderr") as err:
            code = main(arguments)
            out.flush()
            if out.failure is None or _seen_enough(out.failure):
                return code
            print(
                f"twofold: cannot write to standard output ({cause_of(out.failure)}); nothing else is lost, "
                "and the same command prints it again",
                file=err,
            )
            return code or _NOT_WRITTEN

    return run


@contextlib.contextmanager
def _safe(name: str) -> Iterator[SafeStream]:
    """Puts a safe stream in the place of one of Python's."""
    found, safe = getattr(sys, name), SafeStream(name)
    setattr(sys, name, cast(TextIO, safe))
    try:
        yield safe
    finally:
        safe.flush()
        setattr(sys, name, found)


def tell(text: str) -> None:
    """Print a text to standard error. A terminal breaks a line between words; several, which may be code, stay."""
    if sys.stderr.isatty() and "\n" not in text:
        room = shutil.get_terminal_size((next(filter(None, _terminal_widths()), 80), 0)).columns
        text = textwrap.fill(text, room, break_long_words=False, break_on_hyphens=False)
    print(text, file=sys.stderr)


def _seen_enough(failure: Exception) -> bool:
    return isinstance(failure, OSError) and failure.errno in _SEEN_ENOUGH


def _open_what_is_closed() -> None:
    """Where the shell has closed a standard stream (`>&-`), the next file opened would take its number.

    What libraries write to standard error would stand in it then.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _keep_width_usable() -> None:
    """Lay out for a width that words fit into, whatever COLUMNS or the terminal says.

    COLUMNS=0 is common where no terminal is. rich loses words in it, and never comes to an end in a few columns.
    """
    given = os.environ.pop("COLUMNS", "")
    columns = int(given) if given.isdecimal() else 0
    if columns:
        os.environ["COLUMNS"] = str(min(max(columns, _NARROWEST), _WIDEST))
    elif any(0 < width < _NARROWEST for width in _terminal_widths()):
        os.environ["COLUMNS"] = str(_NARROWEST)
    if not os.environ.get("LINES", "1").isdecimal():
        del os.environ["LINES"]


def _terminal_widths() -> Iterator[int]:
    for number in range(3):
        with contextlib.suppress(OSError):
            yield os.get_terminal_size(number).columns


def _wait_for_readers() -> None:
    """A pipe that another program made non-blocking would lose what does not fit into it at once."""
    if os.name != "nt":
        for number in (1, 2):
            os.set_blocking(number, True)
