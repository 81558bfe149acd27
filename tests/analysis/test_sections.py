"""Sections: what is of one, what is not, and that no statistic is over several."""

from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.analysis import (
    AnalysisError,
    by_round,
    choice,
    findings,
    power_by_section,
    power_rows,
    power_table,
    sections,
)
from twofold.settings import SECTIONING, SETTINGS, is_fresh

Made = Callable[..., pd.DataFrame]

# Another value of each setting that tells sections apart.
OTHERS = {
    "data": "kmnist",
    "pool": 1,
    "size": "8x8",
    "relation": "==",
    "balance": True,
    "pairs": 100,
    "test_pairs": 100,
    "validation_pairs": 100,
    "normalise": True,
}


def later(table: pd.DataFrame, rounds: int) -> pd.DataFrame:
    return table.assign(round=table["round"] + rounds, weight_round=table["weight_round"] + rounds)


def test_what_decides_how_pairs_are_drawn_tells_sections_and_a_seed_does_not() -> None:
    assert set(SECTIONING) == {n for n, s in SETTINGS.items() if s.role in ("images", "pairs")} - {"seed"}
    assert set(SECTIONING) == set(OTHERS)


@pytest.mark.parametrize("name", SECTIONING)
def test_trials_that_differ_in_it_are_of_two_sections_and_are_not_pooled(made_up: Made, name: str) -> None:
    other = made_up(3, seed=1, **{name: OTHERS[name]}).pipe(later, 3)
    table = pd.concat([made_up(3), other], ignore_index=True)
    first, second = sections(table)
    assert (first.told, second.told) == ({name: made_up(1)[name].iloc[0]}, {name: OTHERS[name]})
    assert sorted([*first.trials.test_error, *second.trials.test_error]) == sorted(table.test_error)
    for statistic in (by_round, power_table):
        with pytest.raises(AnalysisError, match=f"not drawn alike .they differ in `{name}`.*choose with --"):
            statistic(table)


def test_fresh_rounds_are_a_section_of_their_own(made_up: Made) -> None:
    table = pd.concat([made_up(3), made_up(2, seed=1).pipe(later, 1000)])
    assert [section.told for section in sections(table)] == [{"fresh": False}, {"fresh": True}]
    assert [section.told for section in sections(table, by_stage=False)] == [{}]
    for statistic in (findings, power_table):
        with pytest.raises(AnalysisError, match=r"rounds below and from 1000\).*choose with --rounds"):
            statistic(table)


def test_seeds_and_settings_of_the_training_are_of_one_section(made_up: Made) -> None:
    table = pd.concat([made_up(3), made_up(3).assign(seed=1), made_up(3, optimizer="sgd")])
    assert [section.told for section in sections(table)] == [{}]


@given(st.lists(st.tuples(st.sampled_from(["<=", "=="]), st.booleans(), st.sampled_from([0, 999, 1000])), min_size=1))
def test_every_trial_is_in_one_section_whose_trials_were_drawn_alike(drawn: list[tuple[str, bool, int]]) -> None:
    table = pd.DataFrame(drawn, columns=["relation", "balance", "round"]).assign(
        network="NetWS", test_error=0.5, place=range(len(drawn))
    )
    found = sections(table)
    assert sorted(place for section in found for place in section.trials.place) == list(range(len(drawn)))
    kinds = [{(*row[:2], bool(is_fresh(row[2]))) for row in section.trials.iloc[:, :3].to_numpy()} for section in found]
    assert all(len(kind) == 1 for kind in kinds)
    assert len({next(iter(kind)) for kind in kinds}) == len(found)


def test_a_setting_is_chosen_within_each_section(made_up: Made) -> None:
    def error(pairs: int, optimizer: str) -> pd.DataFrame:
        worse = 0.2 * (optimizer == ("sgd" if pairs == 100 else "adam"))
        return made_up(4, collapsing=0, pairs=pairs, optimizer=optimizer).assign(
            test_error=lambda table: table.test_error + worse - 0.05 * (pairs == 1000)
        )

    table = pd.concat([error(pairs, optimizer) for pairs in (100, 1000) for optimizer in ("adam", "sgd")])
    found = choice(table)
    assert found[["pairs", "optimizer", "chosen"]].to_numpy().tolist() == [
        [100, "adam", "best"],
        [100, "sgd", "worse"],
        [1000, "sgd", "best"],
        [1000, "adam", "worse"],
    ]
    with pytest.raises(AnalysisError, match="nothing to choose between"):
        choice(table[table.optimizer == "adam"])


def test_power_of_a_section_that_has_none_says_why(made_up: Made) -> None:
    searched = pd.concat([made_up(3), made_up(3, optimizer="sgd")])
    fresh = made_up(5).pipe(later, 1000)
    rows = power_rows(power_by_section(pd.concat([searched, fresh])))
    assert rows.fresh.tolist() == [False] + [True] * 6
    assert "differ in `optimizer`" in rows.note[0]
    assert set(rows.rounds[1:]) == {5}
    with pytest.raises(AnalysisError, match="differ in `optimizer`"):
        power_by_section(searched)
