"""A graph in the making, in which memory can be written to.

PyTorch's tensors are views of storages, and what is written in place is seen through every view. Here a storage has a
value, and a tensor knows where in it its elements lie: after a write it is read from the storage's new value. What
comes of it is a `Graph` of pure operations.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from twofold.errors import NetworkError
from twofold.networks.graphs.graph import Constant, Graph, Node, Reference, Spec, references_in, replaced
from twofold.networks.graphs.operations import TABLE

# (sizes, strides, (offset,)) of a tensor in its storage.
Layout: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], tuple[int]]


@dataclass(frozen=True)
class Leaf:
    """A parameter (trained) or buffer of the module, by all its names there, which show one storage."""

    names: tuple[str, ...]
    spec: Spec
    layout: Layout
    trained: bool


@dataclass(eq=False)
class Storage:
    """Memory: its value, how that lies in it, and how often it was written."""

    value: Reference
    layout: Layout
    leaf: Leaf | None = None
    writes: int = 0


@dataclass(eq=False)
class Tensor:
    """A view of a storage, and what it showed when the storage had been written `writes` times (-1: never read).

    No gradient goes back through a detached one.
    """

    storage: Storage
    layout: Layout
    dtype: str
    value: Reference
    writes: int = 0
    detached: bool = False

    @property
    def spec(self) -> Spec:
        """The shape and the type."""
        return Spec(self.layout[0], self.dtype)


class Draft:
    """A graph whose values are numbered as they come; the images are 0."""

    def __init__(self, network: str, images: Spec) -> None:
        self.network = network
        self.images = images
        self.line = ""
        self.layer = ""
        self.with_gradients = True
        self._nodes: list[tuple[Node, tuple[Reference, ...]]] = []
        self._leaves: dict[Leaf, tuple[Reference, Storage]] = {}
        self._constants: dict[Reference, Constant] = {}
        self._changed: dict[Leaf, None] = {}  # what was written to, in the order of the first writes
        self._outputs: Any = None
        self._count = 1

    def fault(self, what: str, remedy: str) -> NetworkError:
        """An error about the line of the user's code that is being read."""
        return NetworkError(f"{self.network}{f' ({self.line})' if self.line else ''}: {what}; {remedy}")

    def leaf(self, leaf: Leaf, layout: Layout) -> Tensor:
        """A parameter or buffer, as one of its names shows it."""
        if leaf not in self._leaves:
            first = self._number()
            self._leaves[leaf] = (first, Storage(first, leaf.layout, leaf))
        storage = self._leaves[leaf][1]
        return Tensor(storage, layout, leaf.spec.dtype, storage.value, 0 if layout == leaf.layout else -1)

    def leaf_named(self, name: str) -> Storage:
        """The storage of the parameter or buffer that has this name among its own."""
        return next(storage for leaf, (_, storage) in self._leaves.items() if name in leaf.names)

    def constant(self, constant: Constant) -> Reference:
        """An array that stands in the user's code."""
        number = self._number()
        self._constants[number] = constant
        return number

    def emit(self, operation: str, arguments: tuple, keywords: dict[str, Any], *specs: Spec) -> tuple[Reference, ...]:
        """One more operation; references to what it gives."""
        numbers = tuple(self._number() for _ in specs)
        node = Node(operation, arguments, tuple(sorted(keywords.items())), specs, self.line, self.layer)
        self._nodes.append((node, numbers))
        return numbers

    def _number(self) -> Reference:
        self._count += 1
        return Reference(self._count - 1)

    def read(self, tensor: Tensor) -> Reference:
        """What a tensor shows now."""
        storage = tensor.storage
        if tensor.writes != storage.writes:
            tensor.writes = storage.writes
            tensor.value = storage.value
            if tensor.layout != storage.layout:
                arguments = (storage.value, storage.layout, tensor.layout)
                (tensor.value,) = self.emit("twofold.read_view", arguments, {}, tensor.spec)
            if tensor.detached:
                tensor.value = self.detached(tensor.value, tensor.spec)
        return tensor.value

    def detached(self, value: Reference, spec: Spec) -> Reference:
        """A value through which no gradient goes back."""
        return self.emit("aten.detach.default", (value,), {}, spec)[0]

    def write(self, tensor: Tensor, value: Reference) -> None:
        """Write a value to the memory that a tensor shows.

        Without gradients, and through a detached tensor, PyTorch changes the numbers and leaves the way back as it was.
        """
        storage = tensor.storage
        if storage.leaf and storage.leaf.trained:
            raise self.fault(
                f"it writes to its parameter {storage.leaf.names[0]}", "compute a new tensor from it instead"
            )
        unseen = tensor.detached or not self.with_gradients
        if unseen:
            before = self.read(dataclasses.replace(tensor, writes=-1, detached=False))
            (value,) = self.emit("twofold.write_unseen", (before, value), {}, tensor.spec)
        if tensor.layout == storage.layout:
            storage.value = value
        else:
            arguments = (storage.value, value, storage.layout, tensor.layout)
            (storage.value,) = self.emit("twofold.write_view", arguments, {}, Spec(storage.layout[0], tensor.dtype))
        if storage.leaf:
            self._changed[storage.leaf] = None
        storage.writes += 1
        tensor.value, tensor.writes = value, -1 if tensor.detached else storage.writes

    def finish(self, outputs: Any) -> None:
        """End with these outputs (references, nested). What they do not need is left out; the rest must be known."""
        self._outputs = outputs
        self._nodes = self._needed_by(references_in((outputs, *self._written().values())))
        for node, _ in self._nodes:
            if node.operation not in TABLE:
                self.line = node.line
                raise self.fault(f"the operation {node.operation} is not known here", "write it with other operations")

    def _needed_by(self, results: list[Reference]) -> list[tuple[Node, tuple[Reference, ...]]]:
        """The nodes that results need, each when it is first needed: the order of the user's lines does not count."""
        makers = {number: place for place, (_, numbers) in enumerate(self._nodes) for number in numbers}
        order: dict[int, None] = {}
        waiting = [makers[each] for each in reversed(results) if each in makers]
        while waiting:
            place = waiting[-1]
            before = [makers[each] for each in _read_by(self._nodes[place][0]) if each in makers]
            missing = [each for each in before if each not in order]
            if place in order or not missing:
                order[waiting.pop()] = None
            else:
                waiting += reversed(missing)
        return [self._nodes[place] for place in order]

    def _written(self) -> dict[Leaf, Reference]:
        return {leaf: self._leaves[leaf][1].value for leaf in self._changed}

    def used(self) -> list[Leaf]:
        """The parameters and buffers that count, in the order in which they are first read, or else written."""
        firsts = {first: leaf for leaf, (first, _) in self._leaves.items()}
        read = [each for node, _ in self._nodes for each in _read_by(node)] + references_in(self._outputs)
        return list(dict.fromkeys([firsts[each] for each in read if each in firsts] + list(self._written())))

    def graph(self, parameters: tuple[Leaf, ...], buffers: tuple[Leaf, ...]) -> Graph:
        """The graph, with the parameters and buffers in this order, which has all that it uses."""
        state = self._written()
        read = [each for node, _ in self._nodes for each in _read_by(node)]
        read += [*references_in(self._outputs), *state.values()]
        constants = list(dict.fromkeys(each for each in read if each in self._constants))
        computed = [each for _, given in self._nodes for each in given]
        leaves = (*parameters, *buffers)
        places = {leaf: Reference(number) for number, leaf in enumerate(leaves, 1)}
        numbers = {Reference(0): Reference(0)}
        numbers |= {first: places[leaf] for leaf, (first, _) in self._leaves.items() if leaf in places}
        numbers |= {each: Reference(number) for number, each in enumerate(constants + computed, 1 + len(leaves))}
        renumber = numbers.__getitem__
        return Graph(
            self.images,
            tuple(leaf.spec for leaf in parameters),
            tuple(leaf.spec for leaf in buffers),
            tuple(self._constants[each] for each in constants),
            tuple(_renumbered(node, renumber) for node, _ in self._nodes),
            replaced(self._outputs, renumber),
            tuple(numbers[state[leaf]] if leaf in state else places[leaf] for leaf in buffers),
        )


def _read_by(node: Node) -> list[Reference]:
    return references_in((node.arguments, dict(node.keywords)))


def _renumbered(node: Node, renumber: Callable[[Reference], Reference]) -> Node:
    arguments, keywords = replaced((node.arguments, dict(node.keywords)), renumber)
    return dataclasses.replace(node, arguments=arguments, keywords=tuple(keywords.items()))
