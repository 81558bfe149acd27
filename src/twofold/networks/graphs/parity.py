"""Whether a user's network and its graphs compute the same: outputs, gradients, state, and steps of SGD."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from twofold.native.quickly import compile_quickly
from twofold.networks.graphs.graph import Graph
from twofold.networks.graphs.interpret import run
from twofold.networks.graphs.operations import Key

STEPS, RATE = 5, 0.01

# How far weights are moved, at most, from where they begin.
AWAY = 0.01

# What may differ, as a part of the largest number (or of 1), in double precision; and in single precision, which is for
# networks that compute in no other.
_ALLOWED = {
    "outputs in evaluation": 1e-10,
    "outputs in training": 1e-10,
    "gradients": 1e-8,
    "state after a step": 1e-10,
    "weights after steps of SGD": 1e-7,  # rounding grows from step to step where a norm divides by little
}
ALLOWED_IN_SINGLE = 1e-3

# The largest difference in something, and whether all of it is finite.
Compared: TypeAlias = tuple[float, bool]


@dataclass(frozen=True)
class Difference:
    """How much the graphs differ from the network in something, and how much they may.

    What is infinite or no number in both is no difference, nor is it compared; `all_finite` says that nothing is.
    """

    of: str
    largest: float
    allowed: float
    all_finite: bool = True

    @property
    def is_right(self) -> bool:
        """Whether it is within what is allowed; what is not a number is not."""
        return self.largest <= self.allowed

    @property
    def in_single(self) -> bool:
        """Whether it was computed in single precision, which allows more."""
        return self.allowed == ALLOWED_IN_SINGLE


@runtime_checkable
class Theirs(Protocol):
    """The user's own network in a precision, with weights of its own."""

    def arrays(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The parameters and the buffers that it has now, in the order of its graphs."""

    def images(self, graph: Graph, seed: int = 0) -> np.ndarray:
        """Pairs for a graph."""

    def outputs(self, images: np.ndarray, *, training: bool) -> Sequence[Any]:
        """All its outputs, as arrays."""

    def gradients(self, images: np.ndarray) -> tuple[Sequence[Any], Sequence[Any]]:
        """Its outputs in training, and the gradients of `total` of them; its state is what it is afterwards."""

    def step(self, gradients: Sequence[Any]) -> None:
        """A step of SGD."""


def as_differences(found: dict[str, Compared], *, single: bool) -> list[Difference]:
    """What was found, with what is allowed in double precision, or in single."""
    return [
        Difference(name, most, ALLOWED_IN_SINGLE if single else _ALLOWED[name], all_finite)
        for name, (most, all_finite) in found.items()
    ]


def in_evaluation(graph: Graph, theirs: Theirs, key: Key) -> dict[str, Compared]:
    """How much the outputs differ in evaluation."""
    parameters, buffers = theirs.arrays()
    images = theirs.images(graph)
    evaluated = compile_quickly(lambda p, b, i: flat(run(graph, p, b, i, key)[0]), parameters, buffers, images)
    their_outputs = theirs.outputs(images, training=False)
    return {"outputs in evaluation": _compared(evaluated(parameters, buffers, images), their_outputs)}


def after_steps(graph: Graph, theirs: Theirs, steps: int, key: Key) -> dict[str, Compared]:
    """How much the graph in training differs, over so many steps of SGD."""
    parameters, buffers = theirs.arrays()
    found: dict[str, Compared] = {}
    loss = jax.value_and_grad(lambda p, b, i: _loss(graph, p, b, i, key), has_aux=True)
    step = compile_quickly(loss, parameters, buffers, theirs.images(graph))
    for number in range(steps):
        images = theirs.images(graph, number)
        # As arrays of NumPy: JAX would compile a program for every subtraction.
        (_, (outputs, buffers)), gradients = jax.device_get(step(parameters, buffers, images))
        their_outputs, their_gradients = theirs.gradients(images)
        theirs.step(their_gradients)
        parameters = [p - RATE * g for p, g in zip(parameters, gradients, strict=True)]
        if number == 0:
            found["outputs in training"] = _compared(outputs, their_outputs)
            found["gradients"] = _compared(gradients, their_gradients)
            found["state after a step"] = _compared(buffers, theirs.arrays()[1])
    return {**found, "weights after steps of SGD": _compared(parameters, theirs.arrays()[0])}


def total(outputs: Sequence[Any], library: Any) -> Any:
    """A number that depends on every output in its own way, computed by JAX's or PyTorch's library."""
    return sum((each * library.cos(_count(library, each))).mean() for each in outputs)


def _loss(graph: Graph, parameters: Any, buffers: Any, images: Any, key: Key) -> tuple[Any, tuple[Any, Any]]:
    nested, state = run(graph, parameters, buffers, images, key)
    outputs = flat(nested)
    return total(outputs, jnp), (outputs, state)


def _count(library: Any, array: Any) -> Any:
    return library.arange(int(np.prod(array.shape)), dtype=array.dtype).reshape(array.shape)


def flat(outputs: Any) -> list[Any]:
    """The arrays of a nesting in the network's order: JAX would sort the names of a dictionary."""
    if isinstance(outputs, tuple | dict):
        several = outputs.values() if isinstance(outputs, dict) else outputs
        return [array for each in several for array in flat(each)]
    return [outputs] if hasattr(outputs, "shape") else []


def _compared(ours: Sequence[Any], theirs: Sequence[Any]) -> Compared:
    return largest(ours, theirs), all(bool(np.isfinite(np.asarray(each)).all()) for each in theirs)


def largest(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    """The largest difference as a part of the largest number, or of 1; infinite where one has what the other lacks."""
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        mine, other = np.asarray(a, np.float64), np.asarray(b, np.float64)
        if mine.shape != other.shape:
            return float("inf")
        finite = np.isfinite(other)
        if not np.array_equal(mine[~finite], other[~finite], equal_nan=True):
            return float("inf")
        mine, other = mine[finite], other[finite]
        scale = max(float(np.abs(other).max(initial=0)), 1.0)
        difference = float(np.abs(mine - other).max(initial=0)) / scale
        worst = max(worst, difference if np.isfinite(difference) else float("inf"))
    return worst
