"""Convolutions of any kernel, stride, dilation and number of axes, with channels last, by one operation of our own.

The operation is a product whose left rows are gathered from memory (`twofold.native.gathered`) by tables of places
(`twofold.native.places`); here is the portable way, too.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from twofold.native import handlers
from twofold.native import tile_sizes as tiles
from twofold.native.padding import padded
from twofold.native.places import Edges, Sizes, numbers_of, pixels_of, runs_of, sizes_after, window_of
from twofold.native.products import channelwise, gathered

# With fewer Winograd's algorithm is no faster.
_MANY_CHANNELS = 16

# More groups than these are one batched product and not a product for each.
_MOST_SEPARATE_GROUPS = 8


def convolution(x: Array, weight: Array, strides: Sizes, dilations: Sizes, edges: Edges) -> Array:
    """The convolution of images (n, *sizes, in), with zeros at their edges, by kernels (*kernel, in, out)."""
    if not has_convolution(x, weight):
        return portable_convolution(x, weight, strides, dilations, edges)
    if has_tiles(weight.shape, strides, dilations):
        return tiled_convolution(x, weight, edges)
    return native_convolution(x, weight, strides, dilations, edges)


def grouped_convolution(x: Array, weight: Array, strides: Sizes, dilations: Sizes, edges: Edges, groups: int) -> Array:
    """`convolution` of as many groups of channels, each by itself; kernels are (*kernel, in / groups, out)."""
    if groups == 1:
        return convolution(x, weight, strides, dilations, edges)
    *kernel, inputs, outputs = weight.shape
    if inputs == 1:  # each channel by itself, as often as there are outputs of it
        x = x if outputs == groups else jnp.repeat(x, outputs // groups, axis=-1)
        take = native_depthwise if has_convolution(x, weight) else portable_depthwise
        return take(x, weight.reshape(*kernel, outputs), strides, dilations, edges)
    if groups <= _MOST_SEPARATE_GROUPS:
        parts = zip(jnp.split(x, groups, axis=-1), jnp.split(weight, groups, axis=-1))
        return jnp.concatenate([convolution(*part, strides, dilations, edges) for part in parts], axis=-1)
    seen = patches(padded(x, edges), tuple(kernel), strides, dilations)
    stacked = jnp.stack(seen, axis=-2)
    stacked = stacked.reshape(*stacked.shape[:-1], groups, inputs)
    result = jnp.einsum("...kgi,kigo->...go", stacked, weight.reshape(len(seen), inputs, groups, -1))
    return result.reshape(*result.shape[:-2], outputs)


def has_convolution(x: Array, weight: Array) -> bool:
    """Whether there is machine code for these arrays; its tables have places of 32 bits."""
    return 0 < x.size < 2**31 and weight.size > 0 and handlers.can_run(x, weight)


def has_tiles(kernel: Sizes, strides: Sizes, dilations: Sizes) -> bool:
    """Whether a kernel of this shape, (*kernel, in, out), takes less time by Winograd's algorithm."""
    plain = kernel[:-2] == (3, 3) and set((*strides, *dilations)) == {1}
    return plain and min(kernel[-2:]) >= _MANY_CHANNELS


def portable_convolution(x: Array, weight: Array, strides: Sizes, dilations: Sizes, edges: Edges) -> Array:
    """`convolution` as a product of patches: XLA's own is many times slower on a processor."""
    seen = patches(padded(x, edges), weight.shape[:-2], strides, dilations)
    joined = seen[0] if len(seen) == 1 else jnp.concatenate(seen, axis=-1)
    return joined @ weight.reshape(-1, weight.shape[-1])


def patches(x: Array, kernel: Sizes, strides: Sizes, dilations: Sizes) -> list[Array]:
    """For each place of the kernel, what it sees at every place of the output."""
    ends = [(size - 1) * s + 1 for size, s in zip(sizes_after(x.shape[1:-1], kernel, strides, dilations), strides)]
    seen = []
    for place in itertools.product(*map(range, kernel)):
        starts = [i * d for i, d in zip(place, dilations)]
        limits = [start + end for start, end in zip(starts, ends)]
        seen.append(jax.lax.slice(x, (0, *starts, 0), (x.shape[0], *limits, x.shape[-1]), (1, *strides, 1)))
    return seen


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def native_convolution(x: Array, weight: Array, strides: Sizes, dilations: Sizes, edges: Edges) -> Array:
    """`convolution` in our machine code, its gradients too; there is no second derivative."""
    return _forward(x, weight, strides, dilations, edges)[0]


def _forward(
    x: Array, weight: Array, strides: Sizes, dilations: Sizes, edges: Edges
) -> tuple[Array, tuple[Array, Array]]:
    x = padded(x, edges)
    kernel, outputs = weight.shape[:-2], weight.shape[-1]
    sizes = sizes_after(x.shape[1:-1], kernel, strides, dilations)
    runs, inner = runs_of(x.shape, kernel, dilations)
    weights = weight.reshape(1, len(runs), inner, outputs)
    result = gathered(x, pixels_of(x.shape, sizes, strides), runs, weights)
    return result.reshape(x.shape[0], *sizes, outputs), (x, weight)


def _backward(
    strides: Sizes, dilations: Sizes, edges: Edges, kept: tuple[Array, Array], gradient: Array
) -> tuple[Array, Array]:
    x, weight = kept
    kernel, outputs = weight.shape[:-2], weight.shape[-1]
    places = numbers_of(x.shape, kernel, dilations)
    pixels = pixels_of(x.shape, gradient.shape[1:-1], strides)
    to_weight = gathered(x, places, pixels, gradient.reshape(1, -1, 1, outputs)).reshape(weight.shape)
    turned = jnp.swapaxes(jnp.flip(weight, tuple(range(len(kernel)))), -1, -2)
    spread = _spread(x.shape, kernel, strides, dilations, edges, gradient)
    none = ((0, 0),) * len(kernel)
    return native_convolution(spread, turned, (1,) * len(kernel), dilations, none), to_weight


native_convolution.defvjp(_forward, _backward)


def _spread(shape: Sizes, kernel: Sizes, strides: Sizes, dilations: Sizes, edges: Edges, gradient: Array) -> Array:
    """What the turned kernel's convolution makes the gradient of the images of, which have this shape with their edges.

    It is the gradient of the outputs, spread as far as strides are; the edges themselves need none.
    """
    config = [
        (d * (k - 1) - low, size - (given - 1) * s - 1 - high, s - 1)
        for size, given, k, s, d, (low, high) in zip(
            shape[1:-1], gradient.shape[1:-1], kernel, strides, dilations, edges
        )
    ]
    if set(strides) == {1}:
        return padded(gradient, tuple((low, high) for low, high, _ in config))
    return jax.lax.pad(gradient, jnp.zeros((), gradient.dtype), [(0, 0, 0), *config, (0, 0, 0)])


def portable_depthwise(x: Array, weight: Array, strides: Sizes, dilations: Sizes, edges: Edges) -> Array:
    """`native_depthwise` in operations that every platform has."""
    seen = patches(padded(x, edges), weight.shape[:-1], strides, dilations)
    factors = weight.reshape(len(seen), -1)
    return sum((each * factor for each, factor in zip(seen[1:], factors[1:])), seen[0] * factors[0])


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def native_depthwise(x: Array, weight: Array, strides: Sizes, dilations: Sizes, edges: Edges) -> Array:
    """Each channel's convolution by a kernel of its own (*kernel, channels); there is no second derivative."""
    return _depthwise_forward(x, weight, strides, dilations, edges)[0]


def _depthwise_forward(
    x: Array, weight: Array, strides: Sizes, dilations: Sizes, edges: Edges
) -> tuple[Array, tuple[Array, Array]]:
    x = padded(x, edges)
    kernel = weight.shape[:-1]
    sizes = sizes_after(x.shape[1:-1], kernel, strides, dilations)
    window = window_of(x.shape, kernel, dilations)
    result = channelwise(x, pixels_of(x.shape, sizes, strides), window, weight.reshape(len(window), -1))
    return result.reshape(x.shape[0], *sizes, -1), (x, weight)


def _depthwise_backward(
    strides: Sizes, dilations: Sizes, edges: Edges, kept: tuple[Array, Array], gradient: Array
) -> tuple[Array, Array]:
    x, weight = kept
    kernel = weight.shape[:-1]
    window, pixels = window_of(x.shape, kernel, dilations), pixels_of(x.shape, gradient.shape[1:-1], strides)
    to_weight = channelwise(x, window, pixels, gradient.reshape(len(pixels), -1)).reshape(weight.shape)
    turned = jnp.flip(weight, tuple(range(len(kernel))))
    spread = _spread(x.shape, kernel, strides, dilations, edges, gradient)
    none = ((0, 0),) * len(kernel)
    return native_depthwise(spread, turned, (1,) * len(kernel), dilations, none), to_weight


native_depthwise.defvjp(_depthwise_forward, _depthwise_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def tiled_convolution(x: Array, weight: Array, edges: Edges) -> Array:
    """A convolution of 3x3, by `twofold.native.tiles`; there is no second derivative."""
    return _tiled_forward(x, weight, edges)[0]


def _tiled_forward(x: Array, weight: Array, edges: Edges) -> tuple[Array, tuple[Array, Array]]:
    n, inputs, outputs = len(x), *weight.shape[-2:]
    sizes = _sizes_of_tiles(x.shape, edges)
    shapes = (
        jax.ShapeDtypeStruct((n, *sizes[:2], outputs), x.dtype),
        jax.ShapeDtypeStruct((tiles.forward_space(inputs, outputs),), x.dtype),
    )
    call = jax.ffi.ffi_call(handlers.register("tiles_forward", x.dtype.name), shapes, vmap_method="sequential")
    at_once = np.arange(tiles.tiles_at_once(inputs, outputs), dtype=np.int32)
    result, _ = call(x, weight, sizes, at_once * np.int32(inputs))
    return result, (x, weight)


def _sizes_of_tiles(shape: Sizes, edges: Edges) -> np.ndarray:
    """Rows and columns of the outputs, and of what is added above and left of the images."""
    sizes = [size + low + high - 2 for size, (low, high) in zip(shape[1:3], edges)]
    return np.array([*sizes, *(low for low, _ in edges)], np.int32)


def _tiled_backward(edges: Edges, kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, weight = kept
    inputs, outputs = weight.shape[-2:]
    shapes = (
        jax.ShapeDtypeStruct(x.shape, x.dtype),
        jax.ShapeDtypeStruct(weight.shape, weight.dtype),
        jax.ShapeDtypeStruct((tiles.backward_space(inputs, outputs),), x.dtype),
    )
    call = jax.ffi.ffi_call(handlers.register("tiles_backward", x.dtype.name), shapes, vmap_method="sequential")
    at_once = np.arange(tiles.tiles_at_once(inputs, outputs), dtype=np.int32)
    tables = at_once * np.int32(inputs), at_once * np.int32(outputs), np.arange(inputs, dtype=np.int32)
    sizes = _sizes_of_tiles(x.shape, edges)
    to_images, to_weight, _ = call(x, jnp.swapaxes(weight, -1, -2), sizes, gradient, *tables)
    return to_images, to_weight


tiled_convolution.defvjp(_tiled_forward, _tiled_backward)
