"""The calls of products by tables of places (`twofold.native.gathered`, `twofold.native.channelwise`) from JAX."""

import jax
import numpy as np
from jaxtyping import Array

from twofold.native import handlers


def gathered(left: Array, rows: np.ndarray, runs: np.ndarray, right: Array) -> Array:
    """Row p of product z is the sum over q and i of left[z][rows[p] + runs[q] + i] * right[z, q, i], `left[z]` being
    flat; where there is one product `left` may have any shape."""
    return _call("gathered", (len(right), len(rows), right.shape[-1]), left, rows, runs, right)


def channelwise(left: Array, rows: np.ndarray, runs: np.ndarray, right: Array | np.ndarray) -> Array:
    """Row p of the result is the sum over q of left[rows[p] + runs[q] + c] * right[q, c], `left` being flat."""
    return _call("channelwise", (len(rows), right.shape[-1]), left, rows, runs, right)


def _call(name: str, shape: tuple[int, ...], *arrays: Array | np.ndarray) -> Array:
    dtype = arrays[-1].dtype
    call = jax.ffi.ffi_call(
        handlers.register(name, dtype.name), jax.ShapeDtypeStruct(shape, dtype), vmap_method="sequential"
    )
    return call(*arrays)
