"""The layers of a branch, as matrix products.

XLA runs plain matrix products at a processor's full speed and convolutions far below it, so both convolutions
are written as products here. Every array has a leading axis `g`: one branch that sees all the images (shared
weights), or two branches that see half of them each. Max-pooling commutes with adding the bias and with ReLU, so
a block is: products for the four places of each pooling window, their maximum, bias, ReLU.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from twofold.networks.winograd import winograd

# A pooling window of 2x2 outputs of a 3x3 convolution sees 4x4 inputs.
_WINDOW = 4


def pooled_size(height: int, width: int) -> tuple[int, int]:
    """The size after a 3x3 convolution without padding and a 2x2 pooling that drops an odd last row or column."""
    return (height - 2) // 2, (width - 2) // 2


def window_patches(images: Float[Array, "*lead h w"]) -> Float[Array, "*lead rows columns 16"]:
    """The 4x4 pixels that each pooling window after the first convolution sees.

    They depend on the images alone, so a training lays them out once.
    """
    height, width = pooled_size(*images.shape[-2:])
    rows = 2 * np.arange(height)[:, None] + np.arange(_WINDOW)
    columns = 2 * np.arange(width)[:, None] + np.arange(_WINDOW)
    patches = images[..., rows[:, None, :, None], columns[None, :, None, :]]  # ..., h', w', 4, 4
    return patches.reshape(*images.shape[:-2], height, width, _WINDOW**2)


def first_block(
    patches: Float[Array, "g rows columns n 16"],
    kernel: Float[Array, "g 3 3 1 c"],
    bias: Float[Array, "g c"],
) -> Float[Array, "g rows columns n c"]:
    """Convolution, pooling, bias and ReLU on `window_patches` of images of one channel.

    One product with the kernel at its four places in the window gives all that the pooling chooses from.
    """
    g, channels = bias.shape
    places = _kernel_at_four_places(kernel)  # g, 16, 4 * c
    outputs = patches.reshape(g, -1, _WINDOW**2) @ places
    pooled = pool_bias_relu(outputs.reshape(g, -1, 4, channels), bias[:, None, :], 2)
    return pooled.reshape(*patches.shape[:-1], channels)


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
    transform = winograd(m)
    tiles = _tiles(inputs, m)  # g, t * t, tile rows * tile columns, n, c
    across = (height - 2) // m, (width - 2) // m
    spread = _transform(transform.inputs, tiles.reshape(g, tiles.shape[1], -1))
    kernels = _transform(transform.kernel, kernel.reshape(g, 9, -1))
    products = spread.reshape(g, tiles.shape[1], -1, channels) @ kernels.reshape(g, tiles.shape[1], channels, -1)
    outputs = _transform(transform.outputs, products.reshape(g, tiles.shape[1], -1))
    pooled = pool_bias_relu(outputs.reshape(g, 4, -1, kernel.shape[-1]), bias[:, None, :], 1)
    return _windows_in_order(pooled.reshape(g, m // 2, m // 2, *across, n, -1))


def dense(
    inputs: Float[Array, "g n i"], weight: Float[Array, "g i o"], bias: Float[Array, "g o"]
) -> Float[Array, "g n o"]:
    """A fully connected layer."""
    return inputs @ weight + bias[:, None, :]


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def pool_bias_relu(outputs: Array, bias: Array, axis: int) -> Array:
    """ReLU of the bias plus the maximum over `axis`, the four places of a pooling window.

    The gradient goes to the first of equal maxima, as PyTorch's does, and nowhere where the ReLU is shut.
    """
    return _pool_bias_relu_forward(outputs, bias, axis)[0]


def _pool_bias_relu_forward(outputs: Array, bias: Array, axis: int) -> tuple[Array, Array]:
    places = [jax.lax.index_in_dim(outputs, place, axis, keepdims=False) for place in range(4)]
    largest = jnp.maximum(jnp.maximum(places[0], places[1]), jnp.maximum(places[2], places[3]))
    activation = jax.nn.relu(largest + bias)
    winner = jnp.full(largest.shape, 3, jnp.int8)
    for place in (2, 1, 0):
        winner = jnp.where(places[place] == largest, jnp.int8(place), winner)
    return activation, jnp.where(activation > 0, winner, jnp.int8(4))


def _pool_bias_relu_backward(axis: int, winner: Array, gradient: Array) -> tuple[Array, Array]:
    to_places = [jnp.where(winner == place, gradient, 0.0) for place in range(4)]
    to_bias = jnp.where(winner < 4, gradient, 0.0).sum(axis=1, keepdims=True)
    return jnp.stack(to_places, axis), to_bias


pool_bias_relu.defvjp(_pool_bias_relu_forward, _pool_bias_relu_backward)


def _kernel_at_four_places(kernel: Float[Array, "g 3 3 1 c"]) -> Float[Array, "g 16 places"]:
    """The 3x3 kernel embedded into 4x4 at each of the four places of a pooling window, side by side."""
    flat = kernel[:, :, :, 0, :]
    places = [
        jnp.pad(flat, ((0, 0), (row, 1 - row), (column, 1 - column), (0, 0))) for row in range(2) for column in range(2)
    ]
    return jnp.stack(places, axis=3).reshape(kernel.shape[0], _WINDOW**2, -1)


def _transform(matrix: np.ndarray, arrays: Float[Array, "g i x"]) -> Float[Array, "g o x"]:
    """The matrix applied to each branch's array."""
    same_type = jnp.asarray(matrix, arrays.dtype)
    return jnp.broadcast_to(same_type, (arrays.shape[0], *matrix.shape)) @ arrays


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
