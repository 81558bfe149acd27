"""One training as pure functions, and its loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.training.programs import arguments, program

from twofold.data import draw_pairs, load_images
from twofold.native import quickly
from twofold.networks.paper import init_network
from twofold.networks.protocol import Outputs, Variables
from twofold.training.losses import cross_entropy, pair_loss
from twofold.training.run import _SHUFFLING_STREAM, evaluate, start, train_epochs, trial_key

ADAM = program()
PAIRS = draw_pairs(load_images("mnist5k"), seed=2, round=0, split="train", pairs=75)
START, TRAIN, EVALUATE = (
    jax.jit(function, static_argnums=0, compiler_options=quickly.OPTIONS)
    for function in (start, train_epochs, evaluate)
)


def settings(round_=0, seed=0):
    return arguments(trial_key(seed, round_))


def trained(program, epochs=2, numbers=None):
    numbers = numbers or settings()
    state, batches = START(program, numbers, PAIRS)
    return TRAIN(program, state, numbers, PAIRS, batches, PAIRS, jnp.int32(epochs))


def test_cross_entropy_by_hand():
    logits = jnp.log(jnp.array([[0.2, 0.8], [0.5, 0.5]]))
    np.testing.assert_allclose(cross_entropy(logits, jnp.array([1, 0])), -(np.log(0.8) + np.log(0.5)) / 2, rtol=1e-6)


def test_the_loss_adds_a_mean_for_each_digit():
    """CE(main) + weight * (CE(first digit) + CE(second digit)), each a mean over the batch (paper, section III)."""
    keys = jax.random.split(jax.random.key(0), 4)
    outputs = Outputs(jax.random.normal(keys[0], (6, 2)), jax.random.normal(keys[1], (6, 2, 10)), units=())
    targets, classes = jax.random.randint(keys[2], (6,), 0, 2), jax.random.randint(keys[3], (6, 2), 0, 10)
    digits = [cross_entropy(outputs.class_logits[:, side], classes[:, side]) for side in (0, 1)]
    expected = cross_entropy(outputs.logits, targets) + 0.3 * (digits[0] + digits[1])
    np.testing.assert_allclose(pair_loss(outputs, targets, classes, {"aux_weight": 0.3}), expected, rtol=1e-6)


def test_without_auxiliary_losses_class_logits_do_not_matter():
    outputs = Outputs(jnp.zeros((4, 2)), jnp.full((4, 2, 10), jnp.inf), units=())
    loss = pair_loss(outputs, jnp.zeros(4, jnp.int32), jnp.zeros((4, 2), jnp.int32), {"aux_weight": 0.0})
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)


def test_training_stops_at_the_last_epoch():
    state, chunk = trained(ADAM, epochs=9)
    assert state.epoch == 4
    assert (chunk.losses[:4] > 0).all()
    assert (chunk.losses[4:] == 0).all()


def test_epochs_in_one_chunk_or_two_are_the_same():
    numbers = settings()
    state, batches = START(ADAM, numbers, PAIRS)
    for epochs in (1, 2):
        state, _ = TRAIN(ADAM, state, numbers, PAIRS, batches, PAIRS, jnp.int32(epochs))
    once, _ = trained(ADAM, epochs=3)
    jax.tree.map(np.testing.assert_array_equal, state, once)


def test_shuffling_takes_every_pair_once_in_an_order_of_its_own():
    """Shuffled batches are other steps; with a single batch of all pairs the order is all but irrelevant."""
    shuffle = program(shuffle=True)
    (plain, _), (mixed, _) = trained(ADAM), trained(shuffle)
    assert not np.array_equal(plain.variables.parameters.head1.weight, mixed.variables.parameters.head1.weight)
    whole = [trained(program(batch_size=75, shuffle=s), epochs=1)[1].losses[0] for s in (False, True)]
    np.testing.assert_allclose(*whole, rtol=1e-5)


def test_no_epoch_shuffles_with_a_key_that_drew_weights():
    """A key split in six is its own fold with 0 to 5: shuffling has to leave these alone."""
    key = jax.random.wrap_key_data(jnp.asarray(trial_key(0, 0)), impl="threefry2x32")
    stream = jax.random.fold_in(key, _SHUFFLING_STREAM)
    of_weights = {tuple(np.asarray(jax.random.key_data(k))) for k in jax.random.split(key, 6)}
    of_epochs = [tuple(np.asarray(jax.random.key_data(jax.random.fold_in(stream, e)))) for e in range(100)]
    assert not of_weights & {*of_epochs, tuple(np.asarray(jax.random.key_data(stream)))}
    assert len(set(of_epochs)) == 100


def test_the_key_decides_the_initial_weights():
    numbers = [settings(round_=0), settings(round_=1), settings(seed=1)]
    weights = [START(ADAM, number, PAIRS)[0].variables.parameters.conv1.weight for number in numbers]
    assert not np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])
    np.testing.assert_array_equal(trial_key(3, 4), trial_key(3, 4))


@pytest.mark.parametrize("pairs", [1, 49, 50, 75])
def test_evaluation_in_blocks_counts_every_pair_once(pairs):
    network = init_network(jax.random.key(0), weight_sharing=False)
    some = type(PAIRS)(*(jnp.asarray(array[:pairs]) for array in PAIRS))
    outputs = jax.jit(lambda images: network(images), compiler_options=quickly.OPTIONS)(some.images)
    evaluation = EVALUATE(program("NetBase"), Variables(network), some, {"negative_slope": 0.0})
    np.testing.assert_array_equal(evaluation.wrong, outputs.logits.argmax(1) != some.targets)
    assert evaluation.wrong_classes == (outputs.class_logits.argmax(2) != some.classes).sum()
    np.testing.assert_array_equal(evaluation.dead_units, (outputs.class_logits <= 0).all(axis=0).sum(axis=1))
