"""Plans: every combination once, checked against the digits before anything is trained."""

import pytest

from twofold.data import load_digits
from twofold.errors import DataError, SettingError
from twofold.study import factorial, fresh_rounds


@pytest.fixture(scope="module")
def digits():
    return load_digits("mnist5k")


def test_every_combination_comes_once_in_every_round(digits):
    trials = factorial(digits, rounds=range(3), network=["NetBase", "NetWSAL"], learning_rate=[0.1, 0.2], pairs=100)
    assert len(trials) == len({trial.key for trial in trials}) == 3 * 2 * 2
    assert [trial.round for trial in trials] == sorted(trial.round for trial in trials)


def test_auxiliary_weights_of_a_network_without_auxiliary_losses_are_one_trial(digits):
    trials = factorial(digits, rounds=[0], network=["NetBase", "NetWSAL"], aux_weight=[0.1, 1.0, 10.0])
    assert [(t.network, t.aux_weight) for t in trials] == [("NetBase", 0), *(("NetWSAL", w) for w in (0.1, 1, 10))]


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


def test_validation_pairs_are_what_the_pool_can_spare(digits):
    trials = factorial(digits, rounds=[0], network="NetBase", pairs=[100, 1000, 1250])
    assert [trial.validation_pairs for trial in trials] == [1000, 250, 0]


def test_fresh_rounds_are_none_of_the_search():
    assert set(fresh_rounds(50, searched=1000)).isdisjoint(range(1000))
    assert len(fresh_rounds(50, searched=10)) == 50
    with pytest.raises(SettingError, match=r"`rounds` \(=1001\) reaches into the rounds kept for confirmation"):
        fresh_rounds(50, searched=1001)
    with pytest.raises(SettingError, match=r"`confirm` \(=0\) must be at least 1"):
        fresh_rounds(0, searched=10)
