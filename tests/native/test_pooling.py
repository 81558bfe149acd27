"""Max pooling for a processor and for any platform, against the plain formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.native.frames import Guarded, call
from tests.native.ways import assert_same_ways

from twofold.native.convolution import patches
from twofold.native.maxima import SHUT
from twofold.native.places import pixels_of, sizes_after, window_of
from twofold.native.pooling import has_max_pool, native_max_pool, portable_max_pool

# Each new shape is a new compilation.
FEW = settings(max_examples=8, deadline=None)

both_ways = pytest.mark.parametrize("way", [native_max_pool, portable_max_pool], ids=["native", "portable"])


@st.composite
def windows(draw):
    axes = draw(st.integers(1, 3))
    kernel, strides, dilations = (tuple(draw(st.integers(1, most)) for _ in range(axes)) for most in (3, 3, 2))
    sizes = [d * (k - 1) + 1 + draw(st.integers(0, 5)) for k, d in zip(kernel, dilations)]
    return (draw(st.integers(1, 3)), *sizes, draw(st.integers(1, 35))), kernel, strides, dilations


def plain(x, bias, kernel, strides, dilations, relu):
    found = jnp.stack(patches(x + bias, kernel, strides, dilations)).max(0)
    return jax.nn.relu(found) if relu else found


@FEW
@given(window=windows(), relu=st.booleans())
def test_values_and_gradients_are_those_of_the_largest(window, relu):
    shape, *window = window
    random = np.random.default_rng(0)
    arrays = [random.normal(size=each) for each in (shape, shape[-1:])]
    assert has_max_pool(*map(jnp.asarray, arrays), window[0])
    native, portable, theirs = (
        lambda *arrays, way=way: way(*arrays, *window, relu) for way in (native_max_pool, portable_max_pool, plain)
    )
    assert_same_ways([native, portable], theirs, arrays)


@both_ways
def test_of_equals_the_first_row_by_row_has_the_gradient(way):
    x = jnp.zeros((1, 4, 6, 2), np.float32)
    gradient = jax.grad(lambda x: way(x, jnp.zeros(2, np.float32), (2, 3), (2, 3), (1, 1), False).sum())(x)
    expected = np.zeros((4, 6))
    expected[::2, ::3] = 1
    np.testing.assert_array_equal(gradient[0, :, :, 0], expected)


@both_ways
@pytest.mark.parametrize("place", range(4))
def test_what_is_no_number_shows(way, place):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 2, 2, 3)).astype(np.float32))
    x = x.at[0, place // 2, place % 2, 1].set(jnp.nan)
    for relu in (False, True):
        found = np.isnan(way(x, jnp.zeros(3, np.float32), (2, 2), (2, 2), (1, 1), relu)).ravel()
        assert found.tolist() == [False, True, False]


@both_ways
def test_a_relu_that_is_shut_has_no_gradient(way):
    x = jnp.asarray([[[[-1.0, 0.0, 2.0]]]], np.float32)
    to_x, to_bias = jax.grad(lambda *a: way(*a, (1, 1), (1, 1), (1, 1), True).sum(), (0, 1))(
        x, jnp.zeros(3, np.float32)
    )
    assert to_x.ravel().tolist() == to_bias.tolist() == [0, 0, 1]


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 3, 3, 1), (2, 5, 4, 17), (3, 6, 6, 40)])
def test_the_handlers_keep_to_their_arrays(real, shape):
    random, kernel, strides = np.random.default_rng(0), (3, 2), (1, 2)
    sizes, channels = sizes_after(shape[1:-1], kernel, strides, (1, 1)), shape[-1]
    tables = [pixels_of(shape, sizes, strides), window_of(shape, kernel, (1, 1))]
    tables = [Guarded(each.shape, np.int32, each) for each in tables]
    count = len(tables[0].array)
    x, bias = (Guarded(each, real, random.normal(size=each)) for each in (shape, shape[-1:]))
    floor, found, won = Guarded((1,), real, 0), Guarded((count, channels), real), Guarded((count, channels), np.int8)
    call("pool", real, [x, *tables, bias, floor], [found, won])
    to_x, to_bias = Guarded(shape, real), Guarded((channels,), real)
    call("pool_back", real, [found, won, *tables], [to_x, to_bias])
    assert all(each.is_intact() for each in (x, bias, floor, found, won, to_x, to_bias, *tables))
    assert np.isfinite(to_x.array).all()
    assert set(won.array.ravel()) <= {SHUT, *range(6)}
    np.testing.assert_allclose(to_x.array.sum(), found.array.sum(), rtol=1e-4)
