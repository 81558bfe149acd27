"""Units that may die: what goes into activations that are 0 below 0, and pass no gradient there."""

from dataclasses import dataclass

from twofold.networks.graphs.graph import Graph, Node, Reference
from twofold.networks.graphs.roles import spec_of

_ALWAYS = {"aten.relu.default", "aten.relu6.default", "twofold.zero_or_more"}


@dataclass(frozen=True)
class Layer:
    """A layer whose units may die: its name, the value before its activation, which of its axes the units are, and how
    many there are. `name` is that of the module, with a number where it is called more than once."""

    name: str
    value: Reference
    axis: int
    units: int


def layers_of(graph: Graph) -> tuple[Layer, ...]:
    """The layers of a graph whose units may die, in its order."""
    layers: list[Layer] = []
    linear = {"aten.linear.default", "aten.addmm.default", "aten.matmul.default", "aten.mm.default"}
    number = 1 + len(graph.parameters) + len(graph.buffers) + len(graph.constants)
    makers: dict[int, Node] = {}
    for node in graph.nodes:
        makers.update(dict.fromkeys(range(number, number + len(node.outputs)), node))
        number += len(node.outputs)
        if not _is_zero_below(node):
            continue
        value = node.arguments[0]
        shape = spec_of(graph, value).shape
        # Where the first axis is not that of pairs, as in a sequence of rows, it cannot be told which the units are.
        if len(shape) < 2 or shape[0] % graph.images.shape[0]:
            continue
        maker = makers.get(value.number)
        last = len(shape) == 2 or (len(shape) == 3 and maker is not None and maker.operation in linear)
        axis = len(shape) - 1 if last else 1
        layers.append(Layer(_name(node, [layer.name for layer in layers]), value, axis, shape[axis]))
    return tuple(layers)


def _is_zero_below(node: Node) -> bool:
    """Whether an activation is 0, with no gradient, for everything below 0."""
    given = (*node.arguments[1:], *(value for _, value in node.keywords))
    if node.operation in _ALWAYS:
        return True
    if node.operation == "aten.hardtanh.default":
        return bool(given) and given[0] == 0
    if node.operation == "aten.threshold.default":
        return given == (0, 0)
    return node.operation in ("aten.clamp_min.default", "aten.clamp.default") and bool(given) and given[0] == 0


def _name(node: Node, taken: list[str]) -> str:
    plain = node.layer or "relu"
    name, count = plain, 1
    while name in taken:
        count += 1
        name = f"{plain} ({count})"
    return name
