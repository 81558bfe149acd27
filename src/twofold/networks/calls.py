"""What a network of one's own consists of: the calls of its layers, in order, from where they get what they compute.

It is data that a store keeps, so that tables and drawings of a network need neither its file nor PyTorch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

# Which images of a pair a value is computed from.
LEFT, RIGHT, BOTH = "left", "right", "both"


@dataclass(frozen=True)
class LayerRow:
    """A line of the table of layers; `parameters` counts both branches, and shared weights once."""

    layer: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Call:
    """One operation of a network on its way from the images to its outputs.

    `layer` is the path of the module as the user's class names it ("first.0"), empty in the network's own `forward`;
    `operation` its name in PyTorch ("conv2d"). `inputs` are the numbers of the calls whose results it takes, -1 being
    the images; `of` says from which images of a pair they come. Shapes are PyTorch's, without the axis of pairs.
    `parameters` counts those that no earlier call has; where an earlier one has some, `again` is its number, else None.
    """

    layer: str
    operation: str
    inputs: tuple[int, ...]
    of: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
    again: int | None

    @property
    def name(self) -> str:
        """The layer and what it does."""
        return f"{self.layer}: {self.operation}" if self.layer else self.operation


def calls_as_data(calls: Sequence[Call]) -> list[dict[str, Any]]:
    """The calls as JSON has them."""
    return [asdict(call) for call in calls]


def calls_from_data(data: Sequence[Mapping[str, Any]]) -> list[Call]:
    """The calls that `calls_as_data` wrote."""
    lists = ("inputs", "input_shape", "output_shape")
    return [Call(**{**each, **{name: tuple(each[name]) for name in lists}}) for each in data]


def rows_of(calls: Sequence[Call]) -> list[LayerRow]:
    """The table of layers: one line for all calls of a layer that are alike; shared parameters are counted once."""
    groups: dict[tuple, list[Call]] = {}
    for call in calls:
        alone = (call.of, len(groups)) if not call.layer else ()  # operations of `forward` itself are not one layer
        groups.setdefault((call.name, call.input_shape, call.output_shape, *alone), []).append(call)
    return [
        LayerRow(
            f"{several[0].name}, {len(several)} calls" if len(several) > 1 else several[0].name,
            several[0].input_shape,
            several[0].output_shape,
            sum(call.parameters for call in several),
        )
        for several in groups.values()
    ]
