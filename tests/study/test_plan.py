"""Plans as products of axes."""

import dataclasses

import numpy as np
import pytest

from twofold.data import load_images
from twofold.errors import DataError, SettingError
from twofold.networks import NETWORKS
from twofold.study import Trial, factorial, fresh_rounds
from twofold.study.plan import in_short, spare_validation_pairs


@pytest.fixture(scope="module")
def digits():
    return load_images("mnist5k")


def test_a_plan_is_every_combination_in_every_round(digits):
    plan = factorial(digits, rounds=range(2, 4), network=list(NETWORKS), optimizer=("sgd", "adam"), epochs=7)
    found = [(trial.round, trial.network, trial.optimizer, trial.epochs) for trial in plan]
    assert found == [(r, n, o, 7) for r in (2, 3) for n in NETWORKS for o in ("sgd", "adam")]


def test_a_plan_knows_its_digits(digits):
    (trial,) = factorial(digits, rounds=[0], network="NetBase")
    assert (trial.data, trial.fingerprint) == ("mnist5k", digits.fingerprint)
    assert dataclasses.replace(trial, validation_pairs=0) == Trial(
        network="NetBase", round=0, data="mnist5k", fingerprint=digits.fingerprint
    )


def test_trials_that_are_the_same_come_once(digits):
    plan = factorial(digits, rounds=[0], network=["NetBase", "NetAL", "NetBase"], aux_weight=[0.5, 1.0])
    assert [(trial.network, trial.aux_weight) for trial in plan] == [("NetBase", 0), ("NetAL", 0.5), ("NetAL", 1)]


def test_numpys_arrays_and_numbers_are_axes_as_well(digits):
    """A notebook makes rates with logspace and rounds with arange."""
    plan = factorial(digits, rounds=range(1), network="NetAL", learning_rate=np.logspace(-3, -1, 3), epochs=np.int64(5))
    assert [trial.learning_rate for trial in plan] == [0.001, 0.01, 0.1]
    plain = factorial(digits, rounds=range(1), network="NetAL", learning_rate=[0.001, 0.01, 0.1], epochs=5)
    assert [trial.key for trial in plan] == [trial.key for trial in plain]


def test_an_empty_axis_is_named(digits):
    with pytest.raises(SettingError, match="`network` is empty; give at least one value"):
        factorial(digits, rounds=[0], network=[])


@pytest.mark.parametrize(("pairs", "spare"), [(100, 1000), (250, 1000), (1000, 250), (1250, 0), (2000, 0)])
def test_validation_pairs_are_1000_or_what_the_pool_can_spare(digits, pairs, spare):
    """mnist5k has 2500 training digits, two a pair."""
    assert spare_validation_pairs(digits, pairs) == spare
    if pairs <= 1250:
        (trial,) = factorial(digits, rounds=[0], network="NetWS", pairs=pairs)
        assert trial.validation_pairs == spare


def test_validation_pairs_can_be_asked_for(digits):
    (trial,) = factorial(digits, rounds=[0], network="NetWS", validation_pairs=7)
    assert trial.validation_pairs == 7


@pytest.mark.parametrize("pairs", [0, -25])
def test_pairs_that_cannot_be_are_named(digits, pairs):
    with pytest.raises(SettingError, match=r"`pairs` .* must be at least 1"):
        factorial(digits, rounds=[0], network="NetWS", pairs=pairs)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"pairs": [100, 3000]}, r"`pairs` \(=3000\) takes 6000 training digits, but mnist5k has 2500; .* 1250"),
        ({"pairs": 1000, "validation_pairs": 251}, r"`validation_pairs` \(=251\) takes 2502 .* at most 250"),
        ({"pairs": 1000, "test_pairs": 2000}, r"`test_pairs` \(=2000\) takes 4000 test digits"),
    ],
)
def test_too_few_digits_are_an_error_before_anything_is_trained(digits, axes, message):
    with pytest.raises(DataError, match=message):
        factorial(digits, rounds=[0], network="NetBase", **axes)


def test_fresh_rounds_are_none_of_the_search():
    assert set(fresh_rounds(50, searched=1000)).isdisjoint(range(1000))
    assert len(fresh_rounds(50, searched=10)) == 50
    with pytest.raises(SettingError, match=r"`rounds` \(=1001\) reaches into the rounds kept for confirmation"):
        fresh_rounds(50, searched=1001)
    with pytest.raises(SettingError, match=r"`confirm` \(=0\) must be at least 1"):
        fresh_rounds(0, searched=10)


def test_what_a_plan_is_in_short():
    networks, rates = ["NetBase", "NetAL"], [0.001 * number for number in range(1, 21)]
    told = in_short(
        factorial(load_images("mnist5k"), rounds=range(3, 9), network=networks, learning_rate=rates, epochs=5)
    )
    assert told == {
        "network": networks,
        "data": ["mnist5k"],
        "round": [3, 8],
        "learning_rate": rates[:8],
        "epochs": [5],
    }
