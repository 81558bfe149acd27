"""What stores and kept networks hold beside numbers: checked before anything is done with it, whoever wrote it."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from typing import Any

from twofold.data.reading import LEAST_CLASSES, MOST_CLASSES
from twofold.errors import DataError, shown
from twofold.networks.calls import BOTH, LEFT, RIGHT, Call
from twofold.results.cells import TYPES, check_value
from twofold.settings import FIRST, SETTINGS

# What the first version wrote of a trained network; later ones have more.
_NEEDED = (
    "key", "network", "round", "auxiliary_losses", "test_error", "validation_error", "diverged", "image_size",
    "pixel_mean", "pixel_deviation", *(name for name, declared in SETTINGS.items() if declared.since == FIRST),
)  # fmt: skip

_MOST_SIDE, _MOST_CHANNELS = 1024, 4


def checked_record(record: Any) -> dict[str, Any]:
    """The record of a trained network, as JSON has it. Raises `DataError` where a value lacks, or cannot be."""
    if not isinstance(record, dict):
        raise DataError("there are no names and values")
    for name in _NEEDED:
        if name not in record:
            raise DataError(f"there is no `{name}`")
    for name, value in record.items():
        if name in _RECORDED:
            if not _RECORDED[name](value):
                raise DataError(f"`{name}` (={shown(value)}) cannot be")
        elif name in TYPES:
            check_value(name, value)
    names = record.get("class_names")
    if "answers" in record and not packs(record["answers"], 10 if names is None else len(names)):
        raise DataError("`answers` are not those of its classes")
    return record


def check_description(description: Any) -> None:
    """Raise `DataError` unless this is what a store keeps of a network of one's own."""
    if not isinstance(description, dict):
        raise DataError("it is no description")
    for name in ("calls", "outputs"):
        if not isinstance(description.get(name), list):
            raise DataError(f"it has no list `{name}`")
    if "classes" not in description or not isinstance(description.get("answer", ""), str):
        raise DataError("it does not say what the network answers")
    if not description.get("embeddings") and "answer" not in description:
        raise DataError("it does not say what the network answers")
    for place, call in enumerate(description["calls"]):
        if not isinstance(call, dict) or call.keys() != _CALL.keys():
            raise DataError("a call of a layer is none")
        for name, fits in _CALL.items():
            if not fits(call[name]):
                raise DataError(f"`{name}` (={shown(call[name])}) of a layer cannot be")
        if max([*call["inputs"], -1 if call["again"] is None else call["again"]]) >= place:
            raise DataError("a layer takes what comes after it")
    if not all(_is_count(place) and place < len(description["calls"]) for place in description["outputs"]):
        raise DataError(f"`outputs` (={shown(description['outputs'])}) are none of its calls")


def packs(answers: Any, classes: int) -> bool:
    """Whether this is the table of answers for so many classes, as `twofold.data.Relation.packed` has it."""
    if not isinstance(answers, str):
        return False
    try:
        return len(base64.b64decode(answers, validate=True)) == -(-(classes**2) // 8)
    except ValueError:
        return False


def is_text(value: Any) -> bool:
    """Whether a value is a text."""
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _is_count_of(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: _is_count(value) and least <= value <= most


def _are_names(value: Any) -> bool:
    return value is None or (_is_list_of(is_text)(value) and LEAST_CLASSES <= len(value) <= MOST_CLASSES)


def _are_texts_by_name(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and all(map(is_text, value.values())))


def _are_shapes(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_list_of(_is_count), value.values()))


_is_side = _is_count_of(1, _MOST_SIDE)

# Of what a record has beside a row of a store, or otherwise: whether a value can be.
_RECORDED: Mapping[str, Callable[[Any], bool]] = {
    "image_size": lambda value: _is_list_of(_is_side)(value) and len(value) == 2,
    "channels": _is_count_of(1, _MOST_CHANNELS),
    "classes": _is_count_of(LEAST_CLASSES, MOST_CLASSES),
    "class_names": _are_names,
    "pixel_mean": _is_number,
    "pixel_deviation": lambda value: _is_number(value) and value > 0,
    "kept": is_text,
    "arguments": _are_texts_by_name,
    "outputs": _is_list_of(is_text),
    "parameters": _are_shapes,
    "buffers": _are_shapes,
}

# The same of a call's fields.
_OF_CALL: Mapping[str, Callable[[Any], bool]] = {
    "layer": is_text,
    "operation": is_text,
    "inputs": _is_list_of(lambda value: value == -1 or _is_count(value)),
    "of": lambda value: value in (LEFT, RIGHT, BOTH),
    "input_shape": _is_list_of(_is_count),
    "output_shape": _is_list_of(_is_count),
    "parameters": _is_count,
    "again": lambda value: value is None or _is_count(value),
}
_CALL = {name: _OF_CALL[name] for name in Call.__dataclass_fields__}
