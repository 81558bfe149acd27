"""Intervals of all differences at once: against Student's and Tukey's, by their properties, and by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.campaigns.coverage import FOUR

from twofold.analysis.simultaneous import half_widths


def errors_of(seed: int, rounds: int, networks: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(0.2, 0.02, (rounds, 1)) + random.normal(0, 0.01, (rounds, networks))


def critical(errors: np.ndarray) -> np.ndarray:
    """The half-widths in standard errors."""
    n = len(errors)
    first, second = np.triu_indices(errors.shape[1], 1)
    error = (errors[:, second] - errors[:, first]).std(axis=0, ddof=1) / np.sqrt(n)
    return half_widths(errors)[first, second] / error


def test_two_networks_have_students_interval() -> None:
    assert critical(errors_of(0, 12, 2)) == pytest.approx(stats.t.ppf(0.975, 11))


def test_many_rounds_of_equal_networks_have_tukeys_range() -> None:
    """Differences of independent errors of one variance: the quantile of the studentised range over sqrt(2)."""
    found = critical(np.random.default_rng(0).normal(0, 1, (3000, 5)))
    assert found == pytest.approx(stats.studentized_range.ppf(0.95, 5, np.inf) / np.sqrt(2), rel=0.01)


@pytest.mark.parametrize("rounds", [3, 5, 20])
def test_it_lies_between_students_and_bonferronis(rounds: int) -> None:
    found = critical(errors_of(1, rounds, 4))
    assert len(set(np.round(found, 9))) == 1
    assert stats.t.ppf(0.975, rounds - 1) < found[0] < stats.t.ppf(1 - 0.025 / 6, rounds - 1)


def test_rounds_that_lack_a_network_leave_sidaks() -> None:
    errors = errors_of(2, 10, 3)
    errors[:4, 2] = np.nan
    half = half_widths(errors)
    quantile = stats.t.ppf((1 + 0.95 ** (1 / 3)) / 2, [9, 5])
    whole, part = errors[:, 1] - errors[:, 0], errors[4:, 2] - errors[4:, 0]
    expected = quantile * [whole.std(ddof=1) / np.sqrt(10), part.std(ddof=1) / np.sqrt(6)]
    assert [half[0, 1], half[0, 2]] == pytest.approx(expected)
    errors[1:] = np.nan
    assert np.isnan(half_widths(errors)).all()


def test_networks_that_differ_by_the_same_in_all_rounds_have_no_doubt() -> None:
    errors = errors_of(3, 10, 2)
    three = np.column_stack([errors, errors[:, 0] + 0.1])
    half = half_widths(three)
    assert half[0, 2] == pytest.approx(0, abs=1e-12)
    assert half[0, 1] == pytest.approx(half[1, 2])
    assert half_widths(np.full((5, 4), 0.2))[0, 1] == 0


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(8)))
def test_the_order_of_rounds_changes_nothing(order: list[int]) -> None:
    errors = errors_of(4, 8, 4)
    assert half_widths(errors[order]) == pytest.approx(half_widths(errors), rel=1e-6, nan_ok=True)


@pytest.mark.parametrize(("name", "n"), [("healthy", 5), ("equal networks", 20)])
def test_all_six_intervals_hold_in_95_percent(name: str, n: int) -> None:
    random = np.random.default_rng(5)
    truth = {"healthy": np.array([0.165, 0.155, 0.069, 0.061]), "equal networks": np.zeros(4)}[name]
    first, second = np.triu_indices(4, 1)
    held = []
    for _ in range(300):
        errors = FOUR[name](random, n)
        away = (errors[:, second] - errors[:, first]).mean(axis=0) - (truth[second] - truth[first])
        held.append((np.abs(away) <= half_widths(errors)[first, second]).all())
    assert 0.91 <= np.mean(held) <= 0.98
