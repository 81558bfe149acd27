"""Whether a user's network in JAX and its graphs compute the same, in double precision."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from twofold.errors import NetworkError
from twofold.native import handlers
from twofold.native.quickly import compile_quickly
from twofold.networks.graphs.exported import Convention, Exported
from twofold.networks.graphs.graph import Graph, Spec
from twofold.networks.graphs.operations import FIXED
from twofold.networks.graphs.operations.sampling import fixed
from twofold.networks.graphs.parity import (
    AWAY,
    RATE,
    STEPS,
    Compared,
    Difference,
    after_steps,
    as_differences,
    in_evaluation,
    total,
)
from twofold.networks.jaxcode.calling import Callee
from twofold.networks.jaxcode.tracing import example_key, export, function_of

_ROUNDED = ("float32", "float16", "bfloat16")


def differences(
    callee: Callee, convention: Convention, pairs: Spec, numbers: Sequence[tuple[bool, int]], *, steps: int = STEPS
) -> list[Difference]:
    """The largest differences between a network and its graphs, over so many steps of SGD.

    The weights are moved a little from where they begin. Random numbers are the same on both sides. Graphs are traced
    again in double precision, or in single where the network computes in no other.
    """
    try:
        with jax.enable_x64(True), handlers.only_if_known("float64"):
            exported = export(callee, convention, Spec(pairs.shape, "float64"), numbers)
            found = _compared(callee.in_precision("float64"), exported, steps)
            single = any(map(_rounds, exported.graphs))
    except (TypeError, ValueError, NetworkError):  # types that do not fit
        exported = export(callee, convention, pairs, numbers)
        found, single = _compared(callee, exported, steps), True
    return as_differences(found, single=single)


def _rounds(mode: tuple[bool, int, Graph]) -> bool:
    """Whether a network asks for single precision, or less, somewhere, so that it rounds what is computed here."""
    return any(spec.dtype in _ROUNDED for node in mode[-1].nodes for spec in node.outputs)


def _compared(callee: Callee, exported: Exported, steps: int) -> dict[str, Compared]:
    graphs = {mode: graph for mode, _, graph in exported.graphs}
    theirs = _Theirs(callee, exported)
    found = in_evaluation(graphs[False], theirs, FIXED)
    return found | after_steps(graphs[True], theirs, steps, FIXED)


class _Theirs:
    """The user's network in a precision (a `twofold.networks.graphs.parity.Theirs`)."""

    def __init__(self, callee: Callee, exported: Exported) -> None:
        self._real = exported.graphs[0][-1].images.dtype
        self._parameters, self._buffers = ([np.asarray(each) for each in several.values] for several in _both(callee))
        names = [each.names for each in _both(callee)]
        held = (exported.parameters, exported.buffers)
        self._places = [[of.index(each.names[0]) for each in several] for of, several in zip(names, held)]
        for place in self._places[0]:  # some begin where there is no derivative, or with zeros that hide others
            weights = self._parameters[place]
            self._parameters[place] = weights + (AWAY * fixed(weights.shape)).astype(weights.dtype)
        self._functions = {mode: function_of(callee, exported.convention, training=mode) for mode in (True, False)}
        self._step: Any = None

    def images(self, graph: Graph, seed: int = 0) -> np.ndarray:
        """Pairs for a graph."""
        return np.random.default_rng(seed).uniform(size=graph.images.shape).astype(self._real)

    def arrays(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The parameters and the buffers now, in the order of the graphs."""
        parameters, buffers = self._places
        return [self._parameters[place] for place in parameters], [self._buffers[place] for place in buffers]

    def outputs(self, images: np.ndarray, *, training: bool) -> list[np.ndarray]:
        """The outputs, in evaluation for what is compared here."""
        given = (self._parameters, self._buffers, images, example_key())
        compiled = compile_quickly(lambda *given: self._functions[training](*given)[0], *given)
        return jax.device_get(compiled(*given))

    def gradients(self, images: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The outputs in training, and the gradients of `total` of them."""

        def loss(parameters: list, *more: Any) -> tuple[Any, Any]:
            outputs, after = self._functions[True](parameters, *more)
            return total(outputs, jnp), (outputs, after)

        given = (self._parameters, self._buffers, images, example_key())
        if self._step is None:
            self._step = compile_quickly(jax.grad(loss, has_aux=True), *given)
        gradients, (outputs, self._buffers) = jax.device_get(self._step(*given))
        return outputs, [gradients[place] for place in self._places[0]]

    def step(self, gradients: Sequence[np.ndarray]) -> None:
        """A step of SGD."""
        for place, gradient in zip(self._places[0], gradients):
            self._parameters[place] = self._parameters[place] - RATE * gradient


def _both(callee: Callee) -> tuple[Any, Any]:
    return callee.parameters, callee.buffers
