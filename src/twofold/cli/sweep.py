"""`twofold sweep`: the error against one setting or several."""

from typing import TYPE_CHECKING

from twofold.cli.options import NOTHING, Given, Networks, Rounds, RunOptions, several_values, with_options

if TYPE_CHECKING:
    from twofold.api import Study

_RUN = RunOptions()


@with_options(settings=several_values())
def sweep(
    *,
    networks: Networks = None,
    rounds: Rounds = "20",
    settings: Given = NOTHING,
    run: RunOptions = _RUN,
) -> None:
    """Train every combination of the values given, and draw the error against each setting that has several.

    Each figure has the mean test error of every network with its 95 % interval, and below it what weight sharing and
    auxiliary losses change it by. Where several settings are swept, each figure has a panel for every combination
    of the others. Trials that are in the store already are not trained again.

    Example: twofold sweep --aux-weight 0 0.01 0.1 1 10 --pairs 100 300 1000 3000 --data mnist
    """
    from twofold.cli.training import plan

    show_sweep(plan(networks, rounds, settings.given(), run), run)


def show_sweep(study: "Study", run: RunOptions) -> None:
    """Train every combination of a study, and show it. Raises `SettingError` where it has one setting alone."""
    from twofold.analysis import own_weights
    from twofold.cli.output import print_table, say
    from twofold.cli.training import tell_ahead, train
    from twofold.errors import SettingError
    from twofold.report.figures.catalogue import sweep_figures
    from twofold.report.figures.files import write_figures
    from twofold.report.terminal.study import summary_table
    from twofold.settings import COMPARED, of_role, several

    axes = [name for name in COMPARED if name not in of_role("images")]
    swept = [name for name in axes if len(set(several(getattr(study, name)))) > 1]
    if not swept and len(several(study.seed)) > 1:
        raise SettingError(
            "`seed` cannot be swept: other seeds are more rounds; give several values of a setting as well"
        )
    if not swept:
        raise SettingError(
            "nothing is swept; give several values of a setting, for example --pairs 100 300 1000 "
            "(or --aux-weight, --learning-rate, --batch-size, --epochs)"
        )
    if run.dry_run:
        tell_ahead(run, sweep=study.dry_run(**run.looking()))
        return
    table = own_weights(train(study, run, "sweep").table)
    if not run.json:
        print_table(summary_table(table))
    for line in write_figures(run.out, sweep_figures(table, swept, some_classes=study.classes is not None)):
        say(line, quiet=run.quiet)
