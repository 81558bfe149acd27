"""Designs of networks of one's own: which effects they have, and how large."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.analysis import AnalysisError, effects, findings, told_apart
from twofold.analysis.contrasts import contrast, holm
from twofold.analysis.designs import lacking_designs, own_designs
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


def papers_table():
    """Six rounds of the paper's four networks, all alike but for what one draws."""
    draw = np.random.default_rng(0).uniform
    return pd.DataFrame(
        [{"network": name, "round": n, "seed": 0, "test_error": draw()} for name in PAPERS for n in range(6)]
    )


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


@pytest.mark.parametrize(
    ("drop", "said"),
    [
        (
            {"share": True, "aux": True},
            r"all combinations of the levels of share, aux, .* of Twin\(share=True, aux=True\)",
        ),
        ({"share": False, "aux": True}, r"no trial of Twin\(share=False, aux=True\)$"),
    ],
)
def test_the_combinations_that_lack_are_named(drop, said):
    whole = table_of({"share": (False, True), "aux": (False, True)}, lambda *_: 0.1)
    some = whole[whole.arguments.map(lambda given: given != drop)]
    with pytest.raises(AnalysisError, match=said):
        effects(some)
    (lacking,) = lacking_designs(some)
    assert len(lacking.lacking) == 1
    assert lacking_designs(whole) == []


def test_networks_without_factors_have_no_effects_and_it_is_said_what_makes_some():
    with pytest.raises(AnalysisError, match=r"need a factor, such as share in --networks 'file.py:Twin\(share="):
        effects(table_of({"share": (True,)}, lambda *_: 0.1))


def test_an_incomplete_design_beside_the_papers_leaves_these_as_they_are():
    own = table_of({"share": (False, True), "aux": (False, True)}, lambda *_: 0.1)
    both = pd.concat([papers_table(), own[own.network != own.network.iloc[0]]], ignore_index=True)
    pd.testing.assert_frame_equal(effects(both), effects(papers_table()))
    found = findings(both)
    assert [design.name for design in found.lacking] == ["Twin"]


def test_networks_with_other_arguments_are_a_design_apart():
    few = table_of({"share": (False, True)}, lambda levels, _: 0.3 + 0.1 * levels["share"])
    more = table_of({"share": (False, True), "width": (8,)}, lambda levels, _: 0.3 - 0.1 * levels["share"])
    found = effects(pd.concat([few, more], ignore_index=True))
    assert found.effect.tolist() == ["Twin: share", "Twin(width=8): share"]
    np.testing.assert_allclose(found.difference, [0.1, -0.1])


def test_classes_of_one_name_in_two_files_are_designs_apart():
    one, other = (table_of({"share": (False, True)}, lambda *_: 0.1, source=source) for source in ("a.py:T", "b.py:T"))
    table = pd.concat([one.assign(identity="1" * 64), other.assign(identity="2" * 64)], ignore_index=True)
    assert [design.name for design in own_designs(told_apart(table))] == ["a.py:T", "b.py:T"]
    assert len(effects(table)) == 2


def test_of_networks_of_one_name_the_latest_counts():
    old = table_of({"share": (False, True)}, lambda levels, _: 0.1, identity="1" * 64, finished_at="2026-01-01")
    new = table_of({"share": (False, True)}, lambda levels, _: 0.3 + 0.1 * levels["share"], finished_at="2026-01-02")
    new = new.assign(identity=["a1b2c3" + "0" * 58 if "True" in name else "1" * 64 for name in new.network])
    new = new[new.identity.str.startswith("a1")]
    for table in (pd.concat([old, new]), pd.concat([new, old])):
        (found,) = own_designs(told_apart(table.reset_index(drop=True)))
        assert list(found.cells.values()) == ["Twin(share=False)", "Twin(share=True) #a1b2c3"]
    assert effects(pd.concat([old, new], ignore_index=True)).difference.tolist() == pytest.approx([0.3])


@pytest.mark.parametrize("levels", [(1, True), (1, 1.0), ("1", 1), (None, False), ("(1, 2)", "(2, 1)"), ("a", "b")])
def test_levels_that_python_takes_for_equal_are_two(levels):
    found = effects(table_of({"x": levels}, lambda given, _: 0.1 + 0.2 * (repr(given["x"]) == repr(levels[1]))))
    assert found.effect.tolist() == [f"x: {levels[1]} against {levels[0]}"]
    assert found.difference.tolist() == pytest.approx([0.2])


def test_flags_go_from_false_to_true_in_whatever_order_they_come():
    (design,) = own_designs(table_of({"share": (True, False), "depth": (3, 1, 2)}, lambda *_: 0.1))
    assert design.factors == {"share": (False, True), "depth": (3, 1, 2)}


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.data())
def test_effects_are_those_of_the_model_that_made_the_errors(k, data):
    """With levels coded as 0 and 1, the interaction of all factors is the product's coefficient, of whatever order."""
    factors = {name: (False, True) for name in "abcd"[:k]}
    draw = np.random.default_rng(data.draw(st.integers(0, 1000)))
    worth = {chosen: draw.normal(0, 0.01) for n in range(k + 1) for chosen in itertools.combinations(factors, n)}

    def error(levels, _):
        return 0.5 + sum(value for chosen, value in worth.items() if all(levels[name] for name in chosen))

    found = effects(table_of(factors, error, rounds=2)).set_index("effect").difference
    assert len(found) == 2**k - 1
    for chosen in list(worth)[1:]:
        # Averaged over the other factors: each term that has the chosen ones and more counts as often as it is there.
        expected = sum(v / 2 ** (len(c) - len(chosen)) for c, v in worth.items() if set(chosen) <= set(c))
        assert found[" x ".join(chosen)] == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("factors", "truth"), [
    ({name: (False, True) for name in "abc"}, {"a": -0.05}),
    ({"depth": (1, 2, 3), "share": (False, True)}, {"share": -0.05}),
])  # fmt: skip
def test_intervals_cover_the_truth_and_no_null_effect_of_a_family_is_often_found(factors, truth):
    """On 8 rounds with a common part; all effects but one are 0."""
    repeats, rounds = 600, 8
    table = table_of(factors, lambda *_: 0.2, rounds=repeats * rounds)
    draws = np.random.default_rng(5)
    changes = sum(value * table.arguments.map(lambda given, n=name: given[n]) for name, value in truth.items())
    common = draws.normal(0, 0.01, repeats * rounds)[table["round"]]
    by_round = effects_by_round(table.assign(test_error=0.3 + changes + common + draws.normal(0, 0.02, len(table))))
    covered, alarms = [], 0
    for repeat in range(repeats):
        rows = pd.DataFrame([contrast(by_round[name][repeat * rounds : (repeat + 1) * rounds]) for name in by_round])
        true = np.array([truth.get(name, 0) for name in by_round])
        covered.append((rows.ci_low <= true) & (true <= rows.ci_high))
        alarms += bool((holm(rows.p)[true == 0] < 0.05).any())
    assert np.all(np.abs(np.mean(covered, axis=0) - 0.95) < 0.03)
    assert alarms / repeats <= 0.07
