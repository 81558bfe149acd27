"""Verdicts by a margin: against Schuirmann's two tests by hand, by simulation, and at the edges."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from twofold.analysis import (
    BETTER,
    EQUIVALENT,
    NOT_DECIDED,
    WORSE,
    choice,
    effects,
    paired_differences,
    power,
    power_of_equivalence,
    power_table,
    rounds_needed,
)
from twofold.analysis.equivalence import p_equivalent
from twofold.errors import SettingError

Made = Callable[..., pd.DataFrame]


def table_of(**errors: np.ndarray) -> pd.DataFrame:
    rows = [(name, number, error) for name, column in errors.items() for number, error in enumerate(column)]
    return pd.DataFrame(rows, columns=["network", "round", "test_error"])


def two(mean: float, sd: float, rounds: int, seed: int = 0) -> pd.DataFrame:
    """Two networks whose differences have this mean and this standard deviation, exactly."""
    noise = np.random.default_rng(seed).normal(size=rounds)
    differences = mean + sd * (noise - noise.mean()) / noise.std(ddof=1)
    return table_of(NetBase=np.full(rounds, 0.2), NetWS=0.2 + differences)


def test_p_is_the_larger_of_two_one_sided_tests() -> None:
    values = np.random.default_rng(0).normal(0.002, 0.01, 15)
    theirs = max(
        stats.ttest_1samp(values, -0.01, alternative="greater").pvalue,
        stats.ttest_1samp(values, 0.01, alternative="less").pvalue,
    )
    error = values.std(ddof=1) / np.sqrt(15)
    assert p_equivalent(np.array([values.mean()]), np.array([error]), np.array([15]), 0.01)[0] == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("mean", "sd", "verdict"),
    [(-0.03, 0.01, BETTER), (0.03, 0.01, WORSE), (0.001, 0.005, EQUIVALENT), (0.005, 0.03, NOT_DECIDED)],
)
def test_the_four_verdicts(mean: float, sd: float, verdict: str) -> None:
    row = paired_differences(two(mean, sd, 20), 0.01).iloc[0]
    assert row.verdict == verdict
    assert pd.isna(row.rounds_to_decide) == (verdict != NOT_DECIDED)
    assert row.equivalence_margin == 0.01


def test_a_difference_that_is_there_and_does_not_matter_is_equivalent() -> None:
    row = paired_differences(two(0.003, 0.002, 20), 0.01).iloc[0]
    assert row.p_holm < 0.05
    assert row.verdict == EQUIVALENT


def test_rounds_to_decide_are_those_of_whichever_test_needs_fewer() -> None:
    """Near 0 equivalence is shown first, beyond the margin a difference."""
    near, beyond = (paired_differences(two(mean, 0.03, 12), 0.01).iloc[0] for mean in (0.0001, 0.012))
    assert power_of_equivalence(0.03, 0.0001, int(near.rounds_to_decide), 0.01) >= 0.8
    assert power(0.03, 0.0001, int(near.rounds_to_decide)) < 0.1
    assert power(0.03, 0.012, int(beyond.rounds_to_decide)) >= 0.8
    assert beyond.rounds_to_decide == rounds_needed(0.03, 0.012, 0.8)


def test_what_five_rounds_cannot_show_is_not_promised_of_five() -> None:
    """A sign-flip test of 6 pairs needs 8 rounds for p < 0.05 after correction."""
    random = np.random.default_rng(3)
    four = {f"N{i}": 0.2 + 0.02 * i + random.normal(0, 0.002, 5) for i in range(4)}
    rows = paired_differences(table_of(**four), 0.001)
    assert (rows.verdict == NOT_DECIDED).all()
    assert (rows.rounds_to_decide >= 8).all()


def test_one_round_has_no_verdict() -> None:
    row = paired_differences(table_of(NetBase=np.array([0.1]), NetWS=np.array([0.2])), 0.01).iloc[0]
    assert row.verdict == ""
    assert pd.isna(row.rounds_to_decide)


def test_without_a_margin_there_are_no_verdicts(made_up: Made) -> None:
    assert "verdict" not in paired_differences(made_up(5))
    assert "verdict" not in effects(made_up(5))
    assert set(effects(made_up(20), 0.01).verdict) <= {BETTER, WORSE, EQUIVALENT, NOT_DECIDED}


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.01, 5.0, float("nan")])
def test_a_margin_is_a_fraction(made_up: Made, margin: float) -> None:
    with pytest.raises(SettingError, match=r"`equivalence_margin` .* must be a fraction"):
        paired_differences(made_up(3), margin)
    with pytest.raises(SettingError, match=r"`equivalence_margin` .* must be a fraction"):
        power_table(made_up(3), 0.01, margin)


def test_settings_are_equivalent_to_the_best_or_open() -> None:
    random = np.random.default_rng(4)
    parts = []
    for rate, mean in ((0.1, 0.100), (0.2, 0.1005), (0.3, 0.2)):
        part = table_of(NetBase=mean + random.normal(0, 0.002, 12))
        parts.append(part.assign(learning_rate=rate))
    table = pd.concat(parts, ignore_index=True)
    assert choice(table, equivalence_margin=0.01).chosen.tolist() == ["best", EQUIVALENT, WORSE]
    assert choice(table, equivalence_margin=0.0001).chosen.tolist() == ["best", NOT_DECIDED, WORSE]
    first = choice(table)
    assert first.chosen.tolist() == ["best", "not shown to be worse", WORSE]
    assert np.isnan(first.at_most[0])
    assert first.behind[1] < first.at_most[1] < 0.01


@pytest.mark.parametrize(("difference", "n"), [(0.0, 10), (0.0, 30), (0.005, 40), (0.01, 20), (0.02, 20)])
def test_power_of_equivalence_is_what_happens(difference: float, n: int) -> None:
    draws = np.random.default_rng(11).normal(difference, 0.015, (20_000, n))
    error = draws.std(axis=1, ddof=1) / np.sqrt(n)
    found = (p_equivalent(draws.mean(axis=1), error, np.full(len(draws), n), 0.01) < 0.05).mean()
    assert power_of_equivalence(0.015, difference, n, 0.01) == pytest.approx(found, abs=0.012)


def test_power_of_equivalence_at_the_edges() -> None:
    assert np.isnan(power_of_equivalence(0.1, 0.0, 1, 0.01))
    assert power_of_equivalence(0.0, 0.005, 5, 0.01) == 1
    assert power_of_equivalence(0.0, 0.02, 5, 0.01) == 0
    assert power_of_equivalence(0.01, 0.0, 2000, 0.01) == pytest.approx(1)
    assert power_of_equivalence(0.01, -0.003, 20, 0.01) == pytest.approx(power_of_equivalence(0.01, 0.003, 20, 0.01))


@given(st.floats(0.001, 0.1), st.floats(-0.05, 0.05), st.integers(2, 100))
def test_equivalence_is_that_the_90_percent_interval_lies_within_the_margin(sd: float, mean: float, n: int) -> None:
    error = sd / np.sqrt(n)
    half = stats.t.ppf(0.95, n - 1) * error
    p = p_equivalent(np.array([mean]), np.array([error]), np.array([n]), 0.02)[0]
    assert (p < 0.05 - 1e-9) <= (mean - half > -0.02 and mean + half < 0.02)
    assert (p > 0.05 + 1e-9) <= (not (mean - half > -0.02 and mean + half < 0.02))


@pytest.mark.parametrize("n", [5, 20])
def test_networks_that_differ_by_the_margin_are_rarely_called_equivalent(n: int) -> None:
    draws = np.random.default_rng(12).normal(0.01, 0.005, (20_000, n))
    error = draws.std(axis=1, ddof=1) / np.sqrt(n)
    found = (p_equivalent(draws.mean(axis=1), error, np.full(len(draws), n), 0.01) < 0.05).mean()
    assert 0.04 <= found <= 0.06


def test_power_tables_count_rounds_that_show_equivalence_too(made_up: Made) -> None:
    table = made_up(20, collapsing=0.0)
    plain, both = power_table(table, 0.001), power_table(table, 0.001, 0.02)
    assert (both.rounds_80 < plain.rounds_80).all()
    assert (both.power_now >= plain.power_now).all()
