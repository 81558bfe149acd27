"""Networks of one's own in a page: each one's layers as a drawing and a table, from what a store has kept of it."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from twofold.report.figures.catalogue import network_figures
from twofold.report.figures.files import file_of
from twofold.report.text.networks import NetworkFacts, facts_of_own, layers_table
from twofold.report.text.tables import TextTable

# A page of more drawings nobody looks through; the rest have their tables.
_MOST_DRAWN = 16


@dataclass(frozen=True)
class ShownNetwork:
    """A network's name, its drawing as a PNG in base64 (empty where there are too many), and its layers."""

    name: str
    drawing: str
    layers: TextTable


def own_networks(table: pd.DataFrame, described: pd.DataFrame) -> list[NetworkFacts]:
    """What is known of those networks of one's own that a table has trials of, by their names there."""
    if "identity" not in table:
        return []
    names = dict(zip(table.identity, table.network))
    kept: Mapping[str, Any] = dict(zip(described.identity, described.description))
    return [facts_of_own(name, kept[identity]) for identity, name in names.items() if identity in kept]


def shown_networks(networks: Sequence[NetworkFacts]) -> list[ShownNetwork]:
    """The networks as a page shows them."""
    drawings = [drawn(drawing) for drawing in list(network_figures(networks).values())[:_MOST_DRAWN]]
    drawings += [""] * (len(networks) - len(drawings))
    return [ShownNetwork(facts.name, drawing, layers_table(facts)) for facts, drawing in zip(networks, drawings)]


def drawn(drawing: Any) -> str:
    """A drawing as a PNG in base64."""
    return base64.b64encode(file_of(drawing.figure(), "png", drawing.digest)).decode()
