"""The plain formulation of the network: library convolutions and pooling. The oracle for the fast one."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from twofold.networks.paper import PairNetwork
from twofold.networks.protocol import Outputs


def plain_block(inputs: Float[Array, "n h w c"], kernel: Float[Array, "3 3 c d"], bias: Float[Array, " d"]) -> Array:
    """Convolution without padding, max pooling that drops an odd last row or column, ReLU."""
    hidden = jax.lax.conv_general_dilated(
        inputs, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
    )
    pooled = jax.lax.reduce_window(hidden + bias, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return jax.nn.relu(pooled)


def plain_branch(network: PairNetwork, branch: int, images: Float[Array, "n h w"]) -> Float[Array, "n 10"]:
    """The ten bottleneck units of one branch, before their activation."""
    w = jax.tree.map(lambda leaf: leaf[min(branch, leaf.shape[0] - 1)], network)
    hidden = plain_block(images[..., None], w.conv1.weight, w.conv1.bias)
    hidden = plain_block(hidden, w.conv2.weight, w.conv2.bias)
    hidden = jax.nn.relu(hidden.reshape(len(images), -1) @ w.dense1.weight + w.dense1.bias)
    return hidden @ w.dense2.weight + w.dense2.bias


def plain_network(network: PairNetwork, images: Float[Array, "n 2 h w"], negative_slope: float = 0.0) -> Outputs:
    """The outputs for n pairs."""
    digits = jnp.stack([plain_branch(network, side, images[:, side]) for side in (0, 1)], axis=1)
    both = jax.nn.leaky_relu(digits, negative_slope).reshape(len(images), -1)
    hidden = jax.nn.relu(both @ network.head1.weight[0] + network.head1.bias[0])
    return Outputs(hidden @ network.head2.weight[0] + network.head2.bias[0], digits, units=digits)
