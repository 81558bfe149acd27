"""Which classes the images of a table of trials have, and whether these are digits."""

from collections.abc import Sequence

import pandas as pd

from twofold.data import is_digits, listed_classes, names_stored, published_classes


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


# More classes than these are told by their number, the first and the last.
_MOST_TOLD = 3

# Hexadecimal digits of a fingerprint that tell apart what is called alike.
_DIGITS = 6


def images_told_apart(table: pd.DataFrame) -> pd.DataFrame:
    """The table, in which images that were read of one place in one way, and are others, have names of their own.

    To such a name their classes are added, "./shapes (circle, cross)", where these differ, and else the first digits of
    their fingerprint. The names as they were given are then in the column `data_given`.
    """
    if "data_given" in table or not {"data", "fingerprint"} <= set(table):
        return table
    place = [table[name].astype(str) for name in ("data", "pool", "size") if name in table]
    others = table.fingerprint.groupby(place, dropna=False).transform("nunique") > 1
    if not others.any():
        return table
    classes = table.class_names if "class_names" in table else pd.Series(None, table.index, dtype=object)
    told = table.data + " (" + classes.map(names_stored).map(told_classes) + ")"
    several = table.fingerprint.groupby([*place, told], dropna=False).transform("nunique") > 1
    told = told.where(~several, told + " #" + table.fingerprint.str[:_DIGITS])
    return table.assign(data=table.data.where(~others, told), data_given=table.data)


def classes_told(table: pd.DataFrame) -> str:
    """The classes of the only images of a table, in few words, where these may be some of more.

    Nothing is told of a published set that has all its classes, of ten digits, of several sets of images, and where the
    images' name tells already.
    """
    classes = classes_of(table)
    data = table.data.unique().tolist() if "data" in table else []
    if len(classes) != 1 or len(data) != 1 or "data_given" in table:
        return ""
    usual = (*classes_of(table[[]]), published_classes(str(data[0])))
    return "" if classes[0] in usual else told_classes(classes[0])


def told_classes(names: Sequence[str]) -> str:
    """Names of classes in few words: all of them, or how many there are, the first and the last."""
    if len(names) <= _MOST_TOLD:
        return listed_classes(names)
    return f"{len(names)} classes, {listed_classes(names[:1])} to {listed_classes(names[-1:])}"
