"""What is said of a network: whether its weights are shared, what it is trained on, its layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@runtime_checkable
class LayerFacts(Protocol):
    """A line of a network's table of layers, as a network's structure gives it."""

    @property
    def layer(self) -> str:
        """The layer's name and what it does."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(height, width, channels) or (units,)."""

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(height, width, channels) or (units,)."""

    @property
    def parameters(self) -> int:
        """How many numbers are trained in it, in both branches."""


@dataclass(frozen=True)
class NetworkFacts:
    """All that a table or a drawing of a network tells; whoever has the network computes it."""

    name: str
    weight_sharing: bool
    auxiliary_losses: bool
    layers: Sequence[LayerFacts]


def network_title(facts: NetworkFacts) -> str:
    """A network's name and its two flags."""
    shared = "shared by both branches" if facts.weight_sharing else "one for each branch"
    losses = "with auxiliary losses" if facts.auxiliary_losses else "without auxiliary losses"
    return f"{facts.name}: branch weights {shared}, {losses}"


def weights_text(shared: bool) -> str:
    """What stands between the branches of a drawing."""
    return "the two branches share their weights" if shared else "each branch has weights of its own"


def auxiliary_loss_text(side: str) -> str:
    """What stands at the auxiliary loss of a branch in a drawing."""
    return f"auxiliary loss: which digit is the {side}?"


MAIN_LOSS = "main loss:\nfirst ≤ second?"
