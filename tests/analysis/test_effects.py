"""The 2x2 factorial: by hand, by its properties, and by simulation."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.analysis import AnalysisError, effects, effects_by_round
from twofold.analysis.contrasts import contrast
from twofold.networks import NETWORKS

Made = Callable[..., pd.DataFrame]


def table_of(errors: np.ndarray) -> pd.DataFrame:
    """A table of trials from errors of n rounds x the four networks."""
    rounds, networks = np.indices(errors.shape)
    names = np.array(list(NETWORKS))[networks.ravel()]
    return pd.DataFrame({"network": names, "round": rounds.ravel(), "test_error": errors.ravel()})


def test_by_hand() -> None:
    means = effects(table_of(np.array([[0.20, 0.16, 0.07, 0.06], [0.22, 0.16, 0.07, 0.04]]))).set_index("effect")
    sharing = np.mean([((0.16 - 0.20) + (0.06 - 0.07)) / 2, ((0.16 - 0.22) + (0.04 - 0.07)) / 2])
    losses = np.mean([((0.07 - 0.20) + (0.06 - 0.16)) / 2, ((0.07 - 0.22) + (0.04 - 0.16)) / 2])
    both = np.mean([(0.06 - 0.07) - (0.16 - 0.20), (0.04 - 0.07) - (0.16 - 0.22)])
    assert means.difference.to_dict() == pytest.approx(
        {"weight sharing": sharing, "auxiliary losses": losses, "interaction": both}
    )


def test_effects_are_what_the_flags_of_the_networks_say() -> None:
    """An error that is a sum of what each flag adds has these sums as effects, and no interaction."""
    errors = [0.3 - 0.05 * net.weight_sharing - 0.1 * net.auxiliary_losses for net in NETWORKS.values()]
    rounds = effects_by_round(table_of(np.array([errors, errors])))
    assert rounds.to_numpy() == pytest.approx(np.array([[-0.05, -0.1, 0.0]] * 2), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 500)] * 4), min_size=2, max_size=10), st.integers(0, 500))
def test_what_all_networks_share_in_a_round_is_no_effect(rows: list[tuple[int, ...]], shift: int) -> None:
    errors = np.array(rows) / 1000
    moved = errors.copy()
    moved[0] += shift / 1000
    before, after = effects_by_round(table_of(errors)), effects_by_round(table_of(moved))
    assert after.to_numpy() == pytest.approx(before.to_numpy(), abs=1e-12)


def test_a_network_that_lacks_altogether_is_named() -> None:
    table = table_of(np.full((3, 4), 0.2))
    with pytest.raises(AnalysisError, match=r"need all four networks.*no trial of NetAL"):
        effects(table[table.network != "NetAL"])


def test_rounds_that_lack_a_network_are_left_out(made_up: Made) -> None:
    table = made_up(6)
    rows = effects(table.drop(table[(table.network == "NetAL") & (table["round"] == 2)].index))
    assert list(rows.rounds) == [5, 5, 5]
    assert list(rows.left_out) == [1, 1, 1]


def test_one_round_has_effects_without_intervals(made_up: Made) -> None:
    rows = effects(made_up(1))
    assert rows.difference.notna().all()
    assert rows[["ci_low", "ci_high", "p", "p_holm"]].isna().all(axis=None)


def test_identical_errors_have_no_effect() -> None:
    rows = effects(table_of(np.full((8, 4), 0.2)))
    assert list(rows.p_holm) == [1, 1, 1]
    assert rows.difference.to_numpy() == pytest.approx(0)


@pytest.mark.slow
def test_intervals_cover_the_truth_and_null_effects_are_rarely_found() -> None:
    """On 8 rounds with a common part: weight sharing is worth 0, auxiliary losses -0.1, and they interact by 0."""
    random = np.random.default_rng(3)
    repeats, rounds = 800, 8
    n = repeats * rounds
    errors = np.array([0.3, 0.3, 0.2, 0.2]) + random.normal(0, 0.01, (n, 1)) + random.normal(0, 0.02, (n, 4))
    by_repeat = effects_by_round(table_of(errors)).to_numpy().reshape(repeats, rounds, 3)
    for place, truth in enumerate((0, -0.1, 0)):
        rows = pd.DataFrame([contrast(differences) for differences in by_repeat[:, :, place]])
        assert 0.93 <= ((rows.ci_low <= truth) & (truth <= rows.ci_high)).mean() <= 0.97
        found = (rows.p < 0.05).mean()
        assert found == 1 if truth else 0.03 <= found <= 0.07
