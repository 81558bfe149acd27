"""Tables of a grid search for the terminal. Errors are shown in percent."""

from typing import Any

import pandas as pd
from rich.table import Table

from twofold.analysis import SELECT_ON, SETTINGS, grid_agreement, in_order, summary, varying_settings
from twofold.report.tables import digits_note, interval, mean_and_sd, p_value, percent, text_table, value_text, words

# A cell whose distance from the paper's is more standard errors than this does not agree with it.
_AGREES_WITHIN = 3.0

# As many settings are listed that are as good as the best; in a small grid that may be all.
_MOST_LISTED = 12


def grid_tables(trials: pd.DataFrame) -> list[Table]:
    """A table per network: a line per optimizer (and other settings that vary), a column per learning rate.

    Where the settings are the paper's, its value stands below ours.
    """
    return [_network_table(network, trials[trials.network == network]) for network in in_order(trials.network.tolist())]


def choice_table(choice: pd.DataFrame, select_on: str, networks: int) -> Table:
    """The best setting of `twofold.analysis.choice`, and those that are not significantly worse."""
    settings = [name for name in SETTINGS if name in choice]
    good = choice[choice.chosen.isin(["best", "as good"])]
    columns = [
        *("lr" if name == "learning_rate" else words(name) for name in settings),
        "mean %",
        "95 % interval",
        "behind",
        "p (Holm)",
        "",
    ]
    rows = [
        [
            *(value_text(row[name]) for name in settings),
            percent(row["mean"]),
            interval(row["ci_low"], row["ci_high"]),
            percent(row["behind"]),
            p_value(row["p_holm"]),
            row["chosen"],
        ]
        for row in good.head(_MOST_LISTED).to_dict("records")
    ]
    over = f", averaged over {networks} networks" if networks > 1 else ""
    return text_table(
        f"Best of {len(choice)} settings by {select_on} error{over}",
        columns,
        rows,
        left=len(settings),
        caption=_choice_caption(choice, len(good)),
    )


def confirmation_table(search: pd.DataFrame, fresh: pd.DataFrame, select_on: str) -> Table:
    """The chosen setting's errors in the search beside those on fresh rounds: a line per network, then their mean.

    Both tables have the trials of the chosen setting alone. Errors are of the kind that the search selected on; the
    optimism is the fresh one minus the searched.
    """
    column = SELECT_ON[select_on]
    rows = [
        [network, *_confirmed(search[search.network == network], fresh[fresh.network == network], column)]
        for network in in_order(fresh.network.tolist())
    ]
    if len(rows) > 1:
        search, fresh = (_network_mean(trials, column) for trials in (search, fresh))
        rows.append(["mean", *_confirmed(search, fresh, column)])
    seen, new = search["round"].nunique(), fresh["round"].nunique()
    return text_table(
        f"The best setting on {new} fresh {_rounds_word(new)}: errors in %",
        ["network", "searched", "fresh", "optimism", "test", "95 % interval"],
        rows,
        caption=f"Searched: the {select_on} error on the {seen} {_rounds_word(seen)} of the search. Fresh: the same, "
        "on the fresh rounds. Test: the test error there.",
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
    rounds = trials["round"].nunique()
    return text_table(
        f"{network}: test error %, mean ± sd of {rounds} {_rounds_word(rounds)}",
        ["optimizer", *map(words, others), *(f"lr {rate:g}" for rate in rates)],
        rows,
        left=1 + len(others),
        caption=_network_caption(trials, agreements),
    )


def _cell(row: dict[Any, Any] | None, mean: str = "mean", sd: str = "sd") -> str:
    if row is None:
        return "–"
    lost = row.get("diverged", 0)
    return mean_and_sd(row[mean], row[sd]) + (f" †{lost}" if lost else "")


def _by_rate(rows: pd.DataFrame) -> dict[float, dict[Any, Any]]:
    return {row["learning_rate"]: row for row in rows.to_dict("records")}


def _network_caption(trials: pd.DataFrame, agreements: list[pd.DataFrame]) -> str | None:
    sentences = []
    if trials.diverged.astype(bool).any():
        sentences.append("†: so many trainings diverged (their loss was no longer finite); the mean has them in it.")
    cells = pd.concat(agreements) if agreements else pd.DataFrame({"z": []})
    compared = cells[cells.z.notna()]
    if len(compared):
        far = compared[compared.z.abs() > _AGREES_WITHIN]
        named = ", ".join(f"{row.optimizer} {row.learning_rate:g} (z = {row.z:+.1f})" for row in far.itertuples())
        agree = f"{len(compared) - len(far)} of {len(compared)} cells agree with the paper within 3 standard errors"
        sentences.append(f"{agree}{f'; not: {named}' if named else ''}.")
    note = digits_note(trials) if agreements else None
    return " ".join([*sentences, *([note] if note else [])]) or None


def _choice_caption(choice: pd.DataFrame, good: int) -> str:
    if choice.rounds.max() < 2:
        return "One round tells nothing of chance: every setting may be as good as the best."
    unlisted = f"{good - _MOST_LISTED} more are as good. " if good > _MOST_LISTED else ""
    worse, incomplete = ((choice.chosen == word).sum() for word in ("", "incomplete"))
    rest = f" Not compared, having fewer rounds: {incomplete}." if incomplete else ""
    return (
        f"{unlisted}As good: not significantly worse at 5 %, p corrected over all pairs of settings. Significantly "
        f"worse: {worse} of {len(choice)}.{rest}"
    )


def _confirmed(search: pd.DataFrame, fresh: pd.DataFrame, column: str) -> list[str]:
    seen, new = search[column].mean(), fresh[column].mean()
    test = summary(fresh).iloc[0]
    return [
        percent(seen),
        percent(new),
        f"{100 * (new - seen):+.2f}",
        percent(test["mean"]),
        interval(test["ci_low"], test["ci_high"]),
    ]


def _network_mean(trials: pd.DataFrame, column: str) -> pd.DataFrame:
    """A row per round: the errors averaged over networks."""
    columns = list(dict.fromkeys(["test_error", column]))
    return trials.groupby(["seed", "round"], as_index=False)[columns].mean().assign(network="mean")


def _rounds_word(rounds: int) -> str:
    return "round" if rounds == 1 else "rounds"
