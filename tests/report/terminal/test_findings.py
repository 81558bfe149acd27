"""What analyse and power print: that tables fit, and that sentences say what the numbers say."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from twofold.analysis import findings, paired_differences, power_table
from twofold.networks import NETWORKS
from twofold.report.terminal.findings import findings_sections, power_section
from twofold.report.terminal.tables import Section

Made = Callable[..., pd.DataFrame]


def printed(sections: list[Section], width: int = 200) -> str:
    console = Console(width=width, record=True, file=None, quiet=False)
    with console.capture() as captured:
        for section in sections:
            if section.table is not None:
                console.print(section.table)
            for sentence in section.sentences:
                console.print(sentence, markup=False, highlight=False)
    return captured.get()


def table_of(errors: np.ndarray) -> pd.DataFrame:
    """A table of trials from errors of n rounds x the four networks."""
    rounds, networks = np.indices(errors.shape)
    names = np.array(list(NETWORKS))[networks.ravel()]
    return pd.DataFrame({"network": names, "round": rounds.ravel(), "test_error": errors.ravel()})


def test_tables_of_one_setting_fit_eighty_columns(made_up: Made) -> None:
    table = made_up(100)
    lines = printed([*findings_sections(findings(table)), power_section(power_table(table))], width=80).splitlines()
    assert "NetBase" in "".join(lines)
    assert not [line for line in lines if "…" in line]
    rows = [line for line in lines if line.startswith(("NetWSAL  both branches dead", "NetWSAL − NetBase"))]
    assert len(rows) == 3  # differences, power and collapse, each on one line


def test_effects_that_are_there_are_said_with_their_direction() -> None:
    random = np.random.default_rng(0)
    text = printed(
        findings_sections(findings(table_of(np.array([0.3, 0.25, 0.1, 0.09]) + random.normal(0, 0.01, (20, 4)))))
    )
    assert "Weight sharing lowers the test error by" in text
    assert "Auxiliary losses lower the test error by" in text
    assert "Weight sharing changes the test error by −" in text
    assert "with them: a difference of +" in text
    assert "Told apart at 5 % after correction: NetBase and NetWS," in text


def test_effects_that_are_not_there_are_not_claimed() -> None:
    random = np.random.default_rng(1)
    table = table_of(0.2 + random.normal(0, 0.01, (20, 4)))
    text = printed(findings_sections(findings(table)), width=1000)
    assert text.count("not shown to change the test error: the change may be") == 2
    assert "it is not shown that these differ: the difference may be" in text
    assert "lowers" not in text
    (alike,) = re.findall(r"Not shown to differ \(95 %\): (.*)\.", text)
    row = paired_differences(table).iloc[0]
    most = 100 * max(abs(row.all_low), abs(row.all_high))
    assert alike.startswith(f"NetBase and NetWS (at most {most:.2f} points), NetBase and NetAL (at most ")
    assert "not clearly less than any other" in text


def test_harm_is_said_as_such() -> None:
    random = np.random.default_rng(2)
    text = printed(
        findings_sections(findings(table_of(np.array([0.1, 0.2, 0.3, 0.4]) + random.normal(0, 0.01, (20, 4)))))
    )
    assert "Weight sharing raises the test error by" in text
    assert "Auxiliary losses raise the test error by" in text


def test_the_least_varying_network_is_named() -> None:
    random = np.random.default_rng(3)
    text = printed(findings_sections(findings(table_of(0.3 + random.normal(0, [0.05, 0.05, 0.01, 0.009], (60, 4))))))
    assert "NetWSAL varies least" in text
    assert "clearly less than NetBase, NetWS." in text
    assert "Not clearly told apart from it: NetAL." in text


def test_too_few_rounds_say_what_they_cannot_show(made_up: Made) -> None:
    text = printed(findings_sections(findings(made_up(5))))
    assert (
        "5 rounds cannot show anything at 5 %: the least p-value that a sign-flip test of them can give is 0.062"
        in text
    )


def test_one_round_says_once_why_there_are_no_intervals(made_up: Made) -> None:
    text = printed(findings_sections(findings(made_up(1))))
    assert text.count("1 of the 2 complete rounds that are needed.") == 2  # differences and effects
    assert "1 round" in text
    assert "nan" not in text.lower().replace("explanation", "")


def test_rounds_left_out_are_counted(made_up: Made) -> None:
    table = made_up(8)
    text = printed(findings_sections(findings(table[~((table.network == "NetAL") & (table["round"] < 3))])))
    assert "NetBase and NetAL, NetWS and NetAL, NetAL and NetWSAL: rounds left out" not in text
    assert "rounds left out because a network lacks in them: 3." in text


def test_missing_errors_leave_the_rest_standing(made_up: Made) -> None:
    table = made_up(8)
    table.loc[table.network == "NetAL", "test_error"] = np.nan
    text = printed(findings_sections(findings(table)))
    assert "0 of the 2 complete rounds that are needed." in text
    assert "Told apart" in text
    assert "nan" not in text


def test_outliers_that_no_dead_branch_explains_are_listed(made_up: Made) -> None:
    table = made_up(10, collapsing=0.0)
    assert "No round is an outlier." in printed(findings_sections(findings(table)))
    table.loc[(table.network == "NetAL") & table["round"].isin([3, 7]), "test_error"] = 0.4
    assert "both branches alive: NetAL, round 3, 7." in printed(findings_sections(findings(table)))


def test_outliers_that_are_explained_are_said_to_be(made_up: Made) -> None:
    text = printed(findings_sections(findings(made_up(60))))
    assert "outliers have a dead branch or diverged." in text


def test_diverged_trainings_are_shown(made_up: Made) -> None:
    table = made_up(5)
    table.loc[0, "diverged"] = True
    text = printed(findings_sections(findings(table)))
    assert "Diverged trainings count" in text
    assert "diverged" in text


def test_other_digits_than_the_papers_are_named(made_up: Made) -> None:
    assert "these are mnist5k" in printed(findings_sections(findings(made_up(5, data="mnist5k"))))
    assert "The paper's digits" not in printed(findings_sections(findings(made_up(5))))


def test_several_settings_say_which_options_choose(made_up: Made) -> None:
    table = pd.concat([made_up(5), made_up(5, bottleneck_activation="leaky_relu", normalise=True)])
    text = printed(findings_sections(findings(table)))
    assert "choose one with --normalise and --bottleneck-activation" in text
    assert "Behind a leaky ReLU" in text
    assert "Paired differences" not in text


@pytest.mark.parametrize("missing", ["dead_first", "auxiliary_losses", "data", "digit_error", "diverged", "seed"])
def test_columns_that_lack_leave_the_rest_standing(made_up: Made, missing: str) -> None:
    assert "Effects on the test error" in printed(findings_sections(findings(made_up(5).drop(columns=missing))))
