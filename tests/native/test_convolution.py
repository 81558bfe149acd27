"""Convolutions of any shape, for a processor and for any platform, against XLA's own."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.native.frames import Guarded, call
from tests.native.ways import assert_alone_are_together, assert_same_ways

from twofold.native import handlers
from twofold.native.convolution import (
    convolution,
    has_convolution,
    has_tiles,
    native_convolution,
    portable_convolution,
    tiled_convolution,
)
from twofold.native.tile_sizes import backward_space, forward_space, tiles_at_once
from twofold.native.vectors import GATHERED

# Each new shape is a new compilation.
FEW = settings(max_examples=10, deadline=None)

# Places that are added at both ends of an axis; more than a kernel reaches, too.
EDGE = st.tuples(st.integers(0, 4), st.integers(0, 4))
NONE = ((0, 0), (0, 0))

# Places that are added, or cut where they are negative, of which three are always left.
CUT = st.tuples(st.integers(-2, 4), st.integers(-2, 4))

both_ways = pytest.mark.parametrize("way", [native_convolution, portable_convolution], ids=["native", "portable"])


@st.composite
def shapes(draw):
    """(images, kernel, strides, dilations, edges) of one to three axes, whose kernel fits into the images."""
    space = draw(st.integers(1, 3))
    kernel = [draw(st.integers(1, 4)) for _ in range(space)]
    dilations = [draw(st.integers(1, 3)) for _ in range(space)]
    strides = [draw(st.integers(1, 3)) for _ in range(space)]
    sizes = [d * (k - 1) + 1 + draw(st.integers(0, 5)) for k, d in zip(kernel, dilations)]
    inputs, outputs = draw(st.integers(1, 5)), draw(st.sampled_from([1, 7, 16, 24, 64, 83]))
    if draw(st.booleans()):  # cut at the end, and long enough for it
        sizes, edge = [size + 2 for size in sizes], st.tuples(st.integers(0, 4), st.integers(-2, 4))
    else:
        edge = EDGE
    image, edges = (draw(st.integers(1, 3)), *sizes, inputs), tuple(draw(edge) for _ in range(space))
    return image, (*kernel, inputs, outputs), tuple(strides), tuple(dilations), edges


def of_xla(x, weight, strides, dilations, edges):
    letters = "HWD"[: len(strides)]
    numbers = (f"N{letters}C", f"{letters}IO", f"N{letters}C")
    return jax.lax.conv_general_dilated(x, weight, strides, edges, rhs_dilation=dilations, dimension_numbers=numbers)


def random_arrays(image, kernel, dtype=np.float64):
    random = np.random.default_rng(0)
    return random.normal(size=image).astype(dtype), random.normal(size=kernel).astype(dtype)


@FEW
@given(shapes())
def test_values_and_gradients_are_xlas_on_random_shapes(shape):
    image, kernel, *how = shape
    arrays = random_arrays(image, kernel)
    assert has_convolution(*map(jnp.asarray, arrays))
    native, portable, theirs = (
        lambda *arrays, way=way: way(*arrays, *how) for way in (native_convolution, portable_convolution, of_xla)
    )
    assert_same_ways([native, portable], theirs, arrays)


@FEW
@given(
    n=st.integers(1, 4),
    height=st.integers(7, 19),
    width=st.integers(7, 19),
    inputs=st.integers(1, 40),
    outputs=st.sampled_from([1, 8, 16, 17, 24, 64, 83]),
    edges=st.tuples(CUT, CUT),
)
def test_tiles_are_xlas_on_random_shapes(n, height, width, inputs, outputs, edges):
    arrays = random_arrays((n, height, width, inputs), (3, 3, inputs, outputs))
    ours, theirs = (
        partial(tiled_convolution, edges=edges),
        partial(of_xla, strides=(1, 1), dilations=(1, 1), edges=edges),
    )
    assert_same_ways([ours], theirs, arrays, rtol=1e-9)


@pytest.mark.parametrize(
    ("kernel", "strides", "dilations", "expected"),
    [
        ((3, 3, 16, 16), (1, 1), (1, 1), True),
        ((3, 3, 15, 16), (1, 1), (1, 1), False),
        ((3, 3, 16, 15), (1, 1), (1, 1), False),
        ((3, 3, 17, 17), (1, 2), (1, 1), False),
        ((3, 3, 17, 17), (1, 1), (2, 1), False),
        ((3, 2, 17, 17), (1, 1), (1, 1), False),
        ((3, 17, 17), (1,), (1,), False),
    ],
)
def test_tiles_are_for_3x3_with_many_channels(kernel, strides, dilations, expected):
    assert has_tiles(kernel, strides, dilations) == expected
    x = jnp.asarray(random_arrays((2, *[9] * len(strides), kernel[-2]), kernel, np.float32)[0])
    compiled = (
        jax.jit(lambda x, w: convolution(x, w, strides, dilations, ((0, 0),) * len(strides)))
        .lower(x, jnp.zeros(kernel))
        .as_text()
    )
    assert ("tiles_forward" in compiled) == expected


def test_many_trials_at_once_are_each_alone():
    arrays = random_arrays((3, 2, 7, 6, 4), (3, 3, 3, 4, 20))
    assert_alone_are_together(lambda *arrays: native_convolution(*arrays, (2, 1), (1, 1), NONE), arrays)


@both_ways
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_visible(way, value):
    assert_shows(lambda x, weight: way(x, weight, (1, 1), (1, 1), NONE), value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_visible_in_tiles(value):
    assert_shows(lambda x, weight: tiled_convolution(x, weight, NONE), value)


def assert_shows(way, value):
    x, weight = random_arrays((2, 9, 8, 3), (3, 3, 3, 70), np.float32)
    x[0, 4, 4, 1] = value
    outputs = np.asarray(way(jnp.asarray(x), jnp.asarray(weight)))
    assert not np.isfinite(outputs[0, 2:5, 2:5]).any()
    assert np.isfinite(outputs[1]).all()


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("columns", [1, 15, 16, 17, *(width for width, _ in GATHERED), 100, 131])
@pytest.mark.parametrize(("times", "rows", "runs", "inner"), [(1, 1, 1, 1), (2, 13, 300, 1), (3, 7, 3, 9)])
def test_the_handler_keeps_to_its_arrays(real, columns, times, rows, runs, inner):
    """What lies around an array stays as it was; what nobody wrote is NaN, and would show in the result."""
    random = np.random.default_rng(0)
    size = times, 50 * rows + runs + inner
    left = Guarded(size, real, random.normal(size=size))
    row_places, run_places = random.permutation(rows).astype(np.int32) * 50, random.permutation(runs).astype(np.int32)
    places = [Guarded(each.shape, np.int32, each) for each in (row_places, run_places)]
    right = Guarded((times, runs, inner, columns), real, random.normal(size=(times, runs, inner, columns)))
    found = Guarded((times, rows, columns), real)
    call("gathered", real, [left, *places, right], [found])
    assert all(each.is_intact() for each in (left, *places, right, found))
    at = row_places[:, None, None] + run_places[:, None] + np.arange(inner)
    expected = np.einsum("zpqi,zqic->zpc", left.array[:, at].astype(np.float64), right.array.astype(np.float64))
    scale = abs(expected).max() + 1
    np.testing.assert_allclose(found.array / scale, expected / scale, atol=1e-5 if real == "float32" else 1e-13)


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize(
    ("n", "rows", "columns", "inputs", "outputs"), [(1, 1, 1, 1, 1), (3, 7, 10, 20, 83), (2, 12, 5, 64, 40)]
)
def test_the_handlers_of_tiles_keep_to_their_arrays(real, n, rows, columns, inputs, outputs):
    random, at_once = np.random.default_rng(0), np.arange(tiles_at_once(inputs, outputs), dtype=np.int32)
    image = n, rows + 1, columns, inputs

    def drawn(*shape):
        return Guarded(shape, real, random.normal(size=shape))

    images, kernel, turned = drawn(*image), drawn(3, 3, inputs, outputs), drawn(3, 3, outputs, inputs)
    gradient, sizes = drawn(n, rows, columns, outputs), Guarded((4,), np.int32, (rows, columns, 1, 0))
    tables = [Guarded(each.shape, np.int32, each) for each in (at_once * inputs, at_once * outputs, np.arange(inputs))]
    found, space = Guarded((n, rows, columns, outputs), real), Guarded((forward_space(inputs, outputs),), real)
    call("tiles_forward", real, [images, kernel, sizes, tables[0]], [found, space])
    back = [Guarded(each, real) for each in (image, (3, 3, inputs, outputs), (backward_space(inputs, outputs),))]
    call("tiles_backward", real, [images, turned, sizes, gradient, *tables], back)
    everything = [images, kernel, turned, gradient, sizes, *tables, found, space, *back]
    assert all(each.is_intact() for each in everything)
    assert all(np.isfinite(each.array).all() for each in (found, *back[:2]))


def test_where_our_operations_are_not_trusted_the_portable_way_is_taken(monkeypatch):
    x, weight = (jnp.asarray(each) for each in random_arrays((2, 9, 8, 3), (3, 3, 3, 7), np.float32))
    assert has_convolution(x, weight)
    assert not has_convolution(x, weight.astype(jnp.float16))
    monkeypatch.setitem(handlers._TRUST, "float32", handlers.Trust(handlers.PORTABLE, "a test"))
    assert not has_convolution(x, weight)
