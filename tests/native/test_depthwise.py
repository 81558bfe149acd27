"""Convolutions of each channel by itself, our own and portable, against XLA's in double precision."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.native.frames import Guarded, call
from tests.native.ways import assert_alone_are_together, assert_same_ways

from twofold.native.convolution import grouped_convolution, native_depthwise, portable_depthwise

# Each new shape is a new compilation.
FEW = settings(max_examples=8, deadline=None)

both_ways = pytest.mark.parametrize("way", [native_depthwise, portable_depthwise], ids=["native", "portable"])


@st.composite
def shapes(draw):
    """(images, kernel, strides, dilations, edges) of one or two axes, whose kernel fits into the images."""
    space = draw(st.integers(1, 2))
    kernel = [draw(st.integers(1, 4)) for _ in range(space)]
    dilations, strides = ([draw(st.integers(1, 3)) for _ in range(space)] for _ in range(2))
    sizes = [d * (k - 1) + 1 + draw(st.integers(0, 5)) for k, d in zip(kernel, dilations)]
    edges = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in range(space))
    channels = draw(st.sampled_from([1, 3, 8, 16, 17, 24, 32, 40]))
    return (draw(st.integers(1, 3)), *sizes, channels), (*kernel, channels), tuple(strides), tuple(dilations), edges


def of_xla(x, weight, strides, dilations, edges):
    letters = "HWD"[: len(strides)]
    numbers = (f"N{letters}C", f"{letters}IO", f"N{letters}C")
    return jax.lax.conv_general_dilated(
        *(x, weight[..., None, :], strides, edges),
        rhs_dilation=dilations,
        dimension_numbers=numbers,
        feature_group_count=x.shape[-1],
    )


def random_arrays(*shapes):
    random = np.random.default_rng(0)
    return [random.normal(size=shape) for shape in shapes]


@FEW
@given(shapes())
def test_values_and_gradients_are_xlas_on_random_shapes(shape):
    image, kernel, *how = shape
    arrays = random_arrays(image, kernel)
    native, portable, theirs = (
        lambda *arrays, way=way: way(*arrays, *how) for way in (native_depthwise, portable_depthwise, of_xla)
    )
    assert_same_ways([native, portable], theirs, arrays)


@pytest.mark.parametrize(("groups", "inputs", "outputs"), [*itertools.product([2, 9], [1, 2], [1, 3])])
def test_groups_are_xlas(groups, inputs, outputs):
    """A few groups are a product each, many are one batched product, and single channels are depthwise."""
    how = (2, 1), (1, 1), ((1, 1), (0, 2))

    def ours(x, weight):
        return grouped_convolution(x, weight, *how, groups)

    def theirs(x, weight):
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            x, weight, how[0], how[2], dimension_numbers=numbers, feature_group_count=groups
        )

    arrays = random_arrays((2, 7, 6, groups * inputs), (3, 2, inputs, groups * outputs))
    assert_same_ways([ours], theirs, arrays)


def test_many_trials_at_once_are_each_alone():
    how = (2, 1), (1, 1), ((1, 1), (0, 0))
    arrays = random_arrays((3, 2, 7, 6, 20), (3, 3, 3, 20))
    assert_alone_are_together(lambda *arrays: native_depthwise(*arrays, *how), arrays)


@both_ways
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_visible_in_its_channel(way, value):
    x, weight = map(jnp.asarray, random_arrays((2, 9, 8, 20), (3, 3, 20)))
    outputs = np.array(way(x.at[0, 4, 4, 18].set(value), weight, (1, 1), (1, 1), ((0, 0), (0, 0))))
    assert not np.isfinite(outputs[0, 2:5, 2:5, 18]).any()
    outputs[0, 2:5, 2:5, 18] = 0
    assert np.isfinite(outputs).all()


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("columns", [1, 15, 16, 17, 40])
@pytest.mark.parametrize(("rows", "runs"), [(1, 1), (7, 9)])
def test_the_handler_keeps_to_its_arrays(real, columns, rows, runs):
    random = np.random.default_rng(0)
    tables = [random.permutation(count).astype(np.int32) * columns for count in (rows, runs)]
    size = columns * (rows + runs - 1)
    left, right = (Guarded(each, real, random.normal(size=each)) for each in ((size,), (runs, columns)))
    places = [Guarded(each.shape, np.int32, each) for each in tables]
    found = Guarded((rows, columns), real)
    call("channelwise", real, [left, *places, right], [found])
    assert all(each.is_intact() for each in (left, *places, right, found))
    at = tables[0][:, None, None] + tables[1][:, None] + np.arange(columns)
    expected = np.einsum("pqc,qc->pc", left.array[at].astype(np.float64), right.array.astype(np.float64))
    np.testing.assert_allclose(found.array, expected, rtol=1e-4, atol=1e-4 if real == "float32" else 1e-12)
