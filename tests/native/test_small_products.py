"""Many small products of matrices, by our own operation, against `jax.numpy.matmul` in double precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.native.ways import assert_alone_are_together, assert_same_ways

from twofold.native.small_products import has_small_products, matmul, native_matmul

# Each new shape is a new compilation.
FEW = settings(max_examples=8, deadline=None)

SIZE = st.sampled_from([1, 2, 7, 16, 17, 33, 64])


def random_arrays(first, second):
    random = np.random.default_rng(0)
    return [random.normal(size=shape) for shape in (first, second)]


@FEW
@given(batch=st.sampled_from([(2,), (3, 4), (5, 1, 2)]), m=SIZE, k=SIZE, n=SIZE)
def test_values_and_gradients_are_xlas_on_random_shapes(batch, m, k, n):
    assert_same_ways([matmul], jnp.matmul, random_arrays((*batch, m, k), (*batch, k, n)))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((6, 9, 5), (6, 5, 3), True),
        ((2, 3, 9, 5), (2, 3, 5, 3), True),
        ((6, 65, 5), (6, 5, 3), False),
        ((6, 9, 5), (6, 5, 65), False),
        ((1, 9, 5), (1, 5, 3), False),
        ((6, 9, 5), (5, 3), False),
        ((6, 9, 5), (1, 5, 3), False),
        ((9, 5), (5, 3), False),
        ((6, 9, 0), (6, 0, 3), False),
    ],
)
def test_batches_of_small_matrices_are_ours(first, second, expected):
    arrays = [jnp.asarray(each, jnp.float32) for each in random_arrays(first, second)]
    assert has_small_products(*arrays) == expected
    np.testing.assert_allclose(matmul(*arrays), jnp.matmul(*arrays), rtol=1e-4, atol=1e-5)


def test_many_trials_at_once_are_each_alone():
    assert_alone_are_together(native_matmul, random_arrays((3, 4, 9, 5), (3, 4, 5, 18)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_visible_in_its_product(value):
    first, second = (jnp.asarray(each) for each in random_arrays((3, 9, 5), (3, 5, 18)))
    outputs = np.array(jax.jit(native_matmul)(first.at[1, 4, 2].set(value), second))
    assert not np.isfinite(outputs[1, 4]).any()
    outputs[1, 4] = 0
    assert np.isfinite(outputs).all()
