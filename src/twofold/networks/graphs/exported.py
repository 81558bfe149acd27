"""What a front end makes of a user's network: its graphs, how it is called, and whose arrays they take."""

import json
from dataclasses import dataclass
from typing import Any

from twofold.networks.graphs.graph import Graph, Spec


@dataclass(frozen=True)
class Convention:
    """How a network is called: with which shapes, for n pairs of images.

    "pairs" are (n, 2, h, w), or (n, 2, c, h, w) where an image has several channels; "pairs with channels" are
    (n, 2, 1, h, w); "rows" are (2n, c, h, w), the two images of a pair one after the other; "two images" are two
    arguments (n, c, h, w). A network that takes one pair at a time, which is called for each, gets "one pair"
    (2, h, w) or (2, c, h, w), "one pair with channels" (2, 1, h, w), or "one pair as two images" (c, h, w).
    """

    name: str

    def shapes(self, pairs: Spec) -> list[tuple[int, ...]]:
        """The shapes of the arguments for pairs (n, 2, [c,] h, w)."""
        n, _, *image = pairs.shape
        with_channels = image if len(image) == 3 else [1, *image]
        return {
            "pairs": [pairs.shape],
            "pairs with channels": [(n, 2, *with_channels)],
            "rows": [(2 * n, *with_channels)],
            "two images": [(n, *with_channels)] * 2,
            "one pair": [pairs.shape[1:]],
            "one pair with channels": [(2, *with_channels)],
            "one pair as two images": [tuple(with_channels)] * 2,
        }[self.name]


@dataclass(frozen=True)
class Held:
    """A parameter or buffer: its names in the module, which show one storage, and its shape and type."""

    names: tuple[str, ...]
    spec: Spec


@dataclass(frozen=True)
class Exported:
    """A module's graphs, and whose arrays they take: parameters and buffers in the order of their first use.

    A graph is found by (training, number of pairs). `unused` are parameters that no graph uses: they are not trained
    and not counted.
    """

    network: str
    convention: Convention
    graphs: tuple[tuple[bool, int, Graph], ...]
    parameters: tuple[Held, ...]
    buffers: tuple[Held, ...]
    unused: tuple[str, ...]

    def graph(self, *, training: bool, pairs: int) -> Graph:
        """The graph of a mode for a number of pairs."""
        return next(graph for mode, n, graph in self.graphs if (mode, n) == (training, pairs))

    def to_json(self) -> str:
        """Everything as text."""
        data = {
            "network": self.network,
            "convention": self.convention.name,
            "graphs": [[mode, n, graph.to_json()] for mode, n, graph in self.graphs],
            "parameters": [[held.names, held.spec.shape, held.spec.dtype] for held in self.parameters],
            "buffers": [[held.names, held.spec.shape, held.spec.dtype] for held in self.buffers],
            "unused": self.unused,
        }
        return json.dumps(data)

    @classmethod
    def from_json(cls, text: str) -> "Exported":
        """What `to_json` wrote."""
        data = json.loads(text)

        def held(each: list[Any]) -> Held:
            return Held(tuple(each[0]), Spec(tuple(each[1]), each[2]))

        return cls(
            data["network"],
            Convention(data["convention"]),
            tuple((mode, n, Graph.from_json(graph)) for mode, n, graph in data["graphs"]),
            tuple(map(held, data["parameters"])),
            tuple(map(held, data["buffers"])),
            tuple(data["unused"]),
        )
