"""A network's graph as data: what is computed from which values, in what order. It needs neither PyTorch nor JAX.

Values are numbered: the images are 0, then parameters, buffers and constants in their order, then what each node gives.
"""

import base64
import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

# The form of a kept graph; another form is not read.
_VERSION = 1

# What a kept node ends with: `line` and `layer`.
_FOR_PEOPLE = -2


@dataclass(frozen=True)
class Reference:
    """A value, by its number."""

    number: int


@dataclass(frozen=True)
class Dtype:
    """A type of numbers as an argument, by its name in NumPy."""

    name: str


@dataclass(frozen=True)
class Spec:
    """The shape and the type of an array."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Constant:
    """An array that the graph holds, as little-endian bytes in the order of rows."""

    spec: Spec
    data: bytes

    @classmethod
    def of(cls, array: np.ndarray) -> "Constant":
        """The constant of an array."""
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        return cls(Spec(array.shape, array.dtype.name), little.tobytes())

    def array(self) -> np.ndarray:
        """The constant as an array."""
        dtype = np.dtype(self.spec.dtype)
        return np.frombuffer(self.data, dtype.newbyteorder("<")).astype(dtype).reshape(self.spec.shape)


@dataclass(frozen=True)
class Node:
    """One operation, by its name in ATen ("aten.linear.default"), in JAX ("jax.scan") or here ("twofold.read_view").

    Arguments are references, dtypes, numbers, texts, None, and tuples of these. `line` is "file:line" of the user's
    code and `layer` the path of the module that the operation is in ("branch.conv.2", "" for the network itself): both
    are for people, and decide nothing.
    """

    operation: str
    arguments: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...]
    outputs: tuple[Spec, ...]
    line: str = ""
    layer: str = ""


@dataclass(frozen=True)
class Graph:
    """A network in one mode (training or evaluation), for one number of pairs.

    `outputs` is a nesting of tuples and dicts with references, numbers and None. `state` are the buffers' new values.
    """

    images: Spec
    parameters: tuple[Spec, ...]
    buffers: tuple[Spec, ...]
    constants: tuple[Constant, ...]
    nodes: tuple[Node, ...]
    outputs: Any
    state: tuple[Reference, ...]

    def to_json(self) -> str:
        """The graph as text."""
        return json.dumps({"version": _VERSION, **_graph_to_data(self)}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Graph":
        """The graph that `to_json` wrote. Raises `ValueError` for another form."""
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("version") != _VERSION:
            raise ValueError("no graph of this form")
        return cls(
            _spec(data["images"]),
            tuple(map(_spec, data["parameters"])),
            tuple(map(_spec, data["buffers"])),
            tuple(Constant(_spec(spec), base64.b64decode(text)) for spec, text in data["constants"]),
            tuple(map(_node, data["nodes"])),
            _from_data(data["outputs"]),
            tuple(map(_from_data, data["state"])),
        )

    def canonical(self) -> bytes:
        """What decides what the graph computes, and nothing else: equal for equal networks whatever their names."""
        data = _graph_to_data(self)
        data["nodes"] = [node[:_FOR_PEOPLE] for node in data["nodes"]]
        return json.dumps(data, separators=(",", ":"), sort_keys=True).encode()


def references_in(value: Any) -> list[Reference]:
    """All references in a nesting of tuples and dicts, in their order."""
    if isinstance(value, Reference):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    return [found for each in value for found in references_in(each)] if isinstance(value, tuple) else []


def replaced(value: Any, replace: Any) -> Any:
    """A nesting with `replace(reference)` in the place of each reference."""
    if isinstance(value, Reference):
        return replace(value)
    if isinstance(value, dict):
        return {key: replaced(each, replace) for key, each in value.items()}
    return tuple(replaced(each, replace) for each in value) if isinstance(value, tuple) else value


def _graph_to_data(graph: Graph) -> dict[str, Any]:
    return {
        "images": _spec_to_data(graph.images),
        "parameters": [_spec_to_data(spec) for spec in graph.parameters],
        "buffers": [_spec_to_data(spec) for spec in graph.buffers],
        "constants": [[_spec_to_data(each.spec), base64.b64encode(each.data).decode()] for each in graph.constants],
        "nodes": [_node_to_data(node) for node in graph.nodes],
        "outputs": _to_data(graph.outputs),
        "state": [_to_data(reference) for reference in graph.state],
    }


def _node_to_data(node: Node) -> list[Any]:
    return [
        node.operation,
        _to_data(node.arguments),
        [[name, _to_data(value)] for name, value in node.keywords],
        [_spec_to_data(spec) for spec in node.outputs],
        node.line,
        node.layer,
    ]


def _node(data: list[Any]) -> Node:
    operation, arguments, keywords, outputs, line, layer = data
    return Node(
        operation,
        _from_data(arguments),
        tuple((name, _from_data(value)) for name, value in keywords),
        tuple(map(_spec, outputs)),
        line,
        layer,
    )


def _spec_to_data(spec: Spec) -> list[Any]:
    return [list(spec.shape), spec.dtype]


def _spec(data: list[Any]) -> Spec:
    return Spec(tuple(data[0]), data[1])


def _to_data(value: Any) -> Any:
    if isinstance(value, Reference | Dtype):
        return {type(value).__name__: next(iter(dataclasses.asdict(value).values()))}
    if isinstance(value, dict):
        return {"dict": [[key, _to_data(each)] for key, each in value.items()]}
    return [_to_data(each) for each in value] if isinstance(value, tuple) else value


def _from_data(data: Any) -> Any:
    if isinstance(data, list):
        return tuple(map(_from_data, data))
    if not isinstance(data, dict):
        return data
    ((kind, value),) = data.items()
    if kind == "dict":
        return {key: _from_data(each) for key, each in value}
    return Reference(value) if kind == "Reference" else Dtype(value)
