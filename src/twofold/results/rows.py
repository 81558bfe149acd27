"""Rows as a database gives them, made into values that are checked, whoever wrote the database.

SQLite keeps whatever it is given in any column: a file from somewhere may have a text where a number belongs.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Any

import sqlalchemy as sa

from twofold.data.relations import class_count
from twofold.errors import DataError, StoreError, shown
from twofold.results.answers import fault_of
from twofold.results.cells import TYPES, check_value
from twofold.results.records import check_description, packs


def as_given(columns: Sequence[sa.ColumnElement], dialect: str) -> list[sa.ColumnElement]:
    """What to select to get columns as the database gives them: SQLAlchemy takes any text of SQLite's for true."""
    if dialect != "sqlite":  # a server has kept to the types of its columns
        return list(columns)
    return [sa.type_coerce(column, sa.types.NullType()).label(column.name) for column in columns]


def values_of(
    names: Sequence[str], rows: Sequence[Sequence[Any]], shown_url: str, *, text: bool
) -> dict[str, list[Any]]:
    """The values of trials by the names of their columns, among which is `key`.

    `text` says that lists, and names with values, come as texts, and truths as numbers. Raises `StoreError` for a cell
    that no trial can have, with its trial and its column.
    """
    cells = list(zip(*rows, strict=True)) or [()] * len(names)
    keys = cells[names.index("key")]
    return {name: _values(name, given, keys, shown_url, text) for name, given in zip(names, cells, strict=True)}


def answers_of(rows: Sequence[Any], shown_url: str) -> dict[str, bytes]:
    """The wrong answers of trials by their keys, from rows of `key`, `test_pairs`, `test_error` and `wrong_answers`.

    Raises `StoreError` for a cell that no trial can have, or bits that do not fit the others.
    """
    names = ("key", "test_pairs", "test_error", "wrong_answers")
    values = values_of(names, rows, shown_url, text=False)
    for key, pairs, error, cell in zip(*(values[name] for name in names), strict=True):
        if wrong := fault_of(cell, pairs, error):
            raise damaged(shown_url, f"in the trial {shown(key)}, {wrong}")
    return dict(zip(values["key"], values["wrong_answers"], strict=True))


def description_of(row: Any, shown_url: str, *, text: bool) -> tuple[Any, ...]:
    """A network of one's own with its description, as the database gives them. Raises `StoreError`."""
    *cells, description = row
    try:
        if text:
            cells[-1], description = (None if cell is None else of_json(cell) for cell in (cells[-1], description))
        for name, value in zip(("network", "identity", "source", "arguments"), cells, strict=True):
            check_value(name, value)
        check_description(description)
    except DataError as error:
        raise damaged(shown_url, f"of the network {shown(row[1])} {error}") from error
    return (*cells, description)


def check_question(row: Any, shown_url: str) -> None:
    """Raise `StoreError` unless a row of a store says what a relation means."""
    try:
        for name in ("question", "fingerprint", "relation"):
            check_value(name, getattr(row, name))
        if not packs(row.answers, class_count(row.question)):
            raise DataError(f"`answers` (={shown(row.answers)}) are not those of its classes")
    except (DataError, ValueError) as error:
        raise damaged(shown_url, f"of the relation {shown(row.relation)} {error}") from error


def entry_of(cell: Any, shown_url: str, *, text: bool) -> dict[str, Any]:
    """An entry of the search journal. Raises `StoreError` where it is none."""
    try:
        entry = of_json(cell) if text else cell
        if not isinstance(entry, dict):
            raise DataError(f"(={shown(entry)}) must be names and values")
    except DataError as error:
        raise damaged(shown_url, f"in the journal of searches `entry` {error}") from error
    return entry


def value_in(name: str, cell: Any) -> Any:
    """The value in a cell as the database gives it: of a text its list or its names, of 0 and 1 a truth.

    It is not checked yet. Raises `DataError` where a text is no JSON.
    """
    if TYPES[name] is bool:
        return bool(cell) if type(cell) is int and cell in (0, 1) else cell
    if TYPES[name] in (list, dict) and isinstance(cell, str | bytes):
        try:
            return of_json(cell)
        except DataError as error:
            raise DataError(f"`{name}` {error}") from error
    return cell


def of_json(text: Any) -> Any:
    """What a JSON text says. Raises `DataError` where it is none."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"(={shown(text)}) must be JSON") from error


def damaged(shown_url: str, what: str) -> StoreError:
    """The error for a row of a store that no run of ours has written."""
    return StoreError(f"the store {shown_url} is damaged: {what}; restore a copy of it, or delete that row")


def _values(name: str, given: Sequence[Any], keys: Sequence[Any], shown_url: str, text: bool) -> list[Any]:
    known: dict[Hashable, Any] = {}  # of each value once: most columns have few
    hashable = len(set(map(type, given))) == 1 and given[0].__hash__ is not None  # and 1 is not taken for true
    places = given if hashable else [(type(cell), cell) if cell.__hash__ else id(cell) for cell in given]
    for at, cell, key in zip(places, given, keys, strict=True):
        if at not in known:
            try:
                known[at] = value_in(name, cell) if text else cell
                check_value(name, known[at])
            except DataError as error:
                raise damaged(shown_url, f"in the trial {shown(key)}, {error}") from error
    return [known[at] for at in places]
