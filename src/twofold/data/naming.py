"""The names of classes: in which order they come, and which can be shown."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from twofold.data.reading import LEAST_CLASSES, MOST_CLASSES, classes_text, listed_classes
from twofold.errors import DataError, SettingError, shown, unknown_choice
from twofold.paths import is_text

_LONGEST_NAME = 100

# A whole number below 0, of which the larger ones come first: the digits are exchanged for what they lack to 9.
_NEGATIVE = re.compile(r"-([0-9]+)")
_REVERSED = str.maketrans("0123456789", "9876543210")

# Parts of a name that are numbers: of decimal digits as everybody types them.
_NUMBERS = re.compile(r"([0-9]+)")


def natural(names: Iterable[str]) -> list[str]:
    """The names in the order in which people list them: -1 before 2, 2 before 10, and a before B."""
    return sorted(names, key=natural_key)


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """By what a name is ordered: its numbers as numbers, its letters whether capital or not; first what is below 0."""
    if negative := _NEGATIVE.fullmatch(name):
        length, digits = _of_number(negative[1])
        return (-2 - length, digits.translate(_REVERSED)), (0, name)
    texts_and_numbers = enumerate(_NUMBERS.split(name))
    return (*(_of_number(part) if place % 2 else (-1, part.casefold()) for place, part in texts_and_numbers), (0, name))


def _of_number(digits: str) -> tuple[int, str]:
    """The shorter number is the smaller one; Python reads no number of thousands of digits."""
    number = digits.lstrip("0")
    return len(number), number


def check_names(names: Sequence[str], origin: str) -> None:
    """Raise `DataError` unless these are 2 to 1000 different names of classes that can be stored and shown."""
    for name in names:
        if not is_text(name):
            raise DataError(f"{origin} has a class whose name is no text in UTF-8 ({printable(name)}); rename it")
        if not name.strip() or any(unicodedata.category(sign) in ("Cc", "Zl", "Zp") for sign in name):
            raise DataError(
                f"{origin} has a class of the name {name!r}; a name has letters, and no line breaks or tabs: rename it"
            )
        if len(name) > _LONGEST_NAME:
            raise DataError(
                f"{origin} has a class whose name has {len(name)} letters ({shown(name)}); give it at most "
                f"{_LONGEST_NAME}"
            )
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise DataError(f"{origin} names two classes {twice!r}; give each a name of its own")
    if not LEAST_CLASSES <= len(names) <= MOST_CLASSES:
        raise DataError(
            f"{origin} has {len(names)} {'class' if len(names) == 1 else 'classes'}; "
            f"{LEAST_CLASSES} to {MOST_CLASSES} can be told apart"
        )


def check_wanted(wanted: Sequence[str], names: Sequence[str]) -> None:
    """Raise `SettingError` for a class that is asked for, of which a source with these names has none."""
    unknown = next((name for name in wanted if name not in names), None)
    if unknown is None:
        return
    error = unknown_choice("classes", unknown, names, listed_classes)
    with_comma = next((name for name in names if "," in name and unknown in map(str.strip, name.split(","))), None)
    if with_comma is not None:
        error = SettingError(
            f"{error}; a class name with a comma: put it in double quotes, as {classes_text([with_comma])}"
        )
    raise error


def printable(text: str) -> str:
    """A text as it can be printed in a line: of a file's name what is no text, or breaks lines, is a question mark."""
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() else "?" for sign in whole)
