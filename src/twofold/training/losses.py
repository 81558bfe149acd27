"""The loss of a batch of pairs (paper, section III)."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from twofold.networks.protocol import Outputs


def pair_loss(
    outputs: Outputs, targets: Int32[Array, " n"], classes: Int32[Array, "n 2"], numbers: Mapping[str, float | Array]
) -> Float[Array, ""]:
    """The cross entropy of the answer plus `aux_weight` times those of both images' classes, means over the batch.

    `numbers` are those of the training, of which `aux_weight` is one. Where it is 0 the class logits take no part, not
    even where they are infinite. A network that names no classes has none.
    """
    if outputs.class_logits is None:
        return cross_entropy(outputs.logits, targets)
    aux_weight = numbers["aux_weight"]
    class_logits = jnp.where(aux_weight > 0, outputs.class_logits, 0.0)
    return cross_entropy(outputs.logits, targets) + aux_weight * 2 * cross_entropy(class_logits, classes)


def cross_entropy(logits: Float[Array, "*n k"], classes: Int32[Array, "*n"]) -> Float[Array, ""]:
    """The mean cross entropy of the softmax of the logits with the classes."""
    # A product with the one-hot classes has a cheaper gradient than picking out an element: no scatter.
    chosen = jax.nn.one_hot(classes, logits.shape[-1], dtype=logits.dtype)
    return -(jax.nn.log_softmax(logits) * chosen).sum(axis=-1).mean()
