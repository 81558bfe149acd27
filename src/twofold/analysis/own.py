"""Networks of one's own in a table of trials: what they are called, and which of them a typed text means.

Nothing is imported of the user's: what is typed is compared with the rows' sources and arguments.
"""

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from twofold.networks import in_order
from twofold.networks.typed import Typed, is_typed, literal, parse

# How many digits of an identity tell two networks of one name apart.
_DIGITS = 6
_MARK = re.compile(rf" #[0-9a-f]{{{_DIGITS}}}$")


def told_apart(table: pd.DataFrame) -> pd.DataFrame:
    """The table, in which networks of one name that compute different things have names of their own.

    To such a name the first digits of the network's identity are added: Twin(share=True) #a1b2c3. A built-in network
    keeps its name.
    """
    if "identity" not in table or table.identity.isna().all():
        return table
    own = table.identity.notna()
    different = table.identity.fillna("").groupby(table.network).nunique()
    twice = own & table.network.isin(different.index[different > 1])
    marked = table.network[twice] + " #" + table.identity[twice].str[:_DIGITS]
    return table.assign(network=table.network.where(~twice, marked)) if twice.any() else table


def is_marked(name: str) -> bool:
    """Whether a name has digits of its network's identity, since another network has the name too."""
    return _MARK.search(name) is not None


def named(trials: pd.DataFrame, texts: Iterable[str]) -> pd.Series:
    """Whether each trial's network is one of these: names, or classes with arguments such as file.py:Twin(share=True).

    An argument that is not typed may have any value. Raises `SettingError` for what is neither.
    """
    found = pd.Series(False, index=trials.index)
    plain = trials.network.str.replace(_MARK, "", regex=True)
    for text in texts:
        if is_typed(text):
            typed = parse(text)
            found |= pd.Series([_is_one_of(typed, *row) for row in _sources(trials)], index=trials.index, dtype=bool)
        found |= (trials.network == text) | (plain == text)
    return found


def typed_texts(trials: pd.DataFrame) -> list[str]:
    """The networks of a table as they are typed: built-in ones by name, own ones as their classes with arguments.

    Where the networks of a class are all the combinations of some values, they are one text.
    """
    are_own = trials.arguments.notna() if "arguments" in trials else pd.Series(False, index=trials.index)
    texts, own = in_order(list(trials.network[~are_own])), trials[are_own]
    if own.empty:
        return texts
    for source, of_source in own.groupby("source", sort=False):
        for calls in _alike(of_source.arguments):
            texts += [f"{source}{call}" for call in _calls(calls)]
    return texts


def _sources(trials: pd.DataFrame) -> Iterator[tuple[Any, Any]]:
    lacking = [None] * len(trials)
    return zip(*(trials.get(name, lacking) for name in ("source", "arguments")), strict=True)


def _is_one_of(typed: Typed, source: Any, arguments: Any) -> bool:
    if not isinstance(source, str) or _place(source) != _place(typed.text):
        return False
    given = {name: literal(value) for name, value in (arguments or {}).items()}
    return all(name in given and given[name] in map(repr, values) for name, values in typed.values.items())


def _place(source: str) -> tuple[str, str]:
    """Where a class is, whichever way its path is written, and its name."""
    home, _, name = source.rpartition(":")
    return os.path.normpath(home), name


def _alike(arguments: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The distinct arguments, those with the same names together."""
    groups: dict[tuple[str, ...], dict[str, Mapping[str, Any]]] = {}
    for each in arguments:
        groups.setdefault(tuple(each), {})[repr(each)] = each
    return [list(group.values()) for group in groups.values()]


def _calls(calls: list[Mapping[str, Any]]) -> Iterator[str]:
    levels = {name: list(dict.fromkeys(literal(each[name]) for each in calls)) for name in calls[0]}
    if math.prod(map(len, levels.values())) == len(calls):
        yield _call(
            {name: f"[{', '.join(several)}]" if several[1:] else several[0] for name, several in levels.items()}
        )
        return
    for each in calls:
        yield _call({name: literal(value) for name, value in each.items()})


def _call(arguments: Mapping[str, str]) -> str:
    given = ", ".join(f"{name}={text}" for name, text in arguments.items())
    return f"({given})" if given else ""
