"""What the first step of a network of one's own computes: whether it is finite, for which parameters."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from twofold.data import draw_pairs, load_images
from twofold.networks.kinds import own_of
from twofold.settings import Settings
from twofold.training.first_step import first_step


class Distance(eqx.Module):
    """Its branch begins with zeros, so that all distances are 0, where a square root has no gradient."""

    branch: jax.Array
    head: jax.Array
    least: float = eqx.field(static=True)
    shift: float = eqx.field(static=True)

    def __init__(self, least=0.0, shift=0.0, *, key):
        self.branch, self.head = jnp.zeros((8, 196)), jax.random.normal(key, (1,))
        self.least, self.shift = least, shift

    def __call__(self, left, right):
        apart = self.branch @ (left - right).ravel()
        return self.head * jnp.sqrt((apart**2).sum() + self.least) + jnp.log(1 - self.shift + 0 * left.sum())


class Embedding(eqx.Module):
    """Embeddings of unit length, of which black images have none; their other weights are right."""

    branch: eqx.nn.Linear

    def __init__(self, *, key):
        self.branch = eqx.nn.Linear(196, 8, key=key)

    def __call__(self, left, right):
        return tuple(self.branch(each.ravel()) / jnp.linalg.norm(0 * each) for each in (left, right))


@pytest.mark.parametrize(
    ("make", "arguments", "outputs", "lost"),
    [
        (Distance, {}, True, ["branch"]),
        (Distance, {"least": 1e-6}, True, []),
        (Distance, {"shift": 1.0, "least": 1e-6}, False, []),
        (Embedding, {}, False, ["branch.weight", "branch.bias"]),
    ],
)
def test_what_is_not_finite_in_the_first_step_is_told_by_its_parameter(make, arguments, outputs, lost):
    images = load_images("mnist5k")
    own = own_of("Net", make, arguments, images.task)
    settings = Settings(relation="==")
    batch = draw_pairs(images, seed=0, round=0, split="train", pairs=25, relation="==")
    found = first_step(own.structure(settings), settings, 0, batch)
    names = [held.names[0] for held in own.exported.parameters]
    assert found.outputs == outputs
    assert [name for name, finite in zip(names, found.gradients) if not finite] == lost
