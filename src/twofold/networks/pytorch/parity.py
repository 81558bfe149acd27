"""Whether a module and its graphs compute the same, in double precision: outputs, gradients, state, and five steps."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from twofold.errors import NetworkError
from twofold.native import handlers
from twofold.native.quickly import compile_quickly
from twofold.networks.graphs.graph import Dtype, Graph, Spec
from twofold.networks.graphs.interpret import run
from twofold.networks.graphs.operations import FIXED
from twofold.networks.graphs.operations.sampling import fixed
from twofold.networks.pytorch.export import Exported
from twofold.networks.pytorch.fixed import FixedNumbers, UnknownDrawError
from twofold.networks.pytorch.mistakes import is_known, mistake, words_of
from twofold.networks.pytorch.weights import find, made, seeded

_STEPS, _RATE = 5, 0.01

# So many calls later counters are looked at again.
_LATER = 100_000

# How far weights are moved, at most, from where they begin.
_AWAY = 0.01

# What may differ, as a part of the largest number (or of 1), in double precision; and in single precision, which is for
# modules that compute in no other.
_ALLOWED = {
    "outputs in evaluation": 1e-10,
    "outputs in training": 1e-10,
    "gradients": 1e-8,
    "state after a step": 1e-10,
    "weights after steps of SGD": 1e-7,  # rounding grows from step to step where a norm divides by little
}
_ALLOWED_IN_SINGLE = 1e-3


@dataclass(frozen=True)
class Difference:
    """How much the graphs differ from the module in something, and how much they may."""

    of: str
    largest: float
    allowed: float

    @property
    def is_right(self) -> bool:
        """Whether it is within what is allowed; what is not a number is not."""
        return self.largest <= self.allowed


def differences(make: Callable[[], torch.nn.Module], exported: Exported, *, steps: int = _STEPS) -> list[Difference]:
    """The largest differences between a fresh module and its graphs, over so many steps of SGD.

    The weights are moved a little from where they begin. Random numbers are the same on both sides; a network that
    draws them in a way that is not known here is compared in evaluation alone. It is computed in double precision, or
    in single where the module computes in no other.
    """
    allowed = dict.fromkeys(_ALLOWED, _ALLOWED_IN_SINGLE) if _rounds(exported) else _ALLOWED
    try:
        found = _compared(make, exported, torch.float64, steps)
    except (RuntimeError, TypeError):
        allowed = dict.fromkeys(_ALLOWED, _ALLOWED_IN_SINGLE)
        try:
            found = _compared(make, exported, torch.float32, steps)
        except (RuntimeError, TypeError) as error:
            if is_known(error):
                raise mistake(exported.network, error) from error
            raise NetworkError(
                f"{exported.network}: PyTorch itself cannot compute a step of it: {words_of(error)}; mend forward"
            ) from error
    return [Difference(name, largest, allowed[name]) for name, largest in found.items()]


def changed_by_calls(make: Callable[[], torch.nn.Module], exported: Exported) -> list[str]:
    """The attributes of a module that others take the place of when it is called: a graph does not follow them."""
    module = made(make, exported)
    before = _attributes(module)
    graphs = {mode: graph for mode, _, graph in exported.graphs}
    with torch.no_grad():
        for mode in graphs:
            theirs = _Theirs(module, exported, torch.float32)
            theirs.outputs(theirs.images(graphs[mode]), training=mode)
    after = _attributes(module)
    return sorted(name for name in before.keys() | after.keys() if not _are_one(before.get(name), after.get(name)))


def counts_for_something(make: Callable[[], torch.nn.Module], exported: Exported, names: Sequence[str]) -> bool:
    """Whether the outputs depend on these attributes, where they are numbers: on what they are after many calls."""
    now, later = (_after(make, exported, names, calls) for calls in (0, _LATER))
    return _largest(now, later) > _ALLOWED_IN_SINGLE


def _after(
    make: Callable[[], torch.nn.Module], exported: Exported, names: Sequence[str], calls: int
) -> list[torch.Tensor]:
    """Outputs and gradients where these attributes, as far as they are numbers, are so much larger."""
    with seeded(0, 0):
        module = made(make, exported)
    for name in names:
        path, _, last = name.rpartition(".")
        part = module.get_submodule(path)
        value = getattr(part, last, None)
        if isinstance(value, int | float):
            setattr(part, last, value + calls)
    theirs = _Theirs(module, exported, torch.float32)
    found: list[torch.Tensor] = []
    for mode, _, graph in exported.graphs:
        images = theirs.images(graph)
        found += [each.detach() for each in theirs.outputs(images, training=mode)]
        if mode:
            found += theirs.gradients(images)[1]
    return found


def _attributes(module: torch.nn.Module) -> dict[str, str | torch.Tensor]:
    """The attributes of all parts: tensors as they are; numbers, texts and nestings of them as texts."""
    return {
        f"{prefix}.{name}" if prefix else name: value if isinstance(value, torch.Tensor) else repr(value)
        for prefix, part in module.named_modules()
        for name, value in vars(part).items()
        if not name.startswith("_") and name != "training" and not isinstance(value, torch.nn.Module)
    }


def _are_one(value: str | torch.Tensor | None, other: str | torch.Tensor | None) -> bool:
    """Whether two texts are equal, or two tensors the same: what is written to one is followed."""
    tensors = isinstance(value, torch.Tensor) or isinstance(other, torch.Tensor)
    return value is other if tensors else value == other


def _rounds(exported: Exported) -> bool:
    """Whether a network asks for single precision, or less, somewhere, where PyTorch rounds what is computed here; or
    makes an array of numbers that its graph has rounded, such as torch.tensor(0.2)."""
    graphs = [graph for _, _, graph in exported.graphs]
    arguments = [
        each for graph in graphs for node in graph.nodes for each in (*node.arguments, *dict(node.keywords).values())
    ]
    constants = [each.array() for graph in graphs for each in graph.constants if each.spec.dtype.startswith("float")]
    asked = any(isinstance(each, Dtype) and each.name in ("float32", "float16", "bfloat16") for each in arguments)
    return asked or any(not np.array_equal(each, each.astype(np.float16), equal_nan=True) for each in constants)


def _compared(
    make: Callable[[], torch.nn.Module], exported: Exported, real: torch.dtype, steps: int
) -> dict[str, float]:
    graphs = {mode: graph for mode, _, graph in exported.graphs}
    with jax.enable_x64(True), seeded(0, 0), handlers.only_if_known("float64"):
        theirs = _Theirs(made(make, exported), exported, real)
        parameters, buffers = theirs.arrays()
        images = theirs.images(graphs[False])
        evaluated = compile_quickly(
            lambda p, b, i: _flat(run(graphs[False], p, b, i, FIXED)[0]), parameters, buffers, images
        )
        their_outputs = theirs.outputs(images, training=False)
        found = {"outputs in evaluation": _largest(evaluated(parameters, buffers, images), their_outputs)}
        with contextlib.suppress(UnknownDrawError):
            found |= _after_steps(graphs[True], theirs, steps)
        return found


def _after_steps(graph: Graph, theirs: "_Theirs", steps: int) -> dict[str, float]:
    parameters, buffers = theirs.arrays()
    found: dict[str, float] = {}
    loss = jax.value_and_grad(lambda p, b, i: _loss(graph, p, b, i), has_aux=True)
    step = compile_quickly(loss, parameters, buffers, theirs.images(graph))
    for number in range(steps):
        images = theirs.images(graph, number)
        # As arrays of NumPy: JAX would compile a program for every subtraction.
        (_, (outputs, buffers)), gradients = jax.device_get(step(parameters, buffers, images))
        their_outputs, their_gradients = theirs.gradients(images)
        theirs.step(their_gradients)
        parameters = [p - _RATE * g for p, g in zip(parameters, gradients, strict=True)]
        if number == 0:
            found["outputs in training"] = _largest(outputs, their_outputs)
            found["gradients"] = _largest(gradients, their_gradients)
            found["state after a step"] = _largest(buffers, theirs.arrays()[1])
    return {**found, "weights after steps of SGD": _largest(parameters, theirs.arrays()[0])}


class _Theirs:
    """The user's module in a precision."""

    def __init__(self, module: torch.nn.Module, exported: Exported, real: torch.dtype) -> None:
        self._module, self._exported, self._real = module.to(real), exported, real
        for part in module.modules():
            # Tensors that are plain attributes too.
            for name, value in vars(part).items():
                if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
                    object.__setattr__(part, name, value.to(real))
        with torch.no_grad():
            for weights in self._held(True):  # some begin where there is no derivative, or with zeros that hide others
                weights += _AWAY * torch.as_tensor(fixed(weights.shape), dtype=weights.dtype)

    def images(self, graph: Graph, seed: int = 0) -> np.ndarray:
        """Pairs for a graph."""
        drawn = np.random.default_rng(seed).uniform(size=graph.images.shape)
        return drawn.astype(str(self._real).removeprefix("torch."))

    def _held(self, trained: bool) -> list[torch.Tensor]:
        held = self._exported.parameters if trained else self._exported.buffers
        return [find(self._module, each.names[0]) for each in held]

    def arrays(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        parameters, buffers = ([each.detach().numpy().copy() for each in self._held(t)] for t in (True, False))
        return parameters, buffers

    def outputs(self, images: np.ndarray, *, training: bool) -> list[torch.Tensor]:
        self._module.train(training)
        shapes = self._exported.convention.shapes(Spec(images.shape, "float64"))
        pairs = torch.as_tensor(images)
        parts = [pairs] if len(shapes) == 1 else [pairs[:, 0], pairs[:, 1]]
        before = torch.get_default_dtype()
        torch.set_default_dtype(self._real)
        try:
            with FixedNumbers():
                outputs = self._module(*(part.reshape(shape).clone() for part, shape in zip(parts, shapes)))
        finally:
            torch.set_default_dtype(before)
        return [each for each in torch.utils._pytree.tree_leaves(outputs) if isinstance(each, torch.Tensor)]

    def gradients(self, images: np.ndarray) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        outputs = self.outputs(images, training=True)
        total: Any = sum((each * torch.cos(_count(torch, each))).mean() for each in outputs)
        held = self._held(True)
        with FixedNumbers():  # what is computed again on the way back may draw again
            gradients = torch.autograd.grad(total, held, allow_unused=True)
        return outputs, [torch.zeros_like(p) if g is None else g for p, g in zip(held, gradients)]

    def step(self, gradients: Sequence[torch.Tensor]) -> None:
        with torch.no_grad():
            for parameter, gradient in zip(self._held(True), gradients):
                parameter -= _RATE * gradient


def _loss(graph: Graph, parameters: Any, buffers: Any, images: Any) -> tuple[Any, tuple[Any, Any]]:
    """A number that depends on every output in its own way."""
    nested, state = run(graph, parameters, buffers, images, FIXED)
    outputs = _flat(nested)
    total: Any = sum((each * jnp.cos(_count(jnp, each))).mean() for each in outputs)
    return total, (outputs, state)


def _count(library: Any, array: Any) -> Any:
    return library.arange(int(np.prod(array.shape)), dtype=array.dtype).reshape(array.shape)


def _flat(outputs: Any) -> list[Any]:
    """The arrays of a nesting in the network's order: JAX would sort the names of a dictionary."""
    if isinstance(outputs, tuple | dict):
        several = outputs.values() if isinstance(outputs, dict) else outputs
        return [array for each in several for array in _flat(each)]
    return [outputs] if hasattr(outputs, "shape") else []


def _largest(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    """The largest difference as a part of the largest number, or of 1; infinite where one has what the other lacks."""
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        mine = np.asarray(a, np.float64)
        other = np.asarray(b.detach() if isinstance(b, torch.Tensor) else b, np.float64)
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
