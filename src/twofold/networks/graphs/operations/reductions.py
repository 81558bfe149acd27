"""Sums, means, extremes and norms along axes."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from twofold.networks.graphs.operations.table import Number, axes_of, operation

Dims = int | tuple[int, ...] | None


@operation("sum", "sum.dim_IntList")
def sum_(x: Array, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """The sum."""
    return jnp.sum(_as(x, dtype), axes_of(dim, x.ndim), keepdims=keepdim)


@operation("mean", "mean.dim")
def mean(x: Array, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """The mean."""
    return jnp.mean(_as(x, dtype), axes_of(dim, x.ndim), keepdims=keepdim)


def _as(x: Array, dtype: Any) -> Array:
    return x if dtype is None else x.astype(dtype)


@operation("prod", "prod.dim_int")
def prod(x: Array, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """The product."""
    return jnp.prod(_as(x, dtype), axes_of(dim, x.ndim), keepdims=keepdim)


@operation("any", "any.dim", "any.dims")
def any_(x: Array, dim: Dims = None, keepdim: bool = False) -> Array:
    """Whether any is true."""
    return jnp.any(x, axes_of(dim, x.ndim), keepdims=keepdim)


@operation("all", "all.dim", "all.dims")
def all_(x: Array, dim: Dims = None, keepdim: bool = False) -> Array:
    """Whether all are true."""
    return jnp.all(x, axes_of(dim, x.ndim), keepdims=keepdim)


@operation("count_nonzero", "count_nonzero.dim_IntList")
def count_nonzero(x: Array, dim: Dims = None) -> Array:
    """How many are not 0."""
    return jnp.sum(x != 0, axes_of(dim, x.ndim))


@operation("amax", "max")
def amax(x: Array, dim: Dims = None, keepdim: bool = False) -> Array:
    """The largest; equals share the gradient."""
    return jnp.max(x, axes_of(dim, x.ndim), keepdims=keepdim)


@operation("amin", "min")
def amin(x: Array, dim: Dims = None, keepdim: bool = False) -> Array:
    """The smallest; equals share the gradient."""
    return jnp.min(x, axes_of(dim, x.ndim), keepdims=keepdim)


@operation("aminmax")
def aminmax(x: Array, *, dim: int | None = None, keepdim: bool = False) -> tuple[Array, Array]:
    """The smallest and the largest."""
    return amin(x, dim, keepdim), amax(x, dim, keepdim)


@operation("argmax")
def argmax(x: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The first place of the largest."""
    return jnp.argmax(x, dim, keepdims=keepdim)


@operation("argmin")
def argmin(x: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The first place of the smallest."""
    return jnp.argmin(x, dim, keepdims=keepdim)


@operation("max.dim")
def max_(x: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
    """The largest and its first place, which gets the gradient."""
    return _picked(x, jnp.argmax(x, dim), dim, keepdim) if x.ndim else (x, jnp.zeros((), int))


@operation("min.dim")
def min_(x: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
    """The smallest and its first place, which gets the gradient."""
    return _picked(x, jnp.argmin(x, dim), dim, keepdim) if x.ndim else (x, jnp.zeros((), int))


@operation("median.dim")
def median(x: Array, dim: int = -1, keepdim: bool = False) -> tuple[Array, Array]:
    """The lower of the middle ones, and its place."""
    order = jnp.argsort(x, dim)
    return _picked(x, jax.lax.index_in_dim(order, (x.shape[dim] - 1) // 2, dim, keepdims=False), dim, keepdim)


def _picked(x: Array, places: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    """What is at a place along an axis, without a gather, whose gradient is slow."""
    here = jax.lax.broadcasted_iota(places.dtype, x.shape, dim % x.ndim) == jnp.expand_dims(places, dim)
    values = jnp.sum(jnp.where(here, x, 0), dim, keepdims=keepdim, dtype=x.dtype)
    return values, jnp.expand_dims(places, dim) if keepdim else places


@operation("var.correction", "var.dim", "var")
def var(x: Array, *arguments: Any, correction: Number | None = None, keepdim: bool = False) -> Array:
    """The variance."""
    return _variance(x, *arguments, correction=correction, keepdim=keepdim)[0]


@operation("std.correction", "std.dim", "std")
def std(x: Array, *arguments: Any, correction: Number | None = None, keepdim: bool = False) -> Array:
    """The standard deviation; where it is 0 it has no gradient."""
    return _root(_variance(x, *arguments, correction=correction, keepdim=keepdim)[0])


@operation("var_mean.correction", "var_mean.dim", "var_mean")
def var_mean(x: Array, *arguments: Any, correction: Number | None = None, keepdim: bool = False) -> tuple[Array, Array]:
    """The variance and the mean."""
    return _variance(x, *arguments, correction=correction, keepdim=keepdim)


@operation("std_mean.correction", "std_mean.dim", "std_mean")
def std_mean(x: Array, *arguments: Any, correction: Number | None = None, keepdim: bool = False) -> tuple[Array, Array]:
    """The standard deviation and the mean."""
    variance, middle = _variance(x, *arguments, correction=correction, keepdim=keepdim)
    return _root(variance), middle


def _variance(x: Array, *arguments: Any, correction: Number | None, keepdim: bool) -> tuple[Array, Array]:
    """ATen has (correction=), (unbiased), and (dim, unbiased, keepdim)."""
    dim: Any = None
    if arguments and isinstance(arguments[0], bool):
        correction = int(arguments[0])
    elif arguments:
        dim, *rest = arguments
        correction = int(rest[0]) if rest else correction
        keepdim = rest[1] if len(rest) > 1 else keepdim
    axes = axes_of(dim, x.ndim)
    divisor = math.prod(x.shape[axis] for axis in axes) - (1 if correction is None else correction)
    middle = jnp.mean(x, axes, keepdims=True)
    squares = jnp.sum(jnp.square(x - middle), axes, keepdims=keepdim)
    variance = squares / divisor if divisor > 0 else squares * jnp.nan
    return variance, middle if keepdim else jnp.squeeze(middle, axes)


def _root(x: Array) -> Array:
    """The square root, with the gradient 0 at 0."""
    return jnp.where(x == 0, jnp.zeros_like(x), jnp.sqrt(jnp.where(x == 0, 1, x)))


@operation("norm.Scalar", "norm.ScalarOpt_dim", "norm.ScalarOpt_dtype", "norm.ScalarOpt_dim_dtype")
def norm(x: Array, p: Number | None = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """The p-norm; where it is 0 it has no gradient."""
    axes = axes_of(dim, x.ndim)
    p = 2 if p is None else p
    if p == 0:
        return jnp.sum(x != 0, axes, keepdims=keepdim).astype(x.dtype)
    if p == 1:
        return jnp.sum(jnp.abs(x), axes, keepdims=keepdim)
    if p == 2:
        return _root(jnp.sum(jnp.square(x), axes, keepdims=keepdim))
    if math.isinf(p):
        return (jnp.max if p > 0 else jnp.min)(jnp.abs(x), axes, keepdims=keepdim)
    size = jnp.abs(x)
    powers = jnp.where(size == 0, 0.0 if p > 0 else jnp.inf, jnp.power(jnp.where(size == 0, 1, size), p))
    total = jnp.sum(powers, axes, keepdims=keepdim)
    return jnp.where(total == 0, jnp.zeros_like(total), jnp.power(jnp.where(total == 0, 1, total), 1 / p))


@operation("linalg_vector_norm")
def vector_norm(x: Array, ord: Number = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Array:
    """The p-norm of all elements along axes."""
    return norm(x, ord, dim, keepdim)


@operation("softmax.int", "_softmax", "_safe_softmax")
def softmax(x: Array, dim: int, *_: Any, dtype: Any = None) -> Array:
    """Probabilities from logits."""
    return jax.nn.softmax(_real(x, _, dtype), axis=dim) if x.ndim else jnp.ones_like(x)


@operation("log_softmax.int", "_log_softmax")
def log_softmax(x: Array, dim: int, *_: Any, dtype: Any = None) -> Array:
    """The logarithms of probabilities, from logits."""
    return jax.nn.log_softmax(_real(x, _, dtype), axis=dim) if x.ndim else jnp.zeros_like(x)


def _real(x: Array, more: tuple, dtype: Any) -> Array:
    """The overload `.int` has a type as third argument, the others a flag for half precision."""
    third = more[0] if more and not isinstance(more[0], bool) else None
    return _as(x, third if dtype is None else dtype)


@operation("logsumexp")
def logsumexp(x: Array, dim: Dims, keepdim: bool = False) -> Array:
    """The logarithm of a sum of exponentials."""
    return jax.scipy.special.logsumexp(x, axes_of(dim, x.ndim), keepdims=keepdim)


@operation("cumsum")
def cumsum(x: Array, dim: int, *, dtype: Any = None) -> Array:
    """Running sums."""
    return jnp.cumsum(_as(x, dtype), dim)


@operation("cumprod")
def cumprod(x: Array, dim: int, *, dtype: Any = None) -> Array:
    """Running products."""
    return jnp.cumprod(_as(x, dtype), dim)


@operation("sort", "sort.stable")
def sort(x: Array, dim: int = -1, descending: bool = False, *, stable: Any = None) -> tuple[Array, Array]:
    """In order, and where each was."""
    order = jnp.argsort(x, dim, stable=True, descending=descending)
    return jnp.take_along_axis(x, order, dim), order


@operation("argsort", "argsort.stable")
def argsort(x: Array, dim: int = -1, descending: bool = False, *, stable: bool = True) -> Array:
    """Where each would be in order."""
    return jnp.argsort(x, dim, stable=True, descending=descending)


@operation("topk")
def topk(x: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> tuple[Array, Array]:
    """The largest or smallest ones, and where each was."""
    order = jnp.argsort(x, dim, stable=True, descending=largest)
    order = jax.lax.slice_in_dim(order, 0, k, axis=dim % x.ndim)
    return jnp.take_along_axis(x, order, dim), order
