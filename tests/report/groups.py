"""Trials as a store lists them: in groups, here each of one trial."""

from twofold.analysis import all_told_apart
from twofold.report.terminal.study import settings_table


def groups_of(trials):
    """Each trial as a group of its own."""
    error = trials.test_error
    counted = {"trials": 1, "total": error, "squares": error**2, "best": error, "worst": error}
    rounds = {"first_round": trials["round"], "last_round": trials["round"]}
    return all_told_apart(trials.assign(**{"test_pairs": 1000, **trials, **counted, **rounds}))


def listed(trials):
    """The table of a store with these trials."""
    return settings_table(groups_of(trials))
