"""Files that are written whole or not at all, whenever the program is killed and whatever the disk says.

A file is first written beside itself, under a name that nobody else has, and flushed to the disk; then it takes its
name. Who reads meanwhile, or after a crash, finds the old file or the new one. What a killed run left of one is known
by its name and by the lock that it no longer has, and is cleared by the next who writes there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from twofold import shutdown

# What a process has open, by its number, once links before it are followed; on some systems the shorter names are no
# links.
_OPEN = (re.compile(r"/proc/\d+(/task/\d+)?/fd/\d+"), re.compile(r"/dev/(fd/\d+|std(in|out|err))"))

# How a file is called until it is whole, now and by earlier versions. Short, so that a name may be as long as can be.
_PARTIAL = re.compile(r"\.twofold-[0-9a-f]{16}\.partial|[0-9a-f]{64}\.\d+\.partial")


def write_whole(file: Path, content: bytes) -> None:
    """Write a file whole or not at all, and not cut short by a signal; its folder is there. Raises `OSError`.

    Of a link its target is written. What is there and is no file, such as a pipe, is replaced by one.
    """
    with shutdown.critical, writing_whole(file) as part:
        part.write(content)


def write_stream(file: Path, content: bytes) -> None:
    """Write to what `is_stream` as it is; its reader may leave. Raises `OSError`."""
    with suppress(BrokenPipeError), file.open("ab") as stream:  # at its end, where it is a file of the shell's
        stream.write(content)


@contextmanager
def writing_whole(file: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes this name when all is written; it is gone where that fails, or a signal comes.

    It has the rights of an ordinary new file, or those of the one that it replaces. Raises `OSError`, and for a device
    too, which is never replaced.
    """
    target = Path(os.path.realpath(file))
    before = status_of(target)
    if before and (stat.S_ISCHR(before.st_mode) or stat.S_ISBLK(before.st_mode)):
        raise OSError(errno.EINVAL, "it is a device", str(target))
    with shutdown.critical:
        part = _new_partial(target.parent)
        remove = Path(part.name).unlink
        shutdown.register(remove)
    try:
        with part:
            yield part
            with shutdown.critical:  # else a signal may take it away meanwhile
                part.flush()
                if before and stat.S_ISREG(before.st_mode):
                    _give_rights(part.fileno(), before)
                put_in_place(Path(part.name), target)
    finally:
        shutdown.unregister(remove)
        with suppress(FileNotFoundError):
            remove()


def put_in_place(part: Path, file: Path) -> None:
    """Give a file that is written another's name, in the same folder, once all of it is on the disk."""
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(file)
    with suppress(OSError):  # not every system can do that with a folder
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def clear_partial(folder: Path) -> None:
    """Delete what killed runs left in a folder of files that were not whole yet, and nothing else."""
    with suppress(OSError):
        for path in [folder / name for name in os.listdir(folder) if _PARTIAL.fullmatch(name)]:
            with suppress(OSError), path.open("r+b") as part:
                _lock(part)  # which whoever still writes it has
                path.unlink()


def status_of(file: Path) -> os.stat_result | None:
    """What there is under a name, or None. Raises `OSError` where that cannot be told."""
    try:
        return file.stat()
    except FileNotFoundError:
        return None


def is_stream(file: Path) -> bool:
    """Whether a file is written as it comes: a pipe, a terminal, or what a process has open, such as /dev/stdout."""
    status = status_of(file)
    return status is not None and (not stat.S_ISREG(status.st_mode) or _is_open(file))


def _is_open(file: Path) -> bool:
    """Whether the name of a file that is there, or what it links to, is one for what a process has open.

    Links are followed one by one: the last leads from there to the file that the shell opened.
    """
    while True:
        name = Path(os.path.realpath(file.parent), file.name)
        if any(each.fullmatch(str(name)) for each in _OPEN):
            return True
        if not name.is_symlink():
            return False
        file = name.parent / name.readlink()


def _new_partial(folder: Path) -> IO[bytes]:
    """A new file that is locked, in a folder."""
    while True:
        path = folder / f".twofold-{secrets.token_hex(8)}.partial"
        part = path.open("x+b")
        try:
            _lock(part)
        except BlockingIOError:  # somebody clears it just now
            pass
        except OSError:  # a file system without locks: there nothing is cleared either
            return part
        else:
            if path.exists():
                return part
        part.close()


def _lock(part: IO[bytes]) -> None:
    """Take the lock of a file, which is given up when it is closed, or its process ends. Raises `OSError`."""
    fcntl.flock(part.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def _give_rights(number: int, status: os.stat_result) -> None:
    """Give an open file the owner and the permissions of the one that it will replace, as far as we may."""
    with suppress(OSError):
        os.fchown(number, status.st_uid, status.st_gid)
    with suppress(OSError):
        os.fchmod(number, stat.S_IMODE(status.st_mode))
