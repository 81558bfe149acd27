"""The first step of a training, looked at before hours of work: what is no number there never becomes one."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from twofold.data import PairSet
from twofold.native.quickly import compile_quickly
from twofold.networks.graphs.structure import Interpreted
from twofold.networks.protocol import EVALUATED_AT_ONCE, Outputs, Variables
from twofold.settings import Settings
from twofold.training.losses import pair_loss
from twofold.training.run import numbers_of


class FirstStep(NamedTuple):
    """Whether the first outputs are finite, in training and in evaluation, and the gradient of each parameter."""

    outputs: bool
    gradients: list[bool]


def first_step(structure: Interpreted, settings: Settings, round: int, batch: PairSet) -> FirstStep:
    """What a network of one's own computes of a batch in the first step of a round, with the weights of that round."""
    numbers = {name: np.float32(value) for name, value in numbers_of(structure, settings).items()}
    key = jax.random.key(round) if structure.draws else None
    # A graph in evaluation is of so many pairs.
    evaluated = np.resize(batch.images, (EVALUATED_AT_ONCE, *batch.images.shape[1:]))

    def loss(
        parameters: list[Array], buffers: list[Array], batch: PairSet, numbers: dict[str, Array]
    ) -> tuple[Float[Array, ""], Outputs]:
        outputs, _ = structure.apply(Variables(parameters, buffers), batch.images, numbers, training=True, key=key)
        return pair_loss(outputs, batch.targets, batch.classes, numbers), outputs

    def looked_at(
        variables: Variables, batch: PairSet, numbers: dict[str, Array], evaluated: Float[Array, "m 2 ..."]
    ) -> tuple[Bool[Array, ""], list[Bool[Array, ""]]]:
        gradients, outputs = jax.grad(loss, has_aux=True)(*variables, batch, numbers)
        in_evaluation, _ = structure.apply(variables, evaluated, numbers)
        return _are_finite(outputs) & _are_finite(in_evaluation), [jnp.isfinite(each).all() for each in gradients]

    given = (structure.initial(settings.seed, round), batch, numbers, evaluated)
    outputs, gradients = jax.device_get(compile_quickly(looked_at, *given)(*given))
    return FirstStep(bool(outputs), [bool(each) for each in gradients])


def _are_finite(outputs: Outputs) -> Bool[Array, ""]:
    arrays = jax.tree.leaves(outputs._replace(units={}))
    return jnp.stack([jnp.isfinite(each).all() for each in arrays]).all()
