"""What is drawn at random: each node has a key of its own, made from the step's.

The numbers are not PyTorch's, which no other program can draw; their distribution is.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from twofold.networks.pytorch.operations.table import Key, Number, Operand, operation

# The SELU of minus infinity, to which alpha dropout sets what it drops.
_SATURATED = -1.7580993408473766


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
    return x * jnp.where(jax.random.bernoulli(key, 1 - p, shape), 1 / (1 - p), 0).astype(x.dtype)


@operation("native_dropout", random=True)
def native_dropout(x: Array, p: Number, train: bool | None, *, key: Key) -> tuple[Array, Array]:
    """Dropout, and what was kept."""
    if train is False or p == 0:
        return x, jnp.ones(x.shape, bool)
    kept = jax.random.bernoulli(key, 1 - p, x.shape)
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
    kept = jax.random.bernoulli(key, 1 - p, shape)
    return scale * jnp.where(kept, x, jnp.asarray(_SATURATED, x.dtype)) - scale * _SATURATED * p


@operation("rrelu", random=True)
def rrelu(x: Array, lower: Number = 1 / 8, upper: Number = 1 / 3, training: bool = False, *_: Any, key: Key) -> Array:
    """x, or a part of it below 0 that is drawn in training."""
    slope = jax.random.uniform(key, x.shape, x.dtype, lower, upper) if training else (lower + upper) / 2
    return jnp.where(x > 0, x, x * slope)


@operation("bernoulli", random=True)
def bernoulli(probabilities: Array, *, generator: Any = None, key: Key) -> Array:
    """1 with each element's probability, else 0."""
    probabilities = jax.lax.stop_gradient(probabilities)
    return jax.random.bernoulli(key, probabilities).astype(probabilities.dtype)


@operation("bernoulli.p", random=True)
def bernoulli_p(x: Array, p: Operand = 0.5, *, generator: Any = None, key: Key) -> Array:
    """1 with probability p, else 0, in the shape of x."""
    return jax.random.bernoulli(key, jax.lax.stop_gradient(jnp.asarray(p)), x.shape).astype(x.dtype)


@operation("uniform", random=True)
def uniform(x: Array, low: Number = 0.0, high: Number = 1.0, *, generator: Any = None, key: Key) -> Array:
    """Uniform numbers in the shape of x."""
    return jax.random.uniform(key, x.shape, x.dtype, low, high)


@operation("normal_functional", random=True)
def normal(x: Array, mean: Number = 0.0, std: Number = 1.0, *, generator: Any = None, key: Key) -> Array:
    """Normal numbers in the shape of x."""
    return mean + std * jax.random.normal(key, x.shape, x.dtype)


@operation("rand", random=True)
def rand(size: Sequence[int], *, dtype: Any = None, key: Key) -> Array:
    """Uniform numbers."""
    return jax.random.uniform(key, tuple(size), dtype or float)


@operation("randn", random=True)
def randn(size: Sequence[int], *, dtype: Any = None, key: Key) -> Array:
    """Normal numbers."""
    return jax.random.normal(key, tuple(size), dtype or float)


@operation("rand_like", random=True)
def rand_like(x: Array, *, dtype: Any = None, key: Key) -> Array:
    """Uniform numbers in the shape of x."""
    return jax.random.uniform(key, x.shape, dtype or x.dtype)


@operation("randn_like", random=True)
def randn_like(x: Array, *, dtype: Any = None, key: Key) -> Array:
    """Normal numbers in the shape of x."""
    return jax.random.normal(key, x.shape, dtype or x.dtype)


@operation("randint", "randint.low", random=True)
def randint(*bounds_and_size: Any, dtype: Any = None, key: Key) -> Array:
    """Whole numbers below a bound."""
    *bounds, size = bounds_and_size
    low, high = bounds if len(bounds) == 2 else (0, bounds[0])
    return jax.random.randint(key, tuple(size), low, high)


@operation("randperm", random=True)
def randperm(n: int, *, dtype: Any = None, key: Key) -> Array:
    """The first whole numbers in any order."""
    return jax.random.permutation(key, n)
