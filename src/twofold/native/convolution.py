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
from twofold.native.places import Edges, Sizes, numbers_of, pixels_of, runs_of, sizes_after

# With so many or fewer Winograd's algorithm is no faster.
_FEW_CHANNELS = 16

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
    x = padded(x, edges)
    *kernel, inputs, outputs = weight.shape
    if inputs > 1 and groups <= _MOST_SEPARATE_GROUPS:
        parts = zip(jnp.split(x, groups, axis=-1), jnp.split(weight, groups, axis=-1))
        none = ((0, 0),) * len(kernel)
        return jnp.concatenate([convolution(*part, strides, dilations, none) for part in parts], axis=-1)
    seen = patches(x, tuple(kernel), strides, dilations)
    weights = weight.reshape(len(seen), inputs, outputs)
    if inputs == 1:  # depthwise: each channel by itself
        times = outputs // groups
        if times > 1:
            seen = [jnp.repeat(each, times, axis=-1) for each in seen]
        return sum((each * weights[i, 0] for i, each in enumerate(seen[1:], 1)), seen[0] * weights[0, 0])
    stacked = jnp.stack(seen, axis=-2)
    stacked = stacked.reshape(*stacked.shape[:-1], groups, inputs)
    result = jnp.einsum("...kgi,kigo->...go", stacked, weights.reshape(len(seen), inputs, groups, -1))
    return result.reshape(*result.shape[:-2], outputs)


def has_convolution(x: Array, weight: Array) -> bool:
    """Whether there is machine code for these arrays; its tables have places of 32 bits."""
    return 0 < x.size < 2**31 and weight.size > 0 and handlers.can_run(x, weight)


def has_tiles(kernel: Sizes, strides: Sizes, dilations: Sizes) -> bool:
    """Whether a kernel of this shape, (*kernel, in, out), takes less time by Winograd's algorithm."""
    plain = kernel[:-2] == (3, 3) and set((*strides, *dilations)) == {1}
    return plain and min(kernel[-2:]) > _FEW_CHANNELS


def portable_convolution(x: Array, weight: Array, strides: Sizes, dilations: Sizes, edges: Edges) -> Array:
    """`convolution` as a product of patches: XLA's own is many times slower on a processor."""
    seen = patches(padded(x, edges), weight.shape[:-2], strides, dilations)
    joined = seen[0] if len(seen) == 1 else jnp.concatenate(seen, axis=-1)
    return joined @ weight.reshape(-1, weight.shape[-1])


def padded(x: Array, edges: Edges) -> Array:
    """Images (n, *sizes, channels) with zeros at their edges, or cut there where numbers are negative."""
    if not any(any(edge) for edge in edges):
        return x
    return jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((low, high, 0) for low, high in edges), (0, 0, 0)])


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
    result = _gathered(x, pixels_of(x.shape, sizes, strides), runs, weight.reshape(len(runs), inner, outputs))
    return result.reshape(x.shape[0], *sizes, outputs), (x, weight)


def _backward(
    strides: Sizes, dilations: Sizes, edges: Edges, kept: tuple[Array, Array], gradient: Array
) -> tuple[Array, Array]:
    x, weight = kept
    kernel, outputs = weight.shape[:-2], weight.shape[-1]
    places = numbers_of(x.shape, kernel, dilations)
    pixels = pixels_of(x.shape, gradient.shape[1:-1], strides)
    to_weight = _gathered(x, places, pixels, gradient.reshape(-1, 1, outputs)).reshape(weight.shape)
    return _to_images(x.shape, weight, strides, dilations, edges, gradient), to_weight


native_convolution.defvjp(_forward, _backward)


def _to_images(shape: Sizes, weight: Array, strides: Sizes, dilations: Sizes, edges: Edges, gradient: Array) -> Array:
    """The gradient of the images, of this shape with their edges, which themselves need none.

    It is the turned kernel's convolution of the gradient, spread as far as strides are.
    """
    kernel = weight.shape[:-2]
    config = [
        (d * (k - 1) - low, size - (given - 1) * s - 1 - high, s - 1)
        for size, given, k, s, d, (low, high) in zip(
            shape[1:-1], gradient.shape[1:-1], kernel, strides, dilations, edges
        )
    ]
    spread = jax.lax.pad(gradient, jnp.zeros((), gradient.dtype), [(0, 0, 0), *config, (0, 0, 0)])
    turned = jnp.swapaxes(jnp.flip(weight, tuple(range(len(kernel)))), -1, -2)
    return native_convolution(spread, turned, (1,) * len(kernel), dilations, ((0, 0),) * len(kernel))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def tiled_convolution(x: Array, weight: Array, edges: Edges) -> Array:
    """A convolution of 3x3, by `twofold.native.tiles`; there is no second derivative."""
    return _tiled_forward(x, weight, edges)[0]


def _tiled_forward(x: Array, weight: Array, edges: Edges) -> tuple[Array, tuple[Array, Array]]:
    n, inputs, outputs = len(x), *weight.shape[-2:]
    rows, columns = (size + low + high - 2 for size, (low, high) in zip(x.shape[1:3], edges))
    to_whole_tiles = -rows % 4, -columns % 4
    whole = padded(x, tuple((low, high + more) for more, (low, high) in zip(to_whole_tiles, edges)))
    shapes = (
        jax.ShapeDtypeStruct((n, rows, columns, outputs), x.dtype),
        jax.ShapeDtypeStruct((tiles.forward_space(inputs, outputs),), x.dtype),
    )
    call = jax.ffi.ffi_call(handlers.register("tiles_forward", x.dtype.name), shapes, vmap_method="sequential")
    at_once = np.arange(tiles.tiles_at_once(inputs, outputs), dtype=np.int32)
    result, _ = call(whole, weight, np.zeros((rows, columns), np.int8), at_once * np.int32(inputs))
    return result, (whole, weight)


def _tiled_backward(edges: Edges, kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    whole, weight = kept
    inputs, outputs = weight.shape[-2:]
    shapes = (
        jax.ShapeDtypeStruct(whole.shape, whole.dtype),
        jax.ShapeDtypeStruct(weight.shape, weight.dtype),
        jax.ShapeDtypeStruct((tiles.backward_space(inputs, outputs),), whole.dtype),
    )
    call = jax.ffi.ffi_call(handlers.register("tiles_backward", whole.dtype.name), shapes, vmap_method="sequential")
    at_once = np.arange(tiles.tiles_at_once(inputs, outputs), dtype=np.int32)
    tables = at_once * np.int32(inputs), at_once * np.int32(outputs), np.arange(inputs, dtype=np.int32)
    to_images, to_weight, _ = call(whole, jnp.swapaxes(weight, -1, -2), gradient, *tables)
    sizes = gradient.shape[1:3]
    cut = tuple((-low, sizes[i] + 2 - high - whole.shape[1 + i]) for i, (low, high) in enumerate(edges))
    return padded(to_images, cut), to_weight


tiled_convolution.defvjp(_tiled_forward, _tiled_backward)


def _gathered(left: Array, rows: np.ndarray, runs: np.ndarray, right: Array) -> Array:
    """Row p of the result is the sum over q and i of left[rows[p] + runs[q] + i] * right[q, i], `left` being flat."""
    shape = jax.ShapeDtypeStruct((len(rows), right.shape[-1]), right.dtype)
    target = handlers.register("gathered", right.dtype.name)
    return jax.ffi.ffi_call(target, shape, vmap_method="sequential")(left, rows, runs, right)
