"""The loss of a batch of pairs (paper, section III), and what embeddings are trained and answer by."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from twofold.networks.protocol import Outputs


def pair_loss(
    outputs: Outputs, targets: Int32[Array, " n"], classes: Int32[Array, "n 2"], numbers: Mapping[str, float | Array]
) -> Float[Array, ""]:
    """The cross entropy of the answer plus `aux_weight` times those of both images' classes, means over the batch.

    `numbers` are those of the training, of which `aux_weight` is one. Where it is 0 the class logits take no part, not
    even where they are infinite. A network that names no classes has none. Embeddings have the contrastive loss.
    """
    if outputs.embeddings is not None:
        alike = targets == numbers["alike"]
        return contrastive_loss(outputs.embeddings, alike, numbers["contrastive_margin"])
    if outputs.logits is None:
        raise TypeError("a network has to give logits or embeddings")
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


def contrastive_loss(
    embeddings: Float[Array, "n 2 d"], alike: Bool[Array, " n"], margin: float | Float[Array, ""]
) -> Float[Array, ""]:
    """The mean over pairs of (1 - Y) D^2 / 2 + Y max(0, margin - D)^2 / 2, where D is the distance and Y is 0 of pairs
    that are alike (Hadsell, Chopra and LeCun 2006, equation 4)."""
    lacking = jnp.maximum(0.0, margin - distances(embeddings))
    return jnp.where(alike, _squared_distances(embeddings), lacking**2).mean() / 2


def distances(embeddings: Float[Array, "n 2 d"]) -> Float[Array, " n"]:
    """The Euclidean distances between both embeddings of each pair; the gradient of one that is 0 is 0."""
    squared = _squared_distances(embeddings)
    there = squared > 0
    # Both times: the gradient of a square root at 0 is infinite even where it is not chosen.
    return jnp.where(there, jnp.sqrt(jnp.where(there, squared, 1.0)), squared)


def _squared_distances(embeddings: Float[Array, "n 2 d"]) -> Float[Array, " n"]:
    return ((embeddings[:, 0] - embeddings[:, 1]) ** 2).sum(axis=-1)


def learnt_threshold(found: Float[Array, " n"], alike: Bool[Array, " n"]) -> Float[Array, ""]:
    """The distance below which pairs are taken to be alike with the fewest errors among these.

    It is in the middle between two neighbouring distances, between 0 and the smallest (then none is alike), or between
    the largest and its double (then all are); of several as good it is the smallest. It is not a number where one of
    the distances is not finite.
    """
    order = jnp.argsort(found)
    ordered, alike = found[order], alike[order]
    # Where it is above the first 0, 1, ..., n distances: those of them that are not alike, and those beyond that are.
    errors = _sums(~alike) + alike.sum() - _sums(alike)
    low, high = jnp.append(0.0, ordered), jnp.append(ordered, jnp.where(ordered[-1] > 0, 2 * ordered[-1], 1.0))
    between = (low < high).at[0].set(True)  # there is no threshold between distances that are the same
    best = jnp.where(between, errors, len(found) + 1).argmin()
    middle = low[best] + (high[best] - low[best]) / 2
    # Between two numbers without another the upper one leaves itself out.
    threshold = jnp.where(middle > low[best], middle, high[best])
    return jnp.where(jnp.isfinite(found).all(), threshold, jnp.nan)


def _sums(flags: Bool[Array, " n"]) -> Int32[Array, " m"]:
    """How many of the first 0, 1, ..., n flags are set."""
    return jnp.append(0, jnp.cumsum(flags, dtype=jnp.int32))
