"""One training as pure functions: `start`, then `train_epochs` until the last epoch, then `evaluate`.

Epochs come in chunks whose length is an argument, so that whoever drives a training can stop or report between
two of them, and one compiled program serves every number of epochs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float, Int32, Key, PRNGKeyArray, PyTree, Shaped, UInt32

from twofold.data import AnyArray, PairSet, Task
from twofold.native.pinning import platform
from twofold.networks.protocol import EVALUATED_AT_ONCE, Structure, Variables
from twofold.settings import SETTINGS, Settings, of_role
from twofold.training.losses import distances, learnt_threshold, pair_loss
from twofold.training.optimizers import OPTIMIZERS, Memory

# The most epochs in one chunk: the length of the buffer for their losses.
MOST_EPOCHS = 64

# Sets the stream of initial weights apart from those that the pairs of a round are drawn from.
_WEIGHTS_STREAM = 2

# Sets the keys that shuffle apart from those that draw initial weights, which are split from the same key.
_SHUFFLING_STREAM = 2**31

# Sets the keys of what networks draw in training, such as dropout, apart from both.
_DRAWING_STREAM = 2**31 + 1


@dataclass(frozen=True)
class Program:
    """What a compiled training depends on, apart from the shapes of its arrays.

    Of the `settings` only those of the role "program" count: the others have their defaults. `numbers` are the names
    of those that it takes as arguments (see `numbers_of`). With `trace` the units that are dead on the test images are
    counted after every epoch.
    """

    structure: Structure
    task: Task
    settings: Settings
    numbers: tuple[str, ...]
    trace: bool = False


class Arguments(NamedTuple):
    """The numbers that a compiled training takes as arguments; `key` decides initial weights and shuffling.

    The key is the data of a JAX key of the default kind (threefry), which NumPy can hold. `numbers` are those of
    `numbers_of`. `initial` are the variables to begin with, where the program does not make them.
    """

    key: UInt32[AnyArray, " 2"]
    numbers: Mapping[str, Float[AnyArray, ""]]
    epochs: Int32[AnyArray, ""]
    initial: Variables | None = None


def program_of(structure: Structure, task: Task, settings: Settings, *, trace: bool = False) -> Program:
    """The program that trains a network of this structure with these settings."""
    compiled = Settings(**{name: getattr(settings, name) for name in of_role("program")})
    return Program(structure, task, compiled, tuple(sorted(numbers_of(structure, settings))), trace)


def numbers_of(structure: Structure, settings: Settings) -> dict[str, float]:
    """What a training with these settings takes, by name: numbers, unless compiled out, and the network's."""
    values = {name: getattr(settings, name) for name in of_role("number")}
    wanted = {name: value for name, value in values.items() if value != SETTINGS[name].off}
    return {**wanted, **structure.numbers(settings)}


class State(NamedTuple):
    """Where a training stands."""

    variables: Variables
    optimizer: Memory
    epoch: Int32[Array, ""]


class TrialData(NamedTuple):
    """The pairs of one trial, as NumPy arrays; `validation` may lack."""

    train: PairSet
    test: PairSet
    validation: PairSet | None = None


class Batches(NamedTuple):
    """Training pairs in batches, whose images are arranged for the network."""

    images: Float[Array, "batches ..."]
    targets: Int32[Array, "batches n"]
    classes: Int32[Array, "batches n 2"]


class Chunk(NamedTuple):
    """What a chunk of epochs gave; entries beyond the epochs that were run are 0.

    `losses` are means over an epoch's batches, each taken before its step; `dead_units` are counted after an epoch,
    if they are traced.
    """

    losses: Float[AnyArray, " most"]
    dead_units: PyTree[Int32[AnyArray, "most ..."]] | None


class Evaluation(NamedTuple):
    """How a network does on n pairs: which it answers wrongly; images taken for another class, of 2n; dead units.

    Dead units are counted for each layer of `Outputs.units`; of the paper's networks these are both bottlenecks. The
    `threshold` is that of a network that gives embeddings.
    """

    wrong: Bool[AnyArray, " n"]
    wrong_classes: Int32[AnyArray, ""] | None
    dead_units: PyTree[Int32[AnyArray, "..."]]
    threshold: Float[AnyArray, ""] | None = None


def trial_key(seed: int, round: int) -> UInt32[np.ndarray, " 2"]:
    """The key of all random choices in the trainings of one round of a study, the same for all its networks."""
    return np.random.SeedSequence([seed, round, _WEIGHTS_STREAM]).generate_state(2)


def start(program: Program, arguments: Arguments, train: PairSet) -> tuple[State, Batches]:
    """A fresh network, its optimizer, and the training pairs in batches.

    The initial weights depend on the key, the structure and the task alone. The number of pairs is a multiple of the
    batch size.
    """
    key = jax.random.wrap_key_data(arguments.key, impl="threefry2x32")
    variables = arguments.initial or program.structure.init(key, program.task)
    memory = OPTIMIZERS[program.settings.optimizer].init(variables.parameters)
    return State(variables, memory, jnp.int32(0)), _in_batches(program, train)


def train_epochs(
    program: Program,
    state: State,
    arguments: Arguments,
    train: PairSet,
    batches: Batches,
    test: PairSet,
    epochs: Int32[Array, ""],
) -> tuple[State, Chunk]:
    """Train for `epochs` more, at most `MOST_EPOCHS` and not beyond the epochs of the arguments."""
    optimizer, numbers = OPTIMIZERS[program.settings.optimizer], arguments.numbers

    def loss(
        parameters: PyTree, buffers: PyTree, batch: Batches, key: PRNGKeyArray | None
    ) -> tuple[Float[Array, ""], PyTree]:
        variables = Variables(parameters, buffers)
        outputs, buffers = program.structure.apply(variables, batch.images, numbers, training=True, key=key)
        return pair_loss(outputs, batch.targets, batch.classes, numbers), buffers

    def step(carry: tuple, drawn: tuple) -> tuple[tuple, Float[Array, ""]]:
        (parameters, buffers), memory = carry
        (value, buffers), gradient = jax.value_and_grad(loss, has_aux=True)(parameters, buffers, *drawn)
        parameters, memory = optimizer.update(parameters, gradient, memory, numbers)
        return (Variables(parameters, buffers), memory), value

    def epoch(place: Int32[Array, ""], carry: tuple[State, Chunk]) -> tuple[State, Chunk]:
        (variables, memory, number), chunk = carry
        ordered = _shuffled(program, arguments.key, number, train) if program.settings.shuffle else batches
        keys = _keys_of_steps(arguments.key, number, len(ordered.targets)) if program.structure.draws else None
        (variables, memory), losses = _scan(step, (variables, memory), (ordered, keys))
        chunk = chunk._replace(losses=chunk.losses.at[place].set(losses.mean()))
        if program.trace:
            dead = evaluate(program, variables, test, numbers).dead_units
            traced = jax.tree.map(lambda all, one: all.at[place].set(one), chunk.dead_units, dead)
            chunk = chunk._replace(dead_units=traced)
        return State(variables, memory, number + 1), chunk

    empty = Chunk(jnp.zeros(MOST_EPOCHS), _empty_trace(program, state.variables, test, numbers))
    count = jnp.minimum(jnp.minimum(epochs, MOST_EPOCHS), arguments.epochs - state.epoch)
    return jax.lax.fori_loop(0, count, epoch, (state, empty))


def evaluate(
    program: Program,
    variables: Variables,
    pairs: PairSet,
    numbers: Mapping[str, Float[AnyArray, ""]],
    threshold: Float[AnyArray, ""] | None = None,
) -> Evaluation:
    """What the network gets wrong on the pairs, and its dead units there.

    The answer is the larger logit; where logits are not numbers it is the first that is not, as in PyTorch. Embeddings
    answer that images are alike where their distance is below the threshold, which is learnt from these pairs where it
    is not given. A unit is dead if it is at or below 0, before its activation, on every image.
    """
    n = len(pairs.targets)
    padding = -n % EVALUATED_AT_ONCE

    def in_blocks(array: Array) -> Array:
        # With the last pair, which makes no unit fire that did not.
        padded = jnp.pad(array, [(0, padding)] + [(0, 0)] * (array.ndim - 1), mode="edge") if padding else array
        return padded.reshape(-1, EVALUATED_AT_ONCE, *array.shape[1:])

    def block(images: Float[Array, "n 2 ..."]) -> tuple[Array | None, Array | None, Array | None, PyTree]:
        outputs, _ = program.structure.apply(variables, program.structure.arrange(images), numbers)
        answers = None if outputs.logits is None else outputs.logits.argmax(-1)
        classes = None if outputs.class_logits is None else outputs.class_logits.argmax(-1)
        apart = None if outputs.embeddings is None else distances(outputs.embeddings)
        return answers, apart, classes, jax.tree.map(lambda units: ~(units <= 0), outputs.units)

    answers, apart, classes, fired = jax.lax.map(block, in_blocks(pairs.images))
    if apart is not None:
        apart = apart.reshape(-1)[:n]
        if threshold is None:
            threshold = learnt_threshold(apart, pairs.targets == numbers["alike"])
        answers = jnp.where(apart < threshold, numbers["alike"], 1 - numbers["alike"]).astype(jnp.int32)

    def dead(fired: Bool[Array, "blocks block ... units"]) -> Int32[Array, "..."]:
        return (~fired.reshape(-1, *fired.shape[2:])[:n].any(axis=0)).sum(axis=-1)

    return Evaluation(
        wrong=answers.reshape(-1)[:n] != pairs.targets,
        wrong_classes=None if classes is None else (classes.reshape(-1, 2)[:n] != pairs.classes).sum(),
        dead_units=jax.tree.map(dead, fired),
        threshold=threshold,
    )


def _empty_trace(
    program: Program, variables: Variables, test: PairSet, numbers: Mapping[str, Float[AnyArray, ""]]
) -> PyTree[Int32[Array, "most ..."]] | None:
    if not program.trace:
        return None
    one = jax.eval_shape(partial(evaluate, program), variables, test, numbers).dead_units
    return jax.tree.map(lambda count: jnp.zeros((MOST_EPOCHS, *count.shape), count.dtype), one)


def _scan(step: Callable, carry: tuple, drawn: tuple) -> tuple[tuple, Float[Array, " steps"]]:
    """`jax.lax.scan`, which would transpose all batches of trials that are trained together, as they are on a GPU."""
    if platform() == "cpu":
        return jax.lax.scan(step, carry, drawn)

    def by_number(carry: tuple, number: Int32[Array, ""]) -> tuple[tuple, Float[Array, ""]]:
        return step(carry, jax.tree.map(partial(_of_step, number), drawn))

    return jax.lax.scan(by_number, carry, jnp.arange(len(drawn[0].targets)))


@custom_vmap
def _of_step(number: Int32[Array, ""], array: Shaped[Array, "steps ..."]) -> Shaped[Array, "..."]:
    """What a step gets of an array that has all steps."""
    return jax.lax.dynamic_index_in_dim(array, number, keepdims=False)


@_of_step.def_vmap
def _of_step_together(
    size: int, batched: Sequence[bool], number: Int32[Array, ""], array: Shaped[Array, "trials steps ..."]
) -> tuple[Shaped[Array, "trials ..."], bool]:
    """The same of trials that are trained together: one slice, which JAX would make a gather of."""
    if list(batched) != [False, True]:
        raise NotImplementedError("trials that are trained together take their steps together")
    return jax.lax.dynamic_index_in_dim(array, number, axis=1, keepdims=False), True


def _in_batches(program: Program, train: PairSet) -> Batches:
    def cut(array: Array) -> Array:
        return array.reshape(-1, program.settings.batch_size, *array.shape[1:])

    images = jax.vmap(program.structure.arrange)(cut(train.images))
    return Batches(images, cut(train.targets), cut(train.classes))


def _shuffled(program: Program, key: UInt32[Array, " 2"], epoch: Int32[Array, ""], train: PairSet) -> Batches:
    stream = jax.random.fold_in(jax.random.wrap_key_data(key, impl="threefry2x32"), _SHUFFLING_STREAM)
    order = jax.random.permutation(jax.random.fold_in(stream, epoch), len(train.targets))
    return _in_batches(program, jax.tree.map(lambda array: array[order], train))


def _keys_of_steps(key: UInt32[Array, " 2"], epoch: Int32[Array, ""], steps: int) -> Key[Array, " steps"]:
    """A key for each step of an epoch, for what the network draws there."""
    stream = jax.random.fold_in(jax.random.wrap_key_data(key, impl="threefry2x32"), _DRAWING_STREAM)
    return jax.random.split(jax.random.fold_in(stream, epoch), steps)
