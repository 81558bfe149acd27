"""What a database holds in a cell, as it is: SQLite keeps what it is given, any text in a column of numbers.

`Store.read` trusts its cells; who has to look first (`Store.cells`) finds here what they hold, or what is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from twofold.errors import DataError, shown
from twofold.paths import is_text
from twofold.results.answers import fault_of
from twofold.results.cells import TYPES, check_value, value_of
from twofold.results.schema import trials

_NULLABLE = {column.name for column in trials.c if column.nullable}

# Columns of numbers that are at least 0, and of fractions; what errors and settings may be, `value_of` knows.
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
    kind = TYPES[name]
    if name in _NULLABLE and (cell is None or cell != cell):  # some databases have numbers that are none
        return None
    if kind in (list, dict):
        return _of_json(name, cell)
    if kind is bytes:
        check_value(name, cell)
        return cell
    if isinstance(cell, str) != (kind is str) or cell is None or not is_text(str(cell)):
        raise _wrong(name, cell, "a text" if kind is str else "a number")
    value = value_of(name, cell)
    if kind is str:
        return _moment(name, cell) if name == "finished_at" else cell
    if name in _COUNTS and value < 0:
        raise _wrong(name, cell, "at least 0")
    if name in _SHARES and not 0 <= value <= 1:
        raise _wrong(name, cell, "a fraction between 0 and 1")
    return value


def _of_json(name: str, cell: Any) -> Any:
    """What a cell of JSON holds; some databases give its text, some what that says."""
    try:
        value = json.loads(cell, parse_constant=int) if isinstance(cell, str | bytes) else cell
    except (ValueError, RecursionError):
        raise _wrong(name, cell, "JSON") from None
    if value is None and name in _NULLABLE:
        return None
    if not isinstance(value, TYPES[name]):
        raise _wrong(name, cell, "a list" if TYPES[name] is list else "names and values")
    return value


def _moment(name: str, cell: str) -> str:
    try:
        datetime.fromisoformat(cell)
    except ValueError:
        raise _wrong(name, cell, "a moment such as 2026-01-02T03:04:05+00:00") from None
    return cell


def _histories(row: Mapping[str, Any]) -> list[str]:
    """What is wrong with the numbers of each epoch, where the cells hold lists."""
    epochs, losses, trace = (row.get(name) for name in ("epochs", "train_loss", "dead_units_trace"))
    wrong = []
    if losses is not None and not all(loss is None or _is_number(loss) for loss in losses):
        wrong.append("`train_loss` must have a number for each epoch, or null")
    if trace is not None and not all(isinstance(each, list) and all(map(_is_number, each)) for each in trace):
        wrong.append("`dead_units_trace` must have numbers for each epoch")
    for name, history in (("train_loss", losses), ("dead_units_trace", trace)):
        if epochs is not None and history is not None and len(history) != epochs:
            wrong.append(f"`{name}` has {len(history)} epochs, and `epochs` is {epochs}")
    return wrong


def _answers(row: Mapping[str, Any]) -> list[str]:
    """What is wrong with the bits of the test pairs, where they are kept and their number and the error are known."""
    cell, pairs, error = (row.get(name) for name in ("wrong_answers", "test_pairs", "test_error"))
    wrong = "" if cell is None or pairs is None or error is None else fault_of(cell, pairs, error)
    return [wrong] if wrong else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrong(name: str, cell: Any, must_be: str) -> DataError:
    return DataError(f"`{name}` (={shown(cell)}) must be {must_be}")
