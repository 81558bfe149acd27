"""Whether a module and its graphs compute the same, in double precision: outputs, gradients, state, and five steps."""

import contextlib
from collections.abc import Callable, Sequence

import jax
import numpy as np
import torch

from twofold.errors import NetworkError
from twofold.native import handlers
from twofold.networks.graphs.exported import Exported
from twofold.networks.graphs.graph import Dtype, Graph, Spec
from twofold.networks.graphs.operations import FIXED
from twofold.networks.graphs.operations.sampling import fixed
from twofold.networks.graphs.parity import (
    ALLOWED_IN_SINGLE,
    AWAY,
    RATE,
    STEPS,
    Compared,
    Difference,
    after_steps,
    as_differences,
    in_evaluation,
    largest,
    total,
)
from twofold.networks.pytorch.fixed import FixedNumbers, UnknownDrawError
from twofold.networks.pytorch.mistakes import is_known, mistake
from twofold.networks.pytorch.weights import find, made, seeded
from twofold.networks.telling import words_of

# So many calls later counters are looked at again.
_LATER = 100_000


def differences(make: Callable[[], torch.nn.Module], exported: Exported, *, steps: int = STEPS) -> list[Difference]:
    """The largest differences between a fresh module and its graphs, over so many steps of SGD.

    The weights are moved a little from where they begin. Random numbers are the same on both sides; a network that
    draws them in a way that is not known here is compared in evaluation alone. It is computed in double precision, or
    in single where the module computes in no other.
    """
    single = _rounds([graph for _, _, graph in exported.graphs])
    try:
        found = _compared(make, exported, torch.float64, steps)
    except (RuntimeError, TypeError):
        single = True
        try:
            found = _compared(make, exported, torch.float32, steps)
        except (RuntimeError, TypeError) as error:
            if is_known(error):
                raise mistake(exported.network, error) from error
            raise NetworkError(
                f"{exported.network}: PyTorch itself cannot compute a step of it: {words_of(error)}; mend forward"
            ) from error
    return as_differences(found, single=single)


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
    return largest(now, later) > ALLOWED_IN_SINGLE


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
        found += theirs.outputs(images, training=mode)
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


def _rounds(graphs: Sequence[Graph]) -> bool:
    """Whether a network asks for single precision, or less, somewhere, so that it rounds what is computed here; or
    makes an array of numbers that its graph has rounded, such as torch.tensor(0.2)."""
    arguments = [
        each for graph in graphs for node in graph.nodes for each in (*node.arguments, *dict(node.keywords).values())
    ]
    constants = [each.array() for graph in graphs for each in graph.constants if each.spec.dtype.startswith("float")]
    asked = any(isinstance(each, Dtype) and each.name in ("float32", "float16", "bfloat16") for each in arguments)
    return asked or any(not np.array_equal(each, each.astype(np.float16), equal_nan=True) for each in constants)


def _compared(
    make: Callable[[], torch.nn.Module], exported: Exported, real: torch.dtype, steps: int
) -> dict[str, Compared]:
    graphs = {mode: graph for mode, _, graph in exported.graphs}
    with jax.enable_x64(True), seeded(0, 0), handlers.only_if_known("float64"):
        theirs = _Theirs(made(make, exported), exported, real)
        found = in_evaluation(graphs[False], theirs, FIXED)
        with contextlib.suppress(UnknownDrawError):
            found |= after_steps(graphs[True], theirs, steps, FIXED)
        return found


class _Theirs:
    """The user's module in a precision (a `twofold.networks.graphs.parity.Theirs`)."""

    def __init__(self, module: torch.nn.Module, exported: Exported, real: torch.dtype) -> None:
        self._module, self._exported, self._real = module.to(real), exported, real
        for part in module.modules():
            # Tensors that are plain attributes too.
            for name, value in vars(part).items():
                if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
                    object.__setattr__(part, name, value.to(real))
        with torch.no_grad():
            for weights in self._held(True):  # some begin where there is no derivative, or with zeros that hide others
                weights += AWAY * torch.as_tensor(fixed(weights.shape), dtype=weights.dtype)

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
        return [each.detach() for each in self._computed(images, training=training)]

    def _computed(self, images: np.ndarray, *, training: bool) -> list[torch.Tensor]:
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
        outputs = self._computed(images, training=True)
        held = self._held(True)
        with FixedNumbers():  # what is computed again on the way back may draw again
            gradients = torch.autograd.grad(total(outputs, torch), held, allow_unused=True)
        found = [torch.zeros_like(p) if g is None else g for p, g in zip(held, gradients)]
        return [each.detach() for each in outputs], found

    def step(self, gradients: Sequence[torch.Tensor]) -> None:
        with torch.no_grad():
            for parameter, gradient in zip(self._held(True), gradients):
                parameter -= RATE * gradient
