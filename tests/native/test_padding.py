"""Zeros at the edges of images, or edges that are cut: our own operation, and portably, against `jax.lax.pad`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.native.frames import Guarded, call
from tests.native.ways import assert_alone_are_together, assert_same_ways

from twofold.native.padding import _lines, native_padded, padded, portable_padded

# Each new shape is a new compilation.
FEW = settings(max_examples=10, deadline=None)


@st.composite
def shapes(draw):
    """Images and edges of one to three axes, of which something is left."""
    sizes, edges = [], []
    for _ in range(draw(st.integers(1, 3))):
        size, low = draw(st.integers(1, 5)), draw(st.integers(-3, 3))
        sizes.append(size)
        edges.append((low, draw(st.integers(max(-3, 1 - size - low), 3))))
    return (draw(st.integers(1, 3)), *sizes, draw(st.integers(1, 5))), tuple(edges)


@FEW
@given(shapes())
def test_edges_are_xlas_on_random_shapes(shape):
    image, edges = shape

    def theirs(x):
        return jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((*edge, 0) for edge in edges), (0, 0, 0)])

    ours = [lambda x, way=way: way(x, edges) for way in (native_padded, portable_padded)]
    assert_same_ways(ours, theirs, [np.random.default_rng(0).normal(size=image)])


def test_many_trials_at_once_are_each_alone():
    images = np.random.default_rng(0).normal(size=(3, 2, 5, 4, 3))
    assert_alone_are_together(lambda x: native_padded(x, ((1, 2), (-1, 1))), [images])


def test_no_image_and_nothing_left_are_no_call():
    for shape, edges in (((0, 3, 3, 2), ((1, 1), (0, 0))), ((2, 3, 3, 2), ((-2, -1), (0, 0)))):
        assert padded(jnp.zeros(shape), edges).size == 0


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("edges", [((1, 2), (3, 0)), ((-1, 1), (1, -2)), ((-4, 4), (0, 0)), ((0, 0), (5, -4))])
def test_the_handler_keeps_to_its_arrays(real, edges):
    images = np.random.default_rng(0).normal(size=(2, 4, 3, 5)).astype(real)
    expected = np.asarray(portable_padded(jnp.asarray(images, jnp.float32), edges))
    lines, ends = (Guarded(each.shape, np.int32, each) for each in _lines(images.shape, edges))
    x, found = Guarded(images.shape, real, images), Guarded(expected.shape, real)
    call("edges", real, [x, lines, ends], [found])
    assert all(each.is_intact() for each in (x, lines, ends, found))
    np.testing.assert_allclose(found.array, expected, rtol=1e-6)
