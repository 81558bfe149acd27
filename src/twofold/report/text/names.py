"""What things are called: settings, relations, columns, groups of networks."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from twofold.analysis import ALL, BOTH, PAIRS, WEIGHTS, classes_told, only_digits
from twofold.data.relations import is_function
from twofold.report.text.numbers import shortened
from twofold.settings import SETTINGS, value_text, words

# What the paper calls its digits; others are compared with it all the same, and the text says so.
PAPERS_DATA = "mnist"

# Values that say by themselves what they are a value of.
_BARE = ("optimizer", "data")

_STATEMENTS = {"<=": "first ≤ second", "<": "first < second", "==": "first = second"}

# What the letters of an expression mean.
LETTERS = "a and b are the numbers of the classes of the first and the second image."

# In a table or a title, as many letters of a relation are shown.
_RELATION_LETTERS = 40

# The parts of what `twofold.analysis.components` divides.
PARTS = {PAIRS: "pairs", WEIGHTS: "weights", BOTH: "both together", ALL: "all"}


def statement(relation: str) -> str:
    """A relation as a statement about a pair; an expression, or one that has no signs, is its own statement."""
    return _STATEMENTS.get(relation, relation)


def has_letters(relation: str) -> bool:
    """Whether a relation is written as an expression over a and b."""
    return re.search(r"(?<!\w)[ab](?!\w)", relation) is not None and not is_function(relation)


def cell_text(name: str, value: Any) -> str:
    """A setting's value, or a network's name, in a table or a title: relations that are long are cut."""
    text = value_text(value)
    return shortened(text, _RELATION_LETTERS) if name == "relation" else text


def heading(name: str) -> str:
    """A column's name as a table has it: a word a line, so that columns stay narrow."""
    return words(name).replace(" ", "\n")


def error_label(kind: str = "test") -> str:
    """What an axis or a column of errors is called."""
    return f"{kind} error (%)"


def setting_text(setting: Mapping[str, Any], between: str = ", ") -> str:
    """A setting as a reader would name it: adam, learning rate 0.001. What a network does not use is left out."""
    return between.join(
        cell_text(name, value) if name in _BARE else f"{words(name)} {cell_text(name, value)}"
        for name, value in setting.items()
        if not pd.isna(value)
    )


def on_task(trials: pd.DataFrame) -> str:
    """What a title says of images and question where they are neither the paper's nor the default."""
    data, classes = unusual(trials, "data"), classes_told(trials)
    told = f" on {trials.data.iloc[0]}" if data or classes else ""
    told += f" ({classes})" if classes else ""
    # Of digits everybody knows the paper's question.
    asked = unusual(trials, "relation") if only_digits(trials) else only_value(trials, "relation", ())
    return told + "".join(f", “{shortened(statement(relation), _RELATION_LETTERS)}”" for relation in asked)


def unusual(trials: pd.DataFrame, name: str) -> list[str]:
    """The value of `data` or `relation` that all trials have, if it is neither the paper's nor the default."""
    return only_value(trials, name, (SETTINGS[name].default, *([PAPERS_DATA] if name == "data" else [])))


def only_value(trials: pd.DataFrame, name: str, but: Sequence[str]) -> list[str]:
    """The value of `data` or `relation` that all trials have, unless it is one of these."""
    values = [str(value) for value in trials[name].unique()] if name in trials else []
    return [] if len(values) != 1 or values[0] in but else values


def scope(networks: Sequence[str]) -> str:
    """The networks that a search is for."""
    return networks[0] if len(networks) == 1 else f"{len(networks)} networks"


def compared_text(row: Mapping[str, Any]) -> str:
    """A network, or two whose errors are subtracted."""
    return row["first"] if pd.isna(row["second"]) else pair_text(row)


def pair_text(row: Mapping[str, Any], sign: str = " − ") -> str:
    """Two networks whose errors are compared, in the order in which they are subtracted or divided."""
    return f"{row['second']}{sign}{row['first']}"
