"""What a database holds in a cell, as it is: SQLite keeps what it is given, any text in a column of numbers.

`Store.read` stops at the first that is wrong; who has to know of all of them (`Store.cells`) finds here what they hold,
or what is wrong. More is asked than for reading: that no count is negative, say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from twofold.errors import DataError, shown
from twofold.results.answers import fault_of
from twofold.results.cells import TYPES, check_value
from twofold.results.rows import value_in
from twofold.results.schema import trials

_NULLABLE = {column.name for column in trials.c if column.nullable}

# Columns of numbers that are at least 0, and of fractions; what errors and settings may be, `check_value` knows.
_COUNTS = {"round", "dead_first", "dead_second", "seconds", "distance_threshold"}
_SHARES = {"true_share"}


def row_of(cells: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values of a trial's cells, None where one lacks, and what is wrong: cells that are wrong have no value."""
    row, wrong = {}, []
    for name in TYPES:
        try:
            row[name] = _value(name, cells[name])
        except DataError as error:
            wrong.append(str(error))
    return row, [*wrong, *_histories(row), *_answers(row)]


def _value(name: str, cell: Any) -> Any:
    if name in _NULLABLE and (cell is None or cell != cell):  # some databases have numbers that are none
        return None
    value = value_in(name, cell)
    check_value(name, value)
    if name == "finished_at":
        return _moment(name, value)
    if name in _COUNTS and value < 0:
        raise _wrong(name, cell, "at least 0")
    if name in _SHARES and not 0 <= value <= 1:
        raise _wrong(name, cell, "a fraction between 0 and 1")
    if name == "train_loss" and not all(loss is None or _is_finite(loss) for loss in value):
        raise _wrong(name, cell, "a list of finite numbers, or null where there is none")
    return value


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _moment(name: str, cell: str) -> str:
    try:
        datetime.fromisoformat(cell)
    except ValueError:
        raise _wrong(name, cell, "a moment such as 2026-01-02T03:04:05+00:00") from None
    return cell


def _histories(row: Mapping[str, Any]) -> list[str]:
    """What is wrong with the lengths of what there is of each epoch, where the cells hold that."""
    epochs = row.get("epochs")
    histories = {name: row[name] for name in ("train_loss", "dead_units_trace") if row.get(name) is not None}
    return [
        f"`{name}` has {len(history)} epochs, and `epochs` is {epochs}"
        for name, history in histories.items()
        if epochs is not None and len(history) != epochs
    ]


def _answers(row: Mapping[str, Any]) -> list[str]:
    """What is wrong with the bits of the test pairs, where they are kept and their number and the error are known."""
    cell, pairs, error = (row.get(name) for name in ("wrong_answers", "test_pairs", "test_error"))
    wrong = "" if cell is None or pairs is None or error is None else fault_of(cell, pairs, error)
    return [wrong] if wrong else []


def _wrong(name: str, cell: Any, must_be: str) -> DataError:
    return DataError(f"`{name}` (={shown(cell)}) must be {must_be}")
