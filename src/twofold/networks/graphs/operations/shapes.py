"""Other shapes of the same elements, and parts of them."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from twofold.networks.graphs.operations.table import Number, Operand, operation


@operation("view", "reshape", "_unsafe_view", "view_copy", "_reshape_alias")
def reshape(x: Array, shape: Sequence[int], *_: Any) -> Array:
    """Another shape."""
    return jnp.reshape(x, tuple(shape))


@operation("view_as", "reshape_as")
def reshape_as(x: Array, other: Array) -> Array:
    """The shape of another."""
    return jnp.reshape(x, other.shape)


@operation("flatten.using_ints")
def flatten(x: Array, start_dim: int = 0, end_dim: int = -1) -> Array:
    """Axes from first to last made one."""
    if x.ndim == 0:
        return x.reshape(1)
    first, last = start_dim % x.ndim, end_dim % x.ndim
    return x.reshape(*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :])


@operation("unflatten.int")
def unflatten(x: Array, dim: int, sizes: Sequence[int]) -> Array:
    """One axis made several."""
    axis = dim % x.ndim
    known = -math.prod(sizes)
    sizes = [x.shape[axis] // known if size == -1 else size for size in sizes]
    return x.reshape(*x.shape[:axis], *sizes, *x.shape[axis + 1 :])


@operation("squeeze", "squeeze.dim", "squeeze.dims")
def squeeze(x: Array, dim: int | tuple[int, ...] | None = None) -> Array:
    """Without axes of one."""
    several = range(x.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    return jnp.squeeze(x, tuple(axis % x.ndim for axis in several if x.ndim and x.shape[axis] == 1))


@operation("unsqueeze")
def unsqueeze(x: Array, dim: int) -> Array:
    """With an axis of one more."""
    return jnp.expand_dims(x, dim)


@operation("transpose.int", "swapaxes", "swapdims")
def transpose(x: Array, first: int, second: int) -> Array:
    """Two axes changed for each other."""
    return jnp.swapaxes(x, first, second) if x.ndim else x


@operation("t", "numpy_T", "mT", "mH", "matrix_H", "adjoint")
def transposed(x: Array) -> Array:
    """The transposed matrix."""
    return jnp.swapaxes(x, -1, -2) if x.ndim > 1 else x


@operation("permute")
def permute(x: Array, dims: Sequence[int]) -> Array:
    """The axes in another order."""
    return jnp.transpose(x, tuple(dims))


@operation("movedim.int", "movedim.intlist", "moveaxis.int", "moveaxis.intlist")
def movedim(x: Array, source: Any, destination: Any) -> Array:
    """Axes moved."""
    return jnp.moveaxis(x, source, destination)


@operation("expand", "broadcast_to")
def expand(x: Array, size: Sequence[int], *, implicit: bool = False) -> Array:
    """Repeated along axes of one, without copies."""
    ahead = len(size) - x.ndim
    return jnp.broadcast_to(x, tuple(x.shape[i - ahead] if length == -1 else length for i, length in enumerate(size)))


@operation("expand_as")
def expand_as(x: Array, other: Array) -> Array:
    """Repeated along axes of one, to the shape of another."""
    return jnp.broadcast_to(x, other.shape)


@operation("repeat", "tile")
def repeat(x: Array, times: Sequence[int]) -> Array:
    """Repeated as a whole."""
    return jnp.tile(x, tuple(times))


@operation("repeat_interleave.self_int")
def repeat_interleave(x: Array, repeats: int, dim: int | None = None, *, output_size: Any = None) -> Array:
    """Each element repeated."""
    return jnp.repeat(x, repeats, dim)


@operation("cat", "concat", "concatenate", layout="kept")
def cat(tensors: Sequence[Array], dim: int = 0, *, channels_last: bool = False) -> Array:
    """One after the other; PyTorch leaves out what is empty and has one axis."""
    if channels_last:
        axis = dim % tensors[0].ndim
        return jnp.concatenate(tensors, axis=-1 if axis == 1 else max(axis - 1, 0))
    full = [each for each in tensors if each.shape != (0,)] or tensors[:1]
    return jnp.concatenate(full, axis=dim)


@operation("stack")
def stack(tensors: Sequence[Array], dim: int = 0) -> Array:
    """One after the other along a new axis."""
    return jnp.stack(tensors, axis=dim)


@operation("hstack", "column_stack")
def hstack(tensors: Sequence[Array]) -> Array:
    """One beside the other."""
    return jnp.hstack(tensors)


@operation("vstack", "row_stack")
def vstack(tensors: Sequence[Array]) -> Array:
    """One below the other."""
    return jnp.vstack(tensors)


@operation("split.Tensor", "split.sizes", "split_with_sizes", "unsafe_split.Tensor", "split_with_sizes_copy")
def split(x: Array, size: int | Sequence[int], dim: int = 0) -> tuple[Array, ...]:
    """In parts of one size, the last being smaller, or of the sizes given."""
    length = x.shape[dim]
    sizes = [min(size, length - start) for start in range(0, length, size)] if isinstance(size, int) else size
    ends = np.cumsum(sizes)
    return tuple(jax.lax.slice_in_dim(x, end - part, end, axis=dim % x.ndim) for part, end in zip(sizes, ends.tolist()))


@operation("chunk")
def chunk(x: Array, chunks: int, dim: int = 0) -> tuple[Array, ...]:
    """In so many parts of one size, the last being smaller."""
    return split(x, max(-(-x.shape[dim] // chunks), 1), dim)


@operation("tensor_split.sections")
def tensor_split(x: Array, sections: int, dim: int = 0) -> tuple[Array, ...]:
    """In so many parts, whose sizes differ by one at most."""
    return tuple(jnp.array_split(x, sections, axis=dim))


@operation("unbind.int")
def unbind(x: Array, dim: int = 0) -> tuple[Array, ...]:
    """Each place along an axis."""
    return tuple(select(x, dim, place) for place in range(x.shape[dim]))


@operation("select.int")
def select(x: Array, dim: int, index: int) -> Array:
    """One place along an axis."""
    return jax.lax.index_in_dim(x, index % x.shape[dim], dim % x.ndim, keepdims=False)


@operation("slice.Tensor")
def slice_(x: Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Array:
    """Some places along an axis."""
    first, last, step = slice(start, end, step).indices(x.shape[dim])
    return jax.lax.slice_in_dim(x, first, max(first, last), step, axis=dim % x.ndim)


@operation("narrow")
def narrow(x: Array, dim: int, start: int, length: int) -> Array:
    """A few places along an axis."""
    start = start % x.shape[dim] if start < 0 else start
    return slice_(x, dim, start, start + length)


@operation("flip")
def flip(x: Array, dims: Sequence[int]) -> Array:
    """In the other order along axes."""
    return jnp.flip(x, tuple(dims))


@operation("roll")
def roll(x: Array, shifts: Sequence[int], dims: Sequence[int] = ()) -> Array:
    """Moved along axes, what leaves coming back at the other side."""
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    return jnp.roll(x, shifts, tuple(dims)) if len(dims) else jnp.roll(x, shifts[0])


@operation("tril")
def tril(x: Array, diagonal: int = 0) -> Array:
    """The lower triangle."""
    return jnp.tril(x, diagonal)


@operation("triu")
def triu(x: Array, diagonal: int = 0) -> Array:
    """The upper triangle."""
    return jnp.triu(x, diagonal)


@operation("diagonal", "linalg_diagonal")
def diagonal(x: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    """The diagonal of two axes."""
    return jnp.diagonal(x, offset, dim1, dim2)


@operation("unfold")
def unfold(x: Array, dimension: int, size: int, step: int) -> Array:
    """Windows along an axis; what is in a window is the last axis."""
    axis = dimension % max(x.ndim, 1)
    count = (x.shape[axis] - size) // step + 1
    parts = [slice_(x, axis, i, i + (count - 1) * step + 1, step) for i in range(size)]
    return jnp.stack(parts, axis=-1)


@operation("pixel_shuffle")
def pixel_shuffle(x: Array, factor: int) -> Array:
    """Channels made pixels."""
    *ahead, channels, height, width = x.shape
    n = len(ahead)
    parts = x.reshape(*ahead, channels // factor**2, factor, factor, height, width)
    parts = parts.transpose(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return parts.reshape(*ahead, channels // factor**2, height * factor, width * factor)


@operation("pixel_unshuffle")
def pixel_unshuffle(x: Array, factor: int) -> Array:
    """Pixels made channels."""
    *ahead, channels, height, width = x.shape
    n = len(ahead)
    parts = x.reshape(*ahead, channels, height // factor, factor, width // factor, factor)
    parts = parts.transpose(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return parts.reshape(*ahead, channels * factor**2, height // factor, width // factor)


@operation("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(x: Array, groups: int) -> Array:
    """Channels of groups in turn."""
    n, channels, *space = x.shape
    return x.reshape(n, groups, channels // groups, *space).swapaxes(1, 2).reshape(x.shape)


@operation("pad", layout="kept")
def pad(
    x: Array,
    sizes: Sequence[int],
    mode: str = "constant",
    value: Number | None = None,
    *,
    channels_last: bool = False,
) -> Array:
    """With more at the edges, or less where sizes are negative; the last axis comes first."""
    ends = list(zip(sizes[::2], sizes[1::2]))[::-1]
    low_high = [(0, 0)] * (x.ndim - len(ends)) + ends
    if channels_last:
        low_high = [low_high[0], *low_high[2:], low_high[1]]
    if mode == "constant":
        return jax.lax.pad(x, jnp.asarray(value or 0, x.dtype), [(low, high, 0) for low, high in low_high])
    for axis, (low, high) in enumerate(low_high):
        x = _padded(x, axis, low, high, mode)
    return x


def _padded(x: Array, axis: int, low: int, high: int, mode: str) -> Array:
    """One axis padded, by slices: a gather's gradient would be slow."""
    length = x.shape[axis]
    cut = jax.lax.slice_in_dim(x, max(-low, 0), length - max(-high, 0), axis=axis)
    low, high, length = max(low, 0), max(high, 0), cut.shape[axis]
    if mode == "reflect":
        before = jnp.flip(jax.lax.slice_in_dim(cut, 1, low + 1, axis=axis), axis)
        after = jnp.flip(jax.lax.slice_in_dim(cut, length - high - 1, length - 1, axis=axis), axis)
    elif mode == "circular":
        before = jax.lax.slice_in_dim(cut, length - low, length, axis=axis)
        after = jax.lax.slice_in_dim(cut, 0, high, axis=axis)
    else:
        before = jnp.repeat(jax.lax.slice_in_dim(cut, 0, 1, axis=axis), low, axis)
        after = jnp.repeat(jax.lax.slice_in_dim(cut, length - 1, length, axis=axis), high, axis)
    return jnp.concatenate([before, cut, after], axis) if low or high else cut


@operation("constant_pad_nd")
def constant_pad(x: Array, sizes: Sequence[int], value: Operand = 0) -> Array:
    """One value at the edges."""
    return pad(x, sizes, "constant", value)


@operation("reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
def reflection_pad(x: Array, sizes: Sequence[int]) -> Array:
    """The image in a mirror at the edges."""
    return pad(x, sizes, "reflect")


@operation("replication_pad1d", "replication_pad2d", "replication_pad3d")
def replication_pad(x: Array, sizes: Sequence[int]) -> Array:
    """The outermost pixels at the edges."""
    return pad(x, sizes, "replicate")


@operation("zeros", "empty.memory_format")
def zeros(size: Sequence[int], *, dtype: Any = None) -> Array:
    """Zeros; so is what PyTorch leaves as it finds it."""
    return jnp.zeros(tuple(size), dtype)


@operation("ones")
def ones(size: Sequence[int], *, dtype: Any = None) -> Array:
    """Ones."""
    return jnp.ones(tuple(size), dtype)


@operation("full")
def full(size: Sequence[int], value: Operand, *, dtype: Any = None) -> Array:
    """One value."""
    return jnp.full(tuple(size), value, dtype)


@operation("zeros_like", "empty_like")
def zeros_like(x: Array, *, dtype: Any = None) -> Array:
    """Zeros in the shape of x."""
    return jnp.zeros(x.shape, dtype or x.dtype)


@operation("ones_like")
def ones_like(x: Array, *, dtype: Any = None) -> Array:
    """Ones in the shape of x."""
    return jnp.ones(x.shape, dtype or x.dtype)


@operation("full_like")
def full_like(x: Array, value: Operand, *, dtype: Any = None) -> Array:
    """One value in the shape of x."""
    return jnp.full(x.shape, value, dtype or x.dtype)


@operation("new_zeros", "new_empty")
def new_zeros(x: Array, size: Sequence[int], *, dtype: Any = None) -> Array:
    """Zeros of the type of x."""
    return jnp.zeros(tuple(size), dtype or x.dtype)


@operation("new_ones")
def new_ones(x: Array, size: Sequence[int], *, dtype: Any = None) -> Array:
    """Ones of the type of x."""
    return jnp.ones(tuple(size), dtype or x.dtype)


@operation("new_full")
def new_full(x: Array, size: Sequence[int], value: Operand, *, dtype: Any = None) -> Array:
    """One value of the type of x."""
    return jnp.full(tuple(size), value, dtype or x.dtype)


@operation("scalar_tensor")
def scalar_tensor(value: Operand, *, dtype: Any = None) -> Array:
    """A number as an array."""
    return jnp.asarray(value, dtype)


@operation("arange", "arange.start", "arange.start_step")
def arange(*bounds: Number, dtype: Any = None, step: Number = 1) -> Array:
    """Numbers in equal steps."""
    *ends, step = bounds if len(bounds) == 3 else (*bounds, step)
    start, end = ends if len(ends) == 2 else (0, ends[0])
    return jnp.asarray(np.arange(start, end, step), dtype)


@operation("linspace")
def linspace(start: Number, end: Number, steps: int, *, dtype: Any = None) -> Array:
    """So many numbers in equal steps, both ends among them."""
    return jnp.asarray(np.linspace(start, end, steps), dtype)


@operation("eye", "eye.m")
def eye(rows: int, columns: int | None = None, *, dtype: Any = None) -> Array:
    """Ones on the diagonal."""
    return jnp.eye(rows, columns, dtype=dtype)
