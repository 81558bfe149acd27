"""The contrastive loss, the distances that it is of, and the threshold on them that answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.networks.protocol import Outputs
from twofold.training.losses import contrastive_loss, distances, learnt_threshold, pair_loss

RANDOM = np.random.default_rng(0)
EMBEDDINGS = RANDOM.normal(size=(40, 2, 3)).astype(np.float32)
ALIKE = RANDOM.random(40) < 0.5


def by_the_formula(embeddings, alike, margin):
    """Hadsell, Chopra and LeCun 2006, equation 4, in double precision."""
    d = np.sqrt(((embeddings[:, 0].astype(float) - embeddings[:, 1]) ** 2).sum(-1))
    y = 1.0 - alike
    return ((1 - y) / 2 * d**2 + y / 2 * np.maximum(0, margin - d) ** 2).mean()


@pytest.mark.parametrize("margin", [0.5, 1.0, 2.0, 10.0])
def test_the_contrastive_loss_is_that_of_the_paper(margin):
    found = contrastive_loss(jnp.asarray(EMBEDDINGS), jnp.asarray(ALIKE), margin)
    np.testing.assert_allclose(found, by_the_formula(EMBEDDINGS, ALIKE, margin), rtol=1e-5)


@pytest.mark.parametrize("margin", [1.0, 3.0])
def test_its_gradient_is_pytorchs(margin):
    torch = pytest.importorskip("torch")
    theirs = torch.tensor(EMBEDDINGS, dtype=torch.float64, requires_grad=True)
    d = (theirs[:, 0] - theirs[:, 1]).norm(dim=1)
    y = torch.tensor(~ALIKE, dtype=torch.float64)
    ((1 - y) / 2 * d**2 + y / 2 * torch.relu(margin - d) ** 2).mean().backward()
    ours = jax.grad(contrastive_loss)(jnp.asarray(EMBEDDINGS), jnp.asarray(ALIKE), margin)
    np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("alike", [True, False])
def test_at_a_distance_of_0_the_gradient_is_0(alike):
    same = jnp.ones((4, 2, 3))
    np.testing.assert_array_equal(distances(same), np.zeros(4))
    np.testing.assert_array_equal(jax.grad(contrastive_loss)(same, jnp.full(4, alike), 1.0), np.zeros((4, 2, 3)))


@pytest.mark.parametrize("alike", [0, 1])
def test_pairs_are_alike_that_have_the_answer_of_alike_ones(alike):
    targets = jnp.asarray(ALIKE, jnp.int32) if alike else 1 - jnp.asarray(ALIKE, jnp.int32)
    outputs = Outputs(None, None, (), jnp.asarray(EMBEDDINGS))
    numbers = {"aux_weight": 1.0, "contrastive_margin": 2.0, "alike": float(alike)}
    found = pair_loss(outputs, targets, jnp.zeros((40, 2), jnp.int32), numbers)
    np.testing.assert_allclose(found, by_the_formula(EMBEDDINGS, ALIKE, 2.0), rtol=1e-5)


def test_what_gives_neither_an_answer_nor_embeddings_has_no_loss():
    with pytest.raises(TypeError, match="logits or embeddings"):
        pair_loss(Outputs(None, None, ()), jnp.zeros(4, jnp.int32), jnp.zeros((4, 2), jnp.int32), {})


def by_trying_all(found, alike):
    """The fewest errors of all thresholds; of the first with so few the distance that it is above, and the next."""
    above = np.array([-1.0, *np.unique(found), np.inf])
    errors = [int(((found <= distance) != alike).sum()) for distance in above[:-1]]
    best = int(np.argmin(errors))
    return errors[best], above[best], above[best + 1]


# Few values, so that distances are equal often, and some that nothing lies between.
DISTANCE = st.sampled_from([0.0, 0.5, 1.0, float(np.nextafter(np.float32(1), np.float32(2))), 3.0]) | st.floats(
    0.0, 1e6, width=32, allow_subnormal=False
)
learnt = jax.jit(learnt_threshold)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(DISTANCE, st.booleans()), min_size=6, max_size=6))
def test_no_threshold_makes_fewer_errors_than_the_learnt_one(pairs):
    found = np.array([distance for distance, _ in pairs], np.float32)
    alike = np.array([each for _, each in pairs])
    threshold = np.float32(learnt(found, alike))
    fewest, below, nearest = by_trying_all(found, alike)
    assert int(((found < threshold) != alike).sum()) == fewest
    assert below < threshold <= nearest


@pytest.mark.parametrize(
    ("found", "alike", "threshold"),
    [
        ([3.0, 1.0, 2.0, 6.0], [0, 1, 1, 0], 2.5),
        ([1.0, 2.0, 3.0, 4.0], [0, 0, 0, 0], 0.5),
        ([1.0, 2.0, 3.0, 4.0], [1, 1, 1, 1], 6.0),
        ([1.0, 2.0, 3.0, 4.0], [1, 0, 1, 0], 1.5),  # as good as 3.5
        ([0.0, 0.0, 0.0, 0.0], [0, 0, 0, 0], 0.0),
        ([0.0, 0.0, 0.0, 0.0], [1, 1, 1, 1], 0.5),
        ([1.0, np.nan, 3.0, 4.0], [1, 1, 0, 0], np.nan),
        ([1.0, 2.0, 3.0, np.inf], [1, 1, 0, 0], np.nan),
    ],
)
def test_thresholds_by_hand(found, alike, threshold):
    np.testing.assert_equal(float(learnt_threshold(jnp.array(found), jnp.array(alike, bool))), threshold)
