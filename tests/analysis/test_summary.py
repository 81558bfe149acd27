"""Each network by itself, and any two compared."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.report.synthetic import fill

from twofold.analysis import AnalysisError, mean_interval, paired_differences, summary, summary_of_groups

Made = Callable[..., pd.DataFrame]


def table_of(**errors: list[float]) -> pd.DataFrame:
    """A table of trials: the errors of each network, round by round."""
    rows = [(name, number, error) for name, column in errors.items() for number, error in enumerate(column)]
    return pd.DataFrame(rows, columns=["network", "round", "test_error"])


def test_every_number_is_scipys() -> None:
    errors = [0.1, 0.2, 0.4, 0.15, 0.12, 0.18, 0.11, 0.45]
    row = summary(table_of(NetBase=errors)).iloc[0]
    assert (row.ci_low, row.ci_high) == mean_interval(np.mean(errors), stats.tstd(errors), len(errors))
    assert (row["mean"], row.sd, row["median"]) == pytest.approx((np.mean(errors), stats.tstd(errors), 0.165))
    assert row.iqm == pytest.approx(np.mean([0.12, 0.15, 0.18, 0.2]))  # the middle half, by hand
    assert (row.best, row.worst, row.rounds) == (0.1, 0.45, 8)


def test_networks_come_in_the_papers_order_and_others_last() -> None:
    table = table_of(Mine=[0.1], NetWSAL=[0.1], NetBase=[0.1])
    assert list(summary(table).network) == ["NetBase", "NetWSAL", "Mine"]


def test_one_round_has_a_mean_and_says_that_it_has_no_spread() -> None:
    row = summary(table_of(NetBase=[0.2])).iloc[0]
    assert row["mean"] == 0.2
    assert np.isnan([row.sd, row.ci_low, row.ci_high]).all()
    assert row.note == "one round has no spread"


def test_identical_errors_have_an_interval_of_no_width() -> None:
    row = summary(table_of(NetBase=[0.2, 0.2, 0.2])).iloc[0]
    assert (row.sd, row.ci_low, row.ci_high) == pytest.approx((0, 0.2, 0.2))


def test_rounds_of_known_pairs_vary_at_least_as_these_do() -> None:
    row = summary(table_of(NetBase=[0.0, 0.0, 0.0]).assign(test_pairs=1000)).iloc[0]
    assert (row["mean"], row.ci_low) == (0, 0)
    assert row.ci_high == pytest.approx(1.959964**2 / (3000 + 1.959964**2))


def test_collapsed_rounds_are_counted_and_left_out_of_a_mean_of_their_own() -> None:
    table = table_of(NetBase=[0.2, 0.3, 0.46], NetWS=[0.45, 0.46, 0.44]).assign(dead_first=0, dead_second=0)
    assert list(summary(table).collapsed) == [0, 0]
    table.loc[table.test_error > 0.4, ["dead_first", "dead_second"]] = 10
    rows = summary(table)
    assert list(rows.collapsed) == [1, 3]
    assert rows.mean_of_others[0] == pytest.approx(0.25)
    assert np.isnan(rows.mean_of_others[1])
    assert summary(table.drop(columns="dead_first")).collapsed.isna().all()


def test_missing_errors_are_left_out_and_diverged_trainings_are_not() -> None:
    table = table_of(NetBase=[0.2, np.nan, 0.4], NetWS=[np.nan, np.nan, np.nan])
    table["diverged"] = [False, False, True, False, False, False]
    base, shared = (row for _, row in summary(table).iterrows())
    assert (base.rounds, base["mean"], base.diverged) == (2, pytest.approx(0.3), 1)
    assert (shared.rounds, shared.note) == (0, "no round has a value")


def test_a_row_for_every_combination_of_columns(made_up: Made) -> None:
    table = pd.concat([made_up(3, optimizer="adam"), made_up(5, optimizer="sgd")])
    rows = summary(table, ["network", "optimizer"])
    assert list(rows.network[:2]) == ["NetBase", "NetBase"]
    assert list(rows.rounds[:2]) == [3, 5]


def test_differences_are_of_rounds_that_both_have() -> None:
    row = paired_differences(table_of(NetBase=[0.3, 0.2, 0.1], NetWS=[0.1, 0.1, 0.1])[:5]).iloc[0]
    assert (row["first"], row["second"], row.rounds, row.left_out) == ("NetBase", "NetWS", 2, 1)
    assert row.difference == pytest.approx(-0.15)


def test_differences_have_scipys_paired_interval(made_up: Made) -> None:
    table = made_up(20)
    rows = paired_differences(table).set_index(["first", "second"])
    errors = table.pivot(index="round", columns="network", values="test_error")
    theirs = stats.ttest_rel(errors.NetWSAL, errors.NetBase).confidence_interval()
    ours = rows.loc[("NetBase", "NetWSAL")]
    assert (ours.ci_low, ours.ci_high) == pytest.approx((theirs.low, theirs.high))
    assert len(rows) == 6


def test_one_network_has_nothing_to_be_compared_with() -> None:
    assert paired_differences(table_of(NetBase=[0.3, 0.2])).empty


def test_two_settings_of_one_round_are_refused_with_their_names(made_up: Made) -> None:
    table = pd.concat([made_up(2, optimizer="adam"), made_up(2, optimizer="sgd")])
    with pytest.raises(AnalysisError, match="NetBase has 2 trials in round 0, which differ in `optimizer`; choose one"):
        paired_differences(table)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 1000)] * 2), min_size=2, max_size=12), st.randoms())
def test_the_names_of_rounds_change_nothing(pairs: list[tuple[int, int]], random: object) -> None:
    first, second = (np.array(column) / 1000 for column in zip(*pairs))
    order = list(range(len(pairs)))
    random.shuffle(order)
    before = table_of(NetBase=list(first), NetAL=list(second))
    after = table_of(NetBase=list(first[order]), NetAL=list(second[order]))
    for statistic in (summary, paired_differences):
        pd.testing.assert_frame_equal(statistic(before), statistic(after), rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 1000)] * 2), min_size=2, max_size=12))
def test_renaming_two_networks_turns_their_difference_round(pairs: list[tuple[int, int]]) -> None:
    first, second = ([wrong / 1000 for wrong in column] for column in zip(*pairs))
    row = paired_differences(table_of(NetBase=first, NetAL=second)).iloc[0]
    swapped = paired_differences(table_of(NetBase=second, NetAL=first)).iloc[0]
    assert swapped.difference == pytest.approx(-row.difference, abs=1e-12)
    assert swapped.p == row.p


@pytest.mark.parametrize("by", [["network"], ["network", "learning_rate"], ["optimizer"]])
def test_what_a_database_has_counted_gives_the_same(by: list[str]) -> None:
    store = fill(":memory:", rounds=5, learning_rate=[0.001, 0.01], optimizer=["adam", "sgd"], seed=[0, 1])
    counted, read = summary_of_groups(store.groups(), by), summary(store.read(), by)
    pd.testing.assert_frame_equal(
        counted[[name for name in read if name in counted]],
        read[[name for name in read if name in counted]],
        rtol=1e-9,
        check_dtype=False,
    )
    assert {"rounds", "mean", "sd", "ci_low", "ci_high", "best", "worst", "tested", "chance"} <= set(counted)


def test_one_round_that_is_counted_has_no_spread() -> None:
    counted = summary_of_groups(fill(":memory:", rounds=1).groups(), ["network"])
    assert counted[["sd", "ci_low", "ci_high"]].isna().all(axis=None)
    assert counted.tested.tolist() == [1000] * 4
