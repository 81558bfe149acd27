"""Images made larger or smaller, one axis after the other, as products with matrices of weights."""

import math
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from twofold.networks.graphs.operations.table import Number, operation

# The parameter of the cubic that PyTorch has.
_CUBIC = -0.75


@operation("upsample_nearest1d.vec", "upsample_nearest2d.vec", "upsample_nearest3d.vec")
def nearest(x: Array, size: Sequence[int] | None, factors: Sequence[float] | None) -> Array:
    """The pixel whose place is next to the left."""
    return _resized(x, size, factors, lambda length, new, scale: _nearest(length, new, scale, 0.0))


@operation("_upsample_nearest_exact1d.vec", "_upsample_nearest_exact2d.vec", "_upsample_nearest_exact3d.vec")
def nearest_exact(x: Array, size: Sequence[int] | None, factors: Sequence[float] | None) -> Array:
    """The pixel whose middle is nearest."""
    return _resized(x, size, factors, lambda length, new, scale: _nearest(length, new, scale, 0.5))


@operation("upsample_linear1d.vec", "upsample_bilinear2d.vec", "upsample_trilinear3d.vec")
def linear(x: Array, size: Sequence[int] | None, align: bool, factors: Sequence[float] | None) -> Array:
    """Between the two pixels beside."""
    return _resized(x, size, factors, lambda length, new, scale: _linear(length, new, scale, align))


@operation("upsample_bicubic2d.vec")
def cubic(x: Array, size: Sequence[int] | None, align: bool, factors: Sequence[float] | None) -> Array:
    """By a cubic through four pixels."""
    return _resized(x, size, factors, lambda length, new, scale: _cubic(length, new, scale, align))


def _resized(
    x: Array,
    size: Sequence[int] | None,
    factors: Sequence[float] | None,
    weights: Callable[[int, int, float], np.ndarray],
) -> Array:
    lengths = x.shape[2:]
    sizes = size or [math.floor(length * factor) for length, factor in zip(lengths, factors or ())]
    for i, (length, new) in enumerate(zip(lengths, sizes)):
        scale = 1 / factors[i] if factors else length / new
        matrix = jnp.asarray(weights(length, new, scale), x.dtype)
        x = jnp.moveaxis(jnp.moveaxis(x, i + 2, -1) @ matrix, -1, i + 2)
    return x


def _nearest(length: int, new: int, scale: Number, middle: Number) -> np.ndarray:
    places = np.minimum(np.floor((np.arange(new) + middle) * scale).astype(int), length - 1)
    return np.eye(length)[:, places]


def _places(length: int, new: int, scale: Number, align: bool) -> np.ndarray:
    if align:
        return np.arange(new) * ((length - 1) / (new - 1) if new > 1 else 0.0)
    return (np.arange(new) + 0.5) * scale - 0.5


def _linear(length: int, new: int, scale: Number, align: bool) -> np.ndarray:
    places = np.maximum(_places(length, new, scale, align), 0)
    low = np.minimum(places.astype(int), length - 1)
    part = np.where(low < length - 1, places - low, 0)
    matrix = np.zeros((length, new))
    np.add.at(matrix, (low, np.arange(new)), 1 - part)
    np.add.at(matrix, (np.minimum(low + 1, length - 1), np.arange(new)), part)
    return matrix


def _cubic(length: int, new: int, scale: Number, align: bool) -> np.ndarray:
    places = _places(length, new, scale, align)
    low = np.floor(places).astype(int)
    part = places - low
    near = lambda t: ((_CUBIC + 2) * t - (_CUBIC + 3)) * t * t + 1  # noqa: E731
    far = lambda t: ((_CUBIC * t - 5 * _CUBIC) * t + 8 * _CUBIC) * t - 4 * _CUBIC  # noqa: E731
    matrix = np.zeros((length, new))
    for step, values in ((-1, far(part + 1)), (0, near(part)), (1, near(1 - part)), (2, far(2 - part))):
        np.add.at(matrix, (np.clip(low + step, 0, length - 1), np.arange(new)), values)
    return matrix
