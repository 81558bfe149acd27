"""`twofold grid`: the paper's grid search (section IV), and any like it."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from twofold.cli.options import (
    NOTHING,
    Confirm,
    Given,
    Margin,
    Networks,
    Rounds,
    RunOptions,
    several_values,
    with_options,
)

if TYPE_CHECKING:
    from twofold.api import Study

_SELECTION = Group("How a setting is chosen", sort_key=4)
_RUN = RunOptions()

# The paper's grid.
_GRID: dict[str, tuple[Any, ...]] = {
    "optimizer": ("sgd", "adam", "adadelta", "adagrad", "rmsprop"),
    "learning_rate": (0.001, 0.005, 0.01),
}


@with_options(settings=several_values(**_GRID))
def grid(
    *,
    networks: Networks = None,
    rounds: Rounds = "10",
    select_on: Annotated[
        Literal["validation", "test"],
        Parameter(help="Choose by the error on validation pairs, or on the test pairs as the paper.", group=_SELECTION),
    ] = "validation",
    confirm: Annotated[
        Confirm,
        Parameter(
            help="Train the chosen setting again in rounds that the search never saw, numbered from 1000: for example "
            "--confirm 20, or --confirm for 10; by default not at all.",
            group=_SELECTION,
        ),
    ] = None,
    equivalence_margin: Annotated[Margin, Parameter(group=_SELECTION)] = None,
    settings: Given = NOTHING,
    run: RunOptions = _RUN,
) -> None:
    """Train every combination of the settings given, and choose the best for all the networks.

    By default this is the paper's grid: 5 optimizers x 3 learning rates x 4 networks x 10 rounds = 600 trainings.
    The choice is the setting with the lowest error averaged over the networks; with it are listed those that are not
    shown to be worse. What decides how pairs are drawn, such as --pairs, is not chosen: each value has a choice of its
    own. Trials that are in the store already are not trained again, and a training that diverged counts with the error
    it came to. Figures are written for each network: every round, and a heatmap. With --confirm, --json has the rows of
    the confirmation too.

    Example: twofold grid --optimizer adam sgd --learning-rate 0.001 0.01 --rounds 5 --confirm 20
    """
    from twofold.cli.training import plan
    from twofold.settings import round_numbers
    from twofold.study import fresh_rounds

    searched = max(round_numbers(rounds)) + 1
    fresh_count = None if confirm is None else len(fresh_rounds(confirm[0] if confirm else 10, searched))
    study = plan(networks, rounds, {**_GRID, **settings.given()}, run)
    show_grid(study, run, select_on, fresh_count, equivalence_margin)


def show_grid(
    study: "Study",
    run: RunOptions,
    select_on: str,
    fresh_count: int | None = None,
    equivalence_margin: float | None = None,
) -> None:
    """Train every combination of a study, choose one, train it again in so many fresh rounds, and show all that."""
    import pandas as pd

    from twofold.analysis import own_weights, sections
    from twofold.cli.output import print_heading, print_json, print_table, say
    from twofold.cli.training import tell_ahead
    from twofold.report.figures.catalogue import grid_figures
    from twofold.report.figures.files import write_figures
    from twofold.report.figures.parts import only
    from twofold.report.terminal.grid import choice_table, confirmation_table, grid_tables
    from twofold.report.text.sections import section_heading
    from twofold.settings import COMPARED, SECTIONING, of_role, several

    study.check_selection(select_on)
    if run.dry_run:
        parts = {"grid": study.dry_run(**run.looking())}
        if fresh_count:  # of each section in any of the settings, since which is chosen is not known
            values = {name: several(getattr(study, name)) for name in COMPARED if name not in of_role("images")}
            any_ = {name: some if name in SECTIONING else some[0] for name, some in values.items()}
            parts["confirmation"] = study.confirmation(any_, fresh_count).dry_run(**run.looking())
        tell_ahead(run, **parts)
        return
    result = study.run(**run.running(), command="grid")
    tables, every_choice = [result.table], result.choice(select_on, equivalence_margin)
    alike = sections(result.table, by_stage=False)
    for place, (told, table) in enumerate(alike):
        chosen = only(every_choice, told)
        if not run.json:
            if told:
                print_heading(section_heading(place, len(alike), told))
            for each in grid_tables(table):
                print_table(each)
            print_table(choice_table(chosen, select_on, table))
        if fresh_count:
            setting = {name: chosen[name].tolist()[0] for name in COMPARED if name in chosen}
            fresh = study.confirmation(setting, fresh_count).run(**run.running(), command="confirmation")
            tables.append(fresh.table)
            if not run.json:
                print_table(confirmation_table(only(table, setting), tables[-1], select_on))
    if run.json:
        print_json(pd.concat(tables, ignore_index=True))
    for line in write_figures(run.out, grid_figures(own_weights(result.table), some_classes=study.classes is not None)):
        say(line, quiet=run.quiet)
