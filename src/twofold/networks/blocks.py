"""The layers of a branch, as matrix products.

XLA runs plain matrix products at a processor's full speed and convolutions far below it, so both convolutions
are written as products here. Every array has a leading axis `g`: one branch that sees all the images (shared
weights), or two branches that see half of them each. Max-pooling commutes with adding the bias and with ReLU, so
a block computes the four places of each pooling window, and takes their maximum at once. docs/speed.md says what
was measured on the way here.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from twofold.networks.winograd import winograd

# Row and column of the four places of a pooling window.
_PLACES = ((0, 0), (0, 1), (1, 0), (1, 1))


class Patches(NamedTuple):
    """All that the first convolution sees of n images, at each of the four places of each pooling window.

    The last axis of `pixels` is 3x3 pixels and a 1, which the bias multiplies. `transposed` holds the same numbers
    as the gradient of the kernel wants them. They depend on the images alone: a training lays them out once.
    """

    pixels: Float[Array, "g 4 rows columns n 10"]
    transposed: Float[Array, "g 4 windows 10 n"]


def pooled_size(height: int, width: int) -> tuple[int, int]:
    """The size after a 3x3 convolution without padding and a 2x2 pooling that drops an odd last row or column."""
    return (height - 2) // 2, (width - 2) // 2


def lay_out_patches(images: Float[Array, "g n h w"]) -> Patches:
    """The `Patches` of images of one channel."""
    height, width = pooled_size(*images.shape[-2:])
    places = []
    for row, column in _PLACES:
        rows = row + 2 * np.arange(height)[:, None] + np.arange(3)
        columns = column + 2 * np.arange(width)[:, None] + np.arange(3)
        seen = images[..., rows[:, None, :, None], columns[None, :, None, :]]  # g, n, rows, columns, 3, 3
        places.append(seen.reshape(*seen.shape[:4], 9).transpose(0, 2, 3, 1, 4))
    together = jnp.stack(places, axis=1)
    pixels = jnp.concatenate([together, jnp.ones_like(together[..., :1])], axis=-1)
    by_window = pixels.reshape(*pixels.shape[:2], -1, *pixels.shape[-2:])
    return Patches(pixels, by_window.swapaxes(-1, -2))


def first_block(
    patches: Patches, kernel: Float[Array, "g 3 3 1 c"], bias: Float[Array, "g c"]
) -> Float[Array, "g rows columns n c"]:
    """Convolution, bias, pooling and ReLU."""
    g, channels = bias.shape
    weights = jnp.concatenate([kernel.reshape(g, 9, channels), bias[:, None]], axis=1)
    return _pooled_products(patches, weights).reshape(g, *patches.pixels.shape[2:5], channels)


def second_block(
    inputs: Float[Array, "g h w n c"],
    kernel: Float[Array, "g 3 3 c d"],
    bias: Float[Array, "g d"],
) -> Float[Array, "g windows n d"]:
    """Convolution, pooling, bias and ReLU by Winograd's F(4x4, 3x3), or F(2x2, 3x3) where 4 does not divide.

    With the paper's 6x6 inputs the whole convolution is a single tile.
    """
    g, height, width, n, channels = inputs.shape
    m = 4 if (height - 2) % 4 == 0 and (width - 2) % 4 == 0 else 2
    side, down, across = m + 2, (height - 2) // m, (width - 2) // m
    transform = winograd(m)
    tiles = _tiles(inputs, m)
    spread = _transform(transform.inputs, tiles.reshape(g, side, side, -1))
    kernels = _transform(transform.kernel, kernel.reshape(g, 3, 3, -1))
    products = spread.reshape(g, side**2, -1, channels) @ kernels.reshape(g, side**2, channels, -1)
    outputs = _transform(transform.outputs, products.reshape(g, side, side, -1))
    pooled = _pool(outputs.reshape(g, 2, m // 2, 2, m // 2, down * across * n, -1))
    activation = jax.nn.relu(pooled + bias[:, None, None, None])
    return _windows_in_order(activation.reshape(g, m // 2, m // 2, down, across, n, -1))


def dense(
    inputs: Float[Array, "g n i"], weight: Float[Array, "g i o"], bias: Float[Array, "g o"]
) -> Float[Array, "g n o"]:
    """A fully connected layer."""
    return inputs @ weight + bias[:, None, :]


@jax.custom_vjp
def _pooled_products(patches: Patches, weights: Float[Array, "g 10 c"]) -> Float[Array, "g windows_n c"]:
    """ReLU of the maximum over the four places of the products of the patches with the weights.

    The gradient goes to the first of equal maxima, as PyTorch's does, and nowhere where the ReLU is shut.
    """
    return _pooled_products_forward(patches, weights)[0]


def _pooled_products_forward(patches: Patches, weights: Array) -> tuple[Array, tuple[Array, Array]]:
    g, _, *_, taps = patches.pixels.shape
    # Four products, not one: each is small enough to be in the cache still when the maximum is taken.
    places = [patches.pixels[:, place].reshape(g, -1, taps) @ weights for place in range(4)]
    return jax.nn.relu(_largest(places)), (patches.transposed, _winner(places))


def _pooled_products_backward(kept: tuple[Array, Array], gradient: Array) -> tuple[None, Array]:
    transposed, winner = kept
    g, _, windows, _, n = transposed.shape
    winner, gradient = (array.reshape(g, windows, n, -1) for array in (winner, gradient))
    to_weights = [(transposed[:, place] @ jnp.where(winner == place, gradient, 0.0)).sum(axis=1) for place in range(4)]
    return None, jax.tree.reduce(jnp.add, to_weights)


_pooled_products.defvjp(_pooled_products_forward, _pooled_products_backward)


@jax.custom_vjp
def _pool(outputs: Float[Array, "g 2 p 2 q n d"]) -> Float[Array, "g p q n d"]:
    """The maximum over the places of each pooling window; the gradient goes to the first of equal maxima."""
    return _largest(_places(outputs))


def _pool_forward(outputs: Array) -> tuple[Array, tuple[Array, Array]]:
    largest = _largest(_places(outputs))
    return largest, (outputs, largest)


def _pool_backward(kept: tuple[Array, Array], gradient: Array) -> tuple[Array]:
    outputs, largest = kept
    to_places = []
    for place in _places(outputs):
        wins = place == largest
        to_places.append(jnp.where(wins, gradient, 0.0))
        gradient = jnp.where(wins, 0.0, gradient)
    rows = [jnp.stack(to_places[first : first + 2], axis=2) for first in (0, 2)]
    return (jnp.stack(rows, axis=1),)


_pool.defvjp(_pool_forward, _pool_backward)


def _places(outputs: Float[Array, "g 2 p 2 q n d"]) -> list[Array]:
    return [outputs[:, row, :, column] for row, column in _PLACES]


def _largest(places: list[Array]) -> Array:
    return jnp.maximum(jnp.maximum(places[0], places[1]), jnp.maximum(places[2], places[3]))


def _winner(places: list[Array]) -> Array:
    """Which of four is the largest: 0 to 3, the first of equals; 4 where none is above 0.

    As the root of its square, since XLA keeps what is costly and computes the rest anew for each of its readers.
    """
    largest = _largest(places)
    squared = jnp.where(places[2] == largest, 4.0, 9.0)
    squared = jnp.where(places[1] == largest, 1.0, squared)
    squared = jnp.where(places[0] == largest, 0.0, squared)
    return jnp.sqrt(jnp.where(largest > 0, squared, 16.0))


def _transform(matrix: np.ndarray, tiles: Float[Array, "g i i x"]) -> Float[Array, "g o o x"]:
    """matrix @ tile @ matrix^T for each of g * x tiles.

    With a gradient of its own, whose products have the transposed matrix as a constant: XLA's way with a product
    whose left factor it has to transpose is slower.
    """

    @jax.custom_vjp
    def apply(tiles: Array) -> Array:
        return _along_both_axes(matrix, tiles)

    def backward(_: None, gradient: Array) -> tuple[Array]:
        return (_along_both_axes(matrix.T, gradient),)

    apply.defvjp(lambda tiles: (apply(tiles), None), backward)
    return apply(tiles)


def _along_both_axes(matrix: np.ndarray, tiles: Float[Array, "g i i x"]) -> Float[Array, "g o o x"]:
    g, i, _, x = tiles.shape
    o = len(matrix)
    constant = jnp.asarray(np.ascontiguousarray(matrix), tiles.dtype)
    rows = jnp.broadcast_to(constant, (g, o, i)) @ tiles.reshape(g, i, i * x)
    both = jnp.broadcast_to(constant, (g * o, o, i)) @ rows.reshape(g * o, i, x)
    return both.reshape(g, o, o, x)


def _tiles(inputs: Float[Array, "g h w n c"], m: int) -> Float[Array, "g tt tiles n c"]:
    """The overlapping (m+2) x (m+2) tiles, m apart; a single tile is a mere reshape."""
    g, height, width, n, channels = inputs.shape
    side = m + 2
    down, across = (height - 2) // m, (width - 2) // m
    if (height, width) == (side, side):
        return inputs.reshape(g, side * side, 1, n, channels)
    rows = m * np.arange(down) + np.arange(side)[:, None]  # t, down
    columns = m * np.arange(across) + np.arange(side)[:, None]
    tiles = inputs[:, rows[:, None, :, None], columns[None, :, None, :]]  # g, t, t, down, across, n, c
    return tiles.reshape(g, side * side, down * across, n, channels)


def _windows_in_order(pooled: Float[Array, "g p q down across n d"]) -> Float[Array, "g windows n d"]:
    """Windows in row-major order, from (window in tile) x (tile)."""
    g, p, q, down, across, n, channels = pooled.shape
    return pooled.transpose(0, 3, 1, 4, 2, 5, 6).reshape(g, down * p * across * q, n, channels)
