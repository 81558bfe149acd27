"""Max pooling of images, by our own operation (`twofold.native.maxima`) or portably, one axis after the other.

An axis of k places needs k slices, two axes at once would need k * k.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from twofold.native import handlers
from twofold.native.places import Sizes, pixels_of, sizes_after, window_of

# Places of a window that a number of 8 bits can tell apart.
_MOST_PLACES = 127


class Windows(NamedTuple):
    """The windows along an axis: `number` of `size` places, `low` and `high` places being added at the ends."""

    size: int
    stride: int
    dilation: int
    low: int
    high: int
    number: int


def max_pool(x: Array, bias: Array | None, kernel: Sizes, strides: Sizes, dilations: Sizes, relu: bool) -> Array:
    """The largest in each window of images (n, *sizes, channels), which have their edges.

    A bias is added to all before, and `relu` says whether the ReLU of it is taken.
    """
    if has_max_pool(x, bias, kernel):
        added = jnp.zeros(x.shape[-1], x.dtype) if bias is None else bias
        return native_max_pool(x, added, kernel, strides, dilations, relu)
    return portable_max_pool(x, bias, kernel, strides, dilations, relu)


def has_max_pool(x: Array, bias: Array | None, kernel: Sizes) -> bool:
    """Whether there is machine code for these arrays and this window; its tables have places of 32 bits."""
    fitting = 0 < x.size < 2**31 and int(np.prod(kernel)) <= _MOST_PLACES
    return fitting and handlers.can_run(*(each for each in (x, bias) if each is not None))


def portable_max_pool(
    x: Array, bias: Array | None, kernel: Sizes, strides: Sizes, dilations: Sizes, relu: bool
) -> Array:
    """`max_pool` in operations that every platform has."""
    x = x if bias is None else x + bias
    numbers = sizes_after(x.shape[1:-1], kernel, strides, dilations)
    each_axis = list(enumerate(zip(kernel, strides, dilations, numbers), 1))
    # The last axis first, so that the first of equals is that of the first row.
    for axis, (size, stride, dilation, number) in reversed(each_axis):
        unused = x.shape[axis] - (number - 1) * stride - dilation * (size - 1) - 1
        x = max_along(x, axis, Windows(size, stride, dilation, 0, -unused, number))
    return jax.nn.relu(x) if relu else x


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4, 5))
def native_max_pool(x: Array, bias: Array, kernel: Sizes, strides: Sizes, dilations: Sizes, relu: bool) -> Array:
    """`max_pool` in our machine code; there is no second derivative."""
    return _forward(x, bias, kernel, strides, dilations, relu)[0]


def _forward(
    x: Array, bias: Array, kernel: Sizes, strides: Sizes, dilations: Sizes, relu: bool
) -> tuple[Array, tuple[Array, tuple[int, ...]]]:
    sizes, channels = sizes_after(x.shape[1:-1], kernel, strides, dilations), x.shape[-1]
    places, window = pixels_of(x.shape, sizes, strides), window_of(x.shape, kernel, dilations)
    shapes = [jax.ShapeDtypeStruct((len(places), channels), each) for each in (x.dtype, np.int8)]
    call = jax.ffi.ffi_call(handlers.register("pool", x.dtype.name), shapes, vmap_method="sequential")
    floor = jnp.full(1, 0 if relu else jnp.nan, x.dtype)
    result, winners = call(x, places, window, bias, floor)
    return result.reshape(x.shape[0], *sizes, channels), (winners, x.shape)


def _backward(
    kernel: Sizes,
    strides: Sizes,
    dilations: Sizes,
    relu: bool,
    kept: tuple[Array, tuple[int, ...]],
    gradient: Array,
) -> tuple[Array, Array]:
    winners, shape = kept
    places, window = pixels_of(shape, gradient.shape[1:-1], strides), window_of(shape, kernel, dilations)
    real = gradient.dtype
    shapes = [jax.ShapeDtypeStruct(each, real) for each in (shape, shape[-1:])]
    call = jax.ffi.ffi_call(handlers.register("pool_back", real.name), shapes, vmap_method="sequential")
    to_x, to_bias = call(gradient.reshape(winners.shape), winners, places, window)
    return to_x, to_bias


native_max_pool.defvjp(_forward, _backward)


def fitted_to(x: Array, axis: int, windows: Windows, value: int | float) -> Array:
    """An axis padded, or cut, so that the windows just fit."""
    config = [(0, 0, 0)] * x.ndim
    config[axis] = (windows.low, windows.high, 0)
    if windows.low == 0 and windows.high <= 0:
        return jax.lax.slice_in_dim(x, 0, x.shape[axis] + windows.high, axis=axis)
    return jax.lax.pad(x, jnp.asarray(value, x.dtype), config)


def least_of(x: Array) -> int | float:
    """What no number of this type is below: what stands at edges that a largest number is not taken from."""
    return -jnp.inf if jnp.issubdtype(x.dtype, jnp.inexact) else int(jnp.iinfo(x.dtype).min)


def seen_at(x: Array, axis: int, windows: Windows, place: int) -> Array:
    """What one place of every window sees."""
    start = place * windows.dilation
    return jax.lax.slice_in_dim(x, start, start + (windows.number - 1) * windows.stride + 1, windows.stride, axis)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def max_along(x: Array, axis: int, windows: Windows) -> Array:
    """The largest in each window along an axis; its gradient is that of the first of equals."""
    return max_and_winner(x, axis, windows)[0]


def max_and_winner(x: Array, axis: int, windows: Windows) -> tuple[Array, Array]:
    """The largest in each window, and its place there: the first of equals; what is no number is larger than all."""
    real = jnp.issubdtype(x.dtype, jnp.inexact)
    fitted = fitted_to(x, axis, windows, least_of(x))
    largest = seen_at(fitted, axis, windows, 0)
    kind = jnp.int8 if windows.size < 128 else jnp.int32
    winner = jnp.zeros(largest.shape, kind)
    for place in range(1, windows.size):
        seen = seen_at(fitted, axis, windows, place)
        larger = (seen > largest) | (seen != seen) if real else seen > largest
        largest, winner = jnp.where(larger, seen, largest), jnp.where(larger, kind(place), winner)
    return largest, winner


def _max_forward(x: Array, axis: int, windows: Windows) -> tuple[Array, tuple[Array, tuple[int, ...]]]:
    largest, winner = max_and_winner(x, axis, windows)
    return largest, (winner, x.shape)


def _max_backward(axis: int, windows: Windows, kept: tuple[Array, tuple[int, ...]], gradient: Array) -> tuple[Array]:
    winner, shape = kept
    length = shape[axis] + windows.low + windows.high
    if windows.stride >= windows.size and windows.dilation == 1:
        spread = _spread_apart(gradient, winner, axis, windows, length)
    else:
        spread = _spread_together(gradient, winner, axis, windows, length)
    config = [(0, 0, 0)] * len(shape)
    config[axis] = (-windows.low, -windows.high, 0)
    return (jax.lax.pad(spread, jnp.zeros((), gradient.dtype), config),)


def _spread_apart(gradient: Array, winner: Array, axis: int, windows: Windows, length: int) -> Array:
    """Each window's gradient at its winner, where windows have no place in common."""
    places = jax.lax.broadcasted_iota(
        winner.dtype, (*[1] * (axis + 1), windows.stride, *[1] * (winner.ndim - axis - 1)), axis + 1
    )
    here = jnp.expand_dims(winner, axis + 1) == places
    spread = jnp.where(here, jnp.expand_dims(gradient, axis + 1), 0)
    whole = (*gradient.shape[:axis], windows.number * windows.stride, *gradient.shape[axis + 1 :])
    return jax.lax.slice_in_dim(spread.reshape(whole), 0, length, axis=axis)


def _spread_together(gradient: Array, winner: Array, axis: int, windows: Windows, length: int) -> Array:
    parts = []
    for place in range(windows.size):
        start = place * windows.dilation
        config = [(0, 0, 0)] * gradient.ndim
        config[axis] = (start, length - start - (windows.number - 1) * windows.stride - 1, windows.stride - 1)
        part = jnp.where(winner == place, gradient, 0)
        parts.append(jax.lax.pad(part, jnp.zeros((), gradient.dtype), config))
    return functools.reduce(jnp.add, parts)


max_along.defvjp(_max_forward, _max_backward)


def sum_along(x: Array, axis: int, windows: Windows) -> Array:
    """The sum of each window along an axis."""
    fitted = fitted_to(x, axis, windows, 0)
    return functools.reduce(jnp.add, (seen_at(fitted, axis, windows, place) for place in range(windows.size)))
