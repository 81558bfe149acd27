"""What decides a round: by hand, against known parts, and the intervals by simulation."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.campaigns import components as simulated

from twofold.analysis import ALL, BOTH, MORE_PAIRS, PAIRS, WEIGHTS, AnalysisError, by_round, components, counting
from twofold.analysis.components import estimates, mean_squares
from twofold.results.answers import packed


def table_of(errors, *, network="NetBase", rounds=None, weight_rounds=None, wrong=None, **columns):
    """A table of trials of one network, from errors of rounds x weight rounds."""
    places = itertools.product(
        enumerate(rounds or range(errors.shape[0])), enumerate(weight_rounds or range(errors.shape[1]))
    )
    rows = [
        {
            "network": network,
            "round": round_,
            "weight_round": weight_round,
            "test_pairs": 1000 if wrong is None else wrong.shape[-1],
            "test_error": errors[i, j],
            "wrong_answers": None if wrong is None else packed(wrong[i, j]),
        }
        for (i, round_), (j, weight_round) in places
    ]
    return pd.DataFrame(rows).assign(seed=0, **columns)


def answered(wrong, **columns):
    """The same from which pairs were answered wrongly: rounds x weight rounds x pairs."""
    return table_of(wrong.mean(axis=-1), wrong=wrong, **columns)


def part(found, name, first="NetBase"):
    (row,) = found[(found.part == name) & (found["first"] == first) & found.second.isna()].to_dict("records")
    return row


def test_estimates_by_hand():
    # Searle, Casella and McCulloch 1992, section 4.3: rows 1 and 3 apart from their mean, columns 2, and a rest of 1.
    errors = np.array([[0.10, 0.14], [0.18, 0.18]])
    squares = mean_squares(errors)
    assert [squares.pairs, squares.weights, squares.both] == pytest.approx([0.0036, 0.0004, 0.0004])
    assert estimates(squares) == pytest.approx({PAIRS: 0.0016, WEIGHTS: 0, BOTH: 0.0004, ALL: 0.0020})


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_turned_about_pairs_and_weights_change_places(rounds, weight_rounds, seed):
    errors = np.random.default_rng(seed).random((rounds, weight_rounds)) / 2
    found, turned = (components(table_of(each)).set_index("part") for each in (errors, errors.T))
    for one, other in ((PAIRS, WEIGHTS), (WEIGHTS, PAIRS), (BOTH, BOTH), (ALL, ALL)):
        for column in ("variance", "ci_low", "ci_high", "estimate"):
            assert found.loc[one, column] == pytest.approx(turned.loc[other, column], rel=1e-9, abs=1e-12)
    assert found.share[[PAIRS, WEIGHTS, BOTH]].sum() == pytest.approx(1)
    untouched = found[found.estimate > 0].drop(index=ALL)  # a part that is set to 0 makes the sum of the others larger
    assert (untouched.ci_low <= untouched.variance).all()
    assert (untouched.variance <= untouched.ci_high).all()


def test_no_interval_ends_above_what_errors_can_vary():
    rows = components(pd.concat([table_of(np.array([[0, 1], [1, 0]])), table_of(np.eye(2)).assign(network="NetWS")]))
    assert set(rows.ci_high[rows.second.isna()]) <= {0.0, 0.25}
    assert rows.ci_high.max() == 1.0


def test_a_part_below_0_is_0_and_says_what_was_estimated():
    errors = 0.1 + np.array([[1, -1], [-1, 1]]) * 0.01
    row = part(components(table_of(errors)), PAIRS)
    assert (row["variance"], row["ci_low"], row["share"]) == (0, 0, 0)
    assert row["estimate"] == pytest.approx(-0.0002)


def test_the_largest_full_crossing_is_taken_and_the_rest_counted():
    random = np.random.default_rng(1)
    full = table_of(random.random((4, 3)), weight_rounds=[0, 1, 2])
    more = table_of(random.random((1, 5)), rounds=[7], weight_rounds=range(5))
    alone = table_of(random.random((1, 1)), rounds=[30], weight_rounds=[30])
    table = pd.concat([full, more, alone], ignore_index=True).drop(index=[10])  # round 3 lacks weights of round 1
    row = part(components(table.sample(frac=1, random_state=2)), PAIRS)
    # Rounds 0, 1, 2 and 7 with the weights of rounds 0, 1, 2; round 3 has two left, round 7 two more.
    assert (row["rounds"], row["weight_rounds"], row["left_out"]) == (4, 3, 4)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
def test_what_is_not_crossed_has_no_components(shape):
    with pytest.raises(AnalysisError, match=r"`twofold study --rounds 0-9 --weight-rounds 0-9` trains them"):
        components(table_of(np.full(shape, 0.1)))


def test_two_networks_are_compared_in_cells_that_both_have():
    random = np.random.default_rng(3)
    base, other = random.random((2, 4, 4))
    table = pd.concat([table_of(base), table_of(other[:3], network="NetWSAL")], ignore_index=True)
    found = components(table)
    both = found[found.second.notna()].set_index("part")
    assert both.rounds.tolist() == [3] * 4
    assert both.estimate.to_dict() == pytest.approx(estimates(mean_squares(other[:3] - base[:3])))


@pytest.mark.parametrize("shape", simulated.SHAPES, ids=str)
@pytest.mark.parametrize("name", simulated.NORMAL)
def test_intervals_of_normal_parts_hold_the_truth_as_often_as_they_say(name, shape):
    for part, share in simulated.coverage(simulated.normal(simulated.NORMAL[name]), shape).items():
        low, high = (94.0, 98.0) if part != BOTH else (94.4, 95.6)
        assert low <= share <= high, (part, share)


def test_counting_is_what_more_test_pairs_would_take_away():
    """Errors on few pairs vary by the part that is counting more than errors of the same networks on all pairs do."""
    random = np.random.default_rng(5)
    pairs, tables = 200, 150
    seen, told = [], []
    for _ in range(tables):
        hard = random.normal(size=(6, 1, pairs))  # what a round's pairs share
        skill = random.normal(1.2, 0.3, (6, 1, 1)) + random.normal(0, 0.2, (1, 5, 1))
        wrong = 0.8 * hard + 0.6 * random.normal(size=(6, 5, pairs)) > skill
        found = components(answered(wrong)).set_index("part")
        seen.append(found.estimate)
        told.append(found.counting)
    seen, told = pd.DataFrame(seen).mean(), pd.DataFrame(told).mean()
    # The same networks on endless pairs: a pair is wrong where a standard normal exceeds the skill.
    exact = []
    for _ in range(1500):
        skill = random.normal(1.2, 0.3, (6, 1)) + random.normal(0, 0.2, (1, 5))
        exact.append(pd.Series(estimates(mean_squares(_above(skill)))))
    exact = pd.DataFrame(exact).mean()
    for name in (PAIRS, BOTH, ALL):
        assert seen[name] - told[name] == pytest.approx(exact[name], abs=0.1 * seen[ALL]), name
    assert told[WEIGHTS] == 0
    assert told[PAIRS] > 0.2 * told[ALL]


def _above(values):
    from scipy.special import ndtr

    return 1 - ndtr(values)


def test_counting_over_rounds_is_the_binomials_variance():
    random = np.random.default_rng(6)
    wrong = random.random((30, 1, 500)) < random.uniform(0.05, 0.15, (30, 1, 1))
    table = answered(wrong).assign(weight_round=lambda trials: trials["round"])
    (row,) = counting(table).to_dict("records")
    errors = wrong.mean(axis=-1)
    expected = (errors * (1 - errors)).mean() / 499
    assert row["counting"] ** 2 == pytest.approx(expected)
    assert row["share"] == pytest.approx(expected / errors.var(ddof=1))
    assert row["sd_more"] ** 2 == pytest.approx(errors.var(ddof=1) - expected * (1 - 1 / MORE_PAIRS))


def test_what_two_networks_get_wrong_alike_is_no_counting_of_their_difference():
    random = np.random.default_rng(7)
    wrong = random.random((8, 1, 300)) < 0.2
    table = pd.concat([answered(wrong), answered(wrong, network="NetWS")], ignore_index=True)
    table["weight_round"] = table["round"]
    both = counting(table).iloc[-1]
    assert (both["first"], both.second, both.sd, both.counting) == ("NetBase", "NetWS", 0, 0)
    assert np.isnan(both.share)


@pytest.mark.parametrize("rounds", [5, 10, 20])
@pytest.mark.parametrize("rate", [0.01, 0.06, 0.5])
def test_the_interval_of_the_share_holds_it_as_often_as_it_says(rounds, rate):
    assert 94 <= simulated.coverage_of_share(rate, rounds) <= 96


def test_trials_without_answers_have_components_without_counting():
    table = table_of(np.random.default_rng(9).random((3, 3)))
    assert components(table).counting.isna().all()
    with pytest.raises(AnalysisError, match="no two rounds of a network kept their answers"):
        counting(table)


def test_rounds_are_compared_with_weights_of_their_own():
    errors = np.random.default_rng(10).random((4, 4))
    wide = by_round(table_of(errors))
    assert wide.NetBase.tolist() == np.diag(errors).tolist()
    with pytest.raises(AnalysisError, match="all 4 trials have the initial weights of another round"):
        by_round(table_of(errors[:, :1], weight_rounds=[100]))
