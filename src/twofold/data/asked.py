"""Pictures in pairs, which somebody asks a trained network about: two of them, two folders, a list, or arrays."""

import csv
import io
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twofold.data.folders import pictures_in
from twofold.data.naming import printable
from twofold.data.npz import check_room
from twofold.errors import DataError, SettingError, cause_of, counted, shown
from twofold.paths import typed_path

# The arrays of an .npz file: both images of each pair in one, or those on each side in two.
_TOGETHER, _APART = "images", ("left", "right")
_LISTS, _ARCHIVE = (".csv", ".tsv", ".txt"), ".npz"
_MOST_BYTES = 64 * 1024**2

_EXAMPLE = "a CSV file with the columns left and right, an .npz file with images (n, 2, h, w), or two pictures"


@dataclass(frozen=True)
class Pair:
    """Two pictures, each a file or an array (h, w) or (channels, h, w), and their names as they are shown."""

    names: tuple[str, str]
    pictures: tuple[str | np.ndarray, str | np.ndarray]


def find_pairs(left: str | Path, right: str | Path | None = None) -> list[Pair]:
    """The pairs of two pictures, of two folders in the natural order of their names, of a list or of arrays.

    A list is a CSV file with the columns left and right, whose paths are seen from its folder. An .npz file has
    `images` (n, 2, h, w), or `left` and `right` (n, h, w), where channels may follow or go before h and w. No picture
    is read yet. Raises `SettingError` where a side lacks or is of another kind than the other, `DataError` where there
    is no such file, or folders have unequal numbers of pictures.
    """
    first = _there("left", left)
    if right is None:
        return _of_one_file(first)
    second = _there("right", right)
    if first.is_dir() != second.is_dir():
        raise SettingError(f"`left` (={left}) and `right` (={right}) must be two pictures, or two folders of them")
    if not first.is_dir():
        return [Pair((printable(str(first)), printable(str(second))), (str(first), str(second)))]
    sides = [pictures_in(first), pictures_in(second)]
    counts = [len(side) for side in sides]
    if counts[0] != counts[1]:
        raise DataError(
            f"{first} has {counted(counts[0], 'picture')} and {second} has {counts[1]}; give as many on each side"
        )
    if not counts[0]:
        raise DataError(f"{first} and {second} have no pictures; put some in")
    return [Pair((printable(one), printable(other)), (one, other)) for one, other in zip(*sides)]


def _there(name: str, typed: str | Path) -> Path:
    path = typed_path(name, typed)
    if not (path.is_file() or path.is_dir()):
        raise DataError(f"there is no file or folder {path}; check the path given as `{name}`")
    return path


def _of_one_file(path: Path) -> list[Pair]:
    if path.suffix.lower() == _ARCHIVE:
        return _of_arrays(path)
    if path.suffix.lower() in _LISTS and path.is_file():
        return _of_list(path)
    raise SettingError(f"`left` (={path}) is one side of a pair; give the other side too, or one file: {_EXAMPLE}")


def _of_list(path: Path) -> list[Pair]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path} is larger than {_MOST_BYTES // 1024**2} MiB; a row has two paths alone")
        text = path.read_bytes().decode("utf-8-sig")
        separator = max(",;\t", key=text.partition("\n")[0].count)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise DataError(f"cannot read {path} ({cause_of(error)}); make it readable") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} is no CSV file in UTF-8 ({cause_of(error)}); give each pair a row: left,right"
        ) from error
    if not rows:
        raise DataError(f"{path} names no pair; give each one a row below the line left,right")
    pairs = []
    for number, row in rows:
        cells = {str(name).strip().casefold(): cell for name, cell in row.items()}
        lacking = next((side for side in _APART if not str(cells.get(side) or "").strip()), None)
        if lacking is not None:
            raise DataError(
                f"{path}, row {number}: it has no {lacking}; give each pair a row below the line left,right"
            )
        left, right = (cells[side].strip() for side in _APART)
        found = [str(path.parent / os.path.expanduser(each)) for each in (left, right)]
        pairs.append(Pair((printable(left), printable(right)), (found[0], found[1])))
    return pairs


def _of_arrays(path: Path) -> list[Pair]:
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("it is no archive")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            if _TOGETHER in content and any(side in content for side in _APART):
                raise DataError(f"{path} has images, and left or right too; keep images, or left and right")
            wanted = (_TOGETHER,) if _TOGETHER in content else _APART
            lacking = next((name for name in wanted if name not in content), None)
            if lacking is not None:
                held = shown(", ".join(content) or "nothing")
                raise DataError(f"{path} lacks `{lacking}` (it holds {held}); it needs images, or left and right")
            check_room(path, wanted)
            arrays = [content[name] for name in wanted]
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"cannot read {path} as an .npz file of numbers ({cause_of(error)}); save one with numpy.savez(path, "
            "images=...)"
        ) from error
    if wanted == (_TOGETHER,):
        (images,) = arrays
        if images.ndim not in (4, 5) or images.shape[1] != 2:
            raise DataError(
                f"{path} has images of shape {images.shape}; they must be (n, 2, h, w), maybe with channels"
            )
        arrays = [images[:, 0], images[:, 1]]
    return _in_pairs(path, *arrays)


def _in_pairs(path: Path, left: np.ndarray, right: np.ndarray) -> list[Pair]:
    for side in (left, right):
        if side.ndim not in (3, 4) or side.dtype.kind not in "iufb":
            raise DataError(
                f"{path} has images of shape {side.shape} and type {side.dtype}; each side must be numbers of "
                "(n, h, w), (n, channels, h, w) or (n, h, w, channels)"
            )
    if len(left) != len(right) or not len(left):
        raise DataError(f"{path} has {len(left)} left and {len(right)} right images; give as many, and one at least")
    names = [(f"left {place}", f"right {place}") for place in range(len(left))]
    return [Pair(name, (one, other)) for name, one, other in zip(names, left, right)]
