"""Sections of a table of trials: trials that were drawn alike, which alone are pooled and compared.

They have the same values of all settings that decide from what pairs are drawn, and how (`twofold.settings.SECTIONING`:
images, relation, balance, numbers of pairs, normalisation), and their rounds are either all fresh or all below those
that searches leave to confirmations (`twofold.settings.is_fresh`): a setting chosen on some rounds looks better there
than it is, so that they are no sample of its errors (the winner's curse; Cawley and Talbot 2010, section 5).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from twofold.analysis.trials import FRESH, as_trials, telling_sections
from twofold.settings import is_fresh, plain


class Section(NamedTuple):
    """Trials that were drawn alike, and what tells them from the others of their table.

    `told` has the values of those of `SECTIONING` in which the table's trials differ, and of `FRESH`, whether rounds
    are fresh, where the table has both. It is empty where the table has one section.
    """

    told: Mapping[str, Any]
    trials: pd.DataFrame


def sections(table: pd.DataFrame, *, by_stage: bool = True, crossed: bool = False) -> list[Section]:
    """The sections of a table of trials, as their first trials come; those that are `crossed` as `as_trials` says.

    Unless it is `by_stage`, rounds are not looked at: within one plan no setting was chosen before. Raises
    `AnalysisError` as `as_trials` does.
    """
    trials = as_trials(table, ("network", "round"), crossed=crossed)
    telling = telling_sections(trials, by_stage=by_stage)
    if not telling:
        return [Section({}, trials)]
    columns = [is_fresh(trials["round"]).rename(FRESH) if name == FRESH else trials[name] for name in telling]
    groups = trials.groupby(columns, sort=False, dropna=False)
    return [
        Section(dict(zip(telling, map(plain, values), strict=True)), some.reset_index(drop=True))
        for values, some in groups
    ]
