"""Normalisation of images with channels last, by our own operation (`twofold.native.norms`) or portably."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from twofold.native import handlers
from twofold.native.activation import portable_relu

# So many rows at most are one in `twofold.native.norms`: as there are numbers in a register.
MOST_JOINED = 16

# Outputs, means and variances.
Results = tuple[Array, Array, Array]


def normalise(
    x: Float[Array, "n rows c"],
    weight: Float[Array, " c"],
    bias: Float[Array, " c"],
    groups: int,
    eps: float,
    relu: bool = False,
    others: Float[Array, "n rows c"] | None = None,
) -> Results:
    """The channels of each group of each image, together over all rows, with the mean 0 and the variance 1; times their
    weight, plus their bias; and the means and the variances (n, groups), of which there are no gradients.

    With `relu` the ReLU of that, before which other images may be added.
    """
    take = native_normalise if has_normalise(x, weight, bias) else portable_normalise
    return take(x, weight, bias, others, groups, eps, relu)


def has_normalise(x: Array, weight: Array, bias: Array) -> bool:
    """Whether there is machine code for these arrays."""
    return x.size > 0 and handlers.can_run(x, weight, bias)


def portable_normalise(
    x: Array, weight: Array, bias: Array, others: Array | None, groups: int, eps: float, relu: bool
) -> Results:
    """`normalise` in operations that every platform has."""
    grouped = x.reshape(*x.shape[:2], groups, -1)
    result, mean, variance = normalised(grouped, (1, 3), eps)
    result = result.reshape(x.shape) * weight + bias
    result = portable_relu(result, None, others) if relu else result
    return result, mean.reshape(-1, groups), variance.reshape(-1, groups)


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


@functools.partial(jax.custom_vjp, nondiff_argnums=(4, 5, 6))
def native_normalise(
    x: Array, weight: Array, bias: Array, others: Array | None, groups: int, eps: float, relu: bool
) -> Results:
    """`normalise` in our machine code; there is no second derivative."""
    return _forward(x, weight, bias, others, groups, eps, relu)[0]


def _forward(
    x: Array, weight: Array, bias: Array, others: Array | None, groups: int, eps: float, relu: bool
) -> tuple[Results, tuple[Any, ...]]:
    moments = len(x), groups
    shapes = [
        jax.ShapeDtypeStruct(each, x.dtype) for each in (x.shape, moments, moments, (3, MOST_JOINED, x.shape[-1]))
    ]
    call = jax.ffi.ffi_call(handlers.register("normalise", x.dtype.name), shapes, vmap_method="sequential")
    added = jnp.zeros(0, x.dtype) if others is None else others
    result, mean, variance, _ = call(x, weight, bias, jnp.full(1, eps, x.dtype), np.full(1, relu, np.int8), added)
    return (result, mean, variance), (x, weight, mean, variance, result if relu else None, others is not None)


def _backward(
    groups: int, eps: float, relu: bool, kept: tuple[Any, ...], gradients: tuple[Array, Array, Array]
) -> tuple[Array, Array, Array, Array | None]:
    x, weight, mean, variance, outputs, more = kept
    channels = weight.shape
    sizes = x.shape, channels, channels, x.shape if more else (0,), (4, MOST_JOINED, *channels)
    call = jax.ffi.ffi_call(
        handlers.register("normalise_back", x.dtype.name),
        [jax.ShapeDtypeStruct(each, x.dtype) for each in sizes],
        vmap_method="sequential",
    )
    outputs = jnp.zeros(0, x.dtype) if outputs is None else outputs
    results = call(x, weight, mean, variance, jnp.full(1, eps, x.dtype), gradients[0], outputs)
    to_x, to_weight, to_bias, to_others, _ = results
    return to_x, to_weight, to_bias, to_others if more else None


native_normalise.defvjp(_forward, _backward)
