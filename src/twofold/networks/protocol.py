"""What a network is to the rest of the house: how to make its parameters, and how to apply them."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from twofold.data import AnyArray, Task
from twofold.networks.calls import LayerRow
from twofold.settings import Settings

# Pairs evaluated at once: enough for large products, few enough for a processor's cache.
EVALUATED_AT_ONCE = 50


class Outputs(NamedTuple):
    """What a network says of n pairs.

    `logits` answer the question (column 1: the relation holds). `class_logits` say of each image which class it is,
    and auxiliary losses read them; None where a network names no classes. `units` are what goes into activations that
    are 0 below 0, in arrays whose last axis is the units: a unit is dead if it is at or below 0 on every image.

    A network that gives `embeddings` of the images has no logits of any kind: it answers by their distance. Its
    `numbers` are then "contrastive_margin" and "alike": the answer, 1 or 0, for a pair at a small distance.
    """

    logits: Float[Array, "n 2"] | None
    class_logits: Float[Array, "n 2 classes"] | None
    units: PyTree[Float[Array, "n ..."]]
    embeddings: Float[Array, "n 2 d"] | None = None


class Variables(NamedTuple):
    """What a network computes with, as pytrees of arrays.

    The `parameters` are real numbers, and all of them are trained; the `buffers`, such as running means, are what the
    network itself writes in training.
    """

    parameters: PyTree
    buffers: PyTree = ()


@runtime_checkable
class Structure(Protocol):
    """What is compiled of a network. It is hashable: equal structures are trained by one compiled program."""

    @property
    def draws(self) -> bool:
        """Whether it draws random numbers in training, as dropout does."""

    def init(self, key: PRNGKeyArray, task: Task) -> Variables:
        """Fresh variables for a task, as part of the compiled program. Not called where `initial` gives them."""

    def initial(self, seed: int, round: int) -> Variables | None:
        """Fresh variables of a round as NumPy arrays, made outside the program; None where `init` makes them."""

    def arrange(self, images: Float[AnyArray, "n 2 h w"]) -> Float[AnyArray, "..."]:
        """The images of n pairs as `apply` reads them: done once in a training, and not in each of its steps."""

    def apply(
        self,
        variables: Variables,
        images: Float[AnyArray, "..."],
        numbers: Mapping[str, Float[AnyArray, ""]],
        *,
        training: bool = False,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Outputs, PyTree]:
        """The outputs for arranged images, and the buffers afterwards.

        Of `numbers` it takes those that its settings became. A network that `draws` gets a key in training.
        """

    def numbers(self, settings: Settings) -> dict[str, float]:
        """What the settings of a trial become that are the network's: numbers that `apply` takes."""

    def layers(self, task: Task) -> list[LayerRow]:
        """The table of its layers."""
