"""What is said of a network: whether its weights are shared, what it is trained on, its layers."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from twofold.networks.calls import BOTH, LEFT, RIGHT, Call, calls_from_data, rows_of
from twofold.report.text.names import statement
from twofold.report.text.numbers import shape_text, shortened, whole
from twofold.report.text.tables import Column, TextTable
from twofold.settings import SETTINGS


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
    """All that a table or a drawing of a network tells; whoever has the network computes it.

    Of a network of one's own `weight_sharing` is None, since only its author knows; it has `calls`, and `outputs`: what
    each of them is, and the number of the call that gives it.
    """

    name: str
    weight_sharing: bool | None
    auxiliary_losses: bool
    layers: Sequence[LayerFacts]
    calls: Sequence[Call] = ()
    outputs: Sequence[tuple[str, int]] = ()
    relation: str = SETTINGS["relation"].default


def facts_of_own(name: str, description: Mapping[str, Any]) -> NetworkFacts:
    """What a store, or whoever read the class, knows of a network of one's own."""
    calls = calls_from_data(description["calls"])
    if description.get("embeddings"):
        roles = ["embedding"] * len(description["outputs"])
    else:  # the answer comes first
        answers = [] if description["answer"] == "class predictions alone" else ["answer"]
        roles = answers + ["classes"] * (len(description["outputs"]) - len(answers))
    return NetworkFacts(
        name,
        None,
        description["classes"] is not None,
        rows_of(calls),
        calls,
        list(zip([OUTPUTS[role] for role in roles], description["outputs"])),
    )


def layers_table(facts: NetworkFacts) -> TextTable:
    """The layers of a network, their shapes and parameters."""
    columns = [
        Column("layer", lambda row: row["layer"], words=True),
        Column("input", lambda row: shape_text(row["input"])),
        Column("output", lambda row: shape_text(row["output"])),
        Column("parameters", lambda row: whole(row["parameters"])),
    ]
    rows: list[dict[str, Any]] = [
        {"layer": each.layer, "input": each.input_shape, "output": each.output_shape, "parameters": each.parameters}
        for each in facts.layers
    ]
    total = {"layer": "total", "input": (), "output": (), "parameters": sum(row["parameters"] for row in rows)}
    return TextTable(network_title(facts), columns, [*rows, total])


def network_title(facts: NetworkFacts) -> str:
    """A network's name and its two flags; of one's own what can be seen of them."""
    if facts.calls:
        embeds = any(name == OUTPUTS["embedding"] for name, _ in facts.outputs)
        answers = "; answers by a threshold on the distance of embeddings" if embeds else ""
        return f"{facts.name}: {parameters_text(facts)}{answers}"
    losses = "with auxiliary losses" if facts.auxiliary_losses else "without auxiliary losses"
    return f"{facts.name}: {weights_text(bool(facts.weight_sharing))}, {losses}"


def weights_text(shared: bool) -> str:
    """What stands between the branches of a drawing."""
    return "the two branches share their weights" if shared else "each branch has weights of its own"


def auxiliary_loss_text(side: str) -> str:
    """What stands at the auxiliary loss of a branch in a drawing."""
    return f"auxiliary loss: which class is the {side} image?"


def main_loss_text(relation: str) -> str:
    """What stands at the main loss in a drawing: the question, if there is one, in short lines."""
    if not relation:
        return "main loss"
    asked = textwrap.fill(f"{shortened(statement(relation), _QUESTION_LETTERS)}?", _QUESTION_LINE)
    return f"main loss:\n{asked}"


# Of a question so many letters stand in a drawing, and so many in a line of it.
_QUESTION_LETTERS, _QUESTION_LINE = 90, 34

# What stands in a drawing of a network of one's own: at its images, at its outputs, and for what is left out.
IMAGES = {LEFT: "left image", RIGHT: "right image", BOTH: "both images"}
OUTPUTS = {"answer": "answer", "classes": "class predictions", "embedding": "embedding"}
LEFT_OUT = "{} operations"


def parameters_text(facts: NetworkFacts) -> str:
    """How many numbers a network of one's own learns."""
    again = any(call.again is not None for call in facts.calls)
    counted = "shared ones counted once" if again else "no two layers share weights"
    return f"{whole(sum(call.parameters for call in facts.calls))} parameters, {counted}"


SHARED = "dashed: with the weights of an earlier layer"
