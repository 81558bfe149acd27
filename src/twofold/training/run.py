"""One training as pure functions: `start`, then `train_epochs` until the last epoch, then `evaluate`.

Epochs come in chunks whose length is an argument, so that whoever drives a training can stop or report between
two of them, and one compiled program serves every number of epochs.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, UInt32

from twofold.data import AnyArray, PairSet
from twofold.networks import PairNetwork, by_branch, init_network
from twofold.training.losses import pair_loss
from twofold.training.optimizers import OPTIMIZERS, Memory

# The most epochs in one chunk: the length of the buffer for their losses.
MOST_EPOCHS = 64

# Sets the stream of initial weights apart from those that the pairs of a round are drawn from.
_WEIGHTS_STREAM = 2

# Sets the keys that shuffle apart from those that draw initial weights, which are split from the same key.
_SHUFFLING_STREAM = 2**31

# Pairs evaluated at once: enough for large products, few enough for a processor's cache.
_EVALUATED_AT_ONCE = 50


@dataclass(frozen=True)
class Program:
    """What a compiled training depends on, apart from the shapes of its arrays.

    With `shuffle` each epoch takes the pairs in a fresh order, else in the order given (the paper's way). With
    `trace` the dead units on the test images are counted after every epoch.
    """

    weight_sharing: bool
    optimizer: str
    batch_size: int
    shuffle: bool = False
    trace: bool = False


class Settings(NamedTuple):
    """The numbers that a compiled training takes as arguments; `key` decides initial weights and shuffling.

    The key is the data of a JAX key of the default kind (threefry), which NumPy can hold.
    """

    key: UInt32[AnyArray, " 2"]
    learning_rate: Float[AnyArray, ""]
    aux_weight: Float[AnyArray, ""]
    negative_slope: Float[AnyArray, ""]
    epochs: Int32[AnyArray, ""]


class State(NamedTuple):
    """Where a training stands."""

    network: PairNetwork
    optimizer: Memory
    epoch: Int32[Array, ""]


class Batches(NamedTuple):
    """Training pairs in batches, whose images are ordered by branch."""

    images: Float[Array, "batches g m h w"]
    targets: Int32[Array, "batches n"]
    classes: Int32[Array, "batches n 2"]


class Chunk(NamedTuple):
    """What a chunk of epochs gave; entries beyond the epochs that were run are 0.

    `losses` are means over an epoch's batches, each taken before its step; `dead_units` is counted after an epoch.
    """

    losses: Float[AnyArray, " most"]
    dead_units: Int32[AnyArray, "most 2"]


class Evaluation(NamedTuple):
    """How a network does on n pairs: wrong answers, of n; digits taken for others, of 2n; dead units, of 10."""

    wrong: Int32[AnyArray, ""]
    wrong_digits: Int32[AnyArray, ""]
    dead_units: Int32[AnyArray, " 2"]


def trial_key(seed: int, round: int) -> UInt32[np.ndarray, " 2"]:
    """The key of all random choices in the trainings of one round of a study, the same for all its networks."""
    return np.random.SeedSequence([seed, round, _WEIGHTS_STREAM]).generate_state(2)


def start(program: Program, settings: Settings, train: PairSet) -> tuple[State, Batches]:
    """A fresh network, its optimizer, and the training pairs in batches.

    The initial weights depend on the key, the structure and the image size alone. The number of pairs is a
    multiple of the batch size.
    """
    key = jax.random.wrap_key_data(settings.key, impl="threefry2x32")
    network = init_network(key, weight_sharing=program.weight_sharing, image_size=train.images.shape[2:])
    state = State(network, OPTIMIZERS[program.optimizer].init(network), jnp.int32(0))
    return state, _in_batches(program, train)


def train_epochs(
    program: Program,
    state: State,
    settings: Settings,
    train: PairSet,
    batches: Batches,
    test: PairSet,
    epochs: Int32[Array, ""],
) -> tuple[State, Chunk]:
    """Train for `epochs` more, at most `MOST_EPOCHS` and not beyond the epochs of the settings."""
    optimizer = OPTIMIZERS[program.optimizer]

    def loss(network: PairNetwork, batch: Batches) -> Float[Array, ""]:
        outputs = network.on_branches(batch.images, settings.negative_slope)
        return pair_loss(outputs, batch.targets, batch.classes, settings.aux_weight)

    def step(carry: tuple, batch: Batches) -> tuple[tuple, Float[Array, ""]]:
        network, memory = carry
        value, gradient = jax.value_and_grad(loss)(network, batch)
        return optimizer.update(network, gradient, memory, settings.learning_rate), value

    def epoch(place: Int32[Array, ""], carry: tuple[State, Chunk]) -> tuple[State, Chunk]:
        (network, memory, number), chunk = carry
        ordered = _shuffled(program, settings.key, number, train) if program.shuffle else batches
        (network, memory), losses = jax.lax.scan(step, (network, memory), ordered)
        chunk = chunk._replace(losses=chunk.losses.at[place].set(losses.mean()))
        if program.trace:
            dead = evaluate(network, test, settings.negative_slope).dead_units
            chunk = chunk._replace(dead_units=chunk.dead_units.at[place].set(dead))
        return State(network, memory, number + 1), chunk

    empty = Chunk(jnp.zeros(MOST_EPOCHS), jnp.zeros((MOST_EPOCHS, 2), jnp.int32))
    count = jnp.minimum(jnp.minimum(epochs, MOST_EPOCHS), settings.epochs - state.epoch)
    return jax.lax.fori_loop(0, count, epoch, (state, empty))


def evaluate(network: PairNetwork, pairs: PairSet, negative_slope: float | Array) -> Evaluation:
    """What the network gets wrong on the pairs, and its dead units there.

    The answer is the larger logit; where logits are not numbers it is the first that is not, as in PyTorch. A
    bottleneck unit is dead if it is at or below 0, before its activation, on every image.
    """
    n = len(pairs.targets)
    padding = -n % _EVALUATED_AT_ONCE

    def in_blocks(array: Array) -> Array:
        padded = jnp.pad(array, [(0, padding)] + [(0, 0)] * (array.ndim - 1))
        return padded.reshape(-1, _EVALUATED_AT_ONCE, *array.shape[1:])

    def block(images: Float[Array, "n 2 h w"]) -> tuple[Int32[Array, " n"], Int32[Array, "n 2"], Bool[Array, "n 2 10"]]:
        outputs = network(images, negative_slope)
        return outputs.logits.argmax(-1), outputs.digit_logits.argmax(-1), ~(outputs.digit_logits <= 0)

    answers, digits, fired = jax.lax.map(block, in_blocks(pairs.images))
    return Evaluation(
        wrong=(answers.reshape(-1)[:n] != pairs.targets).sum(),
        wrong_digits=(digits.reshape(-1, 2)[:n] != pairs.classes).sum(),
        dead_units=(~fired.reshape(-1, *fired.shape[2:])[:n].any(axis=0)).sum(axis=-1),
    )


def _in_batches(program: Program, train: PairSet) -> Batches:
    def cut(array: Array) -> Array:
        return array.reshape(-1, program.batch_size, *array.shape[1:])

    order = partial(by_branch, branches=1 if program.weight_sharing else 2)
    return Batches(jax.vmap(order)(cut(train.images)), cut(train.targets), cut(train.classes))


def _shuffled(program: Program, key: UInt32[Array, " 2"], epoch: Int32[Array, ""], train: PairSet) -> Batches:
    stream = jax.random.fold_in(jax.random.wrap_key_data(key, impl="threefry2x32"), _SHUFFLING_STREAM)
    order = jax.random.permutation(jax.random.fold_in(stream, epoch), len(train.targets))
    return _in_batches(program, jax.tree.map(lambda array: array[order], train))
