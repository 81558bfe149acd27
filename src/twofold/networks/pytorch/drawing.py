"""Which operations of a graph draw random numbers, and what the graph is without those that only drop at random."""

from dataclasses import replace

from twofold.networks.pytorch.graph import Graph, Node
from twofold.networks.pytorch.operations import TABLE

_DROPOUTS = ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "native_dropout")

# Operations that drop at random, and which of their arguments is the probability; the next one says whether the network
# trains, but for attention.
_PROBABILITY = {
    **{f"aten.{name}.default": 1 for name in _DROPOUTS},
    **{f"aten.{name}.input": 5 for name in ("gru", "lstm", "rnn_relu", "rnn_tanh")},
    "aten.scaled_dot_product_attention.default": 4,
}


def first_that_draws(graph: Graph) -> Node | None:
    """The first operation of a graph that draws random numbers; dropout that is turned off draws none."""
    return next((node for node in graph.nodes if TABLE[node.operation].random and not _is_off(node)), None)


def without_dropping(graph: Graph) -> Graph:
    """The graph in which everything that drops at random drops nothing."""
    return replace(graph, nodes=tuple(map(_dropping_nothing, graph.nodes)))


def _is_off(node: Node) -> bool:
    place = _PROBABILITY.get(node.operation)
    if place is None:
        return any(each is False for each in node.arguments)  # which says that the network does not train
    probability = node.arguments[place] if len(node.arguments) > place else dict(node.keywords).get("dropout_p", 0.0)
    training = node.arguments[place + 1 :][:1] != (False,) or "attention" in node.operation
    return probability == 0 or not training


def _dropping_nothing(node: Node) -> Node:
    place = _PROBABILITY.get(node.operation)
    if place is None:
        return node
    arguments = tuple(0.0 if i == place else each for i, each in enumerate(node.arguments))
    return replace(node, arguments=arguments, keywords=tuple((n, v) for n, v in node.keywords if n != "dropout_p"))
