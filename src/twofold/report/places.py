"""Files and folders to write to: whether they can be, before any work, and what is said of them afterwards."""

import errno
import os
import stat
from pathlib import Path

from twofold.errors import SettingError, cause_of
from twofold.files import clear_partial, is_stream, status_of, write_stream, write_whole
from twofold.paths import SQLITE, nearest_folder, try_folder
from twofold.report.text.told import replaced, wrote


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
        status = status_of(file)
        if status and stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(None, "a folder has that name")
        if status and not os.access(file, os.W_OK):
            raise PermissionError(None, os.strerror(errno.EACCES))
        if not is_stream(file):
            if status and _is_database(file):
                raise FileExistsError(None, "a database has that name")
            try_folder(nearest_folder(Path(os.path.realpath(file)).parent))
    except (OSError, ValueError) as error:
        raise not_writable(file, error, name) from error


def write_file(file: Path, content: bytes) -> str:
    """Write a file whole or not at all, and say so; its folder is made if it lacks. Raises `OSError`."""
    if is_stream(file):
        write_stream(file, content)
        return wrote(file)
    folder = Path(os.path.realpath(file)).parent
    folder.mkdir(parents=True, exist_ok=True)
    clear_partial(folder)
    there = status_of(file)
    write_whole(file, content)
    return replaced(file) if there else wrote(file)


def not_a_folder(folder: Path, error: Exception, name: str = "out") -> SettingError:
    """The error for a folder that cannot be written."""
    return SettingError(f"`{name}` (={folder}) cannot be written ({cause_of(error)}); name another folder")


def not_writable(file: Path, error: Exception, name: str = "out") -> SettingError:
    """The error for a file that cannot be written."""
    return SettingError(f"`{name}` (={file}) cannot be written ({cause_of(error)}); name another file")


def _is_database(file: Path) -> bool:
    """Whether a file is one of SQLite's, such as a store, which no page should replace."""
    with file.open("rb") as content:
        return content.read(len(SQLITE)) == SQLITE
