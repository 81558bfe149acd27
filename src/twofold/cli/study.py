"""`twofold study`: the paper's study, and any like it; or a plan in a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from twofold.cli.options import NOTHING, PLAN_FILE, Given, Networks, Rounds, RunOptions, one_value, with_options

if TYPE_CHECKING:
    from twofold.api import Study

_RUN = RunOptions()
_ROUNDS = "20"


@with_options(settings=one_value())
def study(
    plan: Annotated[
        Path | None,
        PLAN_FILE,
        Parameter(
            help="A plan in a file, in place of networks, rounds and settings, for example plan.toml: "
            "`twofold results --plan 1 --toml` prints one (docs/plans.md)."
        ),
    ] = None,
    /,
    *,
    networks: Networks = None,
    rounds: Annotated[Rounds | None, Parameter(show_default=lambda _: _ROUNDS)] = None,
    settings: Given = NOTHING,
    run: RunOptions = _RUN,
) -> None:
    """Train networks in rounds of fresh data and fresh weights, and compare their errors.

    Trials that are in the store already are not trained again. Results go to standard output, progress to standard
    error; the figure of every round's error is written as PNG and SVG.

    Example: twofold study --rounds 10 --data mnist
    """
    from twofold.cli.training import plan as planned

    if plan is None:
        show_study(planned(networks, _ROUNDS if rounds is None else rounds, settings.given(), run), run, "study")
        return
    from twofold.cli.planned import run_plan
    from twofold.errors import SettingError

    typed = {"networks": networks, "rounds": rounds, "classes": run.classes, **settings.given()}
    for name, value in typed.items():
        if value is not None:
            raise SettingError(f"`{name}` and a plan exclude each other; change it in {plan}")
    run_plan(plan, run)


def show_study(study: "Study", run: RunOptions, command: str) -> None:
    """Train a study of one setting, as this command, and show it."""
    from twofold.analysis import findings, is_crossed, own_weights
    from twofold.cli.output import print_section, print_table, say
    from twofold.cli.training import tell_ahead, train
    from twofold.report.figures.catalogue import study_figures
    from twofold.report.figures.files import write_figures
    from twofold.report.terminal.findings import crossing_sections
    from twofold.report.terminal.study import summary_table

    if run.dry_run:
        tell_ahead(run, study=study.dry_run(**run.looking()))
        return
    result = train(study, run, command)
    crossed = is_crossed(result.table)
    if not run.json and not crossed.all():
        print_table(summary_table(result.table))
    if not run.json and crossed.any():
        for section in crossing_sections(findings(result.answers)):
            print_section(section)
    if crossed.all():
        return
    table = own_weights(result.table)
    for line in write_figures(run.out, study_figures(table, some_classes=study.classes is not None)):
        say(line, quiet=run.quiet)
