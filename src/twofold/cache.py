"""The user's cache folder: what is kept there can be made again, so whatever is wrong with it costs time, nothing else.

A file begins with the hash of its content, which is checked before anything is done with it: of machine code a single
changed bit may crash the program or, worse, change its numbers.
"""

import hashlib
from contextlib import suppress
from pathlib import Path

import platformdirs

from twofold.files import clear_partial, write_whole

_HASH = hashlib.sha256
_HASH_SIZE = _HASH().digest_size


def cache_folder() -> Path | None:
    """The folder; it may lack, and may be one that cannot be made or written. None where this user has no home."""
    try:
        return platformdirs.user_cache_path("twofold")
    except RuntimeError:  # neither HOME nor XDG_CACHE_HOME is set, and the system does not know the user
        return None


def place_of(name: str) -> Path | None:
    """Where something is kept under a name, a path within the folder; None where there is no folder."""
    folder = cache_folder()
    return folder and folder / name


def read_kept(name: str) -> bytes | None:
    """What is kept under a name; None where that is nothing, or damaged."""
    file = place_of(name)
    with suppress(OSError):
        # A pipe would keep us waiting, and a device such as /dev/zero has no end.
        kept = file.read_bytes() if file and file.is_file() else b""
        content = kept[_HASH_SIZE:]
        if _HASH(content).digest() == kept[:_HASH_SIZE]:
            return content
    return None


def keep(name: str, content: bytes, most: int) -> None:
    """Keep content under a name, in the place of what was there, if that can be done.

    The file appears whole or not at all. Of the files in its folder the latest `most` stay.
    """
    file = place_of(name)
    if file is None:
        return
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_symlink():  # whatever it leads to is not ours
            file.unlink()
        write_whole(file, _HASH(content).digest() + content)
        clear_partial(file.parent)
        _forget(file.parent, most)


def _forget(folder: Path, most: int) -> None:
    files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[most:]:
        file.unlink(missing_ok=True)
