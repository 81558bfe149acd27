"""What is drawn at random: each node has a key of its own, made from the step's.

The numbers are not PyTorch's, which no other program can draw; their distribution is. With the key FIXED nothing is
drawn: the numbers are those of `fixed`, which PyTorch can be given too.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from twofold.networks.graphs.operations.table import FIXED, Key, Number, Operand, operation

# The SELU of minus infinity, to which alpha dropout sets what it drops.
_SATURATED = -1.7580993408473766


def fixed(shape: Sequence[int]) -> np.ndarray:
    """Numbers that are spread over 0 to 1, the same every time: the multiples of the golden ratio without their whole
    parts."""
    return np.modf((np.arange(np.prod(shape, dtype=int)) + 1) * 0.6180339887498949)[0].reshape(tuple(shape))


def _uniform(key: Key, shape: Sequence[int], dtype: Any) -> Array:
    """Uniform numbers from 0 to 1."""
    return jnp.asarray(fixed(shape), dtype) if key is FIXED else jax.random.uniform(key, tuple(shape), dtype)


def _normal(key: Key, shape: Sequence[int], dtype: Any) -> Array:
    """Normal numbers of mean 0 and variance 1."""
    return 2 * _uniform(key, shape, dtype) - 1 if key is FIXED else jax.random.normal(key, tuple(shape), dtype)


def _bernoulli(key: Key, p: Operand, shape: Sequence[int]) -> Array:
    """Whether what has probability p happens."""
    return jnp.asarray(fixed(shape) < p) if key is FIXED else jax.random.bernoulli(key, p, tuple(shape))


@operation("dropout", random=True, layout="any")
def dropout(x: Array, p: Number, train: bool, *, key: Key) -> Array:
    """Each element is 0 with probability p, and the others are scaled, so that the mean stays."""
    return _dropped(x, x.shape, p, train, key)


@operation("feature_dropout", random=True, layout="kept")
def feature_dropout(x: Array, p: Number, train: bool, *, key: Key, channels_last: bool = False) -> Array:
    """The same for whole channels."""
    return _dropped(x, _channels(x, channels_last), p, train, key)


def _channels(x: Array, channels_last: bool) -> tuple[int, ...]:
    space = [1] * (x.ndim - 2)
    return (x.shape[0], *space, x.shape[-1]) if channels_last else (*x.shape[:2], *space)


def _dropped(x: Array, shape: tuple[int, ...], p: Number, train: bool, key: Key) -> Array:
    if not train or p == 0:
        return x
    if p == 1:
        return x * 0
    return x * jnp.where(_bernoulli(key, 1 - p, shape), 1 / (1 - p), 0).astype(x.dtype)


@operation("native_dropout", random=True)
def native_dropout(x: Array, p: Number, train: bool | None, *, key: Key) -> tuple[Array, Array]:
    """Dropout, and what was kept."""
    if train is False or p == 0:
        return x, jnp.ones(x.shape, bool)
    kept = _bernoulli(key, 1 - p, x.shape)
    return x * jnp.where(kept, 1 / (1 - p) if p < 1 else 0, 0).astype(x.dtype), kept


@operation("alpha_dropout", random=True, layout="any")
def alpha_dropout(x: Array, p: Number, train: bool, *, key: Key) -> Array:
    """Dropout that keeps the mean and the variance of a SELU."""
    return _alpha_dropped(x, x.shape, p, train, key)


@operation("feature_alpha_dropout", random=True, layout="kept")
def feature_alpha_dropout(x: Array, p: Number, train: bool, *, key: Key, channels_last: bool = False) -> Array:
    """The same for whole channels."""
    return _alpha_dropped(x, _channels(x, channels_last), p, train, key)


def _alpha_dropped(x: Array, shape: tuple[int, ...], p: Number, train: bool, key: Key) -> Array:
    if not train or p == 0:
        return x
    if p == 1:
        return x * 0
    scale = ((_SATURATED**2 * p + 1) * (1 - p)) ** -0.5
    kept = _bernoulli(key, 1 - p, shape)
    return scale * jnp.where(kept, x, jnp.asarray(_SATURATED, x.dtype)) - scale * _SATURATED * p


@operation("rrelu", random=True)
def rrelu(x: Array, lower: Number = 1 / 8, upper: Number = 1 / 3, training: bool = False, *_: Any, key: Key) -> Array:
    """x, or a part of it below 0 that is drawn in training."""
    slope = lower + (upper - lower) * _uniform(key, x.shape, x.dtype) if training else (lower + upper) / 2
    return jnp.where(x > 0, x, x * slope)


@operation("bernoulli", random=True)
def bernoulli(probabilities: Array, *, generator: Any = None, key: Key) -> Array:
    """1 with each element's probability, else 0."""
    probabilities = jax.lax.stop_gradient(probabilities)
    return _bernoulli(key, probabilities, probabilities.shape).astype(probabilities.dtype)


@operation("bernoulli.p", random=True)
def bernoulli_p(x: Array, p: Operand = 0.5, *, generator: Any = None, key: Key) -> Array:
    """1 with probability p, else 0, in the shape of x."""
    return _bernoulli(key, jax.lax.stop_gradient(jnp.asarray(p)), x.shape).astype(x.dtype)


@operation("uniform", random=True)
def uniform(x: Array, low: Number = 0.0, high: Number = 1.0, *, generator: Any = None, key: Key) -> Array:
    """Uniform numbers in the shape of x."""
    return low + (high - low) * _uniform(key, x.shape, x.dtype)


@operation("normal_functional", random=True)
def normal(x: Array, mean: Number = 0.0, std: Number = 1.0, *, generator: Any = None, key: Key) -> Array:
    """Normal numbers in the shape of x."""
    return mean + std * _normal(key, x.shape, x.dtype)


@operation("normal.Tensor_float", "normal.float_Tensor", "normal.Tensor_Tensor", random=True)
def normal_around(mean: Operand, std: Operand = 1.0, *, generator: Any = None, key: Key) -> Array:
    """Normal numbers of these means and standard deviations, of which there is no derivative."""
    mean, std = jnp.asarray(mean), jnp.asarray(std)
    shape, dtype = jnp.broadcast_shapes(mean.shape, std.shape), jnp.result_type(mean, std)
    return jax.lax.stop_gradient(mean + std * _normal(key, shape, dtype))


@operation("rand", random=True)
def rand(size: Sequence[int], *, dtype: Any = None, key: Key) -> Array:
    """Uniform numbers."""
    return _uniform(key, size, dtype or float)


@operation("randn", random=True)
def randn(size: Sequence[int], *, dtype: Any = None, key: Key) -> Array:
    """Normal numbers."""
    return _normal(key, size, dtype or float)


@operation("rand_like", random=True)
def rand_like(x: Array, *, dtype: Any = None, key: Key) -> Array:
    """Uniform numbers in the shape of x."""
    return _uniform(key, x.shape, dtype or x.dtype)


@operation("randn_like", random=True)
def randn_like(x: Array, *, dtype: Any = None, key: Key) -> Array:
    """Normal numbers in the shape of x."""
    return _normal(key, x.shape, dtype or x.dtype)


@operation("randint", "randint.low", random=True)
def randint(*bounds_and_size: Any, dtype: Any = None, key: Key) -> Array:
    """Whole numbers below a bound."""
    *bounds, size = bounds_and_size
    low, high = bounds if len(bounds) == 2 else (0, bounds[0])
    if key is FIXED:
        return jnp.asarray(low + np.floor(fixed(size) * (high - low)), int)
    return jax.random.randint(key, tuple(size), low, high)


@operation("randperm", random=True)
def randperm(n: int, *, dtype: Any = None, key: Key) -> Array:
    """The first whole numbers in any order."""
    return jnp.asarray(np.argsort(fixed([n]))) if key is FIXED else jax.random.permutation(key, n)
