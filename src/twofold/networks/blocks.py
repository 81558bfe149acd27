"""Layers of a branch, of operations that are as fast as the machine allows (see `twofold.native.operations`)."""

from jaxtyping import Array, Float

from twofold.native import operations


def pooled_size(height: int, width: int) -> tuple[int, int]:
    """The size after a 3x3 convolution without padding and a 2x2 pooling that drops an odd last row or column."""
    return (height - 2) // 2, (width - 2) // 2


def dense(
    inputs: Float[Array, "g n i"], weight: Float[Array, "g i o"], bias: Float[Array, "g o"]
) -> Float[Array, "g n o"]:
    """A fully connected layer."""
    return operations.product(inputs, weight) + bias[:, None, :]
