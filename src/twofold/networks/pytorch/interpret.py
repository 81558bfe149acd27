"""A graph computed in JAX: a pure function of parameters, buffers and images, that can be differentiated and mapped."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from twofold.networks.pytorch.graph import Dtype, Graph, Node, Reference, references_in, replaced
from twofold.networks.pytorch.operations import TABLE


def run(
    graph: Graph, parameters: Sequence[Any], buffers: Sequence[Any], images: Any, key: PRNGKeyArray | None = None
) -> tuple[Any, list[Array]]:
    """The outputs, nested as the network nests them, and the buffers' new values.

    Real numbers are of the type of the images, whatever the graph was exported in: the same graph is computed in
    single and in double precision. Whole numbers are as long as JAX has them: 32 bits, or 64 under `enable_x64`.
    `key` is the step's; a graph in which nothing is random needs none.
    """
    images = jnp.asarray(images)
    real = images.dtype
    arrays = [*parameters, *buffers, *(constant.array() for constant in graph.constants)]
    values: list[Any] = [images, *(_as(jnp.asarray(array), jnp.asarray(array).dtype.name, real) for array in arrays)]
    last_use = _last_uses(graph)
    for number, node in enumerate(graph.nodes):
        values.extend(_computed(node, number, values, real, key))
        for reference in last_use.get(number, ()):
            values[reference] = None  # what is read no more is not kept alive while tracing
    look_up = lambda reference: values[reference.number]  # noqa: E731
    return replaced(graph.outputs, look_up), [look_up(reference) for reference in graph.state]


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


def _computed(node: Node, number: int, values: list[Any], real: jnp.dtype, key: PRNGKeyArray | None) -> list[Any]:
    """What a node gives: one value for each of its outputs."""
    function, random = TABLE[node.operation]

    def argument(value: Any) -> Any:
        if isinstance(value, Reference):
            return values[value.number]
        if isinstance(value, Dtype):
            return _dtype(value.name, real)
        return tuple(argument(each) for each in value) if isinstance(value, tuple) else value

    keywords = {name: argument(value) for name, value in node.keywords}
    if random:
        keywords["key"] = None if key is None else jax.random.fold_in(key, number)
    result = function(*(argument(value) for value in node.arguments), **keywords)
    results = result if isinstance(result, tuple) else (result,)
    return [
        None if each is None else _as(jnp.asarray(each), spec.dtype, real) for each, spec in zip(results, node.outputs)
    ]


def _as(array: Array, dtype: str, real: jnp.dtype) -> Array:
    wanted = _dtype(dtype, real)
    return array if array.dtype == wanted else array.astype(wanted)


def _dtype(name: str, real: jnp.dtype) -> jnp.dtype:
    """The type in which numbers are computed that PyTorch has in this one."""
    if name in ("float32", "float64"):
        return real
    return jax.dtypes.canonicalize_dtype(name)
