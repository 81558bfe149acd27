"""Normalisation of groups of channels, for a processor and for any platform, against the formula."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.native.frames import Guarded, call
from tests.native.ways import assert_alone_are_together, assert_same_ways

from twofold.native.normalisation import MOST_JOINED, has_normalise, native_normalise, portable_normalise

EPS = 1e-5

# Each new shape is a new compilation.
FEW = settings(max_examples=9, deadline=None)

both_ways = pytest.mark.parametrize("way", [native_normalise, portable_normalise], ids=["native", "portable"])


def plain(x, weight, bias, others, groups, eps, relu):
    grouped = x.reshape(*x.shape[:2], groups, -1)
    mean, variance = grouped.mean((1, 3), keepdims=True), grouped.var((1, 3), keepdims=True)
    result = ((grouped - mean) / jnp.sqrt(variance + eps)).reshape(x.shape)
    result = result * weight + bias
    if relu:
        result = jnp.maximum(result if others is None else result + others, 0)
    return result, mean.reshape(-1, groups), variance.reshape(-1, groups)


def random_arrays(n, rows, columns, dtype=np.float64):
    random = np.random.default_rng(0)
    shapes = (n, rows, columns), (columns,), (columns,)
    return [(10 + random.normal(size=shape)).astype(dtype) for shape in shapes]


@FEW
@given(
    n=st.integers(1, 3),
    rows=st.integers(2, 40),
    groups=st.integers(1, 6),
    size=st.integers(1, 9),
    after=st.sampled_from(["nothing", "ReLU", "sum and ReLU"]),
)
def test_values_and_gradients_are_those_of_the_formula(n, rows, groups, size, after):
    arrays = random_arrays(n, rows, groups * size)
    assert has_normalise(*map(jnp.asarray, arrays))
    arrays[2] -= 10  # so that some of it is shut
    if after == "sum and ReLU":
        arrays.append(arrays[0][::-1, ::-1] - 10)

    def of(way):
        return lambda x, weight, bias, others=None: way(x, weight, bias, others, groups, EPS, after != "nothing")

    assert_same_ways([of(native_normalise), of(portable_normalise)], of(plain), arrays, rtol=1e-8)


def test_a_mean_far_from_zero_costs_no_digits():
    x = 1000 + np.random.default_rng(0).normal(size=(1, 5000, 20))
    arrays = [each.astype(np.float32) for each in (x, np.ones(20), np.zeros(20))]
    for way in (native_normalise, portable_normalise):
        outputs, _, variance = way(*map(jnp.asarray, arrays), None, 20, EPS, False)
        np.testing.assert_allclose(variance, arrays[0].astype(np.float64).var(1), rtol=1e-3)
        np.testing.assert_allclose(np.asarray(outputs).var(1), 1, rtol=1e-3)


@both_ways
@pytest.mark.parametrize("relu", [False, True])
def test_what_is_not_finite_stays_visible_in_its_group(way, relu):
    x, weight, bias = (jnp.asarray(each) for each in random_arrays(2, 9, 20, np.float32))
    outputs = np.array(way(x.at[1, 3, 17].set(jnp.nan), weight, bias, None, 10, EPS, relu)[0])
    assert np.isnan(outputs[1, :, 16:18]).all()
    outputs[1, :, 16:18] = 0
    assert np.isfinite(outputs).all()


def test_many_trials_at_once_are_each_alone():
    arrays = [np.stack([each, 2 * each]) for each in random_arrays(2, 30, 6)]
    assert_alone_are_together(lambda *arrays: native_normalise(*arrays, None, 3, EPS, True)[0], arrays)


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize(
    ("n", "rows", "columns", "groups"),
    [(1, 1, 1, 1), (1, 6, 16, 16), (3, 11, 42, 2), (4, 1, 9, 1), (2, 8, 6, 3), (1, 32, 1, 1)],
)
@pytest.mark.parametrize(("relu", "more"), [(0, 0), (1, 0), (1, 1)])
def test_the_handlers_keep_to_their_arrays(real, n, rows, columns, groups, relu, more):
    drawn = random_arrays(n, rows, columns)
    x, weight, bias, gradient = (Guarded(each.shape, real, each) for each in (*drawn, drawn[0]))
    eps, flag = Guarded((1,), real, EPS), Guarded((1,), np.int8, relu)
    others = Guarded((n * more, rows, columns), real, 1)
    found = [Guarded(shape, real) for shape in (x.array.shape, (n, groups), (n, groups), (3, MOST_JOINED, columns))]
    call("normalise", real, [x, weight, bias, eps, flag, others], found)
    outputs = found[0] if relu else Guarded((0,), real)
    shapes = x.array.shape, (columns,), (columns,), others.array.shape, (4, MOST_JOINED, columns)
    back = [Guarded(shape, real) for shape in shapes]
    call("normalise_back", real, [x, weight, *found[1:3], eps, gradient, outputs], back)
    *found, space = found
    *back, space_back = back
    everything = [x, weight, bias, gradient, eps, flag, others, *found, *back]
    assert all(each.is_intact() for each in (*everything, space, space_back))
    assert all(np.isfinite(each.array).all() for each in everything)
