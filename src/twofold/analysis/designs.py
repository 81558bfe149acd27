"""Designs: which networks of a table are the combinations of the levels of some factors, and so tell what these do."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from twofold.networks import NETWORKS, PAPERS
from twofold.networks.typed import literal
from twofold.results.cells import TYPES

# Between the factors of an interaction.
BETWEEN = " x "

# The only interaction of the paper's design.
INTERACTION = "interaction"

_FLAG = (False, True)


def is_interaction(effect: str) -> bool:
    """Whether an effect is how much the changes that factors make differ with each other."""
    return effect == INTERACTION or BETWEEN in effect


@dataclass(frozen=True)
class Design:
    """A crossing of factors: the network of every combination of levels.

    `factors` has the levels of each, and `cells` the network's name for each combination, a level of each factor, as
    they are typed (for True and 1 are one key). `lacking` are the networks that the table would need for a full
    crossing.
    """

    name: str
    factors: Mapping[str, tuple]
    cells: Mapping[tuple[str, ...], str]
    lacking: tuple[str, ...] = field(default=(), kw_only=True)

    def effects(self) -> dict[str, dict[str, float]]:
        """The coefficient of each network's error in each effect (Montgomery, "Design and Analysis of Experiments",
        chapter 6).

        A main effect of a factor of two levels is the mean change from the first to the second. An interaction of two
        such factors is how much the change that one makes differs with the other at its second level from at its first;
        of three, how much that differs with the third, and so on. (Montgomery divides an interaction of order k by
        2^(k-1) more, so that all effects have one standard error; a change of a change is easier to say.) Of a factor
        of more levels it is the mean change from the first to each other, and there are no interactions.
        """
        two = [name for name, levels in self.factors.items() if len(levels) == 2]
        found: dict[str, dict[str, float]] = {}
        for name, levels in self.factors.items():
            for level in levels[1:]:
                found[self._main(name, level)] = self._change(name, level)
        for order in range(2, len(two) + 1):
            for together in itertools.combinations(two, order):
                found[self._interaction(together)] = self._contrast(together)
        return found

    def _main(self, name: str, level: Any) -> str:
        levels = self.factors[name]
        return name if levels == _FLAG else f"{name}: {level} against {levels[0]}"

    def _interaction(self, together: tuple[str, ...]) -> str:
        return BETWEEN.join(together) if self.name else INTERACTION

    def _contrast(self, together: tuple[str, ...]) -> dict[str, float]:
        others = math.prod(len(levels) for name, levels in self.factors.items() if name not in together)
        second = {name: literal(self.factors[name][1]) for name in together}
        return {
            network: math.prod(1 if level == second[name] else -1 for name, level in picked) / others
            for network, picked in self._picked(together)
        }

    def _change(self, name: str, other: Any) -> dict[str, float]:
        others = len(self.cells) // len(self.factors[name])
        signs = {literal(self.factors[name][0]): -1, literal(other): 1}
        return {network: signs.get(level, 0) / others for network, ((_, level),) in self._picked((name,))}

    def _picked(self, names: tuple[str, ...]) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
        """Each network with its levels of some factors."""
        for levels, network in self.cells.items():
            of = dict(zip(self.factors, levels, strict=True))
            yield network, tuple((name, of[name]) for name in names)


def papers_design() -> Design:
    """The paper's four networks: weight sharing and auxiliary losses."""
    flags = {name: (NETWORKS[name].weight_sharing, NETWORKS[name].auxiliary_losses) for name in PAPERS}
    cells: dict[tuple[str, ...], str] = {
        (literal(sharing), literal(losses)): name for name, (sharing, losses) in flags.items()
    }
    return Design("", {"weight sharing": _FLAG, "auxiliary losses": _FLAG}, cells)


def own_designs(trials: pd.DataFrame) -> list[Design]:
    """The designs of networks of one's own in a table: one for each class whose arguments are fully crossed.

    Of networks of one name that compute different things the latest one counts. Networks of a class to which other
    arguments were given are designs apart.
    """
    return [design for design in _designs(trials) if not design.lacking]


def lacking_designs(trials: pd.DataFrame) -> list[Design]:
    """The crossings of networks of one's own of which some networks lack in the table: they tell no effects."""
    return [design for design in _designs(trials) if design.lacking]


def with_factors(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a column for each factor of networks of one's own, after `network`; other networks have None."""
    columns: dict[str, list[Any]] = {}
    table = table.reset_index(drop=True)
    for _, factors, of_class in _classes(table):
        for shown, (argument, _) in factors.items():
            column = columns.setdefault(shown, [None] * len(table))
            for row, given in of_class.arguments.items():
                column[int(str(row))] = given[argument]
    places = list(table.columns)
    after = places.index("network") + 1
    of_factors = {name: pd.Series(column, table.index, object) for name, column in columns.items()}
    return table.assign(**of_factors)[[*places[:after], *columns, *places[after:]]] if columns else table


_Factors = dict[str, tuple[str, tuple]]  # the argument and its levels, by the factor's name


def _classes(trials: pd.DataFrame) -> Iterator[tuple[str, _Factors, pd.DataFrame]]:
    """The trials of each class and set of arguments: a name for them, and those arguments that have several values."""
    if "arguments" not in trials or trials.empty:
        return
    own = trials[trials.arguments.notna()]
    if own.empty:
        return
    class_names = own.network.str.partition("(")[0]
    groups = [
        (str(name), str(source), of_class)
        for (name, source, _), of_class in own.groupby([class_names, own.source, own.arguments.map(tuple)], sort=False)
    ]
    for name, source, of_class in groups:
        values = _values(of_class.arguments)
        factors = {_shown(name, each): (each, _ordered(levels)) for each, levels in values.items() if len(levels) > 1}
        same = [other for other in groups if other[0] == name]
        constant = [f"{each}={literal(levels[0])}" for each, levels in values.items() if len(levels) == 1]
        apart = name if len({source for _, source, _ in same}) == 1 else source
        several = constant and sum(other[1] == source for other in same) > 1
        yield f"{apart}({', '.join(constant)})" if several else apart, factors, of_class


def _designs(trials: pd.DataFrame) -> Iterator[Design]:
    for name, factors, of_class in _classes(trials):
        if not factors:
            continue
        latest = of_class.sort_values("finished_at", kind="stable") if "finished_at" in of_class else of_class
        cells = {
            tuple(literal(given[argument]) for argument, _ in factors.values()): network
            for given, network in zip(latest.arguments, latest.network, strict=True)
        }
        levels = {shown: each for shown, (_, each) in factors.items()}
        every = itertools.product(*(map(literal, each) for each in levels.values()))
        lacking = [combination for combination in every if combination not in cells]
        arguments = [argument for argument, _ in factors.values()]
        yield Design(name, levels, cells, lacking=tuple(_named(name, arguments, each) for each in lacking))


def _named(name: str, arguments: list[str], levels: tuple[str, ...]) -> str:
    given = ", ".join(f"{argument}={level}" for argument, level in zip(arguments, levels, strict=True))
    return f"{name[:-1]}, {given})" if name.endswith(")") else f"{name}({given})"


def _values(arguments: pd.Series) -> dict[str, list]:
    """The distinct values of each argument, as they come."""
    values: dict[str, dict[str, Any]] = {}
    for each in arguments:
        for argument, value in each.items():
            values.setdefault(argument, {})[repr(value)] = value
    return {argument: list(levels.values()) for argument, levels in values.items()}


def _ordered(levels: list) -> tuple:
    return _FLAG if set(map(repr, levels)) == {"False", "True"} else tuple(levels)


def _shown(name: str, factor: str) -> str:
    """A factor's name; one that a column of a table of trials has too, in whatever case, is told apart by its class."""
    return f"{name}.{factor}" if factor.casefold() in TYPES else factor
