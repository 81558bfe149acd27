"""How many trials a device trains together: one on a processor, elsewhere as many as its memory holds.

What a trial takes is estimated from shapes, since measuring it would mean to compile a program for it. Where the
estimate is too low, the cohort is trained in halves (`twofold.training.cohort`).
"""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import jax
from jaxtyping import Array, PyTree

from twofold.data import PairSet, Task
from twofold.native.pinning import platform
from twofold.native.rules import memories_of
from twofold.networks.protocol import EVALUATED_AT_ONCE, Structure, Variables
from twofold.training import engines
from twofold.training.losses import pair_loss
from twofold.training.optimizers import OPTIMIZERS
from twofold.training.run import Program

# The most trials that are worth while, and the part of the free memory that they may fill: while a cohort is trained,
# the pairs of the next are there already, and programs are compiled that try on the device which way is fastest.
MOST_TOGETHER = 256
_MEMORY_SHARE = 0.5


def free_memory(device: jax.Device) -> float:
    """The bytes that are free on a device; infinite where it does not say."""
    memory = device.memory_stats() or {}
    if "bytes_limit" not in memory:
        return math.inf
    return float(memory["bytes_limit"] - memory.get("bytes_in_use", 0))


def fitting(program: Program, device: jax.Device, shapes: Any, free: float) -> int:
    """How many trials a device with so much free memory should train together, at least one.

    `shapes` are `shapes_of` the arguments and the data of a trial.
    """
    if engines.platform_of(device) == "cpu":
        return 1
    with engines.pinned_for(program, device):
        held = _MEMORY_SHARE * free / bytes_of_trial(program, shapes)
    return max(1, int(min(MOST_TOGETHER, held)))


def balanced(fitting: int, share: int) -> int:
    """How many trials to train together, of those that fit, so that cohorts for a share of all are equally large."""
    return math.ceil(share / math.ceil(share / fitting))


def bytes_of_trial(program: Program, shapes: Any) -> int:
    """About how much memory a trial takes.

    That is its pairs; the training pairs once more as batches, and twice more where they are shuffled; three times what
    is trained, with what the optimizer remembers (before a step, the change, after it); and for the activations of a
    step what all operations of a forward pass give: XLA writes less than half of these, and gradients are as large. An
    evaluation has no gradients, so that a pair in its blocks counts half.
    """
    arguments, data = jax.tree.unflatten(*shapes)
    structure: Any = program.structure  # which is hashable, as its protocol says
    settings = program.settings
    variables = arguments.initial or _fresh(structure, program.task)
    batch = jax.tree.map(lambda a: jax.ShapeDtypeStruct((settings.batch_size, *a.shape[1:]), a.dtype), data.train)
    kept = 1 + memories_of(OPTIMIZERS[settings.optimizer].rule)
    copies = 3 if settings.shuffle else 1
    passes = max(1.0, EVALUATED_AT_ONCE / settings.batch_size / 2)
    forward = _bytes_of_forward_pass(structure, engines.shapes_of((variables, batch, arguments.numbers)), platform())
    return int(_size((arguments, data)) + copies * _size(data.train) + 3 * kept * _size(variables) + passes * forward)


@lru_cache(maxsize=32)
def _fresh(structure: Structure, task: Task) -> Variables:
    return jax.eval_shape(lambda: structure.init(jax.random.key(0), task))


@lru_cache(maxsize=32)  # many programs differ in their optimizers alone
def _bytes_of_forward_pass(structure: Structure, shapes: Any, platform: str) -> int:
    """What all operations give, of a batch and of the loss, on such devices."""

    def loss(variables: Variables, batch: PairSet, numbers: Any) -> Array:
        key = jax.random.key(0) if structure.draws else None
        images = structure.arrange(batch.images)
        outputs, _ = structure.apply(variables, images, numbers, training=True, key=key)
        return pair_loss(outputs, batch.targets, batch.classes, numbers)

    return _written(jax.make_jaxpr(loss)(*jax.tree.unflatten(*shapes)).jaxpr)


def _written(jaxpr: Any) -> int:
    """The bytes of what all operations give, those within others in the place of these."""
    total = 0
    for equation in jaxpr.eqns:
        within = list(_within(equation.params.values()))
        total += sum(map(_written, within)) if within else _size([each.aval for each in equation.outvars])
    return total


def _within(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tuple | list):
            yield from _within(value)
        elif hasattr(inner := getattr(value, "jaxpr", value), "eqns"):
            yield inner


def _size(tree: PyTree) -> int:
    """The bytes of all arrays of a tree."""
    return sum(_bytes(leaf) for leaf in jax.tree.leaves(tree))


def _bytes(array: Any) -> int:
    kind = getattr(array.dtype, "itemsize", None) or 4  # the dtype of keys is JAX's own
    return math.prod(array.shape) * int(kind)
