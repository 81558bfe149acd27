"""The paper's numbers, and ours beside them."""

import json
from collections.abc import Callable
from importlib import resources

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from twofold.analysis import (
    agreement,
    benjamini_hochberg,
    choice_of_summaries,
    grid_agreement,
    grid_reference,
    holm,
    is_papers,
    study_reference,
)
from twofold.networks import PAPERS
from twofold.settings import SETTINGS

Made = Callable[..., pd.DataFrame]


def test_reference_holds_every_cell_of_the_paper_as_fractions() -> None:
    content = json.loads((resources.files("twofold.analysis") / "reference.json").read_text(encoding="utf-8"))
    study = study_reference().set_index("network")
    assert list(study.index) == list(PAPERS)
    assert study.paper_mean["NetWSAL"] == pytest.approx(content["figure_2b_course_machine"]["NetWSAL"][0] / 100)
    grid = grid_reference()
    assert len(grid) == 4 * 5 * 3
    assert set(grid.optimizer) == set(SETTINGS["optimizer"].search.values)
    assert set(grid.learning_rate) == {0.001, 0.005, 0.01}
    assert not grid.duplicated(["network", "optimizer", "learning_rate"]).any()


def test_the_rule_picks_the_papers_choice_on_the_papers_numbers() -> None:
    summaries = grid_reference().rename(columns=lambda name: name.removeprefix("paper_"))
    chosen = choice_of_summaries(summaries, ["optimizer", "learning_rate"]).iloc[0]
    assert (chosen.optimizer, chosen.learning_rate, chosen.chosen) == ("adam", 0.001, "best")


def test_z_and_p_are_those_of_welchs_test(made_up: Made) -> None:
    table = made_up(30)
    rows = agreement(table).set_index("network")
    ours = table.test_error[table.network == "NetBase"]
    paper = study_reference().set_index("network").loc["NetBase"]
    theirs = stats.ttest_ind_from_stats(
        ours.mean(), ours.std(), 30, paper.paper_mean, paper.paper_sd, paper.paper_rounds, equal_var=False
    )
    assert (rows.z["NetBase"], rows.p["NetBase"]) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert list(rows.p_holm) == pytest.approx(holm(rows.p))


def test_one_round_is_shown_beside_the_paper_without_a_z(made_up: Made) -> None:
    rows = agreement(made_up(1))
    assert rows.difference.notna().all()
    assert rows[["z", "p", "p_holm"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("epochs", 50), ("normalise", True), ("bottleneck_activation", "leaky_relu"), ("pairs", 500), ("relation", "<")],
)
def test_other_settings_are_not_compared(made_up: Made, setting: str, value: object) -> None:
    table = made_up(3, **{setting: value})
    assert not is_papers(table).any()
    assert agreement(table).empty


def test_auxiliary_weights_matter_where_there_are_auxiliary_losses(made_up: Made) -> None:
    table = made_up(3)
    table.loc[table.auxiliary_losses, "aux_weight"] = 0.5
    assert set(table.network[is_papers(table)]) == {"NetBase", "NetWS"}


def test_other_optimizers_are_compared_with_the_grid_alone(made_up: Made) -> None:
    table = made_up(3, optimizer="sgd", learning_rate=0.01)
    assert agreement(table).empty
    rows = grid_agreement(table)
    assert list(rows.paper_mean) == pytest.approx([0.2667, 0.2760, 0.2637, 0.4231])
    assert list(rows.p_bh) == pytest.approx(benjamini_hochberg(rows.p))


@pytest.mark.slow
def test_the_same_law_is_seldom_found_to_disagree(made_up: Made) -> None:
    """Rounds drawn from normal laws with the paper's means and deviations, as if the paper were right."""
    random = np.random.default_rng(12)
    paper = study_reference().set_index("network")
    table = made_up(20)
    found = []
    for _ in range(300):
        # The paper's own rounds are a draw as well: its mean is off by its standard error.
        truth = paper.paper_mean + random.normal(size=4) * paper.paper_sd / np.sqrt(20)
        errors = truth[table.network].to_numpy() + random.normal(size=len(table)) * paper.paper_sd[table.network]
        found.append((agreement(table.assign(test_error=errors.clip(0, 1).to_numpy())).p < 0.05).to_numpy())
    assert 0.03 <= np.mean(found) <= 0.07
