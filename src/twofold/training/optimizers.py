"""The five optimizers of the paper (section IV), with the definitions and defaults of the paper's framework.

Each is a gradient transformation that gives the step for a learning rate of 1, so that the learning rate stays an
argument of the compiled program: parameters <- parameters - learning rate * step.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax


class AdagradState(NamedTuple):
    """The sum of the squared gradients so far, for each parameter."""

    sum_of_squares: optax.Updates


def scale_by_adagrad(eps: float = 1e-10) -> optax.GradientTransformation:
    """Adagrad as `torch.optim.Adagrad` has it: gradient / (sqrt(sum of squares) + eps), sums starting at 0.

    Duchi, Hazan and Singer 2011, section 1.1. optax.scale_by_rss has eps inside the root, which differs where
    gradients are small.
    """

    def init(parameters: optax.Params) -> AdagradState:
        return AdagradState(jax.tree.map(jnp.zeros_like, parameters))

    def update(
        gradients: optax.Updates, state: AdagradState, parameters: optax.Params | None = None
    ) -> tuple[optax.Updates, AdagradState]:
        sums = jax.tree.map(lambda s, g: s + g * g, state.sum_of_squares, gradients)
        return jax.tree.map(lambda s, g: g / (jnp.sqrt(s) + eps), sums, gradients), AdagradState(sums)

    return optax.GradientTransformation(init, update)


OPTIMIZERS: dict[str, Callable[[], optax.GradientTransformation]] = {
    "sgd": optax.identity,
    "adam": lambda: optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8),
    "adadelta": lambda: optax.scale_by_adadelta(rho=0.9, eps=1e-6),
    "adagrad": scale_by_adagrad,
    "rmsprop": lambda: optax.scale_by_rms(decay=0.99, eps=1e-8, eps_in_sqrt=False),
}
