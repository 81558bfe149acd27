"""What the images of trials show: digits, or classes by their names."""

from collections.abc import Sequence

import pandas as pd

from twofold.analysis import classes_of, only_digits
from twofold.data import listed_classes

# More names than these nobody reads below a table.
_MOST_NAMED = 100


def class_word(frame: pd.DataFrame) -> str:
    """What an image is told to be: a digit, or a class where any of the images are no digits."""
    return "digit" if only_digits(frame) else "class"


def image_word(frame: pd.DataFrame) -> str:
    """What is seen of several images: digits, or images where any of them are no digits."""
    return "digits" if only_digits(frame) else "images"


def classes_notes(frame: pd.DataFrame) -> list[str]:
    """Which classes there are, in the order that numbers them; of all ten digits nothing has to be said."""
    ten_digits = classes_of(frame[[]])
    told = [names for names in classes_of(frame) if names not in ten_digits]
    return [f"The {len(names)} classes in their order, from 0 on: {_listed(names)}." for names in told]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return listed_classes(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
