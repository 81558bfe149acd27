"""What a network is to the rest of the house: how to make its parameters, and how to apply them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from twofold.data import AnyArray, Task
from twofold.settings import Settings


class Outputs(NamedTuple):
    """What a network says of n pairs.

    `logits` answer the question (column 1: the relation holds); `class_logits` say of each image which class it is.
    They are the units of a branch before their activation, which auxiliary losses read, and of which a dead branch has
    none above 0.
    """

    logits: Float[Array, "n 2"]
    class_logits: Float[Array, "n 2 classes"]


@runtime_checkable
class Structure(Protocol):
    """What is compiled of a network. It is hashable: equal structures are trained by one compiled program.

    A model is a pytree of arrays of real numbers, all of which are trained.
    """

    def init(self, key: PRNGKeyArray, task: Task) -> PyTree:
        """A fresh model for a task."""

    def arrange(self, images: Float[AnyArray, "n 2 h w"]) -> Float[AnyArray, "..."]:
        """The images of n pairs as `apply` reads them: done once in a training, and not in each of its steps."""

    def apply(
        self, model: PyTree, images: Float[AnyArray, "..."], numbers: Mapping[str, Float[AnyArray, ""]]
    ) -> Outputs:
        """The outputs for arranged images. Of `numbers` it takes those that its settings became."""

    def numbers(self, settings: Settings) -> dict[str, float]:
        """What the settings of a trial become that are the network's: numbers that `apply` takes."""

    def layers(self, task: Task) -> "list[LayerRow]":
        """The table of its layers."""


@dataclass(frozen=True)
class LayerRow:
    """A line of the table of layers; `parameters` counts both branches, and shared weights once."""

    layer: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
