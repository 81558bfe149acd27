"""A CSV file with the path and the label of each picture, and maybe whether it is for training or for tests."""

import csv
import io
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from twofold.data.folders import pictures_of
from twofold.data.naming import check_names, check_wanted, natural, printable
from twofold.data.reading import MOST_PICTURES, Raw, Reading
from twofold.errors import DataError, cause_of, shown

# What columns are called where the first row names them.
_PATH = ("path", "file", "filename", "image", "picture")
_LABEL = ("label", "class")
_SPLIT = ("split", "part", "set")

_TRAIN, _TEST = ("train", "training"), ("test", "testing")

_MOST_BYTES = 256 * 1024**2


class Row(NamedTuple):
    """A picture of the table: where it is, the name of its class, and whether it is for tests (None: not told)."""

    path: str
    label: str
    test: bool | None


def read_rows(path: Path) -> list[Row]:
    """The rows of the table, whose paths are seen from its folder.

    Raises `DataError` where it cannot be read, lacks a path or a label, or names a picture that is not there.
    """
    lines = _lines(path)
    if not lines:
        raise DataError(f"{path} is empty; give each picture a row with its path and its label")
    first, cells = lines[0]
    columns = _columns(path, cells)
    if columns is None:
        columns = (0, 1, 2 if len(cells) > 2 else None)
        if len(cells) not in (2, 3):
            raise DataError(
                f"{path}, row {first}: it has {len(cells)} cells; a row has a path and a label, and maybe train or test"
            )
    else:
        lines = lines[1:]
    rows = [_row(path, number, cells, columns) for number, cells in lines]
    if not rows:
        raise DataError(f"{path} names no picture; give each one a row below the names of the columns")
    if len({row.test is None for row in rows}) > 1:
        raise DataError(f"{path} says of some pictures whether they are for training or test; say it of all or of none")
    return rows


def read_table(path: Path, rows: Sequence[Row], reading: Reading) -> Raw:
    """The pictures of the rows, of the classes that are wanted."""
    names = tuple(natural({row.label for row in rows}))
    check_names(names, str(path))
    check_wanted(reading.classes or (), names)
    places = {name: place for place, name in enumerate(names)}
    wanted = [row for row in rows if reading.classes is None or row.label in reading.classes]
    in_order = sorted(wanted, key=lambda row: places[row.label])  # within a class as the table has them
    parts = {"train": [row for row in in_order if not row.test]}
    if rows[0].test is not None:
        parts["test"] = [row for row in in_order if row.test]
        lacking = next((part for part, some in parts.items() if not some), None)
        if lacking:
            raise DataError(f"{path} has no picture for {lacking}; name some, or leave the column out")
    _check_labels(path, rows)
    of_parts = {part: [(row.path, places[row.label]) for row in some] for part, some in parts.items()}
    return pictures_of(str(path), of_parts, names, reading)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """The rows that are not blank, with their numbers from 1; no cell has blanks around it."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path} is larger than {_MOST_BYTES // 1024**2} MiB; a row has a path and a label alone")
        text = path.read_bytes().decode("utf-8-sig")
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), skipinitialspace=True, strict=True)
        lines = [(rows.line_num, [cell.strip() for cell in cells]) for cells in rows]
    except OSError as error:
        raise DataError(f"cannot read {path} ({cause_of(error)}); make it readable") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (at byte {error.start}); save it as CSV UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path} is no CSV file ({cause_of(error)}); give each picture a row: path,label") from error
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if len(lines) > MOST_PICTURES:
        raise DataError(f"{path} has more than {MOST_PICTURES} rows; take fewer")
    return lines


def _separator(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _columns(path: Path, cells: Sequence[str]) -> tuple[int, int, int | None] | None:
    """The columns of path, label and part, where the first row names them."""
    names = [cell.casefold() for cell in cells]
    found = [next((names.index(name) for name in of if name in names), None) for of in (_PATH, _LABEL, _SPLIT)]
    if found[0] is None and found[1] is None:
        return None
    if found[0] is None or found[1] is None:
        lacking = "path" if found[0] is None else "label"
        raise DataError(f"{path} has no column `{lacking}` (it has {shown(', '.join(cells))}); name the column so")
    return found[0], found[1], found[2]


def _row(table: Path, number: int, cells: Sequence[str], columns: tuple[int, int, int | None]) -> Row:
    last = max(column for column in columns if column is not None)
    if len(cells) <= last:
        raise DataError(f"{table}, row {number}: it has {len(cells)} of {last + 1} cells; give path and label")
    path, label = cells[columns[0]], cells[columns[1]]
    for name, cell in (("path", path), ("label", label)):
        if not cell:
            raise DataError(f"{table}, row {number}: it has no {name}; give one")
    picture = os.path.join(table.parent, os.path.expanduser(path))
    _check_there(table, number, path, picture)
    return Row(picture, label, None if columns[2] is None else _is_test(table, number, cells[columns[2]]))


def _check_labels(table: Path, rows: Sequence[Row]) -> None:
    """Raise `DataError` for a picture that has two labels."""
    labels: dict[str, str] = {}
    for row in rows:
        picture = os.path.normpath(row.path)
        if labels.setdefault(picture, row.label) != row.label:
            raise DataError(
                f"{table} has {printable(shown(row.path))} twice, as {labels[picture]!r} and {row.label!r}; keep one"
            )


def _check_there(table: Path, number: int, path: str, picture: str) -> None:
    try:
        there = stat.S_ISREG(os.stat(picture).st_mode)
    except (OSError, ValueError):  # a name with a zero in it
        there = False
    if not there:
        raise DataError(
            f"{table}, row {number}: there is no file {printable(shown(path))}; paths are seen from the table's folder"
        )


def _is_test(table: Path, number: int, cell: str) -> bool:
    word = cell.casefold()
    if word not in (*_TRAIN, *_TEST):
        raise DataError(f"{table}, row {number}: {shown(cell)!r} must be train or test")
    return word in _TEST
