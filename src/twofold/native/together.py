"""What the paper's networks compute on a device that trains many trials together, such as a GPU.

An axis of trials comes before all others (vmap). Each product is written in the order in which its factors and its
result lie in memory, its gradients too, so that nothing large is transposed; where pooling finds its winners is kept
as bytes. What a step is made of stands in docs/gpu.md.
"""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from twofold.native.pooling import Windows, max_along

# The four places of a pooling window: one axis.
_WINDOW = Windows(size=4, stride=4, dilation=1, low=0, high=0, number=1)

# Row and column, in a window or beside it.
_PLACES = tuple(itertools.product(range(2), range(2)))
_KERNEL = tuple(itertools.product(range(3), range(3)))
_SEEN = tuple(itertools.product(range(4), range(4)))


@jax.custom_vjp
def product(inputs: Float[Array, "g m i"], weight: Float[Array, "g i o"]) -> Float[Array, "g m o"]:
    """The product of rows with a matrix; there is no second derivative."""
    return jnp.einsum("gmi,gio->gmo", inputs, weight)


def _forward(inputs: Any, weight: Any) -> tuple[Array, tuple[Array, Array | None]]:
    needed = weight.value if inputs.perturbed else None  # images get no gradient
    return product(inputs.value, weight.value), (inputs.value, needed)


def _backward(kept: tuple[Array, Array | None], gradient: Array) -> tuple[Array | None, Array]:
    inputs, weight = kept
    to_inputs = None if weight is None else jnp.einsum("gmo,gio->gmi", gradient, weight)
    return to_inputs, jnp.einsum("gmi,gmo->gio", inputs, gradient)


product.defvjp(_forward, _backward, symbolic_zeros=True)


def block(
    inputs: Float[Array, "g n h w c"], kernel: Float[Array, "g 3 3 c d"], bias: Float[Array, "g d"]
) -> Float[Array, "g n rows columns d"]:
    """A convolution, 2x2 max pooling and ReLU; the gradient of a maximum goes to the first of equals."""
    g, n, height, width, channels = inputs.shape
    rows, columns, outputs = (height - 2) // 2, (width - 2) // 2, kernel.shape[-1]
    take = _of_one_channel if channels == 1 else _of_channels
    places = take(inputs, kernel, rows, columns).reshape(g, -1, len(_PLACES), outputs)
    # The bias is the same at all places of a window, and so added once.
    largest = max_along(places, 2, _WINDOW).reshape(g, n, rows, columns, outputs)
    return jax.nn.relu(largest + bias[:, None, None, None])


def _of_channels(inputs: Array, kernel: Array, rows: int, columns: int) -> Array:
    """The convolution, with the places of a window next to each other: each has nine pixels as its row."""
    seen = _pixels(inputs, rows, columns)
    patches = [seen[i + k, j + m] for i, j in _PLACES for k, m in _KERNEL]
    size = len(_KERNEL) * inputs.shape[-1]
    joined = jnp.concatenate(patches, axis=-1).reshape(len(inputs), -1, size)
    return product(joined, kernel.reshape(len(kernel), size, -1))


def _of_one_channel(inputs: Array, kernel: Array, rows: int, columns: int) -> Array:
    """The same with all that a window sees, 4x4 pixels, as one row, and the kernel four times in a matrix.

    With so few channels more products with zeros cost less than larger patches: a device waits for its memory here.
    """
    seen = _pixels(inputs, rows, columns)
    joined = jnp.concatenate([seen[place] for place in _SEEN], axis=-1).reshape(len(inputs), -1, len(_SEEN))
    moved = [jnp.pad(kernel, ((0, 0), (i, 1 - i), (j, 1 - j), (0, 0), (0, 0))) for i, j in _PLACES]
    return product(joined, jnp.concatenate(moved, axis=-1).reshape(len(kernel), len(_SEEN), -1))


def _pixels(inputs: Array, rows: int, columns: int) -> dict[tuple[int, int], Array]:
    """For each place of the 4x4 pixels that a pooling window sees, what is there for all windows."""
    g, n, _, _, channels = inputs.shape
    return {
        (i, j): jax.lax.slice(
            inputs, (0, 0, i, j, 0), (g, n, i + 2 * rows - 1, j + 2 * columns - 1, channels), (1, 1, 2, 2, 1)
        )
        for i, j in _SEEN
    }
