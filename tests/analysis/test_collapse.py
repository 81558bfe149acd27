"""Kinds of trials, their rates, and how much they account for."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from twofold.analysis import (
    BOTH_DEAD,
    DIVERGED,
    HEALTHY,
    KINDS,
    LAYER_DEAD,
    ONE_DEAD,
    AnalysisError,
    collapse,
    dead_units,
    explained,
    kind_of,
    outlier_limit,
)
from twofold.analysis.collapse import branch_units
from twofold.analysis.rates import wilson
from twofold.data import load_images

Made = Callable[..., pd.DataFrame]


def table_of(rows: list[tuple[float, int, int]], network: str = "NetBase") -> pd.DataFrame:
    """A table of trials from (error, dead units of the first branch, of the second), round by round."""
    table = pd.DataFrame(rows, columns=["test_error", "dead_first", "dead_second"])
    return table.assign(network=network, round=range(len(rows)))


def test_a_branch_has_as_many_units_as_there_are_classes() -> None:
    table = table_of([(0.1, 4, 0), (0.1, 4, 0), (0.1, 10, 0)])
    assert (branch_units(table) == load_images("mnist5k").task.classes).all()
    table["class_names"] = ['cat,dog,horse,"sheep, black"', None, float("nan")]
    assert branch_units(table).tolist() == [4, 10, 10]
    assert list(kind_of(table)) == [ONE_DEAD, HEALTHY, ONE_DEAD]


def test_kinds_by_hand() -> None:
    table = table_of([(0.1, 0, 9), (0.3, 10, 3), (0.3, 0, 10), (0.5, 10, 10), (0.5, 10, 10)])
    table["diverged"] = [False, False, False, False, True]
    assert list(kind_of(table)) == [HEALTHY, ONE_DEAD, ONE_DEAD, BOTH_DEAD, DIVERGED]


def test_rates_and_errors_by_hand() -> None:
    rows = collapse(table_of([(0.1, 0, 0), (0.2, 1, 1), (0.3, 10, 3), (0.5, 10, 10)])).set_index("kind")
    assert list(rows["count"]) == [2, 1, 1, 0]
    assert list(rows.rate) == [0.5, 0.25, 0.25, 0]
    healthy = rows.loc[HEALTHY]
    assert (healthy["mean"], healthy.best, healthy.worst) == (pytest.approx(0.15), 0.1, 0.2)
    assert healthy.sd == pytest.approx(np.sqrt(0.005))
    assert np.isnan(rows.loc[ONE_DEAD].sd)
    assert rows.loc[DIVERGED, ["mean", "sd", "best", "worst"]].isna().all()


@given(n=st.integers(1, 400), share=st.floats(0, 1))
def test_wilson_intervals_are_scipys(n: int, share: float) -> None:
    count = round(share * n)
    theirs = stats.binomtest(count, n).proportion_ci(method="wilson")
    assert wilson(count / n, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_interval_by_its_formula() -> None:
    """(p + z2/2n +- z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n), for 3 of 20 (Wilson 1927)."""
    rows = collapse(table_of([(0.3, 10, 0)] * 3 + [(0.1, 0, 0)] * 17)).set_index("kind")
    p, n, z2 = 0.15, 20, stats.norm.ppf(0.975) ** 2
    half = np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n**2)))
    expected = [(p + z2 / (2 * n) - half) / (1 + z2 / n), (p + z2 / (2 * n) + half) / (1 + z2 / n)]
    assert list(rows.loc[ONE_DEAD, ["ci_low", "ci_high"]]) == pytest.approx(expected)


@pytest.mark.parametrize(("rate", "n"), [(0.15, 100), (0.5, 20), (0.12, 40)])
def test_wilson_intervals_cover_the_truth(rate: float, n: int) -> None:
    """A proportion of few rounds takes few values, so its coverage is near 95 %, not at it: computed exactly."""
    covered = 0.0
    for count in range(n + 1):
        rows = collapse(table_of([(0.3, 10, 0)] * count + [(0.1, 0, 0)] * (n - count))).set_index("kind")
        if rows.ci_low[ONE_DEAD] <= rate <= rows.ci_high[ONE_DEAD]:
            covered += stats.binom.pmf(count, n, rate)
    assert 0.93 <= covered <= 0.97


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=1, max_size=30))
def test_every_trial_has_one_kind(dead: list[tuple[int, int]]) -> None:
    rows = collapse(table_of([(0.2, *pair) for pair in dead]))
    assert list(rows.kind) == [kind for kind in KINDS if kind != LAYER_DEAD]
    assert rows["count"].sum() == len(dead)
    assert rows.rate.sum() == pytest.approx(1)
    assert ((rows.ci_low <= rows.rate + 1e-12) & (rows.rate <= rows.ci_high + 1e-12)).all()


def test_variance_between_kinds_is_the_f_tests() -> None:
    """Eta squared from F of the one-way analysis of variance: F k / (F k + n - k - 1), k + 1 groups."""
    groups = {(0, 0): [0.1, 0.12, 0.14, 0.11], (10, 0): [0.3, 0.33], (10, 10): [0.45, 0.5, 0.46]}
    table = table_of([(error, *dead) for dead, errors in groups.items() for error in errors])
    ratio = stats.f_oneway(*groups.values()).statistic * 2 / 6
    assert explained(table).variance_explained[0] == pytest.approx(ratio / (1 + ratio))


def test_errors_that_do_not_vary_leave_nothing_to_explain() -> None:
    row = explained(table_of([(0.1, 0, 0)] * 3)).iloc[0]
    assert np.isnan(row.variance_explained)
    assert (row.outliers, row.unexplained, row.unexplained_rounds) == (0, 0, [])


def test_outliers_are_accounted_for_or_listed() -> None:
    healthy = [(0.15 + step / 1000, 0, 0) for step in range(8)]
    table = table_of([*healthy, (0.28, 9, 9), (0.33, 10, 0), (0.46, 10, 10), (0.9, 0, 0)])
    table["diverged"] = [*[False] * 11, True]
    row = explained(table).iloc[0]
    assert (row.outliers, row.unexplained, row.unexplained_rounds) == (4, 1, [8])
    assert row.limit == outlier_limit(table.test_error.to_numpy())
    told = explained(table.assign(relation="<=")).iloc[0]
    assert told.limit == outlier_limit(table.test_error.to_numpy(), 0.45)


def test_settings_are_told_apart(made_up: Made) -> None:
    table = pd.concat([made_up(10, normalise=False), made_up(20, normalise=True, collapsing=0.0)])
    rates = collapse(table, ["normalise"])
    healthy = rates[(rates.kind == HEALTHY) & (rates.network == "NetBase")]
    assert list(healthy.normalise) == [False, True]
    assert list(healthy.rounds) == [10, 20]
    assert list(healthy.rate)[1] == 1
    assert len(explained(table, ["normalise"])) == 8


def test_pairs_of_dead_units_are_read_as_json_and_csv_have_them() -> None:
    table = table_of([(0.3, 10, 2)])
    for pair in ([10, 2], "[10, 2]", (10, 2)):
        paired = table.drop(columns=["dead_first", "dead_second"]).assign(dead_units=[pair])
        assert list(kind_of(paired)) == [ONE_DEAD]


@pytest.mark.parametrize("pair", [10, "10", [1, 2, 3], "ten", "[1,", None])
def test_what_is_no_pair_of_dead_units_is_shown(pair: object) -> None:
    table = table_of([(0.3, 10, 2)]).drop(columns=["dead_first", "dead_second"]).assign(dead_units=[pair])
    with pytest.raises(AnalysisError, match=r"`dead_units` .* must be a pair of counts"):
        kind_of(table)


def test_missing_errors_are_left_out() -> None:
    table = table_of([(0.1, 0, 0), (np.nan, 0, 0), (0.3, 10, 0)])
    rows = collapse(table).set_index("kind")
    assert (rows.rounds[HEALTHY], rows["count"][HEALTHY], rows["mean"][HEALTHY]) == (2, 1, 0.1)
    assert explained(table).variance_explained[0] == pytest.approx(1)


def test_missing_counts_of_dead_units_are_no_healthy_trials() -> None:
    with pytest.raises(AnalysisError, match="is missing in 1 trial, so kinds cannot be told"):
        collapse(table_of([(0.3, 10, 2), (0.3, np.nan, 2)]))


def own_table(rows: list[dict[str, list[int]]], network: str = "Twin(share=True)") -> pd.DataFrame:
    """A table of trials of a network of one's own from the dead and all units of each layer, round by round."""
    errors = [0.3 if any(dead == units for dead, units in layers.values()) else 0.1 for layers in rows]
    return pd.DataFrame(
        {"network": network, "round": range(len(rows)), "test_error": errors, "dead_layers": rows}
    ).assign(dead_first=None, dead_second=None, diverged=False)


LAYERS = [{"a": [0, 8], "b": [3, 4]}, {"a": [8, 8], "b": [0, 4]}, {"a": [7, 8], "b": [4, 4]}, {}, {"a": [0, 0]}]


def test_a_network_of_ones_own_has_collapsed_where_all_units_of_a_layer_are_dead() -> None:
    table = own_table(LAYERS[:4])
    assert list(kind_of(table)) == [HEALTHY, LAYER_DEAD, LAYER_DEAD, HEALTHY]
    assert list(dead_units(table)) == [3, 8, 11, 0]
    assert list(kind_of(table.assign(diverged=True))) == [DIVERGED] * 4
    assert kind_of(own_table(LAYERS[4:])).tolist() == [HEALTHY]
    rows = collapse(table).set_index("kind")
    assert rows["count"].to_dict() == {HEALTHY: 2, LAYER_DEAD: 2, DIVERGED: 0}
    assert explained(table).variance_explained[0] == pytest.approx(1)


@pytest.mark.parametrize("written", ["objects", "texts", "dead units in pairs"])
def test_both_kinds_of_networks_in_one_table_have_their_own_kinds(written: str) -> None:
    papers, own = table_of([(0.1, 0, 9), (0.3, 10, 3)]).assign(diverged=False), own_table(LAYERS[:3])
    both = pd.concat([papers, own], ignore_index=True)
    if written == "texts":
        both["dead_layers"] = [str(layers) if isinstance(layers, dict) else None for layers in both.dead_layers]
    elif written == "dead units in pairs":
        pairs = [[0, 9], [10, 3], None, None, None]
        both = both.drop(columns=["dead_first", "dead_second"]).assign(dead_units=pairs)
    assert list(kind_of(both)) == [HEALTHY, ONE_DEAD, HEALTHY, LAYER_DEAD, LAYER_DEAD]
    rates = collapse(both)
    pd.testing.assert_frame_equal(rates[rates.network == "NetBase"], collapse(papers))
    of_own = rates[rates.network != "NetBase"].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_own, collapse(own))
    assert len(explained(both)) == 2


def test_dead_units_that_lack_for_one_of_the_papers_are_said_beside_a_network_of_ones_own() -> None:
    lacking = table_of([(0.1, 0, 9)]).assign(dead_first=None, diverged=False)
    both = pd.concat([lacking, own_table(LAYERS[:2])], ignore_index=True)
    with pytest.raises(AnalysisError, match="missing in 1 trial,"):
        kind_of(both)
