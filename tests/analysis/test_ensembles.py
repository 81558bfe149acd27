"""Ensembles by majority: by hand, by their bounds, and where they cannot be made."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analysis.test_components import answered

from twofold.analysis import AnalysisError, ensembles
from twofold.errors import SettingError


def test_three_that_err_on_different_pairs_err_nowhere_together():
    wrong = np.zeros((2, 3, 9), bool)
    for member in range(3):
        wrong[:, member, member] = True
    wrong[1, :, 8] = True
    (row,) = ensembles(answered(wrong), 3).to_dict("records")
    assert (row["rounds"], row["ensembles"], row["single"]) == (2, 2, pytest.approx(1.5 / 9))
    assert row["mean"] == pytest.approx(0.5 / 9)
    assert row["difference"] == pytest.approx(-1 / 9)


def test_equal_votes_are_half_an_error():
    wrong = np.array([[[True, False], [False, False]]])
    assert ensembles(answered(wrong), 2)["mean"].tolist() == [0.25]


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 4), st.integers(2, 9), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_members_are_taken_once_and_equal_members_are_their_ensemble(rounds, weights, size, seed):
    random = np.random.default_rng(seed)
    wrong = random.random((rounds, weights, 20)) < 0.3
    if weights < size:
        with pytest.raises(AnalysisError, match=f"--weight-rounds {size}` trains them"):
            ensembles(answered(wrong), size)
        return
    (row,) = ensembles(answered(wrong).sample(frac=1, random_state=seed), size).to_dict("records")
    used = weights // size * size
    assert row["ensembles"] == rounds * (weights // size)
    assert row["single"] == pytest.approx(wrong[:, :used].mean())
    same = np.repeat(wrong[:, :1], weights, axis=1)
    (alike,) = ensembles(answered(same), size).to_dict("records")
    assert alike["mean"] == pytest.approx(alike["single"])


def test_what_no_ensemble_can_be_made_of(made_up):
    with pytest.raises(SettingError, match=r"`ensemble` \(=1\) must be at least 2"):
        ensembles(made_up(3), 1)
    with pytest.raises(AnalysisError, match="no round has 2 trials of one network that kept their answers"):
        ensembles(made_up(3), 2)


def test_each_network_has_a_line_in_the_order_of_the_paper():
    random = np.random.default_rng(4)
    tables = [answered(random.random((3, 3, 40)) < 0.3, network=name) for name in ("NetWSAL", "NetBase")]
    assert ensembles(pd.concat(tables, ignore_index=True), 3).network.tolist() == ["NetBase", "NetWSAL"]
