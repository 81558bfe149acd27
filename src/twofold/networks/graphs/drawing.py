"""Which operations of a graph draw random numbers."""

from inspect import signature

from twofold.networks.graphs.graph import Graph, Node
from twofold.networks.graphs.operations import TABLE


def first_that_draws(graph: Graph) -> Node | None:
    """The first operation of a graph that draws random numbers; dropout that is turned off draws none."""
    return next((node for node in graph.nodes if TABLE[node.operation].random and not _is_off(node)), None)


def _is_off(node: Node) -> bool:
    """Whether it is not training, or its probability is 0; a graph leaves out arguments that have their defaults."""
    bound = signature(TABLE[node.operation].function).bind_partial(*node.arguments, **dict(node.keywords))
    bound.apply_defaults()
    given = bound.arguments
    probabilities = [given.get(name) for name in ("p", "dropout_p")]
    return any(given.get(name) is False for name in ("train", "training")) or any(each == 0 for each in probabilities)
