"""The layers of a network as JSON has them."""

from typing import Any

from twofold.report.text.networks import NetworkFacts


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
