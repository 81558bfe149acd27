"""Tables of trials in files, as `twofold results --csv` writes them and as spreadsheets save them again."""

import codecs
import csv
import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from twofold.errors import DataError, cause_of, counted, shown
from twofold.results.cells import TYPES, decimal_sign, value_of
from twofold.settings import FIRST, SETTINGS

# What may stand between two cells; the first where the names of the columns do not tell.
_SEPARATORS = ",;\t|"

# How a file begins that says its encoding itself, longest first.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

# How the files of spreadsheets begin: those that are archives, and Excel's older ones.
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")

# A hundred thousand trials with histories of a hundred epochs take half of this.
_MOST_BYTES = 512 * 1024**2

# The limit of cells is one for all threads.
_one_at_a_time = threading.Lock()

# A row of a file, and its number there, which counts from 1.
_Rows = Sequence[tuple[int, list[str]]]


def read_csv(path: Path) -> pd.DataFrame:
    """The table of trials in a file whose first row names the columns.

    What a spreadsheet changes without loss is read as it was: how the text is encoded, what separates cells, the sign
    before decimals, the words for true and false, the order of columns, blank rows. Columns that a store does not have
    are texts. Raises `DataError` where there is no such file, it is none of that kind, or a cell has lost its value.
    """
    try:
        with path.open("rb") as file:  # which may be a pipe
            content = file.read(_MOST_BYTES + 1)
        table = _table(_rows(_text(content)))
    except OSError as error:
        raise DataError(
            f"cannot read {path} ({cause_of(error)}); `twofold results --csv > {path}` makes one"
        ) from error
    except (ValueError, csv.Error) as error:
        raise DataError(
            f"{path} is no table of trials ({cause_of(error)}); `twofold results --csv` makes one"
        ) from error
    except DataError as error:
        raise DataError(f"{path}, {error}") from error
    # Of a file that an earlier version made: what its trials were trained with, though it does not say so.
    later = {n: s for n, s in SETTINGS.items() if s.since != FIRST and n not in table}
    values = {n: table.get(s.follows) if s.follows else s.default for n, s in later.items()}
    return table.assign(**values)


def _text(content: bytes) -> str:
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES // 1024**2} MiB; leave columns out, or split it")
    if content.startswith(_SPREADSHEETS):
        raise ValueError("it is a spreadsheet's own file; save it as CSV")
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return content.decode(encoding)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        row = len(content[: error.start + 1].splitlines())
        raise ValueError(f"row {row} is not UTF-8; save it as CSV UTF-8") from error
    if "\0" in text:
        raise ValueError("it is not UTF-8; save it as CSV UTF-8")
    return text


def _rows(text: str) -> _Rows:
    """The rows that are not blank, of which the first names the columns; no cell has blanks around it."""
    first, _, rest = text.partition("\n")
    stated = first.strip().casefold().startswith("sep=")  # a line for Excel, which does not show it as a row
    with _cells_of_any_length(text):
        text, separator = (rest, first[4]) if stated and first[4:].strip("\r") else (text, _separator(text))
        return list(_split(text, separator))


@contextmanager
def _cells_of_any_length(text: str) -> Iterator[None]:
    """Read cells as long as the text may have, such as the losses of many epochs.

    Python's limit is one for the whole process, others' files included, and so is as before afterwards.
    """
    with _one_at_a_time:
        limit = csv.field_size_limit()
        csv.field_size_limit(max(limit, len(text)))
        try:
            yield
        finally:
            csv.field_size_limit(limit)


def _separator(text: str) -> str:
    """The sign that makes the most names of columns of the first row."""

    def names_of(separator: str) -> int:
        try:
            _, header = next(_split(text, separator))
        except (StopIteration, csv.Error):
            return 0
        return sum(_column(cell) in TYPES for cell in header)

    return max(_SEPARATORS, key=names_of)


def _split(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    for number, cells in enumerate(lines, start=1):
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            yield number, stripped


def _column(cell: str) -> str:
    """The name of a column, however its cell is spaced and capitalised."""
    name = "_".join(cell.casefold().split())
    return name if name in TYPES else cell


def _table(rows: _Rows) -> pd.DataFrame:
    if not rows:
        raise ValueError("it is empty")
    (header_row, header), *rows = rows
    names = [_column(cell) for cell in header]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice:
        raise DataError(f"row {header_row}: two columns are named `{shown(twice)}`; leave one")
    width = max(i for i, name in enumerate(names) if name) + 1
    for number, cells in rows:
        if any(cells[width:]):
            raise DataError(
                f"row {number}: {len(cells)} cells for {counted(width, 'column')}; where numbers have decimal commas, "
                "separate the cells by semicolons"
            )
        cells.extend([""] * (width - len(cells)))
    texts = {name: [cells[i] for _, cells in rows] for i, name in enumerate(names) if name}
    decimal = decimal_sign(cell for name in texts if TYPES.get(name) in (int, float) for cell in texts[name])
    numbers = [number for number, _ in rows]
    return pd.DataFrame({name: _values(name, cells, numbers, decimal) for name, cells in texts.items()})


def _values(name: str, cells: Sequence[str], numbers: Sequence[int], decimal: str) -> Sequence[Any]:
    """The values of a column; of one that a store does not have, the texts."""
    if name not in TYPES:
        return cells
    values: dict[str, Any] = {}  # of each text once: most columns have few
    for number, cell in zip(numbers, cells, strict=True):
        if cell not in values:
            try:
                values[cell] = value_of(name, cell, decimal)
            except DataError as error:
                raise DataError(f"row {number}: {error}") from error
    return [values[cell] for cell in cells]
