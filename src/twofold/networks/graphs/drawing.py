"""Which operations of a graph draw random numbers."""

from inspect import signature

from twofold.networks.graphs.graph import Graph, Node, references_in
from twofold.networks.graphs.operations import TABLE


def first_that_draws(graph: Graph) -> Node | None:
    """The first operation of a graph that draws random numbers; dropout that is turned off draws none."""
    return next((node for node in graph.nodes if TABLE[node.operation].random and not _is_off(node)), None)


def line_of_draw(graph: Graph, node: Node) -> str:
    """The user's line where an operation draws: its own, or the first that takes what comes of it."""
    number = 1 + len(graph.parameters) + len(graph.buffers) + len(graph.constants)
    given: set[int] = set()
    for each in graph.nodes:
        if each is node or any(reference.number in given for reference in references_in(each.arguments)):
            if each.line:
                return each.line
            given.update(range(number, number + len(each.outputs)))
        number += len(each.outputs)
    return ""


def _is_off(node: Node) -> bool:
    """Whether it is not training, or its probability is 0; a graph leaves out arguments that have their defaults."""
    bound = signature(TABLE[node.operation].function).bind_partial(*node.arguments, **dict(node.keywords))
    bound.apply_defaults()
    given = bound.arguments
    probabilities = [given.get(name) for name in ("p", "dropout_p")]
    return any(given.get(name) is False for name in ("train", "training")) or any(each == 0 for each in probabilities)
