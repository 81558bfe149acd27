"""Files and folders to write to: whether they can be, before any work, and what is said of them afterwards."""

import contextlib
import os
import tempfile
from pathlib import Path

from twofold import shutdown
from twofold.errors import SettingError, cause_of
from twofold.report.text.told import replaced, wrote


def check_folder(folder: Path, name: str = "out") -> None:
    """Raise `SettingError` unless files can be written into a folder, or it can be made; nothing is left behind.

    `name` is the option that names the folder.
    """
    try:
        _try(_nearest(folder))
        for figure in (*folder.glob("*.png"), *folder.glob("*.svg")):
            if figure.is_dir():
                raise IsADirectoryError(None, f"{figure.name} is a folder")
    except (OSError, ValueError) as error:
        raise not_a_folder(folder, error, name) from error


def check_file(file: Path, name: str = "out") -> None:
    """Raise `SettingError` unless a file can be written; nothing is left behind. `name` is the option that names it."""
    try:
        if file.is_dir():
            raise IsADirectoryError(None, "a folder has that name")
        if not file.exists() or file.is_file():
            _try(_nearest(file.parent))
    except (OSError, ValueError) as error:
        raise not_writable(file, error, name) from error


def write_file(file: Path, content: bytes) -> str:
    """Write a file whole or not at all, and say so; its folder is made if it lacks. Raises `OSError`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and not file.is_file():  # a pipe or a terminal: /dev/stdout
        with contextlib.suppress(BrokenPipeError):  # a reader who has seen enough
            file.write_bytes(content)
        return wrote(file)
    said = replaced(file) if file.exists() else wrote(file)
    # Beside it first: who reads meanwhile, or after a crash, finds the old file or the new one.
    target = file.resolve()
    beside = target.with_name(f".twofold-{os.getpid()}.part")
    with shutdown.critical:
        try:
            beside.write_bytes(content)
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)
    return said


def not_a_folder(folder: Path, error: Exception, name: str = "out") -> SettingError:
    """The error for a folder that cannot be written."""
    return SettingError(f"`{name}` (={folder}) cannot be written ({cause_of(error)}); name another folder")


def not_writable(file: Path, error: Exception, name: str = "out") -> SettingError:
    """The error for a file that cannot be written."""
    return SettingError(f"`{name}` (={file}) cannot be written ({cause_of(error)}); name another file")


def _nearest(folder: Path) -> Path:
    """The folder, or where it is not there the nearest above it that is."""
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            place.lstat()
        except FileNotFoundError:
            continue
        return place
    return folder


def _try(folder: Path) -> None:
    """Raise `OSError` unless a file can be made in a folder that is there."""
    with tempfile.TemporaryFile(dir=folder):
        pass
