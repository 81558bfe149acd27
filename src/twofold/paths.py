"""Paths as users give them, and whether a folder can be written."""

import os
from pathlib import Path
from typing import Any

from twofold.errors import SettingError

# So many bytes are written to see whether a folder takes any: about a figure's.
_TRIAL = 64 * 1024

# With what every SQLite database that is not empty begins.
SQLITE = b"SQLite format 3\0"


def typed_path(name: str, value: Any) -> Path:
    """The path that a user gave for the option or argument of this name; `~` is the home folder.

    A shell leaves `~` to us where it stands after an equals sign. `~nobody` is a name like any other, where there is no
    such user. Raises `SettingError` for what is no path, and for one that is no text: it could not be stored or shown.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise SettingError(f"`{name}` (={value!r}) must be a path")
    if not is_text(text):
        raise SettingError(f"`{name}` (={text}) is no text in UTF-8; give the file another name")
    path = os.path.expanduser(text)
    if path.partition("/")[0] == "~":
        raise SettingError(f"`{name}` (={text}) has a ~, and no home folder is known; give the whole path")
    return Path(path)


def is_text(text: str) -> bool:
    """Whether all of it can be stored and shown: Python takes bytes of a name that are no text for half characters."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def try_folder(folder: Path) -> None:
    """Raise `OSError` unless files can be made in a folder that is there, and filled; nothing is left behind."""
    import tempfile  # not at the top: what only shows help has no use for it

    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(_TRIAL))


def nearest_folder(folder: Path) -> Path:
    """The folder, or where it is not there the nearest above it that is."""
    for place in (folder.absolute(), *folder.absolute().parents):
        try:
            place.lstat()
        except FileNotFoundError:
            continue
        return place
    return folder
