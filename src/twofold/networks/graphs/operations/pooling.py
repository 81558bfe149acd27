"""Pooling, one axis after the other: an axis of k places needs k slices, two axes at once would need k * k."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from twofold.native import pooling
from twofold.native.means import mean_of_windows
from twofold.native.padding import padded
from twofold.native.pooling import Windows, fitted_to, least_of, max_along, max_and_winner, seen_at, sum_along
from twofold.networks.graphs.operations.table import operation


def windows_of(length: int, size: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> Windows:
    """PyTorch's windows; in ceil mode the last one may reach beyond the padding, but it must begin before that."""
    span = dilation * (size - 1) + 1
    count = (length + 2 * padding - span + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (count - 1) * stride >= length + padding:
        count -= 1
    high = (count - 1) * stride + span - length - padding
    return Windows(size, stride, dilation, padding, high, count)


def unseen(
    lengths: Sequence[int],
    size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> tuple[int, ...]:
    """How many of the last places along each axis no window of max pooling sees."""
    several = _windows_along(lengths, size, stride, padding, dilation, ceil_mode)
    return tuple(max(-windows.high, 0) for windows in several)


def _windows_along(
    lengths: Sequence[int],
    size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: int | Sequence[int],
    dilation: int | Sequence[int],
    ceil_mode: bool,
) -> list[Windows]:
    """The windows along axes of these lengths."""
    sizes = _each(size, len(lengths))
    strides = _each(stride, len(lengths)) if stride not in (None, (), []) else sizes
    each_axis = zip(lengths, sizes, strides, _each(padding, len(lengths)), _each(dilation, len(lengths)))
    return [windows_of(*each, ceil_mode) for each in each_axis]


def _all_windows(
    x: Array,
    space: int,
    size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: int | Sequence[int],
    dilation: int | Sequence[int],
    ceil_mode: bool,
    channels_last: bool = False,
) -> list[tuple[int, Windows]]:
    """The axes that are pooled, the last first, and their windows."""
    first = x.ndim - space - channels_last
    several = _windows_along(x.shape[first : first + space], size, stride, padding, dilation, ceil_mode)
    return list(enumerate(several, first))[::-1]


def _each(value: int | Sequence[int], space: int) -> tuple[int, ...]:
    several = (value,) if isinstance(value, int) else tuple(value)
    return several * space if len(several) == 1 else several


@operation("max_pool1d", "max_pool2d", "max_pool3d", layout="kept")
def max_pool(
    x: Array,
    size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    *,
    channels_last: bool = False,
) -> Array:
    """The largest in each window; the last axes are pooled, as many as `size` has."""
    space = len(_each(size, 1)) if not isinstance(size, int) else x.ndim - 2
    several = _all_windows(x, space, size, stride, padding, dilation, ceil_mode, channels_last)
    if channels_last:
        return _pooled(x, several, None, relu=False)
    for axis, windows in several:
        x = max_along(x, axis, windows)
    return x


def _pooled(x: Array, several: Sequence[tuple[int, Windows]], bias: Array | None, *, relu: bool) -> Array:
    """Images with channels last by the one operation for all axes, which needs their edges."""
    for axis, windows in several:
        x = fitted_to(x, axis, windows, least_of(x))
    kernel, strides, dilations = zip(*((w.size, w.stride, w.dilation) for _, w in reversed(several)))
    return pooling.max_pool(x, bias, kernel, strides, dilations, relu)


@operation("twofold.max_pool_relu", layout="kept")
def max_pool_relu(
    x: Array,
    bias: Array | None,
    size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    *,
    channels_last: bool = False,
) -> Array:
    """The ReLU of the largest in each window of images to whose channels a bias is added."""
    last = x if channels_last else jnp.moveaxis(x, 1, -1)
    several = _all_windows(last, x.ndim - 2, size, stride, padding, dilation, ceil_mode, channels_last=True)
    result = _pooled(last, several, bias, relu=True)
    return result if channels_last else jnp.moveaxis(result, -1, 1)


@operation("max_pool2d_with_indices", "max_pool1d_with_indices")
def max_pool_with_indices(
    x: Array,
    size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> tuple[Array, Array]:
    """The largest in each window, and its number among the pixels of the image."""
    space = len(_each(size, 1))
    (_, across), *before = _all_windows(x, space, size, stride, padding, dilation, ceil_mode)
    winners, place = max_and_winner(jax.lax.stop_gradient(x), x.ndim - 1, across)
    numbers = _start(across, place, place.ndim - 1)
    for axis, windows in before:
        _, place = max_and_winner(winners, axis, windows)
        rows = _start(windows, place, axis)
        fitted = fitted_to(numbers, axis, windows, 0)
        column = sum(jnp.where(place == i, seen_at(fitted, axis, windows, i), 0) for i in range(windows.size))
        numbers = rows * x.shape[-1] + column
    return max_pool(x, size, stride, padding, dilation, ceil_mode), numbers


def _start(windows: Windows, place: Array, axis: int) -> Array:
    """The number along the axis of a place in each window."""
    first = jax.lax.broadcasted_iota(jnp.int32, place.shape, axis) * windows.stride - windows.low
    return first + place.astype(jnp.int32) * windows.dilation


@operation("avg_pool1d", "avg_pool2d", "avg_pool3d", layout="kept")
def avg_pool(
    x: Array,
    size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    channels_last: bool = False,
) -> Array:
    """The mean of each window."""
    space = len(_each(size, 1)) if not isinstance(size, int) else x.ndim - 2
    lengths, divisors = x.shape, np.ones([1] * channels_last)
    several = _all_windows(x, space, size, stride, padding, 1, ceil_mode, channels_last)
    side_by_side = all(each.low == 0 and each.high <= 0 and each.stride == each.size for _, each in several)
    if channels_last and side_by_side and not divisor_override:
        seen = padded(x, tuple((0, each.high) for _, each in reversed(several)))
        return mean_of_windows(seen, tuple(each.size for _, each in reversed(several)))
    for axis, windows in several:
        x = sum_along(x, axis, windows)
        counted = windows.low if count_include_pad else 0
        starts = np.arange(windows.number) * windows.stride - windows.low
        inside = np.minimum(starts + windows.size, lengths[axis] + counted) - np.maximum(starts, -counted)
        divisors = np.multiply.outer(inside, divisors)
    if divisor_override:
        return x / divisor_override
    return x / jnp.asarray(divisors if np.ptp(divisors) else divisors.flat[0], x.dtype)


@operation("adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_avg_pool3d", layout="kept")
def adaptive_avg_pool(x: Array, output_size: int | Sequence[int], *, channels_last: bool = False) -> Array:
    """Means of windows that divide each axis as evenly as may be."""
    space = len(_each(output_size, 1)) if not isinstance(output_size, int) else x.ndim - 2
    numbers = _each(output_size, space)
    if channels_last and all(length % number == 0 for length, number in zip(x.shape[1:-1], numbers)):
        return mean_of_windows(x, tuple(length // number for length, number in zip(x.shape[1:-1], numbers)))
    for back, size in enumerate(reversed(_each(output_size, 1)), 1 + channels_last):
        axis = x.ndim - back
        length = x.shape[axis]
        if length % size == 0:
            x = jnp.mean(x.reshape(*x.shape[:axis], size, length // size, *x.shape[axis + 1 :]), axis + 1)
        else:
            means = np.zeros((length, size))
            for i, (start, end) in enumerate(_bounds(length, size)):
                means[start:end, i] = 1 / (end - start)
            x = jnp.moveaxis(jnp.moveaxis(x, axis, -1) @ jnp.asarray(means, x.dtype), -1, axis)
    return x


def _bounds(length: int, size: int) -> list[tuple[int, int]]:
    return [(i * length // size, math.ceil((i + 1) * length / size)) for i in range(size)]


@operation("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def adaptive_max_pool(x: Array, output_size: int | Sequence[int]) -> tuple[Array, None]:
    """The largest of windows that divide each axis as evenly as may be; not where they were."""
    for back, size in enumerate(reversed(_each(output_size, 1)), 1):
        axis = x.ndim - back
        parts = [
            max_along(
                jax.lax.slice_in_dim(x, start, end, axis=axis), axis, Windows(end - start, end - start, 1, 0, 0, 1)
            )
            for start, end in _bounds(x.shape[axis], size)
        ]
        x = jnp.concatenate(parts, axis)
    return x, None
