"""Means of windows that lie side by side in images with channels last, by our own operation or portably."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from twofold.native import handlers
from twofold.native.places import Sizes, pixels_of, window_of
from twofold.native.products import channelwise


def mean_of_windows(x: Array, window: Sizes) -> Array:
    """The means of windows of images (n, *sizes, channels), whose sizes the window's divide."""
    take = native_means if 0 < x.size < 2**31 and handlers.can_run(x) else portable_means
    return take(x, window)


def portable_means(x: Array, window: Sizes) -> Array:
    """`mean_of_windows` in operations that every platform has."""
    pairs = [number for size, part in zip(x.shape[1:-1], window) for number in (size // part, part)]
    return jnp.mean(x.reshape(x.shape[0], *pairs, x.shape[-1]), tuple(range(2, 2 * len(window) + 1, 2)))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def native_means(x: Array, window: Sizes) -> Array:
    """`mean_of_windows` in our machine code: a depthwise product with a constant."""
    sizes = tuple(size // part for size, part in zip(x.shape[1:-1], window))
    rows, runs = pixels_of(x.shape, sizes, window), window_of(x.shape, window, (1,) * len(window))
    factors = np.full((len(runs), x.shape[-1]), 1 / len(runs), x.dtype)
    return channelwise(x, rows, runs, factors).reshape(x.shape[0], *sizes, x.shape[-1])


def _forward(x: Array, window: Sizes) -> tuple[Array, None]:
    return native_means(x, window), None


def _backward(window: Sizes, kept: None, gradient: Array) -> tuple[Array]:
    n, *sizes, channels = gradient.shape
    spread = gradient.reshape(n, *(number for size in sizes for number in (size, 1)), channels) / math.prod(window)
    whole = (n, *(number for size, part in zip(sizes, window) for number in (size, part)), channels)
    return (jnp.broadcast_to(spread, whole).reshape(n, *map(math.prod, zip(sizes, window)), channels),)


native_means.defvjp(_forward, _backward)
