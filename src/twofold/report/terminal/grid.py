"""Tables of a grid search. Errors are shown in percent."""

from dataclasses import replace
from typing import Any

import pandas as pd
from rich.table import Table

from twofold.analysis import SELECT_ON, grid_agreement, in_order, summary, varying_settings
from twofold.report.terminal.tables import drawn, rich_table
from twofold.report.text import notes, statistics
from twofold.report.text.chance import chance_notes, chance_of_table, not_better
from twofold.report.text.names import heading
from twofold.report.text.numbers import MISSING, counted, interval, mean_and_sd, percent, points
from twofold.report.text.pictures import rounds_of
from twofold.report.text.tables import rows_of
from twofold.settings import value_text, words


def grid_tables(trials: pd.DataFrame) -> list[Table]:
    """A table per network: a line per optimizer (and other settings that vary), a column per learning rate.

    Where the settings are the paper's, its value stands below ours.
    """
    return [_network_table(network, trials[trials.network == network]) for network in in_order(trials.network.tolist())]


def choice_table(choice: pd.DataFrame, select_on: str, trials: pd.DataFrame) -> Table:
    """The best setting of `twofold.analysis.choice` of the trials, and those that are not shown to be worse."""
    table = statistics.choice_table(choice, select_on, trials.network.nunique())
    return drawn(replace(table, notes=[*table.notes, *chance_of_table(trials)]))


def confirmation_table(search: pd.DataFrame, fresh: pd.DataFrame, select_on: str) -> Table:
    """The chosen setting's errors in the search beside those on fresh rounds: a line per network, then their mean.

    Both tables have the trials of the chosen setting alone. Errors are of the kind that the search selected on; the
    optimism is the fresh one minus the searched.
    """
    column, tested = SELECT_ON[select_on], fresh
    rows = [
        [network, *_confirmed(search[search.network == network], fresh[fresh.network == network], column)]
        for network in in_order(fresh.network.tolist())
    ]
    seen, new = (len(trials.drop_duplicates(["seed", "round"])) for trials in (search, fresh))
    if len(rows) > 1:
        search, fresh = (_network_mean(trials, column) for trials in (search, fresh))
        rows.append(["mean", *_confirmed(search, fresh, column)])
    return rich_table(
        f"The best setting on {counted(new, 'fresh round')}",
        ["network", "searched\nerror %", "fresh\nerror %", "optimism\npoints", "test\nerror %", "95 %\ninterval %"],
        rows,
        caption=" ".join([notes.confirmation_note(select_on, counted(seen, "round")), *chance_notes(summary(tested))]),
    )


def _network_table(network: str, trials: pd.DataFrame) -> Table:
    others = [name for name in varying_settings(trials) if name not in ("optimizer", "learning_rate")]
    rates = sorted(trials.learning_rate.unique())
    rows = []
    agreements = []
    for line, of_line in trials.groupby(["optimizer", *others], sort=False):
        ours = _by_rate(summary(of_line, ["learning_rate"]))
        rows.append([*map(value_text, line), *(_cell(ours.get(rate)) for rate in rates)])
        agreement = grid_agreement(of_line)
        if len(agreement):
            papers = _by_rate(agreement)
            cells = (_cell(papers.get(rate), "paper_mean", "paper_sd") for rate in rates)
            rows.append(["  paper", *[""] * len(others), *cells])
            agreements.append(agreement)
    return rich_table(
        f"{network}: test error %, mean ± sd of {rounds_of(trials)}",
        [*map(heading, ("optimizer", *others)), *(f"{words('learning_rate')}\n{value_text(rate)}" for rate in rates)],
        rows,
        left=1 + len(others),
        caption=" ".join(_network_notes(trials, agreements)) or None,
    )


def _cell(row: dict[str, Any] | None, mean: str = "mean", sd: str = "sd") -> str:
    if row is None:
        return MISSING
    lost = row.get("diverged", 0)
    return mean_and_sd(row[mean], row[sd]) + (f" †{lost}" if lost else "")


def _by_rate(rows: pd.DataFrame) -> dict[float, dict[str, Any]]:
    return {row["learning_rate"]: row for row in rows_of(rows)}


def _network_notes(trials: pd.DataFrame, agreements: list[pd.DataFrame]) -> list[str]:
    sentences = [notes.DIVERGED_CELLS] if trials.diverged.astype(bool).any() else []
    varied = varying_settings(trials)
    sentences += not_better(summary(trials, ["network", *varied]), varied)  # what chance is stands below the choice
    if agreements:
        sentences += [*notes.cells_note(pd.concat(agreements)), *notes.digits_note(list(trials.data))]
    return sentences


def _confirmed(search: pd.DataFrame, fresh: pd.DataFrame, column: str) -> list[str]:
    seen, new = search[column].mean(), fresh[column].mean()
    test = summary(fresh).iloc[0]
    return [
        percent(seen),
        percent(new),
        points(new - seen),
        percent(test["mean"]),
        interval(test["ci_low"], test["ci_high"]),
    ]


def _network_mean(trials: pd.DataFrame, column: str) -> pd.DataFrame:
    """A row per round: the errors averaged over networks."""
    columns = list(dict.fromkeys(["test_error", column]))
    return trials.groupby(["seed", "round"], as_index=False)[columns].mean().assign(network="mean")
