"""Which classes the images of a table of trials have, and whether these are digits."""

import pandas as pd

from twofold.data import is_digits, names_stored


def classes_of(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """The names of the classes of each kind of images that a table has; of one that tells of none, the ten digits."""
    kept = table.class_names if "class_names" in table else [None]
    return list(dict.fromkeys(map(names_stored, kept)))


def only_digits(table: pd.DataFrame) -> bool:
    """Whether all images of a table are digits."""
    return all(map(is_digits, classes_of(table)))


def class_counts(table: pd.DataFrame) -> pd.Series:
    """How many classes the images of each trial have."""
    kept = table.class_names if "class_names" in table else [None] * len(table)
    return pd.Series([len(names_stored(each)) for each in kept], index=table.index)
