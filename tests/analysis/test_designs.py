"""Designs of networks of one's own: which effects they have, and how large."""

import itertools

import numpy as np
import pandas as pd
import pytest

from twofold.analysis import effects
from twofold.analysis.designs import own_designs
from twofold.analysis.effects import effects_by_round
from twofold.networks import PAPERS


def table_of(factors, error, rounds=6, name="Twin", source="f.py:Twin", **more):
    """Trials of every combination of levels; `error` gives the test error of levels in a round."""
    rows = []
    for levels in itertools.product(*factors.values()):
        arguments = dict(zip(factors, levels))
        label = f"{name}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})"
        for number in range(rounds):
            row = {"network": label, "arguments": arguments, "source": source, "round": number, "seed": 0}
            rows.append({**row, "test_error": error(arguments, number), **more})
    return pd.DataFrame(rows)


def test_main_effects_and_interactions_of_three_flags():
    factors = {"share": (False, True), "aux": (False, True), "norm": (False, True)}

    def error(levels, number):
        share, aux, norm = (int(levels[name]) for name in factors)
        return 0.4 - 0.02 * share - 0.1 * aux + 0.03 * norm + 0.04 * share * aux + 0.01 * number

    found = effects(table_of(factors, error)).set_index("effect").difference
    assert list(found.index) == [
        "share", "aux", "norm", "share x aux", "share x norm", "aux x norm", "share x aux x norm"
    ]  # fmt: skip
    expected = [-0.02 + 0.02, -0.1 + 0.02, 0.03, 0.04, 0, 0, 0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_an_interaction_of_three_is_the_change_of_a_change_of_a_change():
    factors = {name: (False, True) for name in "abc"}
    by_round = effects_by_round(table_of(factors, lambda levels, _: 0.1 * all(levels.values())))
    np.testing.assert_allclose(by_round["a x b x c"], 0.1)
    np.testing.assert_allclose(by_round["a"], 0.1 / 4)


def test_levels_are_compared_with_the_first():
    factors = {"depth": (1, 2, 3), "share": (False, True)}
    found = effects(table_of(factors, lambda levels, _: 0.1 * levels["depth"] - 0.05 * levels["share"]))
    assert found.effect.tolist() == ["depth: 2 against 1", "depth: 3 against 1", "share"]
    np.testing.assert_allclose(found.difference, [0.1, 0.2, -0.05])


@pytest.mark.parametrize("flag", ["seed", "epochs", "round", "network"])
def test_a_factor_named_as_a_column_is_told_apart(flag):
    (design,) = own_designs(table_of({flag: (1, 2)}, lambda *_: 0.1))
    assert list(design.factors) == [f"Twin.{flag}"]


def test_a_constant_argument_is_no_factor_and_a_combination_that_lacks_makes_no_design():
    whole = table_of({"share": (False, True), "aux": (False, True), "width": (8,)}, lambda *_: 0.1)
    (design,) = own_designs(whole)
    assert list(design.factors) == ["share", "aux"]
    assert own_designs(whole[whole.network != whole.network.iloc[0]]) == []
    assert own_designs(whole[whole.network == whole.network.iloc[0]]) == []


def test_several_designs_are_named_and_corrected_apart():
    draws = np.random.default_rng(0)
    papers = pd.DataFrame(
        [{"network": name, "round": n, "seed": 0, "test_error": draws.uniform()} for name in PAPERS for n in range(6)]
    )
    alone = effects(papers)
    own = table_of({"share": (False, True)}, lambda *_: draws.uniform())
    other = table_of({"share": (False, True)}, lambda *_: draws.uniform(), name="Net", source="f.py:Net")
    found = effects(pd.concat([papers, own, other], ignore_index=True))
    assert found.effect.tolist() == [*alone.effect, "Twin: share", "Net: share"]
    pd.testing.assert_frame_equal(found[alone.columns][:3], alone)
    assert (found.p_holm == found.p)[3:].all()


def test_false_alarms_are_as_rare_as_holm_promises():
    factors = {name: (False, True) for name in "abc"}
    alarms = 0
    for seed in range(200):
        normal = np.random.default_rng(seed).normal
        found = effects(table_of(factors, lambda *_, draw=normal: draw(0.2, 0.02), rounds=10))
        alarms += bool((found.p_holm < 0.05).any())
    assert alarms <= 20  # 5 % of 200, and what chance adds
