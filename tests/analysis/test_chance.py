"""What rows know of chance, what follows from a relation's name, and who is not shown to be better."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from twofold.analysis import chance_of_trials, chances, summary
from twofold.report.text.chance import chance_notes, chance_of_table

Made = Callable[..., pd.DataFrame]


def test_rows_of_earlier_versions_have_the_chance_of_their_relations_name(made_up: Made) -> None:
    table = pd.concat([made_up(2), made_up(2, relation="=="), made_up(2, relation="==", balance=True)])
    found = chances(table)
    assert found[["relation", "balance"]].to_numpy().tolist() == [["<=", False], ["==", False], ["==", True]]
    np.testing.assert_allclose(found.chance, [0.45, 0.1, 0.5])
    np.testing.assert_allclose(found.one_image_error, [0.25, 0.1, np.nan])


def test_what_later_rows_know_holds_for_earlier_ones_of_the_question(made_up: Made) -> None:
    later = made_up(2, relation="<", true_share=0.44, one_image_error=0.2)
    others = made_up(1, relation="<", data="elsewhere")
    table = pd.concat([made_up(3, relation="<"), later, others], ignore_index=True)
    found = chance_of_trials(table)
    np.testing.assert_allclose(found.chance[table.data == "mnist"], 0.44)
    np.testing.assert_allclose(found.chance[table.data == "elsewhere"], 0.45)


def test_nothing_is_known_of_what_was_asked_elsewhere(made_up: Made) -> None:
    assert chances(made_up(2, relation="a < b + 2")).empty
    assert chances(made_up(2).drop(columns="relation")).empty
    assert chance_of_table(made_up(2, relation="a < b + 2")) == []


@pytest.mark.parametrize(("share", "chance"), [(0.3, 0.3), (0.7, 0.3), (0.5, 0.5)])
def test_chance_is_the_rarer_answer(made_up: Made, share: float, chance: float) -> None:
    table = made_up(2, relation="a < b + 2", true_share=share, one_image_error=0.1)
    assert summary(table).chance.tolist() == pytest.approx([chance] * 4)


def test_networks_whose_intervals_reach_chance_are_named(made_up: Made) -> None:
    table = made_up(20, relation="a < b + 2", true_share=0.12, one_image_error=0.05, collapsing=0.0)
    rows = summary(table)
    expected = [str(row.network) for row in rows.itertuples() if row.ci_high >= 0.12]
    assert 0 < len(expected) < 4
    first, second = chance_notes(rows)
    assert first == (
        "Chance: the relation is true of 12.0 % of test pairs, so that the same answer to all of them errs on 12.0 %; "
        "who sees one image alone errs on at least 5.0 %."
    )
    assert second == f"Not shown to be better than chance (95 %): {'; '.join(expected)}."


@pytest.mark.parametrize(
    ("wrong", "tested", "better"),
    [
        (3, 50, True),
        (4, 50, True),
        (7, 50, False),
        (250, 1000, False),
        (210, 1000, True),
        (0, 12, False),
        (50, 50, False),
    ],
)
def test_a_single_round_is_compared_by_its_test_pairs(made_up: Made, wrong: int, tested: int, better: bool) -> None:
    known = {"true_share": 0.25, "one_image_error": None, "test_error": wrong / tested, "test_pairs": tested}
    said = list(chance_notes(summary(made_up(1, networks=["NetWSAL"]).assign(relation="a == 1", **known))))
    assert said[0].endswith("the same answer to all of them errs on 25.0 %.")
    assert said[1:] == ([] if better else ["Not shown to be better than chance (95 %): NetWSAL."])
    upper = scipy.stats.binomtest(wrong, tested).proportion_ci(method="exact").high
    assert better == (upper < 0.25)


def test_of_several_questions_each_has_a_sentence(made_up: Made) -> None:
    asked = ["<=", "==", "<", "same parity", "a < b + 2"]
    table = pd.concat([made_up(2, relation=relation) for relation in asked], ignore_index=True)
    said = list(chance_notes(summary(table, ["network", "relation"]), ["relation"]))
    assert [sentence.partition(":")[0] for sentence in said[:3]] == [
        f"Chance with relation {relation}" for relation in asked[:3]
    ]
    assert said[3] == "Chance of 1 question more is not listed."
