"""Files and folders to write to: whether they can be, before any work, and what is said of them afterwards."""

import errno
import os
import re
import stat
from contextlib import suppress
from functools import partial
from pathlib import Path

from twofold.errors import SettingError, cause_of
from twofold.paths import SQLITE, nearest_folder, try_folder, write_whole
from twofold.report.text.told import replaced, wrote

# What a process has open, by its number, once links before it are followed; on some systems the shorter names are no
# links.
_OPEN = (re.compile(r"/proc/\d+(/task/\d+)?/fd/\d+"), re.compile(r"/dev/(fd/\d+|std(in|out|err))"))


def check_folder(folder: Path, name: str = "out") -> None:
    """Raise `SettingError` unless files can be written into a folder, or it can be made; nothing is left behind.

    `name` is the option that names the folder.
    """
    try:
        try_folder(nearest_folder(folder))
        for figure in (*folder.glob("*.png"), *folder.glob("*.svg")):
            if figure.is_dir():
                raise IsADirectoryError(None, f"{figure.name} is a folder")
            if figure.exists() and not os.access(figure, os.W_OK):
                raise PermissionError(None, f"{figure.name} may not be written")
    except (OSError, ValueError) as error:
        raise not_a_folder(folder, error, name) from error


def check_file(file: Path, name: str = "out") -> None:
    """Raise `SettingError` unless a file can be written; nothing is left behind. `name` is the option that names it."""
    try:
        status = _status(file)
        if status and stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(None, "a folder has that name")
        if status and not os.access(file, os.W_OK):
            raise PermissionError(None, os.strerror(errno.EACCES))
        if not _is_stream(file):
            if status and _is_database(file):
                raise FileExistsError(None, "a database has that name")
            try_folder(nearest_folder(Path(os.path.realpath(file)).parent))
    except (OSError, ValueError) as error:
        raise not_writable(file, error, name) from error


def write_file(file: Path, content: bytes) -> str:
    """Write a file whole or not at all, and say so; its folder is made if it lacks. Raises `OSError`."""
    if _is_stream(file):
        with suppress(BrokenPipeError), file.open("ab") as stream:  # at its end, where it is a file of the shell's
            stream.write(content)
        return wrote(file)
    target = Path(os.path.realpath(file))
    target.parent.mkdir(parents=True, exist_ok=True)
    before = _status(target)
    beside = target.with_name(f".twofold-{os.getpid()}.part")
    write_whole(target, content, beside, partial(_settle, before=before))
    _keep_folder(target.parent)
    return replaced(file) if before else wrote(file)


def not_a_folder(folder: Path, error: Exception, name: str = "out") -> SettingError:
    """The error for a folder that cannot be written."""
    return SettingError(f"`{name}` (={folder}) cannot be written ({cause_of(error)}); name another folder")


def not_writable(file: Path, error: Exception, name: str = "out") -> SettingError:
    """The error for a file that cannot be written."""
    return SettingError(f"`{name}` (={file}) cannot be written ({cause_of(error)}); name another file")


def _status(file: Path) -> os.stat_result | None:
    """What there is under a name, or None."""
    try:
        return file.stat()
    except FileNotFoundError:
        return None


def _is_stream(file: Path) -> bool:
    """Whether a file is written as it comes: a pipe, a terminal, or what a process has open, such as /dev/stdout."""
    status = _status(file)
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


def _is_database(file: Path) -> bool:
    """Whether a file is one of SQLite's, such as a store, which no page should replace."""
    with file.open("rb") as content:
        return content.read(len(SQLITE)) == SQLITE


def _settle(part: Path, before: os.stat_result | None) -> None:
    """Have a file's content on the disk, and give it the rights of the one that it will replace."""
    with part.open("rb") as written:
        os.fsync(written.fileno())
    if before:
        _give_rights(part, before)


def _give_rights(file: Path, status: os.stat_result) -> None:
    """Give a file the owner and the permissions of the one that it will replace, as far as we may."""
    with suppress(OSError):
        os.chown(file, status.st_uid, status.st_gid)
    with suppress(OSError):
        file.chmod(stat.S_IMODE(status.st_mode))


def _keep_folder(folder: Path) -> None:
    """Have the names of a folder's files on the disk, where the system can do that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
