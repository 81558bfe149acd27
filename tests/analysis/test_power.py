"""Power and the rounds needed: against the noncentral t by hand, by simulation, and at the edges."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from twofold.analysis import AnalysisError, power, power_table, rounds_needed
from twofold.errors import SettingError

Made = Callable[..., pd.DataFrame]


def test_power_is_cohens() -> None:
    """Cohen 1988, table 2.3.5: d = 0.5 in a paired test needs 34 pairs for 80 %, and 44 for 90 %."""
    assert rounds_needed(1.0, 0.5, 0.8) == 34
    assert rounds_needed(1.0, 0.5, 0.9) == 44


@pytest.mark.parametrize(("difference", "n"), [(0.01, 20), (0.03, 10), (0.0, 20)])
def test_power_is_what_happens(difference: float, n: int) -> None:
    draws = np.random.default_rng(11).normal(difference, 0.03, (20_000, n))
    found = (stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean()
    assert power(0.03, difference, n) == pytest.approx(found, abs=0.012)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 10), st.floats(0.05, 2), st.sampled_from([0.5, 0.8, 0.9, 0.99]))
def test_rounds_needed_are_the_fewest(sd: float, size: float, wanted: float) -> None:
    rounds = rounds_needed(sd, size * sd, wanted)
    assert power(sd, size * sd, rounds) >= wanted
    assert rounds == 2 or power(sd, size * sd, rounds - 1) < wanted


def test_edges() -> None:
    assert np.isnan(power(0.1, 0.1, 1))
    assert power(0.0, 0.1, 5) == 1
    assert power(0.0, 0.0, 5) == 0.05
    assert power(1e-18, 0.1, 5) == 1
    assert rounds_needed(0.0, 0.1, 0.9) == 2
    assert power(0.1, -0.05, 20) == power(0.1, 0.05, 20)


@pytest.mark.parametrize("wanted", [0.0, 1.0, 1.2, -0.5])
def test_impossible_powers_are_refused(wanted: float) -> None:
    with pytest.raises(SettingError, match="must lie between 0 and 1"):
        rounds_needed(0.1, 0.1, wanted)


def test_a_difference_of_nothing_is_refused() -> None:
    with pytest.raises(SettingError, match="must not be 0"):
        rounds_needed(0.1, 0.0, 0.8)


def test_too_many_rounds_are_refused() -> None:
    with pytest.raises(AnalysisError, match="needs more than 10,000,000 rounds"):
        rounds_needed(1.0, 1e-6, 0.8)


def test_table_plans_for_the_difference_asked_for(made_up: Made) -> None:
    table = made_up(20)
    rows = power_table(table, 0.01).set_index(["first", "second"])
    errors = table.pivot(index="round", columns="network", values="test_error")
    sd = (errors.NetWSAL - errors.NetAL).std()
    row = rows.loc[("NetAL", "NetWSAL")]
    assert row.sd == pytest.approx(sd)
    assert row.rounds_80 == rounds_needed(sd, 0.01, 0.8) < row.rounds_90
    assert row.power_now == pytest.approx(power(sd, 0.01, 20))
    assert len(rows) == 6


def test_table_plans_for_the_difference_observed(made_up: Made) -> None:
    row = power_table(made_up(20)).iloc[0]
    assert row.difference == abs(row.observed)


def test_gaps_say_what_is_missing(made_up: Made) -> None:
    row = power_table(made_up(1)).iloc[0]
    assert row.note == "1 of the 2 rounds that are needed have both networks"
    assert pd.isna(row.rounds_80)
    same = made_up(3).assign(test_error=0.2)
    assert set(power_table(same).note) == {"no difference to find"}


def test_one_network_is_refused(made_up: Made) -> None:
    with pytest.raises(AnalysisError, match="one network, NetBase"):
        power_table(made_up(3, networks=["NetBase"]))


@pytest.mark.parametrize("difference", [0.0, 1.0, -0.1, 5.0, float("nan")])
def test_differences_are_fractions(made_up: Made, difference: float) -> None:
    with pytest.raises(SettingError, match="must be a fraction between 0 and 1"):
        power_table(made_up(3), difference)
