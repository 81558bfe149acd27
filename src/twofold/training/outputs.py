"""What trained networks say of pairs of images: for whoever asks them, and not how many they get wrong."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from twofold.data import AnyArray
from twofold.networks.protocol import EVALUATED_AT_ONCE, Structure, Variables
from twofold.training.losses import distances


class Said(NamedTuple):
    """Outputs (see `twofold.networks.protocol.Outputs`) as NumPy arrays, without units."""

    logits: Float[np.ndarray, "n 2"] | None
    class_logits: Float[np.ndarray, "n 2 classes"] | None
    embeddings: Float[np.ndarray, "n 2 d"] | None


def outputs_of(
    structure: Structure,
    variables: Variables,
    images: Float[np.ndarray, "n 2 ..."],
    numbers: Mapping[str, float],
) -> Said:
    """What a network says of n >= 1 pairs of images that are prepared as they were for the training."""
    n = len(images)
    padded = np.pad(images, [(0, -n % EVALUATED_AT_ONCE)] + [(0, 0)] * (images.ndim - 1), mode="edge")
    blocks = jnp.asarray(padded, jnp.float32).reshape(-1, EVALUATED_AT_ONCE, *images.shape[1:])
    said = _said(structure, variables, blocks, dict(numbers))
    return Said(*(None if each is None else np.asarray(each).reshape(-1, *each.shape[2:])[:n] for each in said))


def distances_of(embeddings: Float[np.ndarray, "n 2 d"]) -> Float[np.ndarray, " n"]:
    """The Euclidean distances between both embeddings of each pair, as the threshold was learnt from."""
    return np.asarray(distances(jnp.asarray(embeddings)))


@partial(jax.jit, static_argnums=0)
def _said(
    structure: Structure,
    variables: Variables,
    blocks: Float[AnyArray, "blocks block 2 ..."],
    numbers: Mapping[str, Float[AnyArray, ""]],
) -> tuple[jax.Array | None, ...]:
    def block(images: jax.Array) -> tuple[jax.Array | None, ...]:
        outputs, _ = structure.apply(variables, structure.arrange(images), numbers)
        return outputs.logits, outputs.class_logits, outputs.embeddings

    return jax.lax.map(block, blocks)
