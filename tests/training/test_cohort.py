"""Cohorts: a trial's outcome is its own, whatever trains beside it, on whatever number of devices, in whatever way."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.training.programs import program

from twofold.data import draw_pairs, load_images
from twofold.training import cohort as cohort_module
from twofold.training import engines
from twofold.training.cohort import Job, train_cohorts
from twofold.training.optimizers import OPTIMIZERS
from twofold.training.room import balanced
from twofold.training.run import TrialData, trial_key

pytestmark = pytest.mark.usefixtures("compiled_quickly")
PAIRS, EPOCHS = 50, 2
DIGITS = load_images("mnist5k")
ADAM, SGD = (program(optimizer=name) for name in ("adam", "sgd"))


def pairs_of(round_, split="train"):
    return draw_pairs(DIGITS, seed=1, round=round_, split=split, pairs=PAIRS)


def job(round_, *, learning_rate=0.001, aux_weight=1.0, negative_slope=0.0, epochs=EPOCHS):
    return Job(
        id=round_,
        key=trial_key(1, round_),
        numbers={"learning_rate": learning_rate, "aux_weight": aux_weight, "negative_slope": negative_slope},
        epochs=epochs,
        load=lambda: TrialData(pairs_of(round_), pairs_of(round_, "test")),
    )


def outcomes(jobs, program=ADAM, **options):
    return {job.id: outcome for job, outcome in train_cohorts(program, jobs, **options)}


def assert_same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a.variables, b.variables)
    np.testing.assert_array_equal(a.train_loss, b.train_loss)
    np.testing.assert_array_equal(a.dead_units, b.dead_units)
    assert (a.train_error, a.test_error, a.digit_error) == (b.train_error, b.test_error, b.digit_error)


def test_an_outcome_does_not_depend_on_devices_or_company():
    """Bitwise. Three jobs on two devices also leave a place in the last cohort idle."""
    together = outcomes([job(r) for r in range(3)], devices=jax.devices()[:2])
    other_order = outcomes([job(2, epochs=EPOCHS), job(7, epochs=1, learning_rate=0.1), job(1)])
    for r in range(3):
        assert_same(together[r], outcomes([job(r)], devices=jax.devices()[:1])[r])
    for r in (1, 2):
        assert_same(together[r], other_order[r])


def test_trials_that_a_device_trains_together_come_out_the_same():
    """The way of GPUs (vmap), on a processor: equal up to rounding. By SGD, since Adam makes a step of rounding."""
    jobs = [job(r, learning_rate=1e-4, epochs=3) for r in range(3)]
    ways = [outcomes(jobs, SGD, together=together, devices=jax.devices()[:1]) for together in (1, 2)]
    for r in range(3):
        alone, beside = (way[r] for way in ways)
        np.testing.assert_allclose(alone.train_loss, beside.train_loss, rtol=1e-4)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), alone.variables, beside.variables)


@pytest.mark.parametrize(("fitting", "share", "size"), [(256, 20, 20), (8, 20, 7), (1, 20, 1), (10, 20, 10), (4, 1, 1)])
def test_a_device_makes_room_for_its_share_in_equal_cohorts(fitting, share, size):
    assert balanced(fitting, share) == size


def test_expecting_jobs_changes_no_outcome():
    jobs = [job(r, epochs=1) for r in range(3)]
    plain, expected = outcomes(jobs), outcomes(jobs, expected=3)
    for r in range(3):
        assert_same(plain[r], expected[r])


def test_numbers_are_arguments_of_the_compiled_program():
    """One program per structure and optimizer: other rates, weights, slopes, keys and epochs compile nothing."""
    engines._ENGINES.clear()
    outcomes([job(0)])
    outcomes([job(1, learning_rate=0.01, aux_weight=0.5, negative_slope=0.01, epochs=3)])
    with jax.log_compiles(False), pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.stages.Lowered, "compile", lambda *_: pytest.fail("compiled again"))
        outcomes([job(2, learning_rate=0.005, aux_weight=0.0)])
    assert len(engines._ENGINES) == 1


# One branch or two, in turn: an optimizer's step knows arrays, not networks.
LEARNING = sorted({("adam", "NetWSAL"), ("adam", "NetAL"), *zip(OPTIMIZERS, itertools.cycle(["NetWSAL", "NetAL"]))})


@pytest.mark.parametrize(("optimizer", "network"), LEARNING)
def test_every_optimizer_learns(optimizer, network):
    jobs = [job(0, learning_rate=0.1 if optimizer == "adadelta" else 0.0005, epochs=4)]
    outcome = outcomes(jobs, program(network, optimizer=optimizer))[0]
    assert outcome.train_loss.shape == (4,)
    assert outcome.train_loss[-1] < outcome.train_loss[0]
    assert not outcome.diverged


def test_a_diverged_training_is_an_outcome():
    outcome = outcomes([job(0, learning_rate=1e6)], SGD)[0]
    assert outcome.diverged
    assert not np.isfinite(outcome.train_loss).all()
    # Logits that are not numbers answer with the first, "the relation does not hold".
    assert outcome.test_error == pairs_of(0, "test").targets.mean()


def test_errors_are_those_of_the_network():
    outcome, test = outcomes([job(3)])[3], pairs_of(3, "test")
    outputs = jax.tree.map(
        np.asarray, jax.tree.map(jnp.asarray, outcome.variables.parameters)(jnp.asarray(test.images))
    )
    assert outcome.test_error == (np.argmax(outputs.logits, 1) != test.targets).mean()
    assert outcome.digit_error == (np.argmax(outputs.class_logits, 2) != test.classes).mean()
    np.testing.assert_array_equal(outcome.dead_units, (outputs.class_logits <= 0).all(axis=0).sum(axis=1))


def test_a_trace_ends_with_the_dead_units_of_the_outcome():
    traced = program(trace=True)
    outcome = outcomes([job(0, epochs=3)], traced)[0]
    assert outcome.dead_units_trace.shape == (3, 2)
    np.testing.assert_array_equal(outcome.dead_units_trace[-1], outcome.dead_units)
    assert_same(outcome, outcomes([job(0, epochs=3)])[0])


def test_chunks_of_epochs_change_nothing(monkeypatch):
    """However many epochs fit into a chunk: one at a time, or as many as the buffer holds."""
    slow = outcomes([job(0, epochs=5)])[0]
    monkeypatch.setattr(cohort_module, "_CHUNK_SECONDS", 0.0)
    reported = []
    assert_same(slow, outcomes([job(0, epochs=5)], on_progress=reported.append)[0])
    assert reported == [1] * 5


def test_progress_counts_the_epochs_of_each_trial():
    reported = []
    outcomes([job(0, epochs=3), job(1, epochs=1), job(2, epochs=2)], on_progress=reported.append)
    assert sum(reported) == 6
