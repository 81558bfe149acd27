"""The five optimizers of the paper, with the defaults of the paper's framework, and AdamW."""

from collections.abc import Callable, Mapping
from math import log
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PyTree

from twofold.native import foreign
from twofold.settings import check_names
from twofold.training import kernels
from twofold.training.kernels import Numbers


class Memory(NamedTuple):
    """What an optimizer remembers: how many steps it took, and what it keeps of each parameter, in its shape."""

    steps: Int32[Array, ""]
    kept: tuple[PyTree, ...]


class Optimizer(NamedTuple):
    """A rule of `twofold.training.kernels`, how many numbers it keeps of a parameter, and what it takes beside them.

    `numbers` gives the rule's for a learning rate and a count of steps, the present one included. Weight decay that is
    `decoupled` shrinks the parameters (Loshchilov and Hutter 2019, algorithm 2), else it adds to the gradient.
    """

    rule: Callable
    memories: int
    numbers: Callable[[Float[Array, ""], Float[Array, ""]], Numbers]
    decoupled: bool = False

    def init(self, network: PyTree) -> Memory:
        """What is remembered before the first step."""
        return Memory(jnp.int32(0), (jax.tree.map(jnp.zeros_like, network),) * self.memories)

    def update(
        self, network: PyTree, gradient: PyTree, memory: Memory, settings: Mapping[str, Float[Array, ""]]
    ) -> tuple[PyTree, Memory]:
        """The network and the memory after a step; `settings` has the `learning_rate`, and a `weight_decay` if any.

        Weight decay is that of all parameters, biases too, as `torch.optim` has it.
        """
        if "weight_decay" in settings and self.decoupled:
            network = jax.tree.map(lambda p: p * (1 - settings["learning_rate"] * settings["weight_decay"]), network)
        elif "weight_decay" in settings:
            gradient = jax.tree.map(lambda g, p: g + settings["weight_decay"] * p, gradient, network)
        parameters, structure = jax.tree.flatten(network)
        real, steps = parameters[0].dtype, memory.steps + 1
        numbers = jnp.stack([jnp.asarray(n, real) for n in self.numbers(settings["learning_rate"], steps.astype(real))])
        step = native_step if foreign.can_run(*jax.tree.leaves((gradient, network, memory.kept))) else portable_step
        stepped = step(self, numbers, jax.tree.leaves(gradient), parameters, [*map(jax.tree.leaves, memory.kept)])
        network, *kept = (jax.tree.unflatten(structure, leaves) for leaves in stepped)
        return network, Memory(steps, tuple(kept))


def portable_step(
    optimizer: Optimizer, numbers: Float[Array, "6"], gradients: list, parameters: list, kept: list[list]
) -> list[list]:
    """Lists of parameters and of memories after a step, in operations that every platform has."""
    stepped = []
    for gradient, parameter, *memories in zip(gradients, parameters, *kept):
        step, *memories = optimizer.rule(jnp.sqrt, Numbers(*numbers), gradient, *memories)
        stepped.append((parameter - step, *memories))
    return [list(each) for each in zip(*stepped)]


def native_step(
    optimizer: Optimizer, numbers: Float[Array, "6"], gradients: list, parameters: list, kept: list[list]
) -> list[list]:
    """`portable_step` in one pass over memory."""
    n = len(parameters)
    changed = [array for arrays in (parameters, *kept) for array in arrays]
    call = jax.ffi.ffi_call(
        foreign.register(*kernels.handler(optimizer.rule, optimizer.memories, numbers.dtype)),
        [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in changed],
        vmap_method="sequential",
        input_output_aliases={1 + n + i: i for i in range(len(changed))},
    )
    result = call(numbers, *gradients, *changed)
    return [list(result[first : first + n]) for first in range(0, len(changed), n)]


def _adam(learning_rate: Array, steps: Array, decay1: float = 0.9, decay2: float = 0.999, eps: float = 1e-8) -> Numbers:
    """The corrections of both means for their start at 0 are part of rate and eps."""
    missing1, missing2 = (-jnp.expm1(steps * log(decay)) for decay in (decay1, decay2))
    rate = learning_rate * jnp.sqrt(missing2) / missing1
    return Numbers(rate, decay1, 1 - decay1, decay2, 1 - decay2, eps * jnp.sqrt(missing2))


OPTIMIZERS = {
    "sgd": Optimizer(kernels.sgd, 0, lambda rate, steps: Numbers(rate)),
    "adam": Optimizer(kernels.adam, 2, _adam),
    "adadelta": Optimizer(kernels.adadelta, 2, lambda rate, steps: Numbers(rate, 0.9, 1 - 0.9, eps=1e-6)),
    "adagrad": Optimizer(kernels.adagrad, 1, lambda rate, steps: Numbers(rate, eps=1e-10)),
    "rmsprop": Optimizer(kernels.rmsprop, 1, lambda rate, steps: Numbers(rate, 0.99, 1 - 0.99, eps=1e-8)),
    "adamw": Optimizer(kernels.adam, 2, _adam, decoupled=True),
}
check_names("optimizer", OPTIMIZERS)
