"""A graph computed in JAX: a pure function of parameters, buffers and images, that can be differentiated and mapped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from twofold.networks.graphs.graph import Dtype, Graph, Node, Reference, references_in, replaced
from twofold.networks.graphs.operations import FIXED, TABLE, Key, part_of
from twofold.networks.graphs.rewriting import PATTERNS, rewritten


@dataclass(frozen=True)
class Last:
    """A value (n, channels, ...) that is kept with its channels as the last axis, where convolutions are fastest."""

    array: Array


def run(
    graph: Graph,
    parameters: Sequence[Any],
    buffers: Sequence[Any],
    images: Any,
    key: Key = None,
    patterns: Sequence[str] = tuple(PATTERNS),
) -> tuple[Any, list[Array]]:
    """The outputs, nested as the network nests them, and the buffers' new values.

    Real numbers are of the type of the images, whatever the graph was exported in: the same graph is computed in
    single and in double precision. Whole numbers are as long as JAX has them: 32 bits, or 64 under `enable_x64`.
    `key` is the step's, or FIXED; a graph in which nothing is random needs none. What is computed is the graph
    after these patterns of `twofold.networks.graphs.rewriting`.
    """
    graph = rewritten(graph, patterns)
    images = jnp.asarray(images)
    real = images.dtype
    arrays = [*parameters, *buffers, *(constant.array() for constant in graph.constants)]
    values: list[Any] = [images, *(_as(jnp.asarray(array), jnp.asarray(array).dtype.name, real) for array in arrays)]
    last_use = _last_uses(graph)
    for number, node in enumerate(graph.nodes):
        values.extend(_computed(node, number, values, real, key))
        for reference in last_use.get(number, ()):
            values[reference] = None  # what is read no more is not kept alive while tracing

    def result(reference: Reference) -> Array:
        return _first(values[reference.number])

    return replaced(graph.outputs, result), [result(reference) for reference in graph.state]


def _last_uses(graph: Graph) -> dict[int, list[int]]:
    kept = {reference.number for reference in references_in((graph.outputs, graph.state))}
    last: dict[int, int] = {}
    for number, node in enumerate(graph.nodes):
        for reference in references_in((node.arguments, dict(node.keywords))):
            last[reference.number] = number
    uses: dict[int, list[int]] = {}
    for reference_number, node_number in last.items():
        if reference_number not in kept:
            uses.setdefault(node_number, []).append(reference_number)
    return uses


def _computed(node: Node, number: int, values: list[Any], real: jnp.dtype, key: Key) -> list[Any]:
    """What a node gives: one value for each of its outputs."""
    function, random, layout = TABLE[node.operation]

    def argument(value: Any) -> Any:
        if isinstance(value, Reference):
            return values[value.number]
        if isinstance(value, Dtype):
            return _dtype(value.name, real)
        return tuple(argument(each) for each in value) if isinstance(value, tuple) else value

    arguments = argument(node.arguments)
    keywords = {name: argument(value) for name, value in node.keywords}
    as_pytorchs = random and key is FIXED  # whose numbers are in PyTorch's order
    last = "" if as_pytorchs else _channels_last(layout, arguments, keywords)
    if last == "any":
        arguments, keywords = (_each(each, lambda array: _moved(array, arguments)) for each in (arguments, keywords))
    elif last:
        arguments = (_each(arguments[0], _to_last), *arguments[1:])
        keywords["channels_last"] = True
    arguments, keywords = _each(arguments, _first), _each(keywords, _first)
    if random:
        keywords["key"] = part_of(key, number)
    result = function(*arguments, **keywords)
    results = result if isinstance(result, tuple) else (result,)
    given = [
        None if each is None else _as(jnp.asarray(each), spec.dtype, real) for each, spec in zip(results, node.outputs)
    ]
    return [Last(jnp.asarray(given[0])), *given[1:]] if last else given


def _channels_last(layout: str, arguments: tuple, keywords: dict[str, Any]) -> str:
    """In which way an operation is computed with channels last; empty where it is not."""
    if not layout or not arguments:
        return ""
    images = arguments[0][0] if isinstance(arguments[0], tuple) else arguments[0]
    if layout == "any":
        arrays = [each for each in (*arguments, *keywords.values()) if isinstance(each, Array | Last)]
        ranks = [each.array.ndim for each in arrays if isinstance(each, Last)]
        fits = ranks and len(set(ranks)) == 1 and all(_first_ndim(each) <= ranks[0] for each in arrays)
        return layout if fits else ""
    if layout == "kept":
        return layout if isinstance(images, Last) else ""
    return layout if isinstance(images, Last) or images.ndim == arguments[1].ndim else ""


def _first_ndim(value: Array | Last) -> int:
    return (value.array if isinstance(value, Last) else value).ndim


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    """A nesting of arguments with its arrays changed."""
    if isinstance(value, Array | Last):
        return change(value)
    if isinstance(value, dict):
        return {name: _each(each, change) for name, each in value.items()}
    return tuple(_each(each, change) for each in value) if isinstance(value, tuple) else value


def _to_last(value: Array | Last) -> Array:
    return value.array if isinstance(value, Last) else jnp.moveaxis(value, 1, -1)


def _first(value: Any) -> Any:
    return jnp.moveaxis(value.array, -1, 1) if isinstance(value, Last) else value


def _moved(value: Array | Last, arguments: tuple) -> Array:
    """An operand with channels last, of the rank of the others; a single number is as it is."""
    if isinstance(value, Last):
        return value.array
    rank = next(each.array.ndim for each in arguments if isinstance(each, Last))
    return value if value.ndim == 0 else jnp.moveaxis(value.reshape(*[1] * (rank - value.ndim), *value.shape), 1, -1)


def _as(array: Array, dtype: str, real: jnp.dtype) -> Array:
    if dtype.startswith("key<"):  # of random numbers
        return array
    wanted = _dtype(dtype, real)
    return array if array.dtype == wanted else array.astype(wanted)


def _dtype(name: str, real: jnp.dtype) -> jnp.dtype:
    """The type in which numbers are computed that PyTorch has in this one."""
    if name in ("float32", "float64"):
        return real
    return jax.dtypes.canonicalize_dtype(name)
