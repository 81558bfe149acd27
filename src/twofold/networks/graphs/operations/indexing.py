"""Elements by their numbers; and views of memory that was written to."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from twofold.networks.graphs.operations.table import Operand, operation


@operation("index.Tensor")
def index(x: Array, indices: Sequence[Array | None]) -> Array:
    """Elements by arrays of their numbers along axes."""
    return x[tuple(slice(None) if each is None else each for each in indices)]


@operation("index_put")
def index_put(x: Array, indices: Sequence[Array | None], values: Array, accumulate: bool = False) -> Array:
    """Other elements in the places that arrays of numbers or a mask name."""
    (*others,) = (each for each in indices if each is not None)
    if len(others) == 1 and others[0].dtype == bool and values.size == 1 and indices[0] is not None:
        mask = others[0].reshape(*others[0].shape, *[1] * (x.ndim - others[0].ndim))
        return jnp.where(mask, x + values if accumulate else values, x).astype(x.dtype)
    places = x.at[tuple(slice(None) if each is None else each for each in indices)]
    return places.add(values) if accumulate else places.set(values)


@operation("index_select")
def index_select(x: Array, dim: int, index: Array) -> Array:
    """Places along an axis."""
    return jnp.take(x, index, axis=dim)


@operation("take")
def take(x: Array, index: Array) -> Array:
    """Elements by their numbers in the order of rows."""
    return x.reshape(-1)[index]


@operation("embedding")
def embedding(
    weight: Array, indices: Array, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Array:
    """A row of weights for each number; that of `padding_idx` is not trained."""
    rows = weight[indices]
    return jnp.where((indices == padding_idx)[..., None], jax.lax.stop_gradient(rows), rows)


@operation("one_hot")
def one_hot(x: Array, num_classes: int = -1) -> Array:
    """A 1 in the place of each number."""
    return jax.nn.one_hot(x, num_classes, dtype=int)


@operation("gather")
def gather(x: Array, dim: int, index: Array, *, sparse_grad: bool = False) -> Array:
    """Elements by their numbers along an axis."""
    return x[_places(x, dim, index)] if x.ndim else x


def _places(x: Array, dim: int, index: Array) -> tuple[Array, ...]:
    axes = [jax.lax.broadcasted_iota(index.dtype, index.shape, axis) for axis in range(x.ndim)]
    axes[dim % x.ndim] = index
    return tuple(axes)


@operation("scatter.src", "scatter.value")
def scatter(x: Array, dim: int, index: Array, source: Operand) -> Array:
    """Other elements in the places that numbers along an axis name."""
    return x.at[_places(x, dim, index)].set(_cut(source, index))


@operation("scatter_add")
def scatter_add(x: Array, dim: int, index: Array, source: Array) -> Array:
    """Added in the places that numbers along an axis name."""
    return x.at[_places(x, dim, index)].add(_cut(source, index))


def _cut(source: Any, index: Array) -> Operand:
    return source[tuple(slice(length) for length in index.shape)] if jnp.ndim(source) else source


@operation("index_add")
def index_add(x: Array, dim: int, index: Array, source: Array, *, alpha: Operand = 1) -> Array:
    """Added in places along an axis."""
    return jnp.moveaxis(jnp.moveaxis(x, dim, 0).at[index].add(alpha * jnp.moveaxis(source, dim, 0)), 0, dim)


@operation("twofold.read_view")
def read_view(base: Array, layout: Sequence[Sequence[int]], view: Sequence[Sequence[int]]) -> Array:
    """The elements of `base` that a view of its memory shows.

    A layout is (sizes, strides, (offset,)), as PyTorch has it: where in memory the elements are.
    """
    places = _places_in(layout, view)
    if np.array_equal(places.reshape(-1), np.arange(base.size)):
        return base.reshape(places.shape)
    return base.reshape(-1)[places]


@operation("twofold.write_view")
def write_view(base: Array, values: Array, layout: Sequence[Sequence[int]], view: Sequence[Sequence[int]]) -> Array:
    """`base` after `values` were written to a view of its memory."""
    places = _places_in(layout, view).reshape(-1)
    if np.array_equal(places, np.arange(base.size)):
        return values.reshape(base.shape)
    source = np.zeros(base.size, np.int32)
    source[places] = np.arange(places.size, dtype=np.int32)
    written = np.zeros(base.size, bool)
    written[places] = True
    spread = values.reshape(-1)[source.reshape(base.shape)]
    return jnp.where(written.reshape(base.shape), spread, base)


def _places_in(layout: Sequence[Sequence[int]], view: Sequence[Sequence[int]]) -> np.ndarray:
    """The number in the base of each element of a view."""
    base, shown = _addresses(layout), _addresses(view)
    number = np.zeros(max(base.max(initial=0), shown.max(initial=0)) + 1, np.int32)
    number[base.reshape(-1)] = np.arange(base.size)
    return number[shown]


def _addresses(layout: Sequence[Sequence[int]]) -> np.ndarray:
    sizes, strides, (offset,) = layout
    grids = np.indices(tuple(sizes), dtype=np.int64).reshape(len(sizes), math.prod(sizes))
    return (offset + np.tensordot(np.asarray(strides, np.int64), grids, 1)).reshape(tuple(sizes))


@operation("twofold.number")
def number(x: Array) -> Array:
    """A number taken out of an array, of which there is no derivative."""
    return jax.lax.stop_gradient(x.reshape(()))
