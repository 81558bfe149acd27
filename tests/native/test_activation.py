"""ReLU with what is added before it: our own operation, and portably, against the formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.native.frames import Guarded, call
from tests.native.ways import assert_alone_are_together, assert_same_ways

from twofold.native.activation import native_relu, portable_relu

# Each new shape is a new compilation.
FEW = settings(max_examples=8, deadline=None)

both_ways = pytest.mark.parametrize("way", [native_relu, portable_relu], ids=["native", "portable"])


def random_arrays(rows, columns, others):
    random = np.random.default_rng(0)
    return [random.normal(size=shape) for shape in ((2, rows, columns), (columns,), (2, rows, columns))[: 2 + others]]


def alone(way):
    return lambda x, bias, others=None: way(x, bias, others)


@FEW
@given(rows=st.integers(1, 11), columns=st.sampled_from([1, 7, 16, 17, 24, 40]), others=st.booleans())
def test_values_and_gradients_are_those_of_the_formula(rows, columns, others):
    def plain(x, bias, others=0.0):
        return jnp.where(x + bias + others > 0, x + bias + others, 0)

    assert_same_ways([alone(native_relu), alone(portable_relu)], plain, random_arrays(rows, columns, others))


@pytest.mark.parametrize("others", [False, True])
def test_many_trials_at_once_are_each_alone(others):
    arrays = [np.stack([each, -each, 2 * each]) for each in random_arrays(9, 20, others)]
    assert_alone_are_together(alone(native_relu), arrays)


@both_ways
def test_zero_lets_no_gradient_through(way):
    gradient = jax.grad(lambda x: way(x, jnp.zeros(3), None).sum())(jnp.array([[-1.0, 0.0, 1.0]]))
    np.testing.assert_array_equal(gradient, [[0, 0, 1]])


@both_ways
def test_what_is_no_number_stays_visible(way):
    outputs = np.array(way(jnp.ones((2, 5, 20)).at[1, 3, 17].set(jnp.nan), jnp.zeros(20), None))
    assert np.isnan(outputs[1, 3, 17])
    outputs[1, 3, 17] = 0
    assert np.isfinite(outputs).all()


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "columns", "others"), [(1, 1, False), (5, 16, True), (9, 42, True), (6, 9, False)])
def test_the_handlers_keep_to_their_arrays(real, rows, columns, others):
    drawn = random_arrays(rows, columns, others)
    x, bias, *more = (Guarded(each.shape, real, each) for each in drawn)
    given = [x, bias, *(more or [Guarded((0,), real)])]
    outputs, back = Guarded(x.array.shape, real), [Guarded(shape, real) for shape in (x.array.shape, (columns,))]
    call("relu", real, given, [outputs])
    call("relu_back", real, [outputs, x], back)
    assert all(each.is_intact() for each in (*given, outputs, *back))
    np.testing.assert_allclose(outputs.array, np.maximum(sum(drawn[1:], drawn[0]), 0), rtol=1e-5, atol=1e-6)
    expected = np.where(outputs.array > 0, x.array, 0)
    np.testing.assert_array_equal(back[0].array, expected)
    np.testing.assert_allclose(back[1].array, expected.sum((0, 1)), rtol=1e-4, atol=1e-5)
