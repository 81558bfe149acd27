"""Normalisation of columns, for a processor and for any platform, against the formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.native.frames import Guarded, call

from twofold.native.normalisation import has_normalise, native_normalise, portable_normalise

EPS = 1e-5

# Each new shape is a new compilation.
FEW = settings(max_examples=15, deadline=None)

both_ways = pytest.mark.parametrize("way", [native_normalise, portable_normalise], ids=["native", "portable"])


def plain(x, weight, bias, eps):
    mean, variance = x.mean(0), x.var(0)
    return (x - mean) / jnp.sqrt(variance + eps) * weight + bias, mean, variance


def values_and_gradients(way, *arrays):
    def total(*arrays):
        outputs, *moments = way(*arrays, EPS)
        return (outputs**3).sum(), (outputs, *moments)

    (_, outputs), gradients = jax.jit(jax.value_and_grad(total, (0, 1, 2), has_aux=True))(*arrays)
    return *outputs, *gradients


def random_arrays(rows, columns, dtype=np.float64):
    random = np.random.default_rng(0)
    shapes = (rows, columns), (columns,), (columns,)
    return [(10 + random.normal(size=shape)).astype(dtype) for shape in shapes]


@both_ways
@FEW
@given(rows=st.integers(2, 40), columns=st.integers(1, 40))
def test_values_and_gradients_are_those_of_the_formula(way, rows, columns):
    with jax.enable_x64(True):
        arrays = random_arrays(rows, columns)
        assert has_normalise(*map(jnp.asarray, arrays))
        for ours, theirs in zip(*(values_and_gradients(each, *arrays) for each in (way, plain)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9 * max(float(abs(theirs).max()), 1))


def test_a_mean_far_from_zero_costs_no_digits():
    x = 1000 + np.random.default_rng(0).normal(size=(5000, 20))
    arrays = [each.astype(np.float32) for each in (x, np.ones(20), np.zeros(20))]
    for way in (native_normalise, portable_normalise):
        outputs, _, variance = way(*map(jnp.asarray, arrays), EPS)
        np.testing.assert_allclose(variance, arrays[0].astype(np.float64).var(0), rtol=1e-3)
        np.testing.assert_allclose(np.asarray(outputs).var(0), 1, rtol=1e-3)


@both_ways
def test_what_is_not_finite_stays_visible_in_its_column(way):
    x, weight, bias = (jnp.asarray(each) for each in random_arrays(9, 20, np.float32))
    outputs = np.asarray(way(x.at[3, 17].set(jnp.nan), weight, bias, EPS)[0])
    assert np.isnan(outputs[:, 17]).all()
    assert np.isfinite(np.delete(outputs, 17, axis=1)).all()


def test_many_trials_at_once_are_each_alone():
    arrays = [np.stack([each, 2 * each]) for each in random_arrays(30, 5, np.float32)]

    def way(*arrays):
        return jnp.sin(native_normalise(*arrays, EPS)[0]).sum()

    together = jax.jit(jax.vmap(jax.grad(way, (0, 1, 2))))(*arrays)
    for number in range(2):
        alone = jax.jit(jax.grad(way, (0, 1, 2)))(*(each[number] for each in arrays))
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_array_equal(a[number], b)


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (6, 16), (11, 41)])
def test_the_handlers_keep_to_their_arrays(real, rows, columns):
    x, weight, bias, gradient = (
        Guarded(each.shape, real, each) for each in (*random_arrays(rows, columns), random_arrays(rows, columns)[0])
    )
    eps = Guarded((1,), real, EPS)
    found = [Guarded(shape, real) for shape in ((rows, columns), *[(columns,)] * 3)]
    call("normalise", real, [x, weight, bias, eps], found)
    back = [Guarded(shape, real) for shape in ((rows, columns), (columns,), (columns,), (3, columns))]
    call("normalise_back", real, [x, weight, *found[1:3], eps, gradient], back)
    everything = [x, weight, bias, gradient, eps, *found, *back]
    assert all(each.is_intact() and np.isfinite(each.array).all() for each in everything)
