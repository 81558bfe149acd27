"""`twofold tune`: a search for the best settings with Optuna."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from twofold.cli.options import (
    NOTHING,
    WHOLE,
    Confirm,
    Given,
    Margin,
    Networks,
    Rounds,
    RunOptions,
    ranges,
    with_options,
)

if TYPE_CHECKING:
    from twofold.api import Study

_RUN = RunOptions()


@with_options(settings=ranges())
def tune(
    *,
    networks: Networks = None,
    together: Annotated[
        bool,
        Parameter(help="Search one setting for all the networks, not one for each.", negative="", show_default=False),
    ] = False,
    budget: Annotated[int, WHOLE, Parameter(help="Trainings that each search may use.")] = 600,
    rounds: Annotated[Rounds, Parameter(help="Rounds that every proposal is judged on: 3 means rounds 0 to 2.")] = "3",
    confirm: Annotated[
        Confirm,
        Parameter(
            help="Compare the setting found with the one that the search began with, in rounds that no search saw, "
            "numbered from 1000: for example --confirm 20, or --confirm for 50; by default not at all."
        ),
    ] = None,
    equivalence_margin: Margin = None,
    settings: Given = NOTHING,
    run: RunOptions = _RUN,
) -> None:
    """Search optimizer, learning rate, batch size, epochs and auxiliary weight for the lowest validation error.

    Each network is searched for by itself, from the setting of the study on, by default the paper's. Every training is
    stored, and so is the search: the same command goes on where it was stopped, with a larger --budget it searches
    further. Figures show the course of the searches, the importance of each setting, and the error against the
    auxiliary weight. Needs Optuna (in the folder of the clone: pip install -e '.[tune]').

    Example: twofold tune --together --budget 300 --optimizer adam sgd --confirm 50
    """
    from twofold.cli.training import plan
    from twofold.settings import SETTINGS, round_numbers
    from twofold.study import fresh_rounds

    last = max(round_numbers(rounds))
    fresh_count = None if confirm is None else len(fresh_rounds(confirm[0] if confirm else 50, last + 1))
    given = settings.given()
    space = {name: value for name, value in given.items() if SETTINGS[name].search}
    fixed = {name: value for name, value in given.items() if name not in space}
    search = {"budget": budget, "together": together, **space}
    show_search(plan(networks, rounds, fixed, run), run, search, fresh_count, equivalence_margin)


def show_search(
    study: "Study",
    run: RunOptions,
    search: Mapping[str, Any],
    fresh_count: int | None = None,
    equivalence_margin: float | None = None,
) -> None:
    """Search from a study, as `twofold.Study.tune` takes it, train again in so many fresh rounds, and show all that."""
    import pandas as pd

    from twofold.cli.output import print_json, print_table, say
    from twofold.report.figures.catalogue import tune_figures
    from twofold.report.figures.files import write_figures
    from twofold.report.terminal.tune import best_settings_table, comparison_table
    from twofold.report.text.chance import chance_of_table
    from twofold.report.text.names import scope
    from twofold.settings import round_numbers

    judged = round_numbers(study.rounds)
    result = study.tune(**run.running(), **search)
    if not run.json:
        best = {found.networks: (found.best, found.proposals) for found in result.found}
        chance = chance_of_table(result.table)
        confirmed = fresh_count is not None
        print_table(best_settings_table(best, result.start, len(judged), confirmed=confirmed, chance=chance))
    tables = [result.table]
    if fresh_count:
        ours, start = result.confirm(fresh_count, **{k: v for k, v in run.running().items() if k != "store"})
        tables += [ours, start]
        if not run.json:
            together = bool(search.get("together"))
            print_table(comparison_table(ours, start, together=together, equivalence_margin=equivalence_margin))
    if run.json:
        print_json(pd.concat(tables, ignore_index=True).drop_duplicates("key"))
    proposals = {scope(found.networks): found.proposals for found in result.found}
    importances = {scope(found.networks): found.importances for found in result.found}
    for line in write_figures(run.out, tune_figures(proposals, importances)):
        say(line, quiet=run.quiet)
