"""Which process a run is in, so that one that ended is known at once on its own machine, and never guessed.

A process number alone tells nothing: another machine has the same, and so has a container beside this one, and numbers
are given anew. Linux tells apart what has started (`boot_id`), the namespace of process numbers, and when a process
began. Elsewhere nothing is told, and a run that was killed is forgotten when its beats stand still.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

# The place of a process's state and of its beginning (in ticks since the machine started) in /proc/PID/stat, counted
# after its name, which is in brackets and may have blanks.
_STATE, _BEGAN = 0, 19
_STATES_OF_ENDED = ("Z", "X")  # which nobody has waited for yet

_ENDED, _HIDDEN = "ended", ""


def this_process() -> str:
    """What tells this process from all others there ever were; empty where the system does not say."""
    here, began = _here(), _standing(os.getpid())
    return f"{here}:{os.getpid()}:{began}" if here and began != _HIDDEN else ""


def number_of(process: str) -> str:
    """The number of a process that called itself so (`this_process`); empty where it is not known."""
    _, _, rest = process.partition(":")
    return rest.partition(":")[0]


def has_ended(process: str) -> bool:
    """Whether the process that called itself so (`this_process`) has ended; false where that is not known."""
    here, number, began = process.partition(":")[0], number_of(process), process.rpartition(":")[2]
    if not here or here != _here() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)  # sends no signal, only asks
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):  # another user's, and alive
        return False
    return _standing(int(number)) not in (began, _HIDDEN)


@cache
def _here() -> str:
    """What tells this start of this machine, and its namespace of process numbers."""
    try:
        started = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{started}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _standing(number: int) -> str:
    """When the process of this number began; `_ENDED` where it has, and `_HIDDEN` where the system does not say."""
    try:
        told = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _HIDDEN
    return _ENDED if told[_STATE] in _STATES_OF_ENDED else told[_BEGAN]
