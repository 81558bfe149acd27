"""The convolutional part of a branch: twice a convolution, max pooling and ReLU.

Every array has a leading axis `g`: one branch that sees all the images (shared weights), or two branches that see half
of them each. On a processor the work is done by `twofold.native.operations`; elsewhere by what is written here, whose
convolutions are matrix products, since those can have an axis of trials more (vmap) at no loss.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from twofold.native import operations as native

# Row and column of the four places of a pooling window.
_PLACES = ((0, 0), (0, 1), (1, 0), (1, 1))


def features(
    images: Float[Array, "g n h w"],
    kernel1: Float[Array, "g 3 3 1 c"],
    bias1: Float[Array, "g c"],
    kernel2: Float[Array, "g 3 3 c d"],
    bias2: Float[Array, "g d"],
) -> Float[Array, "g n features"]:
    """The features of both blocks, in the order (row, column, channel); images must be at least 10 x 10.

    The gradient of a maximum goes to the first of equals, as PyTorch's does (where not all pixels that they see are
    the same, rounding may tell equals apart); the images have none.
    """
    arguments = (images, kernel1, bias1, kernel2, bias2)
    return native.features(*arguments) if native.can_do(*arguments) else portable_features(*arguments)


def portable_features(
    images: Float[Array, "g n h w"],
    kernel1: Float[Array, "g 3 3 1 c"],
    bias1: Float[Array, "g c"],
    kernel2: Float[Array, "g 3 3 c d"],
    bias2: Float[Array, "g d"],
) -> Float[Array, "g n features"]:
    """`features` in operations that every platform has."""
    hidden = _block(jax.lax.stop_gradient(images)[..., None], kernel1, bias1)
    return _block(hidden, kernel2, bias2).reshape(*images.shape[:2], -1)


def pooled_size(height: int, width: int) -> tuple[int, int]:
    """The size after a 3x3 convolution without padding and a 2x2 pooling that drops an odd last row or column."""
    return (height - 2) // 2, (width - 2) // 2


def dense(
    inputs: Float[Array, "g n i"], weight: Float[Array, "g i o"], bias: Float[Array, "g o"]
) -> Float[Array, "g n o"]:
    """A fully connected layer."""
    product = native.product if native.can_multiply(inputs, weight) else jnp.matmul
    return product(inputs, weight) + bias[:, None, :]


def _block(
    inputs: Float[Array, "g n h w c"], kernel: Float[Array, "g 3 3 c d"], bias: Float[Array, "g d"]
) -> Float[Array, "g n rows columns d"]:
    height, width = (size - 2 for size in inputs.shape[2:4])
    seen = [inputs[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    weights = kernel.reshape(len(kernel), 1, 1, -1, kernel.shape[-1])
    hidden = jnp.concatenate(seen, axis=-1) @ weights + bias[:, None, None, None]
    rows, columns = height // 2, width // 2
    places = jnp.stack([hidden[:, :, i : 2 * rows : 2, j : 2 * columns : 2] for i, j in _PLACES])
    winner = places.argmax(axis=0) == jnp.arange(4).reshape(4, 1, 1, 1, 1, 1)
    return jax.nn.relu(jnp.where(winner, places, 0).sum(axis=0))
