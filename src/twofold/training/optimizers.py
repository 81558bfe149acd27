"""The five optimizers of the paper, with the defaults of the paper's framework, and AdamW."""

from collections.abc import Callable, Mapping
from math import log
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, PyTree

from twofold.native import operations, rules
from twofold.native.rules import Numbers
from twofold.settings import check_names


class Memory(NamedTuple):
    """What an optimizer remembers: how many steps it took, and what it keeps of each parameter, in its shape."""

    steps: Int32[Array, ""]
    kept: tuple[PyTree, ...]


class Optimizer(NamedTuple):
    """A rule of `twofold.native.rules`, and what it takes beside gradients and memories.

    `numbers` gives the rule's for a learning rate and a count of steps, the present one included. Weight decay that is
    `decoupled` shrinks the parameters (Loshchilov and Hutter 2019, algorithm 2), else it adds to the gradient.
    """

    rule: Callable
    numbers: Callable[[Float[Array, ""], Float[Array, ""]], Numbers]
    decoupled: bool = False

    def init(self, network: PyTree) -> Memory:
        """What is remembered before the first step."""
        return Memory(jnp.int32(0), (jax.tree.map(jnp.zeros_like, network),) * rules.memories_of(self.rule))

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
        kept = [jax.tree.leaves(each) for each in memory.kept]
        stepped = operations.step(self.rule, numbers, jax.tree.leaves(gradient), parameters, kept)
        network, *remembered = (jax.tree.unflatten(structure, leaves) for leaves in stepped)
        return network, Memory(steps, tuple(remembered))


def _adam(learning_rate: Array, steps: Array, decay1: float = 0.9, decay2: float = 0.999, eps: float = 1e-8) -> Numbers:
    """The corrections of both means for their start at 0 are part of rate and eps."""
    missing1, missing2 = (-jnp.expm1(steps * log(decay)) for decay in (decay1, decay2))
    rate = learning_rate * jnp.sqrt(missing2) / missing1
    return Numbers(rate, decay1, 1 - decay1, decay2, 1 - decay2, eps * jnp.sqrt(missing2))


OPTIMIZERS = {
    "sgd": Optimizer(rules.sgd, lambda rate, steps: Numbers(rate)),
    "adam": Optimizer(rules.adam, _adam),
    "adadelta": Optimizer(rules.adadelta, lambda rate, steps: Numbers(rate, 0.9, 1 - 0.9, eps=1e-6)),
    "adagrad": Optimizer(rules.adagrad, lambda rate, steps: Numbers(rate, eps=1e-10)),
    "rmsprop": Optimizer(rules.rmsprop, lambda rate, steps: Numbers(rate, 0.99, 1 - 0.99, eps=1e-8)),
    "adamw": Optimizer(rules.adam, _adam, decoupled=True),
}
check_names("optimizer", OPTIMIZERS)
