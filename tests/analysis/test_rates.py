"""Intervals of shares: by their formula, within 0 and 1, and by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tests.campaigns.coverage import DRAWS, ours

from twofold.analysis import mean_interval

RATES = st.integers(0, 100_000).map(lambda wrong: wrong / 100_000)


def test_it_is_wilsons_of_as_many_pairs_as_have_the_standard_error() -> None:
    """With the score's equation: (rate - mean)^2 = t^2 rate (1 - rate) / n (Wilson 1927)."""
    mean, sd, rounds = 0.17, 0.08, 20
    effective = rounds * mean * (1 - mean) / sd**2
    t = stats.t.ppf(0.975, rounds - 1)
    for end in mean_interval(mean, sd, rounds, 1000.0):
        assert (end - mean) ** 2 == pytest.approx(t**2 * end * (1 - end) / effective)


@given(RATES, st.floats(0, 0.7), st.integers(2, 200), st.sampled_from([np.nan, 50.0, 1000.0]))
def test_it_lies_between_0_and_1_about_the_mean(mean: float, sd: float, rounds: int, pairs: float) -> None:
    low, high = mean_interval(mean, sd, rounds, pairs)
    assert -1e-12 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= 1 + 1e-12


@given(RATES, st.floats(0, 0.5), st.integers(2, 100))
def test_errors_and_right_answers_have_one_interval(mean: float, sd: float, rounds: int) -> None:
    low, high = mean_interval(mean, sd, rounds, 100.0)
    assert mean_interval(1 - mean, sd, rounds, 100.0) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_more_spread_or_fewer_rounds_make_it_wider() -> None:
    def width(sd: float, rounds: int) -> float:
        low, high = mean_interval(0.2, sd, rounds, 1000.0)
        return high - low

    assert width(0.02, 20) < width(0.03, 20) < width(0.03, 10)


def test_pairs_that_are_not_known_leave_equal_errors_without_doubt() -> None:
    assert mean_interval(0.2, 0.0, 5) == (0.2, 0.2)
    assert mean_interval(0.0, 0.0, 5, 1000.0)[1] > 0
    assert np.isnan(mean_interval(0.2, 0.1, 1)).all()


@pytest.mark.parametrize(
    ("name", "n", "least", "most"),
    [
        ("healthy, 15 %", 5, 94.0, 97.5),
        ("healthy, 15 %", 20, 93.5, 97.0),
        ("0.2 %", 5, 94.0, 99.5),
        ("0.02 %", 5, 94.0, 100.0),
        ("5 % of rounds collapse to 50 %", 100, 90.0, 97.0),
        ("NetBase of the paper", 50, 91.0, 97.0),
    ],
)
def test_it_covers_the_mean_as_docs_say(name: str, n: int, least: float, most: float) -> None:
    draw, truth = DRAWS[name]
    low, high = ours(draw(np.random.default_rng(1), (3000, n)))
    assert least <= 100 * ((low <= truth) & (truth <= high)).mean() <= most
