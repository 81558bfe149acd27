"""Convolutions with channels last, of which the whole ones are by `twofold.native.convolution`.

Weights are PyTorch's: (out, in / groups, *kernel), for transposed ones (in, out / groups, *kernel).
"""

import functools
import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array

from twofold.native.convolution import grouped_convolution, patches
from twofold.native.operations import features
from twofold.networks.graphs.operations.table import operation


@operation("conv1d", "conv2d", "conv3d", "conv1d.padding", "conv2d.padding", "conv3d.padding", layout="made")
def convolution(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    *,
    unseen: tuple[int, ...] = (),
    channels_last: bool = False,
) -> Array:
    """A convolution of one, two or three axes; without a batch too. The last places of each axis that are `unseen` are
    not computed."""
    space = weight.ndim - 2
    if x.ndim == space + 1:
        return convolution(x[None], weight, bias, stride, padding, dilation, groups)[0]
    strides, dilations = _each(stride, space), _each(dilation, space)
    if isinstance(padding, str):
        spans = [d * (k - 1) if padding == "same" else 0 for d, k in zip(dilations, weight.shape[2:])]
        edges = [(span // 2, span - span // 2) for span in spans]
    else:
        edges = [(edge, edge) for edge in _each(padding, space)]
    if unseen:
        edges = [(low, high - number * stride) for (low, high), number, stride in zip(edges, unseen, strides)]
    last = x if channels_last else jnp.moveaxis(x, 1, -1)
    weights = jnp.moveaxis(weight, (0, 1), (-1, -2))  # (*kernel, in, out)
    result = grouped_convolution(last, weights, strides, dilations, tuple(edges), groups)
    result = result if bias is None else result + bias
    return result if channels_last else jnp.moveaxis(result, -1, 1)


def _each(value: int | Sequence[int], space: int) -> tuple[int, ...]:
    several = (value,) if isinstance(value, int) else tuple(value)
    return several * space if len(several) == 1 else several


@operation("conv_transpose1d", "conv_transpose2d.input", "conv_transpose3d.input", layout="made")
def transposed_convolution(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
    *,
    channels_last: bool = False,
) -> Array:
    """What the gradient of a convolution does: each pixel is spread over the places that the kernel sees."""
    space = weight.ndim - 2
    if x.ndim == space + 1:
        return transposed_convolution(x[None], weight, bias, stride, padding, output_padding, groups, dilation)[0]
    strides, dilations, edges, more = (_each(each, space) for each in (stride, dilation, padding, output_padding))
    kernel, inputs = weight.shape[2:], weight.shape[0]
    last = x if channels_last else jnp.moveaxis(x, 1, -1)
    sizes = last.shape[1:-1]
    lengths = [
        (n - 1) * s - 2 * p + d * (k - 1) + m + 1
        for n, s, p, d, k, m in zip(sizes, strides, edges, dilations, kernel, more)
    ]
    places = list(itertools.product(*map(range, kernel)))
    # (groups, in, places of the kernel, out), so that one product gives what every place spreads
    weights = jnp.moveaxis(weight.reshape(groups, inputs // groups, weight.shape[1], len(places)), -1, 2)
    grouped = last.reshape(*last.shape[:-1], groups, inputs // groups)
    spread = jnp.einsum("...gi,gipo->...pgo", grouped, weights) if groups > 1 else None
    if spread is None:
        spread = (last @ weights.reshape(inputs, -1)).reshape(*last.shape[:-1], len(places), 1, -1)
    parts = []
    for number, place in enumerate(places):
        part = spread[..., number, :, :].reshape(*last.shape[:-1], -1)
        low = [i * d - p for i, d, p in zip(place, dilations, edges)]
        high = [length - start - (n - 1) * s - 1 for length, start, n, s in zip(lengths, low, sizes, strides)]
        config = [(0, 0, 0), *((a, b, s - 1) for a, b, s in zip(low, high, strides)), (0, 0, 0)]
        parts.append(jax.lax.pad(part, jnp.zeros((), part.dtype), config))
    result = functools.reduce(jnp.add, parts if bias is None else [*parts, bias])
    return result if channels_last else jnp.moveaxis(result, -1, 1)


@operation("convolution", "_convolution", layout="made")
def any_convolution(
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    *_: bool,
    channels_last: bool = False,
) -> Array:
    """What PyTorch's decompositions make of all convolutions."""
    if transposed:
        return transposed_convolution(
            x, weight, bias, stride, padding, output_padding, groups, dilation, channels_last=channels_last
        )
    return convolution(x, weight, bias, stride, padding, dilation, groups, channels_last=channels_last)


@operation("twofold.papers_branch", layout="made")
def papers_branch(
    x: Array, first: Array, first_bias: Array, second: Array, second_bias: Array, *, channels_last: bool = False
) -> Array:
    """Twice a convolution of 3x3, 2x2 max pooling and ReLU, to 32 and to 64 channels: that of the built-in networks."""
    images = x[..., 0] if channels_last else x[:, 0]
    kernels = [jnp.moveaxis(each, (0, 1), (-1, -2))[None] for each in (first, second)]
    found = features(images[None], kernels[0], first_bias[None], kernels[1], second_bias[None])
    rows, columns = (((size - 2) // 2 - 2) // 2 for size in images.shape[1:])
    result = found.reshape(len(images), rows, columns, -1)
    return result if channels_last else jnp.moveaxis(result, -1, 1)


@operation("im2col")
def im2col(
    x: Array, kernel: Sequence[int], dilation: Sequence[int], padding: Sequence[int], stride: Sequence[int]
) -> Array:
    """The patches of images as columns."""
    n, channels = x.shape[:2]
    padded = jnp.pad(jnp.moveaxis(x, 1, -1), [(0, 0), *((edge, edge) for edge in padding), (0, 0)])
    seen = patches(padded, tuple(kernel), tuple(stride), tuple(dilation))
    columns = jnp.stack(seen, axis=-1)  # n, rows, columns, channels, places
    return jnp.moveaxis(columns, (3, 4), (1, 2)).reshape(n, channels * len(seen), -1)
