"""Constant matrices times vectors, on Winograd's matrices and on any."""

import ctypes

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.native import tile_transforms
from twofold.native.combination import combination
from twofold.native.vectors import LANES

# Each matrix is a new compilation.
FEW = settings(max_examples=12, deadline=None)

FACTOR = st.sampled_from([0, 1, -1, 2, -2, 0.25])
MATRIX = st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(FACTOR, min_size=n, max_size=n), min_size=1, max_size=5))


def product(matrix, vectors, added=False):
    """The matrix times `LANES` columns, in memory that begins with ones: there a row of 0 leaves them."""
    combine = combination(matrix, added=added)
    real = numba.types.CPointer(numba.types.float64)

    @numba.cfunc(numba.types.void(real, real))
    def run(source, target):
        combine(source, LANES, target, LANES, LANES)

    found = np.ones((len(matrix), LANES))
    pointers = (ctypes.cast(each.ctypes.data, ctypes.POINTER(ctypes.c_double)) for each in (vectors, found))
    run.ctypes(*pointers)
    return found


def vectors_of(matrix):
    return np.random.default_rng(0).normal(size=(len(matrix[0]), LANES))


@FEW
@given(matrix=MATRIX, added=st.booleans())
def test_any_matrix(matrix, added):
    vectors = vectors_of(matrix)
    expected = np.array(matrix) @ vectors + added
    expected[~np.any(matrix, axis=1)] = 1
    np.testing.assert_allclose(product(matrix, vectors, added), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["_BT", "_AT", "_BT_SHORT", "_AT_SHORT", "_G"])
@pytest.mark.parametrize("turn", [False, True])
def test_what_is_not_finite_shows_where_its_factor_is_not_0(name, turn):
    matrix = getattr(tile_transforms, name)
    matrix = tuple(zip(*matrix)) if turn else matrix
    for place in range(len(matrix[0])):
        vectors = vectors_of(matrix)
        vectors[place, 3] = np.nan
        shown = np.isnan(product(matrix, vectors))
        np.testing.assert_array_equal(shown[:, 3], np.array(matrix)[:, place] != 0)
        assert not np.delete(shown, 3, 1).any()
