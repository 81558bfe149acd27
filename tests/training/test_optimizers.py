"""The rules of the optimizers in their two forms: one native pass, and operations that every platform has.

That the rules are PyTorch's is tested in tests/export/test_pytorch.py.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.native.frames import Guarded, call

from twofold.native import quickly
from twofold.native.operations import native_step, portable_step
from twofold.native.rules import Numbers, memories_of
from twofold.networks.paper import init_network
from twofold.training.optimizers import OPTIMIZERS

NUMBERS = Numbers(0.01, 0.9, 0.1, 0.999, 0.001, 1e-8)

every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)


def updating(optimizer):
    """The optimizer's step of a network, compiled."""
    return jax.jit(optimizer.update, compiler_options=quickly.OPTIONS)


def random_step(optimizer, real):
    """Numbers, gradients, parameters and memories as after some steps; the sizes are no multiples of a vector's."""
    shapes = [(3,), (2, 5, 7), (1, 129)]
    keys = iter(jax.random.split(jax.random.key(0), 12))
    gradients, parameters = ([jax.random.normal(next(keys), shape, real) for shape in shapes] for _ in range(2))
    kept = [
        [jax.random.uniform(next(keys), shape, real) for shape in shapes] for _ in range(memories_of(optimizer.rule))
    ]
    return jnp.asarray(NUMBERS, real), gradients, parameters, kept


@every_optimizer
@pytest.mark.parametrize(("real", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_both_forms_of_a_step_are_the_same(optimizer, real, tolerance):
    with jax.enable_x64(real == "float64"):
        numbers, *arrays = random_step(optimizer, real)
        native, portable = (
            jax.jit(lambda *a, step=step: step(optimizer.rule, numbers, *a), compiler_options=quickly.OPTIONS)(*arrays)
            for step in (native_step, portable_step)
        )
        close = lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)  # noqa: E731
        jax.tree.map(close, native, portable)
        changed = jax.tree.map(lambda new, old: bool((new != old).any()), native, [arrays[1], *arrays[2]])
        assert all(jax.tree.leaves(changed))


@every_optimizer
@pytest.mark.parametrize("real", ["float32", "float64"])
def test_the_native_step_keeps_to_its_arrays(optimizer, real):
    numbers, gradients, parameters, kept = random_step(optimizer, "float32")
    guarded = [Guarded(array.shape, real, array) for array in (numbers, *gradients)]
    changed = [Guarded(array.shape, real, array) for arrays in (parameters, *kept) for array in arrays]
    call(optimizer.rule.__name__, real, [*guarded, *changed], changed)
    assert all(array.is_intact() for array in (*guarded, *changed))
    expected = jax.tree.leaves(portable_step(optimizer.rule, numbers, gradients, parameters, kept))
    for ours, theirs in zip(changed, expected, strict=True):
        np.testing.assert_allclose(ours.array, theirs, rtol=1e-5, atol=1e-6)


@every_optimizer
def test_what_is_not_finite_shows(optimizer):
    numbers, gradients, parameters, kept = random_step(optimizer, "float32")
    for step in (native_step, portable_step):
        after, *_ = step(optimizer.rule, numbers, [gradients[0].at[1].set(jnp.nan), *gradients[1:]], parameters, kept)
        np.testing.assert_array_equal(np.isnan(after[0]), [False, True, False])


def test_adam_corrects_for_the_start_of_its_means():
    """With one gradient throughout, both means are exact after their correction: every step is the learning rate."""
    optimizer, network = OPTIMIZERS["adam"], init_network(jax.random.key(0), weight_sharing=True)
    gradient = jax.tree.map(jnp.ones_like, network)
    memory, before = optimizer.init(network), network.head2.bias
    update = updating(optimizer)
    for step in range(1, 6):
        network, memory = update(network, gradient, memory, {"learning_rate": jnp.float32(0.01)})
        np.testing.assert_allclose(before - network.head2.bias, step * 0.01, rtol=1e-4)


@every_optimizer
def test_two_precisions_at_once_are_not_for_the_kernel(optimizer):
    with jax.enable_x64(True):
        network = init_network(jax.random.key(0), weight_sharing=True)
        mixed = eqx.tree_at(lambda n: n.head2.bias, network, network.head2.bias.astype(jnp.float64))
        gradient = jax.tree.map(jnp.ones_like, mixed)
        rate = {"learning_rate": jnp.float32(0.01)}
        update = updating(optimizer)
        ours, _ = update(mixed, gradient, optimizer.init(mixed), rate)
        theirs, _ = update(network, jax.tree.map(jnp.ones_like, network), optimizer.init(network), rate)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), ours, theirs)
