"""The table of a network's layers."""

from typing import Any

from rich.table import Table

from twofold.report.terminal.tables import rich_table
from twofold.report.text.networks import NetworkFacts, network_title
from twofold.report.text.numbers import shape_text, whole


def layer_rows(facts: NetworkFacts) -> list[dict[str, Any]]:
    """The layers of a network as JSON has them, a row per layer."""
    return [
        {
            "network": facts.name,
            "layer": row.layer,
            "input_shape": list(row.input_shape),
            "output_shape": list(row.output_shape),
            "parameters": row.parameters,
        }
        for row in facts.layers
    ]


def layers_table(facts: NetworkFacts) -> Table:
    """The layers of a network, their shapes and parameters."""
    cells = [
        [row.layer, shape_text(row.input_shape), shape_text(row.output_shape), whole(row.parameters)]
        for row in facts.layers
    ]
    cells.append(["total", "", "", whole(sum(row.parameters for row in facts.layers))])
    return rich_table(network_title(facts), ["layer", "input", "output", "parameters"], cells)
