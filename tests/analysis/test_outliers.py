"""Outliers: Rosner's test by its own example, its false alarms and its finds by simulation, and the way to chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tests.campaigns.coverage import CHANCE, DRAWS

from twofold.analysis import outlier_limit
from twofold.analysis.outliers import FALSE_ALARM


def test_the_limit_is_rosners() -> None:
    """The largest of n is an outlier where its distance in standard deviations passes Rosner's critical value."""
    random = np.random.default_rng(0)
    for largest in np.linspace(0.16, 0.3, 200):
        errors = np.append(random.normal(0.15, 0.01, 12), largest)
        scale = np.sort(np.arcsin(np.sqrt(errors)))
        n = len(scale)
        distance = (scale[-1] - scale.mean()) / scale.std(ddof=1)
        t = stats.t.ppf(1 - FALSE_ALARM / n, n - 2)
        critical = (n - 1) * t / np.sqrt((n - 2 + t**2) * n)
        assert ((errors > outlier_limit(errors)).any()) == (distance > critical)


def test_several_do_not_hide_one_another() -> None:
    errors = np.array([0.15, 0.16, 0.14, 0.155, 0.17, 0.148, 0.152, 0.45, 0.46, 0.44])
    assert (errors > outlier_limit(errors, CHANCE)).sum() == 3


def test_what_is_good_all_the_same_is_no_outlier() -> None:
    """One round errs on one pair of 50, the others on none: that is not a way to chance."""
    errors = np.array([0.0] * 9 + [0.02])
    assert (errors > outlier_limit(errors)).sum() == 1
    assert outlier_limit(errors, CHANCE) == pytest.approx(0.25 * CHANCE)


def test_where_most_rounds_went_wrong_none_is_an_outlier() -> None:
    errors = np.array([0.15, 0.16, 0.44, 0.45, 0.46, 0.45, 0.44])
    assert not (errors > outlier_limit(errors, CHANCE)).any()


@pytest.mark.parametrize("errors", [[], [0.1], [0.1, 0.9]])
def test_fewer_than_three_rounds_tell_of_none(errors: list[float]) -> None:
    assert np.isnan(outlier_limit(np.array(errors), CHANCE))


@given(st.lists(st.integers(0, 1000).map(lambda wrong: wrong / 1000), min_size=3, max_size=40), st.randoms())
def test_the_order_of_rounds_changes_nothing(errors: list[float], random: object) -> None:
    limit = outlier_limit(np.array(errors), CHANCE)
    shuffled = list(errors)
    random.shuffle(shuffled)
    assert outlier_limit(np.array(shuffled), CHANCE) == limit
    assert 0 <= limit <= 1


@pytest.mark.parametrize("n", [5, 20, 50])
@pytest.mark.parametrize("name", ["healthy, 15 %", "0.2 %", "0.02 %"])
def test_false_alarms_are_rare(name: str, n: int) -> None:
    errors = DRAWS[name][0](np.random.default_rng(2), (600, n))
    assert np.mean([(row > outlier_limit(row, CHANCE)).any() for row in errors]) <= 0.02


def test_collapsed_rounds_are_found() -> None:
    errors = DRAWS["NetBase of the paper"][0](np.random.default_rng(3), (200, 20))
    gone, found = errors > 0.25, np.array([row > outlier_limit(row, CHANCE) for row in errors])
    assert found[gone].mean() > 0.9
    assert found[~gone].mean() < 0.002
