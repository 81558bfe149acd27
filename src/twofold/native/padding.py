"""Images with zeros at their edges, or cut there, by our own operation (`twofold.native.edges`) or portably."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from twofold.native import handlers
from twofold.native.places import Edges, Sizes


def padded(x: Array, edges: Edges) -> Array:
    """Images (n, *sizes, channels) with zeros at their edges, or cut there where numbers are negative."""
    if not any(any(edge) for edge in edges):
        return x
    sizes = [size + low + high for size, (low, high) in zip(x.shape[1:-1], edges)]
    if min(x.shape) > 0 and min(sizes) > 0 and handlers.can_run(x):
        return native_padded(x, edges)
    return portable_padded(x, edges)


def portable_padded(x: Array, edges: Edges) -> Array:
    """`padded` in operations that every platform has."""
    return jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((low, high, 0) for low, high in edges), (0, 0, 0)])


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def native_padded(x: Array, edges: Edges) -> Array:
    """`padded` in our machine code."""
    sizes = [size + low + high for size, (low, high) in zip(x.shape[1:-1], edges)]
    shape = jax.ShapeDtypeStruct((x.shape[0], *sizes, x.shape[-1]), x.dtype)
    call = jax.ffi.ffi_call(handlers.register("edges", x.dtype.name), shape, vmap_method="sequential")
    return call(x, *_lines(x.shape, edges))


def _forward(x: Array, edges: Edges) -> tuple[Array, None]:
    return native_padded(x, edges), None


def _backward(edges: Edges, kept: None, gradient: Array) -> tuple[Array]:
    return (padded(gradient, tuple((-low, -high) for low, high in edges)),)


native_padded.defvjp(_forward, _backward)


@functools.cache
def _lines(shape: Sizes, edges: Edges) -> tuple[np.ndarray, np.ndarray]:
    """Where in an image each line of the result begins, -1 where it is outside; and of a line, how many numbers are
    zeros, copied and zeros again."""
    *sizes, width, channels = shape[1:]
    *before, (low, high) = edges
    places = [range(-first, size + last) for size, (first, last) in zip(sizes, before)]
    copied = width + min(low, 0) + min(high, 0)
    begins = [_begin(place, sizes, width) for place in itertools.product(*places)]
    starts = [-1 if begin < 0 or copied <= 0 else (begin + max(-low, 0)) * channels for begin in begins]
    numbers = [max(low, 0), copied, max(high, 0)] if copied > 0 else [width + low + high, 0, 0]
    return np.array(starts, np.int32), np.array(numbers, np.int32) * np.int32(channels)


def _begin(place: Sizes, sizes: list[int], width: int) -> int:
    """Which pixel of an image is the first of the line at a place, -1 where there is none."""
    number = 0
    for at, size in zip(place, sizes):
        if not 0 <= at < size:
            return -1
        number = number * size + at
    return number * width
