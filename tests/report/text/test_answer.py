"""The answer in sentences: the right direction, the right size, and no more certainty than there is."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

from twofold.analysis import effects
from twofold.report.text.answer import answer, question, task_sentence
from twofold.report.text.numbers import points

FOUR = ("NetBase", "NetWS", "NetAL", "NetWSAL")


def trials_of(means, noise=1e-6, rounds=10):
    """Trials with these mean errors of the four networks."""
    draws = np.random.default_rng(1)
    rows = [
        {"network": network, "round": number, "test_error": mean + draws.normal(0, noise), "seed": 0}
        for number in range(rounds)
        for network, mean in zip(FOUR, means, strict=True)
    ]
    return pd.DataFrame(rows).assign(dead_first=0, dead_second=0, diverged=False, data="mnist", relation="<")


def test_gains_are_told_with_their_sizes():
    (first, second) = answer(trials_of((0.20, 0.18, 0.08, 0.06)))
    assert first.startswith(
        "Auxiliary losses lower the test error by 12.00 points (95 % interval 12.00 to 12.00 points). Weight sharing "
    )
    assert "lowers the test error by 2.00 points (95 % interval 2.00 to 2.00 points)" in first
    assert "Changes are means over 10 rounds." in first
    assert second.startswith("NetWSAL errs least: 6.00 % of test pairs in 10 rounds (95 % interval 6.00 to 6.00 %)")


def test_harm_is_told_as_harm():
    first = answer(trials_of((0.10, 0.13, 0.20, 0.23)))[0]
    assert first.startswith("Auxiliary losses raise the test error by 10.00 points (")
    assert "Weight sharing raises the test error by 3.00 points (" in first


def test_what_is_not_shown_is_called_so_with_how_much_it_may_be():
    table = trials_of((0.1, 0.1, 0.1, 0.1), noise=0.02)
    first, second = answer(table)
    assert first.count("not shown to change the test error") == 2
    assert "it is not shown that these differ" in first
    row = effects(table).set_index("effect").loc["weight sharing"]
    assert f"Weight sharing is not shown to change the test error: the change may be {points(row.ci_low)} to " in first
    assert re.search(r"It is not shown to err less than \w+ \(by at most \d\.\d\d points, 95 %\)", second)


def test_many_networks_that_are_not_told_from_the_best_are_counted():
    table = pd.concat([trials_of((0.1,) * 4, noise=0.02), trials_of((0.1,) * 4, noise=0.02).assign(network="Fifth")])
    table = table.drop_duplicates(["network", "round"]).reset_index(drop=True)
    fifth = table.network == "Fifth"
    table.loc[fifth, "test_error"] += np.where(table.loc[fifth, "round"] % 2, 0.001, -0.0004)
    assert re.search(r"not shown to err less than any of the other 4 networks \(by at most \d\.\d\d", answer(table)[1])


def test_too_few_rounds_to_show_anything_are_said_to_be_so():
    assert "4 rounds cannot show anything at 5 %" in answer(trials_of((0.2, 0.2, 0.1, 0.1), rounds=4))[0]
    assert "cannot show anything" not in answer(trials_of((0.2, 0.2, 0.1, 0.1)))[0]


@pytest.mark.parametrize(
    ("built_in", "factors", "asked"),
    [
        (FOUR, (), "What are weight sharing and auxiliary losses worth?"),
        (("NetBase", "NetWS"), (), "What are weight sharing and auxiliary losses worth?"),
        (("NetBase",), ("share", "norm"), "What are share and norm worth?"),
        ((), ("share",), "What is share worth?"),
        (FOUR, ("norm",), "What are weight sharing, auxiliary losses and norm worth?"),
    ],
)
def test_the_question_is_about_the_factors_that_are_there(built_in, factors, asked):
    combinations = [dict(zip(factors, levels)) for levels in itertools.product([False, True], repeat=len(factors))]
    own = [
        {"network": f"Twin({each})", "source": "file.py:Twin", "arguments": each, "identity": str(each)}
        for each in combinations
        if factors
    ]
    rows = [{"network": network, "source": None, "arguments": None, "identity": None} for network in built_in]
    assert question(pd.DataFrame(rows + own).assign(round=0, test_error=0.1)) == asked


def test_the_interaction_is_the_change_of_the_change():
    first = answer(trials_of((0.20, 0.15, 0.10, 0.10)))[0]
    change = (
        "Weight sharing changes the test error by −5.00 points without auxiliary losses and by 0.00 points with them"
    )
    assert f"{change}: a difference of +5.00 points (95 % interval +5.00 to +5.00 points)." in first


def test_rounds_that_went_wrong_are_counted_by_network_and_kind():
    table = trials_of((0.2, 0.2, 0.1, 0.1))
    base = table.network == "NetBase"
    table.loc[base & (table["round"] < 3), "dead_first"] = 10
    table.loc[base & (table["round"] == 0), "dead_second"] = 10
    table.loc[(table.network == "NetAL") & (table["round"] == 5), "diverged"] = True
    assert answer(table)[-1] == (
        "Rounds that went wrong: NetBase 2 with one branch dead and 1 with both branches dead, of 10; "
        "NetAL 1 diverged, of 10."
    )


@pytest.mark.parametrize(
    ("relation", "words"),
    [("<=", "“first ≤ second”"), ("==", "“first = second”"), ("same parity", "“same parity”"), ("odd", "“odd”")],
)
def test_the_task_is_told_in_words(relation, words):
    assert f"whether {words} is true" in task_sentence(trials_of((0.1,) * 4).assign(relation=relation))


@pytest.mark.parametrize(
    ("relation", "balance", "errors"),
    [("<=", False, "45 %"), ("==", False, "10 %"), ("==", True, "50 %"), ("==", [False, True] * 20, "10 % or 50 %")],
)
def test_the_task_says_what_chance_is(relation, balance, errors):
    table = trials_of((0.1,) * 4).assign(relation=relation, balance=balance)
    assert task_sentence(table).endswith(f"The same answer to all pairs would err on {errors} of them.")


def test_of_a_relation_that_is_not_known_chance_is_not_told():
    assert task_sentence(trials_of((0.1,) * 4).assign(relation="odd")).endswith("“odd” is true.")


def test_equal_networks_are_named_together():
    lines = answer(trials_of((0.20, 0.18, 0.06, 0.06)))
    assert "NetAL and NetWSAL err least, and equally often: on 6.00 % of test pairs." in lines
    assert not any("errs least" in line for line in lines)
