"""Means of windows side by side: our own operation, and portably, against NumPy's."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.native.ways import assert_alone_are_together, assert_same_ways

from twofold.native.means import native_means, portable_means

# Each new shape is a new compilation.
FEW = settings(max_examples=8, deadline=None)

both_ways = pytest.mark.parametrize("way", [native_means, portable_means], ids=["native", "portable"])


@st.composite
def windows(draw):
    """Images of one to three axes, and windows that divide them."""
    window = tuple(draw(st.integers(1, 4)) for _ in range(draw(st.integers(1, 3))))
    sizes = [size * draw(st.integers(1, 3)) for size in window]
    return (draw(st.integers(1, 3)), *sizes, draw(st.sampled_from([1, 5, 16, 17, 40]))), window


def plain(x, window):
    for axis, size in enumerate(window, 1):
        parts = jnp.split(x, x.shape[axis] // size, axis)
        x = jnp.concatenate([sum(jnp.split(part, size, axis)) / size for part in parts], axis)
    return x


@FEW
@given(windows())
def test_values_and_gradients_are_those_of_the_formula(shape):
    image, window = shape
    images = np.random.default_rng(0).normal(size=image)
    ours = [lambda x, way=way: way(x, window) for way in (native_means, portable_means)]
    assert_same_ways(ours, lambda x: plain(x, window), [images])


def test_many_trials_at_once_are_each_alone():
    images = np.random.default_rng(0).normal(size=(3, 2, 6, 4, 20))
    assert_alone_are_together(lambda x: native_means(x, (3, 2)), [images])


@both_ways
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_visible_in_its_window(way, value):
    outputs = np.array(way(jnp.ones((2, 4, 6, 3)).at[1, 2, 5, 1].set(value), (2, 3)))
    assert not np.isfinite(outputs[1, 1, 1, 1])
    outputs[1, 1, 1, 1] = 0
    assert np.isfinite(outputs).all()
