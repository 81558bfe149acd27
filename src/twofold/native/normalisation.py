"""Normalisation of images with channels last, by our own operation (`twofold.native.norms`) or portably."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from twofold.native import handlers

# Outputs, means and variances.
Results = tuple[Array, Array, Array]


def normalise(
    x: Float[Array, "n rows c"], weight: Float[Array, " c"], bias: Float[Array, " c"], groups: int, eps: float
) -> Results:
    """The channels of each group of each image, together over all rows, with the mean 0 and the variance 1; times their
    weight, plus their bias; and the means and the variances (n, groups), of which there are no gradients."""
    take = native_normalise if has_normalise(x, weight, bias) else portable_normalise
    return take(x, weight, bias, groups, eps)


def has_normalise(x: Array, weight: Array, bias: Array) -> bool:
    """Whether there is machine code for these arrays."""
    return x.size > 0 and handlers.can_run(x, weight, bias)


def portable_normalise(x: Array, weight: Array, bias: Array, groups: int, eps: float) -> Results:
    """`normalise` in operations that every platform has."""
    grouped = x.reshape(*x.shape[:2], groups, -1)
    result, mean, variance = normalised(grouped, (1, 3), eps)
    return result.reshape(x.shape) * weight + bias, mean.reshape(-1, groups), variance.reshape(-1, groups)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def normalised(x: Array, axes: tuple[int, ...], eps: float) -> Results:
    """x with the mean 0 and the variance 1 along axes; the mean and the variance that it had, without gradients."""
    return _normalise(x, axes, eps)[0]


def _normalise(x: Array, axes: tuple[int, ...], eps: float) -> tuple[Results, tuple[Array, Array]]:
    mean = jnp.mean(x, axes, keepdims=True)
    centred = x - mean
    variance = jnp.mean(jnp.square(centred), axes, keepdims=True)
    inverse = jax.lax.rsqrt(variance + eps) if x.dtype == jnp.float32 else 1 / jnp.sqrt(variance + eps)
    result = centred * inverse
    return (result, mean, variance), (result, inverse)


def _normalise_back(
    axes: tuple[int, ...], eps: float, kept: tuple[Array, Array], gradients: tuple[Array, Array, Array]
) -> tuple[Array]:
    # Two sums, where the derivative of each step would take many passes.
    result, inverse = kept
    gradient = gradients[0]
    mean = jnp.mean(gradient, axes, keepdims=True)
    along = jnp.mean(gradient * result, axes, keepdims=True)
    return (inverse * (gradient - mean - result * along),)


normalised.defvjp(_normalise, _normalise_back)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def native_normalise(x: Array, weight: Array, bias: Array, groups: int, eps: float) -> Results:
    """`normalise` in our machine code; there is no second derivative."""
    return _forward(x, weight, bias, groups, eps)[0]


def _forward(
    x: Array, weight: Array, bias: Array, groups: int, eps: float
) -> tuple[Results, tuple[Array, Array, Array, Array]]:
    moments = len(x), groups
    shapes = [jax.ShapeDtypeStruct(each, x.dtype) for each in (x.shape, moments, moments, (2, x.shape[-1]))]
    call = jax.ffi.ffi_call(handlers.register("normalise", x.dtype.name), shapes, vmap_method="sequential")
    result, mean, variance, _ = call(x, weight, bias, jnp.full(1, eps, x.dtype))
    return (result, mean, variance), (x, weight, mean, variance)


def _backward(
    groups: int, eps: float, kept: tuple[Array, Array, Array, Array], gradients: tuple[Array, Array, Array]
) -> tuple[Array, Array, Array]:
    x, weight, mean, variance = kept
    shapes = [jax.ShapeDtypeStruct(each, x.dtype) for each in (x.shape, weight.shape, weight.shape, (4, x.shape[-1]))]
    call = jax.ffi.ffi_call(handlers.register("normalise_back", x.dtype.name), shapes, vmap_method="sequential")
    to_x, to_weight, to_bias, _ = call(x, weight, mean, variance, jnp.full(1, eps, x.dtype), gradients[0])
    return to_x, to_weight, to_bias


native_normalise.defvjp(_forward, _backward)
