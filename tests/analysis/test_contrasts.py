"""Intervals, p-values and corrections: against SciPy, by hand, and by simulation."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from twofold.analysis import benjamini_hochberg, effects, holm, paired_differences, sign_flip
from twofold.analysis.contrasts import contrast, t_interval

DIFFERENCES = st.lists(st.integers(-1000, 1000).map(lambda wrong: wrong / 1000), min_size=2, max_size=30)


def collapsing(random: np.random.Generator, n: int) -> np.ndarray:
    """Errors of n rounds of which one in seven collapses, and their mean over all rounds is 0.1921."""
    kind = random.random(n)
    healthy, one, both = random.normal(0.15, 0.015, n), random.normal(0.33, 0.02, n), random.normal(0.46, 0.02, n)
    return np.select([kind < 0.85, kind < 0.93], [healthy, one], both)


COLLAPSING_MEAN = 0.85 * 0.15 + 0.08 * 0.33 + 0.07 * 0.46


def test_interval_is_scipys() -> None:
    values = np.array([0.1, 0.12, 0.17, 0.4, 0.11])
    ours = contrast(values)
    theirs = stats.ttest_1samp(values, 0).confidence_interval()
    assert (ours["ci_low"], ours["ci_high"]) == pytest.approx((theirs.low, theirs.high))
    assert ours["sd"] == pytest.approx(stats.tstd(values))


def test_intervals_of_differences_end_where_differences_do(made_up) -> None:
    values = np.array([0.1, 0.9])
    assert t_interval(values.mean(), values.std(ddof=1), 2)[1] > 5
    assert (contrast(values)["ci_low"], contrast(values)["ci_high"]) == (-1, 1)
    assert contrast(values, 2.0)["ci_high"] == 2
    # Of two rounds far apart: the four networks' errors are 0 and 1 in turn.
    table = made_up(2).assign(test_error=lambda rows: (rows["round"] + (rows.network == "NetWSAL")) % 2)
    rows = effects(table).set_index("effect")
    assert rows.ci_high.to_dict() == {"weight sharing": 1, "auxiliary losses": 1, "interaction": 2}
    pairs = paired_differences(table)
    assert pairs[["all_low", "all_high"]].abs().max(axis=None) == 1


def test_rounds_that_lack_a_network_are_left_out_and_counted() -> None:
    ours = contrast(np.array([0.1, np.nan, 0.2, np.nan]))
    assert (ours["rounds"], ours["left_out"], ours["note"]) == (2, 2, "")
    assert ours["difference"] == pytest.approx(0.15)


@pytest.mark.parametrize("values", [[], [0.3], [np.nan], [0.3, np.nan]])
def test_fewer_than_two_rounds_say_why_there_is_no_interval(values: list[float]) -> None:
    ours = contrast(np.array(values, float))
    assert np.isnan([ours["ci_low"], ours["ci_high"], ours["p"], ours["sd"]]).all()
    assert "2 complete rounds" in ours["note"]


@pytest.mark.parametrize("n", [2, 5, 9])
def test_exact_sign_flip_is_scipys(n: int) -> None:
    values = np.random.default_rng(n).normal(0.3, 1, n)
    theirs = stats.permutation_test((values,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(values) == pytest.approx(theirs.pvalue)


def test_sampled_sign_flip_is_near_the_exact_one() -> None:
    values = np.random.default_rng(4).normal(0.5, 1, 15)
    patterns = np.array(list(itertools.product([-1, 1], repeat=15)))
    exact = (np.abs(patterns @ values) >= abs(values.sum())).mean()
    assert sign_flip(values) == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


def test_sums_that_rounding_parts_still_count_as_equal() -> None:
    assert 0.1 + 0.2 - 0.3 != 0
    assert sign_flip(np.array([0.1, 0.2, -0.3])) == 1


@pytest.mark.parametrize("n", [3, 14, 15, 40])
def test_no_differences_at_all_are_no_finding(n: int) -> None:
    assert sign_flip(np.zeros(n)) == 1


def test_least_possible_p_values() -> None:
    assert sign_flip(np.ones(5)) == 2 / 2**5
    assert sign_flip(np.ones(100)) == 1 / 20_001


@settings(max_examples=40, deadline=None)
@given(DIFFERENCES, st.randoms())
def test_order_and_direction_of_differences_change_no_p_value(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)
    p = sign_flip(np.array(values))
    assert sign_flip(np.array(shuffled)) == p
    assert sign_flip(-np.array(values)) == p
    assert 0 < p <= 1


def test_holm_by_hand() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.5, np.nan, 0.6])) == pytest.approx([1.0, np.nan, 1.0], nan_ok=True)
    assert holm(np.array([])).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_benjamini_hochberg_is_scipys(p: list[float]) -> None:
    assert benjamini_hochberg(np.array(p)) == pytest.approx(stats.false_discovery_control(p))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_corrections_never_lower_a_p_value_and_holm_is_the_stricter(p: list[float]) -> None:
    values = np.array(p)
    assert (holm(values) >= benjamini_hochberg(values) - 1e-12).all()
    assert (benjamini_hochberg(values) >= values - 1e-12).all()
    assert (holm(values) <= 1).all()


@pytest.mark.parametrize(("n", "draw"), [(10, "normal"), (20, "normal"), (100, "collapsing")])
def test_t_intervals_cover_the_truth_in_95_percent(n: int, draw: str) -> None:
    random = np.random.default_rng(7)
    covered = []
    for _ in range(4000):
        values = random.normal(0.2, 0.05, n) if draw == "normal" else collapsing(random, n)
        low, high = t_interval(values.mean(), values.std(ddof=1), n)
        covered.append(low <= (0.2 if draw == "normal" else COLLAPSING_MEAN) <= high)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_t_interval_of_twenty_collapsing_rounds_is_a_little_too_narrow() -> None:
    """What docstrings say of few rounds with collapses: the interval covers less than it should, not far less."""
    random = np.random.default_rng(8)
    covered = []
    for _ in range(4000):
        values = collapsing(random, 20)
        low, high = t_interval(values.mean(), values.std(ddof=1), 20)
        covered.append(low <= COLLAPSING_MEAN <= high)
    assert 0.85 <= np.mean(covered) <= 0.95


@pytest.mark.parametrize(("n", "repeats"), [(10, 1200), (20, 600)])
@pytest.mark.parametrize("draw", ["normal", "collapsing"])
def test_sign_flip_finds_a_null_effect_in_5_percent(n: int, repeats: int, draw: str) -> None:
    random = np.random.default_rng(9)

    def null_differences() -> np.ndarray:
        if draw == "normal":
            return random.normal(0, 1, n)
        return collapsing(random, n) - collapsing(random, n)

    assert 0.03 <= np.mean([sign_flip(null_differences()) < 0.05 for _ in range(repeats)]) <= 0.07


def test_holm_keeps_the_chance_of_any_false_finding() -> None:
    random = np.random.default_rng(10)
    false = [(holm(stats.ttest_1samp(random.normal(0, 1, (12, 6)), 0).pvalue) < 0.05).any() for _ in range(2000)]
    assert 0.03 <= np.mean(false) <= 0.07
