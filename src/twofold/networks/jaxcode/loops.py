"""What a loop or a choice computes in each of its turns, by the operations of graphs: XLA's convolutions are slow."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr

from twofold.networks.graphs.draft import Draft
from twofold.networks.graphs.graph import Spec
from twofold.networks.graphs.interpret import run
from twofold.networks.jaxcode.translate import Translation, leaf_of, spec_of

_SLOW = {"conv_general_dilated", "reduce_window_max", "reduce_window_sum"}

# The equations that have others of which every turn is made.
_TURNS = {"scan", "while", "cond"}


def by_operations(closed: ClosedJaxpr) -> ClosedJaxpr:
    """One equation, alone in a jaxpr, whose turns are made of operations of graphs where they have slow ones."""
    (equation,) = closed.jaxpr.eqns
    if equation.primitive.name not in _TURNS or not _is_slow(closed.jaxpr):
        return closed
    params = {name: _quick(value) for name, value in equation.params.items()}
    return ClosedJaxpr(closed.jaxpr.replace(eqns=[equation.replace(params=params)]), closed.consts)


def _is_slow(jaxpr: Jaxpr) -> bool:
    return any(each.primitive.name in _SLOW or any(map(_is_slow, _within(each.params))) for each in jaxpr.eqns)


def _within(value: Any) -> Iterator[Jaxpr]:
    """The jaxprs among an equation's parameters."""
    if isinstance(value, ClosedJaxpr | Jaxpr):
        yield value.jaxpr if isinstance(value, ClosedJaxpr) else value
    elif isinstance(value, dict | tuple | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _within(each)


def _quick(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(map(_quick, value))
    if not isinstance(value, ClosedJaxpr) or not _is_slow(value.jaxpr):
        return value
    inputs = [spec_of(each) for each in value.jaxpr.invars]
    real = next(spec.dtype for spec in map(spec_of, value.jaxpr.outvars) if spec.dtype.startswith("float"))
    draft = Draft("", Spec((), real))
    translation = Translation(draft)
    leaves = [leaf_of(str(number), spec, trained=False) for number, spec in enumerate(inputs)]
    given = [translation.enter(draft.leaf(leaf, leaf.layout).value, leaf.spec) for leaf in leaves]
    results = translation.follow(value.jaxpr, value.consts, given)
    outputs = [translation.array(each, spec_of(var)) for each, var in zip(results, value.jaxpr.outvars)]
    draft.finish(tuple(outputs))
    graph = draft.graph((), tuple(leaves))

    def function(*arrays: Any) -> list[Any]:
        return list(run(graph, [], arrays, jnp.asarray(np.zeros((), real)))[0])

    return jax.make_jaxpr(function)(*(each.aval for each in value.jaxpr.invars))
