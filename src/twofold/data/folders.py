"""A folder with a folder of pictures for each class, or two of those: train/ and test/."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from twofold.data.naming import check_wanted, natural, natural_key, printable
from twofold.data.pictures import is_picture_name, read_pictures
from twofold.data.reading import MOST_PICTURES, Part, Raw, Reading, listed_classes
from twofold.errors import DataError, cause_of

# What systems leave in folders; names that begin with a dot are theirs too.
_LEFT_BY_SYSTEMS = {"thumbs.db", "desktop.ini", "__macosx"}

_PARTS = ("train", "test")

# The classes of a part, and the pictures of each.
_Listing = dict[str, list[str]]


def listed(folder: Path) -> dict[str, _Listing] | None:
    """The pictures of a folder by part ("train", and "test" where it has both) and class; None where it has no folders.

    Raises `DataError` for a class without pictures, a link into nothing or in a circle, and too many pictures.
    """
    folders = _folders_in(folder)
    if not folders:
        return None
    stray = next((path for path in pictures_in(folder) if is_picture_name(path)), None)
    if stray is not None:
        raise DataError(f"{printable(stray)} lies beside the folders of the classes; move it into one, or remove it")
    called = {name.lower(): name for name in folders}
    if set(_PARTS) <= set(called):
        others = [name for name in folders if name.lower() not in _PARTS]
        if others:
            raise DataError(
                f"{folder} has train, test and {printable(others[0])}; it must have train and test alone, or the "
                "classes (validation pairs are drawn from the training images)"
            )
        return {part: _classes(folder / called[part]) for part in _PARTS}
    return {"train": _classes(folder)}


def read_folder(folder: Path, listing: dict[str, _Listing], reading: Reading) -> Raw:
    """The pictures that were listed, of the classes that are wanted."""
    names = natural(listing["train"])
    unknown = next((name for name in listing.get("test", ()) if name not in listing["train"]), None)
    if unknown is not None:
        raise DataError(
            f"{folder}/test has the class {printable(unknown)}, and train has none of that name; add it there"
        )
    check_wanted(reading.classes or (), names)
    chosen = [name for name in names if reading.classes is None or name in reading.classes]
    of_parts = {
        part: [(path, names.index(name)) for name in chosen for path in classes.get(name, ())]
        for part, classes in listing.items()
    }
    return pictures_of(str(folder), of_parts, tuple(names), reading)


def pictures_in(folder: Path) -> list[str]:
    """The files in a folder, and not those in folders within, in natural order; hidden ones are left out."""
    return [path for _, path, is_folder in sorted(_entries(str(folder)), key=_by_name) if not is_folder]


def pictures_of(
    origin: str, of_parts: dict[str, list[tuple[str, int]]], names: tuple[str, ...], reading: Reading
) -> Raw:
    """The pictures of each part, with the places of their classes among the names, as a source has them."""
    together = [path for pictures in of_parts.values() for path, _ in pictures]
    if not together:
        raise DataError(
            f"{origin} has no picture of the classes {listed_classes(reading.classes or names)}; it has {_some(names)}"
        )
    images = read_pictures(together, reading.size)
    ends = np.cumsum([len(pictures) for pictures in of_parts.values()])[:-1]
    parts = [
        Part(some, np.array([place for _, place in pictures], np.int32), origin)
        for some, pictures in zip(np.split(images, ends), of_parts.values())
    ]
    return Raw(parts[0], parts[1] if len(parts) > 1 else None, names, sized=True)


def _some(names: tuple[str, ...]) -> str:
    return listed_classes(names[:10]) + (" and more" if len(names) > 10 else "")


def _classes(folder: Path) -> _Listing:
    classes: _Listing = {}
    for name in _folders_in(folder):
        classes[name] = list(_pictures_below(str(folder / name), (_identity(str(folder)),)))
        if not classes[name]:
            raise DataError(f"{printable(str(folder / name))} has no pictures; put some in, or remove it")
        if sum(map(len, classes.values())) > MOST_PICTURES:
            raise DataError(f"{folder} has more than {MOST_PICTURES} pictures; take fewer")
    if not classes:
        raise DataError(f"{folder} has no folder of pictures; make one for each class, named as the class")
    return classes


def _folders_in(folder: Path) -> list[str]:
    return natural(name for name, path, is_folder in _entries(str(folder)) if is_folder)


def _pictures_below(folder: str, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    """The files in a folder and in those within, links followed; `above` are the folders that it lies in."""
    identity = _identity(folder)
    if identity in above:
        raise DataError(f"{printable(folder)} leads back to a folder that it lies in; remove the link")
    for _, path, is_folder in sorted(_entries(folder), key=_by_name):
        if is_folder:
            yield from _pictures_below(path, (*above, identity))
        else:
            yield path


def _entries(folder: str) -> Iterator[tuple[str, str, bool]]:
    """Name and path of what is in a folder, and whether it is a folder too; what systems leave there is left out."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.casefold() in _LEFT_BY_SYSTEMS:
                    continue
                kind = _status(entry.path).st_mode
                if not (stat.S_ISDIR(kind) or stat.S_ISREG(kind)):
                    raise DataError(f"{printable(entry.path)} is a pipe or a device; remove it")
                yield entry.name, entry.path, stat.S_ISDIR(kind)
    except OSError as error:
        raise DataError(f"cannot read the folder {printable(folder)} ({cause_of(error)}); make it readable") from error


def _by_name(entry: tuple[str, str, bool]) -> tuple:
    return natural_key(entry[0])


def _identity(folder: str) -> tuple[int, int]:
    status = _status(folder)
    return status.st_dev, status.st_ino


def _status(path: str) -> os.stat_result:
    """The status of what a path leads to."""
    try:
        return os.stat(path)
    except OSError as error:
        where = "leads nowhere" if os.path.islink(path) else "cannot be looked at"
        raise DataError(f"{printable(path)} {where} ({cause_of(error)}); mend or remove it") from error
