"""The calls of a network's layers, from its graph."""

import math
from collections.abc import Sequence

from twofold.networks.calls import BOTH, LEFT, RIGHT, Call
from twofold.networks.graphs.graph import Graph, Node, Spec, references_in

# Operations that only rearrange: what they give is what they were given.
# fmt: off
_REARRANGE = {
    "_reshape_alias", "alias", "as_strided", "chunk", "clone", "contiguous", "detach", "expand", "flatten", "getitem",
    "lift_fresh_copy", "movedim", "narrow", "permute", "read_view", "reshape", "select", "slice", "split",
    "split_with_sizes", "squeeze", "t", "to", "transpose", "unbind", "unflatten", "unsqueeze", "view", "view_as",
    "write_view", "_to_copy", "type_as",
}
# fmt: on

# Operations that give several outputs along an axis, one side of a pair each.
_PARTS = {"chunk", "split", "split_with_sizes", "unbind"}


class _Value:
    """Where a value comes from: calls, which images, and parameters that no call has taken yet."""

    def __init__(self, calls: tuple[int, ...] = (), of: str = "", parameters: frozenset[int] = frozenset()) -> None:
        self.calls, self.of, self.parameters = calls, of, parameters


def calls_of(graph: Graph) -> list[Call]:
    """What is computed from the images, in order; what is computed from parameters alone belongs to its first use."""
    return _Reader(graph).calls


def calls_of_outputs(graph: Graph) -> list[int]:
    """For each output of a graph the number of the call that gives it, the last of several."""
    values = _Reader(graph).values
    return [max(values[reference.number].calls, default=-1) for reference in references_in(graph.outputs)]


class _Reader:
    def __init__(self, graph: Graph) -> None:
        self._pairs = graph.images.shape[0]
        self._specs: list[Spec] = [graph.images, *graph.parameters, *graph.buffers]
        self._specs += [constant.spec for constant in graph.constants]
        self.values = [_Value((-1,), BOTH)]
        self.values += [_Value(parameters=frozenset([1 + i])) for i in range(len(graph.parameters))]
        self.values += [_Value()] * (len(graph.buffers) + len(graph.constants))
        self._first: dict[int, int] = {}  # parameter -> the call that had it first
        self.calls: list[Call] = []
        for node in graph.nodes:
            self._read(node)

    def _read(self, node: Node) -> None:
        numbers = [reference.number for reference in references_in((node.arguments, dict(node.keywords)))]
        taken = [self.values[number] for number in numbers]
        parameters = frozenset().union(*(value.parameters for value in taken))
        calls = tuple(dict.fromkeys(call for value in taken for call in value.calls))
        of = _joined([value.of for value in taken if value.of])
        name = node.operation.split(".")[1]
        if not of:  # computed from parameters alone
            results = [_Value(parameters=parameters)] * len(node.outputs)
        elif name in _REARRANGE:
            results = [_Value(calls, self._side(node, name, numbers[0], of, i)) for i in range(len(node.outputs))]
        else:
            images = next(number for number in numbers if self.values[number].of)
            self.calls.append(self._call(node, name, calls, of, self._specs[images], parameters))
            results = [_Value((len(self.calls) - 1,), of)] * len(node.outputs)
        self.values += results
        self._specs += node.outputs

    def _call(
        self, node: Node, name: str, calls: tuple[int, ...], of: str, images: Spec, parameters: frozenset[int]
    ) -> Call:
        had = {self._first[each] for each in parameters if each in self._first}
        new = [each for each in parameters if each not in self._first]
        self._first.update(dict.fromkeys(new, len(self.calls)))
        return Call(
            layer=node.layer,
            operation=name.strip("_").removesuffix("_training"),
            inputs=calls,
            of=of,
            input_shape=self._without_pairs(images),
            output_shape=self._without_pairs(node.outputs[0]),
            parameters=sum(math.prod(self._specs[each].shape) for each in new),
            again=min(had, default=None),
        )

    def _without_pairs(self, spec: Spec) -> tuple[int, ...]:
        shape = spec.shape
        return shape[1:] if shape and shape[0] in (self._pairs, 2 * self._pairs) else shape

    def _side(self, node: Node, name: str, number: int, of: str, output: int) -> str:
        """The images that a part of pairs comes from, where one of them is taken."""
        shape = self._specs[number].shape
        axis = _axis(node, name, len(shape))
        if of != BOTH or axis is None or axis >= len(shape) or shape[axis] != 2 or self.values[number].calls != (-1,):
            return of
        if name in _PARTS:
            return (LEFT, RIGHT)[output] if len(node.outputs) == 2 else of
        if name in ("select", "slice", "narrow"):
            start = node.arguments[2] if len(node.arguments) > 2 and isinstance(node.arguments[2], int) else 0
            whole = name == "slice" and node.outputs[0].shape[axis] == 2
            return of if whole else (LEFT, RIGHT)[start % 2]
        return of


def _axis(node: Node, name: str, axes: int) -> int | None:
    """The axis that is split or indexed."""
    place = {"select": 1, "slice": 1, "narrow": 1, "unbind": 1, "chunk": 2, "split": 2, "split_with_sizes": 2}.get(name)
    if place is None:
        return None
    given = dict(node.keywords).get("dim", node.arguments[place] if len(node.arguments) > place else 0)
    return given % axes if isinstance(given, int) and axes else None


def _joined(sides: Sequence[str]) -> str:
    """What a value is computed from whose parts are computed from these."""
    distinct = set(sides)
    return distinct.pop() if len(distinct) == 1 else BOTH if distinct else ""
