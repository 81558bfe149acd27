"""What a cell of a table of trials holds, whoever wrote it: of which type it is follows from its column's name."""

import ast
import csv
import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa

from twofold.data.reading import LEAST_CLASSES, MOST_CLASSES, names_of_text
from twofold.data.relations import is_identity
from twofold.errors import DataError, SettingError, shown
from twofold.paths import is_text
from twofold.results.schema import trials
from twofold.settings import SETTINGS, plain

# The columns of a store, with the type of their values in Python; a history is a list.
TYPES: dict[str, type] = {
    column.name: column.info.get("type", list) if isinstance(column.type, sa.JSON) else column.type.python_type
    for column in trials.c
}

# Columns in which a value may be missing.
_NULLABLE = {column.name for column in trials.c if column.nullable}

# Columns of whole numbers that some trials lack, which pandas takes for fractions.
COUNTS = [name for name in TYPES if TYPES[name] is int and name in _NULLABLE]

# How spreadsheets and people write true and false, in the languages that translate them.
_TRUE, _FALSE = (
    {word.casefold() for word in words.split()}
    for words in (
        "True t yes y WAHR ja j VRAI oui VERDADERO sí si VERO sì VERDADEIRO sim WAAR SANT SANN SAND PRAWDA tak "
        "PRAVDA ano TOSI IGAZ DOĞRU ADEVĂRAT ИСТИНА да",
        "False f no n FALSCH nein FAUX non FALSO não ONWAAR nee FALSKT FALSK USANN nej nei FAŁSZ nie "
        "NEPRAVDA ne EPÄTOSI HAMIS YANLIŞ FALS ЛОЖЬ нет",
    )
)

# How tables write that there is no value.
_MISSING = {"", "nan", "na", "n/a", "#n/a", "<na>", "nat", "none", "null"}

# What a spreadsheet shows where a formula of its own fails.
_FAILED = re.compile(r"#[^\s#]*[!?/][^\s#]*|#NV|Err:\d+")

_NUMBER = re.compile(r"[+-]?(?P<whole>\d*)(?P<sign>[.,]?)(?P<part>\d*)(?P<power>e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

# The largest whole number of a table.
_LARGEST = 2**63 - 1


def value_of(name: str, cell: Any, decimal: str = ".") -> Any:
    """The value of a cell in the column of that name, as a store gives it: NaN or None where it is missing.

    `decimal` is the sign before the decimals of a number. Raises `DataError` where the cell holds something else than
    its column may.
    """
    text, kind = str(plain(cell)).strip(), TYPES[name]
    missing = text.casefold() in _MISSING if kind is not str or name in _NULLABLE else not text
    if missing and name in _NULLABLE:
        return float("nan") if kind is float else None
    if missing:
        raise DataError(f"`{name}` (={text!r}) must have a value")
    if _FAILED.fullmatch(text):
        raise _wrong(name, text, "a value, not a spreadsheet's error")
    value = _READ[kind](name, text, decimal)
    check_value(name, value)
    return SETTINGS[name].checked(value) if name in SETTINGS else value


def check_value(name: str, value: Any) -> None:
    """Raise `DataError` unless a column of that name may hold this value, as a store gives it."""
    if value is None:
        if name not in _NULLABLE:
            raise DataError(f"`{name}` must have a value, and has none")
        return
    must_be, fits = _SOUND[TYPES[name]]
    if not fits(value):
        raise _wrong(name, value, must_be)
    if TYPES[name] is float:
        _check_fraction(name, value, value)
    if name == "class_names" and not _are_names(value):
        raise _wrong(name, value, "names separated by commas")
    if name == "question" and not is_identity(value):
        raise _wrong(name, value, "what tells a relation")
    if name == "dead_units_trace" and not all(_are_counts(each) for each in value):
        raise _wrong(name, value, "a pair of counts for each epoch")
    if name == "dead_layers" and not all(_are_counts(each) and len(each) == 2 for each in value.values()):
        raise _wrong(name, value, "a pair of counts for each layer")
    if name in SETTINGS:
        try:
            SETTINGS[name].checked(value)
        except SettingError as error:
            raise DataError(str(error)) from error


def decimal_sign(cells: Iterable[str]) -> str:
    """The sign before the decimals of these numbers: that of the first which cannot be taken for one of thousands."""
    for cell in cells:
        match = _number(cell.strip())
        if match and match["sign"] and not _maybe_thousands(match):
            return match["sign"]
    return "."


def _bool(name: str, text: str, decimal: str) -> bool:
    word = text.casefold()
    match = _number(text)
    number = float(_plain_number(match, decimal)) if match and match["sign"] in ("", decimal) else None
    if word not in _TRUE | _FALSE and number not in (0, 1):
        raise _wrong(name, text, "True or False")
    return word in _TRUE or number == 1


def _int(name: str, text: str, decimal: str) -> int:
    match = _number(text)
    if not match or not match["whole"] or match["sign"] not in ("", decimal):
        raise _wrong(name, text, "a whole number")
    if match["part"].strip("0") and not match["power"]:
        raise _wrong(name, text, "a whole number")
    if match["power"] and int(match["power"][1:]) != len(match["part"]):
        raise _wrong(name, text, "a whole number with all its digits; have the spreadsheet show them before it saves")
    if match["sign"] and _maybe_thousands(match):
        raise _wrong(name, text, f"a whole number; {match['sign']!r} may stand before its thousands or its decimals")
    number = int(text[: match.end("whole")] + (match["part"] if match["power"] else ""))
    if abs(number) > _LARGEST:
        raise _wrong(name, text, f"at most {_LARGEST}")
    return number


def _float(name: str, text: str, decimal: str) -> float:
    match = _number(text)
    if not match:
        raise _wrong(name, text, "a number")
    if match["sign"] not in ("", decimal):
        raise _wrong(
            name,
            text,
            f"a number with {decimal!r} before its decimals, as others of the table, and no sign between thousands",
        )
    number = float(_plain_number(match, decimal))
    _check_fraction(name, number, text)
    return number


def _check_fraction(name: str, number: float, given: Any) -> None:
    if name.endswith("_error") and not 0 <= number <= 1:
        raise _wrong(name, given, "a fraction between 0 and 1; divide percents by 100")
    if not math.isfinite(number):
        raise _wrong(name, given, "a finite number")


def _str(name: str, text: str, decimal: str) -> str:
    return text


def _list(name: str, text: str, decimal: str) -> list:
    # Not by Python's own parser, which fails at long lists in several threads (SystemError in Python 3.11).
    try:
        value = json.loads(text.replace("None", "null"), parse_constant=int)  # which is no number: NaN, Infinity
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list):
        raise _wrong(name, _beginning(text), "a list such as [1, 2]")
    return value


def _dict(name: str, text: str, decimal: str) -> dict:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _wrong(name, _beginning(text), "names and values such as {'share': True}")
    return value


def _bytes(name: str, text: str, decimal: str) -> bytes:
    raise _wrong(name, _beginning(text), "left out of a table: only a store has it")


def _beginning(text: str) -> str:
    return text if len(text) < 40 else f"{text[:40]}…"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_whole(value)


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_whole, value))


def _are_names(text: str) -> bool:
    try:
        return LEAST_CLASSES <= len(names_of_text(text)) <= MOST_CLASSES
    except csv.Error:
        return False


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(each is None or _is_number(each) or isinstance(each, list) for each in value)


# Of each type of Python's in words, and whether a value is one that a store may give.
_SOUND: dict[type, tuple[str, Callable[[Any], bool]]] = {
    bool: ("True or False", lambda value: isinstance(value, bool)),
    int: (f"a whole number of at most {_LARGEST}", _is_whole),
    float: ("a number", _is_number),
    str: ("a text", lambda value: isinstance(value, str) and is_text(value)),
    list: ("a list of numbers", _is_list),
    dict: ("names and values", lambda value: isinstance(value, dict)),
    bytes: ("bytes", lambda value: isinstance(value, bytes)),
}

_READ = {bool: _bool, int: _int, float: _float, str: _str, list: _list, dict: _dict, bytes: _bytes}


def _number(text: str) -> re.Match[str] | None:
    match = _NUMBER.fullmatch(text)
    return match if match and (match["whole"] or match["part"]) else None


def _maybe_thousands(match: re.Match[str]) -> bool:
    """Whether the sign in a number may stand between thousands, as in 1.000."""
    return len(match["part"]) == 3 and 0 < len(match["whole"]) <= 3 and match["whole"] != "0" and not match["power"]


def _plain_number(match: re.Match[str], decimal: str) -> str:
    return match[0].replace(decimal, ".")


def _wrong(name: str, value: Any, must_be: str) -> DataError:
    return DataError(f"`{name}` (={shown(repr(value)) if isinstance(value, str) else shown(value)}) must be {must_be}")
