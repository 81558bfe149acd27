"""Designs: which networks of a table are the combinations of the levels of some factors, and so tell what these do."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from twofold.networks import NETWORKS, PAPERS
from twofold.settings import SETTINGS

# Between the factors of an interaction.
BETWEEN = " x "


@dataclass(frozen=True)
class Design:
    """A full crossing of factors: the network of every combination of levels.

    `factors` has the levels of each, and `cells` the network's name for each combination, a level of each factor.
    """

    name: str
    factors: Mapping[str, tuple]
    cells: Mapping[tuple, str]

    def effects(self) -> dict[str, dict[str, float]]:
        """The coefficient of each network's error in each effect (Montgomery, "Design and Analysis of Experiments",
        chapter 6).

        A main effect of a factor of two levels is the mean change from the first to the second; an interaction of two
        such factors is how much the change that one makes differs with the other at its second level from at its first,
        and so on for more. Of a factor of more levels it is the mean change from the first to each other.
        """
        two = [name for name, levels in self.factors.items() if len(levels) == 2]
        found: dict[str, dict[str, float]] = {}
        for name, levels in self.factors.items():
            if len(levels) > 2:
                for level in levels[1:]:
                    found[f"{name}: {level} against {levels[0]}"] = self._change(name, levels[0], level)
            else:
                found[name] = self._contrast((name,))
        for order in range(2, len(two) + 1):
            for together in itertools.combinations(two, order):
                found[self._interaction(together)] = self._contrast(together)
        return found

    def _interaction(self, together: tuple[str, ...]) -> str:
        return BETWEEN.join(together) if self.name else "interaction"

    def _contrast(self, together: tuple[str, ...]) -> dict[str, float]:
        others = math.prod(len(levels) for name, levels in self.factors.items() if name not in together)
        return {
            network: math.prod(1 if level == self.factors[name][1] else -1 for name, level in picked) / others
            for network, picked in self._picked(together)
        }

    def _change(self, name: str, first: Any, other: Any) -> dict[str, float]:
        others = len(self.cells) // len(self.factors[name])
        signs = {repr(first): -1, repr(other): 1}
        return {network: signs.get(repr(level), 0) / others for network, ((_, level),) in self._picked((name,))}

    def _picked(self, names: tuple[str, ...]) -> Iterator[tuple[str, tuple[tuple[str, Any], ...]]]:
        """Each network with its levels of some factors."""
        for levels, network in self.cells.items():
            of = dict(zip(self.factors, levels, strict=True))
            yield network, tuple((name, of[name]) for name in names)


def papers_design() -> Design:
    """The paper's four networks: weight sharing and auxiliary losses."""
    cells = {(NETWORKS[name].weight_sharing, NETWORKS[name].auxiliary_losses): name for name in PAPERS}
    return Design("", {"weight sharing": (False, True), "auxiliary losses": (False, True)}, cells)


def own_designs(trials: pd.DataFrame) -> list[Design]:
    """The designs of networks of one's own in a table: one for each class whose arguments are fully crossed.

    Of networks of one name that compute different things the latest one counts.
    """
    if "arguments" not in trials:
        return []
    own = trials[trials.arguments.notna()]
    if "finished_at" in own:
        own = own.sort_values("finished_at")
    found = []
    for (name, _), of_class in own.groupby([own.network.str.partition("(")[0], own.source], sort=False):
        arguments = {repr(each): each for each in of_class.arguments}
        networks = dict(zip(map(repr, of_class.arguments), of_class.network))
        design = _crossed(str(name), arguments, networks)
        if design is not None:
            found.append(design)
    return found


def _crossed(name: str, arguments: Mapping[str, Mapping[str, Any]], networks: Mapping[str, str]) -> Design | None:
    """The design of these networks; None where a combination lacks, or nothing varies."""
    values: dict[str, dict[str, Any]] = {}
    for each in arguments.values():
        for argument, value in each.items():
            values.setdefault(argument, {})[repr(value)] = value
    factors = {argument: _ordered(list(levels.values())) for argument, levels in values.items() if len(levels) > 1}
    cells = {tuple(each.get(factor) for factor in factors): networks[text] for text, each in arguments.items()}
    if not factors or len(cells) != math.prod(map(len, factors.values())):
        return None
    return Design(name, {_shown(name, factor): levels for factor, levels in factors.items()}, cells)


def _ordered(levels: list) -> tuple:
    return (False, True) if set(map(repr, levels)) == {"False", "True"} else tuple(levels)


def _shown(name: str, factor: str) -> str:
    """A factor's name; one that is a setting's, or a round, is told apart by its class."""
    return f"{name}.{factor}" if factor in SETTINGS or factor in ("network", "round") else factor
