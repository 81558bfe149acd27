"""All that a table of trials says, in one go: what `twofold analyse` prints."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from twofold.analysis.collapse import collapse, explained
from twofold.analysis.components import components, counting
from twofold.analysis.designs import Design, lacking_designs
from twofold.analysis.effects import effects
from twofold.analysis.ensembles import ensembles
from twofold.analysis.paper import agreement
from twofold.analysis.power import check_margin
from twofold.analysis.spread import spread
from twofold.analysis.summary import paired_differences, summary
from twofold.analysis.trials import (
    AnalysisError,
    as_trials,
    is_crossed,
    require_distinct,
    require_drawn_alike,
    settings_of,
    telling_sections,
    varying_settings,
    without_unused,
)


@dataclass(frozen=True)
class Findings:
    """The statistics of a table of trials by name; where one cannot be given, `reasons` says why not.

    `lacking` are designs of the user's of which some networks lack, so that they tell no effects.

    `settings` are those of `settings_of`. `varied` names the ones with several values: then `summary`, `collapse` and
    `explained` have a row per network and setting, and the statistics that compare networks round by round are left
    out, since rounds pair up within one setting only. `crossed` counts the trials with the initial weights of another
    round, which the statistics over rounds leave out.
    """

    settings: Mapping[str, list[Any]]
    varied: list[str]
    tables: Mapping[str, pd.DataFrame]
    reasons: Mapping[str, str]
    lacking: Sequence[Design] = ()
    crossed: int = 0


def findings(table: pd.DataFrame, equivalence_margin: float | None = None, *, ensemble: int | None = None) -> Findings:
    """Every statistic that the table allows; with a margin (a fraction) differences and effects have verdicts.

    With `ensemble`, `ensembles` of so many networks too. What counts the answers to test pairs needs a column
    `wrong_answers`, as `twofold.results.Store` gives it. Raises `AnalysisError` where the table is empty, lacks
    `network`, `round` or `test_error`, has two trials of one network, round and setting, or would pool what was not
    drawn alike (`twofold.analysis.sections`), `SettingError` for a margin outside (0, 1), or an ensemble below 2.
    """
    check_margin(equivalence_margin)
    trials = as_trials(table, crossed=True)
    crossed, varied = int(is_crossed(trials).sum()), varying_settings(trials)
    require_distinct(trials, varied)
    require_drawn_alike([name for name in telling_sections(trials) if name not in varied])
    used = without_unused(trials)
    statistics: dict[str, Callable[[], pd.DataFrame]] = {
        "summary": lambda: summary(used, ["network", *varied]),
        "collapse": lambda: collapse(used, varied),
        "explained": lambda: explained(used, varied),
    }
    if not varied:
        statistics |= {
            "differences": lambda: _pairs(paired_differences(trials, equivalence_margin)),
            "effects": lambda: effects(trials, equivalence_margin),
            "spreads": lambda: _pairs(spread(trials)),
            "agreement": lambda: _papers(agreement(trials)),
            **({"components": lambda: components(trials)} if crossed else {}),
            "counting": lambda: counting(trials),
            **({"ensembles": lambda: ensembles(trials, ensemble)} if ensemble is not None else {}),
        }
    tables, reasons = {}, {}
    for name, statistic in statistics.items():
        try:
            tables[name] = statistic()
        except AnalysisError as error:
            reasons[name] = str(error)
    lacking = lacking_designs(trials) if "effects" in tables else []
    return Findings(settings_of(trials), varied, tables, reasons, lacking, crossed)


def _pairs(comparisons: pd.DataFrame) -> pd.DataFrame:
    if comparisons.empty:
        raise AnalysisError("the table has one network: there is nothing to compare it with")
    return comparisons


def _papers(beside: pd.DataFrame) -> pd.DataFrame:
    if beside.empty:
        raise AnalysisError("these are not the paper's settings, so its numbers are no measure")
    return beside
